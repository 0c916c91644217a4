"""A rolling deploy: the next exporter begins with what the one that still runs has, by WARM_START_URL."""
import http.server
import os
import re
import shutil
import signal
import socket
import threading

from documentation import ROOT
from harness import Skip, test
from restarts import LATER, await_save, burst, crash, of_apps, state_of
from scraping import Prometheus
from support import certificates
from support.checks import check, equal
from support.exporter import AUTH_METRICS, METRICS_PASSWORD, Exporter
from support.lines import gauge, ingest, line, logplex, router_error
from support.ports import free_port
from support.waiting import patient, wait_for

RESULTS = ("loaded", "unreachable", "tls", "timeout", "status", "cut", "later", "damaged")


def url_of(port, password=METRICS_PASSWORD, scheme="http", host="127.0.0.1", path="/state"):
    return "%s://metrics:%s@%s:%d%s" % (scheme, password, host, port, path)


def results(page):
    """The results that were counted."""
    return [result for result in RESULTS if page.value("drain_exporter_warm_starts_total", result=result)]


class StateServer:
    """Answers GET with this body; announced: a Content-Length that is not its own; stalls: after so many bytes."""

    def __init__(self, context, body, announced=None, stalls=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(announced or len(body)))
                self.end_headers()
                self.wfile.write(body[:stalls])
                self.wfile.flush()
                if stalls is not None:
                    self.connection.recv(1)  # until it is gone

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        context.closers.append(self.close)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def filled(context, **settings):
    """An exporter that has seen something, and its state."""
    server = context.server(**settings)
    server.post(burst(5), "shop", logplex(7, frame_id="known"))
    server.page()
    return server, server.request("GET", "/state", AUTH_METRICS).body


@test
def the_next_one_knows_what_the_running_one_has(context):
    """At the first scrape: gauges and dynos as they are, counters at 0; what the old one has counted is not counted again."""
    old, _ = filled(context)
    before = of_apps(old.page())
    server = context.server(WARM_START_URL=url_of(old.port, host="localhost"))
    page = server.first_page()
    equal(page.value("level", app="shop", process="web.1"), 7, "a gauge")
    equal(page.select("heroku_postgres_tables")[0][1], 7, "a value of Postgres")
    equal(page.value("heroku_dyno_up", app="shop", process="web.1", process_type="web"), before["heroku_dyno_up", (("app", "shop"), ("process", "web.1"), ("process_type", "web"))], "a dyno")
    equal(page.value("ticks", app="shop", process="web.1"), 0, "a counter")
    equal(page.value("heroku_router_errors", app="shop", process="web.1", code="H12"), 0, "errors")
    equal(page.value("drain_exporter_messages_received_total", app="shop"), 0, "the ledger")
    equal(results(server.page()), ["loaded"], "what came of it")
    equal(server.log().count("WARM_START_URL"), 1, "sentences in the log")
    # A batch whose answer got lost is sent again, and the balancer gives it to the next one.
    server.post(burst(5), "shop", logplex(7, frame_id="known"))
    page = server.page()
    equal(page.value("drain_exporter_messages_duplicate_total", app="shop"), 7, "messages that the old one has counted")
    equal(page.value("ticks", app="shop", process="web.1"), 0, "the counter after that")
    server.post(burst(3), "shop", logplex(7, frame_id="new"))
    equal(server.page().value("ticks", app="shop", process="web.1"), 3, "the counter goes on from 0")
    equal(old.page().value("ticks", app="shop", process="web.1"), 5, "the old one's")


@test
def a_state_by_tls(context):
    """The certificate must be valid; who has another one gets no password."""
    if shutil.which("openssl") is None:
        raise Skip("there is no openssl")
    cert, key = certificates.certificate(context.folder)
    old, _ = filled(context, tls=certificates.client(cert), TLS_CERT_FILE=cert, TLS_KEY_FILE=key)
    stranger = context.folder + "/stranger"
    os.mkdir(stranger)
    its_cert, its_key = certificates.certificate(stranger, names="DNS:metrics.example")
    other, _ = filled(context, tls=certificates.client(its_cert), TLS_CERT_FILE=its_cert, TLS_KEY_FILE=its_key)
    for old, authority, host, wanted in ((old, cert, "localhost", "loaded"), (old, cert, "127.0.0.1", "loaded"), (old, None, "localhost", "tls"),
                                         (other, its_cert, "localhost", "tls"), (other, its_cert, "127.0.0.1", "tls")):  # it is of another name
        used = old.page().value("drain_exporter_http_requests_total", path="state", status="200") or 0
        server = context.server(WARM_START_URL=url_of(old.port, scheme="https", host=host), OUTGOING_CA_FILE=authority)
        page = server.page()
        equal(results(page), [wanted], "by %s of %s" % (host, authority))
        equal(page.value("level", app="shop", process="web.1"), 7 if wanted == "loaded" else None, "a gauge, by %s of %s" % (host, authority))
        equal((old.page().value("drain_exporter_http_requests_total", path="state", status="200") or 0) - used, wanted == "loaded", "requests that were answered")
        server.stop()


@test
def increases_over_a_rolling_deploy(context):
    """As a real Prometheus sees both: together they rise by what was sent, from the first line that the new one takes; and each gauge has one value, the newest."""
    if context.sanitizer is not None:
        raise Skip("Prometheus tells nothing more of this build")
    port = free_port()
    old = context.server(SCRAPE_INTERVAL="1s")
    prometheus = Prometheus(context, {"old": (old, METRICS_PASSWORD)}, more=[{"job_name": "new", "basic_auth": {"username": "metrics", "password": METRICS_PASSWORD},
                                                                            "static_configs": [{"targets": ["127.0.0.1:%d" % port]}]}])
    name = 'heroku_router_errors{app="shop",code="H12",process="web.1"}'

    def post(server, count, number):
        server.post(router_error("H12") * count, "shop", logplex(count, frame_id="n-%d" % number))

    (newest,) = re.findall(r"```\n(heroku_dyno_memory_rss_bytes\nand .*?)```", open(os.path.join(ROOT, "docker", "RESTARTS.md")).read(), re.S)

    def gauges():
        """[(port, value)] of a gauge, as docker/RESTARTS.md says."""
        return [(int(labels["instance"].split(":")[1]), value) for labels, value in prometheus.query(newest.replace("heroku_dyno_memory_rss_bytes", 'level{app="shop"}'))]

    def rises():
        """{port: what increase() adds up, without its extrapolation}."""
        return {labels["instance"].split(":")[1]: sum(new - old for (_, old), (_, new) in zip(values, values[1:])) for labels, values in prometheus.samples(name)}

    post(old, 1, 0)
    wait_for(lambda: prometheus.samples(name), "the series is scraped", 20, 0.2)
    first = prometheus.samples(name)[0][1][0][1]
    post(old, 10, 1)
    old.post(ingest([gauge("level", 1)]), "shop")
    server = context.server(port=port, SCRAPE_INTERVAL="1s", WARM_START_URL=url_of(old.port))
    wait_for(lambda: str(port) in rises(), "the new one's zero is scraped", 20, 0.2)
    equal([value for _, value in gauges()], [1], "the gauge, of which both have the same")
    post(server, 10, 1)  # its answer got lost
    server.post(ingest([gauge("level", 2)]), "shop")
    post(server, 20, 2)
    wait_for(lambda: gauges() == [(port, 2)] or check(False, "it is %r", gauges()), "the gauge of the new one", 20, 0.2)
    post(old, 5, 3)
    wait_for(lambda: first + rises()[str(old.port)] == 16, "the old one's last increase is scraped: %r" % first, 20, 0.2)
    old.stop()
    post(server, 7, 4)
    wait_for(lambda: rises()[str(port)] == 27, "the new one's increase", 20, 0.2)
    equal(first + sum(rises().values()), 43, "what both have counted")


def bind_and_stall(context):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(8)
    context.closers.append(listener.close)
    return listener.getsockname()[1]


@test
def states_that_cannot_be_had(context):
    """Each is told by one sentence and a metric, and the program begins with nothing, not with a part."""
    old, good = filled(context)
    middle = len(good) - 200
    cases = {
        "nobody": (url_of(free_port()), "unreachable"),
        "no host": (url_of(80, host="a" * 70), "unreachable"),
        "password": (url_of(old.port, "wrong"), "status"),
        "path": (url_of(old.port, path="/nowhere"), "status"),
        "silence": (url_of(bind_and_stall(context)), "timeout"),
        "half": (url_of(StateServer(context, good, stalls=middle).port), "timeout"),
        "cut": (url_of(StateServer(context, good[:middle], announced=len(good)).port), "cut"),
        "no end": (url_of(StateServer(context, good[:middle]).port), "cut"),
        "bit": (url_of(StateServer(context, good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1:]).port), "damaged"),
        "later": (url_of(StateServer(context, LATER).port), "later"),
        "more": (url_of(StateServer(context, good + b"x").port), "damaged"),
        "page": (url_of(StateServer(context, b"<html>" * 100).port), "damaged"),
    }
    some = list(cases) if context.sanitizer is None else ["nobody", "half", "cut", "bit", "later"]  # the others tell nothing more there
    for what in some:
        address, wanted = cases[what]
        server = context.server(WARM_START_URL=address, WARM_START_TIMEOUT="500ms")
        page = server.page()
        check(results(page) in ([wanted], ["timeout"]), "%s: it is %r, not %s", what, results(page), wanted)
        equal(of_apps(page).keys() & {key for key in of_apps(old.page()) if dict(key[1]).get("app") == "shop"}, set(), "%s: series of apps" % what)
        equal(server.log().count("WARM_START_URL: nothing was loaded"), 1, "%s: sentences in the log, which is %r" % (what, server.log()))
        server.post(burst(5), "shop", logplex(7, frame_id="known"))
        equal(server.page().value("ticks", app="shop", process="web.1"), 5, "%s: it counts" % what)
        server.stop()


@test
def who_asks_can_be_stopped(context):
    """SIGTERM and Ctrl-C end a program that waits for one that does not answer."""
    for number in (signal.SIGTERM, signal.SIGINT):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        listener.settimeout(patient(20))
        settings = {"WARM_START_URL": url_of(listener.getsockname()[1]), "WARM_START_TIMEOUT": "10m", "STATE_FILE": state_of(context)}
        server = Exporter(context.program, settings=settings, output_path=context.file("stopped-%d.log" % number, ""))
        context.closers.append(server.close)
        asked, _ = listener.accept()
        asked.settimeout(patient(20))
        check(asked.recv(1000).startswith(b"GET /state "), "it asks for something else")
        with socket.socket() as probe:
            check(probe.connect_ex((server.host, server.port)) != 0, "its socket is open before it knows what the other one has")
        server.stop(number)
        check("stopped while it asked WARM_START_URL" in server.log(), "the log says: %s", server.log())
        asked.close()
        listener.close()


@test
def a_file_and_a_running_one(context):
    """The file of one that has stopped wins, since its counters go on; else the one that runs, which knows more than a file; else the file."""
    def start(address):
        server = context.server(STATE_FILE=state_of(context), STATE_INTERVAL="100ms", WARM_START_URL=address)
        return server, server.page()

    def found(page):
        return [label for label in ("none", "orderly", "crashed", "unusable", "passed_over") if page.value("drain_exporter_state_loads_total", found=label)]

    old, _ = filled(context)
    server, page = start(url_of(old.port))
    equal((results(page), found(page)), (["loaded"], ["none"]), "with no file yet")
    server.post(ingest([gauge("level", 8)]), "shop")
    server.post(line("count#signups=2", "app", "web.1"), "shop")
    server.stop()
    server, page = start(url_of(old.port))
    equal((results(page), found(page)), (["loaded"], ["none", "orderly"]), "after a stop, when counters go on")
    equal(page.value("drain_exporter_warm_starts_total", result="loaded"), 1, "how often one that runs was asked")
    equal((page.value("level", app="shop", process="web.1"), page.value("l2met_signups_total", app="shop", process_type="web")), (8, 2), "a gauge and a counter of the file")
    await_save(server)
    crash(server)
    server, page = start(url_of(old.port))
    equal((results(page), found(page)), (["loaded"], ["passed_over"]), "after a crash, with one that runs")
    equal(page.value("level", app="shop", process="web.1"), 7, "a gauge of the one that runs")
    server.post(ingest([gauge("level", 9)]), "shop")
    await_save(server)
    crash(server)
    server, page = start(url_of(free_port()))
    equal((results(page), found(page)), (["unreachable"], ["crashed"]), "after a crash, with none that runs")
    equal(page.value("level", app="shop", process="web.1"), 9, "a gauge of the file")
