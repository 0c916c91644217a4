"""What becomes of series: values, order of lines, expiry, limits."""
import math
import time

from harness import test
from support.checks import check, equal
from support.exposition import ledger
from support.lines import counter, gauge, histogram, ingest, line, postgres, router_error, stamp
from support.waiting import patient, wait_for


def value(server, name, **labels):
    return server.page().value(name, **{"app": "app", "process": "web.1", **labels})


def departure(server, name, updated):
    """When a series left the page, in seconds after its last update."""
    wait_for(lambda: server.page().select(name) == [], "%s leaves the page" % name, 10, 0.01)
    return time.monotonic() - updated


@test
def gauges_leave_in_silence(context):
    """With no further input a series leaves EXPIRE_AFTER after its last update, neither earlier nor much later."""
    server = context.server(EXPIRE_AFTER="1s", POSTGRES_EXPIRE_AFTER="1s")
    server.post(ingest([gauge("g", 1), counter("c", 2), histogram("h", [1, 2], [3, 4], 5)]) + postgres(tables=7) + router_error("H10"), "app")
    before = server.page()
    check(all(before.select(name) for name in ("g", "c", "h_count", "heroku_postgres_tables")), "a series is missing at first")
    base = before.value("drain_exporter_series")
    for name in ("g", "c", "h_bucket", "heroku_postgres_tables"):
        server.post(ingest([gauge("g", 1), counter("c", 2), histogram("h", [1, 2], [3, 4], 5)]) + postgres(tables=7), "app")
        updated = time.monotonic()
        while time.monotonic() < updated + 0.8:
            check(server.page().select(name) or time.monotonic() > updated + 0.95, "%s left %.2f s after its last update", name, time.monotonic() - updated)
            time.sleep(0.05)
        took = departure(server, name, updated)
        check(0.95 < took < 1.0 + patient(0.3), "%s left %.2f s after its last update", name, took)
    page = server.page()
    equal(page.value("heroku_router_errors", app="app", code="H10", process="web.1"), 1, "the router error, which we count ourselves")
    equal(ledger(page, "app")["received"], 11, "messages in the ledger")
    freed = wait_for(lambda: (lambda p: p if p.value("drain_exporter_series") < base else None)(server.page()), "drain_exporter_series falls")
    check(freed.value("drain_exporter_series_expired_total") >= 4, "expired: %r", freed.value("drain_exporter_series_expired_total"))
    # It comes back as new.
    server.post(ingest([counter("c", 1, "incremental")]), "app")
    equal(value(server, "c"), 1, "the counter that came back")


@test
def updates_keep_series_alive(context):
    server = context.server(EXPIRE_AFTER="1s")
    end = time.monotonic() + 1.8
    longest, last = 0.0, time.monotonic()
    while time.monotonic() < end:
        server.post(ingest([gauge("g", 1)]))
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
        check(server.page().select("g") or longest > 0.9, "a series that is updated all the time left")
        time.sleep(0.2)
    departure(server, "g", last)


@test
def nothing_expires_where_it_may_not(context):
    server = context.server(EXPIRE_AFTER="0")
    server.post(ingest([gauge("g", 1)]))
    time.sleep(1.5)  # nothing to wait for: that something does not happen
    equal(value(server, "g"), 1, "the gauge")


@test
def memory_returns_after_expiry(context):
    server = context.server(EXPIRE_AFTER="1s", MAX_SERIES=100000, MAX_APP_SERIES=0, MAX_METRIC_SERIES=0)
    server.post(ingest([gauge("g", 1)]))
    before = server.page()
    count = context.scaled(40000)
    for round_ in range(2):
        for at in range(0, count, 1000):
            server.post(b"".join(ingest([gauge("churn", i, number=str(i), round=str(round_))]) for i in range(at, at + 1000)))
        if context.sanitizer is None:
            check(server.page().value("drain_exporter_series") > 0, "nothing was taken")
        wait_for(lambda: server.page().select("churn") == [], "the series leave")
        page = wait_for(lambda: (lambda p: p if p.value("drain_exporter_series") <= before.value("drain_exporter_series") else None)(server.page()),
                        "drain_exporter_series is back")
    equal(page.value("drain_exporter_series_expired_total") >= 2 * count, True, "expired series are counted")
    if context.sanitizer is None:
        wait_for(lambda: server.page().value("drain_exporter_memory_allocated_bytes") < before.value("drain_exporter_memory_allocated_bytes") + (4 << 20),
                 "the allocated memory is back within 4 MiB (it was %d)" % before.value("drain_exporter_memory_allocated_bytes"))
        check(server.resident() < 60 << 20, "%d bytes are resident", server.resident())


@test
def absolute_replaces_and_incremental_adds(context):
    server = context.server()
    for send, want in ((counter("c", 5), 5), (counter("c", 3), 3), (counter("c", 2, "incremental"), 5), (counter("c", 2.5, "incremental"), 7.5), (counter("c", 1), 1),
                       (gauge("c", -4), -4), (gauge("c", 1.5, "incremental"), -2.5), (gauge("c", -0.5, "incremental"), -3), (counter("c", 9), 9)):
        server.post(ingest([send]))
        equal(value(server, "c"), want, "the value after %r" % send)
    equal(server.page().types["c"], "counter", "the type")
    server.post(ingest([histogram("h", [0.5, 1.0, 10], [1, 2, 3], 12.5, count=7)]))
    server.post(ingest([histogram("h", [0.5, 1.0, 10], [1, 1, 1], 2, kind="incremental")]))
    page = server.page()
    bounds = {labels["le"]: number for labels, number in page.select("h_bucket")}
    equal(bounds, {"0.5": 2, "1": 5, "10": 9, "+Inf": 10}, "the buckets")
    equal((value(server, "h_sum"), value(server, "h_count")), (14.5, 10), "sum and count")
    server.post(ingest([histogram("h", [2], [1], 1)]))
    equal({labels["le"]: number for labels, number in server.page().select("h_bucket")}, {"2": 1, "+Inf": 1}, "the buckets after their bounds changed")


@test
def late_lines_do_not_turn_back(context):
    """The newest line wins, in whatever order batches arrive."""
    server = context.server()
    server.post(ingest([counter("c", 10), gauge("g", 10), histogram("h", [1], [10], 10)], time=stamp(-5)) + postgres(tables=10, time=stamp(-5)))
    server.post(ingest([counter("c", 5), gauge("g", 5), histogram("h", [1], [5], 5)], time=stamp(-60)) + postgres(tables=5, time=stamp(-60)))
    page = server.page()

    def now(name, **labels):
        return page.value(name, **{"app": "app", "process": "web.1", **labels})

    equal([now("c"), now("g"), now("h_count"), page.value("heroku_postgres_tables", addon="postgresql-curly-12345")], [10, 10, 10, 10], "values after an older line")
    equal(page.value("drain_exporter_samples_outdated_total", app="app"), 4, "outdated samples")
    server.post(ingest([counter("c", 11), gauge("g", 9)], time=stamp(-4)))
    page = server.page()
    equal([now("c"), now("g")], [11, 9], "values after a newer line")
    # Within a batch too; and what is added counts whenever it comes.
    server.post(ingest([counter("c", 20)], time=stamp(-1)) + ingest([counter("c", 15)], time=stamp(-2)))
    server.post(ingest([counter("c", 1, "incremental")], time=stamp(-3600)))
    page = server.page()
    equal(now("c"), 21, "the counter after an older line in one batch and a late increment")
    # The same time again: what comes later counts.
    same = stamp(-0.5)
    server.post(ingest([gauge("g", 1)], time=same) + ingest([gauge("g", 2)], time=same))
    server.post(ingest([gauge("g", 3)], time=same))
    page = server.page()
    equal(now("g"), 3, "the gauge after three lines of one time")
    # Fractions and zones are part of the time.
    server.post(ingest([gauge("z", 1)], time="2026-01-01T12:00:00.5+00:00"))
    server.post(ingest([gauge("z", 2)], time="2026-01-01T13:00:00.49+01:00"))
    server.post(ingest([gauge("z", 3)], time="2026-01-01T11:59:59-00:00"))
    page = server.page()
    equal(now("z"), 1, "the gauge whose line was the newest, whatever zone the others were written in")


@test
def clocks_that_are_ahead_do_not_lock_out(context):
    server = context.server()
    server.post(ingest([gauge("g", 1)], time=stamp(86400)))
    server.post(ingest([gauge("g", 2)], time=stamp(0)))
    server.post(ingest([gauge("g", 3)], time="no time at all".replace(" ", "_")))
    equal(value(server, "g"), 3, "the gauge after a line from the future")


@test
def max_series_refuses_only_what_is_new(context):
    server = context.server(MAX_SERIES=300)
    server.post(ingest([gauge("known", 1), counter("total", 1)]))
    room = 300 - server.page().value("drain_exporter_series")
    server.post(b"".join(ingest([gauge("many", i, number=str(i))]) for i in range(300)))
    page = server.page()
    held = len(page.select("many"))
    equal(held, room, "series that were taken")
    refused = page.value("drain_exporter_series_refused_total", app="app", family="ingest")
    equal(refused, 300 - held, "refused samples")
    equal(page.value("drain_exporter_series"), 300, "series")
    equal(page.value("drain_exporter_series_limit"), 300, "the limit")
    # Known ones go on, ours too; and the ledger knows the messages.
    server.post(ingest([gauge("known", 2), counter("total", 5)]) + ingest([gauge("many", 777, number="0")]))
    page = server.page()
    equal((page.value("known", app="app", process="web.1"), page.value("total", app="app", process="web.1")), (2, 5), "known series at the limit")
    equal(page.value("many", app="app", process="web.1", number="0"), 777, "a known series of the full metric")
    equal(ledger(page, "app")["recognised"], 303, "messages")
    server.post(ingest([gauge("fresh", 1)]), "other")
    page = server.page()
    equal(page.value("drain_exporter_series_refused_total", app="other", family="ingest"), 1, "refused samples of another app")
    equal(page.select("fresh"), [], "the series that was refused")
    server.post(router_error() + postgres(tables=1), "other")
    page = server.page()
    refusals = {labels["family"]: number for labels, number in page.select("drain_exporter_series_refused_total", app="other")}
    check(refusals["postgres"] == 1 or page.select("heroku_postgres_tables"), "a refused gauge of a database is not counted: %r", refusals)
    check(refusals["router"] >= 1 or page.total("heroku_router_errors", app="other") == 1, "a refused router error is not counted: %r", refusals)


@test
def room_comes_back_after_expiry(context):
    server = context.server(MAX_SERIES=300, EXPIRE_AFTER="1s")
    server.post(ingest([gauge("first", 1)]))
    ours = server.page().value("drain_exporter_series") - 1
    server.post(b"".join(ingest([gauge("old", i, number=str(i))]) for i in range(350)))
    check(server.page().total("drain_exporter_series_refused_total", app="app") > 0, "nothing was refused")
    wait_for(lambda: server.page().value("drain_exporter_series") == ours, "all leave but what we count ourselves")
    server.post(b"".join(ingest([gauge("new", i, number=str(i))]) for i in range(int(300 - ours))))
    equal(len(server.page().select("new")), 300 - ours, "new series after the old ones left")


@test
def router_errors_start_at_zero(context):
    """The first error must be a rise, or rate() does not see it."""
    server = context.server()
    server.post(router_error("H12", "web.1"), "zero")
    page = server.page()
    equal(page.value("heroku_router_errors", app="zero", code="H12", process="web.1"), 1, "H12")
    for code in ("H10", "H13", "H14", "H18", "H27"):
        equal(page.value("heroku_router_errors", app="zero", code=code, process="web.1"), 0, code)
    server.post(router_error("H14", ""), "zero")
    server.post(router_error("H77", "web.1"), "zero")
    server.post(router_error("X<script>", "web.1"), "zero")
    page = server.page()
    equal(page.value("heroku_router_errors", app="zero", code="H14"), 1, "H14, which has no dyno")
    equal(page.value("heroku_router_errors", app="zero", code="H77", process="web.1"), 1, "a code that is not in the list")
    equal(page.value("heroku_router_errors", app="zero", code="other", process="web.1"), 1, "what is no code")


@test
def known_counters_start_at_zero(context):
    """What can be known before it happens is on the page as 0, so that the first time is a rise."""
    server = context.server()
    server.post(line("hello"), "plain")
    server.post(line("State changed from starting to up", "heroku", "web.1"), "told")
    server.post(line("Starting process with command `x`", "heroku", "worker.2") + line("State changed from starting to up", "heroku", "run.1234"), "told")
    page = server.page()

    def zeros(name, label, **labels):
        found = page.select(name, **labels)
        equal([value for _, value in found], [0] * len(found), "%s of %r" % (name, labels))
        return {labels[label] for labels, _ in found}

    for app in ("plain", "told"):
        errors = zeros("heroku_router_error_lines_total", "code", app=app, at="error")
        check({"H10", "H12", "H13", "H14", "H18", "H99"} <= errors and len(errors) > 15, "router errors of %s: %r", app, errors)
        equal(zeros("heroku_router_error_lines_total", "code", app=app, at="warning"), {"H27", "H28"}, "warnings")
        equal(zeros("heroku_router_error_lines_total", "code", app=app, at="info"), {"H80", "H81", "H82", "H83"}, "notices")
        check({"release", "deploy", "scale", "config_set", "rollback"} <= zeros("heroku_api_events_total", "event", app=app), "events of the API of %s", app)
        check({"L10", "L12", "L13", "LGR"} == zeros("drain_exporter_upstream_lost_messages_total", "code", app=app), "losses of %s", app)
        check({"header", "pairs"} <= zeros("drain_exporter_messages_malformed_total", "reason", app=app), "malformed messages of %s", app)
    # The web dyno, seen only by a line about its state; and the app, as an H14 names no dyno.
    check({"H10", "H12", "H27", "H80"} <= zeros("heroku_router_errors", "code", app="told", process="web.1"), "router errors of web.1")
    check({"H14"} <= {labels["code"] for labels, value in page.select("heroku_router_errors", app="told") if "process" not in labels and value == 0}, "router errors without a dyno")
    equal({labels.get("process") for labels, _ in page.select("heroku_router_errors", app="told")}, {"web.1", None}, "who has router errors: requests go to web dynos only")
    for kind in ("web", "run"):
        check({"R10", "R12", "R14", "R15"} <= zeros("heroku_dyno_errors_total", "code", app="told", process_type=kind), "errors of " + kind)
        check({"0", "137", "143"} <= zeros("heroku_dyno_exits_total", "status", app="told", process_type=kind), "exits of " + kind)
        equal(page.value("heroku_dyno_restarts_total", app="told", process_type=kind), 0, "restarts of " + kind)
        changes = {(labels["from"], labels["to"]): value for labels, value in page.select("heroku_dyno_state_changes_total", app="told", process_type=kind)}
        check(changes[("starting", "up")] == 1 and changes[("up", "crashed")] == 0 and changes[("up", "down")] == 0, "changes of %s: %r", kind, changes)
        check({"start", "sigkill", "cycling"} <= zeros("heroku_dyno_events_total", "event", app="told", process_type=kind), "events of " + kind)
    equal(page.value("heroku_dyno_events_total", app="told", process_type="worker", event="start"), 1, "starts of the worker")
    equal(page.select("heroku_dyno_errors_total", app="plain"), [], "of dynos that are not known nothing is told")
    # The first error is a rise of one.
    server.post(router_error("H13", "web.1") + line("Error R14 (Memory quota exceeded)", "heroku", "web.1") + line("Release v2 created by user x@example.com", "app", "api"), "told")
    page = server.page()
    equal([page.value("heroku_router_errors", app="told", process="web.1", code="H13"), page.value("heroku_router_error_lines_total", app="told", at="error", code="H13"),
           page.value("heroku_dyno_errors_total", app="told", process_type="web", code="R14"), page.value("heroku_api_events_total", app="told", event="release")], [1] * 4, "the first of each")


@test
def dynos_are_up_or_not(context):
    """From lines about states alone; what is down stays at 0, until the app is scaled down."""
    server = context.server(SCRAPE_INTERVAL="300ms")

    def state(before, after, dyno="web.1"):
        server.post(line("State changed from %s to %s" % (before, after), "heroku", dyno))

    def up(dyno="web.1"):
        return [number for _, number in server.page().select("heroku_dyno_up", app="app", process=dyno, process_type=dyno.split(".")[0])]

    state("starting", "up")
    equal(up(), [1], "after the start")
    state("up", "starting")
    equal(up(), [1], "while it restarts")
    server.post(line("Process exited with status 143", "heroku", "web.1"))
    state("starting", "crashed")
    server.post(line("Process exited with status 1", "heroku", "web.1"))
    equal(up(), [0], "after the crash")
    state("up", "down", "web.2")
    time.sleep(1.2)  # longer than what has ended is shown
    equal((up(), up("web.2")), ([0], [0]), "some time after the crash")
    state("crashed", "starting")
    equal(up(), [0], "while it starts after the crash")
    state("starting", "up")
    equal(up(), [1], "after the next start")
    server.post(line("Scaled to web@1:Standard-1X by user x@example.com", "app", "api"))
    wait_for(lambda: up("web.2") == [], "the dyno that was scaled away leaves")
    equal(up(), [1], "the dyno that stays")
    state("up", "complete", "run.1234")
    equal(server.page().select("heroku_dyno_up", process_type="run"), [], "a one-off dyno is no position in the formation")


@test
def restarts_are_counted_once(context):
    """By the lines about states, by the ids in the metrics lines, and once if both tell."""
    server = context.server()

    def report(instance):
        return line("source=web.1 dyno=heroku.1.%s sample#load_avg_1m=1" % instance, "heroku", "web.1")

    def change(before, after):
        return line("State changed from %s to %s" % (before, after), "heroku", "web.1")

    def cycle():
        return change("up", "starting") + change("starting", "up")

    def crash():
        return change("up", "crashed") + change("crashed", "starting") + change("starting", "up")

    for app, batches, want in (("states", (cycle, cycle, crash), 3), ("metrics", "abc", 2), ("both", ("a", cycle, "a", "b", "b", crash, "c"), 2)):
        for batch in batches:
            server.post(batch() if callable(batch) else report(batch), app)
        equal(server.page().value("heroku_dyno_restarts_total", app=app, process_type="web"), want, "restarts told by " + app)


@test
def numbers_round_trip(context):
    server = context.server()
    numbers = [0.1, 1 / 3, 1e-300, 1.7976931348623157e308, 5e-324, 2**53 + 2.0, -0.0, 123456789.125, 1e21, 1e-7, 100000, 0.30000000000000004, -1e15]
    server.post(ingest([gauge("n", number, at=str(i)) for i, number in enumerate(numbers)]))
    page = server.page()
    for i, number in enumerate(numbers):
        equal(page.value("n", app="app", process="web.1", at=str(i)), number, "number %d" % i)
    for text in ("1e999", "-1e999", "NaN", "Infinity"):
        server.post(ingest('[{"metric":{"name":"bad","gauge":{"value":%s}}}]' % text))
    page = server.page()
    check(all(math.isfinite(number) for _, number in page.select("bad")), "a number that is not finite is on the page")


@test
def tags_become_labels(context):
    server = context.server()
    tags = {"plain": "x", "quote": 'a"b', "back": "a\\b", "line": "a\nb", "uni": "é✓", "1digit": "d", "with-dash": "e", "le": "5", "quantile": "0.5",
            "__name__": "evil", "app": "forged", "process": "forged", "number": 5, "truth": True, "none": None, "empty": ""}
    server.post(ingest([gauge("g", 1, **tags)]), "tags")
    found = server.page().select("g")
    equal(len(found), 1, "series")
    labels = found[0][0]
    wanted = {"plain": "x", "quote": 'a"b', "back": "a\\b", "line": "a\nb", "uni": "é✓", "_1digit": "d", "with_dash": "e", "app": "tags", "process": "web.1", "number": "5",
              "truth": "true"}
    for name, text in wanted.items():
        equal(labels.get(name), text, "label %s" % name)
    for name in ("le", "quantile", "__name__", "none", "empty"):
        check(name not in labels, "label %s is on the page", name)
