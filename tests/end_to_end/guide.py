"""The guides to one's own metrics, by rules (RULES.md) and by ingest lines (INGEST.md): each example yields what it says, and the schema for editors agrees with the program."""
import base64
import json
import os
import re
import subprocess
import sys

from documentation import ROOT
from harness import Skip, test
from support.checks import check, equal
from support.processes import run_to_end

RULES = os.path.join(ROOT, "src", "families", "RULES.md")
EXAMPLES = ("Sidekiq", "lograge", "Puma stats", "A JSON logger", "Lines in the manner of statsd", "A logger that puts something before JSON",
            "An expression together with fields", "Conditions", "Labels that are made", "An array", "Units and constants")


def examples():
    """(title, rules, lines, result) of each example."""
    section = open(RULES).read().split("\n## Examples\n")[1]
    block = r"```%s\n(.*?)```\n"
    return re.findall(r"\n\*\*([^*]+)\*\*[^\n]*\n\n" + block % "yaml" + block % "text" + block % "text", section, re.S)


def run(context, *arguments):
    return run_to_end([context.program, *arguments], seconds=20, PASSWORD_DRAIN="a", PASSWORD_METRICS="b")


def without_app(line):
    """The guide leaves out the app, which no line of it names."""
    return re.sub(r"\{\}", "", line)


@test
def examples_give_what_they_say(context):
    found = examples()
    equal([title for title, *_ in found], list(EXAMPLES), "the examples of the guide")
    for number, (title, rules, lines, result) in enumerate(found):
        config = context.file("%d.yaml" % number, rules)
        checked = run(context, "--check-config", "--config-file", config)
        equal((checked.status, checked.err), (0, ""), "--check-config of %s" % title)
        page = run(context, "convert", "--config", config, context.file("%d.log" % number, lines))
        equal((page.status, page.err), (0, ""), "convert of %s" % title)
        shown = {without_app(line) for line in page.out.split("\n")}
        for line in result.strip().split("\n"):
            check(line in shown, "%s does not give %s but %s", title, line, sorted(l for l in shown if l.split("{")[0] == line.split("{")[0]))


@test
def the_first_rule_gives_its_series(context):
    rules, log, series = re.search(r"```yaml\n(.*?)```\n```text\n(.*?)```\n```text\n(.*?)```", open(RULES).read(), re.S).groups()
    page = run(context, "convert", "--app", "my-app", "--config", context.file("first.yaml", rules), context.file("first.log", log))
    check("\n" + series in page.out, "the first rule does not give %s", series)


@test
def the_line_of_readme_gives_its_series(context):
    log, series = re.search(r"```text\n(.*?)```\n```text\n(.*?)```", open(os.path.join(ROOT, "README.md")).read(), re.S).groups()
    page = run(context, "convert", "--app", "my-app", context.file("readme.log", log))
    check("\n" + series in page.out, "README's line does not give %s", series)


INGEST = os.path.join(ROOT, "src", "families", "INGEST.md")
INGEST_TYPES = ("counter", "gauge", "set", "aggregated_histogram", "distribution", "aggregated_summary", "sketch")


def ingest_line(document, number=0):
    return "2026-02-03T04:05:%02d.000001+00:00 app[web.1]: crates-io-heroku-metrics:ingest %s\n" % (number, base64.b64encode(document.encode()).decode())


def converted(context, log, *arguments):
    """The lines with a value on the page that a log of my-app makes, but for those that each log makes."""
    done = run(context, "convert", "--app", "my-app", *arguments, context.file("ingest.log", log))
    equal((done.status, done.err), (0, ""), "convert of %s" % log)
    return [line for line in done.out.split("\n") if line and not re.match(r"# |heroku_", line)]


@test
def ingest_examples_give_what_they_say(context):
    """There is one of each type, absolute and incremental, and in both spellings of the types that have two."""
    text = open(INGEST).read()
    seen = set()
    for documents, result in re.findall(r"```json\n(.*?)\n```\n```text\n(.*?)\n```\n", text, re.S):
        documents = documents.split("\n")
        page = converted(context, "".join(ingest_line(document, number) for number, document in enumerate(documents)))
        equal(sorted(page), sorted(result.split("\n")), "the page of %s" % documents)
        for element in [json.loads(document) for document in documents]:
            metric = (element[0] if isinstance(element, list) else element)["metric"]
            (kind,) = set(metric) & set(INGEST_TYPES)
            seen |= {(kind, metric.get("kind", "absolute")), (kind, "objects" if re.search(r"\[\{|AgentDDSketch", json.dumps(metric[kind])) else "lists")}
    spelled_twice = INGEST_TYPES[3:]
    wanted = {(kind, how) for kind in INGEST_TYPES for how in ("absolute", "incremental")} | {(kind, how) for kind in spelled_twice for how in ("lists", "objects")}
    equal(sorted(wanted - seen), [], "what the guide has no example of")
    read = re.search(r"metric_members\[\] = \{\n(.*?)\n\}", open(os.path.join(ROOT, "src", "families", "ingest.c")).read(), re.S).group(1)
    for member in re.findall(r'"(\w+)"', read):
        check("`%s`" % member in text, "the guide lacks the member %s", member)


@test
def ingest_line_of_the_shell_is_the_one_shown(context):
    command, line, result = re.search(r"```sh\n(.*?)\n```\n```text\n(.*?)\n```\n```text\n(.*?)\n```", open(INGEST).read(), re.S).groups()
    printed = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=20)
    equal((printed.returncode, printed.stderr, printed.stdout), (0, "", line + "\n"), "what the shell prints")
    equal(converted(context, "2026-02-03T04:05:06.000001+00:00 app[web.1]: " + printed.stdout), [result], "the page of the line")


@test
def ingest_elements_are_refused_as_the_guide_says(context):
    rows = re.findall(r"^\| `(\{.*\})` \| `(\w+)` \|", open(INGEST).read(), re.M)
    check(len(rows) >= 9, "the guide has %d elements that are refused", len(rows))
    for element, reason in rows:
        page = converted(context, ingest_line('[%s,{"metric":{"name":"other","gauge":{"value":1}}}]' % element), "--all")
        rejected = [line for line in page if line.startswith("drain_exporter_samples_rejected_total")]
        equal([line for line in rejected if not line.endswith(" 0")], ['drain_exporter_samples_rejected_total{app="my-app",reason="%s"} 1' % reason], "why %s is refused" % element)
        check('other{app="my-app",process="web.1"} 1' in page, "%s costs another element", element)


LINES = """\
app[web.1]: Completed %d OK in %dms (Views: %d.5ms)
app[web.1]: sidekiq job=Mail duration=%d.2ms status=ok
app[web.2]: method=GET path=/ controller=HomeController status=200 duration=%d.50
app[worker.1]: {"event":"paid","amount":%d,"payment":{"took":"35ms"}}
app[worker.1]: it's "%d", größe %d%%
app[scheduler.1]: nothing to do
"""


@test
def suggestions_take_the_lines_they_are_made_of(context):
    """What explain --suggest prints is all comments; without the first "# " of each line it is a configuration that takes every line."""
    log = "".join("2026-02-03T04:05:06.%06d+00:00 %s\n" % (n, text % ((n,) * text.replace("%%", "").count("%d"))) for n in range(1, 6) for text in LINES.strip().split("\n"))
    log = context.file("some.log", log)
    done = run(context, "explain", "--suggest", log)
    equal((done.status, done.err), (0, ""), "explain --suggest")
    printed = done.out.split("\n")[:-1]
    check(all(line == "#" or line.startswith("# ") for line in printed), "not all lines are comments: %s", done.out)
    config = context.file("suggested.yaml", "\n".join(line[2:] for line in printed) + "\n")
    checked = run(context, "--check-config", "--config-file", config)
    equal((checked.status, checked.err), (0, ""), "--check-config of %s" % open(config).read())
    check("6 rules" in checked.out, "there are not 6 rules but %s", done.out)
    explained = run(context, "explain", "--config", config, log)
    equal((explained.status, explained.err), (0, ""), "explain under the suggestions")
    equal(explained.out.count("\n  family rules: suggestion-"), 30, "lines that the suggestions take, of 30")
    equal(run(context, "explain", "--suggest", "--config", config, log).out.split("\n")[-2], "#   [] # all lines yield something", "suggestions under the suggestions")
    equal([valid for valid in validate([open(config).read()])], ["valid"], "what the schema says of the suggestions")


SCHEMA = os.path.join(ROOT, "docker", "config.schema.json")
EXAMPLE = os.path.join(ROOT, "docker", "config.example.yaml")

# Each is wrong in one way that a schema can see; the program must refuse it as well.
WRONG = (
    "drains: {name: x}",
    "drains: [{app: x}]",
    "drains: [{name: 'a:b', app: x}]",
    "drains: [{name: a, app: __x}]",
    "drains: [{name: a}]",
    "drains: [{name: a, app: x, labels: {__a: b}}]",
    "drains: [{name: a, app: x, colour: red}]",
    "colours: []",
    "scrapes: [{name: a, apps: [x]}]",
    "scrapes: [{name: a, password: x}]",
    "scrapes: [{name: a, password: x, apps: []}]",
    "scrapes: [{name: metrics, password: x, apps: [x]}]",
    "scrapes: [{name: a, password: x, apps: [x], organization: o}]",
    "scrapes: [{name: a, password: x, apps: [x], space: s}]",
    "scrapes: [{name: a, password: x, organization: o/s}]",
    "rules: [{match: '^x', drop: true}]",
    "rules: [{name: a, match: 'x', drop: true}]",
    "rules: [{name: a, match: '^x'}]",
    "rules: [{name: a, drop: true}]",
    "rules: [{name: a, fields: xml, drop: true}]",
    "rules: [{name: a, match: '^x', metrics: []}]",
    "rules: [{name: a, match: '^x', metrics: [{help: x}]}]",
    "rules: [{name: a, match: '^x', metrics: [{counter: a, gauge: b}]}]",
    "rules: [{name: a, match: '^x', metrics: [{counter: heroku_x}]}]",
    "rules: [{name: a, match: '^x', metrics: [{counter: 'a b'}]}]",
    "rules: [{name: a, match: '^x', metrics: [{counter: a, labels: {'a-b': c}}]}]",
    "rules: [{name: a, match: '^x', metrics: [{counter: a, with: [host]}]}]",
    "rules: [{name: a, fields: json, drop: true}]",
    "rules: [{name: a, match: '^(?<n>x)', metrics: [{histogram: a, value: $n, buckets: []}]}]",
    "rules: [{name: a, match: '^x', after: '^y', drop: true}]",
    "rules: [{name: a, fields: json, after: 'y', when: {b: c}, drop: true}]",
    "rules: [{name: a, fields: json, when: {b: '!= 5'}, drop: true}]",
    "rules: [{name: a, fields: json, when: {b: '>='}, drop: true}]",
    "rules: [{name: a, fields: json, when: {b: []}, drop: true}]",
    "rules: [{name: a, fields: json, when: {b: {}}, drop: true}]",
    "rules: [{name: a, fields: json, when: {b: {unlike: c}}, drop: true}]",
    "rules: [{name: a, fields: json, when: {b: {match: c}}, drop: true}]",
    "rules: [{name: a, fields: json, when: {'b[]': c}, drop: true}]",
    "rules: [{name: a, match: '^(?<n>x)', metrics: [{counter: a, labels: {l: '${n'}}]}]",
    "rules: [{name: a, match: '^(?<n>x)', metrics: [{counter: a, labels: {l: 'x$n'}}]}]",
    "rules: [{name: a, match: '^(?<n>x)', metrics: [{counter: a, labels: {l: {value: $n}}}]}]",
    "rules: [{name: a, match: '^(?<n>x)', metrics: [{counter: a, labels: {l: {value: $n, map: {}}}}]}]",
    "rules: [{name: a, match: '^(?<n>x)', metrics: [{counter: a, labels: {l: {value: $n, map: {'<': b}}}}]}]",
    "rules: [{name: a, match: '^(?<n>x)', metrics: [{gauge: a, value: five}]}]",
    "rules: [{name: a, match: '^(?<n>x)', metrics: [{gauge: a, value: '${n}'}]}]",
    "rules: [{name: a, match: '^(?<n>x)', metrics: [{gauge: a, value: $n, unit: meters}]}]",
    "rules: [{name: a, match: '^(?<n>x)', metrics: [{gauge: a, value: $n, scale: 0}]}]",
)

# Says "valid" or "invalid" for each document on its input, which are separated by NUL.
VALIDATE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import jsonschema, yaml
schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
for text in sys.stdin.read().split(chr(0)):
    errors = list(jsonschema.Draft7Validator(schema).iter_errors(yaml.safe_load(text)))
    print("invalid" if errors else "valid")
"""


def validate(documents):
    """By a Python that has jsonschema and yaml: this one or Debian's."""
    for python in (sys.executable, "/usr/bin/python3"):
        done = subprocess.run([python, "-c", VALIDATE, SCHEMA], input="\0".join(documents), capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            return done.stdout.split()
        if "No module named" not in done.stderr:
            raise AssertionError(done.stderr)
    raise Skip("there is no Python with jsonschema and yaml")


def keys_of(schema):
    """The names of all members that a schema describes."""
    if isinstance(schema, list):
        return set().union(*(keys_of(part) for part in schema))
    if not isinstance(schema, dict):
        return set()
    own = set(schema.get("properties", {}))
    return own.union(*(keys_of(part) for part in schema.values()))


@test
def the_example_shows_each_key(context):
    """Of the configuration: those that the schema has, which the test below holds to the program.  A key may stand in a comment."""
    keys = keys_of(json.load(open(SCHEMA)))
    check(len(keys) > 30, "the schema has %d keys", len(keys))
    text = open(EXAMPLE).read()
    equal(sorted(key for key in keys if not re.search(r"(?m)(^|[\s{,])%s:" % key, text)), [], "keys that config.example.yaml lacks")


@test
def schema_agrees_with_the_program(context):
    """What the examples hold is valid for both; what is wrong in a way that a schema can see is wrong for both."""
    good = [open(EXAMPLE).read()] + [rules for _, rules, _, _ in examples()]
    equal(validate(good), ["valid"] * len(good), "what the schema says of the examples")
    verdicts = dict(zip(WRONG, validate(list(WRONG))))
    for text in WRONG:
        equal(verdicts[text], "invalid", "what the schema says of %s" % text)
        refused = run(context, "--check-config", "--config", text)
        check(refused.status == 1 and "CONFIG:1:" in refused.err, "the program says %r of %s", refused.err, text)
