"""A day of an app's dynos, shortened to a minute, as a real Prometheus sees it.

A model plays the apps and writes the lines that Heroku writes, with the present time in them.  It keeps the truth, and at the end
Prometheus must know the same.  A unit of the model's time stands for Heroku's minute or so: settings and scrapes are as short.
"""
import collections
import heapq
import itertools
import random
import re
import time
import uuid

from harness import test
from scraping import REFERENCE_NAMES, Prometheus, promtool
from support.checks import check, equal
from support.exporter import METRICS_PASSWORD
from support.exposition import ledgers
from support.lines import counter, gauge, ingest, line, logplex, postgres
from support.raw_connection import Raw, post_of
from support.waiting import patient, wait_for

CONNECTIONS = 3
STEPS = 10  # in a unit of time
SCRAPE, RUNTIME, EXPIRE, APP = 1, 4, 6, 20  # units: SCRAPE_INTERVAL, RUNTIME_EXPIRE_AFTER, EXPIRE_AFTER, APP_EXPIRE_AFTER
ONE_OFFS = ("run", "scheduler", "release")
# Levels (at=) of the H codes that the model uses.
CODES = {"H10": "error", "H12": "error", "H13": "error", "H18": "error", "H27": "warning", "H80": "info"}
# Counters that are known to be 0 before they rise, so that each rise can be seen.
FROM_ZERO = re.compile(r"heroku_router_errors|heroku_router_error_lines_total|heroku_dyno_(errors|exits|state_changes|events|restarts)_total|heroku_api_events_total")


class Dyno:
    """A position in the formation (web.1), or a one-off dyno."""

    def __init__(self, name, runtime):
        self.name = name
        self.type = name.split(".")[0]
        self.runtime = runtime  # the lab log-runtime-metrics is enabled
        self.serves = False  # takes requests
        self.former = None  # the id of an instance that still runs beside the new one
        self.start(None)

    def start(self, now):
        self.id = str(uuid.UUID(int=random.getrandbits(128)))
        self.runs = now is not None
        self.next_report = now  # the first one comes with the first step
        self.pages = 0
        self.jobs = 0


class App:
    """An app, the lines that are written for it, and what they add up to."""

    def __init__(self, name, seed, runtime=True):
        self.name = name
        self.random = random.Random(seed)
        self.runtime = runtime
        self.token = "d." + str(uuid.UUID(int=self.random.getrandbits(128)))
        self.lines = []
        self.dynos = {}
        self.counted = collections.Counter()  # (metric, labels) -> what was counted
        self.gauges = {}  # the same -> the last value, until the series ends
        self.over = set()  # labels of the dynos that have ended
        self.traffic = 0.0  # requests of each dyno in a step
        self.error_rate = 0.0
        self.addons = True
        self.next_addons = 0.0
        self.queries = 0

    def key(self, metric, **labels):
        return metric, frozenset({**labels, "app": self.name}.items())

    def count(self, metric, amount=1, **labels):
        self.counted[self.key(metric, **labels)] += amount

    def say(self, text, appname, procid):
        self.write(line(text, appname, procid), appname, procid)

    def write(self, framed, appname, procid):
        self.lines.append(framed)
        kind = re.sub(r"\.\d+$", "", procid)
        self.count("heroku_log_messages_total", source=appname, process_type=kind)
        self.count("heroku_log_bytes_total", len(framed) - len(b" \n") - framed.index(b" "), source=appname, process_type=kind)

    # ---- heroku / web.1 ----

    def platform(self, dyno, text):
        self.say(text, "heroku", dyno.name)

    def changes(self, dyno, before, after):
        self.platform(dyno, "State changed from %s to %s" % (before, after))
        self.count("heroku_dyno_state_changes_total", **{"process_type": dyno.type, "from": before, "to": after})
        if after == "starting":
            self.count("heroku_dyno_restarts_total", process_type=dyno.type)
        elif dyno.type not in ONE_OFFS:
            self.gauges[self.key("heroku_dyno_up", process=dyno.name, process_type=dyno.type)] = int(after == "up")

    def happens(self, dyno, text, event):
        self.platform(dyno, text)
        self.count("heroku_dyno_events_total", process_type=dyno.type, event=event)

    def starts(self, dyno):
        self.happens(dyno, "Starting process with command `bundle exec %s --password=hunter2`" % dyno.type, "start")

    def exits(self, dyno, status):
        self.platform(dyno, "Process exited with status %d" % status)
        self.count("heroku_dyno_exits_total", process_type=dyno.type, status=str(status))

    def fails(self, dyno, code, text):
        self.platform(dyno, "Error %s (%s)" % (code, text))
        self.count("heroku_dyno_errors_total", process_type=dyno.type, code=code)

    def reports(self, dyno, instance=None):
        """The two lines of log-runtime-metrics."""
        identity = "heroku.2808254." + (instance or dyno.id)
        labels = {"process_type": dyno.type, **({} if dyno.type in ONE_OFFS else {"process": dyno.name})}
        load, memory = round(self.random.uniform(0, 4), 2), round(self.random.uniform(100, 500), 2)
        dyno.pages += self.random.randrange(1, 5000)
        self.platform(dyno, "source=%s dyno=%s sample#load_avg_1m=%.2f sample#load_avg_5m=%.2f" % (dyno.name, identity, load, load / 2))
        self.platform(dyno, "source=%s dyno=%s sample#memory_total=%.2fMB sample#memory_rss=%.2fMB sample#memory_cache=0.00MB sample#memory_swap=0.00MB "
                      "sample#memory_pgpgin=%dpages sample#memory_pgpgout=%dpages sample#memory_quota=512.00MB" % (dyno.name, identity, memory, memory, dyno.pages, dyno.pages // 2))
        if instance is not None:
            return
        if dyno.type not in ONE_OFFS:
            self.gauges[self.key("heroku_dyno_load_avg_1m", **labels)] = load
            self.gauges[self.key("heroku_dyno_memory_pgpgin_pages_total", **labels)] = dyno.pages

    # ---- heroku / router ----

    def request(self, dyno, code=None):
        method = self.random.choice(("GET", "GET", "GET", "POST", "HEAD", "PROPFIND"))
        status = {None: self.random.choice((200, 200, 200, 200, 201, 304, 404, 500)), "H27": 499}.get(code, 503)
        service, size, tls = self.random.randrange(1, 900), self.random.randrange(0, 9000), self.random.random() < 0.8
        level = CODES.get(code, "info")
        head = "at=%s %smethod=%s" % (level, "" if code is None else 'code=%s desc="%s, in words" ' % (code, code), method)
        self.say('%s path="/orders/%d?dyno=web.9&status=200" host=%s.example.com request_id=%s fwd="203.0.113.%d" dyno=%s connect=%dms service=%dms status=%d bytes=%d '
                 'protocol=http%s tls=%s%s' % (head, self.random.randrange(10**9), self.name, uuid.UUID(int=self.random.getrandbits(128)), self.random.randrange(256), dyno.name,
                                               self.random.randrange(3), service, status, size, "2.0" if tls else "1.1", str(tls).lower(), " tls_version=tls1.3" if tls else ""),
                 "heroku", "router")
        self.count("heroku_router_requests_total", method=method if method != "PROPFIND" else "other", status=str(status))
        self.count("heroku_router_protocol_requests_total", protocol="http2.0" if tls else "http1.1", tls=str(tls).lower())
        self.count("heroku_router_response_bytes_total", size, process_type=dyno.type)
        self.count("heroku_router_service_duration_seconds_count", process_type=dyno.type)
        self.count("heroku_router_connect_duration_seconds_count", process_type=dyno.type)
        if code is not None:
            if level == "error":
                self.count("heroku_router_errors", process=dyno.name, code=code)
            self.count("heroku_router_error_lines_total", at=level, code=code)

    # ---- app / api ----

    def event(self, event, text, user="someone@example.com"):
        self.say(text + (" by user " + user if user else ""), "app", "api")
        self.count("heroku_api_events_total", event=event)

    def scaled(self, size="Standard-1X", **counts):
        self.event("scale", "Scaled to " + " ".join("%s@%d:%s" % (kind, count, size) for kind, count in counts.items()))

    # ---- app / web.1 ----

    def prints(self, dyno):
        """What the app's own code says of itself."""
        dyno.jobs += self.random.randrange(5)
        self.write(ingest([counter("jobs_done_total", dyno.jobs, queue="default"), gauge("busy_threads", dyno.jobs % 7)], dyno.name), "app", dyno.name)
        self.gauges[self.key("jobs_done_total", queue="default", process=dyno.name)] = dyno.jobs
        self.gauges[self.key("busy_threads", process=dyno.name)] = dyno.jobs % 7
        if dyno.type == "worker":
            self.say("at=finish count#emails=2 measure#email.time=%dms sample#queue.depth=%d" % (self.random.randrange(1, 50), dyno.jobs), "app", dyno.name)
            self.count("l2met_emails_total", 2, process_type=dyno.type)
            self.count("l2met_email_time_seconds_count", process_type=dyno.type)
            self.gauges[self.key("l2met_queue_depth", process=dyno.name)] = dyno.jobs
        self.say("Completed 200 OK in 12ms (Views: 3.2ms | ActiveRecord: 4.1ms)", "app", dyno.name)

    def forget(self, dyno):
        """The dyno has ended, and its series with it."""
        self.over.add(("process", dyno.name))
        self.gauges = {key: value for key, value in self.gauges.items() if ("process", dyno.name) not in key[1]}

    # ---- time ----

    def live(self, now):
        """A step of ordinary life."""
        for dyno in self.dynos.values():
            if not dyno.runs:
                continue
            if dyno.type == "web" and dyno.serves:
                while self.random.random() < self.traffic / (self.traffic + 1):
                    code = self.random.choice(sorted(CODES)) if self.random.random() < self.error_rate else None
                    self.request(dyno, code)
            if self.runtime and now >= dyno.next_report:
                dyno.next_report = now + 0.5
                self.reports(dyno)
                if dyno.former is not None:
                    self.reports(dyno, dyno.former)
                if self.traffic > 0 or dyno.type in ONE_OFFS:
                    self.prints(dyno)
        if self.addons and now >= self.next_addons:
            self.next_addons = now + 1
            self.queries += 3
            self.write(postgres("postgresql-" + self.name, active_connections=self.queries % 40, memory_total="4045060kB"), "app", "heroku-postgres")
            self.say("source=REDIS addon=redis-%s sample#active-connections=%d sample#memory-redis=5116080bytes sample#hit-rate=0.5" % (self.name, self.queries % 30), "app", "heroku-redis")
            self.gauges["heroku_postgres_active_connections", frozenset({"addon": "postgresql-" + self.name}.items())] = self.queries % 40
            self.gauges["heroku_redis_active_connections", frozenset({"addon": "redis-" + self.name}.items())] = self.queries % 30


class Day:
    """The model's clock, what is still to happen, and the connections of three nodes of Logplex."""

    def __init__(self, context, server, unit, apps):
        self.context = context
        self.server = server
        self.unit = unit  # seconds
        self.apps = apps
        self.now = 0.0
        self.agenda = []
        self.order = itertools.count()
        self.random = random.Random(1)
        self.next_step = time.monotonic()
        self.raws = [Raw(server) for _ in range(CONNECTIONS)]
        context.closers.append(lambda: [raw.close() for raw in self.raws])
        self.batches = 0
        self.repeated = collections.Counter()  # messages that were sent twice
        self.sent_at = None  # (before, after) the last step's batches

    def later(self, units, action, *arguments):
        heapq.heappush(self.agenda, (self.now + units, next(self.order), action, arguments))

    def send(self):
        """Each app's lines go out in up to three batches at once, in no order; some are sent twice, and now and then a connection is a new one."""
        posts = [[] for _ in self.raws]
        for app in self.apps:
            parts = [[] for _ in self.raws]
            for each in app.lines:
                self.random.choice(parts).append(each)
            app.lines = []
            for place, part in enumerate(parts):
                if not part:
                    continue
                post = post_of(b"".join(part), app.name, logplex(len(part), app.token))
                posts[place].append(post)
                self.batches += 1
                if self.batches % 20 == 0:
                    posts[(place + 1) % CONNECTIONS].append(post)
                    self.repeated[app.name] += len(part)
        before = time.time()
        while any(posts):
            for raw, waiting in zip(self.raws, posts):
                if waiting:
                    raw.send(waiting[0])
            for raw, waiting in zip(self.raws, posts):
                if waiting:
                    equal(raw.answer().status, 204, "a batch")
                    waiting.pop(0)
        self.sent_at = (before, time.time())
        if self.random.random() < 0.02:
            place = self.random.randrange(CONNECTIONS)
            self.raws[place].close()
            self.raws[place] = Raw(self.server)

    def step(self):
        self.now += 1 / STEPS
        while self.agenda and self.agenda[0][0] <= self.now:
            _, _, action, arguments = heapq.heappop(self.agenda)
            action(*arguments)
        for app in self.apps:
            app.live(self.now)
        self.send()
        # Where the machine was slow, the model's time is slower than the clock: nothing is hurried.
        self.next_step = max(self.next_step + self.unit / STEPS, time.monotonic())
        time.sleep(self.next_step - time.monotonic() if self.next_step > time.monotonic() else 0)

    def run(self, units):
        for _ in range(round(units * STEPS)):
            self.step()

    def until(self, probe, what, units=30):
        """Life goes on until something is true."""
        end = self.now + patient(units)
        while not probe():
            check(self.now < end, "%s: not within %g units", what, units)
            self.run(0.3)

    # ---- what happens to dynos ----

    def boot(self, app, name, serves=True):
        """A dyno's first start."""
        dyno = app.dynos.setdefault(name, Dyno(name, app.runtime))
        app.starts(dyno)
        self.later(0.4, self.up, app, dyno, serves)
        return dyno

    def up(self, app, dyno, serves=True):
        app.changes(dyno, "starting", "up")
        dyno.start(self.now)
        dyno.serves = serves

    def cycle(self, app, dyno, text="Cycling", event="cycling"):
        """The daily restart, also that of a deploy: the old instance stops while the new one starts."""
        app.happens(dyno, text, event)
        app.changes(dyno, "up", "starting")
        dyno.runs = False
        app.happens(dyno, "Stopping all processes with SIGTERM", "sigterm")
        self.later(0.2, app.exits, dyno, 143)
        self.later(0.3, app.starts, dyno)
        self.later(0.5, self.up, app, dyno)

    def overlap(self, app, dyno):
        """A restart where the old instance stops only after the new one is up; for a while both write metrics lines."""
        app.happens(dyno, "Restarting", "restarting")
        app.changes(dyno, "up", "starting")
        app.happens(dyno, "Stopping all processes with SIGTERM", "sigterm")
        former = dyno.id

        def up():
            self.up(app, dyno)
            dyno.former = former

        def gone():
            dyno.former = None
            app.fails(dyno, "R12", "Exit timeout) -> At least one process failed to exit within 30 seconds of SIGTERM")
            app.happens(dyno, "Stopping remaining processes with SIGKILL", "sigkill")
            app.exits(dyno, 137)

        self.later(0.3, app.starts, dyno)
        self.later(0.4, up)
        self.later(2.2, gone)

    def crash(self, app, dyno):
        for again in range(3):
            self.later(0.2 * again, app.platform, dyno, "Process running mem=612M(119.5%)")
            self.later(0.2 * again, app.fails, dyno, "R14", "Memory quota exceeded")

        def crash():
            app.exits(dyno, 137)
            app.changes(dyno, "up", "crashed")
            app.changes(dyno, "crashed", "starting")
            app.request(dyno, "H10")
            dyno.runs = False

        self.later(0.7, crash)
        self.later(1.0, app.starts, dyno)
        self.later(1.2, self.up, app, dyno)

    def one_off(self, app, name, units):
        """A dyno with a number that does not come again."""
        dyno = self.boot(app, name)

        def complete():
            app.exits(dyno, 0)
            app.changes(dyno, "up", "complete")
            dyno.runs = False
            app.forget(dyno)

        self.later(units, complete)
        return dyno


# ---- what Prometheus knows ----


class History:
    """All that was scraped, and checks that hold for every series."""

    def __init__(self, prometheus):
        self.scrapes = [at for at, _ in prometheus.samples('up')[0][1]]
        self.place = {at: i for i, at in enumerate(self.scrapes)}
        self.all = {}
        for labels, samples in prometheus.samples('{job="drain",__name__!~"up|scrape_.*"}'):
            name = labels.pop("__name__")
            labels.pop("job"), labels.pop("instance")
            self.all[name, frozenset(labels.items())] = samples

    def select(self, name, **labels):
        return {key: samples for key, samples in self.all.items() if re.fullmatch(name, key[0]) and set(labels.items()) <= key[1]}

    def check_scrapes(self):
        """Each sample is of a scrape, no series has two of one, and none is left out between a series' first and last, but where a one-off dyno came again."""
        for (name, labels), samples in self.all.items():
            places = [self.place.get(at) for at, _ in samples]
            check(None not in places, "%s %r has a sample that is of no scrape", name, dict(labels))
            check(places == sorted(set(places)), "%s %r has two samples of one scrape", name, dict(labels))
            if dict(labels).get("process_type") in ONE_OFFS and not name.endswith(("_total", "_count", "_sum", "_bucket")):
                continue
            check(places == list(range(places[0], places[-1] + 1)), "%s %r has a gap: it is in the scrapes %r of %d", name, dict(labels), places, len(self.scrapes))

    def total(self, key):
        """What a counter has counted since it began, its resets taken into account."""
        samples = self.all.get(key, [])
        return sum(after - before if after >= before else after for (_, before), (_, after) in zip([(0, 0)] + samples, samples))

    def rise(self, key, since):
        """The increase after a time as increase() has it, but for the extrapolation: what the first sample shows was not seen to rise."""
        samples = self.all.get(key, [])
        samples = [each for i, each in enumerate(samples) if each[0] >= since or (i + 1 < len(samples) and samples[i + 1][0] >= since)]
        return sum(after - before if after >= before else after for (_, before), (_, after) in zip(samples, samples[1:]))


def differences(prometheus, apps):
    """Counters of which Prometheus does not know yet what the model knows: {key: (there, here)}."""
    found = {}
    for labels, value in prometheus.query('{job="drain",app!=""}'):
        name = labels.pop("__name__")
        labels.pop("job"), labels.pop("instance")
        found[name, frozenset(labels.items())] = value
    return {key: (found.get(key), value) for app in apps for key, value in app.counted.items() if not key[1] & app.over and found.get(key) != value}


def agrees(prometheus, apps, pattern):
    return not [key for key in differences(prometheus, apps) if pattern.fullmatch(key[0])]


def end_of(samples):
    return samples[-1][0]


@test
def a_day_of_a_fleet(context):
    unit = {None: 1.0, "asan": 1.5, "tsan": 2.0}[context.sanitizer]

    def spell(units):
        return "%dms" % (units * unit * 1000)

    server = context.server(WORKERS=3, SCRAPE_INTERVAL=spell(SCRAPE), RUNTIME_EXPIRE_AFTER=spell(RUNTIME), EXPIRE_AFTER=spell(EXPIRE), APP_EXPIRE_AFTER=spell(APP))
    prometheus = Prometheus(context, {"drain": (server, METRICS_PASSWORD)}, spell(SCRAPE))
    prometheus.await_number('up', 1)
    shop, night, fair = App("shop", 2), App("night", 3, runtime=False), App("fair", 4)
    living = [shop, night]
    day = Day(context, server, unit, [shop, night, fair])

    # Boot.  Nothing can rise before it is known to be 0.
    formation = []  # (before, after, process type, size, count): when it was said, and what

    def scale(size="Standard-1X", **counts):
        shop.scaled(size, **counts)
        day.step()
        formation.extend((*day.sent_at, kind, size, count) for kind, count in counts.items())

    shop.event("release", "Release v41 created")
    scale(web=2, worker=2)
    for name in ("web.1", "web.2", "worker.1", "worker.2"):
        day.boot(shop, name)
    day.boot(night, "web.1")
    day.boot(fair, "web.1")
    names = re.compile(r"heroku_dyno_.*|heroku_api_.*")
    known = 'heroku_router_errors{app="%s",process="%s",code="H12"}'
    day.until(lambda: day.now > 0.8 and agrees(prometheus, day.apps, names)
              and all(prometheus.number(known % each) == 0 for each in (("shop", "web.1"), ("shop", "web.2"), ("night", "web.1"), ("fair", "web.1"))), "all have booted")
    morning = time.time()
    already = {app.name: dict(app.counted) for app in day.apps}

    # Traffic; then the fair closes.
    shop.traffic, shop.error_rate, fair.traffic, fair.error_rate = 2.0, 0.1, 1.0, 0.1
    night.request(night.dynos["web.1"], "H12")
    day.run(4)
    fair.dynos["web.1"].runs = fair.addons = False
    fair.event("config_set", "Set CLOSED config vars")
    day.step()
    fair_silent = day.sent_at

    # More dynos, before noon.
    scale(web=4, worker=2)
    day.boot(shop, "web.3", serves=False)
    day.boot(shop, "web.4", serves=False)
    day.until(lambda: prometheus.number(known % ("shop", "web.4")) == 0 and prometheus.number(known % ("shop", "web.3")) == 0, "the new dynos are known")
    shop.dynos["web.3"].serves = shop.dynos["web.4"].serves = True
    day.run(2)

    day.crash(shop, shop.dynos["web.2"])
    day.run(2.5)

    # One-off dynos.
    shop.event("run", "Starting process with command `rake report`", "scheduler@addons.heroku.com")
    one_offs = [day.one_off(shop, name, 3) for name in ("scheduler.77", "run.1234")]
    day.run(3.5)
    one_offs_ended = day.sent_at

    # The daily cycling.
    for i, name in enumerate(sorted(shop.dynos)):
        if shop.dynos[name].runs:
            day.later(0.3 * i, day.cycle, shop, shop.dynos[name])
    day.later(0.5, day.cycle, night, night.dynos["web.1"])
    day.run(3)

    # A deploy, and larger workers.
    shop.event("build_started", "Build started")
    shop.event("run", "Running release v42 commands")
    day.one_off(shop, "release.9", 2)
    day.run(2.5)
    shop.event("build_succeeded", "Build succeeded", None)
    shop.event("deploy", "Deploy 6909d7c6")
    shop.event("release", "Release v42 created")
    for name in ("web.1", "web.2", "web.3", "web.4"):
        day.overlap(shop, shop.dynos[name])
    for name in ("worker.1", "worker.2"):
        day.cycle(shop, shop.dynos[name], "Restarting", "restarting")
    scale(web=4)
    scale("Standard-2X", worker=2)
    day.run(3)

    # Fewer dynos.  One of them takes longer to stop than its series stay.
    leaving = [shop.dynos["web.3"], shop.dynos["web.4"]]
    for dyno in leaving:
        dyno.serves = False
        shop.changes(dyno, "up", "down")
        shop.forget(dyno)
    leaving[0].runs = False
    scale(web=2)
    ended = day.sent_at
    for dyno in leaving:
        shop.happens(dyno, "Stopping all processes with SIGTERM", "sigterm")
    day.later(0.5, shop.exits, leaving[0], 143)

    def kill():
        leaving[1].runs = False
        shop.forget(leaving[1])
        shop.fails(leaving[1], "R12", "Exit timeout) -> At least one process failed to exit within 30 seconds of SIGTERM")
        shop.happens(leaving[1], "Stopping remaining processes with SIGKILL", "sigkill")
        shop.exits(leaving[1], 137)

    day.later(3.5, kill)
    day.run(3.8)
    killed = day.sent_at

    # An idle evening: no requests, and one app of which nothing is heard but its add-ons.
    shop.traffic = 0.0
    fair_leaves = fair_silent[1] + APP * unit
    day.run(6)
    day.until(lambda: time.time() > fair_leaves + 2 * unit, "the day is over", 60)

    # Then the clock stands still, and what was counted is what was sent.
    page = server.page()
    wait_for(lambda: not differences(prometheus, living) or check(False, "%.400r", differences(prometheus, living)), "Prometheus knows all that was counted", 10, 0.2)
    midnight = time.time()
    history = History(prometheus)
    check_health(context, prometheus, history, page)
    history.check_scrapes()
    check_counters(history, day, already, morning)
    check_gauges(history, living)
    check_labels(history, prometheus)
    check_ends(history, unit, ended, killed, one_offs, one_offs_ended, fair_silent)
    check_formation(history, formation, unit)
    check_quiet(history, midnight, unit)


def check_health(context, prometheus, history, page):
    """Every scrape succeeded, and promtool likes the page."""
    ups = prometheus.samples('up')
    equal([value for _, value in ups[0][1]], [1] * len(ups[0][1]), "up")
    check(len(history.scrapes) > 20, "there were only %d scrapes", len(history.scrapes))
    equal(prometheus.target("drain")["lastError"], "", "the last error of the scrape")
    with open(prometheus.log) as log:
        equal([each for each in log if "Error on ingesting" in each or "duplicate" in each.lower() or "out-of-order" in each], [], "complaints of Prometheus")
    for each in promtool(context, page.text):
        ours = each.startswith(("heroku_", "drain_exporter_", "process_"))
        check(REFERENCE_NAMES.match(each.split()[0]) or not ours and "no help text" in each, "promtool's advice: %s", each)
    ledgers(page)


def check_counters(history, day, already, morning):
    for app in day.apps:
        for key, value in app.counted.items():
            equal(history.total(key), value, "the total of %s %r" % (key[0], dict(key[1])))
            if FROM_ZERO.fullmatch(key[0]) and dict(key[1]).get("process_type") not in ONE_OFFS:
                equal(history.rise(key, morning), value - already[app.name].get(key, 0), "the increase of %s %r" % (key[0], dict(key[1])))
        # Nothing was counted that was not sent.
        sent = set(app.counted)
        for (name, labels), samples in history.select("|".join(sorted({name for name, _ in sent})), app=app.name).items():
            check((name, labels) in sent or all(value == 0 for _, value in samples), "%s %r was counted, but not sent", name, dict(labels))
        received = sum(value for key, value in app.counted.items() if key[0] == "heroku_log_messages_total")
        equal(history.total(app.key("drain_exporter_messages_received_total")), received + day.repeated[app.name], "messages received of " + app.name)
        equal(history.total(app.key("drain_exporter_messages_duplicate_total")), day.repeated[app.name], "messages of %s that were sent twice" % app.name)
        equal(sum(history.total(key) for key in history.select("drain_exporter_messages_malformed_total", app=app.name)), 0, "malformed messages")
    # No counter went back, but those that each dyno counts for itself and the app's own.
    for (name, labels), samples in history.all.items():
        if name.startswith(("heroku_", "l2met_", "drain_exporter_")) and name.endswith(("_total", "_count", "_bucket", "heroku_router_errors")) and "pgpg" not in name:
            values = [value for _, value in samples]
            check(values == sorted(values), "%s %r went back: %r", name, dict(labels), values)
    pages = history.select("heroku_dyno_memory_pgpgin_pages_total", app="shop", process="web.1")
    check(len(pages) == 1, "page counters of web.1: %r", list(pages))
    values = [value for _, value in list(pages.values())[0]]
    equal(sum(after < before for before, after in zip(values, values[1:])), 2, "how often web.1's page counter began again: %r" % values)


def check_gauges(history, living):
    for app in living:
        for key, value in app.gauges.items():
            samples = history.all.get(key)
            check(samples, "there is no %s %r", key[0], dict(key[1]))
            equal(samples[-1][1], value, "the last value of %s %r" % (key[0], dict(key[1])))
    versions = [value for _, value in history.all["heroku_release_version", frozenset({("app", "shop")})]]
    check(versions[0] == 41 and versions[-1] == 42 and versions == sorted(versions), "the release versions are %r", versions)


def check_labels(history, prometheus):
    """No id of a dyno and no number of a one-off dyno is a label, but where the app itself says who it is."""
    once = re.compile(r"\b(run|scheduler|release)\.\d+|[0-9a-f]{8}-[0-9a-f]{4}-|heroku\.\d|hunter2|example\.com|203\.0\.113")
    for labels in prometheus.series('{job="drain"}'):
        for name, value in labels.items():
            if name == "process" and labels["__name__"] in ("jobs_done_total", "busy_threads"):
                continue
            check(not once.search(value), "%s has the label %s=%r", labels["__name__"], name, value)


def longest_stay(name, unit):
    """How long after its dyno a series may still be scraped: two intervals and the next scrape; two more for what starts at 0, so that it is seen to rise."""
    return (5 if name == "heroku_router_errors" else 3) * SCRAPE * unit


def check_ends(history, unit, ended, killed, one_offs, one_offs_ended, fair_silent):
    """What is over leaves in time, and not too early."""
    gone = history.select(".*", app="shop", process="web.3")
    check(len(gone) > 30, "web.3 had only %d series", len(gone))
    for (name, labels), samples in gone.items():
        if "process_memory" not in name:
            check(ended[0] <= end_of(samples) <= ended[1] + longest_stay(name, unit), "%s %r ended %.2f s after web.3", name, dict(labels), end_of(samples) - ended[1])
    for (name, labels), samples in history.select(".*", app="shop", process="web.4").items():
        if "process_memory" not in name:
            check(ended[0] <= end_of(samples) <= killed[1] + longest_stay(name, unit), "%s %r ended %.2f s after web.4 exited", name, dict(labels), end_of(samples) - killed[1])
    for dyno in one_offs:
        gone = history.select("jobs_done_total|busy_threads", process=dyno.name)
        equal(len(gone), 2, "series of " + dyno.name)
        for (name, labels), samples in gone.items():
            check(one_offs_ended[0] - unit <= end_of(samples) <= one_offs_ended[1] + longest_stay(name, unit), "%s of %s ended %.2f s after it", name, dyno.name, end_of(samples) - one_offs_ended[1])
    # The app that fell silent: first its gauges, then all the rest at once.
    last = fair_silent[1] + APP * unit
    ends = {key: end_of(samples) for key, samples in history.select(".*", app="fair").items()}
    check(max(ends.values()) <= last + SCRAPE * unit, "the silent app ended %.2f s late: %r", max(ends.values()) - last, max(ends, key=ends.get))
    counted = {key: end for key, end in ends.items() if key[0].startswith(("drain_exporter_", "heroku_router_", "heroku_log_", "heroku_api_", "heroku_dyno_state_changes"))}
    check(len(counted) > 100 and len(set(counted.values())) == 1, "the counters of the silent app ended at %r", sorted(set(counted.values())))
    check(min(counted.values()) >= fair_silent[0] + (APP - 2 * SCRAPE) * unit, "the counters of the silent app ended %.2f s early", last - min(counted.values()))


def check_formation(history, said, unit):
    """At each scrape there is one size of a type, and the number that it was scaled to."""
    for kind in ("web", "worker"):
        series = history.select("heroku_formation_dynos", app="shop", process_type=kind)
        seen = collections.defaultdict(list)
        for (_, labels), samples in series.items():
            for at, value in samples:
                seen[at].append((dict(labels)["size"], value))
        for at in history.scrapes:
            passed = [(size, count) for before, after, each, size, count in said if each == kind and after < at]
            # A scrape has the time of its start, so what was said while it ran may be on its page.
            meanwhile = [(size, count) for before, after, each, size, count in said if each == kind and before - SCRAPE * unit < at <= after]
            if passed:
                check(len(seen[at]) == 1 and seen[at][0] in passed[-1:] + meanwhile, "the formation of %s is %r, not %r", kind, seen[at], passed[-1])
    equal({(dict(labels)["process_type"], dict(labels)["size"]): samples[-1][1] for (_, labels), samples in history.select("heroku_formation_dynos").items() if end_of(samples) == history.scrapes[-1]},
          {("web", "Standard-1X"): 2, ("worker", "Standard-2X"): 2}, "the formation at the end")


def check_quiet(history, midnight, unit):
    """Whoever lives is there to the end, heard of or not."""
    last = history.scrapes[-1]
    check(midnight - last <= 2 * SCRAPE * unit, "the last scrape was %.2f s ago", midnight - last)
    for app, process in (("shop", "web.1"), ("shop", "web.2"), ("night", "web.1")):
        series = history.select("heroku_router_errors", app=app, process=process)
        check(len(series) > 20, "there are only %d series of the router errors of %s", len(series), process)
        equal({end_of(samples) for samples in series.values()}, {last}, "the ends of the router errors of the quiet %s of %s" % (process, app))
    for process in ("web.1", "web.2", "worker.1", "worker.2"):
        for name in ("heroku_dyno_load_avg_1m", "heroku_dyno_memory_total_bytes"):
            equal([end_of(samples) for samples in history.select(name, app="shop", process=process).values()], [last], "the end of %s of the quiet %s" % (name, process))
