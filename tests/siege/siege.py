"""All attacks at once against a server of its own, with honest clients beside them: two drains as Logplex, a scraper and a health check.

Whoever is honest must never fail, nor wait for more than a second, if waits are judged: in the long form they are.  What the machine itself holds up,
since others use it too, is measured and taken off (see Machine).  Attackers are on this machine too, so they have a lower priority than the rest."""
import contextlib
import crypt
import errno
import multiprocessing
import os
import random
import resource
import signal
import socket
import threading
import time

from siege import attackers
from support.checks import Failure, check
from support.exporter import AUTH_METRICS, Exporter
from support.exposition import Page
from support.http_client import basic
from support.lines import counter, ingest, logplex
from support.raw_connection import Raw, head_of
from support.waiting import patient, wait_for

HONEST = "127.9.9.9"  # where the honest come from: an address like any other
PROXY = "127.1.1.1"
WAIT = 1.0  # seconds, for a response
HASH_WAIT = 2.0  # for the first response on a connection with a password that has a hash
PROCESSES = 6  # of attackers
MIB = 1 << 20

CONFIGURATION = """drains:
  - {name: shop, app: honest, password: a-long-password-of-shop}
  - {name: hashed, app: honest-hashed, password_hash: '%s'}
"""
USERS = {"honest": basic("shop", "a-long-password-of-shop"), "honest-hashed": basic("hashed", "a-long-password")}


class Plan:
    """What a siege is like: settings, and the bound of resident memory in bytes."""

    def __init__(self, name, memory, limited=False, tls=False, proxy=False, unread_log=False, **settings):
        self.name = name
        self.memory = memory
        self.limited = limited  # is the kernel to hold it to that, if it may be asked to?
        self.tls = tls
        self.proxy = proxy
        self.unread_log = unread_log  # is stderr a full pipe?
        self.settings = settings


# At half a GiB the budget of input is what it would be in a container of that size.
PLANS = (
    Plan("defaults", 1024 * MIB),
    Plan("0.5 GiB, TLS", 512 * MIB, limited=True, tls=True, MAX_INPUT_MEMORY="128MiB", unread_log=True),
    Plan("0.5 GiB, PROXY", 512 * MIB, limited=True, proxy=True, MAX_INPUT_MEMORY="128MiB", TRUSTED_PROXIES="127.1.1.0/24", PROXY_PROTOCOL="true"),
)


# ---- the honest ----

class Machine:
    """What the machine itself holds up, while others use it too: how much later than asked for a sleep ends, and for which part of the time the server's
    threads ran, of the time that they could have run."""

    PAUSE = 0.01

    def __init__(self, pid):
        self.pid = pid
        self.late = []  # (end, seconds), of those that matter
        self.samples = []  # (when, seconds that threads ran, seconds that they waited for a processor)
        self.sample()
        threading.Thread(target=self._watch, daemon=True).start()

    def sample(self):
        ran = waited = 0
        for thread in os.listdir("/proc/%d/task" % self.pid):
            with contextlib.suppress(OSError), open("/proc/%d/task/%s/schedstat" % (self.pid, thread)) as stat:
                numbers = stat.read().split()
                ran, waited = ran + int(numbers[0]), waited + int(numbers[1])
        self.samples.append((time.monotonic(), ran / 1e9, waited / 1e9))

    def _watch(self):
        with contextlib.suppress(OSError):  # it has ended
            while True:
                start = time.monotonic()
                time.sleep(self.PAUSE)
                end = time.monotonic()
                if end - start > 2 * self.PAUSE:
                    self.late.append((end, end - start - self.PAUSE))
                if end - self.samples[-1][0] > 0.1:
                    self.sample()

    def stalled(self, start, end):
        """For how long nothing ran."""
        return sum(min(seconds, at - start) for at, seconds in list(self.late) if start < at and at - seconds < end)

    def share(self, start, end):
        """The part of the time for which the server ran."""
        self.sample()
        samples = list(self.samples)
        first = max((one for one in samples if one[0] <= start), default=samples[0])
        last = min((one for one in samples if one[0] >= end), default=samples[-1])
        ran, waited = last[1] - first[1], last[2] - first[2]
        return ran / (ran + waited) if ran > 0 else 1.0

    def longest(self):
        return max((seconds for _, seconds in list(self.late)), default=0.0)


class Honest:
    """One client: what it asks, when, and how long it waited."""

    def __init__(self, name, server, plan, machine, stop):
        """machine: a Machine, by which waits are judged; None if any wait will do that ends before the socket gives up."""
        self.name, self.server, self.plan, self.machine, self.stop = name, server, plan, machine, stop
        self.asked = 0
        self.waits = []
        self.excused = 0  # that were longer, because others used the machine
        self.failure = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def connect(self):
        raw = Raw.__new__(Raw)
        raw.input = b""
        raw.socket = socket.create_connection((self.server.host, self.server.port), patient(20), source_address=(PROXY if self.plan.proxy else HONEST, 0))
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.plan.proxy:
            raw.send(b"PROXY TCP4 %s 127.0.0.1 4000 443\r\n" % HONEST.encode())
        if self.server.tls is not None:
            raw.socket = self.server.tls.wrap_socket(raw.socket, server_hostname="localhost")
        return raw

    def timed(self, what, limit=WAIT):
        """Do it, and look at how long that took."""
        start = time.monotonic()
        result = what()
        end = time.monotonic()
        wait = end - start
        self.asked += 1
        self.waits.append(wait)
        if self.machine is not None and wait > patient(limit):
            stalled, share = self.machine.stalled(start, end), self.machine.share(start, end)
            self.excused += 1
            check((wait - stalled) * share <= patient(limit), "a response took %.3f s; the machine held all up for %.3f s, and the server ran for %d %% of what it could have",
                  wait, stalled, 100 * share)
        return result

    def _run(self):
        try:
            while not self.stop.is_set():
                self.work()
        except Exception as problem:
            self.failure = "%s, at its request %d: %s: %s" % (self.name, self.asked + 1, type(problem).__name__, problem)

    def summary(self):
        waits = sorted(self.waits) or [0.0]
        return {"name": self.name, "asked": self.asked, "median": waits[len(waits) // 2], "longest": waits[-1], "excused": self.excused, "failure": self.failure}


class Drain(Honest):
    """As Logplex: a connection that is kept for some batches, each with two lines and a frame id of its own."""

    def __init__(self, app, *rest):
        super().__init__("drain of " + app, *rest)
        self.app = app
        self.lines = 0

    def post(self, raw):
        body = ingest([counter("honest_total", 1, "incremental")]) * 2
        headers = {"Authorization": USERS[self.app], "Content-Length": str(len(body)), **logplex(2, "d." + self.app)}
        answer = raw.ask(head_of("POST", "/drain?app_name=" + self.app, headers) + body)
        check(answer.status == 204, "a batch was answered %d: %r", answer.status, answer.body)
        self.lines += 2

    def work(self):
        def first():
            raw = self.connect()
            self.post(raw)
            return raw

        with self.timed(first, HASH_WAIT if "hashed" in self.app else WAIT) as raw:
            for _ in range(20):
                if self.stop.wait(0.02):
                    break
                self.timed(lambda: self.post(raw))


def ask_page(raw):
    """The page, which may be large: read at once to its end, and its chunks are put together afterwards."""
    raw.send(head_of("GET", "/metrics", {**AUTH_METRICS, "Connection": "close"}))
    received = bytearray()
    while True:
        more = raw.socket.recv(1 << 20)
        if not more:
            break
        received += more
    return bytes(received)


def page_of(received):
    """The body of what ask_page() received."""
    head, _, rest = received.partition(b"\r\n\r\n")
    check(head.startswith(b"HTTP/1.1 200 "), "a scrape was answered %r", head[:60])
    if b"transfer-encoding: chunked" not in head.lower():
        return rest
    parts, at = [], 0
    while True:
        end = rest.index(b"\r\n", at)
        length = int(rest[at:end], 16)
        if length == 0:
            return b"".join(parts)
        parts.append(rest[end + 2 : end + 2 + length])
        at = end + 2 + length + 2


class Scraper(Honest):
    size = 0  # of the largest page, in bytes

    def work(self):
        def scrape():
            with self.connect() as raw:
                return ask_page(raw)

        received = self.timed(scrape)
        self.size = max(self.size, len(received))
        check(b"drain_exporter_batches_total" in page_of(received), "a page lacks what it has about us")
        self.stop.wait(0.5)


class HealthCheck(Honest):
    def work(self):
        def ask():
            with self.connect() as raw:
                check(raw.ask(head_of("GET", "/health")).status == 200, "not healthy")

        self.timed(ask)
        self.stop.wait(0.05)


# ---- the attackers ----

def attack(plan, port, attacks, number, counts, ended):
    """What a process of attackers does until it is told to stop."""
    os.nice(10)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    targets = {one: attackers.Target(port, plan.tls, plan.proxy, random.Random(number), HONEST) for one in attacks}
    chosen = random.Random(number)
    while not ended.is_set():
        one = chosen.choice(attacks)
        counts[attackers.ATTACKS.index(one)] += one(targets[one])
    os._exit(0)


@contextlib.contextmanager
def besieged(plan, port):
    """While attackers are at work: how many hostile requests of each kind there were."""
    fork = multiprocessing.get_context("fork")
    counts = [fork.Array("Q", len(attackers.ATTACKS), lock=False) for _ in range(PROCESSES)]
    ended = fork.Event()
    # Each has some kinds, and the last is alone with the kind that makes the numbers.
    shares = [[one for at, one in enumerate(attackers.ATTACKS) if at % (PROCESSES - 1) == share] for share in range(PROCESSES - 1)] + [[attackers.pipelines]]
    processes = [fork.Process(target=attack, args=(plan, port, share, number, counts[number], ended)) for number, share in enumerate(shares)]
    for process in processes:
        process.start()
    try:
        yield lambda: {one.__name__: sum(each[at] for each in counts) for at, one in enumerate(attackers.ATTACKS)}
    finally:
        ended.set()
        for process in processes:
            process.join(10)
            if process.is_alive():
                process.kill()
                process.join()


# ---- memory ----

@contextlib.contextmanager
def memory_group(limit):
    """A control group with that limit, and None if there may be none."""
    for top, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        path = os.path.join(top, "drain_exporter_attack.%d" % os.getpid())
        try:
            os.mkdir(path)
        except OSError:
            continue
        try:
            with open(os.path.join(path, file), "w") as out:
                out.write(str(limit))
        except OSError:
            os.rmdir(path)
            continue
        try:
            yield path
        finally:
            wait_for(lambda: remove_group(path), "the control group is empty")
        return
    yield None


def remove_group(path):
    """Remove a control group; False if there is still something in it."""
    try:
        os.rmdir(path)
        return True
    except OSError as problem:
        return problem.errno != errno.EBUSY


# ---- a siege ----

def full_pipe(path):
    """A pipe at path that is full and that nobody reads; the descriptor holds it open."""
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x" * 4096)
    return pipe


def _start(program, folder, plan, group, tls, settings):
    """The server: in its control group, and with a log that is not read."""
    command = ""
    if group is not None:
        command += 'echo $$ >"%s/cgroup.procs" && ' % group
    command += 'exec "$0" ' + (">%s 2>&1" % os.path.join(folder, "pipe") if plan.unread_log else "")
    configuration = os.path.join(folder, "siege.yaml")
    with open(configuration, "w") as out:
        out.write(CONFIGURATION % crypt.crypt("a-long-password", "$6$rounds=20000$saltsalt"))
    cert, key, context = tls if plan.tls else (None, None, None)
    settings = {"SCRAPE_INTERVAL": "1s", "CONFIG_FILE": configuration, "TLS_CERT_FILE": cert, "TLS_KEY_FILE": key, **plan.settings, **settings}
    return Exporter("sh", ["-c", command, program], settings=settings, tls=context, output_path=os.path.join(folder, "siege.log"))


def siege(program, folder, plan, seconds, requests=0, tls=None, sanitizer=None, judge_waits=True, **settings):
    """Attack for so many seconds, and until there were so many hostile requests.  tls: the paths of a certificate and its key, and the context by which to
    speak to a server that has them.  judge_waits: must nobody who is honest wait long?  Returns figures; a Failure says what went wrong."""
    limited = plan.limited and sanitizer is None
    pipe = full_pipe(os.path.join(folder, "pipe")) if plan.unread_log else None
    try:
        with memory_group(plan.memory) if limited else contextlib.nullcontext() as group:
            server = _start(program, folder, plan, group, tls, settings)
            try:
                server.wait_until_listening()
                figures = _run(server, plan, seconds, requests, judge_waits)
                figures["limited"] = group is not None
                if sanitizer is None:
                    check(figures["peak"] <= plan.memory, "%d MiB were resident at the most", figures["peak"] // MIB)
                server.close()
            except BaseException:
                server.kill()
                raise
    finally:
        if pipe is not None:
            os.close(pipe)
            os.unlink(os.path.join(folder, "pipe"))
    return figures


def _run(server, plan, seconds, requests, judge_waits):
    machine, stop = Machine(server.process.pid) if judge_waits else None, threading.Event()
    drains = [Drain(app, server, plan, machine, stop) for app in USERS]
    clients = drains + [Scraper("scraper", server, plan, machine, stop), HealthCheck("health check", server, plan, machine, stop)]
    start = time.monotonic()
    most = start + 20 * patient(seconds) + 60
    for client in clients:  # they are known before the attack, see docker/SECURITY.md
        client.thread.start()
        wait_for(lambda client=client: client.asked > 0 or client.failure, "%s is served" % client.name, 10)
    with besieged(plan, server.port) as hostile:
        while time.monotonic() < start + seconds or sum(hostile().values()) < requests:
            time.sleep(0.5)
            check(server.is_running(), "the server ended with status %s: %s", server.process.returncode, "" if plan.unread_log else server.log()[-500:])
            server.tell(signal.SIGHUP)
            failures = [client.failure for client in clients if client.failure is not None]
            check(not failures, "%s", "; ".join(failures))
            check(time.monotonic() < most, "only %d hostile requests in %d s", sum(hostile().values()), time.monotonic() - start)
        elapsed = time.monotonic() - start
        stop.set()
        for client in clients:
            client.thread.join(patient(20))
        counts = hostile()
    failures = [client.failure for client in clients if client.failure is not None]
    check(not failures, "%s", "; ".join(failures))
    _check_counted(clients[2], drains)
    return {"plan": plan.name, "seconds": elapsed, "hostile": counts, "total": sum(counts.values()), "honest": [client.summary() for client in clients],
            "stall": machine.longest() if machine is not None else 0.0, "peak": server.peak(), "page": clients[2].size}


def _check_counted(scraper, drains):
    """Each honest line is on the page, and the page is as Prometheus demands."""
    def page():
        with scraper.connect() as raw:
            return Page(page_of(ask_page(raw)))

    def counted():
        seen = page()
        return all(seen.value("honest_total", app=drain.app, process="web.1") == drain.lines for drain in drains)

    wait_for(counted, "all honest lines are counted", 10)
    seen = page()
    for drain in drains:
        received = seen.value("drain_exporter_messages_recognised_total", app=drain.app, family="ingest")
        check(received == drain.lines, "%d lines of %s were sent, %d recognised", drain.lines, drain.app, received)
    for name in ("smuggled", "up", "ALERTS"):
        check(not seen.select(name), "there is a series %s", name)
