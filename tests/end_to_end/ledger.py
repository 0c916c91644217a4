"""The ledger: every message that arrives is accounted for, however it was framed and carried."""
import collections
import glob
import gzip
import itertools
import os
import random
import re
import time
import zlib

from harness import in_threads, test
from support.checks import Failure, check, equal
from support.exporter import AUTH_DRAIN
from support.exposition import ledger, ledgers
from support.lines import PREFIX, TOKEN, counter, frame, gauge, histogram, ingest, line, logplex, postgres, router_error
from support.raw_connection import Raw, head_of, post_of

SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "samples")

# Who writes each kind of line: appname, procid, and the family that must recognise all of them (None: none does).
AUTHORS = {
    "api-events": ("app", "api", "api"),
    "canary": ("drain_exporter", "canary", "canary"),
    "cloudfoundry-rtr": ("org.space.app", "[RTR/1]", None),
    "custom-l2met": ("app", "web.1", "l2met"),
    "dyno-state": ("heroku", "web.1", "dyno"),
    "logplex-errors": ("heroku", "logplex", "logplex"),
    "pgbouncer": ("app", "heroku-pgbouncer", "pgbouncer"),
    "postgres": ("app", "heroku-postgres", "postgres"),
    "postgres-server-log": ("app", "postgres.1105947", "postgres_log"),
    "redis": ("app", "heroku-redis", "redis"),
    "router-error": ("heroku", "router", "router"),
    "router-info": ("heroku", "router", "router"),
    "runtime-metrics": ("heroku", "web.1", "dyno"),
}

# How many lines of a sample are there to show what is not recognised.
OTHERS = {"api-events": 1, "custom-l2met": 6, "dyno-state": 2}

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


def carry_everywhere(server, app, body, count, of_url=(True, False)):
    """Carry a body in all ways; the ledgers must balance and the series be alike.  One of the ledgers.
    of_url: with Logplex's headers and without them its app is that of the URL."""
    names = [carry(server, app, body, count, carrier, with_headers) for carrier, with_headers in itertools.product(CARRIERS, of_url)]
    page = server.page()
    books = {name: ledger(page, name) for name in names}
    for name, book in books.items():
        equal(book["received"], count, "messages received of %s" % name)
        equal(book["duplicate"], 0, "duplicates of %s" % name)
        if ".logplex" in name:
            equal(page.value("drain_exporter_count_mismatches_total", app=name), 0, "count mismatches of %s" % name)
        alike = names[of_url.index(name.endswith(".logplex"))]
        difference = set(portrait(page, name).items()) ^ set(portrait(page, alike).items())
        check(not difference, "%s and %s differ: %.300r", name, alike, sorted(difference))
    return books[names[0]]


def carry_from_cloud_foundry(server, body, count):
    """Carry a body of Cloud Foundry, whose messages say of which app they are: posted in all ways it counts once."""
    before = server.page()
    for arguments in CARRIERS.values():
        server.post(app="nobody", **arguments(body))
    after = server.page()
    for name, expected in (("received", count * len(CARRIERS)), ("duplicate", count * (len(CARRIERS) - 1)), ("malformed", 0)):
        metric = "drain_exporter_messages_%s_total" % name
        equal(after.total(metric) - before.total(metric), expected, "messages %s of Cloud Foundry" % name)
    equal(after.total("drain_exporter_messages_received_total", app="nobody"), 0, "messages of the app of the URL")


@test
def captured_frames(context):
    server = context.server(SCRAPE_INTERVAL="60s")  # a dyno that ends within its batch is shown
    for name, body in samples("frames-*.txt").items():
        count = UNCOUNTED[name] if name in UNCOUNTED else walk(body)
        check(count > 0, "%s is empty", name)
        of_cloud_foundry = name.startswith("frames-cf-")
        if of_cloud_foundry:
            carry_from_cloud_foundry(server, body, count)
        book = carry_everywhere(server, name, body, count, (True,) if of_cloud_foundry else (True, False))
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
    server = context.server(SCRAPE_INTERVAL="60s")  # as above
    seen = set()
    for name, text in samples("*.txt").items():
        if name.startswith(("frames-", "cf-real-")):
            continue
        lines = [each for each in text.split(b"\n") if each]
        if name == "cloudfoundry-rfc5424":  # whole messages
            body, family = b"".join(frame(each + b"\n") for each in lines), None
        else:
            check(name in AUTHORS, "sample %s is new: say who writes it", name)
            appname, procid, family = AUTHORS[name]
            body = b"".join(line(each, appname, procid, "2026-02-03T04:05:06.5+00:00") for each in lines)
        of_cloud_foundry = name.startswith("cloudfoundry-")
        if of_cloud_foundry:
            carry_from_cloud_foundry(server, body, len(lines))
        book = carry_everywhere(server, name, body, len(lines), (True,) if of_cloud_foundry else (True, False))
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
    server = context.server(SCRAPE_INTERVAL="60s")  # what ends is still on each page
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
def a_message_of_ten_megabytes(context):
    """However long a message is in a body that was compressed, what stands in it starts no message."""
    server = context.server()
    forged = b"\n" + router_error() + b"<158>1 2026-02-03T04:05:06Z host heroku router - at=error code=H12 dyno=web.1\n"
    body = line(b"x" * 6000000 + forged + b"y" * 6000000) + ingest([gauge("g", 1)])
    server.post(gzip.compress(body, 1), "a", {**logplex(2), "Content-Encoding": "gzip"})
    page = server.page()
    equal(ledger(page, "a"), {"received": 2, "recognised": 1, "ignored": 0, "malformed": 1, "duplicate": 0}, "the ledger")
    equal((page.value("g", app="a", process="web.1"), page.total("heroku_router_errors", app="a")), (1, 0), "the gauge, and errors")
    equal(page.value("drain_exporter_count_mismatches_total", app="a"), 0, "batches with another count than their header says")


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
    with Raw(server) as raw:
        for i in range(count):
            raw.send(post_of(line("x"), "many%d" % i))
            if raw.answer().status != 204:
                raise Failure("a batch is refused")
    page = server.page()
    books = ledgers(page)
    equal(sum(book["received"] for book in books.values()), count, "messages received in all ledgers")
    check(len(books) <= 1100, "%d apps have series of their own", len(books))


# ---- all at once ----

FOREIGN_TOKEN = "d.0ff0c0de-0000-4000-8000-000000000000"
TOO_LONG = frame(b"<190>1 2026-02-03T04:05:06+00:00 host app web.1 - " + b"x" * 66000 + b"\n")


class Message:
    """A message, and what must become of it."""

    def __init__(self, framed, fate, kind=None, source=None, **lost):
        self.framed = framed
        self.fate = fate  # recognised, ignored, malformed
        self.kind = kind  # the family, or the reason
        self.source = source  # (source, process_type) in the log's volume; None: no header
        self.lost = lost


def l10(count, ending="."):
    """As Logplex puts it before a batch: without a newline."""
    text = "<172>1 2026-02-03T04:05:06.99958+00:00 host heroku logplex - Error L10 (output buffer overflow): %d messages dropped since 2026-02-03T04:05:00.1+00:00%s"
    return Message(frame(text % (count, ending)), "recognised", "logplex", ("heroku", "logplex"), L10=count)


def l10_of(token, count):
    """As it stands in the app's own log: which drain it is about is said."""
    text = "Error L10 (output buffer overflow): drain '%s' dropped %d messages since 2026-02-03T04:05:00.280571+00:00." % (token, count)
    return Message(line(text, "heroku", "logplex"), "recognised", "logplex", ("heroku", "logplex"), L10=count if token == TOKEN else 0)


def any_message(rng, number, structured=False):
    """One of all kinds of messages.  structured: as log-shuttle writes them."""
    def said(text, appname, procid, fate, kind=None, **lost):
        source = appname if appname in ("app", "heroku") else "other"
        process_type = re.sub(r"\.\d+$", "", procid) if re.fullmatch(r"[\w-]+(\.\d+)?", procid) else "other"
        return Message(line(text, appname, procid, structured=structured), fate, kind, (source, process_type), **lost)

    count = rng.randrange(1, 1000)
    dyno = "web.%d" % rng.randrange(1, 5)
    common = [
        lambda: said("at=info method=GET path=\"/%d\" host=a.example.com request_id=x fwd=\"203.0.113.1\" dyno=%s connect=1ms service=9ms status=200 bytes=5 protocol=https" % (number, dyno), "heroku", "router", "recognised", "router"),
        lambda: said("at=error code=H12 desc=\"Request timeout\" method=GET path=\"/\" host=a dyno=%s connect=1ms service=30000ms status=503 bytes=0" % dyno, "heroku", "router", "recognised", "router"),
        lambda: said("Hello, I am a router", "heroku", "router", "malformed", "pairs"),
        lambda: said("source=DATABASE addon=postgresql-x-1 sample#tables=%d" % count, "app", "heroku-postgres", "recognised", "postgres"),
        lambda: said("source=REDIS addon=redis-x-1 sample#active-connections=%d" % count, "app", "heroku-redis", "recognised", "redis"),
        lambda: said("State changed from up to starting", "heroku", dyno, "recognised", "dyno"),
        lambda: said("source=%s dyno=heroku.1.%d sample#load_avg_1m=0.5" % (dyno, count), "heroku", dyno, "recognised", "dyno"),
        lambda: said("Update available", "heroku", dyno, "ignored"),
        lambda: said("Release v%d created by user someone@example.com" % count, "app", "api", "recognised", "api"),
        lambda: said("fi", "app", "api", "ignored"),
        lambda: said("count#orders=1 measure#time=4ms", "app", "worker.1", "recognised", "l2met"),
        lambda: said("{\"metrics\":{\"a\":1}}", "app", dyno, "recognised", "metrics_json"),
        lambda: said("Started GET \"/\" for 203.0.113.1", "app", dyno, "ignored"),
        lambda: said("", "app", dyno, "ignored"),
        lambda: said("two\nlines and 7 <1>1 of a frame", "app", dyno, "ignored"),
        lambda: said(b"\xff\xfe\x00 no text", "app", dyno, "ignored"),
        lambda: said("10.0.0.1 - [2026-02-03] \"GET / HTTP/1.1\" 200", "2f1b7c9e-guid", "[RTR/1]", "ignored"),
        lambda: said(PREFIX + "!!!!", "app", dyno, "malformed", "base64"),
        lambda: said(PREFIX + "AAAA", "app", dyno, "malformed", "json"),
        lambda: said("Error L12: %d messages dropped since 2026-02-03T04:05:00.1+00:00" % count, "app", "log-shuttle", "recognised", "logplex", L12=count),
        lambda: said("Error L13: %d messages lost since 2026-02-03T04:05:00.1+00:00." % count, "app", "log-shuttle", "recognised", "logplex", L13=count),
        lambda: said("Error L14 (certificate validation): error=\"bad certificate\" uri=\"syslog+tls://x/\"", "heroku", "logplex", "ignored"),
        lambda: Message(frame("no header at all\n"), "malformed", "header"),
    ]
    of_logplex = [
        lambda: Message(ingest([counter("sum", 1, "incremental"), gauge("level", number)], dyno), "recognised", "ingest", ("app", "web")),
        lambda: l10(count, ".\n"),
        lambda: l10_of(TOKEN, count), lambda: l10_of(FOREIGN_TOKEN, count),
        lambda: Message(TOO_LONG, "malformed", "too_long") if rng.random() < 0.1 else Message(frame("\n"), "ignored"),
    ]
    return rng.choice(common if structured else common + of_logplex)()


class Books:
    """What must stand in the ledger of an app."""

    def __init__(self):
        self.fates = collections.Counter()
        self.kinds = collections.Counter()  # (fate, kind)
        self.sources = collections.Counter()
        self.lost = collections.Counter()
        self.batches = collections.Counter()

    def taken(self, messages, dropped=0, undelivered=0):
        lost = collections.Counter()
        for message in messages:
            self.fates[message.fate] += 1
            self.kinds[message.fate, message.kind] += 1
            self.sources[message.source] += 1
            lost.update(message.lost)
        lost["L12"] = max(lost["L12"], dropped)
        lost["L13"] = max(lost["L13"], undelivered)
        self.lost.update(lost)
        self.batches["taken"] += 1
        return lost["L10"]

    def duplicate(self, messages):
        self.fates["duplicate"] += len(messages)
        self.batches["duplicate"] += 1

    def add(self, other):
        for name, own in vars(self).items():
            own.update(getattr(other, name))


class Sender:
    """A sender of one app on one connection, that does all that senders do, and knows what must come of it."""

    def __init__(self, server, app, seed):
        self.server = server
        self.app = app
        self.random = random.Random(seed)
        self.books = Books()
        self.raw = Raw(server)

    def bytes_of(self, body, headers, squeeze, chunked):
        """The request, and how much of it may come without being all of it."""
        if squeeze:
            body = gzip.compress(body)
            headers = {**headers, "Content-Encoding": "gzip"}
        if not chunked:
            data = post_of(body, self.app, headers)
            return data, len(data) - 1
        head = head_of("POST", "/drain?app_name=" + self.app, {**AUTH_DRAIN, **headers, "Transfer-Encoding": "chunked"})
        data = head + b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in pieces(body, self.random.randrange(1, 2000)))
        return data + b"0\r\n\r\n", len(data)

    def post(self, messages, headers):
        """Send it once, after some tries that are cut off."""
        data, most = self.bytes_of(b"".join(message.framed for message in messages), headers, self.random.random() < 0.3, self.random.random() < 0.3)
        while self.random.random() < 0.2:
            self.raw.send(data[: self.random.randrange(1, most)])
            self.reconnect()
        if self.random.random() < 0.2:
            cut = self.random.randrange(1, most)
            self.raw.send(data[:cut])
            self.raw.send(data[cut:])
        else:
            self.raw.send(data)
        equal(self.raw.answer().status, 204, "a batch")

    def reconnect(self):
        self.raw.close()
        self.raw = Raw(self.server)

    def messages(self, number):
        """Those of a batch."""
        messages = [any_message(self.random, number) for _ in range(self.random.randrange(1, 40))]
        while messages[0].source is None:  # behind a message without a newline only a whole one can be told
            messages[0] = any_message(self.random, number)
        return messages

    def logplex_batch(self, number):
        """With a count of what was dropped before it, that grows from try to try."""
        messages = self.messages(number)
        dropped = self.random.choice((0, 0, self.random.randrange(1, 50)))
        first = [l10(dropped)] if dropped else []
        headers = logplex(len(first + messages))
        self.post(first + messages, headers)
        known = self.books.taken(first + messages)
        while self.random.random() < 0.3:
            dropped += self.random.choice((0, 0, self.random.randrange(1, 50)))
            again = ([l10(dropped)] if dropped else []) + messages
            if self.random.random() < 0.1:
                self.reconnect()
            self.post(again, {**headers, "Logplex-Msg-Count": str(len(again))})
            self.books.duplicate(again)
            lost = sum(message.lost.get("L10", 0) for message in again)
            self.books.lost["L10"] += max(0, lost - known)
            known = max(known, lost)

    def raced_batch(self, number):
        """Sent again, with a larger count, while the first try is still under way."""
        messages = self.messages(number)
        tries = [[l10(dropped)] + messages for dropped in (3, self.random.randrange(4, 50))]
        headers = logplex(len(tries[0]))
        with Raw(self.server) as other:
            wires = [(raw, post_of(b"".join(message.framed for message in each), self.app, headers)) for raw, each in zip(self.random.sample((self.raw, other), 2), tries)]
            for raw, data in wires:
                raw.send(data[:-1])
            for raw, data in wires:
                raw.send(data[-1:])
            equal([raw.answer().status for raw, _ in wires], [204, 204], "two tries at once")
        self.books.taken(tries[1])
        self.books.duplicate(tries[0])

    def shuttle_batch(self, number):
        """Of log-shuttle, which tells of losses in headers too."""
        messages = [any_message(self.random, number, structured=True) for _ in range(self.random.randrange(1, 40))]
        dropped, undelivered = (self.random.choice((0, self.random.randrange(1, 2000))) for _ in range(2))
        headers = {"User-Agent": "log-shuttle/0.1 (go1.20; linux; amd64; gc)", "X-Request-Id": "%s-%d-%d" % (self.app, id(self), number),
                   "Logplex-Msg-Count": str(len(messages))}
        headers.update({name: str(count) for name, count in (("Logplex-Drop-Count", dropped), ("Logplex-Lost-Count", undelivered)) if count or self.random.random() < 0.3})
        self.post(messages, headers)
        self.books.taken(messages, dropped, undelivered)
        while self.random.random() < 0.2:
            self.post(messages, headers)
            self.books.duplicate(messages)

    def run(self, count):
        for number in range(count):
            self.random.choices((self.logplex_batch, self.shuttle_batch, self.raced_batch), (6, 3, 1))[0](number)
        self.raw.close()


@test
def the_ledger_is_exact(context):
    """Everything that can happen to batches, at once: of three apps, on eight connections, over four workers."""
    server = context.server(WORKERS=4)
    apps = ("north", "south", "west")
    senders = [Sender(server, apps[i % 3], i) for i in range(8)]
    count = context.scaled(150, 5)
    in_threads([lambda sender=sender: sender.run(count) for sender in senders])
    page = server.page()
    equal(set(ledgers(page)), set(apps), "apps with a ledger")
    for app in apps:
        books = Books()
        for sender in senders:
            if sender.app == app:
                books.add(sender.books)
        check_books(page, app, books)


def check_books(page, app, books):
    def told(name, label):
        return {labels.get(label): value for labels, value in page.select("drain_exporter_" + name, app=app) if value}

    taken = sum(books.fates[fate] for fate in ("recognised", "ignored", "malformed"))
    equal(ledger(page, app), {"received": taken + books.fates["duplicate"], **{fate: books.fates[fate] for fate in ("recognised", "ignored", "malformed", "duplicate")}}, "the ledger of " + app)
    for fate, label in (("recognised", "family"), ("malformed", "reason")):
        equal(told("messages_%s_total" % fate, label), {kind: value for (each, kind), value in books.kinds.items() if each == fate}, "messages %s of %s" % (fate, app))
    equal(told("upstream_lost_messages_total", "code"), {code: value for code, value in books.lost.items() if value}, "lost messages of " + app)
    equal(told("batches_total", "result"), dict(books.batches), "batches of " + app)
    equal(told("count_mismatches_total", "app"), {}, "count mismatches of " + app)
    volume = {(labels.get("source"), labels.get("process_type")): value for labels, value in page.select("heroku_log_messages_total", app=app)}
    equal(volume, {source or (None, None): value for source, value in books.sources.items()}, "the log's volume of " + app)
    equal(sum(volume.values()), taken, "messages in the log's volume of " + app)


@test
def own_requests_are_known(context):
    """Where we stand behind the router of the app that we drain, each batch makes a line of its own in the next one."""
    def routed(host="metrics.example.com", path="/drain?app_name=x", method="POST"):
        return line('at=info method=%s path="%s" host=%s request_id=x fwd="203.0.113.1" dyno=web.1 connect=0ms service=1ms status=204 bytes=0 protocol=http1.1 tls=true '
                    'tls_version=tls1.3' % (method, path, host), "heroku", "router")

    own = [routed(), routed(path="/drain"), routed()]
    others = [routed("shop.example.com"), routed(path="/drains"), routed(path="/drain/x"), routed(method="GET"), routed(path="/?x=/drain"), router_error()]
    body = b"".join(own + others)
    for setting, left_out in (("false", 0), (None, 0), ("true", len(own))):
        server = context.server(LEAVE_OUT_SELF_DRAIN=setting)
        for again in (1, 2):
            server.post(body, "x", {"Host": "metrics.example.com", **logplex(len(own + others))})
            page = server.page()
            equal(page.value("drain_exporter_self_drain_messages_total", app="x"), again * len(own), "lines about own requests")
            counted = len(own + others) - left_out
            equal(page.total("heroku_router_requests_total", app="x"), again * counted, "requests")
            equal(page.value("heroku_router_service_duration_seconds_count", app="x", process_type="web"), again * counted, "durations")
            equal(ledger(page, "x"), {"received": again * (len(own + others)), "recognised": again * counted, "ignored": again * left_out, "malformed": 0, "duplicate": 0}, "the ledger")
        # A drain at another host is not ours, and one that names no host is nobody's.
        server.post(body, "y", {"Host": "other.example.com", **logplex(len(own + others))})
        page = server.page()
        equal((page.value("drain_exporter_self_drain_messages_total", app="y"), page.total("heroku_router_requests_total", app="y")), (0, len(own + others)), "at another host")
        equal(ledger(page, "y")["recognised"], len(own + others), "messages at another host")
