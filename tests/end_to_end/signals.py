"""Stopping and reloading, and what the program says of itself: health, readiness, when passwords were last used, the access log.
(Not Python's module signal.)"""
import crypt
import json
import os
import re
import signal
import socket
import subprocess
import time

from harness import in_threads, test
from support.checks import Failure, check, equal
from support.exporter import AUTH_DRAIN, AUTH_METRICS, DRAIN_PASSWORD, METRICS_PASSWORD, Exporter
from support.exposition import ledger
from support.http_client import basic
from support.lines import gauge, ingest, line, logplex, router_error
from support.ports import free_port
from support.processes import environment
from support.log_shuttle import LogShuttle, shuttle_line
from support.raw_connection import Raw, head_of, post_of
from support.waiting import patient, wait_for

HEALTH = head_of("GET", "/health")


def begin_batch(server, app="flight"):
    """A connection with half a batch on it, and the other half."""
    raw = Raw(server)
    data = post_of(ingest([gauge("g", 1)]) * 50, app)
    raw.send(data[: len(data) // 2])
    return raw, data[len(data) // 2 :]


def wait_for_arrival(server):
    """Until what was sent before has been read by the server: a request that came later was answered by each worker."""
    for _ in range(8):
        equal(server.request("GET", "/health").status, 200, "health")


def finishes_what_is_in_flight(context, number):
    server = context.server()
    raw, rest = begin_batch(server)
    with raw:
        wait_for_arrival(server)
        start = time.monotonic()
        server.tell(number)
        wait_for(lambda: not server.listens(), "new connections are refused")
        time.sleep(0.7)  # longer than the grace for idle connections: an open request is not idle
        check(server.is_running(), "the program ended while a request was in flight")
        raw.send(rest)
        equal(raw.answer().status, 204, "the batch that was in flight")
        check(raw.is_closed(5), "the connection stays open after the stop")
    server.wait_exit(15)
    check(time.monotonic() - start < patient(15), "the stop took %.1f s", time.monotonic() - start)


@test
def sigterm_finishes_what_is_in_flight(context):
    finishes_what_is_in_flight(context, signal.SIGTERM)


@test
def sigint_finishes_what_is_in_flight(context):
    finishes_what_is_in_flight(context, signal.SIGINT)


@test
def stop_without_connections_is_quick(context):
    for number in (signal.SIGTERM, signal.SIGINT):
        took = context.server().stop(number)
        check(took < patient(1.0), "the stop took %.1f s", took)


@test
def idle_connections_do_not_delay_the_stop(context):
    server = context.server()
    raws = [Raw(server) for _ in range(20)]
    for raw in raws[:15]:
        equal(raw.ask(post_of(b"", "idle")).status, 204, "a batch")
    took = server.stop()
    check(took < patient(3.0), "the stop took %.1f s", took)
    for raw in raws:
        check(raw.is_closed(2), "a connection is open after the program's end")
        raw.close()


@test
def strangers_do_not_delay_the_stop(context):
    """Half a header, or half a body whose password has to be verified: neither is waited for, as a batch of a sender that is known is."""
    hashed = crypt.crypt("secret", "$6$rounds=1000$saltsalt")
    server = context.server(HEADER_TIMEOUT="300s", REQUEST_TIMEOUT="300s", WORKERS=1, CONFIG="drains: [{name: hashed, app: a, password_hash: '%s'}]" % hashed)
    with Raw(server) as header, Raw(server) as body, Raw(server) as other:
        header.send("POST /drain HTTP/1.1\r\nHost:")
        body.send(head_of("POST", "/drain", {"Authorization": basic("hashed", "guess"), "Content-Length": "1000"}) + b"x")
        equal(other.ask(head_of("GET", "/health")).status, 200, "health, after which both were read")
        server.stop()
    check("cut off" not in server.log(), "they were waited for: %s", server.log())


@test
def half_a_request_for_ever_does_not_stop_the_stop(context):
    # The threads that still wait for it end with the process.
    server = context.server(TSAN_OPTIONS=os.environ.get("TSAN_OPTIONS", "") + " report_thread_leaks=0")
    raw, _ = begin_batch(server)
    with raw, Raw(server) as header:
        header.send("POST /drain HTTP/1.1\r\nHost:")
        wait_for_arrival(server)
        took = server.stop(seconds=15)
    check(took < patient(15), "the stop took %.1f s", took)


@test
def no_batch_is_answered_with_an_error_at_the_stop(context):
    """log-shuttle drops a batch on any status from 400 on, and all senders try again what got no answer."""
    server = context.server()
    raw, rest = begin_batch(server)
    with raw, Raw(server) as kept, Raw(server) as probe, Raw(server) as idle:
        equal(kept.ask(post_of(ingest([gauge("g", 1)]), "kept")).status, 204, "a batch before the stop")
        equal(probe.ask(HEALTH).status, 200, "health before the stop")
        equal(idle.ask(HEALTH).status, 200, "health before the stop")
        wait_for_arrival(server)
        server.tell(signal.SIGTERM)
        wait_for(lambda: not server.listens(), "new connections are refused")
        # Each worker is told in its turn.  From then on a batch on an open connection is taken, and the connection closed.
        told = None
        while told != "close":
            try:
                answer = kept.ask(post_of(ingest([gauge("g", 2)]), "kept"))
            except (Failure, ConnectionError) as failure:  # it was idle for half a second, on a machine that is busy
                check("closed" in str(failure) or isinstance(failure, ConnectionError), "%s", failure)
                break
            equal(answer.status, 204, "a batch after the stop")
            told = answer.header("connection")
        check(kept.is_closed(5), "the connection stays open after the stop")

        def is_unhealthy():
            try:
                return probe.ask(HEALTH).status == 503
            except (Failure, ConnectionError):
                return True

        wait_for(is_unhealthy, "health is 503, or the connection closed")
        check(idle.is_closed(5), "an idle connection stays open after the stop")
        raw.send(rest)
        equal(raw.answer().status, 204, "the batch that was in flight")
    server.wait_exit(15)


@test
def log_shuttle_loses_nothing_at_a_restart(context):
    """The program is stopped while four outlets send as fast as they can, and the next one listens as soon as the port is free."""
    first = context.server()
    lines, batches = [shuttle_line("line %d" % i) for i in range(500)], context.scaled(400, 4)
    with LogShuttle(first, "shuttle") as shuttle:

        def send():
            for _ in range(batches):
                shuttle.send(lines)

        def restart():
            wait_for(lambda: shuttle.totals().acknowledged >= 500 * batches // 3, "a third was sent", 60)
            first.tell(signal.SIGTERM)
            wait_for(lambda: not first.listens(), "new connections are refused", pause=0.001)
            return context.server(port=first.port)

        following = []
        in_threads([send, lambda: following.append(restart())])
        equal(shuttle.finish(), (500 * batches, 0, 0), "lines acknowledged, dropped and given up")
    first.wait_exit(15)
    received = ledger(following[0].page(), "shuttle")["received"]
    check(0 < received < 500 * batches, "the second program received %d lines", received)


@test
def many_batches_in_flight_at_the_stop(context):
    server = context.server()
    raws = [begin_batch(server, "app%d" % i) for i in range(30)]
    wait_for_arrival(server)
    server.tell(signal.SIGTERM)
    for raw, rest in raws:
        raw.send(rest)
    for raw, _ in raws:
        equal(raw.answer().status, 204, "a batch that was begun before the stop")
        raw.close()
    server.wait_exit(15)


@test
def sigusr1_is_unhealthy_first(context):
    server = context.server()
    start = time.monotonic()
    with Raw(server) as raw:
        server.tell(signal.SIGUSR1)
        wait_for(lambda: server.request("GET", "/health").status == 503, "health is 503")
        for i in range(5):
            equal(raw.ask(post_of(ingest([gauge("g", i)]), "late")).status, 204, "a batch while unhealthy")
        server.post(ingest([gauge("g", 9)]), "late")
        equal(server.page().value("g", app="late", process="web.1"), 9, "the gauge while unhealthy")
        equal(raw.ask(HEALTH).status, 503, "health on a kept connection")
        server.wait_exit(20)
    took = time.monotonic() - start
    check(1.0 < took, "the program gave nobody time to look elsewhere: %.1f s", took)


@test
def sigusr1_after_a_long_rest_gives_as_much_time(context):
    """The time to look elsewhere starts with the signal, not with the last thing that happened before it."""
    server = context.server()
    with Raw(server) as raw:
        equal(raw.ask(HEALTH).status, 200, "health")
        time.sleep(6)  # nothing must happen: this is what is tested
        server.tell(signal.SIGUSR1)
        wait_for(lambda: raw.ask(HEALTH).status == 503, "health is 503")
        start = time.monotonic()
        server.wait_exit(20)
    check(2.0 < time.monotonic() - start, "the program gave nobody time to look elsewhere")


@test
def sigterm_after_sigusr1_stops_at_once(context):
    server = context.server()
    server.tell(signal.SIGUSR1)
    wait_for(lambda: server.request("GET", "/health").status == 503, "health is 503")
    took = server.stop()
    check(took < patient(3), "the stop took %.1f s", took)


def posts(server, password):
    return server.request("POST", "/drain?app_name=kept", {"Authorization": basic("drain", password)}, b"").status


@test
def sighup_reads_the_secrets_again(context):
    path = context.file("secret", "first-Secret\n")
    server = context.server(PASSWORD_DRAIN=None, PASSWORD_DRAIN_FILE=path)
    equal(posts(server, "first-Secret"), 204, "the first password")
    server.request("POST", "/drain?app_name=kept", {"Authorization": basic("drain", "first-Secret")}, ingest([gauge("g", 1)]) + router_error())
    with Raw(server) as kept:
        equal(kept.ask(HEALTH).status, 200, "health")
        context.file("secret", "second-Secret\n")
        equal(posts(server, "second-Secret"), 401, "the second password before SIGHUP")
        server.tell(signal.SIGHUP)
        wait_for(lambda: posts(server, "second-Secret") == 204, "the second password is accepted")
        equal(posts(server, "first-Secret"), 401, "the first password after SIGHUP")
        equal(kept.ask(HEALTH).status, 200, "health on the same connection")
    page = server.page()
    equal(page.value("g", app="kept", process="web.1"), 1, "the gauge after SIGHUP")
    equal(page.value("heroku_router_errors", app="kept", code="H12", process="web.1"), 1, "the router error after SIGHUP")
    # A reload that cannot be done changes nothing.
    context.file("secret", "")
    server.tell(signal.SIGHUP)
    wait_for(lambda: "nothing was changed" in server.log(), "the failed reload is logged")
    equal(posts(server, "second-Secret"), 204, "the second password after a failed reload")
    equal(posts(server, ""), 401, "the empty password")
    context.file("secret", "third-Secret\n")
    server.tell(signal.SIGHUP)
    wait_for(lambda: posts(server, "third-Secret") == 204, "the third password is accepted")
    for secret in ("first-Secret", "second-Secret", "third-Secret", DRAIN_PASSWORD, AUTH_DRAIN["Authorization"]):
        check(secret not in server.log(), "a secret is logged")


@test
def sighup_rotates_under_load(context):
    """With the old password as the previous one there is no gap."""
    path, previous = context.file("secret", "one-Secret"), context.file("previous", "zero-Secret")
    server = context.server(PASSWORD_DRAIN=None, PASSWORD_DRAIN_FILE=path, PASSWORD_DRAIN_PREVIOUS_FILE=previous)
    names = ["zero", "one", "two", "three", "four", "five"]
    for old, new in zip(names[1:], names[2:]):
        context.file("previous", old + "-Secret")
        context.file("secret", new + "-Secret")
        server.tell(signal.SIGHUP)
        wait_for(lambda: (equal(posts(server, old + "-Secret"), 204, "the old password during the rotation"), posts(server, new + "-Secret") == 204)[1],
                 "the new password is accepted")
    equal(posts(server, "three-Secret"), 401, "a password of two rotations ago")


@test
def a_batch_is_on_the_page_when_it_is_answered(context):
    server = context.server()
    with Raw(server) as raw:
        for i in range(context.scaled(200)):
            equal(raw.ask(post_of(ingest([gauge("g", i)]), "now", logplex(1))).status, 204, "a batch")
            equal(server.page().value("g", app="now", process="web.1"), i, "the gauge right after 204")


# ---- health and readiness ----

def verbose(server, headers=AUTH_METRICS, target="/health?verbose", status=200):
    answer = server.request("GET", target, headers)
    equal(answer.status, status, "the status of %s" % target)
    return json.loads(answer.body) if status in (200, 503) else answer.body


@test
def health_says_more_to_who_has_the_metrics_password(context):
    path = context.file("secret", "first-Secret")
    server = context.server(PASSWORD_DRAIN=None, PASSWORD_DRAIN_FILE=path, TOKEN_METRICS="tOken-of-metrics", WORKERS=2)
    equal(server.request("GET", "/health").body, b'{"ok":true}', "health")
    equal(server.request("GET", "/health?verbos=1").body, b'{"ok":true}', "health with another parameter")
    for headers in ({}, {"Authorization": basic("metrics", "wrong")}, {"Authorization": "Bearer wrong"}, AUTH_DRAIN):
        verbose(server, headers, status=401)
    for headers in (AUTH_METRICS, {"Authorization": "Bearer tOken-of-metrics"}):
        for target in ("/health?verbose", "/health?x=1&verbose=1"):
            said = verbose(server, headers, target)
            equal((said["ok"], said["ready"], said["workers"]), (True, True, {"started": 2, "alive": 2}), "what health says")
    loaded = said["configuration"]["loaded"]
    check(abs(loaded - time.time()) < patient(60), "the configuration was loaded at %r", loaded)
    check(said["configuration"]["load_failed"] == 0, "a load has failed at %r", said)
    check(said["sweep"]["age_seconds"] < patient(60), "the last sweep was %r", said["sweep"])
    wait_for(lambda: verbose(server)["configuration"]["age_seconds"] > 0, "the configuration grows older")
    head = server.request("HEAD", "/health?verbose", AUTH_METRICS)
    equal((head.status, head.body), (200, b""), "HEAD /health?verbose")
    # A load that fails is told, and a later one that does not as well.
    context.file("secret", "")
    server.tell(signal.SIGHUP)
    wait_for(lambda: verbose(server)["configuration"]["load_failed"] != 0, "the failed load is told")
    page = server.page()
    equal(page.value("drain_exporter_config_loaded_timestamp_seconds"), loaded, "when the configuration was loaded")
    failed = page.value("drain_exporter_config_load_failed_timestamp_seconds")
    equal(failed, verbose(server)["configuration"]["load_failed"], "when a load failed")
    context.file("secret", "second-Secret")
    server.tell(signal.SIGHUP)
    wait_for(lambda: posts(server, "second-Secret") == 204, "the second password is accepted")
    check(verbose(server)["configuration"]["loaded"] >= failed, "the configuration was loaded before a load failed")
    text = json.dumps(verbose(server))
    for secret in ("second-Secret", "tOken-of-metrics", METRICS_PASSWORD):
        check(secret not in text, "health tells a secret")


@test
def health_says_more_inside_alone(context):
    """Where there is an inside, and to addresses that may read pages."""
    inside = free_port("127.0.0.1")
    server = context.server(METRICS_LISTEN_ADDRESS="127.0.0.1:%d" % inside)
    verbose(server, status=404)
    equal(server.request("GET", "/health").status, 200, "health outside")
    server.port, outside = inside, server.port
    check(verbose(server)["ok"], "health inside")
    server.port = outside
    closed = context.server(ALLOW_METRICS="192.0.2.1")
    verbose(closed, status=403)
    equal(closed.request("GET", "/health").status, 200, "health for an address that may not read pages")


@test
def readiness_ends_before_the_stop(context):
    server = context.server()
    answer = server.request("GET", "/ready")
    equal((answer.status, answer.body), (200, b'{"ready":true}'), "ready")
    equal(server.request("POST", "/ready", body=b"").status, 405, "POST /ready")
    with Raw(server) as kept:
        equal(kept.ask(head_of("GET", "/ready")).status, 200, "ready on a kept connection")
        server.tell(signal.SIGUSR1)
        wait_for(lambda: server.request("GET", "/ready").status == 503, "ready is 503")
        equal(server.request("GET", "/ready").body, b'{"ready":false}', "the body while stopping")
        said = verbose(server, status=503)
        equal((said["ok"], said["ready"]), (False, False), "health while stopping")
        equal(kept.ask(head_of("GET", "/ready")).status, 503, "ready on a kept connection while stopping")
    server.stop()


# ---- credentials ----

USED = "drain_exporter_credential_last_used_timestamp_seconds"


def last_used(page):
    """When each was used, by role, name and slot."""
    return {tuple(labels[name] for name in ("role", "name", "slot")): value for labels, value in page.select(USED)}


@test
def a_rotation_is_over_when_nobody_uses_the_old_password(context):
    path, previous = context.file("secret", "two-Secret"), context.file("previous", "one-Secret")
    server = context.server(PASSWORD_DRAIN=None, PASSWORD_DRAIN_FILE=path, PASSWORD_DRAIN_PREVIOUS_FILE=previous,
                            PASSWORD_METRICS_PREVIOUS="old-Metrics", TOKEN_METRICS="tOken-of-metrics",
                            CONFIG="drains: [{name: shop, app: my-shop, password: shop-Secret}]\nscrapes: [{name: team, password: team-Secret, apps: [my-shop]}]")
    start = int(time.time())
    used = last_used(server.page())
    metrics = used.pop(("metrics", "metrics", "current"))
    check(metrics >= start, "the metrics password was last used at %r", metrics)
    equal(used, {("drain", "drain", "current"): 0, ("drain", "drain", "previous"): 0, ("drain", "shop", "current"): 0, ("metrics", "team", "current"): 0,
                 ("metrics", "metrics", "previous"): 0, ("metrics", "__token__", "current"): 0}, "credentials before they are used")
    with Raw(server) as kept:  # which is trusted after its first request
        for _ in range(2):
            equal(kept.ask(post_of(b"", "kept", {"Authorization": basic("drain", "one-Secret")})).status, 204, "the old password")
    equal(posts(server, "wrong"), 401, "a wrong password")
    old = last_used(server.page())
    check(old["drain", "drain", "previous"] >= start, "the old password was last used at %r", old)
    equal(old["drain", "drain", "current"], 0, "the new password before it is used")
    for headers, key in (({"Authorization": basic("metrics", "old-Metrics")}, ("metrics", "metrics", "previous")),
                         ({"Authorization": "Bearer tOken-of-metrics"}, ("metrics", "__token__", "current"))):
        equal(server.request("GET", "/metrics", headers).status, 200, "a scrape by %r" % (key,))
        check(last_used(server.page())[key] >= start, "%r was used", key)
    equal(server.request("GET", "/v1/apps/my-shop", {"Authorization": basic("team", "team-Secret")}).status, 404, "a page of an app that is not known")
    equal(server.request("POST", "/drain", {"Authorization": basic("shop", "shop-Secret")}, b"").status, 204, "the password of an app")
    used = last_used(server.page())
    for key in (("metrics", "team", "current"), ("drain", "shop", "current")):
        check(used[key] >= start, "%r was used", key)
    # The next rotation: a time goes along with its password.
    equal(posts(server, "two-Secret"), 204, "the new password")
    current = last_used(server.page())["drain", "drain", "current"]
    context.file("previous", "two-Secret")
    context.file("secret", "three-Secret")
    server.tell(signal.SIGHUP)
    wait_for(lambda: last_used(server.page())["drain", "drain", "current"] == 0, "a new password was never used")
    equal(last_used(server.page())["drain", "drain", "previous"], current, "the time of the password that is now the previous one")
    check(last_used(server.page())["drain", "shop", "current"] >= start, "a password that has not changed")


# ---- the access log ----

LINE = re.compile(r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=info event=request (.*) client=127\.0\.0\.1(.*) duration_ms=\d+ (received=.*)")


def access_lines(server):
    """The lines of the access log, without what differs from run to run."""
    lines = [LINE.fullmatch(line) for line in server.log().splitlines() if "event=request" in line]
    check(all(lines), "a line of the access log is not as it is documented: %r", server.log()[-2000:])
    return ["".join(line.group(1, 2)) + " " + line.group(3) for line in lines]


def ask_each(server, requests):
    """Each on a connection of its own, which is closed when it was answered; the server has logged each of them."""
    for number, (data, *_) in enumerate(requests):
        with Raw(server) as raw:
            raw.send(data)
            if b"half a body" not in data:
                raw.answer(head=data.startswith(b"HEAD"), chunks=True)
        wait_for(lambda: len(access_lines(server)) > number, "the line of %r" % data[:60])


HUNTER = "hunter2"  # a password, in all places where none should be
DRAIN = "Authorization: %s\r\n" % AUTH_DRAIN["Authorization"]
REQUESTS = [
    # What is sent, and its line.  The first one is no error.
    (post_of(b"abc", "x&password=hunter2"), "method=POST path=/drain status=204 user=drain received=3 sent=0"),
    (post_of(b"abc", "x&password=hunter2", {"Authorization": basic(HUNTER, HUNTER)}), "method=POST path=/drain status=401 received=0 sent=23"),
    (post_of(b"abc", "x", {"Content-Encoding": HUNTER}), "method=POST path=/drain status=415 user=drain received=3 sent=39"),
    (post_of(b"half a body", "x", {"Content-Length": "9999"}), "method=POST path=/drain status=none user=drain received=0 sent=0"),
    (head_of("POST", "/drain", {**AUTH_DRAIN, "Transfer-Encoding": "chunked"}) + b"hunter2\r\n", "method=POST path=/drain status=400 user=drain received=0 sent=37"),
    (head_of("POST", "/drain", {**AUTH_DRAIN, "Content-Length": "999999999"}), "method=POST path=/drain status=413 user=drain received=0 sent=22"),
    (head_of("DELETE", "/drain?hunter2"), "method=DELETE path=/drain status=405 received=0 sent=19"),
    (head_of("GET", "/metrics?a=hunter2&b=%20hunter2#hunter2"), "method=GET path=/metrics status=401 received=0 sent=23"),
    (head_of("GET", "/metrics", {"Authorization": "Bearer hunter2"}), "method=GET path=/metrics status=401 received=0 sent=23"),
    (head_of("GET", "/v1/apps/shop", {"Authorization": basic("shop", HUNTER)}), "method=GET path=/v1/apps/shop status=401 received=0 sent=23"),
    (head_of("GET", "/drain:hunter2@host/a%3fhunter2/%22hunter2"), "method=GET path=/*/*/* status=404 received=0 sent=10"),
    (head_of("GET", "http://drain:hunter2@localhost/drain?x=hunter2"), "method=GET path=/drain status=404 received=0 sent=10"),
    (head_of("HEAD", "/" + "x/" * 300), "method=HEAD path=%s status=404 received=0 sent=0" % ("/" + "x/" * 100)[:200]),
    (head_of("GET", "/" + "x" * 70), "method=GET path=/* status=404 received=0 sent=10"),
    (head_of("hunter2;", "/"), "method=- path=- status=400 received=0 sent="),
    (b"GET /\x1b[31mhunter2\x07 HTTP/1.1\r\nHost: a\r\n\r\n", "method=- path=- status=400 received=0 sent="),
]


@test
def the_access_log_has_what_went_wrong(context):
    server = context.server(ACCESS_LOG="errors")
    ask_each(server, REQUESTS[1:])
    with Raw(server) as raw:
        raw.ask(REQUESTS[0][0])
        raw.ask(HEALTH)
    server.scrape()
    server.stop()
    for got, (_, expected) in zip(access_lines(server), REQUESTS[1:]):
        check(got.startswith(expected) if expected.endswith("sent=") else got == expected, "the line is %r, not %r", got, expected)
    equal(len(access_lines(server)), len(REQUESTS) - 1, "lines")
    for secret in (HUNTER, "\x1b", "\x07", DRAIN_PASSWORD, METRICS_PASSWORD, AUTH_DRAIN["Authorization"].split()[1]):
        check(secret not in server.log(), "%r is in the log", secret)


@test
def the_access_log_has_all_requests(context):
    server = context.server(ACCESS_LOG="all", LOG_LEVEL="error", TOKEN_METRICS="tOken", CONFIG="drains: [{name: 'J\u00fcrgen \"x\"', app: j, password: jpass}]")
    ask_each(server, [REQUESTS[0], (HEALTH,), (head_of("HEAD", "/metrics", AUTH_METRICS),), (head_of("GET", "/metrics?x=hunter2", {"Authorization": "Bearer tOken"}),),
                      (post_of(b"", "j", {"Authorization": basic("J\u00fcrgen \"x\"", "jpass")}),)])
    lines = access_lines(server)
    scrape = re.fullmatch(r"method=GET path=/metrics status=200 user=__token__ received=0 sent=(\d+)", lines[3])
    check(scrape and int(scrape.group(1)) > 1000, "the scrape's line is %r", lines[3])
    equal(lines[:3] + lines[4:], [REQUESTS[0][1], "method=GET path=/health status=200 received=0 sent=11", "method=HEAD path=/metrics status=200 user=metrics received=0 sent=0",
                                  r'method=POST path=/drain status=204 user="J\u00c3\u00bcrgen \"x\"" received=0 sent=0'], "lines")
    # On one connection, also without an answer in between.
    with Raw(server) as raw:
        raw.send(HEALTH + head_of("GET", "/ready") + head_of("GET", "/no"))
        for status in (200, 200, 404):
            equal(raw.answer().status, status, "the status of requests in a row")
    wait_for(lambda: len(access_lines(server)) == 8, "all lines are there")
    equal([line.split()[1] for line in access_lines(server)[5:]], ["path=/health", "path=/ready", "path=/no"], "the paths of requests in a row")


@test
def the_access_log_is_off_by_default(context):
    server = context.server()
    server.request("GET", "/no")
    server.post(b"")
    server.stop()
    check("event=request" not in server.log(), "there is an access log: %s", server.log())


def suppressed(server):
    return sum(int(count) for count in re.findall(r"event=request .* suppressed=(\d+)$", server.log(), re.M))


@test
def the_access_log_is_bounded(context):
    """To 100 lines a second.  What is left out is told of on a later line, and counted."""
    server = context.server(ACCESS_LOG="all")
    with Raw(server) as raw:

        def ask():
            raw.send(HEALTH * 300)
            for _ in range(300):
                equal(raw.answer().status, 200, "health")
            return suppressed(server)

        wait_for(ask, "a line says how many were left out", 20)
    seconds = [line.split(".")[0] for line in server.log().splitlines() if "event=request" in line]
    check(max(seconds.count(second) for second in seconds) <= 100, "there are more than 100 lines in a second")
    wait_for(lambda: (server.page().value("drain_exporter_log_lines_dropped_total") or 0) >= suppressed(server), "they are counted")


# ---- sockets of systemd ----


def on_socket(context, listener, count=1, **settings):
    """A server on a socket that is open already, as systemd starts one."""
    command = 'LISTEN_PID=$$ LISTEN_FDS=%d exec "$0" 3<&%d' % (count, listener.fileno())
    settings = {"SANDBOX": "true" if context.sanitizer is None else None, **settings}
    return Exporter("bash", ["-c", command, context.program], port=listener.getsockname()[1], settings=settings, inherited=(listener.fileno(),),
                    output_path=context.file("socket-%d.log" % next(context.numbers), ""))


def listening_socket():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(100)
    return listener


@test
def a_restart_on_an_inherited_socket_refuses_nobody(context):
    """Connections that come while no program runs wait; each of them is answered by the next one."""
    with listening_socket() as listener:
        first = on_socket(context, listener)
        first.post(line("before"), "app")
        first.stop()
        waiting = [Raw(first) for _ in range(20)]
        for raw in waiting:
            raw.send(post_of(line("meanwhile"), "app"))
        second = on_socket(context, listener)
        for raw in waiting:
            equal(raw.answer().status, 204, "the answer to who came meanwhile")
            raw.close()
        equal(ledger(second.page(), "app")["received"], 20, "messages of who came meanwhile")
        second.stop()


@test
def inherited_sockets_are_checked(context):
    """What is no socket that listens, or one too many, is a mistake; what is for another process does not count."""
    with listening_socket() as listener, open(os.devnull) as other:
        for count, inherited, wrong in ((2, listener, "LISTEN_FDS says 2 sockets"), (1, other, "LISTEN_ADDRESS: the descriptor 3, which LISTEN_FDS says to be for it, is no stream socket")):
            done = subprocess.run(["bash", "-c", 'LISTEN_PID=$$ LISTEN_FDS=%d exec "$0" 3<&%d' % (count, inherited.fileno()), context.program], capture_output=True, text=True,
                                  env=environment(PASSWORD_DRAIN="a", PASSWORD_METRICS="b"), pass_fds=(inherited.fileno(),), timeout=patient(20))
            check(done.returncode == 1 and wrong in done.stderr, "%d sockets: status %d, %r", count, done.returncode, done.stderr)
    server = context.server(LISTEN_PID="1", LISTEN_FDS="1")
    equal(server.request("GET", "/health").status, 200, "the status of a server whose variables are for another process")
