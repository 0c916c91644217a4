"""The ledger: every message that arrives is accounted for, however it was framed and carried."""
import glob
import gzip
import itertools
import os
import re
import time
import zlib

from exposition import ledger, ledgers
from harness import Failure, check, equal, test
from lines import counter, frame, gauge, histogram, ingest, line, logplex, postgres, router_error

SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "samples")

# Who writes each kind of line: appname, procid, and the family that must recognise all of them (None: none does yet).
AUTHORS = {
    "api-events": ("app", "api", "api"),
    "cloudfoundry-rtr": ("org.space.app", "[RTR/1]", None),
    "custom-l2met": ("app", "web.1", "l2met"),
    "dyno-state": ("heroku", "web.1", None),
    "logplex-errors": ("heroku", "logplex", "logplex"),
    "pgbouncer": ("app", "heroku-pgbouncer", "pgbouncer"),
    "postgres": ("app", "heroku-postgres", "postgres"),
    "postgres-server-log": ("app", "postgres.1105947", "postgres_log"),
    "redis": ("app", "heroku-redis", "redis"),
    "router-error": ("heroku", "router", "router"),
    "router-info": ("heroku", "router", "router"),
    "runtime-metrics": ("heroku", "web.1", None),
}

# How many lines of a sample are there to show what is not recognised.
OTHERS = {"api-events": 1, "custom-l2met": 6}

# How many messages are in the bodies that cannot be walked by their counts.
UNCOUNTED = {"frames-bad-position": 2, "frames-bad-short-read": 2, "frames-bad-size": 2, "frames-cf-https-batch": 3}


def read_sample(path):
    """What follows the first line, which tells the source."""
    with open(path, "rb") as source:
        first, rest = source.read().split(b"\n", 1)
    check(first.startswith(b"# source:"), "%s does not start with its source", path)
    return rest


def samples(pattern):
    found = {os.path.basename(path)[:-4]: read_sample(path) for path in sorted(glob.glob(os.path.join(SAMPLES, pattern)))}
    check(found, "there are no samples %s in %s", pattern, SAMPLES)
    return found


def walk(body):
    """How many frames a body has, by their counts alone."""
    count = 0
    while body:
        match = re.match(rb"(\d+) ", body)
        check(match and len(body) >= match.end() + int(match.group(1)), "the counts of this sample are wrong at %r", body[:40])
        body = body[match.end() + int(match.group(1)) :]
        count += 1
    return count


def pieces(data, size):
    return [data[i : i + size] for i in range(0, len(data), size)]


# How a body is carried: keyword arguments of Server.post.
CARRIERS = {
    "plain": lambda body: {"body": body},
    "gzip": lambda body: {"body": gzip.compress(body), "headers": {"Content-Encoding": "gzip"}},
    "deflate": lambda body: {"body": zlib.compress(body), "headers": {"Content-Encoding": "deflate"}},
    "chunked": lambda body: {"body": None, "chunks": pieces(body, 61)},
    "chunkedgzip": lambda body: {"body": None, "chunks": pieces(gzip.compress(body), 17), "headers": {"Content-Encoding": "gzip"}},
}


def carry(server, app, body, count, carrier, with_headers):
    """Post a body; the app's name is made of all the rest, so that each posting has a ledger of its own."""
    name = "%s.%s.%s" % (app, carrier, "logplex" if with_headers else "bare")
    arguments = CARRIERS[carrier](body)
    if with_headers:
        arguments["headers"] = {**arguments.get("headers", {}), **logplex(count)}
    server.post(app=name, **arguments)
    return name


def portrait(page, app):
    """All series of an app, without the app, the times and the bytes."""
    unlike = ("drain_exporter_last_batch", "drain_exporter_line_lag", "drain_exporter_body_bytes", "drain_exporter_count_mismatches")
    return {(name, tuple(pair for pair in labels if pair[0] != "app")): value for (name, labels), value in page.samples.items()
            if ("app", app) in labels and not name.startswith(unlike)}


def carry_everywhere(server, app, body, count):
    """Carry a body in all ways; the ledgers must balance and the series be alike.  One of the ledgers."""
    names = [carry(server, app, body, count, carrier, with_headers) for carrier, with_headers in itertools.product(CARRIERS, (True, False))]
    page = server.page()
    books = {name: ledger(page, name) for name in names}
    for name, book in books.items():
        equal(book["received"], count, "messages received of %s" % name)
        equal(book["duplicate"], 0, "duplicates of %s" % name)
        if ".logplex" in name:
            equal(page.value("drain_exporter_count_mismatches_total", app=name), 0, "count mismatches of %s" % name)
        alike = names[0] if name.endswith(".logplex") else names[1]
        difference = set(portrait(page, name).items()) ^ set(portrait(page, alike).items())
        check(not difference, "%s and %s differ: %.300r", name, alike, sorted(difference))
    return books[names[0]]


@test
def captured_frames(context):
    server = context.server()
    for name, body in samples("frames-*.txt").items():
        count = UNCOUNTED[name] if name in UNCOUNTED else walk(body)
        check(count > 0, "%s is empty", name)
        book = carry_everywhere(server, name, body, count)
        if not name.startswith("frames-bad-"):
            equal(book["malformed"], 0, "malformed messages of %s" % name)
            equal(server.page().total("drain_exporter_frames_repaired_total", app=name + ".plain.logplex"), 0, "repaired frames of %s" % name)
    page = server.page()
    equal(page.value("drain_exporter_upstream_lost_messages_total", app="frames-l10-no-newline.plain.logplex", code="L10"), 4, "lost messages told by L10")
    equal(page.total("drain_exporter_messages_recognised_total", app="frames-l10-no-newline.plain.logplex", family="router"), 1, "the frame after L10")
    equal(page.total("drain_exporter_messages_recognised_total", app="frames-alloy.plain.bare", family="router"), 1, "router lines of Alloy's sample")
    for name in ("frames-bad-position", "frames-bad-short-read", "frames-bad-size"):
        good = page.total("drain_exporter_messages_ignored_total", app=name + ".plain.bare")
        check(good >= 1, "%s: the good frame before the bad one is lost", name)
    ledgers(page)


@test
def captured_lines(context):
    server = context.server()
    seen = set()
    for name, text in samples("*.txt").items():
        if name.startswith("frames-"):
            continue
        lines = [each for each in text.split(b"\n") if each]
        if name == "cloudfoundry-rfc5424":  # whole messages
            body, family = b"".join(frame(each + b"\n") for each in lines), None
        else:
            check(name in AUTHORS, "sample %s is new: say who writes it", name)
            appname, procid, family = AUTHORS[name]
            body = b"".join(line(each, appname, procid, "2026-02-03T04:05:06.5+00:00") for each in lines)
        book = carry_everywhere(server, name, body, len(lines))
        equal(book["malformed"], 0, "malformed messages of %s" % name)
        if family is not None:
            recognised = server.page().value("drain_exporter_messages_recognised_total", app=name + ".plain.logplex", family=family)
            allowance = OTHERS.get(name, 0) if family != "logplex" else sum(b"L14" in each or b"L11" in each or b"L15" in each for each in lines)
            equal(recognised, len(lines) - allowance, "lines of %s that family %s recognised" % (name, family))
        seen.add(name)
    check(set(AUTHORS) <= seen, "there are no samples of %r", set(AUTHORS) - seen)


@test
def structured_data_of_log_shuttle(context):
    """Without Logplex's headers, '- -' and '- [x@1 y=z]' stand before the text."""
    server = context.server()
    body = b"".join(ingest([gauge("g", i)], "web.%d" % i).replace(b" - crates", b" - - crates") for i in range(3))
    body = re.sub(rb"(?m)^(\d+) ", lambda m: b"%d " % (int(m.group(1)) + 2), body)
    equal(walk(body), 3, "frames of the test's own body")
    server.post(None, "shuttle", {"User-Agent": "log-shuttle/0.1 (go1.20; linux; amd64; gc)", "X-Request-Id": "a"}, chunks=pieces(body, 40))
    page = server.page()
    equal([page.value("g", app="shuttle", process="web.%d" % i) for i in range(3)], [0, 1, 2], "gauges")
    # Logplex itself leaves it out: there, "- " is text.
    server.post(line("- crates-io-heroku-metrics:ingest x"), "plain", logplex(1))
    equal(ledger(server.page(), "plain")["ignored"], 1, "ignored messages")


@test
def every_fate_is_counted(context):
    server = context.server()
    prefix = "crates-io-heroku-metrics:ingest "
    fates = {
        "recognised": [ingest([gauge("g", 1)]), ingest([]), ingest("[1, {}, {\"metric\": 5}]"), router_error(), postgres(tables=3), ingest([]) * 3,
                       line("Error L10 (output buffer overflow): 5 messages dropped since 2025-03-18T07:43:08.99958+00:00.", "heroku", "logplex")],
        "ignored": [line("hello"), line(""), line("crates-io-heroku-metrics:ingest"), line(" " + prefix), line("source=X", "app", "heroku-postgres"), frame(""), frame("\n")],
        "malformed": [line(prefix + "!!!!"), line(prefix + "AAA"), line(prefix + "Z"), line(prefix + "AAAA"), frame("no header at all"), frame("<190>1 too short"),
                      line("Hello, I am a router", "heroku", "router"), frame("x" * 70000), line(prefix + "eyJtZXRyaWMiOg==")],
    }
    for fate, bodies in fates.items():
        for i, body in enumerate(bodies):
            app = "%s%d" % (fate, i)
            server.post(body, app)
            book = ledger(server.page(), app)
            count = 3 if body == ingest([]) * 3 or body.count(prefix.encode()) == 3 else 1
            equal(book, {"received": count, "recognised": 0, "ignored": 0, "malformed": 0, "duplicate": 0, fate: count}, "the ledger of %.60r" % body)
    every = b"\n".join(b"\n".join(bodies) for bodies in fates.values())  # the newlines are outside the counts
    server.post(every, "all", logplex(25))
    equal(ledger(server.page(), "all"), {"received": 25, "recognised": 9, "ignored": 7, "malformed": 9, "duplicate": 0}, "the ledger of all together")
    page = server.page()
    equal(page.value("drain_exporter_count_mismatches_total", app="all"), 0, "count mismatches")
    server.post(every, "all", logplex(24))
    equal(server.page().value("drain_exporter_count_mismatches_total", app="all"), 1, "count mismatches after a wrong Logplex-Msg-Count")
    server.post(b"", "empty")
    server.post(b" \n\r\n\t ", "empty")
    equal(ledger(server.page(), "empty")["received"], 0, "messages of empty bodies")


@test
def bytes_and_times_are_counted(context):
    server = context.server()
    body = ingest([gauge("g", 1)]) * 30
    squeezed = gzip.compress(body)
    server.post(squeezed, "b", {"Content-Encoding": "gzip"})
    server.post(body, "b")
    page = server.page()
    equal(page.value("drain_exporter_body_bytes_total", app="b", stage="received"), len(squeezed) + len(body), "bytes received")
    equal(page.value("drain_exporter_body_bytes_total", app="b", stage="decoded"), 2 * len(body), "bytes decoded")
    equal(page.value("drain_exporter_batches_total", app="b", result="taken"), 2, "batches")
    equal(page.value("drain_exporter_line_lag_seconds_count", app="b"), 2, "lags")
    check(abs(page.value("drain_exporter_last_batch_timestamp_seconds", app="b") - time.time()) < 60, "the last batch's time")


@test
def bad_elements_cost_only_themselves(context):
    server = context.server()
    elements = [gauge("before", 1), {"name": 5, "gauge": {"value": 1}}, {"gauge": {"value": 1}}, gauge("bad", "x"), gauge("bad", None), gauge("bad", 1, "sideways"),
                {"name": "bad"}, {"name": "", "gauge": {"value": 1}}, gauge("n" * 300, 1), counter("heroku_router_errors", 5), counter("drain_exporter_series", 5),
                histogram("bad", [1, "x"], [1, 2], 3, count=3), histogram("bad", [1], ["x"], 3, count=1), gauge("bad", 1, label="v" * 5000), gauge("bad", [1]),
                gauge("after", 2)]
    server.post(ingest(elements), "mix")
    page = server.page()
    equal((page.value("before", app="mix", process="web.1"), page.value("after", app="mix", process="web.1")), (1, 2), "the good ones")
    equal(page.select("bad"), [], "the bad ones")
    rejected = page.total("drain_exporter_samples_rejected_total", app="mix")
    equal((page.value("drain_exporter_samples_recorded_total", app="mix"), rejected), (2, len(elements) - 2), "samples recorded and rejected")
    equal(page.value("drain_exporter_samples_rejected_total", app="mix", reason="reserved_name"), 2, "reserved names")
    equal(ledger(page, "mix")["recognised"], 1, "messages recognised")


@test
def an_app_cannot_forge_another_family(context):
    server = context.server()
    forged = b"".join(line(text) for text in ("at=error code=H12 desc=x method=GET path=/ dyno=web.1 status=503", "source=HEROKU_POSTGRESQL addon=a sample#tables=5",
                                              "Error L10 (output buffer overflow): 5 messages dropped since x.", "heroku router - at=error code=H12"))
    inner = router_error()
    server.post(forged + line(b"innocent text\n" + inner), "forger", logplex(5))
    page = server.page()
    equal(ledger(page, "forger"), {"received": 5, "recognised": 1, "ignored": 4, "malformed": 0, "duplicate": 0}, "the ledger")
    equal(page.value("l2met_tables", app="forger", process="web.1", source="HEROKU_POSTGRESQL"), 5, "the sample under the app's own name")
    equal(page.total("heroku_router_errors", app="forger"), 0, "router errors")
    equal(page.select("heroku_postgres_tables"), [], "gauges of a database")
    equal(page.total("drain_exporter_upstream_lost_messages_total", app="forger"), 0, "lost messages")


@test
def one_app_cannot_take_all_the_room(context):
    """Apps come from URLs: thousands of them must neither fill the page nor unbalance the ledger."""
    server = context.server()
    count = context.scaled(3000)
    from server import Raw, post_of

    with Raw(server) as raw:
        for i in range(count):
            raw.send(post_of(line("x"), "many%d" % i))
            if raw.answer().status != 204:
                raise Failure("a batch is refused")
    page = server.page()
    books = ledgers(page)
    equal(sum(book["received"] for book in books.values()), count, "messages received in all ledgers")
    check(len(books) <= 1100, "%d apps have series of their own", len(books))
