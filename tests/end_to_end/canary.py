"""The canary: a line that the exporter posts to its own public drain, and that has to come back."""
import json
import re
import shutil
import signal
import socket
import subprocess
import uuid

from harness import Skip, test
from shards import Balancer, command
from support import certificates
from support.checks import check, equal
from support.exporter import AUTH_METRICS, DRAIN_PASSWORD
from support.lines import line
from support.ports import free_port
from support.scripted_server import ScriptedServer
from support.waiting import wait_for

REASONS = ("dns", "connect", "tls", "timeout", "response", "status")
CANARY = "drain_exporter_canary_"


def url(port, password=DRAIN_PASSWORD, host="127.0.0.1", scheme="http", app="canary"):
    return "%s://drain:%s@%s:%d/drain?app_name=%s" % (scheme, password, host, port, app)


def start(context, canary_url, port=None, **settings):
    return context.server(port=port, CANARY_URL=canary_url, **{"CANARY_INTERVAL": "500ms", "SCRAPE_INTERVAL": "1s", **settings})


def value(server, name, **labels):
    return server.first_page().value(CANARY + name, **labels)


def document(server):
    """What the status page says."""
    return json.loads(server.request("GET", "/status/working", AUTH_METRICS).body)["canary"]


def returned(server):
    """When the last one came back."""
    return value(server, "last_success_timestamp_seconds")


def failing(page):
    """The reasons for which it has failed.  On a slow machine any can be late: it waits no longer than its interval."""
    return {reason for reason in REASONS if page.value(CANARY + "failures_total", reason=reason)}


def await_return(server):
    before = returned(server)
    wait_for(lambda: returned(server) > before, "the canary comes back", 20)


def await_failure(server, reason):
    before = value(server, "failures_total", reason=reason)
    wait_for(lambda: value(server, "failures_total", reason=reason) > before, "the canary fails: %s" % reason, 20)


@test
def the_canary_comes_back(context):
    """By a name and by an address; what is seen of it is an app of the name that the URL has, with its ledger."""
    for host in ("localhost", "127.0.0.1"):
        port = free_port()
        server = start(context, url(port, host=host), port)
        await_return(server)
        await_return(server)
        page = server.first_page()
        check(0 < page.value(CANARY + "latency_seconds") < 100, "the latency is %r", page.value(CANARY + "latency_seconds"))
        check(failing(page) <= {"timeout"}, "it failed: %r", failing(page))
        check(failing(page) or (page.value(CANARY + "elsewhere_total"), page.value(CANARY + "others_total")) == (0, 0), "lines elsewhere, and of others")
        wait_for(lambda: server.first_page().value("drain_exporter_messages_recognised_total", app="canary", family="canary") >= 2, "its ledger has it")
        equal(page.value("drain_exporter_messages_ignored_total", app="canary"), 0, "messages that were not recognised")
        equal(page.total("drain_exporter_messages_malformed_total"), 0, "messages that were malformed")
        shown = document(server)
        check(shown["last_success_timestamp_seconds"] > 0 and shown["error"] is None, "the status page says %r", shown)
        server.stop()
        check(failing(page) or "canary" not in server.log(), "the log says %r", server.log())


@test
def there_is_none_unless_it_is_set(context):
    server = context.server()
    server.post(line("canary=" + "0" * 32, "drain_exporter", "canary"), "app")
    page = server.page()
    equal([name for name in page.types if "canary" in name], [], "metrics of the canary")
    equal(page.value("drain_exporter_messages_recognised_total", app="app", family="canary"), 1, "the line of somebody else's")
    equal(document(server), None, "the status page")


@test
def nobody_can_fake_it(context):
    """Neither with a token that was guessed nor with one that was out before."""
    elsewhere = ScriptedServer()
    server = start(context, url(elsewhere.port))
    wait_for(lambda: value(server, "elsewhere_total") >= 3, "it is taken elsewhere", 20)
    seen = [request.body for request in elsewhere.requests[:-1]]  # the last one may be out still
    for body in seen:
        server.post(body, "app")
    server.post(line("canary=" + uuid.uuid4().hex, "drain_exporter", "canary") + line("canary=short", "drain_exporter", "canary"), "app")
    wait_for(lambda: value(server, "others_total") == len(seen) + 1, "lines of others are counted")
    equal(returned(server), 0, "when one came back")
    equal(server.first_page().value("drain_exporter_messages_ignored_total", app="app"), 1, "what is no such line")
    tokens = [re.search(rb"canary=([0-9a-f]{32})", body).group(1) for body in seen]
    equal(len(set(tokens)), len(tokens), "tokens")
    drains = [request.headers["Logplex-Drain-Token"] for request in elsewhere.requests]
    equal(len(set(drains)), len(drains), "a line that did not come back is sent with another drain token")
    elsewhere.close()


def stalling():
    """A port that takes connections and says nothing."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


@test
def failures_by_reason(context):
    port = free_port()
    hanging_up = ScriptedServer(*["close"] * 1000)
    listener = stalling()
    cases = [(url(port, "wrong"), "status"), (url(free_port()), "connect"), (url(port, host="a" * 70), "dns"), (url(port, scheme="https"), "tls"),
             (url(hanging_up.port), "response"), (url(listener.getsockname()[1]), "timeout")]
    for address, reason in cases:
        server = start(context, address, port, MAX_ADDRESS_LOGIN_FAILURES="0")
        await_failure(server, reason)
        page = server.first_page()
        check(failing(page) <= {reason, "timeout"}, "reasons: %r", failing(page))
        equal(page.value(CANARY + "last_success_timestamp_seconds"), 0, "when one came back")
        check(server.stop() < 10, "%s: it does not stop", reason)
        equal(server.log().count("does not come back"), 1, "sentences in the log, which is %r" % server.log())
    hanging_up.close()
    listener.close()


@test
def urls_that_are_none(context):
    for address in ("ftp://drain:%s@a/" % DRAIN_PASSWORD, "https://drain:%s@/" % DRAIN_PASSWORD):
        for arguments in ((), ("--check-config",)):
            done = subprocess.run([context.program, *arguments], capture_output=True, text=True, timeout=60,
                                  env={"PASSWORD_DRAIN": "d", "PASSWORD_METRICS": "m", "LISTEN_ADDRESS": "127.0.0.1:%d" % free_port(), "CANARY_URL": address})
            equal(done.returncode, 1, "the exit status")
            check("CANARY_URL: the URL" in done.stderr and DRAIN_PASSWORD not in done.stderr + done.stdout, "it says %r", done.stderr)


@test
def its_password_can_be_rotated(context):
    """CANARY_URL_FILE is read again with the passwords."""
    port = free_port()
    path = context.file("url", url(port, "old"))
    server = start(context, None, port, CANARY_URL_FILE=path, MAX_ADDRESS_LOGIN_FAILURES="0")
    await_failure(server, "status")
    context.file("url", "nonsense")
    server.tell(signal.SIGHUP)
    wait_for(lambda: "CANARY_URL: the URL" in server.log(), "a URL that is none is refused")
    context.file("url", url(port))
    server.tell(signal.SIGHUP)
    await_return(server)
    wait_for(lambda: "comes back again" in server.log(), "the log says that it is back")


@test
def the_canary_through_haproxy(context):
    """With TLS; and when the balancer is stopped and comes again."""
    command("haproxy")
    if shutil.which("openssl") is None:
        raise Skip("there is no openssl")
    cert, key = certificates.certificate(context.folder)
    with open(cert) as one, open(key) as other:
        both = context.file("both.pem", one.read() + other.read())
    port, public = free_port(), free_port()
    ports = [port] + [free_port() for _ in range(4)]
    server = start(context, url(public, host="localhost", scheme="https"), port, OUTGOING_CA_FILE=cert, CANARY_INTERVAL="1s")
    balancer = Balancer(context, "haproxy", ports, public, both)
    await_return(server)
    balancer.close()
    await_failure(server, "connect")
    before = returned(server)
    await_failure(server, "connect")
    equal(returned(server), before, "when one came back")
    check("cannot connect" in document(server)["error"], "the status page")
    Balancer(context, "haproxy", ports, public, both)
    await_return(server)
    # Who does not know the authority gets no password.
    other = start(context, url(public, host="localhost", scheme="https"))
    await_failure(other, "tls")


@test
def two_shards_behind_haproxy(context):
    """Each finds a drain token that leads to itself; what one misses the other has read."""
    command("haproxy")
    public = free_port()
    ports = [free_port() for _ in range(5)]
    servers = [start(context, url(public), port) for port in ports[:2]]
    Balancer(context, "haproxy", ports, public)
    for server in servers:
        await_return(server)
        await_return(server)

    def totals(name):
        return sum(value(server, name) for server in servers)

    wait_for(lambda: 0 <= totals("elsewhere_total") <= totals("others_total"), "what was taken elsewhere was read there", 20)
