"""What is known goes on from one start to the next: STATE_FILE."""
import os
import re
import shutil
import signal
import stat
import time

from clocks import HOUR, Clock
from documentation import ROOT
from harness import test
from monitoring import post_samples
from scraping import METRICS_PASSWORD, Prometheus
from support.checks import check, equal
from support.exporter import AUTH_DRAIN, AUTH_METRICS, DRAIN_PASSWORD, Exporter
from support.http_client import basic
from support.lines import counter, gauge, histogram, ingest, line, logplex, postgres, router_error
from support.waiting import wait_for

OWN = ("drain_exporter_build_info", "drain_exporter_start", "drain_exporter_state", "drain_exporter_connections", "drain_exporter_series", "drain_exporter_scrape",
       "drain_exporter_http", "drain_exporter_page", "drain_exporter_memory", "drain_exporter_sweep", "drain_exporter_config", "drain_exporter_credential",
       "drain_exporter_expired", "drain_exporter_clients", "drain_exporter_login", "process_", "drain_exporter_uptime", "drain_exporter_log_")

# The first block of a state of format 99: its header.
LATER = bytes.fromhex("4458533106000000568b2c500a4dd3a2010100000063")


def of_apps(page):
    """All samples but those about the process itself: {(name, labels): value}."""
    return {key: value for key, value in page.samples.items() if not key[0].startswith(OWN)}


def burst(number=1):
    return (router_error("H12") * 3 + ingest([counter("ticks", number, "incremental"), gauge("level", 7), histogram("took", [1, 2], [3, 4], 5)])
            + postgres(tables=7) + line("count#signups=2 measure#parse=5ms", "app", "web.1") + line("State changed from starting to up", "heroku", "web.1"))


def state_of(context):
    return os.path.join(context.folder, "state")


def start(context, old=None, **settings):
    settings = {"STATE_FILE": state_of(context), "STATE_INTERVAL": "100ms", **settings}
    return context.server(port=old and old.port, **settings)


def saved(server):
    return server.first_page().value("drain_exporter_state_saved_timestamp_seconds") or 0


def await_save(server):
    """A state that has all that is there now."""
    for _ in range(2):
        before = saved(server)
        wait_for(lambda: saved(server) > before, "the state is written", 10)


def crash(server):
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    server.stopped = True


@test
def a_stop_loses_nothing(context):
    """Counters, values, dynos, the ledger and known batches are as they were, and go on."""
    server = start(context)
    for number in range(1, 4):
        server.post(burst(number), "shop", logplex(7, frame_id="batch-%d" % number))
    server.post(line("hello"), "blog", logplex(1, frame_id="hello"))
    server.page()
    before = of_apps(server.page())
    server.stop()
    equal(before["ticks", (("app", "shop"), ("process", "web.1"))], 6, "the counter at first")
    server = start(context, server)
    after = of_apps(server.first_page())
    equal({key: value for key, value in after.items() if before.get(key) != value}, {}, "what differs or is new after the start")
    equal({key: value for key, value in before.items() if key not in after}, {}, "what is gone")
    server.post(burst(3), "shop", logplex(7, frame_id="batch-3"))
    page = server.page()
    equal(page.value("drain_exporter_messages_duplicate_total", app="shop"), 7, "messages of a batch that was taken before the stop")
    server.post(burst(4), "shop", logplex(7, frame_id="batch-4"))
    equal(server.page().value("ticks", app="shop", process="web.1"), 10, "the counter goes on")
    equal(server.page().value("heroku_router_errors", app="shop", process="web.1", code="H12"), 12, "errors go on")


RULES = r"""rules:
- name: jobs
  match: '^job kind=(?<kind>\w+) took=(?<ms>\d+)'
  metrics:
  - {counter: jobs_total, help: 'Jobs that are "done": {all}, 100 % – so to speak.', labels: {kind: $kind, end: 'a "b", c'}, with: [app, process]}
  - {counter: job_milliseconds_total, value: $ms}
  - {gauge: job_level, value: $ms, help: '"'}
  - {gauge: job_sum, value: $ms, add: true}
  - {histogram: job_seconds, value: $ms, scale: 0.001, labels: {kind: $kind}, help: 'Seconds of "jobs".'}
  - {histogram: job_sizes, value: $ms, buckets: [1, 2.5, 100]}
  - {total: job_number_total, value: $ms}
"""
# The kinds of metrics that burst() does not have, and labels that must be escaped.
OTHER_KINDS = [
    {"name": "members", "kind": "incremental", "tags": {}, "set": {"values": ["%d" % number for number in range(4000)]}},
    {"name": "summed", "kind": "absolute", "tags": {}, "aggregated_summary": {"quantiles": [0.5, 0.99], "values": [2, 1e300], "count": 5, "sum": -7.5}},
    {"name": "sketched", "kind": "absolute", "tags": {}, "sketch": {"type": "ddsketch", "count": 3, "min": -1, "max": 3.15, "sum": 2, "avg": 1, "k": [-1338, 0, 1412], "n": [1, 1, 1]}},
    {"name": "distributed", "kind": "absolute", "tags": {}, "distribution": {"samples": [{"value": 1.5, "rate": 3}], "statistic": "histogram"}},
    gauge("tiny", -5e-324, what='a "b"\n\\c \u00e4\U0001f600', **{"x" * 100: "y" * 1000}), counter("huge", 1.7e308)]


@test
def all_kinds_of_series_go_on(context):
    """Each recorded line, each kind of metric, and rules of all kinds: after an orderly stop no series is gone, new or other than it was."""
    def begin(old=None):
        return start(context, old, CONFIG=RULES, SCRAPE_INTERVAL="60s")

    server = begin()
    post_samples(server)
    server.post(line("job kind=a took=5") + line("job kind=b took=50") + line("count#huge=1.7e308") + b"".join(ingest([each]) for each in OTHER_KINDS) + burst(), "shop")
    before = of_apps(server.first_page())
    check(len(before) > 900, "there are only %d series", len(before))
    equal(sorted({each["name"] for each in OTHER_KINDS} - {re.sub("_(count|sum|bucket)$", "", name) for name, _ in before}), [], "kinds that are not there")
    equal(before["jobs_total", tuple(sorted({"app": "shop", "process": "web.1", "kind": "a", "end": 'a "b", c'}.items()))], 1, "a counter of a rule")
    server.stop()
    server = begin(server)
    after = of_apps(server.first_page())
    equal(sorted(set(before) - set(after)), [], "series that are gone")
    equal({key: (before.get(key), value) for key, value in after.items() if before.get(key) != value}, {}, "series that are new or other")
    server.post(line("job kind=a took=5"), "shop")
    equal([value for _, value in server.first_page().select("jobs_total", kind="a")], [2], "the counter of a rule goes on")
    check("understood" not in server.log(), "the log says: %s", server.log())


@test
def full_apps_go_on(context):
    """Of apps that have reached all of their bounds nothing is gone after a stop, in whatever order it comes back; if a bound is lower then, it applies."""
    def begin(old=None, most=300):
        return start(context, old, SCRAPE_INTERVAL="60s", MAX_APP_SERIES=str(most))

    def report():
        for app in ("north", "south"):
            for metric in range(8):
                values = [gauge("g%d" % metric, 1, x="%d" % number) for number in range(40)] + [counter("c%d" % metric, 1, "incremental", x="%d" % number) for number in range(40)]
                server.post(ingest(values, "web.%d" % metric) + router_error("H%d" % (10 + metric), "web.%d" % metric) + burst(), app)

    server = begin()
    report()
    before = of_apps(server.first_page())
    check(any(value == "__other__" for _, labels in before for _, value in labels), "no app has reached a bound")
    server.stop()
    server = begin(server)
    after = of_apps(server.first_page())
    equal({key: (before.get(key), after.get(key)) for key in before.keys() | after.keys() if before.get(key) != after.get(key)}, {}, "what is gone, new or other")
    server.stop()
    server = begin(server, 100)
    check("others are beyond today's bounds" in server.log(), "the log says: %s", server.log())
    fewer = of_apps(server.first_page())
    check(len(fewer) < len(before), "%d samples are there, of %d before", len(fewer), len(before))


@test
def a_crash_begins_counters_at_zero(context):
    """Values and known batches come back as they were saved; what is counted is there, at 0."""
    server = start(context)
    server.post(burst(5), "shop", logplex(7, frame_id="known"))
    await_save(server)
    crash(server)
    server = start(context, server)
    page = server.first_page()
    equal(page.value("level", app="shop", process="web.1"), 7, "a gauge")
    equal(page.select("heroku_postgres_tables")[0][1], 7, "a value of Postgres")
    equal(page.value("ticks", app="shop", process="web.1"), 0, "a counter")
    equal(page.value("heroku_router_errors", app="shop", process="web.1", code="H12"), 0, "errors")
    equal(page.value("drain_exporter_messages_received_total", app="shop"), 0, "the ledger")
    server.post(burst(5), "shop", logplex(7, frame_id="known"))
    page = server.page()
    equal(page.value("drain_exporter_messages_duplicate_total", app="shop"), 7, "messages of a batch that was taken before the crash")
    equal(page.value("ticks", app="shop", process="web.1"), 0, "it is not counted twice")


@test
def increases_over_restarts(context):
    """As Prometheus sees them: equal to what was sent over stops, never more over crashes."""
    server = start(context, SCRAPE_INTERVAL="1s")
    prometheus = Prometheus(context, {"it": (server, METRICS_PASSWORD)})
    name = 'heroku_router_errors{app="shop",code="H12",process="web.1"}'

    def post(count, number):
        server.post(router_error("H12") * count, "shop", logplex(count, frame_id="n-%d" % number))

    def total():
        return sum(rise(values) for _, values in prometheus.samples(name))

    def rise(values):
        """What increase() adds up, without its extrapolation: each rise, and after a reset all that there is."""
        return sum(new - old if new >= old else new for (_, old), (_, new) in zip(values, values[1:]))

    post(1, 0)
    prometheus.await_number('drain_exporter_messages_received_total{app="shop"}', 1)
    wait_for(lambda: prometheus.samples(name), "the series is scraped", 20, 0.2)
    first = prometheus.samples(name)[0][1][0][1]
    sent = 1
    for number in range(1, 4):
        post(10 * number, number)
        sent += 10 * number
        server.stop()
        server = start(context, server, SCRAPE_INTERVAL="1s")
    wait_for(lambda: first + total() == sent, "the increase is what was sent: %s" % sent, 20, 0.2)
    post(50, 10)
    sent += 50
    await_save(server)
    post(7, 11)  # some of this is lost with the process, as nobody may have scraped it
    sent += 7
    crash(server)
    server = start(context, server, SCRAPE_INTERVAL="1s")
    post(5, 12)
    sent += 5
    wait_for(lambda: prometheus.number(name) == 5, "the counter began at 0 and is 5", 20, 0.2)
    check(first + total() <= sent, "an increase of %r over a crash, but %r were sent", first + total(), sent)


@test
def what_is_over_does_not_come_back(context):
    server = start(context, EXPIRE_AFTER="1s")
    server.post(ingest([gauge("level", 7)]), "shop")
    server.post(postgres(tables=7), "shop")
    server.stop()
    time.sleep(1.2)  # the wall clock has to pass
    page = start(context, server, EXPIRE_AFTER="1s").first_page()
    check(not page.select("level"), "a gauge is there after its time")
    equal(page.select("heroku_postgres_tables")[0][1], 7, "what lives longer")


@test
def todays_lifetimes_apply(context):
    """What once stayed for ever leaves in the time that is set now; what lives as long as its dyno or its app still does."""
    names = ("level", "heroku_postgres_tables", "heroku_dyno_load_avg_1m", "heroku_dyno_up", "heroku_formation_dynos", "heroku_release_version", "drain_exporter_last_batch_timestamp_seconds")

    def there():
        page = server.first_page()
        return {name for name in names if page.select(name, app="shop") or page.select(name, addon="postgresql-curly-12345")}

    def begin(seconds):
        return start(context, SCRAPE_INTERVAL="1s", **{name: seconds for name in ("EXPIRE_AFTER", "POSTGRES_EXPIRE_AFTER", "RUNTIME_EXPIRE_AFTER", "REDIS_EXPIRE_AFTER")})

    server = begin("0")
    server.post(burst() + line("source=web.1 dyno=heroku.1.a sample#load_avg_1m=0.5", "heroku", "web.1") + line("Scaled to web@2:Standard-1X by user a@example.com", "app", "api")
                + line("Release v7 created by user a@example.com", "app", "api"), "shop")
    equal(there(), set(names), "what is there at first")
    server.stop()
    server = begin("1s")
    wait_for(lambda: there() == set(names[3:]) or check(False, "there is %r", there()), "what is over leaves, and all else stays", 20)


@test
def todays_configuration_applies(context):
    config = "drains:\n  - {name: shop, app: shop, labels: {team: a}}\n"
    server = start(context, CONFIG=config)
    server.post(ingest([gauge("level", 7)]), "shop")
    server.post(ingest([gauge("level", 8)]), "blog")
    equal(server.page().value("level", app="shop", process="web.1", team="a"), 7, "the gauge")
    server.stop()
    server = start(context, server, CONFIG=config.replace("team: a", "team: b"), ONLY_LISTED_APPS="true")
    check(not server.first_page().select("level", app="blog"), "an app is there that may not be")
    wait_for(lambda: not server.first_page().select("level", team="a"), "a series with a label that is gone leaves", 10)
    server.stop()
    server = start(context, server, CONFIG=config, MAX_APP_SERIES="20")
    server.page()
    check(server.is_running(), "it serves with a lower bound")


@test
def todays_external_labels_apply(context):
    """A label of the app that has become one of all series is renamed, as that of a sample is: the series goes on, and no label stands twice."""
    def report():
        server.post(ingest([gauge("level", 7, replica="mine"), counter("ticks", 1, "incremental", replica="mine")]), "shop")

    server = start(context, CONFIG="drains: [{name: shop, app: shop, labels: {zone: z}}]")
    report()
    server.post(line("State changed from starting to up", "heroku", "web.1"), "shop")
    server.stop()
    own = {"EXTERNAL_LABELS": "replica=a,zone=b", "CONFIG": server.settings["CONFIG"]}
    server = start(context, server, **own)
    labels = {"app": "shop", "process": "web.1", "replica": "a", "zone": "b", "exported_replica": "mine", "exported_zone": "z"}
    equal((server.first_page().value("level", **labels), server.first_page().value("ticks", **labels)), (7, 1), "a gauge and a counter")
    report()
    equal((server.page().value("ticks", **labels), server.page().total("ticks", app="shop")), (2, 2), "the counter, and all of its name")
    check("understood" not in server.log(), "the log says: %s", server.log())


@test
def files_that_cannot_be_used(context):
    """Each is kept aside with one sentence in the log, and the program begins with nothing."""
    server = start(context)
    server.post(burst(), "shop")
    server.stop()
    path = state_of(context)
    with open(path, "rb") as file:
        good = file.read()
    for password in (DRAIN_PASSWORD, METRICS_PASSWORD):
        check(password.encode() not in good, "a password is in the state")
    middle = len(good) // 2
    bad = {"empty": b"", "foreign": b"PK\x03\x04" + b"x" * 1000, "cut": good[:middle], "bit": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1:],
           "long": good + b"DXS1", "later": LATER}
    for what, content in bad.items():
        for leftover in ("unusable", "new"):
            shutil.rmtree(path + "." + leftover, ignore_errors=True)
            if os.path.exists(path + "." + leftover):
                os.unlink(path + "." + leftover)
        with open(path, "wb") as file:
            file.write(content)
        server = start(context, server)
        page = server.first_page()
        check(not page.select("level"), "%s: a series is there", what)
        equal(server.log().count("cannot be used"), 1, "%s: sentences in the log, which is %r" % (what, server.log()))
        equal("of another version" in server.log(), what == "later", "%s: whether the log says that it is of another version" % what)
        equal(server.page().value("drain_exporter_state_loads_total", found="unusable"), 1, "%s: starts with such a file" % what)
        with open(path + ".unusable", "rb") as file:
            equal(file.read(), content, "%s: what is kept aside" % what)
        server.post(burst(), "shop")
        equal(server.page().value("ticks", app="shop", process="web.1"), 1, "%s: it counts" % what)
        server.stop()
        server = start(context, server)
        equal(server.first_page().value("level", app="shop", process="web.1"), 7, "%s: the next state is good" % what)
        server.stop()


@test
def what_is_no_file_is_kept_aside(context):
    """What stands in the folder under the name and cannot be read: a loop of links, a folder, a pipe that nobody writes to."""
    path = os.path.join(state_of(context), "drain_exporter.state")
    os.mkdir(state_of(context))
    for what, make, is_it in (("loop", lambda: os.symlink(path, path), os.path.islink), ("folder", lambda: os.mkdir(path), os.path.isdir),
                              ("pipe", lambda: os.mkfifo(path), lambda made: stat.S_ISFIFO(os.lstat(made).st_mode))):
        make()
        server = start(context)
        equal(server.page().value("drain_exporter_state_loads_total", found="unusable"), 1, "%s: starts with such a file" % what)
        equal(server.log().count("cannot be used"), 1, "%s: sentences in the log, which is %r" % (what, server.log()))
        check(is_it(path + ".unusable"), "%s: it is not kept aside", what)
        server.post(burst(), "shop")
        server.stop()
        server = start(context, server)
        equal(server.first_page().value("ticks", app="shop", process="web.1"), 1, "%s: the next state is good" % what)
        server.stop()
        os.unlink(path)
        shutil.rmtree(path + ".unusable") if os.path.isdir(path + ".unusable") else os.unlink(path + ".unusable")


# What a program wrote at its stop, of the format 1, and when: burst(5), in a batch that is known.  It is never written anew.
EARLIER, WRITTEN = os.path.join(ROOT, "tests", "data", "state-1"), 1795676798


@test
def the_state_of_an_earlier_program_is_read(context):
    """All that it has goes on with this one: what is written today is no measure, since both ends may have changed."""
    clock = Clock(context)
    shutil.copy(EARLIER, state_of(context))
    clock.set(int(WRITTEN + 5 - time.time()))
    server = start(context, **clock.settings)
    page = server.page()
    for name, labels, value in (("ticks", {"process": "web.1"}, 5), ("level", {"process": "web.1"}, 7), ("took_count", {"process": "web.1"}, 7), ("took_bucket", {"process": "web.1", "le": "1"}, 3),
                                ("heroku_router_errors", {"process": "web.1", "code": "H12"}, 3), ("l2met_signups_total", {"process_type": "web"}, 2),
                                ("heroku_dyno_up", {"process": "web.1", "process_type": "web"}, 1), ("drain_exporter_messages_received_total", {}, 7)):
        equal(page.value(name, app="shop", **labels), value, name)
    equal(page.select("heroku_postgres_tables")[0][1], 7, "a value of Postgres")
    server.post(burst(5), "shop", logplex(7, frame_id="known"))
    equal(server.page().value("drain_exporter_messages_duplicate_total", app="shop"), 7, "messages of a batch that was taken before")
    check("understood" not in server.log(), "the log says: %s", server.log())


@test
def two_programs_with_one_file(context):
    """The second one reads it as that of a crash, and writes once the first has stopped, whose state is not taken for its own."""
    first = start(context)
    first.post(burst(5), "shop")
    await_save(first)
    second = start(context)
    page = second.page()
    equal((page.value("level", app="shop", process="web.1"), page.value("ticks", app="shop", process="web.1")), (7, 0), "a gauge and a counter of the second")
    wait_for(lambda: second.log().count("is another program's") == 1, "it is told", 10)
    await_save(first)
    check(not saved(second), "the second one writes, too")
    second.post(burst(2), "shop")
    first.stop()
    await_save(second)
    second.stop()
    equal(second.log().count("is another program's"), 1, "sentences in the log")
    page = start(context, second).first_page()
    equal(page.value("ticks", app="shop", process="web.1"), 2, "the counter of the second goes on")


@test
def a_full_disk_costs_the_snapshot(context):
    """The old file stays, the service goes on, and it is told once."""
    server = start(context)
    server.post(burst(), "shop")
    server.stop()
    with open(state_of(context), "rb") as file:
        before = file.read()
    settings = {"STATE_FILE": state_of(context), "STATE_INTERVAL": "100ms", "SCRAPE_INTERVAL": "10ms"}
    # 64 blocks of 512 bytes, for each file that the program writes; the log stays below that.
    server = Exporter("sh", ["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\"", context.program], settings=settings,
                      output_path=os.path.join(context.folder, "full.log")).wait_until_listening()
    context.closers.append(server.close)
    server.post(b"".join(ingest([gauge("many", i, number="%d" % i, filler="x" * 100)]) for i in range(500)), "shop")
    wait_for(lambda: "cannot be written" in server.log(), "it is told", 20)
    equal(server.first_page().value("many", app="shop", process="web.1", number="499", filler="x" * 100), 499, "a series, while the disk is full")
    wait_for(lambda: server.first_page().value("drain_exporter_state_saves_total", result="failed") > 2, "more saves fail", 20)
    equal(server.log().count("cannot be written"), 1, "sentences in the log")
    crash(server)
    with open(state_of(context), "rb") as file:
        equal(len(file.read()), len(before), "the size of the old file")


@test
def it_writes_again_when_it_can(context):
    """What kept the file from being written is gone: that is told, and a crash then finds what came meanwhile."""
    os.mkdir(state_of(context) + ".new")
    server = start(context)
    wait_for(lambda: "cannot be written" in server.log(), "it is told", 10)
    server.post(burst(), "shop")
    check(not os.path.exists(state_of(context)), "the file is there")
    os.rmdir(state_of(context) + ".new")
    wait_for(lambda: "is written again" in server.log(), "the end of it is told", 10)
    await_save(server)
    equal((server.log().count("cannot be written"), server.log().count("is written again")), (1, 1), "sentences in the log")
    crash(server)
    equal(start(context, server).first_page().value("level", app="shop", process="web.1"), 7, "a gauge")


@test
def the_state_of_a_running_one(context):
    """GET /state for who may see all; it has no secrets."""
    server = context.server(CONFIG="scrapes:\n  - {name: team, password: team-password, apps: [shop]}\n")
    server.post(burst(), "shop")
    answer = server.request("GET", "/state", AUTH_METRICS)
    equal((answer.status, answer.header("content-type")), (200, "application/octet-stream"), "the answer")
    equal(answer.body[:4], b"DXS1", "how it begins")
    check(b"level" in answer.body, "it lacks a series")
    for auth in ({}, AUTH_DRAIN, {"Authorization": basic("team", "team-password")}):
        equal(server.request("GET", "/state", auth).status, 401, "the status for others")
    with open(state_of(context), "wb") as file:
        file.write(answer.body)
    page = start(context).first_page()
    equal(page.value("level", app="shop", process="web.1"), 7, "a gauge of the one that goes on")
    equal(page.value("ticks", app="shop", process="web.1"), 0, "a counter")


@test
def the_clock_steps_between_two_starts(context):
    """Back: nothing is newer than now, so all goes on.  Forth: what is over by the wall clock leaves, the rest goes on."""
    clock = Clock(context)
    server = start(context, **clock.settings)
    server.post(burst(), "shop")
    server.page()
    for step, gauges in ((-HOUR, 7), (HOUR, None)):
        server.stop()
        clock.set(step)
        server = start(context, server, **clock.settings)
        page = server.first_page()
        equal(page.value("level", app="shop", process="web.1"), gauges, "the gauge after a step of %d s" % step)
        equal(page.value("heroku_router_errors", app="shop", process="web.1", code="H12"), 3, "the counter after a step of %d s" % step)
        server.post(ingest([gauge("level", 8)]), "shop")
        equal(server.page().value("level", app="shop", process="web.1"), 8, "the gauge goes on after a step of %d s" % step)
        server.post(ingest([gauge("level", 7)]), "shop")
