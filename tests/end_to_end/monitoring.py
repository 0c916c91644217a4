"""What docker/ has for Prometheus and Grafana fits what the program serves: rules, runbook, dashboards."""
import json
import os
import re

import ledger
from documentation import METRICS, ROOT
from harness import Skip, test
from support.checks import check, equal
from support.http_client import basic
from scraping import METRICS_PASSWORD, Prometheus
from support.exporter import DRAIN_PASSWORD
from support.lines import line, router_error, stamp
from support.ports import free_port
from support.processes import run_to_end
from support.waiting import wait_for
from transport import certificate, client

DOCKER = os.path.join(ROOT, "docker")
PREFIXES = "drain_exporter|heroku|cf|process"
# Words of PromQL that look like names of ours: those of recording rules have a colon.
RECORDED = r"\b\w+:\w+:\w+\b"


def read(*path):
    with open(os.path.join(DOCKER, *path)) as source:
        return source.read()


def rules(name):
    """All rules of a file: {alert or record, expr, labels, annotations}."""
    try:
        import yaml
    except ImportError:
        raise Skip("there is no python3-yaml")
    return [rule for group in yaml.safe_load(read("prometheus", name))["groups"] for rule in group["rules"]]


def names_in(expression):
    """The metrics that an expression reads, without those of recording rules; what stands in label matchers and in by() is none."""
    bare = re.sub(r"\{[^}]*\}|\b(?:by|without|on|ignoring|group_left)\s*\([^)]*\)", " ", expression)
    return set(re.findall(r"\b(?:%s)_\w+\b" % PREFIXES, re.sub(RECORDED, " ", bare)))


def cloud_foundry_messages():
    """The messages of Cloud Foundry's conformance cases, as if they were written now; and a quota of the disk, which is like that of the memory."""
    with open(os.path.join(ROOT, "tests", "conformance", "cloud-foundry.json")) as source:
        requests = [case.get("request", {}) for case in json.load(source)]
    for body in [request["body"] for request in requests if request.get("body", "").startswith("<14>1 2026-02-03T")]:
        body = re.sub(r"2026-02-03T[0-9:.]+(?:Z|\+00:00)", lambda _: stamp(), body)
        yield body.encode()
        if 'gauge@47450 name="memory_quota"' in body:
            yield body.replace('name="memory_quota"', 'name="disk_quota"').encode()


def post_samples(server):
    """Post all recorded lines as those of one app, and Cloud Foundry's as those of the apps that they name."""
    for body in sample_batches():
        server.post(body, "my-app")
    for body in cloud_foundry_messages():
        server.post(body, None, {"Content-Type": "text/plain", "User-Agent": "fasthttp"})


def sample_batches():
    """The recorded lines of tests/data/samples, one body for each kind, with the present time."""
    for name, text in ledger.samples("*.txt").items():
        if name in ledger.AUTHORS:
            appname, procid, _ = ledger.AUTHORS[name]
            yield b"".join(line(each, appname, procid) for each in text.split(b"\n") if each)


def replaying_server(context, **settings):
    """A server with all that makes a metric of its own, which has been posted all recorded lines."""
    cert, key = certificate(context)
    port = free_port()
    canary = {"CANARY_URL": "https://drain:%s@localhost:%d/drain?app_name=canary" % (DRAIN_PASSWORD, port), "CANARY_INTERVAL": "1s", "OUTGOING_CA_FILE": cert}
    server = context.server(port=port, **canary, tls=client(cert), TLS_CERT_FILE=cert, TLS_KEY_FILE=key, CONFIG="rules: [{name: none, match: '^ nothing', drop: true}]", **settings)
    post_samples(server)
    server.post(router_error("H12"), "__turned_away")
    wait_for(lambda: "drain_exporter_canary_latency" in server.page().text, "a canary has come back", 20)
    return server


def served_names(text):
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"^(\w+)[{ ]", text, re.M)} | set(re.findall(r"^(\w+)[{ ]", text, re.M))


@test
def rules_read_metrics_that_exist(context):
    """Every metric of a rule is on the page of a server that has read the recorded lines, and every recorded name is made by a rule."""
    recording, alerts = rules("recording.yml"), rules("alerts.yml")
    recorded = {rule["record"] for rule in recording}
    # This one needs a metric with too many series.
    server = replaying_server(context, SCRAPE_INTERVAL="60s", MAX_METRIC_SERIES=30, STATE_FILE=context.folder)
    server.post(b"".join(router_error("H%d" % code) for code in range(50, 99)), "another-app")
    server.page()
    served = served_names(server.page().text)
    used = set()
    for rule in recording + alerts:
        expression = rule["expr"]
        name = rule.get("alert") or rule["record"]
        read_here = names_in(expression)
        used |= read_here
        equal(sorted(read_here - served), [], "metrics of %s that do not exist" % name)
        equal(sorted(set(re.findall(RECORDED, expression)) - recorded), [], "names in %s that no rule records" % name)
        check(read_here or re.search(RECORDED, expression), "%s reads nothing of ours", name)
    check(len(used) > 30, "only %d metrics were found in the rules", len(used))


@test
def alerts_say_what_to_do(context):
    """Each alert has a severity, what it is, what it means for users, and its section of the runbook, which names it in its triage."""
    runbook = read("RUNBOOK.md")
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", runbook, re.M | re.S))
    alerts = rules("alerts.yml")
    check(len(alerts) > 30, "%d alerts were found", len(alerts))
    for rule in alerts:
        name, notes = rule["alert"], rule["annotations"]
        check(rule["labels"]["severity"] in ("page", "ticket"), "the severity of %s", name)
        equal(sorted(notes), ["impact", "runbook_url", "summary"], "annotations of " + name)
        equal(notes["runbook_url"], "docker/RUNBOOK.md#" + name.lower(), "the runbook of " + name)
        section = sections.get(name, "")
        for part in ("- **Look:** ", "- **Do:** "):
            check(part in section, "the runbook's section on %s lacks %s", name, part)
        check(section.split("\n- **Look")[0].strip(), "the runbook does not say what %s means", name)
        if rule["labels"]["severity"] == "page":
            check("[%s](#%s)" % (name, name.lower()) in runbook.split("## The exporter")[0], "the triage lacks the page %s", name)
    equal(sorted(set(sections) - {rule["alert"] for rule in alerts}), [], "sections without an alert")
    for target in re.findall(r"\]\(#(\w+)\)", runbook):
        check(target in {section.lower() for section in sections}, "the runbook leads to #%s, which it does not have", target)


@test
def the_runbook_names_what_there_is(context):
    """Metrics in the runbook exist, recorded ones too."""
    runbook = read("RUNBOOK.md")
    table = open(METRICS).read()
    recorded = {rule["record"] for rule in rules("recording.yml")}
    equal(sorted(set(re.findall(RECORDED, runbook)) - recorded), [], "recorded names that no rule makes")
    for name in names_in(" ".join(re.findall(r"`([^`]*)`", runbook))):
        check("`%s`" % re.sub("_bucket$", "", name) in table, "METRICS.md lacks %s", name)


DASHBOARDS = ("cloud-foundry-app", "drain-exporter", "heroku-app", "heroku-databases")


@test
def dashboards_are_those_of_the_description(context):
    """The files are what the script makes, can be moved to any Grafana, and have neither an id nor a place twice."""
    done = run_to_end([os.path.join(DOCKER, "grafana", "make-dashboards"), context.folder], seconds=20)
    equal((done.status, done.err), (0, ""), "make-dashboards")
    there = sorted(name[:-5] for name in os.listdir(os.path.join(DOCKER, "grafana")) if name.endswith(".json"))
    equal(there, sorted(DASHBOARDS), "the dashboards")
    for name in DASHBOARDS:
        text = read("grafana", name + ".json")
        check(text == open(os.path.join(context.folder, name + ".json")).read(), "%s.json is not what make-dashboards writes: run it", name)
        board = json.loads(text)
        panels = board["panels"]
        equal(len({panel["id"] for panel in panels}), len(panels), "ids of panels of " + name)
        taken = set()
        for panel in panels:
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
            check(not cells & taken and max(x for x, _ in cells) < 24, "%s of %s lies over another", panel["title"], name)
            taken |= cells
            if panel["type"] != "row":
                check(panel["description"] and panel["targets"], "%s of %s lacks a description or queries", panel["title"], name)
        variables = board["templating"]["list"]
        equal(variables[0]["type"], "datasource", "the first variable of " + name)
        sources = {json.dumps(source) for source in re.findall(r'"datasource": (\{[^}]*\})', json.dumps(board))}
        equal(len(sources), 1, "data sources of " + name)
        used = set(re.findall(r"\$(\w+)", " ".join(target["expr"] for panel in panels for target in panel.get("targets", [])))) - {"__rate_interval"}
        equal(used - {variable["name"] for variable in variables}, set(), "variables of %s that are not declared" % name)


def lost(original, copy, path=""):
    """Where the copy lacks or changes what the original has."""
    if isinstance(original, dict) and isinstance(copy, dict):
        return [one for key in original for one in (lost(original[key], copy[key], path + "/" + key) if key in copy else [path + "/" + key])]
    if isinstance(original, list) and isinstance(copy, list) and len(original) == len(copy):
        return [one for number, pair in enumerate(zip(original, copy)) for one in lost(*pair, "%s/%d" % (path, number))]
    return [] if original == copy else [path]


@test
def dashboards_fit_grafanas_types(context):
    """Grafana's own SDK reads each of them, and writes the same again: it knows every key, at its place and with its type."""
    try:
        from grafana_foundation_sdk.cog.encoder import JSONEncoder
        from grafana_foundation_sdk.cog.plugins import register_default_plugins
        from grafana_foundation_sdk.models.dashboard import Dashboard
    except ImportError:
        raise Skip("this Python has no grafana-foundation-sdk (of PyPI)")
    register_default_plugins()
    for name in DASHBOARDS:
        board = json.loads(read("grafana", name + ".json"))
        again = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
        # Grafana itself writes the text of a variable's query once more, as its definition.
        unknown = [path for path in lost(board, again) if not re.fullmatch(r"/templating/list/\d+/definition", path)]
        equal(unknown, [], "what Grafana does not know of " + name)


def queries():
    """{(dashboard, panel, query): the query as Grafana would send it if all is chosen}."""
    found = {}
    for name in DASHBOARDS:
        board = json.loads(read("grafana", name + ".json"))
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                found[name, panel["title"], target["expr"]] = re.sub(r"\$(app|addon|job)\b", ".*", target["expr"]).replace("$__rate_interval", "1m")
        for variable in board["templating"]["list"][1:]:
            found[name, "variable", variable["name"]] = re.fullmatch(r"label_values\((.*), \w+\)", variable["definition"]).group(1)
    for block in re.findall(r"^ *```promql\n(.*?)^ *```$", read("RUNBOOK.md"), re.M | re.S):
        for query in block.strip().split("\n"):
            found["RUNBOOK.md", "", query.strip()] = query.strip()
    return found


@test
def every_panel_has_data(context):
    """A Prometheus with our rules scrapes a server that is posted the recorded lines again and again: each query of the dashboards and of the runbook gets data, and no rule fails."""
    rule_files = [context.file(name, read("prometheus", name).replace("interval: 1m", "interval: 1s")) for name in ("recording.yml", "alerts.yml")]
    server = replaying_server(context, SCRAPE_INTERVAL="1s", MAX_METRIC_SERIES=30, PASSWORD_METRICS_PREVIOUS="old", STATE_FILE=context.folder, STATE_INTERVAL="100ms")
    equal(server.request("GET", "/promregatorMetrics", {"Authorization": basic("metrics", "old")}).status, 200, "the status with the previous password")
    server.post(b"".join(router_error("H%d" % code) for code in range(50, 99)), "another-app")
    job = {"job_name": "heroku", "scheme": "https", "tls_config": {"insecure_skip_verify": True}, "basic_auth": {"username": "metrics", "password": METRICS_PASSWORD},
           "static_configs": [{"targets": ["%s:%d" % (server.host, server.port)]}]}
    prometheus = Prometheus(context, {}, more=[job], rule_files=rule_files)
    waiting = queries()
    check(len(waiting) > 60, "%d queries were found", len(waiting))

    def all_have_data():
        post_samples(server)
        for each, query in list(waiting.items()):
            if prometheus.query(query):
                del waiting[each]
        check(not waiting, "%d queries get no data, such as %r", len(waiting), next(iter(waiting), None))
        return True

    wait_for(all_have_data, "every query gets data", 60, 0.5)
    alerts, groups = {rule["alert"] for rule in rules("alerts.yml")}, prometheus.rules()
    equal({rule["name"] for group in groups.values() for rule in group if rule["type"] == "alerting"}, alerts, "alerts that Prometheus has loaded")
    for group in groups.values():
        for rule in group:
            check(not rule.get("lastError"), "the rule %s fails: %s", rule["name"], rule.get("lastError"))
