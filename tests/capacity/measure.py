"""Measures what model.py counts with (costs), and a fleet against what the model says of it (compare)."""
import collections
import datetime
import os
import random
import resource
import socket
import tempfile
import time

import common
from capacity import model, stream
from support.checks import Failure, check
from support.exporter import AUTH_METRICS, Exporter

ALONE = model.Kind("alone", 1, 1, (), 1, 1, 0, 0, 0, 0)  # an app with one dyno, and one error of the router


def like(**changes):
    return model.dataclasses.replace(ALONE, **changes)


# The first of a feature is the difference of the first two apps, each further one that of the last two.
FEATURES = {
    "web_dyno": (like(), like(web=2), like(web=2), like(web=3)),
    "type": (like(), like(others=(1,)), like(others=(1,)), like(others=(1, 1))),
    "other_dyno": (like(others=(1,)), like(others=(2,)), like(others=(2,)), like(others=(3,))),
    "response": (like(), like(responses=1), like(responses=1), like(responses=2)),
    "database": (like(), like(databases=1), like(databases=1), like(databases=2)),
    "redis": (like(), like(redis=1), like(redis=1), like(redis=2)),
    "metric": (like(), like(metrics=1), like(metrics=1), like(metrics=2)),
}


def start(program, apps, series, workers=1, connections=2000):
    """With bounds that are as far above what is to come as people set them."""
    settings = {"WORKERS": workers, "LOG_LEVEL": "error", "MAX_APPS": apps + 10, "MAX_NEW_APPS": 0, "MAX_SERIES": 10000 + int(1.25 * series), "MAX_APP_SERIES": 0, "MAX_METRIC_SERIES": 0,
                "MAX_CONNECTIONS": connections}
    return Exporter(program, settings=settings)


def page_lines(server, gzip=False):
    return sum(not line.startswith(b"#") for line in common.page(server, gzip).split(b"\n")[:-1])


class Connection:
    """Posts one request at a time."""

    def __init__(self, server):
        self.socket = socket.create_connection((server.host, server.port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, data):
        self.socket.sendall(data)
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = self.socket.recv(4096)
            check(more, "the connection was closed")
            answer += more
        check(answer.startswith(b"HTTP/1.1 204 "), "a batch is answered %r", answer[:60])

    def close(self):
        self.socket.close()


def begin(server, counted):
    """Let all apps have all their series.  counted: {kind: apps}.  Their names, in order: [(name, kind)]."""
    connection = Connection(server)
    kinds = [kind for kind, count in counted.items() for _ in range(count)]
    named = [("fleet-%08d" % number, kind) for number, kind in enumerate(kinds)]
    for name, kind in named:
        connection.post(stream.request(name, stream.every_series(kind)))
    connection.close()
    return named


def allocated(server):
    return common.value(server, "drain_exporter_memory_allocated_bytes")


# ---- costs ----

class Measured:
    """What apps of a kind have, by a server that has many of them."""
    APPS = 400
    WORKERS = 5

    def __init__(self, program):
        self.program = program
        self.known = {}

    def of(self, kind):
        """(series of an app, its bytes, the bytes that each further worker adds)."""
        if kind not in self.known:
            (count, one), (_, more) = (self._measure(kind, workers) for workers in (1, self.WORKERS))
            self.known[kind] = (count, one, (more - one) / (self.WORKERS - 1))
        return self.known[kind]

    def _measure(self, kind, workers):
        with start(self.program, self.APPS, 500 * self.APPS, workers) as server:
            begin(server, {kind: 1})
            common.page(server)
            before = page_lines(server), allocated(server)
            begin(server, {kind: self.APPS + 1})
            common.page(server)
            after = page_lines(server), allocated(server)
        count, rest = divmod(after[0] - before[0], self.APPS)
        check(rest == 0, "apps that are alike have unlike numbers of series: %d of %d", after[0] - before[0], self.APPS)
        return count, (after[1] - before[1]) / self.APPS

    def feature(self, without_first, first, without_further, further):
        pairs = [[self.of(more)[index] - self.of(less)[index] for less, more in ((without_first, first), (without_further, further))] for index in range(3)]
        return {name: [max(0, round(value)) for value in pair] for name, pair in zip(("series", "bytes", "worker_bytes"), pairs)}

    def features(self):
        alone = self.of(ALONE)
        return {"app": {name: [round(value)] * 2 for name, value in zip(("series", "bytes", "worker_bytes"), alone)},
                **{name: self.feature(*kinds) for name, kinds in FEATURES.items()}}


class Costs:
    """CPU of the program for batches of apps in turn."""
    APPS, ROUNDS = 500, 5

    def __init__(self, bench):
        self.bench = bench
        self.options = ("-a", self.APPS, "-u", "/drain?app_name=fleet", "-c", 8)

    def seconds(self, lines, *options):
        """Of a request with these lines: the least of some rounds."""
        path = self.bench.write("measured.body", b"".join(lines))
        with start(self.bench.arguments.program, self.APPS, 500 * self.APPS) as server:
            self.bench.load(server, path, "-n", 2 * self.APPS, *self.options)
            return min(self.bench.load(server, path, *options, *self.options)["server_cpu"] for _ in range(self.ROUNDS))

    def lines(self):
        """Of a line of each kind: a long batch against one of a line tells it from the rest of the request."""
        kind = like(web=8, responses=8, databases=2, redis=1, metrics=20)
        found = {}
        for name in stream.MAKERS:
            pool = stream.pool(kind, name)
            count = 16 if name == "ingest" else 96
            seconds = (self.seconds((pool * 2)[:count], "-n", 1000) - self.seconds(pool[:1], "-n", 6000)) / (count - 1)
            found[name] = {"seconds": significant(seconds), "bytes": round(sum(map(len, pool)) / len(pool))}
        return found

    def batch(self):
        """Of a batch without its lines, when batches come one by one, as from drains that do not know of each other: each wakes the program."""
        return self.seconds(stream.pool(ALONE, "app")[:1], "-n", 2000, "-r", 1000)


def memory_of_connections(program, count=1000):
    with start(program, 10, 5000) as server:
        one = Connection(server)
        one.post(stream.request("alone", stream.every_series(ALONE)))
        before = common.settled(server)
        every = [Connection(server) for _ in range(count)]
        for each in every:
            each.post(stream.request("alone", stream.pool(ALONE, "app")[:3]))
        after = common.settled(server)
        for each in every + [one]:
            each.close()
    return max(0, (after - before) / count)


def idle_cpu(program):
    """Cores that it takes when nothing comes."""
    with start(program, 10, 5000) as server:
        common.page(server, True)
        before, begun = common.cpu_seconds(server), time.monotonic()
        time.sleep(3)
        return (common.cpu_seconds(server) - before) / (time.monotonic() - begun)


def filled(program, features, fleet, apps):
    """Of a server with a fleet: (bytes that the store has from the allocator, resident bytes, CPU of a page for each line, series that are no app's)."""
    counted = model.counts(fleet, apps)
    series = sum(number * model.series(kind, {"features": features}) for kind, number in counted.items())
    with start(program, apps, series) as server:
        begin(server, counted)
        common.page(server, True)
        count = page_lines(server)
        held = sum(number * model.store_bytes(kind, {"features": features}, 1) for kind, number in counted.items())
        return held, common.settled(server), common.cost_of_pages(server, True) / count, count - series


def significant(value):
    return float("%.3g" % value)


def costs(program, tools, fleet):
    """All of costs.json."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = collections.namedtuple("Arguments", "program tools quick")(program, tools, False)
        cpu = Costs(common.Bench(arguments, folder))
        of_batch, of_line = cpu.batch(), cpu.lines()
    features = Measured(program).features()
    few, many = (filled(program, features, fleet, apps) for apps in (200, 1500))
    factor = (many[1] - few[1]) / (many[0] - few[0])
    return {"measured": "%s, %s" % (datetime.date.today(), common.machine().split(", load")[0]), "batch_seconds": significant(of_batch), "lines": of_line,
            "page_seconds_a_series": significant(many[2]), "idle_cpu": significant(idle_cpu(program)), "fixed_bytes": round(few[1] - factor * few[0]), "resident_factor": significant(factor),
            "connection_bytes": round(memory_of_connections(program)), "own_series": few[3], "features": features}


# ---- a fleet ----

Seen = collections.namedtuple("Seen", "lines batches connections series memory cpu")


def open_drains(server, named, fleet, costs_):
    """The connections of each app, each of which has posted: {name: [Connection]}."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    drains = {}
    for name, kind in named:
        drains[name] = [Connection(server) for _ in range(round(model.drain(kind, fleet, costs_)[0]))]
        for each in drains[name]:
            each.post(stream.request(name, []))
    return drains


def predicted(fleet, costs_, apps, seconds):
    need = model.demand(fleet, costs_, apps)
    return Seen(need.lines * seconds, need.batches * seconds, need.connections, need.series + costs_["own_series"],
                model.memory(model.counts(fleet, apps), need.connections, costs_, 1), need.cpu * seconds)


def measured(program, fleet, costs_, apps, seconds):
    """Let the fleet send what it sends in so many seconds, as fast as it is taken."""
    rng = random.Random(apps)
    counted = model.counts(fleet, apps)
    with start(program, apps, model.demand(fleet, costs_, apps).series, connections=1000 + 3 * apps) as server:
        named = begin(server, counted)
        drains = open_drains(server, named, fleet, costs_)
        posts = [(name, drains[name][number % len(drains[name])], batch) for name, kind in named
                 for number, batch in enumerate(stream.batches(kind, fleet, seconds, model.drain(kind, fleet, costs_)[1], rng))]
        rng.shuffle(posts)
        before = common.cpu_seconds(server)
        for name, connection, batch in posts:
            connection.post(stream.request(name, batch))
        cpu = common.cpu_seconds(server) - before
        common.page(server, True)
        count = page_lines(server)
        memory = common.settled(server)
        connections = sum(map(len, drains.values()))
        for every in drains.values():
            for each in every:
                each.close()
    return Seen(sum(len(batch) for _, _, batch in posts), len(posts), connections, count, memory, cpu)


# How far a fleet may be from what the model says, as a factor; of series, by how many.
BOUNDS = Seen(lines=1.1, batches=1.25, connections=1.1, series=5, memory=1.25, cpu=2)


def compare(said, seen):
    """Rows of a table, and what is too far off: {name: words}."""
    rows, complaints = [], {}
    for name in Seen._fields:
        a, b, bound = getattr(said, name), getattr(seen, name), getattr(BOUNDS, name)
        rows.append([name, *("%.3f" % each if each < 100 else f"{each:,.0f}" for each in (a, b)), "%+.1f %%" % (100 * (b / a - 1))])
        if abs(a - b) > bound if name == "series" else max(a / b, b / a) > bound:
            complaints[name] = "%s: %.6g, where the model says %.6g" % (name, b, a)
    return rows, complaints
