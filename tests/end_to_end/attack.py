"""Strangers: whoever has no password shuts nobody out and takes nothing that others need.  And what the program needs itself."""
import gzip
import os
import re
import resource
import signal
import ssl
import subprocess
import time

from accounts import HASHED
from harness import in_threads, test
from siege import siege
from support.checks import Failure, check, equal
from support.exporter import AUTH_DRAIN, AUTH_METRICS, Exporter
from support.exposition import Page
from support.hostile import ambiguous_requests
from support.http_client import basic
from support.lines import gauge, ingest
from support.ports import free_port
from support.processes import run_to_end
from support.raw_connection import Raw, head_of, post_of
from support.waiting import patient, wait_for
from transport import certificate, client

HEALTH = head_of("GET", "/health")
METRICS = head_of("GET", "/metrics", AUTH_METRICS)


@test
def idle_strangers_shut_nobody_out(context):
    """All places are taken by connections that have sent one request without a password: the longest-idle one goes for each newcomer."""
    places = 24
    server = context.server(MAX_CONNECTIONS=places, WORKERS=2)
    with Raw(server) as sender:
        equal(sender.ask(post_of(b"")).status, 204, "an empty batch")
        strangers = []
        try:
            for _ in range(3 * places):
                strangers.append(Raw(server))
                equal(strangers[-1].ask(head_of("GET", "/nothing")).status, 404, "the status of a path that is not there")
            for ask, status in ((HEALTH, 200), (METRICS, 200), (post_of(ingest([gauge("g", 1)])), 204)) * 3:
                with Raw(server) as raw:
                    equal(raw.ask(ask).status, status, "the status on a new connection")
            check(strangers[0].is_closed(5), "the stranger who was idle for longest is still connected")
            equal(strangers[-1].ask(HEALTH).status, 200, "health for the last stranger")
            equal(sender.ask(post_of(ingest([gauge("g", 2)]))).status, 204, "a batch on the connection that was idle for longest")
        finally:
            for raw in strangers:
                raw.close()
    wait_for(lambda: server.page().value("drain_exporter_connections_displaced_total") >= 2 * places, "the displaced ones are counted")
    equal(server.page().value("drain_exporter_connections_refused_total"), 0, "connections refused")


@test
def places_are_kept_for_health_and_metrics(context):
    """All places are taken by senders: health and metrics are served still, on connections that are closed afterwards."""
    server = context.server(MAX_CONNECTIONS=4, WORKERS=2)
    senders = []
    try:
        for _ in range(4):
            senders.append(Raw(server))
            equal(senders[-1].ask(post_of(b"")).status, 204, "an empty batch")
        for ask in (HEALTH, METRICS) * 20:
            with Raw(server) as raw:
                answer = raw.ask(ask)
                equal((answer.status, answer.header("connection")), (200, "close"), "status and Connection on a reserved place")
                check(raw.is_closed(5), "a reserved place is kept")
        for raw in senders:
            equal(raw.ask(post_of(b"")).status, 204, "a batch on a connection that was open before")
    finally:
        for raw in senders:
            raw.close()


@test
def strangers_are_not_idle_for_long(context):
    """Ten seconds, in place of IDLE_TIMEOUT, for whoever has not sent a right password."""
    server = context.server(IDLE_TIMEOUT="300s", REQUEST_TIMEOUT="300s")
    with Raw(server) as silent, Raw(server) as stranger, Raw(server) as wrong, Raw(server) as sender, Raw(server) as scraper:
        equal(stranger.ask(HEALTH).status, 200, "health")
        equal(wrong.ask(head_of("GET", "/metrics", AUTH_DRAIN)).status, 401, "metrics with the password of drain")
        equal(sender.ask(post_of(b"")).status, 204, "an empty batch")
        equal(scraper.ask(METRICS).status, 200, "a scrape")
        for raw, what in ((silent, "who says nothing"), (stranger, "who asked for health"), (wrong, "who had a wrong password")):
            check(raw.is_closed(13), "%s is still connected", what)
        equal(sender.ask(post_of(b"")).status, 204, "a batch on an idle connection")
        equal(scraper.ask(METRICS).status, 200, "a scrape on an idle connection")


@test
def metrics_have_a_listener_of_their_own(context):
    """With METRICS_LISTEN_ADDRESS drains are outside, scrapes inside, and health on both sides."""
    inside = free_port("127.0.0.1")
    server = context.server(METRICS_LISTEN_ADDRESS="127.0.0.1:%d" % inside)
    outside = server.port

    def status(port, ask):
        server.port = port
        try:
            with Raw(server) as raw:
                return raw.ask(ask).status
        finally:
            server.port = outside

    for ask, statuses in ((HEALTH, (200, 200)), (METRICS, (404, 200)), (post_of(b""), (204, 404))):
        equal((status(outside, ask), status(inside, ask)), statuses, "the statuses outside and inside of %r" % ask[:20])


@test
def strangers_who_guess_shut_nobody_out(context):
    """All places are taken by guesses at a user with a hash, which wait for one another: the one that has waited for longest goes for each newcomer."""
    server = context.server(CONFIG=HASHED, MAX_CONNECTIONS=24, WORKERS=1, REQUEST_TIMEOUT="3s", HEADER_TIMEOUT="3s")
    guesses = []
    with Raw(server) as sender:
        equal(sender.ask(post_of(b"")).status, 204, "an empty batch")
        try:
            for client in range(40):  # 16 passwords, each of several connections
                guesses.append(Raw(server, source="127.0.1.%d" % (client % 8)))
                equal(guesses[-1].ask(HEALTH).status, 200, "health on a new connection")
                guesses[-1].send(head_of("POST", "/drain", {"Authorization": basic("hashed", "guess-%d" % (client % 16)), "Content-Length": "0"}))
                equal(sender.ask(HEALTH).status, 200, "health, after which the guess was read")

            def displaced():  # on this connection: a newcomer's would have places of guesses that were verified
                sender.send(METRICS)
                return Page(sender.answer(chunks=True).body).value("drain_exporter_connections_displaced_total")

            wait_for(lambda: displaced() >= 8, "guesses that went for a newcomer are counted")
            for ask, status in ((HEALTH, 200), (METRICS, 200), (post_of(ingest([gauge("g", 1)])), 204)):
                with Raw(server) as raw:
                    raw.send(ask)
                    equal(raw.answer(chunks=True).status, status, "the status on a new connection")
        finally:
            for raw in guesses:
                raw.close()


# ---- bodies ----

WRONG = {"Authorization": basic("drain", "wrong")}


@test
def bodies_of_strangers_are_not_read(context):
    """Path, method and credentials are checked when the head is complete: the answer comes without the body."""
    server = context.server(MAX_BODY_SIZE="4MiB")
    length = {"Content-Length": str(4 << 20)}
    chunked = {"Transfer-Encoding": "chunked"}
    for framing in (length, chunked, {**length, "Expect": "100-continue"}):
        for head, status, header in ((head_of("POST", "/drain", {**WRONG, **framing}), 401, ("www-authenticate", 'Basic realm="drain"')),
                                     (head_of("POST", "/drain", framing), 401, ("www-authenticate", 'Basic realm="drain"')),
                                     (head_of("POST", "/nothing", {**AUTH_DRAIN, **framing}), 404, ("connection", "close")),
                                     (head_of("PUT", "/drain", {**AUTH_DRAIN, **framing}), 405, ("allow", "POST")),
                                     (head_of("GET", "/metrics", framing), 401, ("www-authenticate", 'Basic realm="metrics"')),
                                     (head_of("GET", "/metrics", {**AUTH_METRICS, **framing}), 400, ("connection", "close")),
                                     (head_of("GET", "/health", framing), 400, ("connection", "close"))):
            with Raw(server, timeout=5) as raw:
                answer = raw.ask(head)
                equal((answer.status, answer.header(header[0])), (status, header[1]), "the answer before the body to %r" % head[:40])
                check(raw.is_closed(5), "the connection stays open")
    if context.sanitizer is not None:
        return
    before = server.resident()
    raws = [Raw(server) for _ in range(64)]
    try:
        for raw in raws:
            try:
                raw.send(head_of("POST", "/drain", {**WRONG, **length}) + bytes((4 << 20) - 1))
            except ConnectionError:
                pass
        check(server.resident() - before < 32 << 20, "%d MiB are held for strangers", (server.resident() - before) >> 20)
    finally:
        for raw in raws:
            raw.close()
    server.post(ingest([gauge("g", 1)]))


@test
def refusals_are_seen(context):
    """Senders that send all of a body before they read, as those in Python and Go do, find the answer and no reset."""
    server = context.server(MAX_BODY_SIZE="64KiB")
    large = bytes(8 << 20)
    for _ in range(context.scaled(10, 5)):
        for headers, body, status in ((AUTH_DRAIN, {"body": large}, 413), (WRONG, {"body": large}, 401), (AUTH_DRAIN, {"chunks": [large[: 1 << 20]] * 8}, 413)):
            equal(server.request("POST", "/drain", headers, body.get("body"), **{k: v for k, v in body.items() if k == "chunks"}).status, status, "the status of a large body")
    page = server.page()
    equal(page.value("drain_exporter_http_requests_total", path="drain", status="413"), 2 * context.scaled(10, 5), "413s counted")


@test
def input_memory_is_bounded(context):
    """Many at once with more than MAX_INPUT_MEMORY: strangers are closed, who has a password waits, and all bodies get through."""
    server = context.server(MAX_INPUT_MEMORY="4MiB", MAX_BODY_SIZE="2MiB", REQUEST_TIMEOUT="30s", HEADER_TIMEOUT="20s", WORKERS=2)
    server.post(b"")
    before = server.resident()
    body = (ingest([gauge("g", 1)]) * 20000)[: 2 << 20]
    strangers, senders = [], []
    try:
        for _ in range(100):
            strangers.append(Raw(server))
            strangers[-1].send(b"GET /health HTTP/1.1\r\nX: " + b"x" * 60000)
        for i in range(16):
            senders.append(Raw(server, timeout=60))
            senders[-1].socket.settimeout(0.2)
        # Each sends all but the last byte, as far as it is read.
        sent = [0] * len(senders)
        for at, raw in enumerate(senders):
            data = post_of(body, "app%d" % at)[:-1]
            try:
                while sent[at] < len(data):
                    sent[at] += raw.socket.send(data[sent[at] : sent[at] + 65536])
            except OSError:
                pass  # it has to wait
        if context.sanitizer is None:
            check(server.resident() - before < 40 << 20, "%d MiB are held", (server.resident() - before) >> 20)
        equal(server.request("GET", "/health").status, 200, "health beside them")

        def finish(at):
            raw, data = senders[at], post_of(body, "app%d" % at)
            raw.socket.settimeout(60)
            raw.send(data[sent[at] :])
            equal(raw.answer().status, 204, "a batch that had to wait")

        in_threads([lambda at=at: finish(at) for at in range(len(senders))])
    finally:
        for raw in strangers + senders:
            raw.close()
    page = server.page()
    wait_for(lambda: server.page().value("drain_exporter_connections_displaced_total") > 0, "strangers who were closed are counted")
    equal(page.total("drain_exporter_batches_total"), 17, "batches taken")


def send_all_read(server, raw, data):
    """Send this, and return when the server, which has one worker, has read it: each round of its loop reads a piece."""
    raw.send(data)
    with Raw(server) as other:
        for _ in range(len(data) // 16384 + 2):
            equal(other.ask(HEALTH).status, 200, "health")


@test
def strangers_hold_no_memory_that_others_need(context):
    """While passwords wait to be verified, bodies of strangers are read: these go when a large batch of somebody else needs their place."""
    server = context.server(CONFIG=HASHED, MAX_INPUT_MEMORY="4MiB", MAX_BODY_SIZE="2MiB", WORKERS=1)
    body = (ingest([gauge("g", 1)]) * 20000)[: 2 << 20]
    strangers = []
    try:
        for number in range(4):
            strangers.append(Raw(server, source="127.0.1.%d" % number))
            head = head_of("POST", "/drain", {"Authorization": basic("hashed", "guess"), "Content-Length": str(1 << 20)})
            send_all_read(server, strangers[-1], head + bytes((1 << 20) - (4 << 10)))  # so that all of them are just within the bound
        with Raw(server) as sender:
            equal(sender.ask(post_of(body)).status, 204, "a large batch")
    finally:
        for raw in strangers:
            raw.close()
    wait_for(lambda: server.page().value("drain_exporter_connections_displaced_total") > 0, "strangers who were closed are counted")


@test
def large_batches_hold_no_small_ones_up(context):
    """Who has a password fills MAX_INPUT_MEMORY with batches that do not end: those of others are read, up to an equal share of it."""
    server = context.server(MAX_INPUT_MEMORY="4MiB", MAX_BODY_SIZE="2MiB", MAX_CONNECTIONS=16, WORKERS=1)
    body = ingest([gauge("g", 1)]) * 500
    unended = []
    try:
        for _ in range(6):
            unended.append(Raw(server))
            send_all_read(server, unended[-1], post_of(bytes(2 << 20), "app")[: 900 << 10])
        with Raw(server) as sender:
            data = post_of(body, "other")
            send_all_read(server, sender, data[:50000])
            equal(sender.ask(data[50000:]).status, 204, "a batch of %d bytes in two pieces" % len(body))
    finally:
        for raw in unended:
            raw.close()


@test
def unread_pages_shut_no_scraper_out(context):
    """Who has the password of metrics and does not read makes place for who does."""
    server = context.server(WORKERS=2)
    for batch in range(20):
        server.post(ingest([gauge("g_%d_%d" % (batch, i), 1, label="x" * 250) for i in range(200)]), "app")
    for batch in range(24):
        server.post(b"".join(ingest([gauge("h_%d" % i, 1, batch=batch, line=line, label="x" * 250) for i in range(50)]) for line in range(20)), "other")
    unread = []
    try:
        for _ in range(60):
            unread.append(Raw(server))
            unread[-1].send(METRICS)
        # They are given up once they have not read for a moment.
        wait_for(lambda: all(server.request("GET", "/metrics", AUTH_METRICS).status == 200 for _ in range(10)), "scrapes beside unread pages", 5)
    finally:
        for raw in unread:
            raw.close()
    check(len(server.scrape().body) > 6 << 20, "the page is so small that it need not be read")


# ---- smuggling ----

@test
def ambiguous_requests_are_refused(context):
    """What a proxy in front of us may understand differently is answered 400, and what stands behind it is not read."""
    server = context.server()
    start = "POST /drain?app_name=outer HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n" % AUTH_DRAIN["Authorization"]
    hidden = head_of("POST", "/drain?app_name=smuggled", {**AUTH_DRAIN, "Content-Length": "0"}).decode()
    cases = ambiguous_requests(start)
    for case in cases:
        with Raw(server, timeout=5) as raw:
            raw.send(case + hidden)
            equal(raw.answer().status, 400, "the status of %r" % case[len(start) :])
            check(raw.is_closed(5) and raw.input == b"", "the connection stays open after %r" % case[len(start) :])
    page = server.page()
    equal(page.select("drain_exporter_batches_total"), [], "batches taken")
    # And blanks at the end of a header are none of its value.
    with Raw(server) as raw:
        raw.send(start + "Content-Length: 3\r\nX: y \r\n\r\nabc" + start.replace("\r\nAuth", " \r\nAuth", 1)[:-2] + "  \r\nContent-Length: 0\r\n\r\n")
        equal((raw.answer().status, raw.answer().status), (204, 204), "requests with blanks at the end of headers")


@test
def pipelines_cost_little(context):
    """A hundred thousand requests in one write: each is answered, in order, in a time that grows with their number only."""
    server = context.server()
    count = context.scaled(100000)
    data = (head_of("GET", "/health") * count) + head_of("GET", "/nothing", {"Connection": "close"})
    with Raw(server, timeout=60) as raw:
        received = bytearray()

        def read():
            while b"404" not in received[-400:]:
                more = raw.socket.recv(1 << 20)
                check(more != b"", "closed after %d answers", received.count(b"HTTP/1.1 200"))
                received.extend(more)

        in_threads([lambda: raw.send(data), read])
        equal(received.count(b"HTTP/1.1 200"), count, "answers")


# ---- series ----

@test
def series_of_prometheus_cannot_be_forged(context):
    """What Prometheus writes about scrapes and alerts is nobody's to report, with labels or without."""
    server = context.server()
    forged = ("up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_anything", "ALERTS", "ALERTS_FOR_STATE")
    for app in ("app", None):
        server.post(ingest([gauge(name, 0) for name in forged] + [gauge(name, 0, job="x", instance="y") for name in forged] + [gauge("upper", 1), gauge("scraped", 2)]), app)
    page = server.page()
    for name in forged:
        equal(page.select(name), [], "series of %s" % name)
    equal((page.value("upper", app="app", process="web.1"), page.value("scraped", app="app", process="web.1")), (1, 2), "names that only look alike")
    equal(page.value("drain_exporter_samples_rejected_total", app="app", reason="reserved_name"), 2 * len(forged), "samples rejected")


# ---- what the program needs itself ----

@test
def descriptors_are_enough(context):
    """The limit is raised as far as it may be, and what cannot be had is refused in one sentence."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 200), hard))
    try:
        server = context.server(MAX_CONNECTIONS=300)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    raws = []
    try:
        for _ in range(300):
            raws.append(Raw(server))
            equal(raws[-1].ask(HEALTH).status, 200, "health on connection %d" % len(raws))
    finally:
        for raw in raws:
            raw.close()
    for count in (6, 12, 200):
        done = run_to_end(["sh", "-c", 'ulimit -n %d; exec "$0"' % count, context.program], **{**server.settings, "LISTEN_ADDRESS": "127.0.0.1:%d" % free_port("127.0.0.1")})
        check(done.status == 1 and done.err.count("\n") == 1 and "MAX_CONNECTIONS" in done.err, "with %d descriptors: %r", count, done)


@test
def second_sigterm_ends_at_once(context):
    """The first one waits for requests in flight, the second for nobody."""
    server = context.server()
    with Raw(server) as raw:
        raw.send(head_of("POST", "/drain", {**AUTH_DRAIN, "Content-Length": "10"}) + b"x")
        wait_for(lambda: server.page().value("drain_exporter_connections") >= 2, "the request has begun")
        server.tell(signal.SIGTERM)
        wait_for(lambda: "stopping" in server.log(), "it stops")
        for number in (signal.SIGTERM, signal.SIGINT):  # the same wish, told by a terminal and a script
            server.tell(number)
        stopping = time.monotonic()
        wait_for(lambda: time.monotonic() > stopping + 1.2, "a second has passed", 3)
        check(server.is_running(), "it ended at a signal that came with the first one")
        server.tell(signal.SIGTERM)
        server.stopped = True
        equal(server.process.wait(patient(5)), -signal.SIGTERM, "its end")


@test
def pipes_as_secrets_hold_nothing_up(context):
    """A pipe to which nobody writes: SIGHUP fails with a sentence, and all goes on."""
    path = context.file("password", "one")
    server = context.server(PASSWORD_DRAIN=None, PASSWORD_DRAIN_FILE=path)
    os.unlink(path)
    os.mkfifo(path)
    server.tell(signal.SIGHUP)
    wait_for(lambda: "reload: nothing was changed" in server.log(), "the reload fails", 10)
    equal(server.request("POST", "/drain", {"Authorization": basic("drain", "one")}, b"").status, 204, "a batch with the old password")


@test
def encrypted_keys_are_refused(context):
    """With a terminal OpenSSL would ask for the passphrase."""
    key, cert = os.path.join(context.folder, "key.pem"), os.path.join(context.folder, "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-passout", "pass:secret", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=60)
    leader, terminal = os.openpty()
    try:
        process = subprocess.Popen([context.program], stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True,
                                   preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
                                   env={**os.environ, "PASSWORD_DRAIN": "a", "PASSWORD_METRICS": "b", "TLS_CERT_FILE": cert, "TLS_KEY_FILE": key,
                                        "LISTEN_ADDRESS": "127.0.0.1:%d" % free_port("127.0.0.1")})
        try:
            _, err = process.communicate(timeout=patient(5))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failure("it waits for a passphrase")
    finally:
        os.close(leader)
        os.close(terminal)
    check(process.returncode == 1 and "TLS_KEY_FILE" in err and err.count("\n") == 1, "status %d: %r", process.returncode, err)


@test
def encodings_of_several_headers(context):
    """Two headers are one list, members of gzip follow one another, and zero bytes may pad them."""
    server = context.server()
    body = ingest([gauge("g", 5)])
    twice = gzip.compress(gzip.compress(body))
    with Raw(server) as raw:
        head = head_of("POST", "/drain?app_name=app", {**AUTH_DRAIN, "Content-Length": str(len(twice)), "Content-Encoding": "gzip"})
        equal(raw.ask(head[:-2] + b"content-encoding: gzip\r\n\r\n" + twice).status, 204, "two headers")
    for data in (gzip.compress(body) + bytes(100), gzip.compress(body[:9]) + gzip.compress(body[9:]) + bytes(1)):
        server.post(data, "app", {"Content-Encoding": "gzip"})
    server.post(gzip.compress(body) + bytes(3) + b"x", "app", {"Content-Encoding": "gzip"}, 422)
    equal(server.page().value("drain_exporter_messages_recognised_total", app="app", family="ingest"), 3, "messages")


@test
def a_log_that_nobody_reads_stops_nothing(context):
    """stderr is a pipe that is full: all is served, and SIGTERM ends it.  Once it is read, the lines that are missing are told of."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writing, True)
    port = free_port("127.0.0.1")
    server = Exporter.__new__(Exporter)
    server.host, server.port, server.tls = "127.0.0.1", port, None
    settings = {"LISTEN_ADDRESS": "127.0.0.1:%d" % port, "PASSWORD_DRAIN": "a", "PASSWORD_METRICS": "b", "SCRAPE_INTERVAL": "10ms", "ACCESS_LOG": "all"}
    process = subprocess.Popen([context.program], stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, env={**os.environ, **settings})
    try:
        def health():
            try:
                with Raw(server, timeout=2) as raw:
                    return raw.ask(HEALTH).status == 200
            except OSError:
                return False

        wait_for(health, "it serves", 5)
        for _ in range(30):
            process.send_signal(signal.SIGHUP)
            check(health(), "it does not serve after a SIGHUP")

        def dropped():
            with Raw(server, timeout=2) as raw:
                page = raw.ask(head_of("GET", "/metrics", {"Authorization": basic("metrics", "b")})).body
                return re.search(rb"^drain_exporter_log_lines_dropped_total [1-9]", page, re.M)

        wait_for(dropped, "the lines are counted", 5)
        os.set_blocking(reading, False)
        while os.read(reading, 65536).endswith(b"x"):
            pass
    except BlockingIOError:
        pass
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(patient(5))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failure("SIGTERM does not end it")
        finally:
            os.close(writing)
    with os.fdopen(reading, "rb") as log:
        text = log.read().decode()
    equal(status, 0, "the exit status")
    check("lines before this one left out" in text and "stopped" in text, "the log: %r", text)


@test
def the_outcome_of_a_reload_is_always_logged(context):
    """However many other lines there are in the same second: here those of mistakes."""
    path = context.file("config.yaml", "rules: []\n")
    server = context.server(CONFIG_FILE=path)
    with open(path, "w") as out:
        out.write("rules:\n" + "  - {name: x, nonsense: 1}\n" * 100)
    for count in range(1, 11):
        server.tell(signal.SIGHUP)
        wait_for(lambda: server.log().count("reload: nothing was changed") == count, "the outcome of reload %d is logged" % count, 5)


@test
def tls_follows_its_files(context):
    """SIGHUP reads certificate and key again; a pair that does not match leaves the old one in service, as do old connections."""
    cert, key = certificate(context)
    old_cert, old_key = open(cert).read(), open(key).read()
    server = context.server(tls=client(cert), TLS_CERT_FILE=cert, TLS_KEY_FILE=key)

    def served():
        with Raw(server, client(cert)) as raw:
            return ssl.DER_cert_to_PEM_cert(raw.socket.getpeercert(True)).strip()

    with Raw(server, client(cert)) as before:
        equal(before.ask(HEALTH).status, 200, "health")
        certificate(context)  # another pair in the same files
        new_cert, new_key = open(cert).read(), open(key).read()
        check(new_cert != old_cert, "the certificate is the same")
        context.file("key.pem", old_key)
        server.tell(signal.SIGHUP)
        wait_for(lambda: "reload: nothing was changed" in server.log(), "a pair that does not match is refused")
        context.file("cert.pem", old_cert)
        equal(served(), old_cert.strip(), "the certificate after a reload that failed")
        context.file("cert.pem", new_cert)
        context.file("key.pem", new_key)
        server.tell(signal.SIGHUP)
        wait_for(lambda: "reload: passwords in files" in server.log(), "the new pair is taken")
        equal(served(), new_cert.strip(), "the certificate after the reload")
        equal(before.ask(HEALTH).status, 200, "health on a connection that was open")
    weak = client(cert, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    weak.set_ciphers("ECDHE+AES:!AESGCM:@SECLEVEL=0")
    try:
        with Raw(server, weak) as raw:
            raise Failure("%r is spoken" % (raw.socket.cipher(),))
    except (ssl.SSLError, ConnectionError):
        pass


# ---- all at once ----

def besiege(context, plan):
    """A short part of make attack, see tests/siege/siege.py: all are served, however long it takes while other tests run."""
    cert, key = certificate(context)
    figures = siege.siege(context.program, context.folder, plan, 6, tls=(cert, key, client(cert)), sanitizer=context.sanitizer, judge_waits=False)
    check(figures["total"] > 1000, "only %d hostile requests", figures["total"])


@test
def the_honest_are_served_during_all_attacks(context):
    """At the default limits."""
    besiege(context, siege.PLANS[0])


@test
def the_honest_are_served_during_all_attacks_on_little(context):
    """With half a GiB, TLS, and a log that nobody reads."""
    besiege(context, siege.PLANS[1])


@test
def the_honest_are_served_during_all_attacks_on_a_proxy(context):
    """Behind a balancer that speaks PROXY, for attackers and honest clients alike."""
    besiege(context, siege.PLANS[2])
