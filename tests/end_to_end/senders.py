"""The sender that stands in for log-shuttle does as the real one, and the program takes what it sends."""
import re
import time
import types

from harness import test
from support.checks import check, equal
from support.exporter import AUTH_DRAIN
from support.exposition import ledger
from support.lines import counter, ingest_text
from support.log_shuttle import LogShuttle, shuttle_line
from support.ports import free_port
from support.scripted_server import ScriptedServer
from support.waiting import patient, wait_for


def frames(count):
    return [shuttle_line("line %d" % i) for i in range(count)]


def send_one(server, count=3, **options):
    """The batch once it is over, and the totals."""
    with LogShuttle(server, outlets=1, **options) as shuttle:
        batch = shuttle.send(frames(count))
        return batch, shuttle.finish()


@test
def log_shuttle_keeps_connections_and_marks_batches(context):
    bodies = [frames(count) for count in (3, 1, 500)]
    with ScriptedServer() as server:
        with LogShuttle(server, "a", outlets=1) as shuttle:
            for body in bodies:
                shuttle.send(body)
            equal(shuttle.finish(), (504, 0, 0), "the totals")
        equal([request.body for request in server.requests], [b"".join(body) for body in bodies], "the bodies")
        equal(len({request.connection for request in server.requests}), 1, "connections")
        ids = [request.headers.pop("X-Request-Id") for request in server.requests]
    check(len(set(ids)) == 3 and all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each) for each in ids), "request ids: %r", ids)
    path, headers, body, _ = server.requests[0]
    equal((path, headers), ("/drain?app_name=a", {
        "Host": "127.0.0.1:%d" % server.port, "User-Agent": "log-shuttle/0.18.0 (go1.11.5; linux; amd64; gc)", "Transfer-Encoding": "chunked",
        "Content-Type": "application/logplex-1", "Logplex-Msg-Count": "3", "Accept-Encoding": "gzip", **AUTH_DRAIN}), "path and headers")
    check(re.match(rb"73 <190>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00 shuttle token shuttle - - line 0\n\d", body), "the first frame: %r", body[:90])


@test
def log_shuttle_drops_what_is_refused(context):
    for status in (400, 401, 404, 413, 429, 500, 503):
        with ScriptedServer(status) as server:
            batch, totals = send_one(server)
        equal((totals, batch.status, batch.attempts, len(server.requests)), ((0, 3, 0), status, 1, 1), "totals, status, attempts and requests with %d" % status)


@test
def log_shuttle_tries_again_without_an_answer(context):
    cases = [(("close", 204), 2, (3, 0, 0)), (("reset", "close", 204), 3, (3, 0, 0)), (("slow", 204), 2, (3, 0, 0)), (("close", 503), 2, (0, 3, 0)),
             (("close",) * 3, 3, (0, 0, 3))]
    for script, attempts, totals in cases:
        with ScriptedServer(*script) as server:
            batch, got = send_one(server, closed_pause=0.01, other_pause=0.01, answer_seconds=0.5)
        equal((got, batch.attempts, len(server.requests)), (totals, attempts, attempts), "totals, attempts and requests with %r" % (script,))
        equal({request.headers["X-Request-Id"] for request in server.requests}, {batch.request_id}, "request ids with %r" % (script,))
        equal({request.body for request in server.requests}, {b"".join(batch.frames)}, "bodies with %r" % (script,))


@test
def log_shuttle_waits_before_it_tries_again(context):
    """As long as the real one; and no longer than the deadline."""
    deadline = {"other_pause": 100, "deadline": 0.5}
    for script, options, least, most in ((("close", "close", 204), {}, 0.3, 2), (("reset", 204), {}, 1, 3), (("reset", 204), deadline, patient(0.5), 3)):
        start = time.monotonic()
        with ScriptedServer(*script) as server:
            _, totals = send_one(server, **options)
        took = time.monotonic() - start
        check(least <= took <= patient(most), "with %r it took %.2f s", script, took)
        equal(totals, (0, 0, 3) if options else (3, 0, 0), "the totals with %r" % (script,))


@test
def log_shuttle_replaces_a_connection_that_was_closed_while_idle(context):
    with ScriptedServer("last", 204) as server, LogShuttle(server, outlets=1, attempts=1) as shuttle:
        wait_for(lambda first=shuttle.send(frames(1)): first.is_over, "the first batch is over")
        wait_for(lambda: server.ended == 1, "the server has hung up")
        shuttle.send(frames(1))
        equal(shuttle.finish(), (2, 0, 0), "the totals")
        equal(len({request.connection for request in server.requests}), 2, "connections")


@test
def log_shuttle_fills_a_ledger(context):
    """Its outlets wait for a server that is not there yet; then nothing is lost and nothing counted twice."""
    port = free_port()
    batches = context.scaled(300)
    body = [shuttle_line("line %d" % i, "app", "web.1") for i in range(9)] + [shuttle_line(ingest_text([counter("hits", 1, "incremental")]), "app", "web.1")]
    with LogShuttle(types.SimpleNamespace(host="127.0.0.1", port=port), "shuttled", other_pause=0.02, attempts=1000) as shuttle:
        first = shuttle.send(body)
        wait_for(lambda: first.attempts > 1, "the first batch is tried again")
        server = context.server(port=port)
        for _ in range(batches - 1):
            shuttle.send(body)
        equal(shuttle.finish(), (10 * batches, 0, 0), "the totals")
    page = server.page()
    book = ledger(page, "shuttled")
    equal((book["received"], book["recognised"], book["ignored"]), (10 * batches, batches, 9 * batches), "messages")
    equal(page.value("hits", app="shuttled", process="web.1"), batches, "hits")
    equal(page.value("drain_exporter_count_mismatches_total", app="shuttled"), 0, "count mismatches")
