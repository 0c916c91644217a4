"""The life of instances on Cloud Foundry, and of their series."""
from app_pages import discovered
from harness import test
from scraping import Prometheus
from support.checks import check, equal
from support.cloud_foundry import HEADERS, App
from support.waiting import wait_for

MEMORY = "cf_container_memory_bytes"


def post(server, *messages):
    server.post(b"".join(messages), None, HEADERS)


def memory(app, index, instance, value, **more):
    return app.gauge(index, instance, "memory", value, "bytes", **more)


def shown(server, **labels):
    """{instance_index: value} of the app's memory."""
    return {labels["instance_index"]: value for labels, value in server.page().select(MEMORY, **labels)}


def becomes(server, expected, what):
    try:
        wait_for(lambda: shown(server) == expected, what, 10)
    finally:
        equal(shown(server), expected, what)


def three(context):
    """A server that shows three instances, and their app."""
    server, app = context.server(SCRAPE_INTERVAL="100ms"), App()
    for index in range(3):
        post(server, app.created(index, "i%d" % index), memory(app, index, "i%d" % index, 10 + index))
    equal(shown(server), {"0": 10, "1": 11, "2": 12}, "three instances")
    return server, app


@test
def instances_that_are_scaled_away_leave(context):
    """By the API's line with the number; by those of the cells, where the API does not tell it."""
    server, app = three(context)
    post(server, app.api('Updated app with guid %s ({"instances"=>2})' % app.guid))
    becomes(server, {"0": 10, "1": 11}, "two instances")
    post(server, app.api('Scaling process: "web"'), app.destroyed(1, "i1"))
    becomes(server, {"0": 10}, "one instance")
    # Up again.
    post(server, app.created(1, "j1"), memory(app, 1, "j1", 21))
    becomes(server, {"0": 10, "1": 21}, "two instances again")
    page = server.page()
    equal(page.total("cf_instance_starts_total", app="acme/prod/shop", process_type="web"), 4, "starts")
    equal(page.total("cf_instance_stops_total", app="acme/prod/shop", process_type="web"), 1, "stops")
    equal(page.total("cf_instance_crashes_total", app="acme/prod/shop", process_type="web"), 0, "crashes")


@test
def a_stopped_app_leaves(context):
    server, app = three(context)
    post(server, app.api("Stopping app with guid " + app.guid))
    becomes(server, {}, "no instance")
    post(server, app.created(0, "j0"), memory(app, 0, "j0", 20))
    becomes(server, {"0": 20}, "an instance of the app that was started again")


@test
def a_crashed_instance_is_replaced(context):
    server, app = three(context)
    timer = '[timer@47450 name="job" start="0" stop="1000000000"]'
    post(server, app.of_instance("1", 1, "i1", timer))
    post(server, app.crashed(1, "i1"), app.destroyed(1, "i1"), app.created(1, "j1"), memory(app, 1, "j1", 21))
    post(server, app.of_instance("1", 1, "j1", timer))
    becomes(server, {"0": 10, "1": 21, "2": 12}, "the new instance's memory")
    page = server.page()
    equal(page.total("cf_instance_crashes_total", app="acme/prod/shop", process_type="web"), 1, "crashes")
    wait_for(lambda: server.page().total("cf_app_job_seconds_count", app="acme/prod/shop", instance_index="1") == 2, "what we count goes on")
    # One that does not come again is gone.
    post(server, app.crashed(2, "i2"), app.destroyed(2, "i2"))
    becomes(server, {"0": 10, "1": 21}, "the instance that stays down has left")


@test
def a_rolling_deploy_mixes_nothing(context):
    """For a while both instances of an index run: the newer one counts, and the end of the older one ends nothing."""
    server, app = three(context)
    post(server, app.created(0, "new0"), memory(app, 0, "new0", 20))
    for _ in range(3):
        post(server, memory(app, 0, "i0", 99), memory(app, 0, "new0", 20))
        equal(shown(server)["0"], 20, "the memory of the new instance")
    post(server, app.destroyed(0, "i0"), memory(app, 0, "i0", 99))
    for _ in range(3):
        post(server, memory(app, 0, "new0", 21))
    becomes(server, {"0": 21, "1": 11, "2": 12}, "all instances")


@test
def a_blue_green_deploy_takes_over(context):
    """A new app under the same name: the old one's instances leave, although they still report."""
    server, old = three(context)
    new = App(guid="fea3e98a-f9da-4705-91f0-80ef34b38b31")
    new.time = old.time
    post(server, new.created(0, "n0"), memory(new, 0, "n0", 30))
    old.time = new.time
    post(server, *[memory(old, index, "i%d" % index, 99) for index in range(3)])
    new.time = old.time
    post(server, memory(new, 0, "n0", 31))
    becomes(server, {"0": 31}, "the new app's instance")
    old.time = new.time
    post(server, old.api("Stopping app with guid " + old.guid), *[old.destroyed(index, "i%d" % index) for index in range(3)])
    new.time = old.time
    post(server, memory(new, 0, "n0", 32), new.created(1, "n1"), memory(new, 1, "n1", 33))
    becomes(server, {"0": 32, "1": 33}, "the new app's instances")


@test
def instances_without_metadata(context):
    """disable-metadata=true: HOSTNAME, APPNAME and PROCID have to do."""
    server, app = context.server(SCRAPE_INTERVAL="100ms"), App()
    for index in range(2):
        post(server, app.created(index, "i%d" % index, metadata=False), memory(app, index, "", 10 + index, metadata=False))
    equal(shown(server, app="acme/prod/shop"), {"0": 10, "1": 11}, "two instances")
    post(server, app.destroyed(1, "i1", metadata=False))
    becomes(server, {"0": 10}, "one instance")


@test
def process_types_are_kept_apart(context):
    server, app = three(context)
    post(server, memory(app, 0, "w0", 50, kind="worker"))
    equal(server.page().total(MEMORY, process_type="worker", instance_index="0"), 50, "the worker's memory")
    equal(server.page().total(MEMORY, process_type="web", instance_index="0"), 10, "the web process's memory")
    post(server, app.api('Deleting process: "worker"'))
    wait_for(lambda: not server.page().select(MEMORY, process_type="worker"), "the worker has left")
    equal(shown(server), {"0": 10, "1": 11, "2": 12}, "the web processes stay")


@test
def losses_count_as_lost_upstream(context):
    server, app = context.server(), App()
    post(server, app.message("LGR/0", text="42 messages lost for application %s in user provided syslog drain with url https://x" % app.guid))
    equal(server.page().value("drain_exporter_upstream_lost_messages_total", app="acme/prod/shop", code="LGR"), 42, "lost messages")
    check(not server.page().select("drain_exporter_upstream_lost_messages_total", app="acme/prod/shop", code="L10")
          or server.page().value("drain_exporter_upstream_lost_messages_total", app="acme/prod/shop", code="L10") == 0, "something was lost by Logplex")


@test
def prometheus_follows_instances(context):
    """http_sd_configs on /discovery, relabelled as Promregator's documentation shows: targets and series follow, and no instance's numbers mix."""
    server, app = context.server(SCRAPE_INTERVAL="1s"), App()
    numbers = {}

    def speak(of, *instances):
        for index, instance in instances:
            numbers[of.guid, index] = len(numbers) + 1
            post(server, of.created(index, instance), memory(of, index, instance, numbers[of.guid, index]))

    def seen():
        return {(labels["cf_instance_id"], labels["cf_instance_number"], labels["instance_index"]): value for labels, value in prometheus.query(MEMORY)}

    def follows(of, indexes, what):
        wanted = {("%s:%d" % (of.guid, index), str(index), str(index)): numbers[of.guid, index] for index in indexes}
        wait_for(lambda: seen() == wanted or check(False, "it sees %r", seen()), what, 30, 0.2)

    speak(app, (0, "i0"), (1, "i1"))
    prometheus = Prometheus(context, {}, more=[discovered(server)])
    follows(app, (0, 1), "both instances are scraped")
    labels = prometheus.query(MEMORY + '{cf_instance_number="1"}')[0][0]
    equal({name: labels.get(name) for name in ("instance", "org_name", "space_name", "app_name")},
          {"instance": app.guid + ":1", "org_name": "acme", "space_name": "prod", "app_name": "shop"}, "the labels of an instance")
    speak(app, (2, "i2"))
    follows(app, (0, 1, 2), "scaled up")
    post(server, app.api('Updated app with guid %s ({"instances"=>2})' % app.guid), app.destroyed(2, "i2"))
    follows(app, (0, 1), "scaled down")
    post(server, app.crashed(1, "i1"), app.destroyed(1, "i1"))
    follows(app, (0,), "crashed")
    numbers.pop((app.guid, 1))
    numbers["?"] = 0
    speak(app, (1, "j1"))
    follows(app, (0, 1), "and replaced")
    after = App(guid="6460bea4-c300-46a2-a6c2-3aa2fb271c86")
    after.time = app.time
    speak(after, (0, "k0"), (1, "k1"))
    follows(after, (0, 1), "a blue-green deploy has taken over")
