"""Several exporters: the labels that tell them apart, and two that see the same."""
import collections
import copy
import math
import os
import random
import re
import shutil
import threading
import time

from app_pages import page as page_of
from documentation import METRICS, ROOT, rows
from harness import Skip, in_threads, test
from ledger import Books, Message, Sender, any_message, check_books
from monitoring import replaying_server
from scraping import METRICS_PASSWORD, Prometheus
from support import http_client
from support.checks import check, equal
from support.exporter import AUTH_METRICS
from support.exposition import Page
from support.lines import counter, gauge, histogram, ingest, line, logplex, router_error, stamp
from support.ports import free_port
from support.processes import Process, run_to_end
from support.waiting import wait_for

EXTERNAL = {"replica": "a", "cluster": 'eu "west" \\1'}
SETTING = "replica=a, cluster=" + EXTERNAL["cluster"]


def without(page, names):
    """All series of a page, without labels of these names."""
    return {(name, tuple(pair for pair in labels if pair[0] not in names)) for name, labels in page.samples}


@test
def external_labels_stand_on_all_series(context):
    """On all pages, and beside what the series have without them."""
    plain, server = (replaying_server(context, EXTERNAL_LABELS=labels, SCRAPE_INTERVAL="60s") for labels in (None, SETTING))
    for each in (plain, server):
        each.post(ingest([gauge("depth", 3, replica="of the app", zone="z")]), "my-app", logplex(1))
    pages = [server.first_page()] + [page_of(server, target) for target in ("/v1/apps/my-app/metrics", "/v1/apps/my-app/only-app-metrics", "/singleTargetMetrics/my-app/web.1", "/promregatorMetrics")]
    for page in pages:
        check(len(page.samples) > 1, "a page has %d samples", len(page.samples))
        for name, labels in page.samples:
            check(set(EXTERNAL.items()) <= set(labels), "%s%r lacks external labels", name, labels)
    changing = re.compile("depth|drain_exporter_(page|http|connections|client|self)|process_")  # what a page before it has changed
    difference = without(plain.first_page(), ()) ^ without(pages[0], EXTERNAL)
    equal(sorted(each for each in difference if not changing.match(each[0])), [], "series that only one of both has")
    equal(pages[0].value("depth", app="my-app", process="web.1", zone="z", exported_replica="of the app", **EXTERNAL), 3, "a gauge with a label of such a name")
    equal(plain.first_page().value("depth", app="my-app", process="web.1", zone="z", replica="of the app"), 3, "the same without")
    zipped = server.request("GET", "/metrics", {**AUTH_METRICS, "Accept-Encoding": "gzip"})
    equal(zipped.header("content-encoding"), "gzip", "the encoding")


def check_config(context, labels):
    return run_to_end([context.program, "--check-config"], seconds=20, PASSWORD_DRAIN="a", PASSWORD_METRICS="b", EXTERNAL_LABELS=labels)


@test
def external_labels_are_none_of_ours(context):
    """What a series of ours has as a label, on the page or in the documents, cannot be one of all pages; nor is a mistake started with."""
    server = replaying_server(context, SCRAPE_INTERVAL="60s", CF_LABELS="promfetcher", MAX_METRIC_SERIES=30)
    ours = {label for name, labels in server.page().samples if re.match("heroku_|drain_exporter_|cf_(?!app_)|l2met_", name) for label, _ in labels}
    for row in rows(open(METRICS).read()):
        if len(row) == 4 and row[1] in ("counter", "gauge", "histogram"):
            ours |= {label.strip().strip("`") for label in row[2].split(",")} - {""}
    check(len(ours) > 30, "only %d labels were found", len(ours))
    for label in sorted(ours | {"le", "quantile", "job", "instance"}):
        done = check_config(context, "replica=a,%s=x" % label)
        equal((done.status, done.err), (1, 'drain_exporter: EXTERNAL_LABELS has "%s", which has a meaning already\n' % label), "a start with the label " + label)
    for wrong in ("", "replica", "a=1,a=2", "__a=1", "a-b=1", "a=" + "x" * 200):
        done = check_config(context, wrong)
        check(done.status == 1 and "EXTERNAL_LABELS" in done.err, "EXTERNAL_LABELS=%s: %d, %s", wrong, done.status, done.err)
    done = check_config(context, SETTING)
    check(done.status == 0 and "EXTERNAL_LABELS=%s\n" % SETTING in done.out, "the settings are printed as %s%s", done.out, done.err)


# ---- two of everything ----

STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
# What says how the messages came, and not what they say.
OF_THE_WAY = re.compile(r"process_|drain_exporter_(?!messages_(recognised|ignored|malformed)_total|samples_rejected|series_(refused|overflowed)|rule)")


class Log:
    """What an app logs in an hour, in its order, with the times of the hour that ends now.  Those who carry it away take what comes next."""

    def __init__(self, messages):
        self.rest = collections.deque(messages)
        self.lock = threading.Lock()

    def take(self, count):
        with self.lock:
            return [self.rest.popleft() for _ in range(min(count, len(self.rest)))]


class Dyno:
    """A dyno in such an hour: it reports, and starts anew as another instance."""

    def __init__(self, name, rng):
        self.name, self.random, self.instance = name, rng, 0

    def says(self, text):
        return Message(line(text, "heroku", self.name), "recognised", "dyno", ("heroku", "web"))

    def reports(self):
        return self.says("source=%s dyno=heroku.7.%s-%d sample#load_avg_1m=%.2f sample#memory_total=%d.00MB" % (self.name, self.name, self.instance, self.random.random(), self.random.randrange(99)))

    def restarts(self):
        self.instance += 1
        how = self.random.choice((("up", "starting"), ("up", "crashed", "starting"), ("up", "down", "starting")))
        return [self.says("State changed from %s to %s" % pair) for pair in zip(how, how[1:] + ("up",))] + [self.says("Process exited with status 143")]


RESTARTS = 5  # of each dyno, in an hour
DYNOS = 3


def hour_of(seed, count):
    """The messages of an hour."""
    rng = random.Random(seed)
    dynos = [Dyno("web.%d" % (1 + number), rng) for number in range(DYNOS)]
    restarts = sorted(((each + rng.uniform(0.2, 0.4)) / RESTARTS * count, number) for each in range(RESTARTS) for number in range(DYNOS))
    messages = []
    while len(messages) < count:
        message = any_message(rng, len(messages))
        # What is said of one drain is not for the other; and dynos have a life of their own here.
        if message.source is not None and not message.lost.get("L10") and message.kind != "dyno":
            messages.append(message)
        if rng.random() < 0.1:
            metrics = [counter("added", rng.randrange(9), "incremental"), gauge("level", rng.random()),
                       histogram("sizes", [1, 2, 4], [rng.randrange(5) for _ in range(3)], rng.random(), kind="incremental")]
            messages.append(Message(ingest(metrics, rng.choice(dynos).name), "recognised", "ingest", ("app", "web")))
        if rng.random() < 0.2:
            messages.append(rng.choice(dynos).reports())
        if restarts and restarts[0][0] < len(messages):
            messages += dynos[restarts.pop(0)[1]].restarts()
    for number, message in enumerate(messages):
        message.framed = STAMP.sub(stamp(3600.0 * (number / len(messages) - 1)).encode(), message.framed, 1)
    return messages


class Drain(Sender):
    """A connection on which a drain gets an app's log, in batches as they come: cut off, repeated, raced, and with counts of losses."""

    def __init__(self, server, app, seed, log):
        super().__init__(server, app, seed)
        self.log = log
        self.most = 2 + len(log.rest) // 200

    def messages(self, number):
        return self.log.take(self.random.randrange(1, self.most))

    def run(self):
        while self.log.rest:
            self.random.choices((self.logplex_batch, self.raced_batch), (6, 1))[0](0)
        self.raw.close()


def told(page):
    """What the messages say: all but what the drain itself says of its losses, without the exporter's own labels."""
    series = {(name, frozenset(pair for pair in labels if pair[0] != "replica")): value for (name, labels), value in page.samples.items() if not OF_THE_WAY.match(name)}
    return {key: value for key, value in series.items() if not {("process_type", "logplex"), ("family", "logplex")} & key[1]}


def unlike(first, second):
    """The series of which two pages differ, but for the last bits of sums, which depend on the order."""
    def are_like(a, b):
        return a is not None and b is not None and math.isclose(a, b, rel_tol=1e-9)

    return sorted((name, sorted(labels), first.get((name, labels)), second.get((name, labels))) for name, labels in set(first) | set(second)
                  if not are_like(first.get((name, labels)), second.get((name, labels))))


@test
def two_exporters_agree(context):
    """A hostile hour of two apps, each with two drains that do not know of each other: what they say is the same, to the last series."""
    hours = {"north": hour_of(1, context.scaled(12000, 4)), "south": hour_of(2, context.scaled(5000, 4))}
    servers = [context.server(WORKERS=3, SCRAPE_INTERVAL="60s", EXTERNAL_LABELS="replica=" + replica) for replica in "ab"]
    drains = {}
    for server in servers:
        for app, messages in hours.items():
            log = Log(messages)
            drains[server, app] = [Drain(server, app, "%d %s %d" % (servers.index(server), app, connection), log) for connection in range(4)]
    in_threads([drain.run for each in drains.values() for drain in each])
    pages = {server: server.first_page() for server in servers}
    for (server, app), each in drains.items():
        books = Books()
        for drain in each:
            books.add(drain.books)
        check_books(pages[server], app, books)
        equal(pages[server].total("heroku_dyno_restarts_total", app=app), RESTARTS * DYNOS, "restarts of %s" % app)
    first, second = (told(page) for page in pages.values())
    check(len(first) > 300, "there are only %d series", len(first))
    difference = unlike(first, second)
    check(not difference, "%d of %d series differ: %.900r", len(difference), len(first), difference)


def carry(servers, messages, app):
    """Let a log go to several exporters, each by a drain of its own."""
    drains = []
    for server in servers:
        log = Log(messages)
        drains += [Drain(server, app, "%s %d" % (server.settings["EXTERNAL_LABELS"], connection), log) for connection in range(3)]
    in_threads([drain.run for drain in drains])


@test
def a_restart_makes_no_difference(context):
    """Of two that see the same hostile hour one is stopped and started twice, and goes on from its STATE_FILE: they agree all the same."""
    def begin(replica, **more):
        return context.server(WORKERS=2, SCRAPE_INTERVAL="60s", EXTERNAL_LABELS="replica=" + replica, STATE_FILE=os.path.join(context.folder, "state-" + replica), **more)

    servers = [begin("a"), begin("b")]
    hour = hour_of(4, context.scaled(3000, 4))
    third = len(hour) // 3
    for part in (hour[:third], hour[third : 2 * third], hour[2 * third :]):
        carry(servers, part, "north")
        servers[1].stop()
        servers[1] = begin("b", port=servers[1].port)
    first, second = (told(server.first_page()) for server in servers)
    check(len(first) > 300, "there are only %d series", len(first))
    difference = unlike(first, second)
    check(not difference, "%d of %d series differ: %.900r", len(difference), len(first), difference)


@test
def the_better_of_two_is_shown(context):
    """A real Prometheus scrapes both of a pair, one of which is killed and starts again with nothing: max without (replica) misses nothing."""
    settings = [{"SCRAPE_INTERVAL": "1s", "EXTERNAL_LABELS": "replica=" + replica} for replica in "ab"]
    servers = [context.server(**each) for each in settings]
    job = {"job_name": "pair", "basic_auth": {"username": "metrics", "password": METRICS_PASSWORD}, "static_configs": [{"targets": ["127.0.0.1:%d" % each.port for each in servers]}]}
    prometheus = Prometheus(context, {}, more=[job])
    hour = hour_of(3, context.scaled(4000, 4))
    half = len(hour) // 2
    carry(servers, hour[:half], "shop")
    prometheus.await_number('count(up == 1)', 2)
    servers[1].kill()
    servers[1].stopped = True
    servers[1] = context.server(port=servers[1].port, **settings[1])
    carry(servers, hour[half:], "shop")
    truth = servers[0].first_page().total("drain_exporter_messages_recognised_total", app="shop")
    query = 'max without (replica, instance) (sum without (family) (drain_exporter_messages_recognised_total{app="shop",family!="logplex"}))'
    wanted = truth - servers[0].first_page().total("drain_exporter_messages_recognised_total", app="shop", family="logplex")
    equal(wanted, sum(message.fate == "recognised" and message.kind != "logplex" for message in hour), "what the one that lived has")
    prometheus.await_number(query, wanted)
    check(prometheus.number(query.replace('app=', 'replica="b",app=')) < wanted, "the one that was killed knows as much")
    prometheus.await_number('max without (replica, instance) (sum without (event, process_type) (heroku_log_messages_total{app="shop",source="app"}))',
                            sum(message.source[0] == "app" for message in hour))


class VictoriaMetrics(Prometheus):
    """The store of several Prometheus servers, with the flag of docker/MANY.md; asked as Prometheus is."""

    def __init__(self, context):
        program = shutil.which("victoria-metrics")
        if program is None:
            raise Skip("there is no victoria-metrics")
        (flag,) = re.findall(r"`(-dedup\.minScrapeInterval=60s)`", open(os.path.join(ROOT, "docker", "MANY.md")).read())
        self.port = free_port()
        self.process = Process([program, "-storageDataPath=" + os.path.join(context.folder, "victoria"), "-httpListenAddr=127.0.0.1:%d" % self.port, flag,
                                "-search.latencyOffset=0s", "-memory.allowedBytes=64MB"], output_path=os.path.join(context.folder, "victoria.log"))
        context.closers.append(self.process.end)
        wait_for(lambda: self._get("/health"), "victoria-metrics is ready", 30)

    def write(self, server, page, at):
        """A page as a Prometheus writes it that scraped it at this time."""
        target = "/api/v1/import/prometheus?extra_label=instance=%d&timestamp=%d" % (server.port, at * 1000)
        equal(http_client.request("127.0.0.1", self.port, "POST", target, body=page).status, 204, "the status of a page that is written")


@test
def victoria_metrics_keeps_one_of_two(context):
    """Two Prometheus servers that scrape both of a pair write to one VictoriaMetrics: it has one sample of each minute, the last, and none is missing."""
    if context.sanitizer is not None:
        raise Skip("VictoriaMetrics tells nothing more of this build")
    store = VictoriaMetrics(context)
    servers = [context.server(EXTERNAL_LABELS="replica=" + replica) for replica in "ab"]
    begin = time.time() // 60 * 60 - 600
    for minute in range(5):
        for second in (10, 40):  # when each of the two comes
            for server in servers:
                server.post(router_error("H12"), "shop", logplex(1))
                server.page()
                store.write(server, server.scrape().body, begin + 60 * minute + second)
    name = 'heroku_router_errors{app="shop",code="H12",process="web.1"}'
    store._get("/internal/force_flush")  # what was written is found now; an empty answer would stay one for ten seconds
    equal(len(store.samples(name)), 2, "series")
    for labels, samples in store.samples(name):
        equal([value for _, value in samples], [2, 4, 6, 8, 10], "values of " + labels["replica"])
    equal(store.number("sum(max without (replica, instance) (last_over_time(%s[1h])))" % name), 10, "the better of the two")
