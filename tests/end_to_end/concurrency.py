"""Many senders and scrapers at once: nothing is lost, nothing counted twice, every page is valid."""
import socket
import threading
import time

from harness import in_threads, test
from support.checks import Failure, check, equal
from support.exporter import AUTH_METRICS
from support.exposition import ledgers
from support.lines import counter, gauge, histogram, ingest, logplex, postgres, router_error
from support.raw_connection import Raw, head_of, post_of
from support.waiting import wait_for

THREADS = 8


@test
def totals_are_exact(context):
    """Incremental counters, router errors and histograms from eight threads, while series come and go and pages are read."""
    server = context.server(EXPIRE_AFTER="30s", WORKERS=4)
    batches = context.scaled(300)
    done = threading.Event()

    def send(thread):
        with Raw(server) as raw:
            for i in range(batches):
                body = (ingest([counter("shared", 1, "incremental"), counter("own", 2, "incremental", thread=str(thread)),
                                histogram("h", [1, 2], [1, 1], 3, kind="incremental")])
                        + router_error("H12", "web.%d" % (i % 3 + 1)) + router_error("H14", "")
                        + ingest([gauge("churn", i, thread=str(thread), number=str(i))])
                        + ingest([counter("bulk", 1, "incremental")] * 20))
                equal(raw.ask(post_of(body, "sum", logplex(5))).status, 204, "a batch")

    def read():
        last = 0
        while not done.is_set():
            page = server.page()  # valid at all times; the ledger balances when nothing is under way, see below
            now = page.value("shared", app="sum", process="web.1") or 0
            check(now >= last, "a counter fell from %r to %r", last, now)
            last = now

    readers = [threading.Thread(target=guarded(read, problems := []), daemon=True) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        in_threads([lambda t=t: send(t) for t in range(THREADS)])
    finally:
        done.set()
    for reader in readers:
        reader.join(30)
    if problems:
        raise problems[0]
    page = server.page()
    total = THREADS * batches
    labels = {"app": "sum", "process": "web.1"}
    equal(page.value("shared", **labels), total, "the counter that all share")
    equal(page.value("bulk", **labels), 20 * total, "the counter with many lines in one")
    equal([page.value("own", thread=t, **labels) for t in range(THREADS)], [2 * batches] * THREADS, "the threads' own counters")
    equal((page.value("h_count", **labels), page.value("h_sum", **labels), page.value("h_bucket", le="1", **labels)), (2 * total, 3 * total, total), "the histogram")
    equal(page.total("heroku_router_errors", app="sum", code="H12"), total, "router errors H12")
    equal(page.value("heroku_router_errors", app="sum", code="H14"), total, "router errors H14")
    equal(ledgers(page)["sum"], {"received": 5 * total, "recognised": 5 * total, "ignored": 0, "malformed": 0, "duplicate": 0}, "the ledger")
    # Of a router line: the request, its protocol, its duration, its bytes (0: nothing is added), and the error in two series.
    equal(page.value("drain_exporter_samples_recorded_total", app="sum"), total * (3 + 5 + 5 + 1 + 20), "samples")


def guarded(function, problems):
    def run():
        try:
            function()
        except Exception as problem:
            problems.append(problem)

    return run


@test
def totals_are_exact_while_series_expire(context):
    """The same while thousands of series die each second; ours and the busy ones must not lose a count."""
    server = context.server(EXPIRE_AFTER="2s", POSTGRES_EXPIRE_AFTER="1s", MAX_METRIC_SERIES=0, WORKERS=4)
    end = time.monotonic() + (5.0 if context.sanitizer is None else 8.0)
    was_read = threading.Event()
    sent = [0] * THREADS

    def send(thread):
        with Raw(server) as raw:
            while not was_read.is_set():  # to look at a page takes a while, in which nothing must rest
                i = sent[thread]
                body = (router_error("H13", "web.%d" % (thread + 1)) + router_error("H18", "web.1") + ingest([counter("busy", 1, "incremental")])
                        + b"".join(ingest([gauge("churn%d" % (i % 50), i, thread=str(thread), number=str(i * 10 + n))]) for n in range(10))
                        + postgres("addon-%d-%d" % (thread, i % 100), tables=i))
                equal(raw.ask(post_of(body, "die%d" % (thread % 2), logplex(14))).status, 204, "a batch")
                sent[thread] += 1

    def read():
        try:
            while time.monotonic() < end:
                server.page()  # valid at all times; the ledger balances when nothing is under way, see below
        finally:
            was_read.set()

    in_threads([lambda t=t: send(t) for t in range(THREADS)] + [read])
    page = server.page()
    total = sum(sent)
    halves = [sum(sent[0::2]), sum(sent[1::2])]
    for thread in range(THREADS):
        code = {"app": "die%d" % (thread % 2), "process": "web.%d" % (thread + 1)}
        equal(page.value("heroku_router_errors", code="H13", **code), sent[thread], "router errors of thread %d" % thread)
    for half in (0, 1):
        equal(page.value("heroku_router_errors", app="die%d" % half, process="web.1", code="H18"), halves[half], "router errors that four threads count together")
        equal(page.value("busy", app="die%d" % half, process="web.1"), halves[half], "the counter that never rested long enough to expire")
    equal(sum(book["received"] for book in ledgers(page).values()), 14 * total, "messages")
    page = wait_for(lambda: (lambda p: p if p.value("drain_exporter_series") < 1000 and p.select("busy") == [] else None)(server.page()), "all leave", 15)
    check(page.value("drain_exporter_series_expired_total") >= 10 * total * 0.5, "few expired: %r", page.value("drain_exporter_series_expired_total"))
    equal(page.total("heroku_router_errors", code="H13"), total, "router errors after all else left")


@test
def one_new_series_from_all_threads(context):
    """The same identity born in eight threads at once is one series, with all counts."""
    server = context.server(WORKERS=4)
    rounds = context.scaled(200)
    raws = [Raw(server) for _ in range(THREADS)]
    for i in range(rounds):
        data = post_of(router_error("H12", "born.%d" % i) + ingest([counter("born", 1, "incremental", number=str(i))]), "birth")
        for raw in raws:
            raw.send(data[:-1])
        for raw in raws:
            raw.send(data[-1:])
        for raw in raws:
            equal(raw.answer().status, 204, "a batch")
    for raw in raws:
        raw.close()
    page = server.page()
    for i in range(rounds):
        equal(page.value("heroku_router_errors", app="birth", code="H12", process="born.%d" % i), THREADS, "router errors of born.%d" % i)
        equal(page.value("born", app="birth", process="web.1", number=i), THREADS, "counter %d" % i)


@test
def connections_come_and_go(context):
    """Thousands of short connections over several workers, each used for one request or none."""
    server = context.server(WORKERS=4)
    count = context.scaled(4000)
    health = head_of("GET", "/health")

    def churn(thread):
        for i in range(count):
            try:
                with Raw(server) as raw:
                    if (i + thread) % 4:
                        equal(raw.ask(health).status, 200, "health")
                    else:
                        raw.socket.shutdown(socket.SHUT_WR)
            except (OSError, Failure) as problem:
                time.sleep(0.3)  # a program that dies may not be dead yet
                check(server.is_running(), "the program died with status %s: %s", server.process.returncode, server.log()[-200:])
                raise Failure("connection %d: %s" % (i, problem))

    in_threads([lambda t=t: churn(t) for t in range(THREADS)])
    equal(server.page().value("drain_exporter_http_requests_total", path="health", status="200"), THREADS * count * 3 // 4, "requests counted")


@test
def scrapes_do_not_wait_for_each_other(context):
    server = context.server(WORKERS=2, MAX_METRIC_SERIES=0)
    for at in range(0, context.scaled(20000), 500):
        server.post(b"".join(ingest([gauge("wide", i, number=str(i))]) for i in range(at, at + 500)))

    def scrape():
        for i in range(5):
            answer = server.scrape({"Accept-Encoding": "gzip"} if i % 2 else {})
            check(answer.body.count(b"\nwide{") == context.scaled(20000), "a page is not whole")

    in_threads([scrape] * 12)
    with Raw(server) as raw:
        raw.send(b"".join(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n" % auth() for _ in range(5)))
        for _ in range(5):
            equal(raw.answer(chunks=True).status, 200, "a pipelined scrape")


def auth():
    return AUTH_METRICS["Authorization"].encode()


@test
def too_many_scrapes_are_told_503(context):
    """Each waiting page costs memory, so only so many may be asked for at a time; batches go on."""
    server = context.server(WORKERS=1, MAX_METRIC_SERIES=0)
    for at in range(0, context.scaled(20000), 500):
        server.post(b"".join(ingest([gauge("wide", i, number=str(i))]) for i in range(at, at + 500)))
    raws = [Raw(server) for _ in range(40)]
    for raw in raws:
        raw.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n" % auth())
    server.post(ingest([gauge("meanwhile", 1)]))
    statuses = [raw.answer(chunks=True).status for raw in raws]
    for raw in raws:
        raw.close()
    check(set(statuses) <= {200, 503} and 200 in statuses, "the statuses are %r", statuses)
    equal(server.page().value("meanwhile", app="app", process="web.1"), 1, "a gauge that came meanwhile")
