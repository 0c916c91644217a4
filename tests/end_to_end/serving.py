"""HTTP as senders and scrapers meet it: paths, methods, statuses, encodings, limits of one request."""
import gzip
import zlib

from harness import test
from support.checks import check, equal
from support.exporter import AUTH_DRAIN, AUTH_METRICS
from support.http_client import basic
from support.lines import gauge, ingest, logplex
from support.raw_connection import Raw, head_of, post_of
from support.waiting import wait_for


@test
def unknown_paths_are_404(context):
    server = context.server()
    for target in ("/x", "/drain/", "/drainx", "/drain/x", "/metrics/", "/health/", "//drain", "/Drain", "/x/../drain", "/drain%2f",
                   "/%64rain", "/drain;x", "/x?app_name=x", "/favicon.ico"):
        for method, headers in (("GET", {}), ("POST", AUTH_DRAIN), ("DELETE", AUTH_METRICS)):
            answer = server.request(method, target, headers, b"x" if method == "POST" else None)
            equal(answer.status, 404, "%s %s" % (method, target))
    check(server.page().value("drain_exporter_http_requests_total", path="other", status="404") == 42, "the 404s are counted")


@test
def wrong_methods_are_405(context):
    server = context.server()
    for path, right in (("/drain", "POST"), ("/metrics", "GET, HEAD"), ("/health", "GET, HEAD")):
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"):
            if method in right:
                continue
            answer = server.request(method, path, {}, b"")
            equal((answer.status, answer.header("allow")), (405, right), "%s %s" % (method, path))
            check(answer.header("transfer-encoding") is None, "%s %s is answered in chunks", method, path)


@test
def credentials_are_demanded(context):
    server = context.server()
    good = AUTH_DRAIN["Authorization"]
    bad = [None, "", "Basic", "Basic ", "Basic !!!!", "Bearer x", good[6:], good + "x", good.replace("Basic", "Digest"), "Basic " + good[6:-4],
           basic("drain", ""), basic("", ""), basic("drain", "x" * 5000), "Basic " + "A" * 6000, "Basic ====", basic("metrics", "dRain-Pass.1~secret")]
    for value in bad:
        for method, path, realm in (("POST", "/drain", "drain"), ("POST", "/drain?app_name=a", "drain"), ("GET", "/metrics", "metrics"),
                                    ("HEAD", "/metrics", "metrics")):
            headers = {} if value is None else {"Authorization": value}
            answer = server.request(method, path, headers, ingest([gauge("forged", 1)]) if method == "POST" else None)
            equal((answer.status, answer.header("www-authenticate")), (401, 'Basic realm="%s"' % realm), "%s %s with %.40r" % (method, path, value))
            check(b"forged" not in answer.body, "a refused scrape shows series")
    check(server.page().select("forged") == [], "a batch without credentials was taken")
    # The scheme's name does not care for case (RFC 9110, 11.1).
    equal(server.request("POST", "/drain", {"Authorization": good.replace("Basic", "bAsIc")}, b"").status, 204, "scheme in another case")
    equal(server.page().value("drain_exporter_http_requests_total", path="drain", status="401"), 2 * len(bad), "counted 401s of /drain")


@test
def health(context):
    server = context.server()
    answer = server.request("GET", "/health")
    equal((answer.status, answer.body, answer.header("content-type")), (200, b'{"ok":true}', "application/json"), "GET /health")
    with Raw(server) as raw:
        answer = raw.ask(head_of("HEAD", "/health"), head=True)
        equal((answer.status, answer.header("content-length")), (200, "11"), "HEAD /health")
        equal(raw.ask(head_of("GET", "/health?x=1")).body, b'{"ok":true}', "the next answer on the connection")


@test
def head_of_metrics(context):
    server = context.server()
    server.post(ingest([gauge("g", 1)]))
    with Raw(server) as raw:
        answer = raw.ask(head_of("HEAD", "/metrics", AUTH_METRICS), head=True)
        equal((answer.status, answer.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"), "HEAD /metrics")
        check(int(answer.header("content-length")) > 100, "HEAD /metrics has the length %s", answer.header("content-length"))
        body = raw.ask(head_of("GET", "/metrics", AUTH_METRICS))
        check(body.status == 200 and b"\ng{" in body.body, "the next answer on the connection is no page")


@test
def gzip_of_metrics(context):
    server = context.server()
    server.post(ingest([gauge("g%d" % i, i) for i in range(50)]))
    yes = ("gzip", "gzip;q=1.0", "gzip, deflate", "deflate, gzip;q=0.5", "*", "gzip;q=0.001", "identity;q=0.5, gzip", "br , gzip ; q=0.7",
           "*;q=0, gzip", "x-gzip;q=0, gzip")
    no = (None, "", "identity", "gzip;q=0", "gzip;q=0.0", "gzip;q=0.000", "gzip; q=0", "deflate", "*;q=0", "br", "gzipped", "*, gzip;q=0")
    for accept, wanted in [(a, "gzip") for a in yes] + [(a, None) for a in no]:
        headers = {**AUTH_METRICS, **({} if accept is None else {"Accept-Encoding": accept})}
        with Raw(server) as raw:
            answer = raw.ask(head_of("GET", "/metrics", headers))
        equal((answer.status, answer.header("content-encoding")), (200, wanted), "Accept-Encoding: %s" % accept)
        check("accept-encoding" in (answer.header("vary") or "").lower(), "Vary lacks Accept-Encoding")
        text = gzip.decompress(answer.body) if wanted else answer.body
        check(b'\ng49{app="app",process="web.1"} 49\n' in text, "the page is not whole")


@test
def gzip_in_odd_spellings(context):
    """RFC 9110, 8.4.1: content codings do not care for case, nor does the name of the weight; blanks and tabs may stand around."""
    server = context.server()
    for accept, wanted in (("GZIP", "gzip"), ("Gzip;Q=0.5", "gzip"), ("gzip;Q=0", None), ("deflate,\tgzip", "gzip"), ("gzip ; q=0 , *", None)):
        with Raw(server) as raw:
            answer = raw.ask(head_of("GET", "/metrics", {**AUTH_METRICS, "Accept-Encoding": accept}))
        equal(answer.header("content-encoding"), wanted, "the encoding for Accept-Encoding: %s" % accept)


@test
def chunks_of_exactly_the_limit(context):
    server = context.server(MAX_BODY_SIZE="64KiB")
    body = (ingest([gauge("g", 1)]) * 1000)[: 64 * 1024]
    server.post(body)
    server.post(None, chunks=[body[i : i + 1000] for i in range(0, len(body), 1000)])


@test
def the_largest_bodies_are_taken(context):
    """Those of 16 MiB, too, for which libh2o would make a file, which neither the sandbox nor a read-only file system lets it."""
    server = context.server(MAX_BODY_SIZE="16MiB", MAX_INPUT_MEMORY="64MiB")
    body = b"\n" * (16 << 20)
    server.post(body)
    server.post(None, chunks=[body[: 1 << 20]] * 16)


@test
def too_large_is_413(context):
    server = context.server(MAX_BODY_SIZE="64KiB")
    limit = 64 * 1024
    filler = ingest([gauge("g", 1)]) * 1000
    exact = filler[:limit]
    server.post(exact)
    with Raw(server) as raw:
        raw.send(post_of(filler[: limit + 1]))
        equal(raw.answer().status, 413, "one byte too many")
    with Raw(server) as raw:  # refused by its length, before the body is sent
        answer = raw.ask(head_of("POST", "/drain", {**AUTH_DRAIN, "Content-Length": str(2 * limit)}))
        equal(answer.status, 413, "twice as much")
    for length in ("999999999999", "18446744073709551615", "18446744073709551616", "99999999999999999999999"):
        with Raw(server) as raw:
            answer = raw.ask(head_of("POST", "/drain", {**AUTH_DRAIN, "Content-Length": length}))
            check(answer.status in (400, 413), "Content-Length: %s is answered %d", length, answer.status)
    with Raw(server) as raw:
        raw.send(head_of("POST", "/drain", {**AUTH_DRAIN, "Transfer-Encoding": "chunked"}))
        chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
        try:
            for _ in range(32):
                raw.send(chunk)
        except ConnectionError:
            pass
        equal(raw.answer().status, 413, "too many chunks")
    server.post(None, chunks=[exact[i : i + 1000] for i in range(0, limit - 1000, 1000)])
    page = wait_for(lambda: (lambda p: p if p.total("drain_exporter_http_requests_total", status="413") >= 2 else None)(server.page()),
                    "the 413s are counted")
    check(page.total("drain_exporter_body_bytes_total", stage="received") == limit + limit // 1000 * 1000, "the refused bytes are not in the ledger")


@test
def encodings(context):
    server = context.server()
    body = ingest([gauge("g", 5)])
    for encoding, data in (("gzip", gzip.compress(body)), ("x-gzip", gzip.compress(body)), ("deflate", zlib.compress(body)), ("identity", body),
                           ("", body), ("GZIP", gzip.compress(body)), ("deflate, gzip", gzip.compress(zlib.compress(body))),
                           ("gzip", gzip.compress(body[:20]) + gzip.compress(body[20:])), (" gzip ", gzip.compress(body))):
        server.post(data, "good", {"Content-Encoding": encoding})
    page = server.page()
    equal(page.value("drain_exporter_messages_received_total", app="good"), 9, "messages received")
    equal(page.value("drain_exporter_messages_recognised_total", app="good", family="ingest"), 9, "messages recognised")
    for encoding in ("br", "zstd", "compress", "gzip, br", "snappy", "gzip;q=1"):
        server.post(body, "bad", {"Content-Encoding": encoding}, 415)
    squeezed = gzip.compress(body)
    flipped = squeezed[:-8] + bytes([squeezed[-8] ^ 1]) + squeezed[-7:]
    for encoding, data in (("gzip", body), ("gzip", squeezed[:-1]), ("gzip", squeezed[:20]), ("gzip", b"x"), ("gzip", b""), ("deflate", b"\x78\x9c"),
                           ("deflate", body), ("gzip", flipped), ("gzip", zlib.compress(body)), ("gzip", squeezed + b"rubbish")):
        server.post(data, "bad", {"Content-Encoding": encoding}, 422)
    check(server.page().select("drain_exporter_messages_received_total", app="bad") == [], "part of a damaged body was taken")


@test
def bombs_are_413(context):
    server = context.server(MAX_BODY_SIZE="1MiB")
    bomb = gzip.compress(bytes(200 << 20), 9)
    check(len(bomb) < 1 << 20, "the bomb is small")
    before = server.resident()
    for data, encoding in ((bomb, "gzip"), (gzip.compress(bomb, 9), "gzip, gzip"), (zlib.compress(bytes(64 << 20), 9), "deflate")):
        server.post(data, "bomb", {"Content-Encoding": encoding}, 413)
    if context.sanitizer is None:
        check(server.resident() - before < 32 << 20, "a bomb costs %d bytes of memory", server.resident() - before)
    # The limit after decompression is four times the one before it.
    line = b"x" * 99 + b"\n"
    server.post(gzip.compress(line * 41943), "four", {"Content-Encoding": "gzip"})
    server.post(gzip.compress(line * 41944), "five", {"Content-Encoding": "gzip"}, 413)


@test
def one_connection_takes_many_requests(context):
    """Logplex sends one after the other on one connection, and cannot bear a byte too many."""
    server = context.server()
    with Raw(server) as raw:
        for i in range(200):
            answer = raw.ask(post_of(ingest([gauge("g", i)]), "kept", logplex(1)))
            equal(answer.status, 204, "request %d" % i)
            check(answer.header("connection") in (None, "keep-alive"), "204 says Connection: %s", answer.header("connection"))
            check(raw.input == b"", "204 is followed by %r", raw.input[:60])
            for name in ("transfer-encoding", "content-type", "content-encoding"):
                check(answer.header(name) is None, "204 has the header %s", name)
        # Refusals keep the connection too; and one after the other is as good as all at once.
        for wanted, data in ((401, head_of("POST", "/drain", {"Content-Length": "0"})), (404, head_of("GET", "/x")), (405, head_of("GET", "/drain")),
                             (204, post_of(b"", "kept"))):
            equal(raw.ask(data).status, wanted, "on the same connection")
        raw.send(b"".join(post_of(ingest([gauge("g", 1000 + i)]), "kept", logplex(1)) for i in range(20)) + head_of("GET", "/health"))
        for i in range(20):
            equal(raw.answer().status, 204, "pipelined request %d" % i)
        equal(raw.answer().body, b'{"ok":true}', "the last of the pipeline")
    page = server.page()
    equal(page.value("g", app="kept", process="web.1"), 1019, "the last gauge")
    equal(page.value("drain_exporter_messages_recognised_total", app="kept", family="ingest"), 220, "messages")


@test
def slow_but_steady_bodies_are_taken(context):
    server = context.server()
    data = post_of(ingest([gauge("g", 3)]), "slow")
    with Raw(server) as raw:
        for i in range(0, len(data), 7):
            raw.send(data[i : i + 7])
        equal(raw.answer().status, 204, "a request in many pieces")
    equal(server.page().value("g", app="slow", process="web.1"), 3, "the gauge")


@test
def expect_100_continue(context):
    server = context.server()
    body = ingest([gauge("g", 7)])
    with Raw(server) as raw:
        raw.send(head_of("POST", "/drain?app_name=e", {**AUTH_DRAIN, "Content-Length": str(len(body)), "Expect": "100-continue"}))
        answer = raw.answer()
        equal(answer.status, 100, "the interim answer")
        raw.send(body)
        equal(raw.answer().status, 204, "the final answer")
        equal(raw.ask(post_of(body, "e")).status, 204, "the next request")
    with Raw(server) as raw:  # without Expect there must be no interim answer
        equal(raw.ask(post_of(body, "e")).status, 204, "the only answer")
    equal(server.page().value("drain_exporter_messages_received_total", app="e"), 3, "messages")
    with Raw(server) as raw:
        answer = raw.ask(head_of("POST", "/drain", {**AUTH_DRAIN, "Content-Length": "1", "Expect": "the unexpected"}))
        check(answer.status in (417, 400), "an unknown expectation is answered %d", answer.status)


@test
def http_1_0(context):
    server = context.server()
    body = ingest([gauge("g", 7)])
    with Raw(server) as raw:
        answer = raw.ask(b"POST /drain?app_name=old HTTP/1.0\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s"
                         % (AUTH_DRAIN["Authorization"].encode(), len(body), body))
        equal(answer.status, 204, "POST in HTTP/1.0 without Host")
        check(raw.is_closed(5), "HTTP/1.0 keeps the connection unasked")
    with Raw(server) as raw:
        equal(raw.ask(head_of("GET", "/health", {"Connection": "keep-alive"}, "1.0")).status, 200, "HTTP/1.0 with keep-alive")
    with Raw(server) as raw:
        equal(raw.ask(head_of("GET", "/metrics", {**AUTH_METRICS, "Connection": "close"})).status, 200, "HTTP/1.1 with close")
        check(raw.is_closed(5), "Connection: close keeps the connection")
    equal(server.page().value("g", app="old", process="web.1"), 7, "the gauge")


@test
def http_2_is_off(context):
    server = context.server()
    with Raw(server) as raw:
        raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
        try:
            answer = raw.answer()
            check(400 <= answer.status < 600, "the preface of HTTP/2 is answered %d", answer.status)
        except Exception as closed:
            check("closed" in str(closed), "the preface of HTTP/2: %s", closed)
        check(raw.is_closed(5), "the connection with the preface of HTTP/2 stays open")
    with Raw(server) as raw:
        answer = raw.ask(head_of("GET", "/health", {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA"}))
        equal((answer.status, answer.body), (200, b'{"ok":true}'), "Upgrade: h2c")
        check(answer.header("upgrade") is None, "the server offers %s", answer.header("upgrade"))
    equal(server.request("GET", "/health").status, 200, "health afterwards")


@test
def bad_requests(context):
    """What is no HTTP is refused or closed, and the next connection is served."""
    server = context.server()
    for data in (b"\r\n" * 5 + b"rubbish\r\n\r\n", b"GET\r\n\r\n", b"GET /health\r\n\r\n", b"GET /health HTTP/1.1\r\nno colon\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
                 b"\0" * 100, b"GET /health HTTP/9.9\r\n\r\n", b"POST /drain HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                 b"POST /drain HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n", b"POST /drain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
        with Raw(server, timeout=5) as raw:
            raw.send(data)
            raw.socket.shutdown(1)  # SHUT_WR: nothing more comes
            try:
                answer = raw.answer()
                check(answer.status >= 400, "%r is answered %d", data[:40], answer.status)
            except Exception as closed:
                check("closed" in str(closed), "%r: %s", data[:40], closed)
        equal(server.request("GET", "/health").status, 200, "health after %r" % data[:40])


@test
def length_and_chunks_at_once(context):
    """RFC 9112, 6.1: such a request is refused, or answered and the connection closed: what follows may be smuggled."""
    server = context.server()
    hidden = head_of("POST", "/drain?app_name=smuggled", {**AUTH_DRAIN, "Content-Length": "0"})
    with Raw(server) as raw:
        raw.send(head_of("POST", "/drain?app_name=outer", {**AUTH_DRAIN, "Content-Length": str(len(hidden) + 5), "Transfer-Encoding": "chunked"})
                 + b"0\r\n\r\n" + hidden)
        check(raw.answer().status in (204, 400), "neither taken nor refused")
        check(raw.is_closed(5) and raw.input == b"", "the connection stays open")
    check(server.page().select("drain_exporter_batches_total", app="smuggled") == [], "a request hidden in a body was taken")


@test
def two_lengths_are_refused(context):
    """RFC 9112, 6.3: lengths that differ are an error that cannot be recovered from."""
    server = context.server()
    hidden = head_of("POST", "/drain?app_name=smuggled", {**AUTH_DRAIN, "Content-Length": "0"})
    with Raw(server) as raw:
        raw.send(b"POST /drain?app_name=twice HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: 0\r\nContent-Length: %d\r\n\r\n%s"
                 % (AUTH_DRAIN["Authorization"].encode(), len(hidden), hidden))
        equal(raw.answer().status, 400, "the status of a request with two lengths")
    check(server.page().select("drain_exporter_batches_total", app="smuggled") == [], "a request hidden behind two lengths was taken")


@test
def app_names_of_urls(context):
    server = context.server()
    body = ingest([gauge("g", 1)])
    for query, app in (("app_name=plain", "plain"), ("app=short", "short"), ("app_name=a%2Db", "a-b"), ("app_name=one+two", "one two"),
                       ("x=1&app_name=second", "second"), ("app_name=&app=fallback", "fallback"), ("app_name=first&app_name=again", None),
                       ("app_name=%22q%22%0A%5C", '"q"\n\\'), ("app_name=%ff", "\ufffd"), ("APP_NAME=upper", ""), ("", ""), ("app_name", "")):
        answer = server.request("POST", "/drain" + ("?" + query if query else ""), AUTH_DRAIN, body)
        equal(answer.status, 204, "POST with %s" % query)
        labels = {"process": "web.1", **({"app": app} if app else {})}
        page = server.page()
        if app is None:
            check(page.value("g", app="first", process="web.1") or page.value("g", app="again", process="web.1"), "%s: no gauge", query)
        else:
            check(page.value("g", **labels) == 1, "%s: there is no gauge with %r, only %r", query, labels, page.select("g"))
