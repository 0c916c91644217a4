"""Connections: how many, how long, and under TLS."""
import os
import shutil
import socket
import ssl
import subprocess
import time

from harness import Skip, in_threads, test
from support import certificates
from support.certificates import client
from support.checks import Failure, check, equal
from support.exporter import AUTH_DRAIN, AUTH_METRICS
from support.lines import gauge, ingest
from support.processes import run_to_end
from support.raw_connection import Raw, head_of, post_of
from support.waiting import patient, wait_for

HEALTH = head_of("GET", "/health")


@test
def connections_are_bounded(context):
    """Who has sent a right password keeps a connection; when all have, a batch on one more is not taken."""
    server = context.server(MAX_CONNECTIONS=8)
    held = []

    def hold():
        raw = Raw(server)
        equal(raw.ask(post_of(b"")).status, 204, "an empty batch")
        return raw

    try:
        wait_for(lambda: server.page().value("drain_exporter_connections") == 1, "only the scrape is connected")
        held = [wait_for(hold, "a connection is served") for _ in range(8)]
        for _ in range(3):
            with Raw(server) as one_more:
                one_more.send(post_of(b""))
                check(one_more.is_closed(5), "a batch on the ninth connection is answered")
        for raw in held:
            equal(raw.ask(HEALTH).status, 200, "health on a held connection while others are refused")
        held.pop().close()
        page = wait_for(server.page, "a connection is served again after one was closed")
        equal(page.value("drain_exporter_connections"), 8, "open connections")
        wait_for(lambda: (server.page().value("drain_exporter_connections_refused_total") or 0) >= 3, "the refusals are counted")
    finally:
        for raw in held:
            raw.close()
    wait_for(lambda: server.page().value("drain_exporter_connections") == 1, "connections that were closed are not counted")


def end_of(raw, send=None, pause=0.05, seconds=10.0):
    """How long until the server closes; send(n) is called now and then meanwhile."""
    start = time.monotonic()
    n = 0
    while time.monotonic() - start < seconds:
        raw.socket.settimeout(pause)
        try:
            data = raw.socket.recv(65536)
            if data == b"":
                return time.monotonic() - start
            check(data.startswith(b"HTTP/1.1 4"), "the server sent %r", data[:60])
        except socket.timeout:
            pass
        except ConnectionError:
            return time.monotonic() - start
        try:
            if send is not None:
                raw.send(send(n))
                n += 1
        except ConnectionError:
            return time.monotonic() - start
    raise Failure("the connection is still open after %g s" % seconds)


def in_time(took, limit, what):
    """Not before the limit, and not long after it: the server looks once a second."""
    check(took >= limit - 0.1, "%s: closed after %.2f s already", what, took)
    check(took <= limit + patient(3.0), "%s: closed after %.2f s only", what, took)


def are_cut_off(server, limit, cases):
    """All at once: each sends its beginning, then something more now and then, and must be cut off in time."""
    def one(begin, more, what):
        with Raw(server) as raw:
            if isinstance(begin, list):  # after a good request
                equal(raw.ask(begin.pop(0)).status, 200, "health")
                begin = begin[0]
            raw.send(begin)
            in_time(end_of(raw, more), limit, what)

    in_threads([lambda case=case: one(*case) for case in cases])
    wait_for(lambda: server.page().value("drain_exporter_connections_timed_out_total") == len(cases), "all of them are counted")


@test
def slow_headers_are_cut_off(context):
    server = context.server(HEADER_TIMEOUT="700ms", REQUEST_TIMEOUT="60s", IDLE_TIMEOUT="60s")
    half = b"GET /health HTTP/1.1\r\nHost: x\r\n"
    with Raw(server) as good:
        are_cut_off(server, 0.7, [(half, None, "half a header"), (half, lambda n: "X-%d: y\r\n" % n, "a header that never ends"), (b"G", None, "one letter"),
                                  ([HEALTH, half], None, "half a header after a good request")])
        equal(good.ask(HEALTH).status, 200, "a connection that was idle meanwhile")


@test
def slow_bodies_are_cut_off(context):
    server = context.server(HEADER_TIMEOUT="500ms", REQUEST_TIMEOUT="1200ms", IDLE_TIMEOUT="60s")
    half = head_of("POST", "/drain", {**AUTH_DRAIN, "Content-Length": "1000"})
    are_cut_off(server, 1.2, [(half + b"begun", None, "half a body"), (half, lambda n: "x", "a body that drips"),
                              (head_of("POST", "/drain", {**AUTH_DRAIN, "Transfer-Encoding": "chunked"}), lambda n: b"1\r\nx\r\n", "chunks that drip"),
                              ([HEALTH, half], None, "no body after a good request")])
    equal(server.page().total("drain_exporter_batches_total"), 0, "batches taken")


@test
def idle_connections_are_closed(context):
    server = context.server(HEADER_TIMEOUT="500ms", REQUEST_TIMEOUT="1s", IDLE_TIMEOUT="2500ms")
    with Raw(server) as silent, Raw(server) as used:
        equal(used.ask(post_of(ingest([gauge("g", 1)]))).status, 204, "a batch")
        start = time.monotonic()
        in_time(end_of(silent), 1.0, "a connection that never said anything")
        end_of(used)
        in_time(time.monotonic() - start, 2.5, "an idle connection")
    equal(server.page().value("drain_exporter_connections_timed_out_total"), 0, "counted time-outs of connections that were only idle")


@test
def readers_that_do_not_read(context):
    """A page that nobody takes holds nothing that others need, and not for ever."""
    server = context.server(HEADER_TIMEOUT="500ms", REQUEST_TIMEOUT="1500ms", MAX_METRIC_SERIES=0)
    count = context.scaled(20000)
    for at in range(0, count, 500):
        server.post(b"".join(ingest([gauge("wide_metric_name", i, number=str(i), filler="x" * 150)]) for i in range(at, at + 500)))
    raws = [Raw(server) for _ in range(4)]
    try:
        for raw in raws:
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.send(head_of("GET", "/metrics", AUTH_METRICS))
        start = time.monotonic()
        server.post(ingest([gauge("g", 1)]))
        page = server.page()
        check(time.monotonic() - start < patient(5), "a batch and a scrape took %.1f s beside slow readers", time.monotonic() - start)
        equal(page.value("g", app="app", process="web.1"), 1, "the gauge")
        if context.sanitizer is None:
            wait_for(lambda: server.page().value("drain_exporter_connections") == 1, "slow readers are cut off", 8)
    finally:
        for raw in raws:
            raw.close()


def certificate(context, days=2):
    if shutil.which("openssl") is None:
        raise Skip("there is no openssl")
    return certificates.certificate(context.folder, days)


@test
def tls(context):
    cert, key = certificate(context)
    server = context.server(tls=client(cert), TLS_CERT_FILE=cert, TLS_KEY_FILE=key, HEADER_TIMEOUT="1s")
    server.post(ingest([gauge("g", 4)]), "secure")
    equal(server.page().value("g", app="secure", process="web.1"), 4, "the gauge that came by TLS")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with Raw(server, client(cert, version, version)) as raw:
            for _ in range(3):
                equal(raw.ask(post_of(ingest([gauge("g", 5)]), "secure")).status, 204, "a batch by %s" % version.name)
    for offered, chosen in ((("h2", "http/1.1"), "http/1.1"), (("http/1.1",), "http/1.1"), ((), None)):
        with Raw(server, client(cert, alpn=offered)) as raw:
            equal(raw.socket.selected_alpn_protocol(), chosen, "the protocol chosen of %r" % (offered,))
            equal(raw.ask(HEALTH).status, 200, "health")
    try:
        with Raw(server, client(cert, alpn=("h2",))) as raw:
            check(raw.socket.selected_alpn_protocol() != "h2", "h2 is agreed upon")
    except (OSError, ssl.SSLError):
        pass
    # A body larger than one TLS record, in chunks and with gzip on the way back.
    server.post(None, "secure", chunks=[ingest([gauge("big", i, n=str(i))]) * 20 for i in range(50)])
    equal(server.page().value("big", app="secure", process="web.1", n="49"), 49, "the last of a large body")
    # Those who speak no TLS, or never end their handshake.
    with Raw(server) as plain:
        plain.send(HEALTH)
        in_time(max(end_of(plain), 0.9), 1.0, "plain HTTP on the TLS port")
    with Raw(server) as silent:
        in_time(max(end_of(silent), 0.9), 1.0, "a handshake that never begins")


@test
def tls_1_1_is_refused(context):
    cert, key = certificate(context)
    old = client(cert, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1)
    # Can this client speak it at all?
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        teacher = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        teacher.set_ciphers("ALL:@SECLEVEL=0")
        teacher.minimum_version = ssl.TLSVersion.TLSv1_1
        teacher.load_cert_chain(cert, key)
        first, second = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = old.wrap_bio(first, second)
        theirs = teacher.wrap_bio(second, first, server_side=True)
        done = set()
        try:
            for _ in range(10):
                for side in (ours, theirs):
                    try:
                        side.do_handshake()
                        done.add(side)
                    except ssl.SSLWantReadError:
                        pass
        except ssl.SSLError as problem:
            raise Skip("this Python cannot speak TLS 1.1: %s" % problem)
        check(len(done) == 2 and ours.version() == "TLSv1.1", "the trial handshake ends with %s", ours.version())
    server = context.server(tls=client(cert), TLS_CERT_FILE=cert, TLS_KEY_FILE=key)
    try:
        with Raw(server, old) as raw:
            raise Failure("TLS 1.1 is spoken: %s" % raw.socket.version())
    except (ssl.SSLError, ConnectionError):
        pass
    equal(server.request("GET", "/health").status, 200, "health by a later version")


@test
def tls_health_check_and_bad_files(context):
    cert, key = certificate(context)
    server = context.server(tls=client(cert), TLS_CERT_FILE=cert, TLS_KEY_FILE=key)
    address = server.settings["LISTEN_ADDRESS"]
    done = run_to_end([context.program, "--health-check"], LISTEN_ADDRESS=address, TLS_CERT_FILE=cert, TLS_KEY_FILE=key)
    equal((done.status, done.err), (0, ""), "--health-check with TLS")
    equal(run_to_end([context.program, "--health-check"], LISTEN_ADDRESS=address).status, 1, "status of --health-check without TLS")
    other = context.file("other", "")
    wrong = [{"TLS_CIPHERS": names} for names in ("ECDHE-RSA-AES128-SHA", "AES128-GCM-SHA256", "nonsense", "ECDHE+AESGCM:nonsense", "TLS_NONSENSE", "HIGH", "aNULL")]
    for settings in wrong:
        for arguments in ([], ["--check-config"]):
            done = run_to_end([context.program] + arguments, **{**server.settings, **settings})
            check(done.status == 1 and "TLS_CIPHERS" in done.err and done.err.count("\n") == 1, "%r: %r", settings, done.err)
    done = run_to_end([context.program], **{**server.settings, "TLS_CERT_FILE": None, "TLS_KEY_FILE": None, "TLS_CIPHERS": "ECDHE+AESGCM"})
    check(done.status == 1 and "TLS_CERT_FILE is not" in done.err, "TLS_CIPHERS without TLS: %r", done.err)
    done = run_to_end([context.program, "--check-config"], **{**server.settings, "TLS_KEY_FILE": cert})
    check(done.status == 1 and "TLS_KEY_FILE" in done.err and done.err.count("\n") == 1, "--check-config of a key that is none: %r", done.err)
    done = run_to_end([context.program, "--check-config"], **server.settings)
    check(done.status == 0 and "warning: TLS_CERT_FILE" in done.err and "expires soon: 20" in done.err, "--check-config of a short life: %r", done.err)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", other], check=True, capture_output=True, timeout=60)
    for name, settings in (("TLS_KEY_FILE", {"TLS_CERT_FILE": cert, "TLS_KEY_FILE": other}), ("TLS_KEY_FILE", {"TLS_CERT_FILE": cert, "TLS_KEY_FILE": cert}),
                           ("TLS_KEY_FILE", {"TLS_CERT_FILE": cert}), ("TLS_CERT_FILE", {"TLS_KEY_FILE": key})):
        done = run_to_end([context.program], **{**server.settings, **{"TLS_CERT_FILE": None, "TLS_KEY_FILE": None}, **settings})
        check(done.status == 1 and name in done.err and done.err.count("\n") == 1, "%r: %r", settings, done.err)


@test
def tls_ciphers(context):
    cert, key = certificate(context)
    server = context.server(tls=client(cert), TLS_CERT_FILE=cert, TLS_KEY_FILE=key, TLS_CIPHERS="ECDHE-ECDSA-AES256-GCM-SHA384:TLS_AES_128_GCM_SHA256")
    for version, chosen in ((ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-GCM-SHA384"), (ssl.TLSVersion.TLSv1_3, "TLS_AES_128_GCM_SHA256")):
        with Raw(server, client(cert, version, version)) as raw:
            equal(raw.socket.cipher()[0], chosen, "the cipher of %s" % version.name)
            equal(raw.ask(HEALTH).status, 200, "health")


@test
def tls_files_are_watched(context):
    """A certificate that is exchanged on disk is served without a signal, and not before its key fits."""
    cert, key = certificate(context)
    old = open(cert).read().strip()
    server = context.server(tls=client(cert), TLS_CERT_FILE=cert, TLS_KEY_FILE=key)
    both = context.file("both.pem", old + "\n")

    def served():
        with Raw(server, client(both)) as raw:
            return ssl.DER_cert_to_PEM_cert(raw.socket.getpeercert(True)).strip()

    def days_left():
        server.tls = client(both)
        return (server.page().value("drain_exporter_tls_certificate_expiry_timestamp_seconds") - time.time()) / 86400

    check(1.9 < days_left() < 2.1, "the certificate expires in %g days", days_left())
    old_key = open(key).read()
    certificate(context, days=60)
    new, new_key = open(cert).read().strip(), open(key).read()
    open(both, "a").write(new + "\n")
    with open(key, "w") as out:  # the certificate is there already
        out.write(old_key)
    wait_for(lambda: "but the old ones stay: TLS_KEY_FILE" in server.log(), "a pair that does not match is refused")
    equal(served(), old, "the certificate while the key does not fit")
    with open(key + ".new", "w") as out:
        out.write(new_key)
    os.rename(key + ".new", key)
    wait_for(lambda: served() == new, "the new certificate is served")
    check(59.9 < days_left() < 60.1, "the new certificate expires in %g days", days_left())
