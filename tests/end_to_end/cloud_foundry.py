"""Drains of Cloud Foundry: what its agents sent when they were recorded, and a foundation of many apps."""
import os
import ssl
import threading

from app_pages import discovered
from harness import test
from ledger import SAMPLES
from support.checks import check, equal
from support.exporter import AUTH_DRAIN
from support.exposition import Page
from support.http_client import basic
from support.waiting import wait_for
from transport import certificate, client

HEADERS = {"Content-Type": "text/plain", "User-Agent": "fasthttp"}


class App:
    """What the agents send of one app."""

    def __init__(self, name, guid, organization="acme", space="prod"):
        self.name, self.guid, self.organization, self.space = name, guid, organization, space
        self.labels = {"app": "%s/%s/%s" % (organization, space, name), "organization_name": organization, "space_name": space, "app_name": name}

    def message(self, procid, data="", text="", instance="0", second=0, process="web"):
        tags = '[tags@47450 app_id="%s" app_name="%s" instance_id="%s" organization_name="%s" process_type="%s" space_name="%s" source_id="%s"]' % (
            self.guid, self.name, instance, self.organization, process, self.space, self.guid)
        return ("<14>1 2026-02-03T%02d:%02d:%02d.%06d+00:00 %s.%s.%s %s [%s] - %s%s %s\n" % (
            second // 3600 % 24, second // 60 % 60, second % 60, second % 1000000, self.organization, self.space, self.name, self.guid, procid, data, tags, text)).encode()

    def gauge(self, name, value, unit, instance="0", second=0):
        return self.message(instance, '[gauge@47450 name="%s" value="%s" unit="%s"]' % (name, value, unit), "", instance, second)

    def timer(self, name, nanoseconds, instance="0", second=0):
        return self.message(instance, '[timer@47450 name="%s" start="1000" stop="%d"]' % (name, 1000 + nanoseconds), "", instance, second)

    def request(self, status, second=0):
        return self.message("RTR/1", "", 'shop.example.com - [2026-02-03T04:05:06.123456789Z] "GET / HTTP/1.1" %d 10 109 "-" "curl/7.43.0" "10.0.2.150:4070" '
                            '"10.0.48.66:60815" x_forwarded_for:"198.51.100.120" x_forwarded_proto:"https" vcap_request_id:"v" response_time:0.250000 '
                            'gorouter_time:0.000125 app_id:"%s" app_index:"0" instance_id:"a" x_cf_routererror:"-"' % (status, self.guid), "0", second)


def post(server, body, status=204, auth=AUTH_DRAIN):
    answer = server.request("POST", "/drain?drain-data=all", {**HEADERS, **auth}, body)
    equal(answer.status, status, "the status of a batch")


def recorded(name):
    """The requests of a file: target, headers, body."""
    with open(os.path.join(SAMPLES, name), "rb") as file:
        for text in file.read().split(b">>> request\n")[1:]:
            head, body = text.split(b"\n\n", 1)
            lines = head.decode().split("\n")
            headers = dict(one.split(": ", 1) for one in lines[1:])
            yield lines[0].split(" ")[1], headers, body[:int(headers["Content-Length"])]


def balanced(page, app):
    """The ledger of an app: as many messages as became something."""
    became = sum(page.total("drain_exporter_messages_%s_total" % name, app=app) for name in ("recognised", "ignored", "malformed", "duplicate", "foreign", "refused"))
    equal(page.total("drain_exporter_messages_received_total", app=app), became, "the ledger of %s" % app)


@test
def requests_of_real_agents(context):
    for name in ("cf-real-https.txt", "cf-real-https-batch.txt", "cf-real-https-no-metadata.txt"):
        server = context.server()
        bodies = []
        for target, headers, body in recorded(name):
            headers = {name: value for name, value in headers.items() if name in ("User-Agent", "Content-Type")}
            equal(server.request("POST", target, {**headers, **AUTH_DRAIN}, body).status, 204, "the status of a request of %s" % name)
            bodies.append(body)
        check(len(bodies) > 3, "there are %d requests in %s", len(bodies), name)
        page = server.page()
        apps = {labels["app"] for labels, _ in page.select("drain_exporter_messages_received_total")}
        for app in apps:
            balanced(page, app)
            equal(page.total("drain_exporter_messages_malformed_total", app=app), 0, "malformed messages of %s in %s" % (app, name))
        received = page.total("drain_exporter_messages_received_total")
        repeated = len(bodies) - len(set(bodies))
        equal(page.total("drain_exporter_batches_total", result="duplicate") >= repeated, True, "batches known to be repeated in %s" % name)
        # All of them once more, as after a cut connection: nothing but duplicates.
        for body in bodies:
            post(server, body)
        again = server.page()
        equal(again.total("drain_exporter_messages_received_total"), 2 * received, "messages received of %s" % name)
        for metric in ("cf_container_memory_bytes", "cf_router_requests_total", "cf_http_timer_seconds_count", "drain_exporter_messages_recognised_total"):
            equal(again.total(metric), page.total(metric), "%s of %s" % (metric, name))


APPS, INSTANCES, ROUNDS = 20, 5, 6


def speak(server, apps, as_batches):
    """What the agents of a cell send of these apps: in batches, or each message alone.  Every third request is sent again, as if the answer had not come."""
    sent = 0
    for second in range(ROUNDS):
        for app in apps:
            messages = []
            for instance in map(str, range(INSTANCES)):
                at = second * 100 + int(instance)
                messages += [app.gauge("memory", "%d" % (1000 * second + int(instance)), "bytes", instance, at), app.timer("checkout", 250000000, instance, at),
                             app.message("APP/PROC/WEB/" + instance, "", "hello\nworld count#jobs=2", instance, at)]
            messages += [app.request(200, second * 100), app.request(503, second * 100 + 1)]
            for body in [b"".join(messages)] if as_batches else messages:
                for _ in range(2 if sent % 3 == 0 else 1):
                    post(server, body)
                sent += 1


@test
def totals_of_a_foundation(context):
    certificate_file, key_file = certificate(context)
    server = context.server(tls=client(certificate_file), TLS_CERT_FILE=certificate_file, TLS_KEY_FILE=key_file)
    apps = [App("app_%d" % i, "guid-%d" % i, space="s%d" % (i % 3)) for i in range(APPS)]
    threads = [threading.Thread(target=speak, args=(server, apps[i::5], i % 2 == 0)) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    page = server.page()
    for app in apps:
        labels = {**app.labels, "process_type": "web"}
        for instance in range(INSTANCES):
            equal(page.value("cf_container_memory_bytes", instance_index=str(instance), **labels), 1000 * (ROUNDS - 1) + instance, "the memory of an instance")
            equal(page.value("cf_app_checkout_seconds_count", instance_index=str(instance), **labels), ROUNDS, "checkouts of an instance")
        for status in ("200", "503"):
            equal(page.value("cf_router_requests_total", method="GET", status=status, **labels), ROUNDS, "requests of an app")
        equal(page.value("cf_router_request_duration_seconds_sum", **labels), 0.25 * 2 * ROUNDS, "the time of requests")
        balanced(page, app.labels["app"])
        received = page.total("drain_exporter_messages_received_total", app=app.labels["app"])
        duplicate = page.total("drain_exporter_messages_duplicate_total", app=app.labels["app"])
        equal(received - duplicate, ROUNDS * (3 * INSTANCES + 2), "messages of an app")
        check(duplicate > 0, "no message of %s was sent again", app.name)
    equal(page.total("drain_exporter_messages_mixed_total"), 0, "messages of another app than their batch")


CONFIG = """
drains:
  - {name: acme-prod, password: pw, organization: acme, space: prod, labels: {team: a}}
  - {name: globex, password: pw2, organization: globex, cf_labels: promfetcher}
"""


@test
def passwords_bound_to_organizations(context):
    server = context.server(CONFIG_FILE=context.file("config.yaml", CONFIG))
    ours, theirs, staging = App("shop", "g1"), App("shop", "g2", "globex"), App("shop", "g3", "acme", "staging")
    everything = ours.gauge("memory", "1", "bytes") + theirs.gauge("memory", "2", "bytes") + staging.gauge("memory", "3", "bytes")
    post(server, everything, auth={"Authorization": basic("acme-prod", "pw")})
    page = server.page()
    equal(page.value("cf_container_memory_bytes", **{**ours.labels, "instance_index": "0", "process_type": "web", "team": "a"}), 1, "the memory of our app")
    equal(len(page.select("cf_container_memory_bytes")), 1, "series of memory")
    equal(page.total("drain_exporter_messages_foreign_total", app="__other__"), 2, "foreign messages")
    post(server, everything, auth={"Authorization": basic("globex", "pw2")})
    page = server.page()
    equal(page.value("cf_container_memory_bytes", **{**theirs.labels, "instance_index": "0", "process_type": "web", "app_id": "g2", "index": "0", "instance_id": "0"}), 2,
          "the memory of their app")
    equal(page.total("drain_exporter_messages_foreign_total", app="__other__"), 4, "foreign messages")


@test
def heroku_and_cloud_foundry_side_by_side(context):
    server = context.server()
    shop = App("shop", "g1")
    post(server, shop.gauge("memory", "1", "bytes"))
    server.post(b"83 <40>1 2012-11-30T06:45:29+00:00 host app web.3 - State changed from starting to up\n", "my-app")
    page = server.page()
    equal(page.total("drain_exporter_messages_received_total", app="my-app"), 1, "messages of Heroku's app")
    equal(page.total("drain_exporter_messages_received_total", app="acme/prod/shop"), 1, "messages of Cloud Foundry's app")
    equal([name for name in page.names() if name.startswith("heroku_") for labels, _ in page.select(name) if labels.get("app") == "acme/prod/shop"], [],
          "series of Heroku's families of Cloud Foundry's app")
