"""What one holder of a password can take from others: nothing of what the configuration gives them."""
import signal

from accounts import SHOP_PASSWORD, TEAM_PASSWORD, posts
from harness import test
from support.checks import check, equal
from support.exporter import DRAIN_PASSWORD
from support.exposition import ledger
from support.lines import gauge, ingest, line, logplex, router_error
from support.waiting import wait_for

CONFIGURED = """
drains:
  - {name: shop, app: my-shop, password: "%s", labels: {team: payments}}
  - {name: team, password: "%s", labels: {team: web}}
  - {name: blog, app: my-blog, tokens: [d.blog-1, d.blog-2], labels: {team: blog}}
  - {name: plain, app: my-plain}
""" % (SHOP_PASSWORD, TEAM_PASSWORD)


def gauges(name, count):
    return b"".join(ingest([gauge(name, i, number=str(i))]) for i in range(count))


def turned_away(page, **labels):
    return page.total("drain_exporter_messages_refused_total", **labels)


@test
def invented_apps_take_nothing_from_configured_ones(context):
    """The holder of the shared password names 1100 apps; what the file gives to others stays theirs, also for their first batch."""
    server = context.server(CONFIG_FILE=context.file("config.yaml", CONFIGURED), MAX_SERIES=20000, MAX_APP_SERIES=10000, MAX_NEW_APPS=0)
    for i in range(1100):
        server.post(gauges("junk", 20), "invented-%d" % i)
    page = server.page()
    equal(turned_away(page, app="__other__", reason="max_apps"), 76 * 20, "messages of apps beyond MAX_APPS")
    equal(page.select("drain_exporter_messages_received_total", app="invented-1024"), [], "the ledger of an app that is turned away")
    equal(page.select("junk", app="invented-1024"), [], "its series")
    check(page.total("drain_exporter_series_refused_total") > 0, "MAX_SERIES is not full")
    # A quarter of it is for three apps: 833 lines for what each app chose, and as many for what is counted about it.
    body = gauges("mine", 800) + router_error("H12")
    equal(posts(server, "shop", SHOP_PASSWORD, body), 204, "a batch of an app of the file")
    equal(posts(server, "drain", DRAIN_PASSWORD, body, "/drain?app_name=my-plain"), 204, "a batch of another one")
    page = server.page()
    for app in ("my-shop", "my-plain"):
        equal(len(page.select("mine", app=app)), 800, "gauges of %s" % app)
        equal(page.value("heroku_router_errors", app=app, process="web.1", code="H12", **({"team": "payments"} if app == "my-shop" else {})), 1, "errors of %s" % app)
        equal(page.total("drain_exporter_series_refused_total", app=app), 0, "what is refused to %s" % app)
        equal(ledger(page, app), {"received": 801, "recognised": 801, "ignored": 0, "malformed": 0, "duplicate": 0}, "the ledger of %s" % app)


@test
def apps_beyond_those_that_may_be_known(context):
    server = context.server(MAX_APPS=10, MAX_NEW_APPS=3, CONFIG_FILE=context.file("config.yaml", CONFIGURED))
    for _ in range(2):
        for i in range(20):
            server.post(ingest([gauge("g", i)]), "app-%d" % i)
        server.post(ingest([gauge("g", 1)]), "my-plain")
    page = server.page()
    equal(sorted(labels["app"] for labels, _ in page.select("g")), sorted(["app-%d" % i for i in range(8)] + ["my-plain"]), "apps that are known")
    equal(turned_away(page, app="__other__", reason="max_new_apps"), 24, "messages of the others")
    equal(ledger(page, "__other__"), {"received": 24, "recognised": 0, "ignored": 0, "malformed": 0, "duplicate": 0, "refused": 24}, "the ledger of the others")
    equal(page.value("drain_exporter_batches_total", app="__other__", result="refused"), 24, "batches of the others")
    named = [text for text in server.log().splitlines() if "turned away" in text]
    equal(len([text for text in named if '"app-8"' in text]), 1, "how often an app is named")
    check("MAX_NEW_APPS" in named[0], "what is said: %s", named[0])


@test
def max_apps_can_be_raised(context):
    server = context.server(MAX_APPS=3000, MAX_NEW_APPS=0, MAX_SERIES=1000000, REQUEST_TIMEOUT="300s")  # a page of 30 MB on a busy machine
    count = 2000 if context.sanitizer is None else 1200  # the default is 1024
    for i in range(count):
        server.post(router_error("H12"), "app-%d" % i)
    page = server.page()
    equal(len(page.select("drain_exporter_messages_received_total")), count, "ledgers")
    equal(page.total("heroku_router_errors", code="H12"), count, "errors")
    equal(turned_away(page), 0, "messages that are turned away")


@test
def names_in_the_url_are_checked_as_those_in_the_file(context):
    server = context.server()
    body = ingest([gauge("g", 1)])
    for name in ("__other__", "__x", "x" * 257, "a%00b"):
        equal(posts(server, "drain", DRAIN_PASSWORD, body, "/drain?app_name=" + name), 204, "a batch of %s" % name)
    equal(posts(server, "drain", DRAIN_PASSWORD, body, "/drain?app_name=" + "x" * 256), 204, "a batch of a long name")
    page = server.page()
    equal([labels["app"] for labels, _ in page.select("g")], ["x" * 256], "the apps that have a series")
    equal(turned_away(page, app="__other__", reason="name"), 4, "messages that are turned away")
    equal(ledger(page, "__other__")["received"], 4, "messages of others")
    check('"__x"' in server.log(), "the name is not logged: %s", server.log())


@test
def only_listed_apps(context):
    """ONLY_LISTED_APPS binds the shared user, and users without an app, to apps that have an entry, and to the tokens of that entry."""
    path = context.file("config.yaml", CONFIGURED)
    server = context.server(CONFIG_FILE=path, ONLY_LISTED_APPS="true")
    cases = [
        # user, password, app of the URL, token, reason
        ("drain", DRAIN_PASSWORD, "my-plain", "d.any", None),
        ("drain", DRAIN_PASSWORD, "my-plain", None, None),
        ("drain", DRAIN_PASSWORD, "my-blog", "d.blog-1", None),
        ("drain", DRAIN_PASSWORD, None, "d.blog-2", None),
        ("shop", SHOP_PASSWORD, None, None, None),
        ("team", TEAM_PASSWORD, "my-plain", None, None),
        ("drain", DRAIN_PASSWORD, "my-blog", "d.any", "token"),
        ("drain", DRAIN_PASSWORD, "my-blog", None, "token"),
        ("drain", DRAIN_PASSWORD, "invented", "d.blog-1", "unlisted"),
        ("drain", DRAIN_PASSWORD, None, "d.any", "unlisted"),
        ("drain", DRAIN_PASSWORD, None, None, "unlisted"),
        ("team", TEAM_PASSWORD, "invented", None, "unlisted"),
    ]
    for i, (user, password, app, token, _) in enumerate(cases):
        target = "/drain" + ("?app_name=" + app if app else "")
        equal(posts(server, user, password, ingest([gauge("case_%d" % i, 1)]), target, logplex(1, token) if token else {}), 204, "batch %d" % i)
    page = server.page()
    for i, case in enumerate(cases):
        equal(len(page.select("case_%d" % i)), case[-1] is None, "series of batch %d" % i)
    for reason in ("unlisted", "token"):
        equal(turned_away(page, app="__other__", reason=reason), sum(case[-1] == reason for case in cases), "messages that are turned away, " + reason)
    # Once it has an entry, the app is heard.
    context.file("config.yaml", CONFIGURED + "  - {name: new, app: invented}\n")
    server.tell(signal.SIGHUP)
    wait_for(lambda: "were read again" in server.log(), "the reload is logged")
    server.post(ingest([gauge("heard", 1)]), "invented")
    equal(server.page().value("heard", app="invented", process="web.1"), 1, "a gauge of the new app")


@test
def fixed_labels_of_an_app_that_somebody_else_posts_for(context):
    server = context.server(CONFIG_FILE=context.file("config.yaml", CONFIGURED))
    for app in ("my-blog", "my-shop", "unlisted"):
        equal(posts(server, "team", TEAM_PASSWORD, ingest([gauge("g", 1)]), "/drain?app_name=" + app), 204, "a batch for " + app)
    equal({labels["app"]: labels.get("team") for labels, _ in server.page().select("g")}, {"my-blog": "blog", "my-shop": "payments", "unlisted": "web"}, "labels")


@test
def invented_processes_take_none_from_others(context):
    """An app that invents 20,000 procids; another one's dynos still begin and end as they should."""
    server = context.server(SCRAPE_INTERVAL="50ms", MAX_METRIC_SERIES=0, MAX_APP_SERIES=0, MAX_L2MET_NAMES=0, MAX_SERIES=1000000)
    for at in range(0, 20000, 1000):
        server.post(b"".join(line("sample#x=1", procid="w%d.1" % i) for i in range(at, at + 1000)), "greedy")
    page = server.page()
    check(page.value("drain_exporter_processes_refused_total", app="greedy") > 10000, "what is told: %r", page.select("drain_exporter_processes_refused_total"))
    for i in range(1, 51):
        server.post(line("source=web.%d dyno=heroku.1.x sample#memory_total=1MB" % i, "heroku", "web.%d" % i), "modest")
    page = server.page()
    equal(len(page.select("heroku_dyno_memory_total_bytes", app="modest")), 50, "dynos of the other app")
    equal(page.value("drain_exporter_processes_refused_total", app="modest"), 0, "what is refused to it")
    server.post(b"".join(line("State changed from up to down", "heroku", "web.%d" % i) for i in range(1, 51)), "modest")
    wait_for(lambda: not server.page().select("heroku_dyno_memory_total_bytes", app="modest"), "the dynos leave", 20)


@test
def zeros_leave_the_first_lines_of_an_app_free(context):
    """A small app with a few dynos, whose counters stand at 0, beside two that take all: what happens to it is still counted, and what is refused is as well."""
    server = context.server(MAX_SERIES=4000, MAX_APP_SERIES=3000, MAX_METRIC_SERIES=0)
    server.post(b"".join(line("State changed from starting to up", "heroku", "web.%d" % i) for i in range(1, 4)), "small")
    for app in ("greedy", "too"):
        server.post(gauges("junk", 3500), app)
    server.post(router_error("H12") + ingest([gauge("mine", 1)]), "small")
    page = server.page()
    equal(page.value("mine", app="small", process="web.1"), 1, "a gauge")
    for i in range(40):
        server.post(line("x", procid="type%d.1" % i), "small")
    page = server.page()
    counted = page.total("heroku_log_messages_total", app="small")
    refused = page.value("drain_exporter_series_refused_total", app="small", family="log_volume")
    check(counted >= 4 and refused > 0, "messages counted: %r, refused: %r", counted, refused)
