"""Drains of Cloud Foundry: what its agents sent when they were recorded, and a foundation of many apps."""
import os
import threading

from harness import test
from ledger import SAMPLES
from support.checks import check, equal
from support.cloud_foundry import HEADERS, App
from support.exporter import AUTH_DRAIN
from support.exposition import ledger, ledgers
from support.http_client import basic
from transport import certificate, client


def labels_of(app, instance=None):
    """The labels of the app's series, or of those of one instance."""
    labels = {"app": "%s/%s/%s" % (app.organization, app.space, app.name), "organization_name": app.organization, "space_name": app.space, "app_name": app.name, "process_type": "web"}
    return labels if instance is None else {**labels, "instance_index": str(instance)}


def memory(app, instance, value):
    return app.gauge(instance, "i%d" % instance, "memory", value, "bytes")


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


@test
def requests_of_real_agents(context):
    for name in ("cf-real-https.txt", "cf-real-https-batch.txt", "cf-real-https-no-metadata.txt"):
        server = context.server()
        bodies = []
        for target, headers, body in recorded(name):
            headers = {name: value for name, value in headers.items() if name in ("User-Agent", "Content-Type")}
            equal(server.request("POST", target, {**headers, **AUTH_DRAIN}, body).status, 204, "the status of a request of %s" % name)
            bodies.append(body)
        check(bodies, "there are no requests in %s", name)
        page = server.page()
        for app, book in ledgers(page).items():
            equal(book["malformed"], 0, "malformed messages of %s in %s" % (app, name))
        received = page.total("drain_exporter_messages_received_total")
        repeated = len(bodies) - len(set(bodies))
        equal(page.total("drain_exporter_batches_total", result="duplicate") >= repeated, True, "batches known to be repeated in %s" % name)
        # All of them once more, as after a cut connection: nothing but duplicates.
        for body in bodies:
            post(server, body)
        again = server.page()
        equal(again.total("drain_exporter_messages_received_total"), 2 * received, "messages received of %s" % name)
        for metric in ("cf_router_requests_total", "cf_http_timer_seconds_count", "drain_exporter_messages_recognised_total"):
            equal(again.total(metric), page.total(metric), "%s of %s" % (metric, name))


APPS, INSTANCES, ROUNDS = 20, 5, 6


def speak(server, apps, as_batches):
    """What the agents of a cell send of these apps: in batches, or each message alone.  Every third request is sent again, as if the answer had not come."""
    sent = 0
    for turn in range(ROUNDS):
        for app in apps:
            messages = []
            for instance in range(INSTANCES):
                messages += [memory(app, instance, 1000 * turn + instance),
                             app.of_instance(str(instance), instance, "i%d" % instance, '[timer@47450 name="checkout" start="1000" stop="250001000"]'),
                             app.of_instance("APP/PROC/WEB/%d" % instance, instance, "i%d" % instance, text="hello\nworld count#jobs=2")]
            messages += [app.request(status=200), app.request(status=503)]
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
        labels = labels_of(app)
        for instance in range(INSTANCES):
            equal(page.value("cf_container_memory_bytes", **labels_of(app, instance)), 1000 * (ROUNDS - 1) + instance, "the memory of an instance")
            equal(page.value("cf_app_checkout_seconds_count", **labels_of(app, instance)), ROUNDS, "checkouts of an instance")
        for status in ("200", "503"):
            equal(page.value("cf_router_requests_total", method="GET", status=status, **labels), ROUNDS, "requests of an app")
        equal(page.value("cf_router_request_duration_seconds_sum", **labels), 0.25 * 2 * ROUNDS, "the time of requests")
        book = ledger(page, labels["app"])
        equal(book["received"] - book["duplicate"], ROUNDS * (3 * INSTANCES + 2), "messages of an app")
        check(book["duplicate"] > 0, "no message of %s was sent again", app.name)
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
    everything = memory(ours, 0, 1) + memory(theirs, 0, 2) + memory(staging, 0, 3)
    post(server, everything, auth={"Authorization": basic("acme-prod", "pw")})
    page = server.page()
    equal(page.value("cf_container_memory_bytes", team="a", **labels_of(ours, 0)), 1, "the memory of our app")
    equal(len(page.select("cf_container_memory_bytes")), 1, "series of memory")
    equal(page.total("drain_exporter_messages_foreign_total", app="__other__"), 2, "foreign messages")
    post(server, everything, auth={"Authorization": basic("globex", "pw2")})
    page = server.page()
    equal(page.value("cf_container_memory_bytes", app_id="g2", index="0", instance_id="0", **labels_of(theirs, 0)), 2,
          "the memory of their app")
    equal(page.total("drain_exporter_messages_foreign_total", app="__other__"), 4, "foreign messages")


@test
def heroku_and_cloud_foundry_side_by_side(context):
    server = context.server()
    shop = App("shop", "g1")
    post(server, memory(shop, 0, 1))
    server.post(b"83 <40>1 2012-11-30T06:45:29+00:00 host app web.3 - State changed from starting to up\n", "my-app")
    page = server.page()
    equal(page.total("drain_exporter_messages_received_total", app="my-app"), 1, "messages of Heroku's app")
    equal(page.total("drain_exporter_messages_received_total", app="acme/prod/shop"), 1, "messages of Cloud Foundry's app")
    equal([name for name in page.names() if name.startswith("heroku_") for labels, _ in page.select(name) if labels.get("app") == "acme/prod/shop"], [],
          "series of Heroku's families of Cloud Foundry's app")


RULE = """
rules:
  - name: depth
    match: '^depth (?<number>[0-9]+)'
    metrics: [{gauge: queue_depth, value: $number, with: [app, process]}]
"""


@test
def instances_of_any_type_and_number(context):
    """No instance's numbers mix with another one's, also if Heroku would have no such dyno: of what an app prints, and of what its cell says."""
    server = context.server(CONFIG_FILE=context.file("config.yaml", RULE), CF_LABELS="promfetcher")
    app, wanted = App(), {}
    for kind, instance in (("scheduler", 0), ("scheduler", 1), ("release", 2), ("web", 0), ("web", 1500)):
        value = wanted[kind, str(instance)] = 10 + len(wanted)
        for text in ("depth %d", "sample#depth=%d"):
            post(server, app.of_instance("APP/PROC/%s/%d" % (kind.upper(), instance), instance, "i", text=text % value, kind=kind))
        post(server, app.gauge(instance, "i", "memory", value, "bytes", kind=kind))
    page = server.page()
    for name in ("queue_depth", "l2met_depth", "cf_container_memory_bytes"):
        series = page.select(name)
        equal({(labels.get("process_type"), labels.get("instance_index")): value for labels, value in series}, wanted, name)
        check(all(labels.get("index") == labels.get("instance_id") == labels["instance_index"] for labels, _ in series), "Promfetcher's labels are missing: %s", series)
