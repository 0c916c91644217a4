"""Pages of one app and of one instance, and the list of them, at the URLs of Promfetcher and Promregator."""
import json
import signal
import time

from accounts import HASH, HASHED_PASSWORD
from harness import test
from pages import filled
from scraping import Prometheus
from support.checks import check, equal
from support.cloud_foundry import HEADERS, App
from support.exporter import AUTH_METRICS, METRICS_PASSWORD
from support.exposition import Page
from support.lines import gauge, ingest, line, router_error
from support.http_client import basic
from support.waiting import wait_for

RULES = """
rules:
  - name: jobs
    match: '^job (?<kind>\\w+)'
    metrics: [{counter: jobs_total, labels: {kind: $kind}}]
"""
PREFIX = "__meta_promregator_target_"


def runtime(dyno):
    return line("source=%s dyno=heroku.1.a sample#memory_total=20.5MB sample#load_avg_1m=0.10" % dyno, "heroku", dyno)


def get(server, target, **headers):
    return server.request("GET", target, {**AUTH_METRICS, **headers})


def page(server, target):
    answer = get(server, target)
    equal(answer.status, 200, "the status of %s, which says %r" % (target, answer.body[:200]))
    return Page(answer.body)


def apps(one):
    """The values of the label app on a page."""
    return {labels["app"] for name in one.names() for labels, _ in one.select(name) if "app" in labels}


def server_with_apps(context, **settings):
    server = context.server(CONFIG_FILE=context.file("config.yaml", RULES), **settings)
    for app in ("shop", "blog"):
        for dyno in ("web.1", "web.2", "worker.1"):
            server.post(ingest([gauge("depth", 3, dyno=dyno)], procid=dyno) + runtime(dyno) + line("job mail", "app", dyno), app)
    server.post(router_error("H12").replace(b"example.herokuapp.com", b"Shop.example.com:443".ljust(21)), "shop")
    server.post(router_error("H12"), "blog")
    return server


@test
def page_of_one_app(context):
    server = server_with_apps(context)
    whole = server.page()
    one = page(server, "/v1/apps/shop/metrics")
    equal(apps(one), {"shop"}, "the apps on the page of one")
    for name in ("depth", "jobs_total", "heroku_dyno_memory_total_bytes", "heroku_router_errors"):
        equal(sorted(one.select(name), key=repr), sorted(whole.select(name, app="shop"), key=repr), "the series of %s" % name)
        check(one.select(name), "there is no %s", name)
    equal(one.select("drain_exporter_messages_received_total"), [], "the ledger on the page of one app")
    for target in ("/v2/apps/shop/metrics", "/v1/apps/metrics?app=shop", "/v1/apps/metrics?app=%22shop%22", "/v2/apps/metrics?app=sh%6Fp&metric_path=/x",
                   "/v1/apps/sh%6Fp/metrics?metric_path=/actuator", "/v1/apps/shop.example.com/metrics", "/v1/apps/metrics?route_url=shop.example.com",
                   "/v1/apps/metrics?route_url=%22https://shop.example.com/some/path%22"):
        equal(apps(page(server, target)), {"shop"}, "the apps on %s" % target)
    equal(get(server, "/v1/apps/shop/metrics", **{"Accept-Encoding": "gzip"}).header("content-encoding"), "gzip", "the encoding")


@test
def page_of_what_an_app_reports(context):
    server = server_with_apps(context)
    for target in ("/v1/apps/shop/only-app-metrics", "/v2/apps/only-app-metrics?app=shop"):
        one = page(server, target)
        equal(sorted(one.names()), ["depth", "jobs_total"], "the names on %s" % target)
        equal(apps(one), {"shop"}, "the apps on it")


@test
def l2met_is_what_an_app_reports(context):
    """What is counted of the app's own pairs stands there as well as what is set."""
    server = context.server()
    server.post(line("count#jobs=2 sample#depth=7 measure#took=12ms", "app", "web.1"), "shop")
    equal(sorted(page(server, "/v1/apps/shop/only-app-metrics").names()), ["l2met_depth", "l2met_jobs_total", "l2met_took_seconds"], "the names")


@test
def pages_of_no_app(context):
    server = server_with_apps(context)
    for target, status, word in (("/v1/apps/metrics", 400, b"You must set app id or path"), ("/v2/apps/only-app-metrics", 400, b"You must set app id or path"),
                                 ("/v1/apps/metrics?app=", 400, b"You must set"), ("/v1/apps/metrics?app=%22%22", 400, b"You must set"),
                                 ("/v1/apps/nobody/metrics", 404, b"no such app"), ("/v1/apps/a/b/c/metrics", 404, b"no such app"),
                                 ("/v1/apps/metrics?route_url=shop", 404, b"no such app"), ("/v1/apps/" + "x" * 5000 + "/metrics", 404, b"no such app"),
                                 ("/v1/apps/shop", 404, b"not found"), ("/v1/apps/", 404, b"not found"), ("/v1/apps/shopmetrics", 404, b"not found"),
                                 ("/singleTargetMetrics/shop/web.9", 404, b"no such instance"), ("/singleTargetMetrics/nobody/web.1", 404, b"no such instance"),
                                 ("/singleTargetMetrics/", 404, b"no such instance"), ("/singleTargetMetrics/shop", 404, b"no such instance")):
        answer = get(server, target)
        equal(answer.status, status, "the status of %s" % target[:60])
        check(word in answer.body, "%s says %r", target[:60], answer.body)
    for target in ("/v1/apps/shop/metrics", "/discovery", "/singleTargetMetrics/shop/web.1", "/promregatorMetrics"):
        answer = server.request("GET", target, {})
        equal(answer.status, 401, "the status of %s without a password" % target)
        equal(server.request("POST", target, AUTH_METRICS, b"").status, 405, "the status of POST %s" % target)


def discover(server, target="/discovery"):
    answer = get(server, target)
    equal((answer.status, answer.header("content-type")), (200, "application/json"), "the answer of %s" % target)
    return json.loads(answer.body)


@test
def discovery_of_dynos(context):
    server = server_with_apps(context)
    elements = discover(server)
    address = "%s:%d" % (server.host, server.port)
    check(all(element["targets"] == [address] for element in elements), "addresses in %s", elements)
    equal(elements[-1]["labels"], {"__metrics_path__": "/promregatorMetrics", PREFIX + "path": "/promregatorMetrics"}, "the last element")
    found = {element["labels"]["__metrics_path__"]: element["labels"] for element in elements[:-1]}
    equal(sorted(found), ["/singleTargetMetrics/%s/%s" % (app, dyno) for app in ("blog", "shop") for dyno in ("web.1", "web.2", "worker.1")], "the paths")
    path = "/singleTargetMetrics/shop/web.2"
    equal(found[path], {"__metrics_path__": path, PREFIX + "path": path, PREFIX + "applicationName": "shop", PREFIX + "applicationId": "shop",
                        PREFIX + "instanceNumber": "2", PREFIX + "instanceId": "shop:web.2"}, "the labels of a dyno")
    one = page(server, path)
    equal({labels.get("process") for name in one.names() for labels, _ in one.select(name)}, {"web.2"}, "the processes on the page of one")
    equal(one.value("depth", app="shop", process="web.2", dyno="web.2"), 3, "what it reported")
    ours = page(server, "/promregatorMetrics")
    check(all(name.startswith(("drain_exporter_", "process_")) for name in ours.names()), "names on our own page: %s", ours.names())
    equal(ours.value("drain_exporter_messages_received_total", app="blog"), 10, "messages of an app")
    by_app = discover(server, "/discovery?by=app")
    equal([element["labels"]["__metrics_path__"] for element in by_app], ["/v1/apps/shop/metrics", "/v1/apps/blog/metrics", "/promregatorMetrics"], "a target for each app")


@test
def dynos_that_end_leave_discovery(context):
    server = server_with_apps(context, SCRAPE_INTERVAL="500ms")
    server.post(line("Scaled to web@1:Standard-1X worker@1:Standard-1X by user me@example.com", "app", "api"), "shop")
    wait_for(lambda: len(discover(server)) == 6, "the dyno that was scaled away leaves the list", 10)
    equal(get(server, "/singleTargetMetrics/shop/web.2").status, 404, "the page of a dyno that is gone")
    equal(get(server, "/singleTargetMetrics/shop/web.1").status, 200, "the page of the one beside it")


SCRAPES = """
scrapes:
  - {name: shop, password: shop-Pass.7, apps: [shop, nobody]}
  - {name: acme, password_hash: '%s', organization: acme}
  - {name: prod, password: prod-Pass.8, organization: acme, space: prod}
""" % HASH


def get_as(server, user, password, target):
    return server.request("GET", target, {"Authorization": basic(user, password)})


@test
def scrape_credentials(context):
    path = context.file("config.yaml", SCRAPES)
    server = context.server(CONFIG_FILE=path)
    for app in ("shop", "blog", "acme/prod/shop", "acme/dev/shop", "acme2/prod/shop"):
        server.post(ingest([gauge("depth", 3)]) + runtime("web.1"), app)
    users = {"shop": ("shop-Pass.7", {"shop"}), "acme": (HASHED_PASSWORD, {"acme/prod/shop", "acme/dev/shop"}), "prod": ("prod-Pass.8", {"acme/prod/shop"})}
    for user, (password, own) in users.items():
        for app in ("shop", "blog", "acme/prod/shop", "acme/dev/shop", "acme2/prod/shop"):
            for target in ("/v1/apps/%s/metrics", "/v2/apps/metrics?app=%s", "/v1/apps/%s/only-app-metrics"):
                answer = get_as(server, user, password, target % app)
                equal(answer.status, 200 if app in own else 404, "%s of %s" % (target % app, user))
            answer = get_as(server, user, password, "/singleTargetMetrics/%s/web.1" % app.replace("/", "%2F"))
            equal(answer.status, 200 if app in own else 404, "an instance of %s as %s" % (app, user))
        for target in ("/discovery", "/discovery?by=app"):
            elements = json.loads(get_as(server, user, password, target).body)
            names = ["/".join(filter(None, (labels.get(PREFIX + part) for part in ("orgName", "spaceName", "applicationName"))))
                     for labels in (element["labels"] for element in elements)]
            equal(set(names), own, "the apps in %s of %s" % (target, user))
        for target in ("/metrics", "/promregatorMetrics"):
            equal(get_as(server, user, password, target).status, 401, "%s as %s" % (target, user))
        for target in ("/discovery", "/v1/apps/shop/metrics"):
            equal(get_as(server, user, "wrong-Password", target).status, 401, "a wrong password of %s" % user)
        equal(server.request("POST", "/drain", {"Authorization": basic(user, password)}, b"").status, 401, "POST /drain as %s" % user)
    equal(get_as(server, "nobody", "x", "/discovery").status, 401, "an unknown user")
    page(server, "/v1/apps/blog/metrics")
    with open(path, "w") as file:
        file.write(SCRAPES.replace("shop-Pass.7", "shop-Pass.9").replace("apps: [shop, nobody]", "apps: [blog]"))
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: get_as(server, "shop", "shop-Pass.9", "/v1/apps/blog/metrics").status == 200, "the configuration is read again", 10)
    equal(get_as(server, "shop", "shop-Pass.7", "/v1/apps/shop/metrics").status, 401, "the old password")
    equal(get_as(server, "shop", "shop-Pass.9", "/v1/apps/shop/metrics").status, 404, "an app that is not its own any more")
    equal(get_as(server, "acme", HASHED_PASSWORD, "/v1/apps/acme/prod/shop/metrics").status, 200, "a hash that stays")


@test
def list_without_targets(context):
    server = context.server(CONFIG=SCRAPES)
    equal(get_as(server, "shop", "shop-Pass.7", "/discovery").body, b"[]\n", "the list of who sees no app that lives")
    equal(len(discover(server)), 1, "the list of who sees all")


# As the documentation of Promregator recommends it.
RELABEL = {"instanceId": ("instance", "cf_instance_id"), "orgName": ("org_name",), "spaceName": ("space_name",), "applicationName": ("app_name",),
           "instanceNumber": ("cf_instance_number",)}


def discovered(server, name="instances", target="/discovery"):
    """A job of Prometheus that scrapes what we list."""
    auth = {"username": "metrics", "password": METRICS_PASSWORD}
    return {"job_name": name, "basic_auth": auth,
            "http_sd_configs": [{"url": "http://%s:%d%s" % (server.host, server.port, target), "basic_auth": auth, "refresh_interval": "1s"}],
            "relabel_configs": [{"source_labels": [PREFIX + source], "target_label": wanted} for source, targets in RELABEL.items() for wanted in targets]}


@test
def prometheus_discovers_dynos(context):
    """The targets follow the formation, and no dyno's numbers stand under another one's name."""
    server = context.server(SCRAPE_INTERVAL="1s")
    numbers = {}

    def speak(app, *dynos):
        for dyno in dynos:
            numbers[app, dyno] = len(numbers) + 1
            server.post(ingest([gauge("depth", numbers[app, dyno])], procid=dyno) + runtime(dyno), app)

    def seen(job="instances"):
        return {(labels["app"], labels["process"]): value for labels, value in prometheus.query('depth{job="%s"}' % job)}

    def follows(wanted, what):
        wait_for(lambda: seen() == wanted or check(False, "it sees %r", seen()), what, 30, 0.2)

    speak("shop", "web.1", "web.2")
    speak("blog", "web.1")
    prometheus = Prometheus(context, {}, more=[discovered(server), discovered(server, "apps", "/discovery?by=app")])
    follows(numbers, "all dynos are scraped")
    labels = prometheus.query('depth{job="instances",app="shop",process="web.2"}')[0][0]
    equal({name: labels.get(name) for name in ("instance", "cf_instance_id", "app_name", "cf_instance_number", "org_name")},
          {"instance": "shop:web.2", "cf_instance_id": "shop:web.2", "app_name": "shop", "cf_instance_number": "2", "org_name": None}, "the labels of a dyno")
    wait_for(lambda: seen("apps") == numbers, "the same by apps", 30, 0.2)
    prometheus.await_number('count(drain_exporter_messages_received_total{job="instances"})', 2)
    speak("shop", "web.3", "worker.1")
    follows(numbers, "new dynos are scraped")
    server.post(line("Scaled to web@2:Standard-1X worker@0:Standard-1X by user me@example.com", "app", "api"), "shop")
    living = {key: value for key, value in numbers.items() if key not in (("shop", "web.3"), ("shop", "worker.1"))}
    follows(living, "dynos that were scaled away have left")
    equal(prometheus.number('count(up{job="instances"} == 1)'), 4, "targets that are up")
    server.post(line("State changed from up to crashed", "heroku", "web.2"), "shop")
    server.post(line("Process exited with status 1", "heroku", "web.2"), "shop")
    del living["shop", "web.2"]
    follows(living, "what a dyno that crashed has reported is gone")
    server.post(line("State changed from crashed to starting", "heroku", "web.2") + line("State changed from starting to up", "heroku", "web.2"), "shop")
    speak("shop", "web.2")
    living["shop", "web.2"] = numbers["shop", "web.2"]
    follows(living, "its next instance is scraped")


def fastest(server, target):
    """Seconds that the fastest of some requests takes."""
    times = []
    for _ in range(7):
        start = time.monotonic()
        equal(get(server, target).status, 200, "the status of %s" % target)
        times.append(time.monotonic() - start)
    return min(times)


@test
def page_of_one_app_costs_what_it_shows(context):
    """Beside 50,000 series of another app a small app's page costs a fraction of the whole."""
    server = filled(context)
    server.post(ingest([gauge("depth", 3)]) + runtime("web.1"), "small")
    equal(page(server, "/v1/apps/small/only-app-metrics").value("depth", app="small", process="web.1"), 3, "its gauge")
    whole = fastest(server, "/metrics")
    for target in ("/v1/apps/small/metrics", "/singleTargetMetrics/small/web.1", "/promregatorMetrics"):
        part = fastest(server, target)
        check(context.sanitizer is not None or part < whole / 5, "%s takes %.1f ms, the whole %.1f ms", target, part * 1e3, whole * 1e3)


@test
def pages_of_cloud_foundry(context):
    server = context.server()
    shop, dev = App(), App(guid="6460bea4-c300-46a2-a6c2-3aa2fb271c86", space="dev")
    for app, number in ((shop, 1), (dev, 2)):
        body = b"".join(app.gauge(index, "run-%d" % index, name, 10 * number + index, unit) for index in (0, 1) for name, unit in (("memory", "bytes"), ("depth", "")))
        body += app.of_instance("RTR/1", 0, "run-0", text='%s.example.com - [2026-02-03T04:05:06.000000000Z] "GET / HTTP/1.1" 200 0 12 "-" "curl" "10.0.0.1:1" "10.0.0.2:2" '
                                'response_time:0.01 gorouter_time:0.0001 app_index:"0"' % app.space)
        server.post(body, None, HEADERS)
    for target in ("acme/prod/shop", shop.guid, "prod.example.com", "acme%2Fprod%2Fshop"):
        one = page(server, "/v1/apps/%s/metrics" % target)
        equal(apps(one), {"acme/prod/shop"}, "the apps on the page of %s" % target)
        equal(sorted(value for _, value in one.select("cf_container_memory_bytes")), [10, 11], "memory of its instances")
        check(one.select("cf_router_requests_total"), "no requests on the page of %s", target)
    equal(page(server, "/v2/apps/%s/only-app-metrics" % dev.guid).names() - {"cf_app_depth"}, set(), "what else stands beside what the app reports")
    path = "/singleTargetMetrics/%s/1" % dev.guid
    found = {element["labels"]["__metrics_path__"]: element["labels"] for element in discover(server)[:-1]}
    equal(sorted(found), sorted("/singleTargetMetrics/%s/%d" % (app.guid, index) for app in (shop, dev) for index in (0, 1)), "the targets")
    equal(found[path], {"__metrics_path__": path, PREFIX + "path": path, PREFIX + "orgName": "acme", PREFIX + "spaceName": "dev", PREFIX + "applicationName": "shop",
                        PREFIX + "applicationId": dev.guid, PREFIX + "instanceNumber": "1", PREFIX + "instanceId": dev.guid + ":1"}, "the labels of an instance")
    equal([value for _, value in page(server, path).select("cf_container_memory_bytes")], [21], "memory of one instance")
    equal(get(server, "/singleTargetMetrics/%s/2" % dev.guid).status, 404, "an instance that there is not")
