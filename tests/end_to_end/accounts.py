"""Several apps: who may post, whose app a batch is, fixed labels, and the configuration file."""
import os
import select
import signal
import subprocess

from harness import in_threads, test
from signals import wait_for_arrival
from start import command_line, refused, run
from support.checks import Failure, check, equal
from support.exporter import AUTH_DRAIN, DRAIN_PASSWORD
from support.exposition import Page, ledger
from support.http_client import basic
from support.lines import TOKEN, gauge, ingest, line, logplex, postgres, router_error
from support.log_shuttle import LogShuttle, shuttle_line
from support.raw_connection import Raw, head_of
from support.processes import environment
from support.waiting import patient, wait_for

SHOP_PASSWORD = "sHop-Pass.4~secret"
TEAM_PASSWORD = "tEam/Pass 6~secret"
HASHED_PASSWORD = "hAshed-Pass.5"
SECRETS = (SHOP_PASSWORD, TEAM_PASSWORD, HASHED_PASSWORD)
# Of HASHED_PASSWORD; bcrypt with so many rounds that it takes the time of hundreds of requests.
HASH = "$2b$12$Y4GUBsiqaAXu63iRsOOksueJSBAV3AJlRh/Wkgei8gXnwD5gw8Bqy"
SLOW_HASH = "$2b$14$Y4GUBsiqaAXu63iRsOOkse4g9pD3eW0DCnLupmSMT6dkPG.uN1.OO"  # four times as many rounds
YESCRYPT_HASH = "$y$j9T$cyH94v.Obkb8InjI.Tulm1$BKzBP/T62bfczFvRehyYRBjcjrZxsS.m/LZCf/JppI/"  # as "hash-password" makes it

SEVERAL = """
drains:
  - {name: shop, app: my-shop, password: "%s", labels: {team: payments, environment: "a\\"b"}}
  - {name: team, password_file: %%s, labels: {team: web}}
  - name: blog
    app: my-blog
    tokens: [d.blog-1, d.blog-2]
    labels: {team: blog}
  - {name: plain, app: my-plain}
""" % SHOP_PASSWORD

HASHED = "drains: [{name: hashed, app: my-hashed, password_hash: '%s'}]" % HASH

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docker", "config.example.yaml")


def several(context):
    return SEVERAL % context.file("team-password", TEAM_PASSWORD + "\n")


def ask(server, user, password, body=b"", target="/drain", headers=None):
    return server.request("POST", target, {"Authorization": basic(user, password), **(headers or {})}, body)


def posts(server, *arguments):
    return ask(server, *arguments).status


def says_nothing_secret(server):
    for secret in SECRETS:
        check(secret not in server.log(), "a password is logged")


@test
def each_app_has_its_credential(context):
    server = context.server(CONFIG_FILE=context.file("config.yaml", several(context)))
    equal(posts(server, "drain", DRAIN_PASSWORD), 204, "the shared user")
    equal(posts(server, "shop", SHOP_PASSWORD), 204, "shop")
    equal(posts(server, "team", TEAM_PASSWORD), 204, "team")
    equal(posts(server, "team", "tEam%2FPass%206~secret"), 204, "team, percent-encoded")
    for user, password in (("shop", DRAIN_PASSWORD), ("shop", TEAM_PASSWORD), ("drain", SHOP_PASSWORD), ("blog", ""), ("blog", DRAIN_PASSWORD),
                           ("plain", "plain"), ("nobody", SHOP_PASSWORD), ("shop", SHOP_PASSWORD[:-1]), ("", SHOP_PASSWORD), ("shop", "")):
        equal(posts(server, user, password), 401, "%s with a wrong password" % user)
    equal(server.request("GET", "/metrics", {"Authorization": basic("shop", SHOP_PASSWORD)}).status, 401, "metrics as shop")
    server.stop()
    says_nothing_secret(server)


@test
def whose_app_a_batch_is(context):
    server = context.server(CONFIG=several(context))
    cases = [
        # user, password, URL, token: app
        ("shop", SHOP_PASSWORD, "/drain", None, "my-shop"),
        ("shop", SHOP_PASSWORD, "/drain?app_name=my-blog", "d.blog-1", "my-shop"),
        ("shop", SHOP_PASSWORD, "/drain?app=my-plain", "d.x", "my-shop"),
        ("team", TEAM_PASSWORD, "/drain?app_name=of-url", "d.blog-1", "of-url"),
        ("team", TEAM_PASSWORD, "/drain?app=of-url", None, "of-url"),
        ("team", TEAM_PASSWORD, "/drain?app_name=first&app=second", None, "first"),
        ("drain", DRAIN_PASSWORD, "/drain?app_name=of-url", "d.blog-1", "of-url"),
        ("drain", DRAIN_PASSWORD, "/drain?app_name=", "d.blog-1", "my-blog"),
        ("drain", DRAIN_PASSWORD, "/drain", "d.blog-2", "my-blog"),
        ("team", TEAM_PASSWORD, "/drain", "d.blog-2", "my-blog"),
        ("drain", DRAIN_PASSWORD, "/drain", TOKEN, TOKEN),
        ("drain", DRAIN_PASSWORD, "/drain", None, None),
    ]
    for i, (user, password, target, token, app) in enumerate(cases):
        name = "case_%d" % i
        headers = logplex(1, token) if token else {}
        equal(posts(server, user, password, ingest([gauge(name, i)]), target, headers), 204, "batch %d" % i)
        found = server.page().select(name)
        equal([labels.get("app") for labels, _ in found], [app], "the app of batch %d" % i)
    page = server.page()
    equal(ledger(page, "my-shop")["received"], 3, "messages of my-shop")
    equal(ledger(page, "my-blog")["received"], 3, "messages of my-blog")
    equal(ledger(page, TOKEN)["received"], 1, "messages of the drain without an app")


def all_families():
    return (ingest([gauge("g", 1, team="of-tag", other="kept")]) + router_error("H12") + router_error("H77") + postgres(tables=7) +
            line("Error L10 (output buffer overflow): 5 messages dropped since 2022-12-07T15:00:00+00:00.", "heroku", "logplex"))


@test
def fixed_labels_are_on_all_series(context):
    """Of the entry that has the app, else of the credential; none on the ledger."""
    server = context.server(CONFIG_FILE=context.file("config.yaml", several(context)))
    bare = context.server()
    for user, password, target, fixed in (("shop", SHOP_PASSWORD, "/drain", {"team": "payments", "environment": 'a"b'}),
                                          ("team", TEAM_PASSWORD, "/drain?app_name=of-team", {"team": "web"}),
                                          ("drain", DRAIN_PASSWORD, "/drain?app_name=my-blog", {"team": "blog"}),
                                          ("drain", DRAIN_PASSWORD, "/drain?app_name=my-plain", {})):
        # Each is compared with what a server without a configuration says about the same batch.
        app = "my-shop" if user == "shop" else target.split("=")[1]
        body = all_families()
        before = set(server.page().samples)
        equal(posts(server, user, password, body, target), 204, "the batch of %s" % user)
        bare.post(body, app)
        got = {key for key in set(server.page().samples) - before if not key[0].startswith("drain_exporter_")}
        want = {(name, tuple(sorted({**dict(labels), **fixed}.items()))) for name, labels in bare.page().samples
                if not name.startswith(("drain_exporter_", "process_")) and dict(labels).get("app", app) == app}
        equal(sorted(want - got - before), [], "series that %s lacks" % user)
        check({name for name, _ in got} >= {"g", "heroku_router_errors"}, "%s made the series %r", user, {name for name, _ in got})
        equal(sorted(got - want), [], "series that %s has besides" % user)
    for (name, labels) in server.page().samples:
        if name.startswith(("drain_exporter_", "process_")):
            check("team" not in dict(labels), "%s has a fixed label", name)


MOVING = """
drains:
  - {name: shop, app: my-shop, password: "%s"%%s}
  - {name: blog, app: my-blog, tokens: [d.blog]}
""" % SHOP_PASSWORD


@test
def the_shared_password_speaks_for_no_app_with_its_own(context):
    """Such a batch is answered 204, gives no series, is counted as foreign, and is logged once a minute; "shared: true" allows it."""
    path = context.file("config.yaml", MOVING % "")
    server = context.server(CONFIG_FILE=path)
    body = ingest([gauge("g", 1)]) + router_error("H12")
    for headers in ({}, {}, logplex(2, "d.x", frame_id="1"), logplex(2, "d.x", frame_id="1")):
        equal(posts(server, "drain", DRAIN_PASSWORD, body, "/drain?app_name=my-shop", headers), 204, "a foreign batch")
    page = server.page()
    equal(ledger(page, "my-shop"), {"received": 8, "recognised": 0, "ignored": 0, "malformed": 0, "duplicate": 0, "foreign": 8}, "the ledger")
    equal(page.value("drain_exporter_batches_total", app="my-shop", result="foreign"), 4, "foreign batches")
    equal(page.value("drain_exporter_last_batch_timestamp_seconds", app="my-shop"), 0, "the last batch of the app itself")
    equal([key for key in page.samples if dict(key[1]).get("app") == "my-shop" and not key[0].startswith("drain_exporter_")], [], "its series")
    lines = [text for text in server.log().splitlines() if "may not post for the app my-shop" in text]
    check(len(lines) == 1 and "drain" in lines[0] and "shop" in lines[0], "what is logged: %r", server.log())
    # The app's own user is heard, as is the shared one for others.
    equal(posts(server, "shop", SHOP_PASSWORD, body), 204, "the app's own batch")
    equal(posts(server, "drain", DRAIN_PASSWORD, body, "/drain?app_name=my-blog"), 204, "a batch of an app without a password")
    page = server.page()
    equal(page.value("g", app="my-shop", process="web.1"), 1, "the gauge")
    equal(page.value("g", app="my-blog", process="web.1"), 1, "the gauge of the other app")
    equal(ledger(page, "my-shop")["foreign"], 8, "foreign messages")
    # While the team moves its drains over.
    context.file("config.yaml", MOVING % ", shared: true, labels: {team: moving}")
    server.tell(signal.SIGHUP)
    wait_for(lambda: "were read again" in server.log(), "the reload is logged")
    equal(posts(server, "drain", DRAIN_PASSWORD, body, "/drain?app_name=my-shop"), 204, "a batch of the shared user")
    page = server.page()
    equal(page.value("g", app="my-shop", process="web.1", team="moving"), 1, "the gauge with the fixed labels")
    equal(ledger(page, "my-shop"), {"received": 12, "recognised": 4, "ignored": 0, "malformed": 0, "duplicate": 0, "foreign": 8}, "the ledger")
    server.stop()
    says_nothing_secret(server)


def last_batch(server, app):
    return server.page().value("drain_exporter_last_batch_timestamp_seconds", app=app)


@test
def configured_apps_are_known_before_they_post(context):
    path = context.file("config.yaml", MOVING % "")
    server = context.server(CONFIG_FILE=path, APP_EXPIRE_AFTER="1s", SCRAPE_INTERVAL="100ms")
    page = server.page()
    for app in ("my-shop", "my-blog"):
        equal(page.value("drain_exporter_last_batch_timestamp_seconds", app=app), 0, "the last batch of %s" % app)
        equal(set(ledger(page, app).values()), {0}, "the ledger of %s" % app)
        for name in ("samples_recorded_total", "frames_repaired_total", "line_lag_seconds_count"):
            equal(page.value("drain_exporter_" + name, app=app), 0, "%s of %s" % (name, app))
    equal(posts(server, "shop", SHOP_PASSWORD, ingest([gauge("g", 1)])), 204, "a batch")
    heard = last_batch(server, "my-shop")
    check(heard > 1.6e9, "the last batch was at %r", heard)
    # The app leaves with all its series but this one.
    wait_for(lambda: not server.page().select("drain_exporter_messages_received_total", app="my-shop"), "the ledger leaves", 20)
    equal(last_batch(server, "my-shop"), heard, "the last batch of the app that left")
    equal(server.page().select("g"), [], "its series")
    equal(last_batch(server, "my-blog"), 0, "the last batch of the app that was never heard of")
    # One more after a reload.
    context.file("config.yaml", MOVING % "" + "  - {name: new, app: my-new}\n")
    server.tell(signal.SIGHUP)
    wait_for(lambda: server.page().select("drain_exporter_last_batch_timestamp_seconds", app="my-new"), "the new app is known")
    page = server.page()
    equal(page.value("drain_exporter_last_batch_timestamp_seconds", app="my-new"), 0, "the last batch of the new app")
    equal(set(ledger(page, "my-new").values()), {0}, "the ledger of the new app")
    equal(last_batch(server, "my-shop"), heard, "the last batch of the app that left, after a reload")


BY_ENTRY = """
drains:
  - {name: one, app: of-one, router_by_process: true, addon_app: true}
  - {name: two, app: of-two, router_by_process: false}
  - {name: three, app: of-three, password: "%s", shared: true, router_by_process: true}
""" % SHOP_PASSWORD

REQUEST = line("at=info method=GET path=\"/\" host=x request_id=1 fwd=\"1.2.3.4\" dyno=web.1 connect=1ms service=18ms status=200 bytes=5 protocol=https",
               "heroku", "router")


def has_process(page, app):
    return [labels.get("process") for labels, _ in page.select("heroku_router_service_duration_seconds_count", app=app)]


@test
def entries_say_how_series_are_labelled(context):
    """router_by_process and addon_app of an entry, and ROUTER_BY_PROCESS for the rest, in the server and in convert."""
    body = REQUEST + postgres(tables=7)
    cases = {"of-one": (["web.1"], ["web.1"]), "of-two": ([None], [None]), "of-three": (["web.1"], ["web.1"]), "unlisted": ([None], ["web.1"])}
    for for_all in (0, 1):
        server = context.server(CONFIG=BY_ENTRY, ROUTER_BY_PROCESS=("false", "true")[for_all])
        for app, processes in cases.items():
            equal(posts(server, "drain", DRAIN_PASSWORD, body, "/drain?app_name=" + app), 204, "a batch of " + app)
            equal(has_process(server.page(), app), processes[for_all], "process of the requests of %s" % app)
        apps = [labels.get("app") for labels, _ in server.page().select("heroku_postgres_tables")]
        equal(sorted(apps, key=str), [None, "of-one"], "app of the add-on's series")
        log = context.file("log", body)
        for app, processes in cases.items():
            done = subprocess.run([context.program, "convert", "--app", app, log], capture_output=True, timeout=patient(20),
                                  env=environment(CONFIG=BY_ENTRY, ROUTER_BY_PROCESS=("false", "true")[for_all]))
            equal(done.returncode, 0, "status of convert")
            equal(has_process(Page(done.stdout), app), processes[for_all], "process of the requests of %s by convert" % app)


def cpu(server):
    """CPU seconds of the process."""
    with open("/proc/%d/stat" % server.process.pid) as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@test
def a_hash_is_verified_once(context):
    server = context.server(CONFIG=HASHED)
    start = cpu(server)
    equal(posts(server, "hashed", HASHED_PASSWORD, ingest([gauge("g", 1)])), 204, "the first batch")
    first = cpu(server) - start
    equal(server.page().value("g", app="my-hashed", process="web.1"), 1, "the gauge")
    equal(posts(server, "hashed", "old-Password"), 401, "a wrong password")
    start = cpu(server)
    for _ in range(100):
        equal(posts(server, "hashed", HASHED_PASSWORD), 204, "a later batch")
        equal(posts(server, "hashed", "old-Password"), 401, "the same wrong password")
    later = cpu(server) - start
    check(first > 0.05, "the hash took %.2f s: too little to tell", first)
    check(later < 20 * first, "200 requests took %.2f s of CPU, the first one %.2f s", later, first)
    # Neither has been forgotten at a reload, where the hash is the same.
    server.tell(signal.SIGHUP)
    wait_for(lambda: "reload" in server.log(), "the reload is logged")
    start = cpu(server)
    for _ in range(20):
        equal(posts(server, "hashed", HASHED_PASSWORD), 204, "a batch after a reload")
        equal(posts(server, "hashed", "old-Password"), 401, "the same wrong password after a reload")
    check(cpu(server) - start < 10 * first, "after a reload hashes are verified again")
    server.stop()
    says_nothing_secret(server)


def answer_or_none(server, user, password):
    """The answer to a batch; None if the connection was closed without one."""
    try:
        with Raw(server, timeout=60) as raw:
            return raw.ask(head_of("POST", "/drain", {"Authorization": basic(user, password), "Content-Length": "0"}))
    except (Failure, ConnectionError) as failure:
        check("closed" in str(failure) or isinstance(failure, ConnectionError), "%s", failure)
        return None


@test
def many_wrong_passwords_keep_nobody_out(context):
    """Who must wait for a verification gets a late answer, or none and a closed connection; never a status that makes a sender drop its batch."""
    server = context.server(CONFIG=HASHED)
    answers = []
    in_threads([lambda: answers.append(posts(server, "hashed", HASHED_PASSWORD)) for _ in range(8)])
    equal(answers, [204] * 8, "the answers to eight first batches at once")
    wrong = []

    def guess(thread):
        for i in range(3):
            wrong.append(answer_or_none(server, "hashed", "wrong-%d-%d" % (thread, i)))

    def post():
        for _ in range(30):
            equal(posts(server, "hashed", HASHED_PASSWORD), 204, "a batch while others guess")
            equal(posts(server, "drain", DRAIN_PASSWORD), 204, "a batch of another user")

    in_threads([lambda: guess(0), lambda: guess(1), lambda: guess(2), post])
    equal({answer.status for answer in wrong if answer is not None}, {401}, "the answers to wrong passwords")
    equal(server.page().value("drain_exporter_http_requests_total", path="drain", status="503") or 0, 0, "batches answered 503")


@test
def log_shuttle_loses_nothing_while_a_hash_is_computed(context):
    """Sixteen outlets begin at once, with a password that is not known yet."""
    server = context.server(CONFIG=HASHED.replace(HASH, YESCRYPT_HASH))
    lines, batches = [shuttle_line("line %d" % i) for i in range(500)], context.scaled(40, 2)
    with LogShuttle(server, authorization=basic("hashed", HASHED_PASSWORD), outlets=16) as shuttle:
        for _ in range(batches):
            shuttle.send(lines)
        equal(shuttle.finish(), (500 * batches, 0, 0), "lines acknowledged, dropped and given up")
    equal(ledger(server.page(), "my-hashed")["received"], 500 * batches, "lines received")


@test
def more_guesses_than_can_wait_get_no_answer(context):
    server = context.server(CONFIG=HASHED, REQUEST_TIMEOUT="3s", HEADER_TIMEOUT="3s")
    count = 30
    raws = [Raw(server, timeout=60) for _ in range(count)]
    try:
        for i, raw in enumerate(raws):
            raw.send(head_of("POST", "/drain", {"Authorization": basic("hashed", "guess-%d" % i), "Content-Length": "0"}))
        none = lambda: server.page().value("drain_exporter_http_requests_total", path="drain", status="none") or 0
        # One is verified and sixteen wait; all others are told at once.
        wait_for(lambda: none() >= count - 17 - 2, "those who cannot wait are counted")
        equal(posts(server, "drain", DRAIN_PASSWORD), 204, "a batch of another user")
        statuses = []
        for raw in raws:
            try:
                statuses.append(raw.answer().status)
            except Failure as failure:
                check("closed, not answered" in str(failure), "%s", failure)
        # Nobody waits for longer than REQUEST_TIMEOUT (ten seconds by default); one guess in half a second is verified.
        check(set(statuses) <= {401} and 1 <= len(statuses) <= 17, "the guesses are answered %r", statuses)
        equal(none(), count - len(statuses), "requests without an answer")
    finally:
        for raw in raws:
            raw.close()
    equal(posts(server, "hashed", HASHED_PASSWORD), 204, "the right password afterwards")


@test
def who_reads_pages_waits_no_longer_than_others(context):
    """Guesses at a user of "scrapes": those that were not verified in time are told so, and their connections are closed."""
    server = context.server(CONFIG="scrapes: [{name: team, apps: [shop], password_hash: '%s'}]" % HASH, REQUEST_TIMEOUT="1s", HEADER_TIMEOUT="1s")
    raws = [Raw(server, timeout=60, source="127.0.1.%d" % (i % 4)) for i in range(16)]
    try:
        for i, raw in enumerate(raws):
            raw.send(head_of("GET", "/discovery", {"Authorization": basic("team", "guess-%d" % i)}))
        statuses = []
        for raw in raws:
            statuses.append(raw.answer().status)
            check(statuses[-1] == 401 or raw.is_closed(5), "a connection is kept")
        check(set(statuses) == {401, 503}, "the guesses are answered %r", statuses)  # one in half a second is verified
    finally:
        for raw in raws:
            raw.close()


@test
def a_slow_hash_stalls_nobody(context):
    """One that takes seconds is computed on no thread that serves others."""
    server = context.server(CONFIG=HASHED.replace(HASH, SLOW_HASH), WORKERS=1)
    body = ingest([gauge("g", 1)])
    head = head_of("POST", "/drain", {"Authorization": basic("hashed", HASHED_PASSWORD), "Content-Length": str(len(body))})
    with Raw(server, timeout=60) as first, Raw(server, timeout=60) as second, Raw(server) as other:
        first.send(head + body)
        second.send(head + body)
        for _ in range(20):
            equal(other.ask(head_of("GET", "/health")).status, 200, "health while a hash is computed")
        equal(select.select([first.socket, second.socket], [], [], 0)[0], [], "connections that are answered before the twenty others")
        equal(first.answer().status, 204, "the first batch")
        equal(second.answer().status, 204, "the second batch")
        equal(first.ask(head + body).status, 204, "the next batch")
    equal(server.page().value("drain_exporter_messages_received_total", app="my-hashed"), 3, "messages")


@test
def whoever_waits_may_leave(context):
    """A request may be gone before its password is verified, the server may stop, and the accounts may be replaced."""
    path = context.file("config.yaml", HASHED.replace(HASH, SLOW_HASH))
    server = context.server(CONFIG_FILE=path, WORKERS=1)
    head = head_of("POST", "/drain", {"Authorization": basic("hashed", HASHED_PASSWORD), "Content-Length": "0"})
    for _ in range(5):
        with Raw(server) as raw:
            raw.send(head)
    with Raw(server, timeout=60) as raw:
        raw.send(head)
        wait_for_arrival(server)
        context.file("config.yaml", "drains: []")
        server.tell(signal.SIGHUP)
        wait_for(lambda: "reload" in server.log(), "the reload is logged")
        equal(raw.answer().status, 204, "a request that came before the reload")
        equal(raw.ask(head).status, 401, "a request after it")
    context.file("config.yaml", HASHED.replace(HASH, SLOW_HASH))
    server.tell(signal.SIGHUP)
    wait_for(lambda: server.log().count("reload") >= 2, "the second reload is logged")
    with Raw(server, timeout=60) as raw:
        raw.send(head)
        wait_for_arrival(server)
        server.tell(signal.SIGTERM)
        equal(raw.answer().status, 204, "a request that waited when the server was stopped")
    server.wait_exit(15)


@test
def without_the_shared_user(context):
    """PASSWORD_DRAIN may be missing where the file has a password."""
    server = context.server(PASSWORD_DRAIN=None, CONFIG="drains: [{name: drain, app: own, password: '%s'}]" % SHOP_PASSWORD)
    equal(posts(server, "drain", SHOP_PASSWORD, ingest([gauge("g", 1)]), "/drain?app_name=x"), 204, "a user called drain")
    equal(server.page().value("g", app="own", process="web.1"), 1, "the gauge")
    equal(posts(server, "drain", DRAIN_PASSWORD), 401, "another password")
    for config in ("drains: []", "drains: [{name: a, app: a}]"):
        refused(context, 1, "PASSWORD_DRAIN", PASSWORD_DRAIN=None, CONFIG=config)
    refused(context, 1, "CONFIG:1:17", CONFIG="drains: [{name: drain, password: x}]")


@test
def reload_changes_all_or_nothing(context):
    secret = context.file("secret", DRAIN_PASSWORD)
    path = context.file("config.yaml", several(context))
    server = context.server(CONFIG_FILE=path, PASSWORD_DRAIN=None, PASSWORD_DRAIN_FILE=secret, SCRAPE_INTERVAL="60s")  # what has ended is shown
    body = ingest([gauge("g", 1)]) + router_error("H12")
    equal(posts(server, "shop", SHOP_PASSWORD, body), 204, "a batch")
    labels = {"app": "my-shop", "process": "web.1", "team": "payments", "environment": 'a"b'}
    equal(server.page().value("heroku_router_errors", code="H12", **labels), 1, "the router error")

    # A mistake in the file, and one in a secret: all are logged, and nothing changes.
    context.file("config.yaml", "drains:\n- {name: new, app: new, password: x}\n- {name: shop, app: __x}\n- {nam: y}\n")
    context.file("secret", "")
    server.tell(signal.SIGHUP)
    wait_for(lambda: path + ":4:" in server.log(), "the mistakes are logged")
    for part in ("nothing was changed", "reload: PASSWORD_DRAIN is empty", 'reload: %s:3:21: drain "shop": app starts with "__"' % path,
                 "reload: %s:4:4: this key is not known" % path):
        check(part in server.log(), "the log does not say %s: %s", part, server.log())
    equal(posts(server, "new", "x"), 401, "the new user after a failed reload")
    equal(posts(server, "shop", SHOP_PASSWORD, body), 204, "shop after a failed reload")
    equal(posts(server, "drain", DRAIN_PASSWORD), 204, "drain after a failed reload")
    # A good file beside a bad secret is not taken either, nor the other way round.
    context.file("config.yaml", "drains: [{name: new, app: new, password: x}]")
    server.tell(signal.SIGHUP)
    wait_for(lambda: server.log().count("PASSWORD_DRAIN is empty") == 2, "the second failure is logged")
    equal(posts(server, "new", "x"), 401, "the new user with a bad secret")
    context.file("config.yaml", "drains: x")
    context.file("secret", "next-Secret")
    server.tell(signal.SIGHUP)
    wait_for(lambda: path + ":1:9: drains must be a list" in server.log(), "the third failure is logged")
    equal(posts(server, "drain", "next-Secret"), 401, "the new secret with a bad file")

    # Another label, user and app; open connections and all series stay.
    context.file("config.yaml", "drains:\n- {name: shop, app: my-shop, password: '%s', labels: {team: sales}}\n- {name: new, app: new, password: x}\n"
                 % SHOP_PASSWORD)
    with Raw(server) as kept:
        equal(kept.ask(head_of("GET", "/health")).status, 200, "health")
        server.tell(signal.SIGHUP)
        wait_for(lambda: posts(server, "new", "x") == 204, "the new user is let in")
        equal(kept.ask(head_of("GET", "/health")).status, 200, "health on the same connection")
    equal(posts(server, "drain", "next-Secret"), 204, "the new secret")
    equal(posts(server, "drain", DRAIN_PASSWORD), 401, "the old secret")
    equal(posts(server, "team", TEAM_PASSWORD), 401, "a user who was taken out")
    equal(posts(server, "shop", SHOP_PASSWORD, body), 204, "shop")
    page = server.page()
    equal(page.value("heroku_router_errors", code="H12", **labels), 2, "the old series")
    equal(page.value("heroku_router_errors", code="H12", app="my-shop", process="web.1", team="sales"), 1, "the new series")
    equal(ledger(page, "my-shop")["received"], 6, "the ledger of my-shop")
    os.unlink(path)
    server.tell(signal.SIGHUP)
    wait_for(lambda: "the file cannot be opened" in server.log(), "the missing file is logged")
    equal(posts(server, "new", "x"), 204, "the new user without the file")
    server.stop()
    says_nothing_secret(server)


@test
def reload_under_load(context):
    """No batch is refused while accounts are exchanged again and again."""
    config = "drains: [{name: shop, app: my-shop, password: '%s', labels: {team: team-%%d}}]" % SHOP_PASSWORD
    context.file("config.yaml", config % 0)
    server = context.server(CONFIG_FILE=context.folder + "/config.yaml")
    done = []

    def post():
        body = ingest([gauge("g", 1)])
        head = head_of("POST", "/drain", {"Authorization": basic("shop", SHOP_PASSWORD), "Content-Length": str(len(body))})
        with Raw(server) as raw:
            while not done:
                equal(raw.ask(head + body).status, 204, "a batch")

    def reload():
        try:
            for i in range(1, context.scaled(100)):
                replaced = context.file("next.yaml", config % i)
                os.rename(replaced, context.folder + "/config.yaml")
                server.tell(signal.SIGHUP)
                wait_for(lambda: server.page().select("g", team="team-%d" % i), "the label of reload %d" % i)
        finally:
            done.append(True)

    in_threads([post, post, reload])


MISTAKES = """drains:
  - name: shop
    app: ''
    password: "%s"
    passwords: x
  - name: shop
    app: a
    labels: {job: x, team: ''}
""" % SHOP_PASSWORD


@test
def mistakes_are_told_all_at_once(context):
    """By --check-config and at the start, with line and column, each on a line of its own, and without secrets."""
    path = context.file("config.yaml", MISTAKES)
    want = [
        '3:10: drain "shop": app is empty',
        '5:5: drain "shop": this key is not known; there is name, app, password, password_file, password_hash, shared, tokens, labels, router_by_process, addon_app, platform, organization, space and cf_labels',
        "6:11: this name stands in line 2 already",
        '8:14: drain "shop": the label job has a meaning already',
        '8:28: drain "shop": a label\'s value is empty',
    ]
    for arguments in ((), ("--check-config",)):
        for source, settings in (("CONFIG", {"CONFIG": MISTAKES}), (path, {"CONFIG_FILE": path})):
            status, out, err = run(context, *arguments, **settings)
            equal((status, out), (1, ""), "status and output")
            equal(err, "".join("drain_exporter: %s:%s\n" % (source, text) for text in want), "what is said")
    refused(context, 1, context.folder + "/missing: the file", CONFIG_FILE=context.folder + "/missing")
    refused(context, 1, context.folder + ": the file", "--config-file=" + context.folder)
    refused(context, 1, "both CONFIG and CONFIG_FILE", CONFIG="drains: []", CONFIG_FILE=path)
    refused(context, 1, "CONFIG", CONFIG="")
    for password in (SHOP_PASSWORD, HASHED_PASSWORD, "secret"):
        for start in "*&!|>@`%[{,?":
            settings = {"CONFIG": "drains: [{name: a, app: a, password: %s%s}]" % (start, password)}
            status, _, err = run(context, "--check-config", **settings)
            check(status == 0 or (err.startswith("drain_exporter: CONFIG:1:") and password not in err), "%r: %r", settings, err)


@test
def check_config_counts_the_drains(context):
    status, out, err = run(context, "--check-config", CONFIG=several(context))
    equal((status, err), (0, ""), "status and stderr")
    for text in ("CONFIG=(set)", "CONFIG_FILE=(not set)", "4 drains, 2 of them with a password", "the settings are valid"):
        check(text in out.splitlines(), "--check-config does not say %s: %r", text, out)
    check(SHOP_PASSWORD not in out and TEAM_PASSWORD not in out, "--check-config shows a password")
    status, out, err = run(context, "--check-config", "--config-file", EXAMPLE)
    equal((status, err), (0, ""), "the example: status and stderr")
    check("2 users of scrapes" in out.splitlines(), "--check-config does not count the users of scrapes: %r", out)


@test
def configuration_as_a_flag_is_hidden(context):
    server = context.server(("--config=" + HASHED,))
    equal(posts(server, "hashed", HASHED_PASSWORD), 204, "a batch")
    check("hashed" not in command_line(server), "/proc/PID/cmdline shows the configuration")


@test
def health_check_needs_no_configuration(context):
    server = context.server()
    status, out, err = run(context, "--health-check", LISTEN_ADDRESS=server.settings["LISTEN_ADDRESS"], CONFIG="rubbish", PASSWORD_DRAIN=None)
    equal((status, out, err), (0, "", ""), "--health-check")
    equal(server.request("POST", "/drain", AUTH_DRAIN, b"").status, 204, "a batch")
