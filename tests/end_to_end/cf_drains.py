"""Cloud Foundry's drains: each message is of the app that it names, and of none that its sender may not speak for."""
import collections
import re
import signal

from harness import test
from support.checks import equal
from support.exporter import AUTH_DRAIN
from support.exposition import ledger, ledgers
from support.http_client import basic
from support.lines import gauge, ingest, line, logplex
from support.waiting import wait_for

Request = collections.namedtuple("Request", "target headers body")


def send(server, request):
    equal(server.request("POST", request.target, request.headers, request.body).status, 204, "the status")


def message(app, value, index=0, time="2026-02-03T04:05:06.123456+00:00", tags=True, organization="acme"):
    data = '[gauge@47450 name="memory" value="%d" unit="bytes"]' % value
    if tags:
        data += '[tags@47450 app_name="%s" instance_id="%d" organization_name="%s" process_type="web" space_name="prod"]' % (app, index, organization)
    hostname = re.sub("[^-.A-Za-z0-9]", "", "%s.prod.%s" % (organization, app))
    return ("<14>1 %s %s guid-of-%s [%d] - %s \n" % (time, hostname, app, index, data)).encode()


def post(server, body, headers=AUTH_DRAIN, target="/drain"):
    send(server, Request(target, {"Content-Type": "text/plain", "User-Agent": "fasthttp", **headers}, body))


@test
def one_path_for_both_platforms(context):
    server = context.server()
    server.post(ingest([gauge("g", 1)]), "shop", logplex(1))
    post(server, message("shop", 7))
    body = message("cart", 8)
    post(server, b"%d %s" % (len(body), body))
    page = server.page()
    equal(page.value("g", app="shop", process="web.1"), 1, "a Heroku app's gauge")
    equal([page.total("cf_container_memory_bytes", app="acme/prod/" + app) for app in ("shop", "cart")], [7, 8], "memory, without a count and with one")
    equal(ledger(page, "acme/prod/cart")["recognised"], 1, "recognised messages")


@test
def a_body_that_is_one_message(context):
    """Of an https:// drain each body is one message; if its URL says so, nothing in it is another one."""
    server = context.server()
    printed = message("shop", 1)[:-1] + b"what the app prints\n" + message("victim", 2)
    post(server, printed, target="/drain?drain-data=all&body=message")
    page = server.page()
    equal({app: book["received"] for app, book in ledgers(page).items()}, {"acme/prod/shop": 1}, "messages of a body that is one")
    post(server, printed.replace(b"123456", b"123457"))
    equal({app: book["received"] for app, book in ledgers(server.page()).items()}, {"acme/prod/shop": 2, "acme/prod/victim": 1}, "messages of a batch")
    equal(server.page().value("drain_exporter_messages_mixed_total", app="acme/prod/victim"), 1, "messages of another app than the first")


@test
def a_bound_password_is_not_for_herokus_log(context):
    """Who is bound to an organization cannot post for any app by writing as Heroku does and naming it in the URL or by a token."""
    config = "drains:\n  - {name: acme, password: secret, organization: acme}\n"
    server = context.server(CONFIG=config)
    for target, token in (("/drain?app_name=other/prod/shop", None), ("/drain?app=victim", None), ("/drain", "d.victim"), ("/drain", None)):
        headers = {**logplex(1), "Authorization": basic("acme", "secret")}
        if token is None:
            del headers["Logplex-Drain-Token"]
        else:
            headers["Logplex-Drain-Token"] = token
        send(server, Request(target, headers, ingest([gauge("g", 1)])))
    page = server.page()
    equal(list(page.select("g")), [], "series of Heroku's log")
    equal({app: book["foreign"] for app, book in ledgers(page).items()}, {"__other__": 4}, "foreign messages")


@test
def apps_in_turn(context):
    """A batch of an aggregate drain has many apps in turn: it counts once for each, and as one in which apps are mixed."""
    server = context.server()
    post(server, b"".join(message("app-%d" % (i % 5), i, index=i // 5) for i in range(50)))
    page = server.page()
    for app in range(5):
        name = "acme/prod/app-%d" % app
        equal(ledger(page, name)["recognised"], 10, "messages of %s" % name)
        equal([page.value("cf_container_memory_bytes", app=name, app_name="app-%d" % app, organization_name="acme", space_name="prod",
                          process_type="web", instance_index=str(i)) for i in range(10)], [app + 5 * i for i in range(10)], "memory of %s" % name)
        equal(page.value("drain_exporter_messages_mixed_total", app=name), 0 if app == 0 else 10, "messages of another app than the first")
        equal(page.value("drain_exporter_batches_total", app=name, result="taken"), 1, "batches of %s" % name)
    equal(page.total("drain_exporter_body_bytes_total", stage="decoded"), sum(len(message("app-%d" % (i % 5), i, index=i // 5)) for i in range(50)), "bytes")


@test
def names_without_tags(context):
    """HOSTNAME lacks what is no letter, digit or "-": once tags have said the name it is known."""
    server = context.server()
    post(server, message("my_shop", 1, tags=False))
    equal(ledger(server.page(), "acme/prod/myshop")["received"], 1, "messages by HOSTNAME")
    post(server, message("my_shop", 2) + message("my_shop", 3, tags=False, time="2026-02-03T04:05:07+00:00"))
    page = server.page()
    equal((ledger(page, "acme/prod/my_shop")["received"], ledger(page, "acme/prod/myshop")["received"]), (2, 1), "messages once tags were seen")
    equal([value for _, value in page.select("cf_container_memory_bytes", app="acme/prod/my_shop")], [3], "the memory of the instance, with tags and without: one series")


@test
def a_password_of_one_space(context):
    config = "drains:\n- {name: acme, password: of-acme, organization: ac_me, space: prod}\n"
    server = context.server(CONFIG=config)
    theirs = {"Authorization": basic("acme", "of-acme")}
    post(server, message("shop", 1, organization="ac_me"), theirs)
    post(server, message("evil", 2, organization="evil") + message("shop", 3, organization="ac_me", index=1), theirs)
    post(server, message("bare", 4, organization="ac_me", tags=False), theirs)
    page = server.page()
    equal(page.total("drain_exporter_messages_foreign_total", app="__other__"), 1, "foreign messages")
    equal(page.total("cf_container_memory_bytes", app="ac_me/prod/shop"), 4, "memory")
    equal(page.total("cf_container_memory_bytes", app="ac_me/prod/bare"), 4, "memory of an app whose names only HOSTNAME tells")
    equal([labels for labels, _ in page.select("cf_container_memory_bytes") if "evil" in labels["app"]], [], "series of another organization")


@test
def foreign_messages_teach_no_names(context):
    config = "drains:\n- {name: acme, password: a, organization: acme}\n- {name: evil, password: e, organization: evil}\n"
    server = context.server(CONFIG=config)
    acme, evil = ({"Authorization": basic(user, user[0])} for user in ("acme", "evil"))
    bare = message("shop", 2, tags=False, time="2026-02-03T04:05:07+00:00")
    post(server, message("shop", 1), acme)
    post(server, message("shop", 5).replace(b'organization_name="acme"', b'organization_name="ac_me"'), evil)
    post(server, bare, acme)
    page = server.page()
    equal(page.total("drain_exporter_messages_foreign_total", app="__other__"), 1, "foreign messages")
    equal(ledger(page, "acme/prod/shop")["received"], 2, "messages of the app, whose name nobody else can change")


@test
def a_body_of_heroku_does_not_escape_the_binding(context):
    config = "drains:\n- {name: evil, password: e, organization: evil, space: prod}\n"
    server = context.server(CONFIG=config)
    for app in ("acme/prod/shop", "evil/staging/shop", "evil", "shop", ""):
        send(server, Request("/drain?app_name=" + app, {**logplex(1), "Authorization": basic("evil", "e")}, line("count#jobs=5")))
    page = server.page()
    equal(page.select("l2met_jobs_total"), [], "series of others")
    equal(page.total("drain_exporter_messages_foreign_total", app="__other__"), 5, "foreign messages")


@test
def a_reload_keeps_the_series(context):
    path = context.file("config.yaml", "drains:\n- {name: shop, app: shop, password: x, labels: {team: a}}\n")
    server = context.server(CONFIG_FILE=path)
    post(server, message("shop", 1))
    with open(path, "w") as file:
        file.write("drains:\n- {name: shop, app: shop, password: x, labels: {team: b}}\n")
    server.tell(signal.SIGHUP)
    wait_for(lambda: "reload: " in server.log(), "the reload")
    post(server, message("cart", 2))
    wait_for(lambda: server.page().total("cf_container_memory_bytes") == 3, "the series from before and after")
