"""The fault run: thousands of hostile and broken requests at once.  Afterwards all must be as before."""
import base64
import json
import os
import random
import socket
import struct
import time
import zlib

from harness import in_threads, test
from support.checks import Failure, check, equal
from support.exporter import AUTH_DRAIN, AUTH_METRICS, DRAIN_PASSWORD
from support.exposition import ledger, ledgers
from support.http_client import basic
from support.lines import PREFIX, counter, frame, gauge, histogram, ingest, line, logplex, postgres, router_error
from support.raw_connection import Raw, head_of, post_of
from support.waiting import patient, wait_for

THREADS = 8


def good_body():
    return ingest([gauge("g", 1), counter("c", 1, "incremental")]) + router_error() + postgres(tables=1)


def coded(text):
    """An ingest line of any text."""
    return line(PREFIX.encode() + base64.b64encode(text if isinstance(text, bytes) else text.encode()))


def random_bytes(dice, most):
    return dice.randbytes(dice.randrange(1, most))


# ---- bodies: each takes a source of chance and makes a body that must be answered 204 ----

def garbage(dice):
    return random_bytes(dice, 5000)


def garbage_frames(dice):
    return b"".join(frame(random_bytes(dice, 200)) for _ in range(20))


def wrong_counts(dice):
    body = b""
    for _ in range(10):
        message = line("hello", "heroku", "router").split(b" ", 1)[1]
        count = dice.choice((0, 1, len(message) - 1, len(message) + 1, 10**dice.randrange(3, 30), dice.randrange(1000)))
        body += b"%d " % count + message + dice.choice((b"", b"\n", b" ", b"\r\n", b"."))
    return body


def cut_frames(dice):
    body = good_body()
    return body[dice.randrange(len(body)) : dice.randrange(len(body))] or b"1"


def flipped_bytes(dice):
    body = bytearray(good_body())
    for _ in range(dice.randrange(1, 20)):
        body[dice.randrange(len(body))] = dice.randrange(256)
    return bytes(body)


def deep_json(dice):
    depth = dice.choice((10, 500, 999, 1001, 5000, 20000))
    opening, closing = dice.choice((("[", "]"), ('{"a":', "}"), ('[{"metric":', "}]")))
    return coded(opening * depth + dice.choice(("", "1")) + closing * dice.choice((depth, 0, 1)))


def huge_numbers(dice):
    number = dice.choice(("1e308", "1e309", "-1e309", "9" * 400, "1e-400", "0." + "1" * 400, "1e" + "9" * 100, "18446744073709551616", "-0", "00", "1.", ".5", "+1", "0x10", "NaN", "1e5e5"))
    kind = dice.choice(('"gauge":{"value":%s}', '"counter":{"value":%s}', '"kind":"incremental","counter":{"value":%s}', '"gauge":{"value":"%s"}', '"tags":{"a":%s},"gauge":{"value":1}',
                        '"aggregated_histogram":{"buckets":[%s,1],"counts":[1,2],"count":3,"sum":4}', '"aggregated_histogram":{"buckets":[1],"counts":[%s],"count":3,"sum":4}',
                        '"aggregated_histogram":{"buckets":[1],"counts":[1],"count":%s,"sum":4}', '"aggregated_summary":{"quantiles":[%s],"values":[1],"count":1,"sum":1}',
                        '"set":{"values":[%s]}', '"distribution":{"values":[%s],"sample_rates":[1],"statistic":"histogram"}', '"sketch":{"type":"ddsketch","k":[%s],"n":[1],"count":1,"sum":1,"min":0,"max":1}'))
    return coded('[{"metric":{"name":"huge",%s}}]' % (kind % number))


def large_values(dice):
    size = dice.choice((1000, 10000, 49000, 70000, 1 << 20))
    where = dice.randrange(5)
    if where == 0:
        return ingest([gauge("g", 1, label="v" * size)])
    if where == 1:
        return ingest([gauge("n" * size, 1)])
    if where == 2:
        return ingest([gauge("g", 1, **{"l" * size: "v"})])
    if where == 3:
        return postgres("a" * size, tables=1)
    return router_error("H12", "web.1", "/" + "p" * size)


def many_parts(dice):
    kind = dice.randrange(4)
    if kind == 0:
        return ingest([gauge("g", 1, **{"label%d" % i: "v" for i in range(dice.choice((30, 38, 39, 41, 500)))})])
    if kind == 1:
        size = dice.choice((100, 4000, 5000, 9000))
        return coded('[{"metric":{"name":"parts","aggregated_histogram":{"buckets":[%s],"counts":[%s],"sum":1}}}]' % (",".join(map(str, range(size))), ",".join("1" * size)))
    if kind == 2:
        return coded("[" + "0," * dice.randrange(24000) + "0]")
    return coded('[{"metric":{"name":"members","kind":"incremental","set":{"values":[%s]}}}]' % ",".join(str(dice.randrange(10**6)) for _ in range(3000)))


def wrong_shapes(dice):
    """A metric of which some part is of another kind than it should be."""
    rubbish = [None, True, 5, "x", [], {}, [1], {"value": 1}, [[]], -1, 1e300, ""]
    metric = dice.choice((gauge("g", 1), counter("c", 1), histogram("h", [1, 2], [1, 2], 3)))
    metric = json.loads(json.dumps(metric))
    place = metric
    key = dice.choice(list(metric))
    if isinstance(metric[key], dict) and metric[key] and dice.random() < 0.7:
        place = metric[key]
        key = dice.choice(list(place))
    place[key] = dice.choice(rubbish)
    return ingest(json.dumps(dice.choice(([{"metric": metric}], {"metric": metric}, [[{"metric": metric}]], [metric], [{"metric": [metric]}]))))


def nul_bytes(dice):
    return good_body().replace(dice.choice((b"web", b"app", b"-", b"2", b"g")), b"\0") + b"\0" * dice.randrange(100)


def no_newlines(dice):
    return b"<" * dice.randrange(1, 100000) + b"1 " * dice.randrange(50000)


def base64_garbage(dice):
    text = base64.b64encode(random_bytes(dice, 2000)).decode()
    return line(PREFIX + dice.choice((text, text[:-1], text + "=", text.replace("A", "-"), "=" + text, text + "\n" + text, text[:5] + " " + text[5:])))


def odd_times(dice):
    return ingest([gauge("times", 1)], time=dice.choice(("-", "", "2022-13-01T00:00:00Z", "9999-12-31T23:59:60+23:59", "0000-01-01T00:00:00Z", "2022-01-01T00:00:00.123456789012Z", "x" * 5000)))


BODIES = (garbage, garbage_frames, wrong_counts, cut_frames, flipped_bytes, deep_json, huge_numbers, large_values, many_parts, wrong_shapes, nul_bytes, no_newlines,
          base64_garbage, odd_times)


def send_body(server, dice):
    body = dice.choice(BODIES)(dice)
    headers = dice.choice(({}, logplex(1), logplex(dice.randrange(100)), {"Logplex-Msg-Count": "-5"}, {"Logplex-Msg-Count": "9" * 50}, {"X-Request-Id": "x" * 5000}, {"Logplex-Frame-Id": "\xff" * 20}))
    if dice.random() < 0.2:
        body, headers = zlib.compress(body, 1), {**headers, "Content-Encoding": "deflate"}
    with Raw(server) as raw:
        raw.send(post_of(body, "app%d" % dice.randrange(5), headers))
        equal(raw.answer().status, 204, "a hostile body's status")


# ---- requests: each does what it likes on a connection; what is answered must be no 204 for what was not sent in full ----

def cut_body(raw, dice):
    data = post_of(good_body(), "cut")
    raw.send(data[: dice.randrange(len(data))])


def cut_by_reset(raw, dice):
    cut_body(raw, dice)
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def lying_length(raw, dice):
    body = good_body()
    length = dice.choice((len(body) + dice.randrange(1, 10**6), 2**32, 2**63, -1, "5,5", "0x10", "", "+5", " 5 5"))
    raw.send(head_of("POST", "/drain?app_name=cut", {**AUTH_DRAIN, "Content-Length": str(length)}) + body)


def chunk_garbage(raw, dice):
    raw.send(head_of("POST", "/drain?app_name=cut", {**AUTH_DRAIN, "Transfer-Encoding": dice.choice(("chunked", "gzip, chunked", "x", "chunked, x"))}))
    raw.send(dice.choice((b"zz\r\n", b"-1\r\n", b"ffffffffffffffff\r\nx", b"5\r\nabc", b"5\r\nabcdefgh\r\n", b"\r\n\r\n", b"10000000000000000\r\n", b"5;" + b"e" * 50000, b"5" + b"\0" * 10, b"0\r\n" + b"T: x\r\n" * 1000)))


def header_flood(raw, dice):
    count, size = dice.choice(((50, 10), (99, 10), (101, 10), (1000, 10), (5, 20000), (1, 500000), (100, 3000)))
    raw.send(head_of("POST", "/drain?app_name=cut", AUTH_DRAIN)[:-2] + b"".join(b"X-%d: %s\r\n" % (i, b"v" * size) for i in range(count)) + b"Content-Length: 5\r\n\r\n")


def huge_header_name(raw, dice):
    raw.send(b"GET /health HTTP/1.1\r\n" + dice.choice((b"N", b"n", b"X-")) * dice.choice((1000, 60000, 390000, 600000)) + b": v\r\n")


def nul_in_header(raw, dice):
    raw.send(dice.choice((b"GET /hea\0lth HTTP/1.1\r\n\r\n", b"GET /health HTTP/1.1\r\nX\0: y\r\n\r\n", b"GET /health HTTP/1.1\r\nX: y\0z\r\nHost: x\r\n",
                          b"\0GET /health HTTP/1.1\r\n\r\n", b"GET /health HTTP/1.1\0\r\n\r\n", b"GET /health\0 HTTP/1.1\r\n\r\n")))


def not_http(raw, dice):
    raw.send(dice.choice((random_bytes(dice, 3000), b"\x16\x03\x01" + random_bytes(dice, 300), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + random_bytes(dice, 100), b"SSH-2.0-x\r\n", b"\r\n" * 1000, b"GET", b"\n\n\n",
                          b"GET / HTTP/1.1\n\n", b"HELO x\r\n", b" " * 5000, b"GET " + b"/" * 200000 + b" HTTP/1.1\r\n\r\n", b"X" * 70000)))


def slow_and_gone(raw, dice):
    data = post_of(good_body(), "cut")
    for byte in data[: dice.randrange(1, 40)]:
        raw.send(bytes([byte]))


def scrape_and_gone(raw, dice):
    raw.send(head_of("GET", "/metrics", {**AUTH_METRICS, **dice.choice(({}, {"Accept-Encoding": "gzip"}))}) * dice.choice((1, 1, 3)))
    if dice.random() < 0.5:
        raw.socket.recv(dice.randrange(1, 5000))


def wrong_password(raw, dice):
    value = dice.choice((basic("drain", "x"), "Basic " + "A" * dice.randrange(10000), "Basic \xff\xfe", "Basic " + base64.b64encode(b"drain\0:" + DRAIN_PASSWORD.encode()).decode(),
                         basic("drain", DRAIN_PASSWORD + "\0"), basic("drain", "%" * 3000)))
    raw.send(head_of("POST", "/drain?app_name=cut", {"Authorization": value, "Content-Length": "3"}) + b"abc")
    equal(raw.answer().status, 401, "the status with a wrong password")


def odd_targets(raw, dice):
    target = dice.choice(("/drain?" + "a" * 20000, "/drain?" + "&" * 5000, "/drain?app_name=%", "/drain?app_name=%zz%", "/drain?app_name=" + "%00" * 400, "http://x/drain", "*", "/drain#x", "/%", "/" + "../" * 2000, "?", "x"))
    raw.send(head_of(dice.choice(("GET", "PUT", "X" * 1000)), target))


def bad_compression(raw, dice):
    squeezed = zlib.compress(good_body())
    body = bytearray(squeezed)
    body[dice.randrange(len(body))] ^= 1 << dice.randrange(8)
    raw.send(post_of(bytes(body), "flipped", {"Content-Encoding": dice.choice(("deflate", "gzip"))}))
    status = raw.answer().status
    check(status in (422, 204), "a damaged body is answered %d", status)  # there are bits that mean nothing


def bomb(raw, dice):
    raw.send(post_of(BOMB, "cut", {"Content-Encoding": "deflate"}))
    equal(raw.answer().status, 413, "the status of a bomb")


BOMB = zlib.compress(bytes(20 << 20), 9)
REQUESTS = (cut_body, cut_body, cut_by_reset, lying_length, chunk_garbage, header_flood, huge_header_name, nul_in_header, not_http, slow_and_gone, scrape_and_gone, wrong_password,
            odd_targets, bad_compression)


def send_request(server, dice):
    request = bomb if dice.random() < 0.01 else dice.choice(REQUESTS)
    with Raw(server) as raw:
        try:
            request(raw, dice)
            if dice.random() < 0.3:
                raw.socket.shutdown(socket.SHUT_WR)
                raw.socket.settimeout(0.3)
                while raw.socket.recv(65536):
                    pass
        except OSError:
            pass  # the server may close on such a request at any time


def attack(server, thread, count, seed):
    for i in range(count):
        dice = random.Random("%s/%d/%d" % (seed, thread, i))
        try:
            (send_body if dice.random() < 0.4 else send_request)(server, dice)
        except (Failure, OSError) as failure:
            if isinstance(failure, OSError):
                time.sleep(0.5)  # a program that dies of a signal may not be dead yet
            check(server.is_running(), "the program died with %s (request %d of thread %d, seed %s): %s", server.process.returncode, i, thread, seed, server.log()[-2000:])
            raise Failure("request %d of thread %d, seed %s: %s" % (i, thread, seed, failure))


@test
def ten_thousand_faults(context):
    count = context.scaled(10000, 20)
    seed = os.environ.get("FAULTS_SEED", "1")
    server = context.server(MAX_SERIES=50000, HEADER_TIMEOUT="1s", REQUEST_TIMEOUT="2s", WORKERS=4, MAX_BODY_SIZE="2MiB")
    server.post(good_body(), "warm")
    server.scrape()
    descriptors = wait_for(lambda: alone(server), "only the scrape is connected").value("process_open_fds")
    held = [Raw(server) for _ in range(60)]  # slow senders that wait for what happens to them
    for i, raw in enumerate(held):
        raw.send((b"", b"POST", post_of(good_body(), "cut")[:-1])[i % 3])
    in_threads([lambda t=t: attack(server, t, count // THREADS, seed) for t in range(THREADS)])
    check(server.is_running(), "the program died")
    for raw in held:
        check(raw.is_closed(10), "a slow sender is not cut off")
        raw.close()
    page = wait_for(lambda: alone(server), "all connections are closed", 15)
    books = ledgers(page)
    check(sum(book["received"] for book in books.values()) > count * 0.4, "the hostile bodies did not arrive: %r", books)
    wait_for(lambda: alone(server).value("process_open_fds") <= descriptors, "the file descriptors are back at %d" % descriptors, 10)
    if context.sanitizer is None:
        check(server.resident() < 100 << 20, "%d MiB are resident", server.resident() >> 20)
    # What was cut off before its end must not have been taken.
    equal(page.total("drain_exporter_batches_total", app="cut"), 0, "batches that were never sent in full")
    # And now a good batch.
    server.post(ingest([gauge("after", 42), counter("after_total", 3, "incremental"), histogram("after_h", [1, 2], [3, 4], 5)]) + router_error("H19", "web.9") + postgres("after-addon", tables=17),
                "after", logplex(3))
    page = server.page()
    labels = {"app": "after", "process": "web.1"}
    # MAX_SERIES may be reached by the hostile ones: then the new series must be refused and counted, else all be there.
    if page.value("drain_exporter_series_refused_total", app="after", family="ingest") == 0:
        equal((page.value("after", **labels), page.value("after_total", **labels), page.value("after_h_count", **labels)), (42, 3, 7), "the values of the good batch")
        equal(page.value("heroku_postgres_tables", addon="after-addon"), 17, "the gauge of a database")
    else:
        raise Failure("the fault run filled the store; raise MAX_SERIES of this test: %r" % page.value("drain_exporter_series"))
    equal(page.value("heroku_router_errors", app="after", code="H19", process="web.9"), 1, "the router error")
    equal(ledger(page, "after"), {"received": 3, "recognised": 3, "ignored": 0, "malformed": 0, "duplicate": 0}, "the good batch's ledger")
    equal(server.request("GET", "/health").status, 200, "health")


def alone(server):
    """The page, once no other connection than its own is open."""
    page = server.page()
    check(page.value("drain_exporter_connections") == 1, "%r connections are open", page.value("drain_exporter_connections"))
    return page


@test
def every_hostile_body_alone(context):
    """Each kind by itself, so that a fault can be told from the next; the ledger must balance after each."""
    server = context.server()
    dice = random.Random(7)
    for make in BODIES:
        app = make.__name__
        for _ in range(context.scaled(30, 5)):
            server.post(make(dice), app)
        ledger(server.page(), app)
        check(server.is_running(), "the program died of %s", app)


@test
def every_hostile_request_alone(context):
    server = context.server(HEADER_TIMEOUT="1s", REQUEST_TIMEOUT="2s")
    dice = random.Random(8)
    for make in REQUESTS + (bomb,):
        for _ in range(context.scaled(15, 5)):
            with Raw(server) as raw:
                try:
                    make(raw, dice)
                except OSError:
                    pass
        equal(server.request("GET", "/health").status, 200, "health after %s" % make.__name__)
    equal(server.page().total("drain_exporter_batches_total", app="cut"), 0, "broken requests that were taken")


@test
def stop_in_the_middle_of_faults(context):
    """SIGTERM while all this is going on: it ends in time, with 0."""
    server = context.server(HEADER_TIMEOUT="1s", REQUEST_TIMEOUT="2s", WORKERS=2)
    started = time.monotonic()

    def attack_until_gone(thread):
        dice = random.Random(thread)
        while not server.stopped and time.monotonic() < started + patient(20):
            try:
                (send_body if dice.random() < 0.4 else send_request)(server, dice)
            except (Failure, OSError):
                if not server.is_running():
                    return

    def stop():
        wait_for(lambda: server.page().total("drain_exporter_http_requests_total") > 50, "the attack has begun")
        server.stop(seconds=15)

    in_threads([stop] + [lambda t=t: attack_until_gone(t) for t in range(6)])
