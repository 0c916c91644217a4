"""What attackers do.  Each function is one kind of attack: called again and again, it does a part of it on target and returns
how many hostile requests (or connections that never become one) that were.

What the server does with them is not looked at here, it is judged by what becomes of the honest (see siege.py)."""
import gzip
import json
import os
import select
import socket
import ssl
import time

from support.exporter import AUTH_DRAIN, AUTH_METRICS
from support.hostile import ambiguous_requests
from support.http_client import basic
from support.lines import frame, gauge, ingest, line
from support.raw_connection import head_of, post_of

SECONDS = 2.0  # that a connection waits for the server, at most


class Target:
    """Where the server is, and which of its secrets the attackers know."""

    def __init__(self, port, tls, proxy, random, honest_source):
        self.port = port
        self.tls = tls  # is TLS spoken?
        self.proxy = proxy  # does a connection begin with a PROXY header?
        self.random = random
        self.honest_source = honest_source  # the address that the honest come from
        self.held = []  # connections that are left open: (when it was opened, socket)
        self.context = ssl._create_unverified_context()

    def address(self):
        """One of 60,000 addresses."""
        return "127.%d.%d.%d" % (self.random.randrange(2, 6), self.random.randrange(60), self.random.randrange(1, 250))

    def connect(self, raw=False, source=None):
        """A connection from some address; None if there is none to be had.  raw: without a PROXY header and TLS."""
        sock = socket.socket()
        sock.settimeout(SECONDS)
        source = source or self.address()
        try:
            sock.bind(("127.1.1.2" if self.proxy else source, 0))
            sock.connect(("127.0.0.1", self.port))
            if self.proxy and not raw:
                sock.sendall(b"PROXY TCP4 %s 127.0.0.1 4000 443\r\n" % source.encode())
            return self.context.wrap_socket(sock) if self.tls and not raw else sock
        except OSError:
            sock.close()
            return None

    def throw(self, data, raw=False, source=None, read=True):
        """Send this on a connection of its own, and read what comes until it is closed or nothing comes."""
        sock = self.connect(raw, source)
        if sock is None:
            return
        with sock:
            send(sock, data)
            while read and receive(sock):
                continue

    def hold(self, sock, most, seconds):
        """Leave it open.  Beyond so many, or when they are so old, the oldest are closed."""
        if sock is not None:
            self.held.append((time.monotonic(), sock))
        while self.held and (len(self.held) > most or time.monotonic() - self.held[0][0] > seconds):
            self.held.pop(0)[1].close()


def send(sock, data):
    try:
        sock.sendall(data)
        return True
    except OSError:
        return False


def receive(sock):
    try:
        return len(sock.recv(1 << 16)) > 0
    except OSError:
        return False


def ask(target, data, answers=1, source=None):
    """Send requests on one connection and read until so many bytes' worth of status lines have come."""
    sock = target.connect(source=source)
    if sock is None:
        return
    with sock:
        if not send(sock, data):
            return
        seen, tail = 0, b""
        while seen < answers:
            try:
                more = sock.recv(1 << 17)
            except OSError:
                return
            if not more:
                return
            seen += (tail + more).count(b"HTTP/1.1 ") - tail.count(b"HTTP/1.1 ")
            tail = more[-8:]


# ---- with nothing ----

def idle_strangers(target):
    """Connections that have asked for what is not there, and then hold their place."""
    for _ in range(40):
        sock = target.connect()
        if sock is not None:
            send(sock, head_of("GET", "/nothing"))
        target.hold(sock, 900, 30)
    return 40


def silent_strangers(target):
    """Connections that say nothing at all."""
    for _ in range(40):
        target.hold(target.connect(raw=True), 900, 30)
    return 40


def slow_heads(target):
    """Heads that come a byte at a time and never end."""
    for _ in range(10):
        target.hold(target.connect(), 200, 30)
    for _, sock in target.held:
        send(sock, b"GET /health HTTP/1.1\r\nX: x"[target.random.randrange(20) :][:1])
    return 10


def large_bodies(target):
    """Bodies of 4 MiB without a password, all but the last byte."""
    sock = target.connect()
    if sock is not None:
        sock.settimeout(0.1)
        send(sock, head_of("POST", "/drain", {"Authorization": basic("drain", "wrong"), "Content-Length": str(4 << 20)}) + bytes(1 << 20))
    target.hold(sock, 60, 10)
    return 1


def unverified_bodies(target):
    """Bodies that do not end, of a user with a hash: they are read while the password waits to be verified."""
    sock = target.connect()
    if sock is not None:
        sock.settimeout(0.1)
        guess = {"Authorization": basic("hashed", "guess-%d" % target.random.randrange(1 << 30))}
        send(sock, head_of("POST", "/drain", {**guess, "Content-Length": str(4 << 20)}) + bytes(2 << 20))
    target.hold(sock, 60, 10)
    return 1


def large_heads(target):
    """Heads of 60 KiB without an end, in numbers that go over MAX_INPUT_MEMORY."""
    sock = target.connect()
    if sock is not None:
        sock.settimeout(0.1)
        send(sock, b"GET /health HTTP/1.1\r\nX: " + b"x" * 60000)
    target.hold(sock, 400, 10)
    return 1


def pipelines(target):
    """Many requests in one write, for what is not there and for /health."""
    count = 500
    ask(target, (head_of("GET", "/nothing") + head_of("GET", "/health")) * (count // 2), count)
    return count


def aborted_pipelines(target):
    """The same by who does not wait for any answer."""
    target.throw(head_of("GET", "/health") * 200, read=False)
    return 200


def guess(target, user, source=None):
    """One on a connection of its own, for whose answer nobody waits."""
    sock = target.connect(source=source)
    if sock is not None:
        send(sock, head_of("POST", "/drain", {"Authorization": basic(user, "guess-%d" % target.random.randrange(1 << 30)), "Content-Length": "0"}))
    target.hold(sock, 200, 3)


def guesses(target):
    """Wrong passwords: of users with a hash, with a plain one, of nobody; for drains and for the page."""
    for _ in range(20):
        guess(target, target.random.choice(("hashed", "drain", "shop", "nobody-%d" % target.random.randrange(10000))))
    ask(target, head_of("GET", "/metrics", {"Authorization": basic("metrics", "guess")}))
    return 21


def guesses_from_the_drain(target):
    """The same from the address of the honest drain, as from a shared one of Logplex."""
    for _ in range(10):
        guess(target, "hashed", target.honest_source)
    return 10


SMUGGLED = ambiguous_requests("POST /drain?app_name=smuggled HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n" % AUTH_DRAIN["Authorization"])


def smuggling(target):
    """Requests that two readers understand differently, with a batch behind."""
    target.throw(target.random.choice(SMUGGLED).encode("latin-1") + post_of(ingest([gauge("smuggled", 1)]), "smuggled"))
    return 2


def mutants(target):
    """Honest requests with some bytes changed, left out or repeated."""
    data = bytearray(post_of(ingest([gauge("g", 1)]), "mutant"))
    for _ in range(target.random.randrange(1, 6)):
        at = target.random.randrange(len(data))
        kind = target.random.randrange(3)
        if kind == 0:
            data[at] = target.random.randrange(256)
        elif kind == 1:
            del data[at : at + target.random.randrange(1, 20)]
        else:
            data[at:at] = data[at : at + 20]
        if not data:
            break
    sock = target.connect()
    if sock is not None:
        sock.settimeout(0.05)
        with sock:
            send(sock, data)
            receive(sock)
    return 1


def junk(target):
    """Random bytes, records of TLS that are none, half a handshake, PROXY headers of all kinds."""
    kind = target.random.randrange(4)
    noise = os.urandom(target.random.randrange(1, 3000))
    data = (noise, b"\x16\x03\x01\x3f\xff\x01" + noise, b"PROXY TCP4 1.2.3.4 " + noise, b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + noise)[kind]
    target.throw(data, raw=True, read=False)
    return 1


def resets(target):
    """Connections that are reset in the middle of a request."""
    sock = target.connect()
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        send(sock, post_of(ingest([gauge("g", 1)]), "reset")[:-5])
        sock.close()
    return 1


# ---- with the shared password of drains ----

def post_all(target, posts):
    ask(target, b"".join(posts), len(posts))
    return len(posts)


def invented_apps(target):
    """Each batch by an app that was never seen."""
    return post_all(target, [post_of(ingest([gauge("g", 1)]), "app-%x" % target.random.randrange(1 << 60)) for _ in range(40)])


def invented_procids(target):
    """Each line by a process that was never seen."""
    body = b"".join(ingest([gauge("g", 1)], "web.%d" % target.random.randrange(1 << 30)) for _ in range(50))
    return post_all(target, [post_of(body, "tenant")] * 4)


def invented_series(target):
    """Names and labels without end."""
    body = ingest([gauge("name_%x" % target.random.randrange(1 << 60), 1, **{"l%d" % i: "x" * 200}) for i in range(50)])
    return post_all(target, [post_of(body, "tenant")] * 4)


def gzip_bombs(target):
    """256 KiB that become 256 MiB, and bombs in bombs."""
    global BOMB
    BOMB = BOMB or gzip.compress(bytes(64 << 20), 6)
    data = BOMB if target.random.randrange(2) else gzip.compress(BOMB)
    return post_all(target, [post_of(data, "tenant", {"Content-Encoding": target.random.choice(("gzip", "gzip, gzip"))})] * 2)


BOMB = None


def bad_frames(target):
    """Counts that lie, JSON that is deep, lines without end, bytes that are no text."""
    body = target.random.choice((b"999999999 <1>", b"1" * 100000, os.urandom(5000), frame(b"<190>1 - - - - - " + b"[" * 5000),
                                 ingest("[" * 20000), ingest(json.dumps([{"metric": {"name": "x" * 5000, "kind": "absolute", "tags": {}, "gauge": {"value": 1}}}])),
                                 line("\0\xff" * 2000), b"0 " * 50000))
    return post_all(target, [post_of(body, "tenant")] * 5)


def forged_series(target):
    """Names that are Prometheus' or ours, and values that are none."""
    names = ("up", "ALERTS", "scrape_samples_scraped", "drain_exporter_batches_total", "heroku_router_requests_total")
    return post_all(target, [post_of(ingest([gauge(name, 1e308, app="honest") for name in names]), "honest")] * 10)


def tiny_chunks(target):
    """A body in chunks of one byte."""
    body = ingest([gauge("g", 1)])
    head = head_of("POST", "/drain?app_name=tenant", {**AUTH_DRAIN, "Transfer-Encoding": "chunked"})
    return post_all(target, [head + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"] * 20)


def slow_bodies(target):
    """Bodies with a right password that stop before their last byte."""
    sock = target.connect()
    if sock is not None:
        sock.settimeout(0.1)
        send(sock, head_of("POST", "/drain?app_name=tenant", {**AUTH_DRAIN, "Content-Length": str(1 << 20)}) + bytes((1 << 20) - 1))
    target.hold(sock, 40, 10)
    return 1


# ---- with the password of metrics ----

def unread_pages(target):
    """Pages that are asked for and not read, in pipelines too."""
    sock = target.connect()
    if sock is not None:
        send(sock, head_of("GET", "/metrics", AUTH_METRICS) * target.random.choice((1, 50)))
    target.hold(sock, 48, 10)
    return 1


def torn_pages(target):
    """Pages of which only the beginning is read."""
    sock = target.connect()
    if sock is not None:
        with sock:
            send(sock, head_of("GET", "/metrics", {**AUTH_METRICS, "Accept-Encoding": "gzip"}))
            select.select([sock], [], [], 0.1)
    return 1


ATTACKS = (idle_strangers, silent_strangers, slow_heads, large_bodies, unverified_bodies, large_heads, pipelines, aborted_pipelines, guesses, guesses_from_the_drain, smuggling, mutants, junk, resets,
           invented_apps, invented_procids, invented_series, gzip_bombs, bad_frames, forged_series, tiny_chunks, slow_bodies, unread_pages, torn_pages)
