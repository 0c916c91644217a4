"""Stopping and reloading.  (Not Python's module signal.)"""
import os
import signal
import time

from harness import in_threads, test
from support.checks import Failure, check, equal
from support.exporter import AUTH_DRAIN, DRAIN_PASSWORD
from support.exposition import ledger
from support.http_client import basic
from support.lines import gauge, ingest, logplex, router_error
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
