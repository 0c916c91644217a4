"""What docker/ has for Prometheus and Grafana fits what the program serves: rules, runbook, dashboards."""
import os
import re

import ledger
from documentation import ROOT
from harness import Skip, test
from support.checks import check, equal
from support.lines import line, router_error
from transport import certificate, client

DOCKER = os.path.join(ROOT, "docker")
PREFIXES = "drain_exporter|heroku|process"
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


def sample_batches(offset=0):
    """The recorded lines of tests/data/samples, one body for each kind, as one app posts them now."""
    for name, text in ledger.samples("*.txt").items():
        if name in ledger.AUTHORS:
            appname, procid, _ = ledger.AUTHORS[name]
            yield b"".join(line(each, appname, procid) for each in text.split(b"\n") if each)


def replaying_server(context, **settings):
    """A server with all that makes a metric of its own, which has been posted all recorded lines."""
    cert, key = certificate(context)
    server = context.server(tls=client(cert), TLS_CERT_FILE=cert, TLS_KEY_FILE=key, CONFIG="rules: [{name: none, match: '^ nothing', drop: true}]", **settings)
    for body in sample_batches():
        server.post(body, "my-app")
    server.post(router_error("H12"), "__turned_away")
    return server


def served_names(text):
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"^(\w+)[{ ]", text, re.M)} | set(re.findall(r"^(\w+)[{ ]", text, re.M))


@test
def rules_read_metrics_that_exist(context):
    """Every metric of a rule is on the page of a server that has read the recorded lines, and every recorded name is made by a rule."""
    recording, alerts = rules("recording.yml"), rules("alerts.yml")
    recorded = {rule["record"] for rule in recording}
    # This one needs a metric with too many series.
    server = replaying_server(context, SCRAPE_INTERVAL="60s", MAX_METRIC_SERIES=30)
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
    table = open(os.path.join(ROOT, "README.md")).read()
    recorded = {rule["record"] for rule in rules("recording.yml")}
    equal(sorted(set(re.findall(RECORDED, runbook)) - recorded), [], "recorded names that no rule makes")
    for name in names_in(" ".join(re.findall(r"`([^`]*)`", runbook))):
        check("`%s`" % re.sub("_bucket$", "", name) in table, "README lacks %s", name)
