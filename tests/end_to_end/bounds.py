"""What an app cannot have more of, and that all else goes on: series of a metric, series of an app, names."""
from harness import test
from support.checks import check, equal
from support.exposition import ledger, ledgers
from support.lines import counter, gauge, ingest, line, logplex, router_error
from support.waiting import wait_for

STATUSES = range(100, 600)


def request(status, method="GET"):
    return line('at=info method=%s path="/" host=a.example.com request_id=8601b555-6a83-4c12-8269-97c8e32cdb22 fwd="203.0.113.9" dyno=web.1 connect=1ms service=20ms '
                'status=%d bytes=100 protocol=http1.1 tls=false' % (method, status), "heroku", "router")


def post(server, app, lines, size=100):
    """Post lines in several batches."""
    for at in range(0, len(lines), size):
        part = lines[at : at + size]
        server.post(b"".join(part), app, logplex(len(part)))


def overflowed(page, **labels):
    return page.total("drain_exporter_series_overflowed_total", **labels)


REQUESTS = "heroku_router_requests_total"


@test
def a_metric_at_its_bound(context):
    """What is counted over it goes to one series, so that the total is right; what is known goes on, and so do other metrics and apps."""
    server = context.server(MAX_METRIC_SERIES=100)
    post(server, "full", [request(status) for status in STATUSES])
    page = server.page()
    equal(page.total(REQUESTS, app="full"), len(STATUSES), "requests")
    equal(page.value(REQUESTS, app="full", method="__other__", status="__other__"), len(STATUSES) - 100, "requests over the bound")
    equal(len(page.select(REQUESTS, app="full")), 101, "series")
    equal(page.value("drain_exporter_series_overflowed_total", app="full", metric=REQUESTS, label="status"), len(STATUSES) - 100, "what is told of the overflow")
    equal(overflowed(page), len(STATUSES) - 100, "no other metric overflowed")
    # Again: each known one rises, and the others together.
    post(server, "full", [request(status) for status in STATUSES])
    post(server, "other", [request(status) for status in STATUSES[-50:]])
    page = server.page()
    equal([page.value(REQUESTS, app="full", method="GET", status=status) for status in STATUSES[:100]], [2] * 100, "the known series")
    equal(page.value(REQUESTS, app="full", method="__other__", status="__other__"), 2 * (len(STATUSES) - 100), "the requests of the others")
    equal(page.total(REQUESTS, app="full"), 2 * len(STATUSES), "requests")
    equal([page.value(REQUESTS, app="other", method="GET", status=status) for status in STATUSES[-50:]], [1] * 50, "requests of another app")
    equal((overflowed(page, app="other"), page.select(REQUESTS, app="other", status="__other__")), (0, []), "overflow of the other app")
    equal(page.value("heroku_router_response_bytes_total", app="full", process_type="web"), 2 * 100 * len(STATUSES), "another metric")
    equal(page.value("heroku_router_service_duration_seconds_count", app="full", process_type="web"), 2 * (len(STATUSES) - 1), "a histogram")
    equal(page.value("heroku_router_websocket_duration_seconds_count", app="full", process_type="web"), 2, "that of status 101")
    # Nothing is lost for it.
    equal(page.total("drain_exporter_series_refused_total"), 0, "refused samples")
    equal(ledgers(page)["full"]["recognised"], 2 * len(STATUSES), "messages")


@test
def router_errors_at_their_bound(context):
    """A metric whose series are groups of lines: the errors of dynos beyond the bound are counted together, by code."""
    server = context.server(MAX_METRIC_SERIES=100)
    post(server, "app", [router_error(code, "web.%d" % number) for number in range(1, 31) for code in ("H12", "H13", "H12")], 10)
    page = server.page()
    equal(page.total("heroku_router_errors", app="app", code="H12"), 60, "errors H12")
    equal(page.total("heroku_router_errors", app="app", code="H13"), 30, "errors H13")
    own = [labels["process"] for labels, value in page.select("heroku_router_errors", app="app", code="H12") if "process" in labels]
    check("web.1" in own and "__other__" in own and 3 <= len(own) <= 5, "the processes are %r", own)
    equal(page.value("heroku_router_errors", app="app", process="web.1", code="H12"), 2, "errors of the first dyno")
    equal(page.value("heroku_router_errors", app="app", process="__other__", code="H13"), 30 - (len(own) - 1), "errors of the others")
    equal(overflowed(page, app="app", metric="heroku_router_errors", label="process") > 0, True, "the overflow is told")
    equal(page.total("heroku_router_error_lines_total", app="app"), 90, "the same without processes")


@test
def metrics_of_the_app_at_the_bound(context):
    """Of the app's own metrics, what is added up is kept in one series; what replaces cannot be, and is refused."""
    server = context.server(MAX_METRIC_SERIES=100)
    post(server, "app", [ingest([counter("hits", 2, "incremental", user=str(i)), gauge("level", i, user=str(i))]) for i in range(300)])
    page = server.page()
    equal(page.total("hits", app="app"), 600, "hits")
    equal(page.value("hits", app="app", process="__other__", user="__other__"), 400, "hits over the bound")
    equal((len(page.select("hits")), len(page.select("level"))), (101, 100), "series")
    equal(page.value("drain_exporter_series_refused_total", app="app", family="ingest"), 200, "refused gauges")
    equal(page.value("drain_exporter_series_overflowed_total", app="app", metric="hits", label="user"), 200, "overflow of hits")
    equal(page.value("drain_exporter_series_overflowed_total", app="app", metric="level", label="user"), 200, "overflow of levels")
    post(server, "app", [ingest([counter("hits", 2, "incremental", user=str(i)), gauge("level", 7, user=str(i))]) for i in range(300)])
    post(server, "other", [ingest([gauge("level", 1, user="299")])])
    page = server.page()
    equal(page.total("hits", app="app"), 1200, "hits")
    equal([page.value("level", app="app", process="web.1", user=i) for i in range(100)], [7] * 100, "the known gauges")
    equal(page.value("level", app="other", process="web.1", user=299), 1, "the gauge of another app")
    equal(ledger(page, "app")["recognised"], 600, "messages")


@test
def names_of_what_overflowed(context):
    """What tells of the overflow is bounded itself, however many names an app chooses over time."""
    server = context.server(MAX_METRIC_SERIES=10, EXPIRE_AFTER="0")
    post(server, "app", [ingest([counter("n%d" % number, 1, "incremental", **{"user%d" % number: str(i)}) for i in range(12)]) for number in range(60)])
    post(server, "other", [ingest([gauge("g", 1, user=str(i)) for i in range(12)])])
    page = server.page()
    told = [(labels, value) for labels, value in page.select("drain_exporter_series_overflowed_total", app="app") if not labels["metric"].startswith("heroku_")]
    equal(sorted(labels["metric"] for labels, _ in told), sorted(["__other__"] + ["n%d" % number for number in range(16)]), "the metrics that are named")
    equal({labels["label"] for labels, _ in told}, {"__other__"} | {"user%d" % number for number in range(16)}, "the labels that are named")
    equal(sum(value for _, value in told), 60 * 2, "what went over the bound")
    equal(page.value("drain_exporter_series_overflowed_total", app="app", metric="__other__", label="__other__"), 44 * 2, "what did so under names that are not told")
    equal(page.value("drain_exporter_series_overflowed_total", app="other", metric="g", label="user"), 2, "another app's")


@test
def an_app_at_its_bound(context):
    """An app that has all it may have is told so; its neighbours notice nothing, and what we count of it stays right."""
    server = context.server(MAX_APP_SERIES=400, MAX_METRIC_SERIES=0)
    post(server, "greedy", [request(200), ingest([gauge("known", 1), counter("known_total", 1, "incremental")])])
    post(server, "greedy", [ingest([gauge("n%d" % (i % 30), i, number=str(i))]) for i in range(1000)])
    page = server.page()
    taken = sum(len(page.select("n%d" % i, app="greedy")) for i in range(30))
    check(100 < taken < 400, "%d gauges were taken", taken)
    equal(page.value("drain_exporter_series_refused_total", app="greedy", family="ingest"), 1000 - taken, "refused gauges")
    equal(page.value("drain_exporter_series_overflowed_total", app="greedy", metric="__other__"), 1000 - taken, "the overflow: the whole app")
    # What is known goes on; what we count goes on under one name; the rest is refused.
    post(server, "greedy", [request(status) for status in (200, 201, 404, 404, 503)] + [ingest([gauge("known", 2), counter("known_total", 1, "incremental"), counter("new", 1, "incremental")])])
    page = server.page()
    equal(page.total(REQUESTS, app="greedy"), 6, "requests")
    equal((page.value(REQUESTS, app="greedy", method="GET", status=200), page.value(REQUESTS, app="greedy", method="__other__", status="__other__")), (2, 4), "requests by status")
    check(overflowed(page, app="greedy", metric=REQUESTS) >= 3, "the overflow of requests is not told")
    equal((page.value("known", app="greedy", process="web.1"), page.value("known_total", app="greedy", process="web.1")), (2, 2), "known series")
    equal(page.select("new"), [], "a new metric")
    equal(ledger(page, "greedy"), {"received": 1008, "recognised": 1008, "ignored": 0, "malformed": 0, "duplicate": 0}, "the ledger")
    # The neighbour.
    post(server, "modest", [request(status) for status in STATUSES[:40]] + [ingest([gauge("n%d" % i, i, number=str(i))]) for i in range(30)])
    page = server.page()
    equal([page.value(REQUESTS, app="modest", method="GET", status=status) for status in STATUSES[:40]], [1] * 40, "requests of the neighbour")
    equal([page.value("n%d" % i, app="modest", process="web.1", number=i) for i in range(30)], list(range(30)), "gauges of the neighbour")
    equal((overflowed(page, app="modest"), page.total("drain_exporter_series_refused_total", app="modest")), (0, 0), "overflow and refusals of the neighbour")


@test
def series_of_an_app_become_free_again(context):
    server = context.server(MAX_APP_SERIES=300, MAX_METRIC_SERIES=0, EXPIRE_AFTER="1s")
    post(server, "app", [ingest([gauge("old", i, number=str(i))]) for i in range(500)])
    check(server.page().total("drain_exporter_series_refused_total", app="app") > 200, "nothing was refused")

    def has_room():
        post(server, "app", [ingest([gauge("new", i, number=str(i))]) for i in range(100)])
        return len(server.page().select("new")) == 100

    wait_for(has_room, "there is room for new series")


@test
def names_that_an_app_chooses(context):
    """count#, measure# and sample# may have so many names; the next is refused, those that are known go on, also with new labels."""
    server = context.server(MAX_L2MET_NAMES=10)
    kinds = ("count#c%d=1", "measure#m%d=5ms", "sample#s%d=7")
    post(server, "app", [line(kinds[i % 3] % i) for i in range(30)])
    page = server.page()
    names = {name for name in page.names() if name.startswith("l2met_")}
    equal(names, {"l2met_" + ("c%d_total", "m%d_seconds", "s%d")[i % 3] % i for i in range(10)}, "names")
    equal(page.value("drain_exporter_samples_rejected_total", app="app", reason="names"), 20, "samples with further names")
    post(server, "app", [line("count#c0=5 measure#m1=5ms sample#s2=8 count#c99=1", procid="worker.3"), line("count#c0=1 source=us-east")] + [line(kinds[i % 3] % i) for i in range(30)])
    # Another app has names of its own, and the other families' names are not counted.
    post(server, "other", [line("count#z%d=1" % i) for i in range(10)] + [ingest([gauge("g%d" % i, i)]) for i in range(50)])
    post(server, "app", [ingest([gauge("g%d" % i, i)]) for i in range(50)])
    page = server.page()
    equal((page.value("l2met_c0_total", app="app", process_type="web"), page.value("l2met_c0_total", app="app", process_type="worker"),
           page.value("l2met_c0_total", app="app", process_type="web", source="us-east")), (2, 5, 1), "a known count")
    equal((page.value("l2met_m1_seconds_count", app="app", process_type="web"), page.value("l2met_m1_seconds_count", app="app", process_type="worker")), (2, 1), "a known measurement")
    equal((page.value("l2met_s2", app="app", process="web.1"), page.value("l2met_s2", app="app", process="worker.3")), (7, 8), "a known sample")
    equal(page.value("drain_exporter_samples_rejected_total", app="app", reason="names"), 41, "samples with further names")
    equal([page.value("l2met_z%d_total" % i, app="other", process_type="web") for i in range(10)], [1] * 10, "names of another app")
    equal([page.value("g%d" % i, app=app, process="web.1") for i in range(50) for app in ("app", "other")], [i for i in range(50) for _ in range(2)], "ingest names")
    equal((ledger(page, "app")["recognised"], ledger(page, "app")["malformed"]), (30 + 32 + 50, 0), "messages")


@test
def without_bounds(context):
    """0: no bound."""
    server = context.server(MAX_METRIC_SERIES=0, MAX_APP_SERIES=0, MAX_L2MET_NAMES=0)
    post(server, "app", [request(status, method) for method in ("GET", "POST", "PUT") for status in STATUSES] + [line("count#c%d=1" % i) for i in range(500)], 500)
    page = server.page()
    equal(len(page.select(REQUESTS, app="app")), 3 * len(STATUSES), "series of one metric")
    equal(sum(name.startswith("l2met_c") for name in page.names()), 500, "names")
    equal((overflowed(page), page.total("drain_exporter_samples_rejected_total", app="app")), (0, 0), "overflow and rejections")
