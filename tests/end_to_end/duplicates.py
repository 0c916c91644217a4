"""Batches that are sent twice are counted once, and no other batch is lost for it."""
from harness import in_threads, test
from support.checks import check, equal
from support.exposition import ledger
from support.lines import TOKEN, counter, gauge, ingest, logplex, router_error
from support.raw_connection import Raw, post_of


def batch(count=3):
    """Incremental counters and a router error: all that is added up shows how often it was taken."""
    return ingest([counter("c", 1, "incremental")]) * (count - 1) + router_error()


def counted(page, app):
    return page.value("c", app=app, process="web.1"), page.value("heroku_router_errors", app=app, code="H12", process="web.1")


@test
def a_batch_sent_twice_counts_once(context):
    server = context.server()
    headers = logplex(3)
    for times in range(1, 5):
        server.post(batch(), "a", headers)
        page = server.page()
        equal(counted(page, "a"), (2, 1), "counters after sending it %d times" % times)
        equal(ledger(page, "a"), {"received": 3 * times, "recognised": 3, "ignored": 0, "malformed": 0, "duplicate": 3 * (times - 1)}, "the ledger")
        equal(page.value("drain_exporter_batches_total", app="a", result="duplicate"), times - 1, "batches that were duplicates")


@test
def a_retry_may_differ(context):
    """A retry may have an L10 frame before it (formats.md 1.6): it is the same batch all the same."""
    server = context.server()
    headers = logplex(3)
    server.post(batch(), "a", headers)
    server.post(ingest([gauge("late", 1)]) + batch(), "a", {**headers, "Logplex-Msg-Count": "4"})
    equal(counted(server.page(), "a"), (2, 1), "counters")
    equal(ledger(server.page(), "a")["duplicate"], 4, "duplicate messages")


@test
def concurrent_duplicates_count_once(context):
    server = context.server(WORKERS=4)
    rounds = context.scaled(150)
    raws = [Raw(server) for _ in range(8)]
    body = batch(40)
    for i in range(rounds):
        data = post_of(body, "race", logplex(40))

        def send(raw):
            equal(raw.ask(data).status, 204, "a duplicate")

        for raw in raws:
            raw.send(data[:-1])  # all but the last byte, so that all end at once
        for raw in raws:
            raw.send(data[-1:])
        for raw in raws:
            equal(raw.answer().status, 204, "a duplicate")
        if i % 10 == 0:
            in_threads([lambda raw=raw: send(raw) for raw in raws])
    for raw in raws:
        raw.close()
    extra = 8 * len(range(0, rounds, 10))
    page = server.page()
    equal(counted(page, "race"), (39 * rounds, rounds), "counters after %d batches, each sent 8 times at once" % rounds)
    equal(ledger(page, "race"), {"received": 40 * (8 * rounds + extra), "recognised": 40 * rounds, "ignored": 0, "malformed": 0,
                                 "duplicate": 40 * (7 * rounds + extra)}, "the ledger")


@test
def an_answered_duplicate_is_on_the_page(context):
    """Whoever gets 204, the batch is taken: also the second of two that came at once."""
    server = context.server(WORKERS=2)
    with Raw(server) as first, Raw(server) as second:
        for i in range(context.scaled(100)):
            data = post_of(ingest([gauge("filler", n) for n in range(30)]) * 200 + ingest([gauge("last", i)]), "both", logplex(201))
            first.send(data)
            second.send(data)
            equal(second.answer().status, 204, "the second sending")
            equal(server.page().value("last", app="both", process="web.1"), i, "the batch's last gauge once the second sending is answered")
            equal(first.answer().status, 204, "the first sending")


@test
def request_ids_without_logplex(context):
    """log-shuttle has neither token nor frame id; its X-Request-Id stays the same when it tries again."""
    server = context.server()
    for _ in range(3):
        server.post(batch(), "a", {"X-Request-Id": "0a1b", "User-Agent": "log-shuttle/1"})
    equal(counted(server.page(), "a"), (2, 1), "counters of one request id")
    server.post(batch(), "a", {"X-Request-Id": "0a1c"})
    server.post(batch(), "b", {"X-Request-Id": "0a1b"})
    page = server.page()
    equal((counted(page, "a"), counted(page, "b")), ((4, 2), (2, 1)), "counters of another id, and of another app")
    # Behind a router each try has a request id of its own: Logplex's id counts.
    headers = logplex(3)
    for i in range(3):
        server.post(batch(), "c", {**headers, "X-Request-Id": "different%d" % i})
    for i in range(3):
        server.post(batch(), "d", {**logplex(3), "X-Request-Id": "the same"})
    page = server.page()
    equal((counted(page, "c"), counted(page, "d")), ((2, 1), (6, 3)), "counters where both ids are given")


@test
def what_is_not_the_same_batch(context):
    server = context.server()
    same = logplex(3, frame_id="FRAME-1")
    server.post(batch(), "a", same)
    server.post(batch(), "b", same)
    server.post(batch(), "a", {**same, "Logplex-Drain-Token": TOKEN[:-1]})
    server.post(batch(), "a", {**same, "Logplex-Frame-Id": "FRAME-2"})
    server.post(batch(), "a", {**same, "Logplex-Frame-Id": "frame-1"})
    page = server.page()
    equal((counted(page, "a"), counted(page, "b")), ((8, 4), (2, 1)), "counters")
    equal(ledger(page, "a")["duplicate"], 0, "duplicates")
    # Nothing that names the batch, or half of it: then it is never a duplicate.
    for headers in ({}, {"Logplex-Drain-Token": TOKEN}, {"Logplex-Frame-Id": ""}, {"X-Request-Id": ""}):
        app = "none%d" % len(str(headers))
        for _ in range(3):
            server.post(batch(), app, headers)
        page = server.page()
        equal(counted(page, app), (6, 3), "counters with the headers %r" % headers)
        equal(ledger(page, app)["duplicate"], 0, "duplicates with the headers %r" % headers)
    # The parts must not flow into one another.
    server.post(batch(), "xy", {"Logplex-Drain-Token": "ab", "Logplex-Frame-Id": "c"})
    server.post(batch(), "xy", {"Logplex-Drain-Token": "a", "Logplex-Frame-Id": "bc"})
    equal(counted(server.page(), "xy"), (4, 2), "counters of ids that look the same when joined")


@test
def refused_sendings_are_not_remembered(context):
    """A batch that was answered 401, 415 or 422 has not been taken: sent again properly, it counts."""
    server = context.server()
    headers = logplex(3)
    equal(server.request("POST", "/drain?app_name=a", headers, batch()).status, 401, "without a password")
    server.post(batch(), "a", {**headers, "Content-Encoding": "br"}, 415)
    server.post(batch(), "a", {**headers, "Content-Encoding": "gzip"}, 422)
    with Raw(server) as raw:
        raw.send(post_of(batch(), "a", headers)[:-10])
    server.post(batch(), "a", headers)
    page = server.page()
    equal(counted(page, "a"), (2, 1), "counters")
    equal(ledger(page, "a")["received"], 3, "messages")


@test
def many_ids_are_remembered(context):
    server = context.server()
    count = context.scaled(5000)
    ids = [logplex(1) for _ in range(count)]
    with Raw(server) as raw:
        for _ in range(2):
            for at in range(0, count, 100):
                raw.send(b"".join(post_of(ingest([counter("c", 1, "incremental")]), "many", headers) for headers in ids[at : at + 100]))
                for _ in range(100):
                    equal(raw.answer().status, 204, "a batch")
    page = server.page()
    equal(page.value("c", app="many", process="web.1"), count, "the counter")
    check(ledger(page, "many")["duplicate"] == count, "duplicates: %r", ledger(page, "many"))
