"""Who is at the other end: which addresses may post and scrape, and who it was that had a wrong password.

Linux answers on all of 127.0.0.0/8, so each of these addresses can be another client."""
import os
import re
import signal
import ssl
import subprocess

from accounts import HASHED, several
from harness import Skip, test
from start import has_ipv6, run
from start import refused as refuse
from support.checks import Failure, check, equal
from support.exporter import AUTH_DRAIN, AUTH_METRICS, DRAIN_PASSWORD
from support.http_client import basic
from support.lines import gauge, ingest
from support.ports import free_port
from support.raw_connection import Raw, head_of, post_of
from support.waiting import patient, wait_for
from transport import certificate, client

HEALTH = head_of("GET", "/health")
METRICS = head_of("GET", "/metrics", AUTH_METRICS)
EMPTY = post_of(b"")


def status(server, ask, source=None, **connection):
    with Raw(server, source=source, **connection) as raw:
        return raw.ask(ask).status


def refused(server, reason):
    return server.page().value("drain_exporter_clients_refused_total", reason=reason)


@test
def listed_addresses_are_let_in(context):
    """ALLOW_DRAIN and ALLOW_METRICS name who may post and who may scrape; health is for all."""
    server = context.server(ALLOW_DRAIN="127.0.0.2, 127.0.1.0/24, 2001:db8::/32", ALLOW_METRICS="127.0.0.1/32,::1")
    for source, drain, metrics in (("127.0.0.2", 204, 403), ("127.0.1.200", 204, 403), ("127.0.0.1", 403, 200), ("127.0.0.3", 403, 403)):
        got = [status(server, ask, source) for ask in (EMPTY, METRICS, HEALTH)]
        equal(got, [drain, metrics, 200], "the statuses of /drain, /metrics and /health for %s" % source)
    # The right password does not help, and no body is waited for.
    with Raw(server, source="127.0.0.3") as raw:
        answer = raw.ask(head_of("POST", "/drain", {**AUTH_DRAIN, "Content-Length": "1000000"}))
        equal((answer.status, answer.body), (403, b"ALLOW_DRAIN does not list your address\n"), "the answer to who is not listed")
        check(raw.is_closed(5), "the connection stays open")
    equal(status(server, head_of("PUT", "/drain"), "127.0.0.3"), 405, "the status of another method")
    wait_for(lambda: refused(server, "allow_drain") == 3 and refused(server, "allow_metrics") == 3, "those who were refused are counted")
    wait_for(lambda: re.search(r"refused: \d requests to /drain, because ALLOW_DRAIN lacks the address; from 127.0.0.[13]", server.log()), "the log tells of it")


@test
def an_ipv6_socket_knows_ipv4_addresses(context):
    """[::] shows addresses of IPv4 as ::ffff:127.0.0.2: they are the same."""
    if not has_ipv6():
        raise Skip("there is no IPv6 loopback")
    server = context.server(host="::", ALLOW_DRAIN="127.0.0.2,::1")
    server.host = "127.0.0.1"
    equal([status(server, EMPTY, source) for source in ("127.0.0.1", "127.0.0.2")], [403, 204], "the statuses of two clients by IPv4")
    server.host = "::1"
    equal(status(server, EMPTY), 204, "the status of a client by IPv6")
    server.host = "127.0.0.1"


@test
def trusted_proxies_speak_for_clients(context):
    """The right-most address that is not trusted is the client, also of several who share a connection."""
    server = context.server(ALLOW_DRAIN="203.0.113.0/24", TRUSTED_PROXIES="127.0.0.9,10.0.0.0/8")
    cases = (("203.0.113.7", 204), ("198.51.100.1", 403), ("203.0.113.7, 198.51.100.1", 403), ("198.51.100.1, 203.0.113.7:99", 204),
             ("203.0.113.7, 10.1.1.1", 204), ("10.1.1.1", 403), ("203.0.113.7, unknown", 403), ("", 403))
    with Raw(server, source="127.0.0.9") as proxy:
        for forwarded, expected in cases * 2:
            if expected == 204:  # 403 with a body closes
                equal(proxy.ask(post_of(b"x" * 10, headers={"X-Forwarded-For": forwarded})).status, expected, "the status for %r" % forwarded)
            equal(proxy.ask(post_of(b"", headers={"X-Forwarded-For": forwarded})).status, expected, "the status for %r" % forwarded)
        equal(proxy.ask(EMPTY).status, 403, "the status of the proxy itself")
        equal(proxy.ask(HEALTH).status, 200, "the proxy's health check")
    for source in ("127.0.0.1", "127.0.0.8"):
        equal(status(server, post_of(b"", headers={"X-Forwarded-For": "203.0.113.7"}), source), 403, "the status of who only says so")
    wait_for(lambda: "198.51.100.1" in server.log(), "the log names the client, not the proxy")


SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PROXY_1 = b"PROXY TCP4 203.0.113.7 10.0.0.9 40001 443\r\n"
PROXY_2 = SIGNATURE + b"\x21\x11\0\x0f" + bytes((203, 0, 113, 7, 10, 0, 0, 9, 156, 65, 1, 187)) + b"\x04\0\0"
LOCAL = SIGNATURE + b"\x20\0\0\0"


@test
def connections_begin_with_a_proxy_header(context):
    """Those of TRUSTED_PROXIES must, in one piece or many; those of others are read as they are."""
    server = context.server(ALLOW_DRAIN="203.0.113.7", TRUSTED_PROXIES="127.0.0.9", PROXY_PROTOCOL="true")
    other = b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n"
    for header, expected in ((PROXY_1, 204), (PROXY_2, 204), (LOCAL, 403), (b"PROXY UNKNOWN\r\n", 403), (other, 403)):
        with Raw(server, source="127.0.0.9") as raw:
            equal(raw.ask(header + post_of(ingest([gauge("g", 1)]))).status, expected, "the status behind %r" % header)
            equal(raw.ask(HEALTH).status, 200, "health") if expected == 204 else None
    for header in (PROXY_1, PROXY_2):
        with Raw(server, source="127.0.0.9") as raw:
            for byte in header:
                raw.send(bytes((byte,)))
            equal(raw.ask(EMPTY).status, 204, "the status behind a header in pieces")
    for wrong in (HEALTH, EMPTY, b"PROXY TCP4 203.0.113.7\r\n", SIGNATURE + b"\x31\0\0\0", b"PROXY " + b"x" * 200):
        with Raw(server, source="127.0.0.9") as raw:
            raw.send(wrong)
            check(raw.is_closed(5), "a connection without a header is served: %r", wrong[:20])
    wait_for(lambda: refused(server, "proxy_header") == 5, "these are counted")
    # Nobody else is believed; the container's own health check has no header.
    with Raw(server) as raw:
        equal(raw.ask(PROXY_1 + EMPTY).status, 400, "the status of a stranger with a header")
    equal(status(server, HEALTH), 200, "health without a header")
    equal(status(server, EMPTY), 403, "the status of who has no header")


@test
def proxy_headers_come_before_tls(context):
    cert, key = certificate(context)
    server = context.server(tls=client(cert), TLS_CERT_FILE=cert, TLS_KEY_FILE=key, HEADER_TIMEOUT="1s",
                            ALLOW_DRAIN="203.0.113.7", TRUSTED_PROXIES="127.0.0.0/8", PROXY_PROTOCOL="true")
    for header in (PROXY_1, PROXY_2):
        with Raw(server) as raw:
            raw.send(header)
            raw.socket = client(cert).wrap_socket(raw.socket, server_hostname="localhost")
            equal(raw.ask(post_of(ingest([gauge("g", 1)]))).status, 204, "the status behind a header and TLS")
    with Raw(server, client(cert)) as raw:
        equal(raw.ask(HEALTH).status, 200, "a health check on this machine, without a header")
    with Raw(server) as raw:
        raw.send(PROXY_1[:10])
        check(raw.is_closed(5), "a header that never ends is waited for")


@test
def each_request_is_asked_anew(context):
    """What one request of a connection may do says nothing of the next one's, also if the first one never got to its handler."""
    server = context.server(ALLOW_DRAIN="203.0.113.7", ALLOW_METRICS="203.0.113.7", TRUSTED_PROXIES="127.0.0.9")
    other = {"X-Forwarded-For": "198.51.100.1"}
    for between in (b"", head_of("POST", "/drain", {**AUTH_DRAIN, "X-Forwarded-For": "203.0.113.7", "Content-Length": "1", "Expect": "something"}) + b"x"):
        with Raw(server, source="127.0.0.9") as raw:
            equal(raw.ask(post_of(b"x", headers={"X-Forwarded-For": "203.0.113.7"})).status, 204, "a batch of who is listed")
            if between:
                equal(raw.ask(between).status, 417, "an expectation that nobody knows")
            try:
                got = raw.ask(head_of("GET", "/metrics", {**AUTH_METRICS, **other})).status
            except (Failure, ConnectionError):
                got = 403  # closed
            equal(got, 403, "a scrape of who is not listed")


@test
def the_log_names_all_listeners(context):
    inside = "127.0.0.1:%d" % free_port("127.0.0.1")
    server = context.server(METRICS_LISTEN_ADDRESS=inside, WORKERS=2)
    said = "listens on %s, and for /metrics on %s, with 2 workers\n" % (server.settings["LISTEN_ADDRESS"], inside)
    wait_for(lambda: said in server.log(), "the log says where it listens")


# ---- failed log-ins ----

def failures(server, role, user):
    return server.page().value("drain_exporter_login_failures_total", role=role, user=user) or 0


def lines_about(server, user, role):
    return re.findall(r"log-in failed: the user %s of /%s, (\d+) times since this was last said, from (.*)" % (user, role), server.log())


@test
def a_stale_password_is_found(context):
    """Failed log-ins are counted by role and user, and the log names user, address and count within seconds."""
    server = context.server(CONFIG=several(context))
    stale = head_of("POST", "/drain", {"Authorization": basic("drain", DRAIN_PASSWORD + "-old"), "Content-Length": "5"}) + b"12345"
    for source in ("127.0.0.7", "127.0.0.8", "127.0.0.7"):
        equal(status(server, stale, source), 401, "the status of an old password")
    wait_for(lambda: failures(server, "drain", "drain") == 3, "three failed log-ins are counted")
    wait_for(lambda: lines_about(server, "drain", "drain"), "the log tells of them")
    lines = lines_about(server, "drain", "drain")
    check("127.0.0.7" in lines[0][1], "the log names the address: %r", lines)
    # No further line within the minute, however many fail.
    for _ in range(50):
        equal(status(server, stale), 401, "the status of an old password")
    wait_for(lambda: failures(server, "drain", "drain") == 53, "all failed log-ins are counted")
    equal(len(lines_about(server, "drain", "drain")), 1, "lines within a minute")
    equal(failures(server, "metrics", "drain"), 0, "failed log-ins of another role")
    check(DRAIN_PASSWORD not in server.log(), "a password is in the log")


@test
def a_teams_stale_password_is_found(context):
    """A user of "scrapes" is configured too: who sees some apps alone is named if its password is wrong."""
    server = context.server(CONFIG="scrapes:\n  - {name: team, password: secret, apps: [shop]}\n")
    for user in ("team", "someone"):
        equal(status(server, head_of("GET", "/discovery", {"Authorization": basic(user, "old")})), 401, "the status of a wrong password")
    wait_for(lambda: failures(server, "metrics", "team") == 1, "the team's failed log-in is counted by its name")
    equal(failures(server, "metrics", "__other__"), 1, "failed log-ins of who is not configured")
    wait_for(lambda: len(lines_about(server, "team", "metrics")) == 1, "the log tells of it")


@test
def failed_log_ins_name_the_client_behind_a_proxy(context):
    server = context.server(TRUSTED_PROXIES="127.0.0.1")
    stale = {"Authorization": basic("drain", "old"), "Content-Length": "1", "X-Forwarded-For": "203.0.113.7"}
    equal(status(server, head_of("POST", "/drain", stale) + b"x"), 401, "the status of an old password")
    wait_for(lambda: lines_about(server, "drain", "drain") == [("1", "203.0.113.7")], "the log names the client")


@test
def unknown_users_are_not_named(context):
    """Whatever names strangers choose, there is one series and one line for all of them."""
    server = context.server(CONFIG=several(context))
    for user in ("x", "someone", "metrics", "y" * 64, "z" * 600, 'quo"te\n', ""):
        equal(status(server, head_of("POST", "/drain", {"Authorization": basic(user, "wrong")})), 401, "the status of a user who is not there")
    equal(status(server, head_of("POST", "/drain")), 401, "the status without credentials")
    equal(status(server, head_of("POST", "/drain", {"Authorization": "Basic ***"})), 401, "the status of no credentials")
    for user in ("drain", "metrics"):
        equal(status(server, head_of("GET", "/metrics", {"Authorization": basic(user, "wrong")})), 401, "the status of a wrong password")
    wait_for(lambda: failures(server, "drain", "__other__") == 7, "those of unknown users are counted together")
    equal(failures(server, "drain", "__none__"), 2, "failed log-ins without credentials")
    equal((failures(server, "metrics", "metrics"), failures(server, "metrics", "__other__")), (1, 1), "failed log-ins of the other role")
    users = {labels["user"] for labels, _ in server.page().select("drain_exporter_login_failures_total")}
    equal(users, {"__other__", "__none__", "metrics"}, "the users")
    wait_for(lambda: len(lines_about(server, "__other__", "drain")) == 1, "one line tells of them")
    check("someone" not in server.log(), "the log has a name that a stranger chose")


@test
def a_stale_password_of_a_hashed_drain_is_found(context):
    """What takes a verification is counted once as well."""
    server = context.server(CONFIG=HASHED)
    for attempt in range(3):
        with Raw(server) as raw:
            equal(raw.ask(head_of("POST", "/drain", {"Authorization": basic("hashed", "wrong-%d" % attempt), "Content-Length": "1"}) + b"x").status, 401, "the status")
    wait_for(lambda: failures(server, "drain", "hashed") == 3, "three are counted")
    wait_for(lambda: lines_about(server, "hashed", "drain"), "the log tells of them")


# ---- bounds ----

def served(server, source, ask=HEALTH):
    """A connection on which this was answered, or None."""
    raw = Raw(server, source=source)
    try:
        if raw.ask(ask).status in (200, 204):
            return raw
    except (Failure, ConnectionError):
        pass
    raw.close()
    return None


def is_served(server, source, ask=HEALTH):
    raw = served(server, source, ask)
    if raw is not None:
        raw.close()
    return raw is not None


@test
def one_address_has_so_many_connections(context):
    """Beyond MAX_ADDRESS_CONNECTIONS a stranger's are closed, and nobody else's; whoever sends a right password has no bound."""
    server = context.server(MAX_ADDRESS_CONNECTIONS=5, WORKERS=2)
    raws = []
    try:
        raws += [Raw(server, source="127.0.0.5") for _ in range(5)]
        for raw in raws:
            equal(raw.ask(HEALTH).status, 200, "health")
        check(not is_served(server, "127.0.0.5"), "a sixth connection is served")
        check(is_served(server, "127.0.0.6"), "another address is not served")
        raws.pop().close()
        raws.append(wait_for(lambda: served(server, "127.0.0.5"), "a closed connection makes room for another one"))
        check(not is_served(server, "127.0.0.5"), "the next one is served")
        # One who knows a password: its connection does not count any more, and the address has no bound.
        equal(raws[0].ask(EMPTY).status, 204, "a batch on one of the connections")
        for _ in range(10):
            raws.append(Raw(server, source="127.0.0.5"))
            equal(raws[-1].ask(HEALTH).status, 200, "health on a further connection")
        # This machine itself is not bounded: its health check must be heard.
        for _ in range(20):
            raws.append(Raw(server))
            equal(raws[-1].ask(HEALTH).status, 200, "health from 127.0.0.1")
    finally:
        for raw in raws:
            raw.close()
    wait_for(lambda: (refused(server, "connections") or 0) >= 2, "those who were closed are counted")
    wait_for(lambda: "connections of addresses with MAX_ADDRESS_CONNECTIONS; from 127.0.0.5" in server.log(), "the log tells of them")


WRONG = {"Authorization": basic("drain", "wrong")}
WRONG_METRICS = head_of("GET", "/metrics", {"Authorization": basic("metrics", "wrong")})


@test
def one_address_has_so_many_failed_log_ins(context):
    """Then its passwords are not looked at for a while, right or wrong.  All others are served."""
    server = context.server(MAX_ADDRESS_LOGIN_FAILURES=20)
    for i in range(20):
        equal(status(server, WRONG_METRICS if i % 2 else head_of("POST", "/drain", WRONG), "127.0.0.5"), 401, "the status of a wrong password")
    equal(status(server, WRONG_METRICS, "127.0.0.5"), 429, "the status of one more")
    equal(status(server, METRICS, "127.0.0.5"), 429, "the status of the right password")
    check(not is_served(server, "127.0.0.5", post_of(b"x")) and not is_served(server, "127.0.0.5", EMPTY), "a batch of a locked address gets an answer")
    equal(status(server, HEALTH, "127.0.0.5"), 200, "health for a locked address")
    equal(status(server, EMPTY, "127.0.0.6"), 204, "a batch of another address")
    # One a while is looked at; a right one ends it for good.
    wait_for(lambda: is_served(server, "127.0.0.5", EMPTY), "the right password gets its turn")
    for _ in range(60):
        equal(status(server, WRONG_METRICS, "127.0.0.5"), 401, "the status of a wrong password of an address that succeeds")
    equal(status(server, METRICS, "127.0.0.5"), 200, "the status of the right one")
    wait_for(lambda: (refused(server, "login_failures") or 0) >= 4, "those who were refused are counted")
    wait_for(lambda: "with MAX_ADDRESS_LOGIN_FAILURES" in server.log(), "the log tells of them")


@test
def who_asks_without_a_password_is_not_locked(context):
    server = context.server(MAX_ADDRESS_LOGIN_FAILURES=1)
    for _ in range(20):
        equal(status(server, head_of("GET", "/metrics"), "127.0.0.5"), 401, "the status without credentials")
    equal(status(server, METRICS, "127.0.0.5"), 200, "the status of a right password")


@test
def bounds_are_of_the_client_not_of_the_balancer(context):
    """Many share a balancer's connections: one who guesses does not lock the others out."""
    server = context.server(MAX_ADDRESS_LOGIN_FAILURES=10, MAX_ADDRESS_CONNECTIONS=2, TRUSTED_PROXIES="127.0.0.9")
    with Raw(server, source="127.0.0.9") as raw:
        for i in range(12):
            equal(raw.ask(head_of("GET", "/metrics", {"Authorization": basic("metrics", "wrong"), "X-Forwarded-For": "198.51.100.1"})).status,
                  401 if i < 10 else 429, "the status of wrong password %d" % i)
        equal(raw.ask(post_of(b"x", headers={"X-Forwarded-For": "203.0.113.7"})).status, 204, "a batch of another client")
        equal(raw.ask(head_of("GET", "/metrics", {**AUTH_METRICS, "X-Forwarded-For": "198.51.100.1"})).status, 429, "the right password of who guessed")
    for _ in range(20):
        equal(status(server, WRONG_METRICS, "127.0.0.9"), 401, "the status of a wrong password of the balancer itself")
    raws = [Raw(server, source="127.0.0.9") for _ in range(10)]
    try:
        for raw in raws:
            equal(raw.ask(HEALTH).status, 200, "health on each of a balancer's connections")
    finally:
        for raw in raws:
            raw.close()


@test
def bounds_are_of_whom_a_proxy_header_names(context):
    server = context.server(MAX_ADDRESS_CONNECTIONS=2, TRUSTED_PROXIES="127.0.0.9", PROXY_PROTOCOL="true")
    raws = [Raw(server, source="127.0.0.9") for _ in range(3)]
    try:
        for raw in raws[:2]:
            equal(raw.ask(PROXY_1 + HEALTH).status, 200, "health behind a header")
        raws[2].send(PROXY_1 + HEALTH)
        check(raws[2].is_closed(5), "a third connection of the client is served")
    finally:
        for raw in raws:
            raw.close()
    wait_for(lambda: is_served(server, "127.0.0.9", PROXY_1 + HEALTH), "closed connections make room for another one")
    check(is_served(server, "127.0.0.9", LOCAL + HEALTH), "the proxy itself is not served")
    # One proxy behind another: whom it speaks for is in each request.
    server = context.server(MAX_ADDRESS_CONNECTIONS=2, TRUSTED_PROXIES="127.0.0.9,203.0.113.7", PROXY_PROTOCOL="true", ALLOW_DRAIN="198.51.100.1")
    raws = [Raw(server, source="127.0.0.9") for _ in range(5)]
    try:
        for raw in raws:
            equal(raw.ask(PROXY_1 + HEALTH).status, 200, "health on each of a proxy's connections")
        equal(raws[0].ask(post_of(b"", headers={"X-Forwarded-For": "198.51.100.1"})).status, 204, "a batch of whom it speaks for")
    finally:
        for raw in raws:
            raw.close()


# ---- other credentials ----

TOKEN = "tOken.3~secret_+/="


def bearer(token):
    return head_of("GET", "/metrics", {"Authorization": "Bearer " + token})


@test
def bearer_tokens_get_metrics(context):
    """A token gets /metrics and nothing else; it can be in a file, be rotated, and stand in for the password."""
    path = context.file("token", TOKEN + "\n")
    server = context.server(TOKEN_METRICS_FILE=path, TOKEN_METRICS_PREVIOUS="oLd-token")
    for good in (TOKEN, "oLd-token", " " + TOKEN + " "):
        equal(status(server, bearer(good)), 200, "the status of a token")
    for bad in (TOKEN[:-1], TOKEN + "x", TOKEN.lower(), "", "x" * 5000, "%74Oken"):
        equal(status(server, bearer(bad)), 401, "the status of a wrong token")
    equal(status(server, METRICS), 200, "the status of the password")
    equal(status(server, head_of("GET", "/metrics", {"Authorization": basic("metrics", TOKEN)})), 401, "the status of the token as a password")
    equal(status(server, head_of("POST", "/drain", {"Authorization": "Bearer " + TOKEN})), 401, "the status of a token for /drain")
    equal(status(server, head_of("GET", "/metrics", {"Authorization": "bearer " + TOKEN})), 200, "the status of a scheme in small letters")
    wait_for(lambda: failures(server, "metrics", "__token__") == 4, "wrong tokens are counted")
    with open(path, "w") as out:
        out.write("nEw-token")
    server.tell(signal.SIGHUP)
    wait_for(lambda: status(server, bearer("nEw-token")) == 200, "the token is read again by SIGHUP")
    equal(status(server, bearer(TOKEN)), 401, "the status of the token before")
    for secret in (TOKEN, "oLd-token", "nEw-token"):
        check(secret not in server.log(), "a token is in the log")


@test
def a_token_stands_in_for_the_password(context):
    server = context.server(PASSWORD_METRICS=None, TOKEN_METRICS=TOKEN)
    equal(status(server, bearer(TOKEN)), 200, "the status of a token")
    for password in ("", "metrics", TOKEN):
        equal(status(server, head_of("GET", "/metrics", {"Authorization": basic("metrics", password)})), 401, "the status of a password where there is none")


# ---- client certificates ----


class Authority:
    """Signs certificates for clients.  All files are in the folder of the test."""

    def __init__(self, context, name):
        self.folder = context.folder
        self.cert, self.key = os.path.join(self.folder, name + ".pem"), os.path.join(self.folder, name + "-key.pem")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=" + name, "-keyout", self.key, "-out", self.cert)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=patient(60))

    def sign(self, name, *options):
        """A client's certificate and its key."""
        cert, key, wanted = (os.path.join(self.folder, "%s.%s" % (name, kind)) for kind in ("crt", "key", "csr"))
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name, "-keyout", key, "-out", wanted)
        self.openssl("x509", "-req", "-in", wanted, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-out", cert, *(options or ("-days", "2")))
        return cert, key


def with_certificate(cert, pair=None, version=ssl.TLSVersion.MAXIMUM_SUPPORTED):
    tls = client(cert, highest=version)
    if pair is not None:
        tls.load_cert_chain(*pair)
    return tls


def statuses(server, tls):
    """Of a batch, a scrape and health."""
    return [status(server, ask, tls=tls) for ask in (EMPTY, METRICS, HEALTH)]


@test
def client_certificates_are_needed(context):
    """/drain and /metrics need one of the authority, and the password; health needs none."""
    cert, key = certificate(context)
    ours, others = Authority(context, "ours"), Authority(context, "others")
    good, foreign, expired = ours.sign("good"), others.sign("foreign"), ours.sign("expired", "-days", "-1")
    server = context.server(tls=with_certificate(cert, good), TLS_CERT_FILE=cert, TLS_KEY_FILE=key, TLS_CLIENT_CA_FILE=ours.cert)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        equal(statuses(server, with_certificate(cert, good, version)), [204, 200, 200], "with a certificate, %s" % version.name)
        for pair, what in ((None, "without a certificate"), (foreign, "with one of another authority"), (expired, "with an expired one"), ((cert, key), "with the server's")):
            equal(statuses(server, with_certificate(cert, pair, version)), [403, 403, 200], "%s, %s" % (what, version.name))
    with Raw(server, with_certificate(cert)) as raw:
        answer = raw.ask(head_of("POST", "/drain", {**AUTH_DRAIN, "Content-Length": "1000000"}))
        equal((answer.status, answer.body), (403, b"a client certificate of TLS_CLIENT_CA_FILE is needed here\n"), "the answer without a certificate")
    equal(status(server, head_of("GET", "/metrics"), tls=with_certificate(cert, good)), 401, "the status with a certificate but no password")
    wait_for(lambda: refused(server, "certificate") == 17, "those who were refused are counted")
    # Health as the container asks for it.
    code, _, err = run(context, "--health-check", LISTEN_ADDRESS=server.settings["LISTEN_ADDRESS"], TLS_CERT_FILE=cert, TLS_KEY_FILE=key, TLS_CLIENT_CA_FILE=ours.cert)
    equal((code, err), (0, ""), "--health-check")


@test
def a_resumed_session_keeps_its_certificate(context):
    """And one without a certificate does not get any by it."""
    cert, key = certificate(context)
    ours = Authority(context, "ours")
    good, expired = ours.sign("good"), ours.sign("expired", "-days", "-1")
    server = context.server(tls=with_certificate(cert, good), TLS_CERT_FILE=cert, TLS_KEY_FILE=key, TLS_CLIENT_CA_FILE=ours.cert)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for pair, expected in ((good, 204), (None, 403), (expired, 403)):
            tls, session = with_certificate(cert, pair, version), None
            for _ in range(3):
                with Raw(server) as raw:
                    raw.socket = tls.wrap_socket(raw.socket, server_hostname="localhost", session=session)
                    equal(raw.ask(EMPTY).status, expected, "the status, %s, %s" % (version.name, "resumed" if session else "new"))
                    check(session is None or raw.socket.session_reused, "the session was not resumed, %s", version.name)
                    session = raw.socket.session


@test
def only_some_paths_need_certificates(context):
    cert, key = certificate(context)
    ours, next_one = Authority(context, "ours"), Authority(context, "next")
    good, later = ours.sign("good"), next_one.sign("later")
    path = context.file("authorities.pem", open(ours.cert).read())
    server = context.server(tls=with_certificate(cert, good), TLS_CERT_FILE=cert, TLS_KEY_FILE=key, TLS_CLIENT_CA_FILE=path, TLS_CLIENT_PATHS="/metrics")
    equal(statuses(server, with_certificate(cert)), [204, 403, 200], "without a certificate")
    equal(statuses(server, with_certificate(cert, later)), [204, 403, 200], "with one of an authority that is not listed yet")
    with open(path, "a") as out:
        out.write(open(next_one.cert).read())
    server.tell(signal.SIGHUP)
    wait_for(lambda: statuses(server, with_certificate(cert, later)) == [204, 200, 200], "authorities are read again by SIGHUP")
    equal(statuses(server, with_certificate(cert, good)), [204, 200, 200], "with a certificate of the first one")
    with open(path, "w") as out:
        out.write("nothing")
    server.tell(signal.SIGHUP)
    wait_for(lambda: "reload: TLS_CLIENT_CA_FILE: the file cannot be read as PEM certificates" in server.log(), "a bad file is told")
    equal(statuses(server, with_certificate(cert, later)), [204, 200, 200], "the authorities that are in force")


@test
def client_certificates_need_tls(context):
    refuse(context, 1, "TLS_CLIENT_CA_FILE needs TLS_CERT_FILE", TLS_CLIENT_CA_FILE="/dev/null")
    cert, key = certificate(context)
    for bad in ("/nonexistent", context.file("empty.pem", ""), key):
        refuse(context, 1, "TLS_CLIENT_CA_FILE: the file cannot be read", TLS_CERT_FILE=cert, TLS_KEY_FILE=key, TLS_CLIENT_CA_FILE=bad)
