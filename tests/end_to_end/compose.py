"""docker/compose.yaml and what it mounts: its structure, and the real Prometheus and Alertmanager of Debian on those files."""
import json
import os
import re
import shlex
import shutil
import urllib.parse

from documentation import ROOT
from harness import Skip, test
from monitoring import rules
from scraping import Prometheus
from support.checks import check, equal
from support.http_client import basic, request
from support.lines import line
from support.ports import free_port
from support.processes import run_to_end
from support.scripted_server import ScriptedServer
from support.server import Server
from support.waiting import wait_for

try:
    import yaml
except ImportError:
    yaml = None

DOCKER = os.path.join(ROOT, "docker")
COMPOSE = os.path.join(DOCKER, "compose.yaml")
KEYS = {"build", "image", "environment", "ports", "volumes", "read_only", "cap_drop", "cap_add", "stop_grace_period", "depends_on", "command", "restart"}
CONFIG = "/etc/prometheus/prometheus.yml"
ALERTMANAGER_CONFIG = "/etc/alertmanager/alertmanager.yml"


def load(path):
    if yaml is None:
        raise Skip("there is no python3-yaml")
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def services():
    return load(COMPOSE)["services"]


def mounts(service):
    """{path in the container: path here}"""
    found = {}
    for volume in service.get("volumes", []):
        here, there, mode = volume.split(":")
        equal((here[:2], mode), ("./", "ro"), "the volume %s begins and ends with" % volume)
        found[there] = os.path.join(DOCKER, here[2:])
    return found


def port_inside(name):
    """The port that a service listens on."""
    return int(services()[name]["ports"][0].rpartition(":")[2])


def container(context, name):
    """A folder that has what the service mounts, where it mounts it."""
    root = os.path.join(context.folder, name)
    for there, here in mounts(services()[name]).items():
        os.makedirs(os.path.dirname(root + there), exist_ok=True)
        (shutil.copytree if os.path.isdir(here) else shutil.copy)(here, root + there)
    return root


def edit(path, **words):
    """Replace texts of a file, each of which must be there: what=(old, new)."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for old, new in words.values():
        check(old in text, "%s has no %r", path, old)
        text = text.replace(old, new)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def judged(*command):
    """What a program said, which must be content."""
    if shutil.which(command[0]) is None:
        raise Skip("there is no %s" % command[0])
    done = run_to_end(list(command))
    equal(done.status, 0, "the status of %s (%s)" % (" ".join(command[:3]), (done.out + done.err)[:300]))
    return done.out


@test
def compose_starts_what_it_says(context):
    """Known keys, pinned images, ports on this machine alone; what is mounted exists, and hosts that files name are services."""
    all_services = services()
    equal(sorted(all_services), ["alertmanager", "exporter", "grafana", "prometheus", "replay"], "the services")
    for name, service in all_services.items():
        equal(sorted(set(service) - KEYS), [], "unknown keys of " + name)
        check("build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"]), "the image of %s has no version: %s", name, service["image"])
        for port in service.get("ports", []):
            check(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), "the port %s of %s", port, name)
        for here in mounts(service).values():
            check(os.path.exists(here), "%s mounts %s, which is not there", name, here)
        for other, how in service.get("depends_on", {}).items():
            check(other in all_services and how == {"condition": "service_healthy"}, "%s waits for %s: %r", name, other, how)
    known = set(re.findall(r"^  ([A-Z][A-Z0-9_]+),", run_to_end([context.program, "--help"]).out, re.M))
    equal(sorted(set(all_services["exporter"]["environment"]) - known), [], "variables that the program does not know")
    with open(os.path.join(ROOT, "Dockerfile")) as file:
        equal([int(port) for port in re.findall(r"^EXPOSE (\d+)$", file.read(), re.M)], [port_inside("exporter")], "the port of the image")
    addresses = {"%s:%d" % (name, port_inside(name)) for name in all_services if "ports" in all_services[name]}
    config = load(os.path.join(DOCKER, "prometheus.yml"))
    named = [target for job in config["scrape_configs"] + config["alerting"]["alertmanagers"] for static in job["static_configs"] for target in static["targets"]]
    equal(sorted(named), ["alertmanager:9093", "exporter:80"], "whom Prometheus speaks to")
    check(set(named) <= addresses, "Prometheus speaks to %s, the services are %s", named, addresses)
    judged("docker-compose", "-f", COMPOSE, "config", "--quiet")


@test
def grafana_is_given_data_and_dashboards(context):
    """Its files have the structure that it reads, and lead to the Prometheus of compose.yaml and to all dashboards."""
    grafana = services()["grafana"]
    root = container(context, "grafana")
    folder = root + "/etc/grafana/provisioning"
    equal(sorted(os.listdir(folder)), ["dashboards", "datasources"], "what is provisioned")
    [source] = os.listdir(folder + "/datasources")
    sources = load("%s/datasources/%s" % (folder, source))
    equal((sorted(sources), sources["apiVersion"], len(sources["datasources"])), (["apiVersion", "datasources"], 1, 1), "the data sources")
    source = sources["datasources"][0]
    equal({key: source[key] for key in ("type", "access", "isDefault")}, {"type": "prometheus", "access": "proxy", "isDefault": True}, "the data source")
    equal(source["url"], "http://prometheus:%d" % port_inside("prometheus"), "the address of the data source")
    [job] = load(os.path.join(DOCKER, "prometheus.yml"))["scrape_configs"]
    equal(source["jsonData"]["timeInterval"], job["scrape_interval"], "the interval of the data source")
    [provider] = os.listdir(folder + "/dashboards")
    providers = load("%s/dashboards/%s" % (folder, provider))
    equal((sorted(providers), providers["apiVersion"], len(providers["providers"])), (["apiVersion", "providers"], 1, 1), "the dashboards")
    provider = providers["providers"][0]
    equal((provider["type"], list(provider["options"])), ("file", ["path"]), "where dashboards come from")
    path = provider["options"]["path"]
    check(path in mounts(grafana), "%s is not mounted", path)
    # Grafana takes every .json below the path.
    found = [os.path.join(parent, name) for parent, _, names in os.walk(root + path) for name in names if name.endswith(".json")]
    check(len(found) >= 4, "%d dashboards are found", len(found))
    uids = [json.load(open(each))["uid"] for each in found]
    equal(len(set(uids)), len(found), "different uids of dashboards")


@test
def alerts_have_receivers(context):
    """amtool takes the file, also with the services that stand in comments; each severity has a receiver of its name, and a page mutes a milder ticket."""
    path = os.path.join(DOCKER, "alertmanager.yml")
    config = load(path)
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in rules("alerts.yml")}
    for rule in config["inhibit_rules"]:
        equal(sorted(rule), ["equal", "source_matchers", "target_matchers"], "the keys of an inhibition")
        page, ticket = [re.fullmatch(r'alertname="(\w+)"', rule[side][0]).group(1) for side in ("source_matchers", "target_matchers")]
        equal((severities.get(page), severities.get(ticket)), ("page", "ticket"), "severities of %s and %s" % (page, ticket))
    with open(path, encoding="utf-8") as file:
        text = file.read()
    judged("amtool", "check-config", path)
    complete, count = re.subn(r"(?m)^    # (?=\w+_configs:)", "    ", text)
    equal(count, len(config["receivers"]), "receivers with an example")
    judged("amtool", "check-config", context.file("complete.yml", complete))
    for labels, receiver in (["severity=page", "page"], ["severity=ticket", "ticket"], ["job=x", "ticket"]):
        equal(judged("amtool", "config", "routes", "test", "--config.file", path, labels), receiver + "\n", "who is told of " + labels)


@test
def prometheus_takes_its_files(context):
    """As they lie in the container: with the rules, which none of them would miss."""
    out = judged("promtool", "check", "config", container(context, "prometheus") + CONFIG)
    for name in ("alerts", "recording"):
        check(re.search(r"rules/%s\.yml\s+SUCCESS: \d+ rules found" % name, out), "promtool does not check %s: %s", name, out)


class Alertmanager(Server):
    """It tells a receiver's alerts to a path of its name at a server of ours."""

    def __init__(self, context, path, told):
        program = shutil.which("prometheus-alertmanager")
        if program is None:
            raise Skip("there is no prometheus-alertmanager")
        config = load(path)
        for receiver in config["receivers"]:
            receiver["webhook_configs"] = [{"url": "http://%s:%d/%s" % (told.host, told.port, receiver["name"])}]
        for route in [config["route"], *config["route"]["routes"]]:
            route.update(group_wait="0s", group_interval="1s")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        port = free_port()
        super().__init__([program, "--config.file=" + path, "--storage.path=" + os.path.join(context.folder, "alertmanager-data"), "--cluster.listen-address=",
                          "--web.listen-address=127.0.0.1:%d" % port, "--log.level=warn"], "127.0.0.1", port, output_path=os.path.join(context.folder, "alertmanager.log"))
        self.wait_until_listening()
        context.closers.append(self.end)

    def alerts(self):
        """{name: (receivers, is it muted?)}"""
        answer = request(self.host, self.port, "GET", "/api/v2/alerts")
        equal(answer.status, 200, "the status of /api/v2/alerts")
        return {alert["labels"]["alertname"]: ([each["name"] for each in alert["receivers"]], bool(alert["status"]["inhibitedBy"])) for alert in json.loads(answer.body)}


class ComposedPrometheus(Prometheus):
    """With the files of the container, in haste."""

    def __init__(self, context, exporter, alertmanager):
        root = container(context, "prometheus")
        edit(root + CONFIG, interval=("scrape_interval: 15s", "scrape_interval: 1s"), timeout=("scrape_timeout: 10s", "scrape_timeout: 1s"),
             exporter=('"exporter:80"', '"%s:%d"' % (exporter.host, exporter.port)), alertmanager=('"alertmanager:9093"', '"%s:%d"' % (alertmanager.host, alertmanager.port)))
        edit(root + "/etc/prometheus/rules/recording.yml", interval=("interval: 1m", "interval: 1s"))
        edit(root + "/etc/prometheus/rules/alerts.yml", interval=("    rules:\n", "    interval: 1s\n    rules:\n"))
        self.start(context, root + CONFIG)


def told_of(told, receiver):
    """The names of the alerts that a receiver was told of."""
    return {alert["labels"]["alertname"] for each in told.requests if each.path == "/" + receiver for alert in json.loads(each.body)["alerts"]}


@test
def an_alert_reaches_its_receiver(context):
    """The services of compose.yaml, with its passwords and files: the replayed batch is seen; a page and a ticket reach their receivers, and a later page mutes the ticket."""
    if context.sanitizer:
        raise Skip("it tells nothing more there")
    environment = services()["exporter"]["environment"]
    server = context.server(**{**environment, "SCRAPE_INTERVAL": "1s"})
    with ScriptedServer() as told:
        alertmanager = Alertmanager(context, container(context, "alertmanager") + ALERTMANAGER_CONFIG, told)
        prometheus = ComposedPrometheus(context, server, alertmanager)
        prometheus.await_number("up", 1)
        replay = services()["replay"]
        command = [word.replace("http://exporter/", "http://%s:%d/" % (server.host, server.port)) for word in shlex.split(replay["command"])]
        for there, here in mounts(replay).items():
            command = [word.replace("@" + there, "@" + here) for word in command]
        judged("curl", *command)
        wait_for(lambda: prometheus.query('heroku_router_errors{app="my-app",code="H12"}'), "the replayed batch is seen", 15, 0.1)

        [target] = [word for word in command if word.startswith("http:")]
        path = "/drain?" + urllib.parse.urlsplit(target).query
        credentials = {"Authorization": basic("drain", environment["PASSWORD_DRAIN"]), "Content-Type": "application/logplex-1"}

        def say(*texts):
            body = b"".join(line(text, "heroku", "web.1") for text in texts)
            equal(request(server.host, server.port, "POST", path, credentials, body).status, 204, "the status of a batch")

        say("State changed from up to crashed", "Error R15 (Memory quota vastly exceeded)")
        wait_for(lambda: "DynoMemoryVastlyExceeded" in told_of(told, "page"), "the page arrives", 30, 0.1)
        wait_for(lambda: "DynoCrashed" in told_of(told, "ticket"), "the ticket arrives", 30, 0.1)
        equal(alertmanager.alerts().get("DynoCrashed"), (["ticket"], False), "the ticket")
        equal(told_of(told, "page") & told_of(told, "ticket"), set(), "alerts that both receivers were told of")
        say(*["State changed from crashed to starting", "State changed from starting to crashed"] * 3)
        wait_for(lambda: "DynoCrashLoop" in told_of(told, "page"), "the second page arrives", 30, 0.1)
        wait_for(lambda: alertmanager.alerts().get("DynoCrashed") == (["ticket"], True), "the page mutes the ticket", 30, 0.1)
    for group in prometheus.rules().values():
        for rule in group:
            check(not rule.get("lastError"), "the rule %s fails: %s", rule["name"], rule.get("lastError"))
