"""The life of instances on Cloud Foundry, and of their series."""
import datetime

from app_pages import discover, discovered
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


def post_ends(server, *messages):
    """Post them, and wait until what ended by them would have left: another app's instance that ends with them has."""
    witness = App("witness", guid="6460bea4-c300-46a2-a6c2-3aa2fb271c86")
    post(server, memory(witness, 0, "w0", 1))
    post(server, *messages)
    post(server, witness.destroyed(0, "w0"))
    wait_for(lambda: not server.page().select(MEMORY, app="acme/prod/witness"), "the witness has left")


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
def what_ends_takes_no_place(context):
    """Of a drain of logs alone, in which nobody speaks for minutes: that an older instance or app stops ends nothing."""
    for after in ("instance", "two instances", "app"):
        server, app = context.server(SCRAPE_INTERVAL="100ms"), App()
        old = app if after != "app" else App(guid="fea3e98a-f9da-4705-91f0-80ef34b38b31")
        old.time = app.time
        post(server, old.created(0, "i0"))
        app.time = old.time
        if after == "two instances":
            post(server, app.created(0, "i1"))
        post(server, app.created(0, "i2"), app.of_instance("APP/PROC/WEB/0", 0, "i2", text="sample#depth=2"))
        app.time += datetime.timedelta(minutes=2)
        old.time = app.time
        if after == "app":
            post(server, old.api("Stopping app with guid " + old.guid))
        post_ends(server, old.destroyed(0, "i0"))
        equal([value for _, value in server.page().select("l2met_depth")], [2], "what the present instance has said, after the end of an older " + after)
        app.time = old.time
        post(server, app.destroyed(0, "i2"))
        wait_for(lambda: not server.page().select("l2met_depth"), "the present instance has left")


def replaced(context):
    """A server that shows an instance of a new app under the name of an old one, whose instances still report; old and new app."""
    server, old = three(context)
    new = App(guid="fea3e98a-f9da-4705-91f0-80ef34b38b31")
    new.time = old.time
    post(server, new.created(0, "n0"), memory(new, 0, "n0", 30))
    old.time = new.time
    post(server, *[memory(old, index, "i%d" % index, 99) for index in range(3)])
    becomes(server, {"0": 30}, "the new app's instance")
    return server, old, new


@test
def a_rollback_is_followed(context):
    """The old app is the present one again once the new one has been silent for a minute by the times of lines."""
    server, old, _ = replaced(context)
    old.time += datetime.timedelta(seconds=61)
    post(server, *[memory(old, index, "i%d" % index, 40 + index) for index in range(3)])
    becomes(server, {"0": 40, "1": 41, "2": 42}, "the old app's instances again")


@test
def a_blue_green_deploy_takes_over(context):
    """A new app under the same name: the old one's instances leave, although they still report."""
    server, old, new = replaced(context)
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


def paths(server, target="/discovery"):
    return [element["labels"]["__metrics_path__"] for element in discover(server, target)[:-1]]


@test
def a_renamed_app_takes_its_instances_along(context):
    """A blue-green deploy with a name for a while, and back: under a name that its app has left nothing lingers."""
    server, blue = context.server(SCRAPE_INTERVAL="100ms"), App()
    green = App("shop-green", guid="fea3e98a-f9da-4705-91f0-80ef34b38b31")

    def speak(app, value):
        blue.time = green.time = max(blue.time, green.time)
        post(server, memory(app, 0, "of " + app.guid, value), app.request(), app.api("Updated"))

    def becomes_all(*apps):
        def seen():
            return {labels["app"]: value for labels, value in server.page().select(MEMORY)}
        wanted = {"acme/prod/" + app.name: value for app, value in apps}
        wait_for(lambda: seen() == wanted or check(False, "it shows %s", seen()), "the memory of %s" % sorted(wanted), 10)
        equal({labels["app"] for labels, _ in server.page().select("cf_router_requests_total")}, set(wanted), "apps with requests")
        equal(sorted(paths(server)), sorted("/singleTargetMetrics/%s/0" % app.guid for app, _ in apps), "targets")
        equal(sorted(paths(server, "/discovery?by=app")), sorted("/v1/apps/%s/metrics" % app.guid for app, _ in apps), "apps")

    speak(blue, 1)
    speak(green, 2)
    becomes_all((blue, 1), (green, 2))
    blue.name = "shop-venerable"
    speak(blue, 3)
    green.name = "shop"
    speak(green, 4)
    becomes_all((blue, 3), (green, 4))
    # Back, without a minute of waiting.
    green.name = "shop-bad"
    speak(green, 5)
    blue.name = "shop"
    speak(blue, 6)
    becomes_all((blue, 6), (green, 5))


@test
def what_is_no_guid_is_of_several_apps(context):
    """As of output of cf logs that is replayed: all apps are "app" there."""
    server, apps = context.server(SCRAPE_INTERVAL="100ms"), [App(name, "app") for name in ("shop", "blog")]
    post(server, memory(apps[0], 0, "i0", 1))
    post_ends(server, memory(apps[1], 0, "i0", 2))
    equal(sorted(value for _, value in server.page().select(MEMORY)), [1, 2], "the memory of both")


@test
def a_rolling_deploy_without_metadata(context):
    server, app = context.server(SCRAPE_INTERVAL="100ms"), App()
    post(server, app.created(0, "i0", metadata=False), memory(app, 0, "", 10, metadata=False))
    post_ends(server, app.created(0, "i1", metadata=False), memory(app, 0, "", 11, metadata=False), app.destroyed(0, "i0", metadata=False))
    equal(shown(server, app="acme/prod/shop"), {"0": 11}, "the memory of the new instance, after the end of the old one")


@test
def two_drains_of_one_app(context):
    """One with metadata and one without: neither is in the other one's way."""
    server, app = context.server(), App()
    gauge = '[gauge@47450 name="depth" value="%d" unit=""]'
    for value in range(3):
        post(server, memory(app, 0, "i0", value), app.of_instance("0", 0, "i0", gauge % value))
        post(server, memory(app, 0, "", value, metadata=False), app.of_instance("0", 0, "", gauge % value, metadata=False))
        page = server.page()
        equal(shown(server), {"0": value}, "the memory of the instance")
        equal([one for _, one in page.select("cf_app_depth")], [value], "its own metric")


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
