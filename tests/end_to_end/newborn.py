"""The first events of a counter, as Prometheus' own increase() sees them: what is new stands on the page at 0 first."""
import json
import math
import time
import urllib.parse

from harness import test
from ledger import AUTHORS, samples
from scraping import Prometheus
from support.checks import check, equal
from support.exporter import METRICS_PASSWORD
from support.exposition import Page
from support.lines import counter, frame, gauge, histogram, ingest, line, logplex, router_error
from support.waiting import wait_for

RULES = """
rules:
  - name: jobs
    match: '^job=(?<job>\\w+) took=(?<took>[0-9.]+ms)'
    continue: true
    metrics:
      - counter: jobs_total
        labels: {kind: $job}
        with: [app, process]
      - histogram: job_seconds
        value: $took
        labels: {kind: $job}
        with: [app]
"""

APPS = ("shop", "recorded")

# Counters by type that their sender counts, not we: they come with what they have.
ABSOLUTE = ("heroku_dyno_memory_pgpgin_pages_total", "heroku_dyno_memory_pgpgout_pages_total")
# How late lines were differs from server to server.
TIMES = ("drain_exporter_line_lag_seconds",)

# One family of lines each: what Prometheus must have seen rise, by how much.
MUST_RISE = {
    'heroku_router_requests_total{status="500"}': 20,
    'heroku_router_service_duration_seconds_count{process_type="api"}': 23,
    'heroku_router_errors{process="api.1",code="H13"}': 3,
    'heroku_dyno_exits_total{status="137",process_type="api"}': 2,
    'heroku_dyno_errors_total{code="R15",process_type="api"}': 2,
    'heroku_dyno_state_changes_total{to="crashed",process_type="api"}': 1,
    'heroku_postgres_log_messages_total{severity="ERROR",sqlstate_class="42"}': 4,
    'l2met_signups_total': 7,
    'l2met_render_seconds_count': 5,
    'heroku_api_events_total{event="release"}': 2,
    'drain_exporter_upstream_lost_messages_total{code="L10"}': 11,
    'jobs_total{kind="mail"}': 6,
    'job_seconds_count{kind="mail"}': 6,
    'job_seconds_bucket{kind="mail",le="+Inf"}': 6,
    'hits': 9,
    'latency_count': 4,
    'heroku_log_messages_total{source="app",process_type="worker"}': 3,
    'drain_exporter_messages_malformed_total': 2,
    # Of a dyno that ended within the interval in which it was first heard of.
    'l2met_brief_total{process_type="brief"}': 5,
    'heroku_dyno_exits_total{status="3",process_type="brief"}': 1,
}


def router(dyno, status):
    return line('at=info method=GET path="/" host=h request_id=8601b555-6a83-4c12-8269-97c8e32cdb22 fwd="1.2.3.4" dyno=%s connect=1ms service=20ms '
                'status=%d bytes=120 protocol=http1.1 tls=true' % (dyno, status), "heroku", "router")


def dyno(text, procid):
    return line(text, "heroku", procid)


def burst():
    """Messages of all families that count, none of which the app has said before."""
    postgres_log = ('[YELLOW] [12-1]  sql_error_code = 42P01 time_ms = "2023-06-05 19:33:14.793 UTC" pid="1991397" proc_start_time="2023-06-05 19:33:12 UTC" '
                    'session_id="647e3878.1e62e5" vtid="2/0" tid="0" log_line="3" database="d" connection_source="[local]" user="u" application_name="x" ERROR:  relation')
    messages = [router("api.1", 500)] * 20 + [router_error("H13", "api.1")] * 3
    messages += [dyno("Process exited with status 137", "api.1")] * 2 + [dyno("Error R15 (Memory quota vastly exceeded)", "api.1")] * 2
    messages += [dyno("State changed from up to crashed", "api.2")]
    messages += [line(postgres_log, "app", "postgres.1234")] * 4
    messages += [line("count#signups=1", "app", "api.1")] * 7 + [line("measure#render=12ms", "app", "api.1")] * 5
    messages += [line("Release v%d created by user a@example.com" % n, "app", "api") for n in (7, 8)]
    messages += [line("Error L10 (output buffer overflow): 11 messages dropped since 2025-03-18T07:43:08.99958+00:00.", "heroku", "logplex")]
    messages += [line("job=mail took=12.5ms", "app", "api.1")] * 6
    messages += [ingest([counter("hits", 3, "incremental"), gauge("depth", 2)], "api.1")] * 3
    messages += [ingest([histogram("latency", [0.1, 1], [1, 1], 0.7, kind="incremental")], "api.1")] * 2
    messages += [line("hello", "app", "worker.1")] * 3
    messages += [frame("no message of syslog\n")] * 2
    messages += [line("count#brief=5", "app", "brief.1"), dyno("Process exited with status 3", "brief.1"), dyno("State changed from up to down", "brief.1")]
    return messages


def recorded():
    """All lines that we have of Heroku."""
    found = samples("*.txt")
    return [line(each, appname, procid) for name, (appname, procid, _) in AUTHORS.items() if not name.startswith("cloudfoundry")
            for each in found[name].split(b"\n") if each]


def accumulating(page):
    """The samples of the apps that only rise from 0: name and labels of each, with its value."""
    found = {}
    for family, kind in page.types.items():
        if kind in ("counter", "histogram") and family not in ABSOLUTE + TIMES:
            for name, labels in page.families[family]:
                if dict(labels).get("app") in APPS:
                    found[name, labels] = page.samples[name, labels]
    return found


class Increases:
    """What increase() says, asked at the time of the last scrape: then it is exact for what began at 0."""

    def __init__(self, prometheus):
        self.prometheus = prometheus
        self.time = prometheus.number('timestamp(up{job="good"})')

    def query(self, expression):
        data = json.loads(self.prometheus._get("/api/v1/query?" + urllib.parse.urlencode({"query": expression, "time": "%.3f" % self.time})))
        equal(data["status"], "success", "the status of the query " + expression)
        return [({k: v for k, v in result["metric"].items() if k not in ("job", "instance")}, float(result["value"][1])) for result in data["data"]["result"]]

    def of(self, name):
        return {tuple(sorted(labels.items())): value for labels, value in self.query('increase(%s{job="good",app=~"shop|recorded"}[5m])' % name)}

    def total(self, selector):
        result = self.query("sum(increase(%s[5m]))" % selector)
        return result[0][1] if result else 0


def missing(prometheus, wanted, before):
    """What Prometheus does not know in full: the samples whose increase is not what was sent."""
    increases, by_name = Increases(prometheus), {}
    wrong = []
    for (name, labels), value in wanted.items():
        if before.get((name, labels), 0) != 0 or value == 0:
            continue  # increase() guesses what lies before the first sample
        if name not in by_name:
            by_name[name] = increases.of(name)
        seen = by_name[name].get(labels)
        if seen is None or not math.isclose(seen, value, rel_tol=1e-9):
            wrong.append((name, dict(labels), value, seen))
    return wrong


@test
def every_first_event_is_seen(context):
    """Of every family, of rules, of the ledger: the sum of increase() over the first burst is what was sent."""
    server = context.server(SCRAPE_INTERVAL="1s", CONFIG=RULES)
    witness = context.server(SCRAPE_INTERVAL="1s", CONFIG=RULES)  # nobody scrapes it before the end: it shows what it has
    prometheus = Prometheus(context, {"good": (server, METRICS_PASSWORD)})
    warm = line("hello", "app", "web.1") + router("web.1", 200)
    for app in APPS:
        for each in (server, witness):
            each.post(warm, app, logplex(2))
        prometheus.await_number('drain_exporter_messages_received_total{app="%s"}' % app, 2)
    before = accumulating(server.first_page())
    for app, messages in (("shop", burst()), ("recorded", recorded())):
        middle = len(messages) // 2
        for part in (messages[:middle], messages[middle:]):  # two batches: what the first makes the second knows
            for each in (server, witness):
                each.post(b"".join(part), app, logplex(len(part)))
    wanted = accumulating(witness.first_page())
    new = [key for key, value in wanted.items() if before.get(key, 0) == 0 and value != 0]
    check(len(new) > 150, "only %d samples rise", len(new))
    try:
        wait_for(lambda: not missing(prometheus, wanted, before), "Prometheus has seen all", 20, 0.5)
    except Exception:
        wrong = missing(prometheus, wanted, before)
        check(False, "%d of %d increases are wrong: %.1500r", len(wrong), len(new), wrong)
    increases = Increases(prometheus)
    for selector, sent in MUST_RISE.items():
        at = selector.find("{")
        selector = selector + '{app="shop"}' if at < 0 else selector[:-1] + ',app="shop"}'
        seen = increases.total(selector)
        check(math.isclose(seen, sent, rel_tol=1e-9), "sum(increase(%s)) is %r, not %r", selector, seen, sent)
    # In the end the totals are the same, but for the order in which the workers added fractions; what has ended is gone.
    page = server.first_page()
    for key, value in accumulating(page).items():
        check(math.isclose(value, wanted.get(key, value), rel_tol=1e-12), "%s %r is %r, not %r", key[0], dict(key[1]), value, wanted.get(key))


def scraper(server, agent):
    """A page for a scraper of this name."""
    return Page(server.scrape({"User-Agent": agent}).body)


@test
def each_scraper_sees_zero_first(context):
    """Two that scrape at their own pace: each finds a new counter at 0 before it finds it risen, though the other has been there."""
    server = context.server(SCRAPE_INTERVAL="1s")
    server.post(line("hello"), "shop")
    seen = {"fast": [], "slow": []}
    def look(agent):
        seen[agent].append(scraper(server, agent).value("heroku_router_requests_total", app="shop", method="GET", status="500"))

    def pause(seconds):
        time.sleep(seconds)  # the pace of a scraper, not a guess at the server's

    for _ in range(3):
        look("fast"), look("slow"), pause(0.75)
    server.post(router("web.1", 500) * 20, "shop")
    for _ in range(2):  # longer than the interval, and shorter than the time after which the slow one is forgotten
        pause(0.6), look("fast")
    equal(seen["fast"], [None] * 3 + [0] * 2, "what the fast one saw while the slow one did not come")
    look("slow")
    pause(1.05)
    look("fast"), look("slow")
    equal((seen["fast"][-1], seen["slow"]), (20, [None] * 3 + [0, 20]), "what both see in the end")


@test
def a_visitor_delays_nothing(context):
    """Somebody who looks at the page once is not waited for."""
    server = context.server(SCRAPE_INTERVAL="100ms")
    server.post(line("hello"), "shop")
    scraper(server, "curl")
    server.post(router("web.1", 500) * 20, "shop")
    first = scraper(server, "prometheus").value("heroku_router_requests_total", app="shop", method="GET", status="500")
    equal(first, 0, "the first page")
    wait_for(lambda: scraper(server, "prometheus").value("heroku_router_requests_total", app="shop", method="GET", status="500") == 20, "it has risen", 0.4, 0.01)


@test
def a_new_app_is_shown_with_what_it_has(context):
    """Also if others have been scraped for long: the first page with an app is as the reference's."""
    server = context.server(SCRAPE_INTERVAL="60s")
    server.post(line("hello"), "old")
    server.first_page()
    server.post(router("web.1", 500) * 20, "new")
    server.post(ingest([counter("hits", 3, "incremental")]), "new")
    page = server.first_page()
    equal(page.value("heroku_router_requests_total", app="new", method="GET", status="500"), 20, "its requests")
    equal(page.value("hits", app="new", process="web.1"), 3, "its own counter")
    server.post(router("web.1", 503), "new")
    equal(server.first_page().value("heroku_router_requests_total", app="new", method="GET", status="503"), 0, "what came after the page")
    server.post(ingest([counter("told", 3), gauge("depth", 4), histogram("h", [1], [2], 1)]), "new")
    page = server.first_page()
    equal([page.value(name, app="new", process="web.1") for name in ("told", "depth", "h_count")], [3, 4, 2], "what the app itself counts")
