"""Strangers: whoever has no password shuts nobody out and takes nothing that others need."""
from harness import test
from support.checks import check, equal
from support.exporter import AUTH_DRAIN, AUTH_METRICS
from support.lines import gauge, ingest
from support.ports import free_port
from support.raw_connection import Raw, head_of, post_of
from support.waiting import wait_for

HEALTH = head_of("GET", "/health")
METRICS = head_of("GET", "/metrics", AUTH_METRICS)


@test
def idle_strangers_shut_nobody_out(context):
    """All places are taken by connections that have sent one request without a password: the longest-idle one goes for each newcomer."""
    places = 24
    server = context.server(MAX_CONNECTIONS=places, WORKERS=2)
    with Raw(server) as sender:
        equal(sender.ask(post_of(b"")).status, 204, "an empty batch")
        strangers = []
        try:
            for _ in range(3 * places):
                strangers.append(Raw(server))
                equal(strangers[-1].ask(head_of("GET", "/nothing")).status, 404, "the status of a path that is not there")
            for ask, status in ((HEALTH, 200), (METRICS, 200), (post_of(ingest([gauge("g", 1)])), 204)) * 3:
                with Raw(server) as raw:
                    equal(raw.ask(ask).status, status, "the status on a new connection")
            check(strangers[0].is_closed(5), "the stranger who was idle for longest is still connected")
            equal(strangers[-1].ask(HEALTH).status, 200, "health for the last stranger")
            equal(sender.ask(post_of(ingest([gauge("g", 2)]))).status, 204, "a batch on the connection that was idle for longest")
        finally:
            for raw in strangers:
                raw.close()
    wait_for(lambda: server.page().value("drain_exporter_connections_displaced_total") >= 2 * places, "the displaced ones are counted")
    equal(server.page().value("drain_exporter_connections_refused_total"), 0, "connections refused")


@test
def places_are_kept_for_health_and_metrics(context):
    """All places are taken by senders: health and metrics are served still, on connections that are closed afterwards."""
    server = context.server(MAX_CONNECTIONS=4, WORKERS=2)
    senders = []
    try:
        for _ in range(4):
            senders.append(Raw(server))
            equal(senders[-1].ask(post_of(b"")).status, 204, "an empty batch")
        for ask in (HEALTH, METRICS) * 20:
            with Raw(server) as raw:
                answer = raw.ask(ask)
                equal((answer.status, answer.header("connection")), (200, "close"), "status and Connection on a reserved place")
                check(raw.is_closed(5), "a reserved place is kept")
        for raw in senders:
            equal(raw.ask(post_of(b"")).status, 204, "a batch on a connection that was open before")
    finally:
        for raw in senders:
            raw.close()


@test
def strangers_are_not_idle_for_long(context):
    """Ten seconds, in place of IDLE_TIMEOUT, for whoever has not sent a right password."""
    server = context.server(IDLE_TIMEOUT="300s", REQUEST_TIMEOUT="300s")
    with Raw(server) as silent, Raw(server) as stranger, Raw(server) as wrong, Raw(server) as sender, Raw(server) as scraper:
        equal(stranger.ask(HEALTH).status, 200, "health")
        equal(wrong.ask(head_of("GET", "/metrics", AUTH_DRAIN)).status, 401, "metrics with the password of drain")
        equal(sender.ask(post_of(b"")).status, 204, "an empty batch")
        equal(scraper.ask(METRICS).status, 200, "a scrape")
        for raw, what in ((silent, "who says nothing"), (stranger, "who asked for health"), (wrong, "who had a wrong password")):
            check(raw.is_closed(13), "%s is still connected", what)
        equal(sender.ask(post_of(b"")).status, 204, "a batch on an idle connection")
        equal(scraper.ask(METRICS).status, 200, "a scrape on an idle connection")


@test
def metrics_have_a_listener_of_their_own(context):
    """With METRICS_LISTEN_ADDRESS drains are outside, scrapes inside, and health on both sides."""
    inside = free_port("127.0.0.1")
    server = context.server(METRICS_LISTEN_ADDRESS="127.0.0.1:%d" % inside)
    outside = server.port

    def status(port, ask):
        server.port = port
        try:
            with Raw(server) as raw:
                return raw.ask(ask).status
        finally:
            server.port = outside

    for ask, statuses in ((HEALTH, (200, 200)), (METRICS, (404, 200)), (post_of(b""), (204, 404))):
        equal((status(outside, ask), status(inside, ask)), statuses, "the statuses outside and inside of %r" % ask[:20])
