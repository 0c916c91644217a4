"""Large pages: sent in pieces, to those who read them and those who do not, in little memory."""
import socket
import threading
import time

from harness import test
from support.checks import check, equal
from support.exporter import AUTH_METRICS
from support.exposition import Page
from support.lines import gauge, ingest, line, router_error
from support.raw_connection import Raw, head_of
from support.waiting import patient, wait_for
from transport import certificate, client

MIB = 1 << 20
# A page of this many series has about 5 MB, more than a socket takes.
MANY = 50_000
UNREAD = 32


def fill(server, count=MANY):
    """Make so many series, of 25 names."""
    elements = [gauge("filler_%d" % (i % 25), i, instance="instance-%06d" % i, region="somewhere-in-europe") for i in range(count)]
    lines = [ingest(elements[i:i + 25]) for i in range(0, count, 25)]
    for i in range(0, len(lines), 100):
        server.post(b"".join(lines[i:i + 100]), "filler")


def filled(context, **settings):
    server = context.server(MAX_SERIES=MANY + 10_000, MAX_APP_SERIES=0, MAX_APP_METRICS=None, **settings)
    fill(server)
    return server


def unread(server, encoding="identity", tls=None):
    """A request for a page on a connection that nobody reads from, but for one byte."""
    raw = Raw.__new__(Raw)
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(20)
    plain.connect((server.host, server.port))
    raw.socket = plain if tls is None else tls.wrap_socket(plain, server_hostname="localhost")
    raw.input = b""
    raw.send(head_of("GET", "/metrics", {**AUTH_METRICS, "Accept-Encoding": encoding}))
    check(raw.socket.recv(1) == b"H", "there is no answer")  # the page has begun, so the next request has one of its own
    return raw


def started(server):
    """How many pages have been begun to be sent; not that one that tells it."""
    return Page(server.scrape().body).value("drain_exporter_http_requests_total", path="metrics", status="200")


def unread_pages(context, server, tls=None):
    """Many pages that nobody reads, while somebody else reads his."""
    server.scrape()
    before = server.resident()
    begun = started(server)
    raws = [unread(server, "gzip" if i % 8 == 7 else "identity", tls) for i in range(UNREAD)]
    try:
        wait_for(lambda: started(server) >= begun + UNREAD, "all pages are being sent", 30, 0.1)
        start = time.monotonic()
        page = Page(server.scrape().body)
        took = time.monotonic() - start
        equal(sum(len(page.select("filler_%d" % i)) for i in range(25)), MANY, "the series on the page of who reads")
        grown = server.resident() - before
        check(context.sanitizer is not None or grown < 24 * MIB, "%d pages that nobody reads hold %d MiB", UNREAD, grown >> 20)
        check(took < patient(5), "who reads waits for %.1f s", took)
    finally:
        for raw in raws:
            raw.close()


@test
def unread_pages_hold_little(context):
    unread_pages(context, filled(context, WORKERS=4))


@test
def unread_pages_hold_little_with_tls(context):
    cert, key = certificate(context)
    tls = client(cert)
    unread_pages(context, filled(context, WORKERS=4, tls=tls, TLS_CERT_FILE=cert, TLS_KEY_FILE=key), tls)


@test
def a_scrape_takes_little_memory(context):
    """Less than its page, plain or compressed."""
    server = filled(context)
    for encoding in ("identity", "gzip", "identity"):
        before = server.resident()
        with open("/proc/%d/clear_refs" % server.process.pid, "w") as file:
            file.write("5")  # the peak begins anew
        size = len(server.scrape({"Accept-Encoding": encoding}).body)
        check(size > 4 * MIB, "the page has %d bytes only", size)
        grown = server.peak() - before
        check(context.sanitizer is not None or grown < 3 * MIB, "a scrape (%s) takes %.1f MiB", encoding, grown / MIB)


def by_hand(server, version, method="GET", encoding="identity"):
    """The head and what follows it, until the server closes the connection."""
    with Raw(server) as raw:
        raw.send(head_of(method, "/metrics", {**AUTH_METRICS, "Accept-Encoding": encoding, "Connection": "close"}, version))
        while raw._more():
            pass
        head, _, body = raw.input.partition(b"\r\n\r\n")
        return head.lower(), body


def without_ours(text):
    return [each for each in text.splitlines() if each.startswith(b"filler_")]


@test
def pieces_make_a_page(context):
    """By chunks of HTTP/1.1, to the end of the connection of HTTP/1.0, compressed or not: the same series; and HEAD has no body."""
    server = filled(context)
    plain = server.scrape()
    equal((plain.header("transfer-encoding"), plain.header("content-length")), ("chunked", None), "how the page comes")
    equal(without_ours(server.scrape({"Accept-Encoding": "gzip"}).body), without_ours(plain.body), "the compressed page")
    head, body = by_hand(server, "1.0")
    check(b"transfer-encoding" not in head and b"connection: close" in head, "HTTP/1.0 gets %r", head)
    equal(without_ours(body), without_ours(plain.body), "the page by HTTP/1.0")
    head, body = by_hand(server, "1.1", "HEAD")
    check(head.startswith(b"http/1.1 200 ") and body == b"", "HEAD gets %r %r", head, body[:50])
    with Raw(server) as raw:  # a connection stays open behind a page in pieces
        raw.send(head_of("GET", "/metrics", AUTH_METRICS))
        equal(without_ours(raw.answer(chunks=True).body), without_ours(plain.body), "the page on a connection that stays open")
        equal(raw.ask(head_of("GET", "/health")).status, 200, "the next request")
    page = Page(server.scrape().body)
    told = page.value("drain_exporter_scrape_size_bytes")
    check(abs(told - len(plain.body)) < 2000, "the page before had %d bytes, not %d", told, len(plain.body))
    check(abs(page.value("drain_exporter_scrape_samples") - MANY) < 500, "the page before had %d samples", page.value("drain_exporter_scrape_samples"))


@test
def many_at_once_share_the_work(context):
    """Twelve who ask at once cost far less than twelve pages."""
    server = filled(context, WORKERS=2)
    server.scrape()

    def cost(count):
        before = server.cpu_seconds()
        bodies = []
        threads = [threading.Thread(target=lambda: bodies.append(server.scrape({"Accept-Encoding": "gzip"}).body)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal([len(without_ours(body)) for body in bodies], [MANY] * count, "the series of each page")
        return server.cpu_seconds() - before

    one = min(cost(1) for _ in range(5))
    least = min(cost(12) for _ in range(3))
    check(context.sanitizer is not None or least < 8 * max(one, 0.01), "twelve cost %.2f s, one costs %.2f s", least, one)


@test
def what_nobody_read_was_not_seen(context):
    """A scraper that asks for pages and does not read them: what is new stands at 0 until he has read one."""
    server = filled(context, SCRAPE_INTERVAL="6s")  # a scraper is forgotten after 15 s without a page

    def errors():
        return Page(server.scrape().body).value("heroku_router_errors", app="shop", process="web.1", code="H12")

    server.post(line("hello"), "shop")
    equal(errors(), None, "what stands there at first")
    time.sleep(3.2)  # the pace of a scraper: who comes again after half an interval is waited for
    equal(errors(), None, "what stands there before")
    server.post(router_error("H12"), "shop")
    headers = {**AUTH_METRICS, "Accept-Encoding": "identity"}
    start = time.monotonic()
    while time.monotonic() < start + 6.5:
        raw = unread(server)
        time.sleep(1)
        raw.close()
    equal(errors(), 0, "what stands on the first page that was read, though the interval is over")
    wait_for(lambda: errors() == 1 or check(False, "it stands at %r", errors()), "it has risen", 20, 0.2)
