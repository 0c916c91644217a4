"""What the pages say is what the program does: every metric of ours, with its type, and every setting, with its default."""
import os
import re
import shutil
import subprocess

from harness import Skip, test
from support.checks import check, equal
from support.cloud_foundry import HEADERS, App
from support.exporter import DRAIN_PASSWORD
from support.lines import line, router_error
from support.ports import free_port
from support.processes import Process, run_to_end
from support.waiting import patient, wait_for, wait_for
from transport import certificate, client

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SETTINGS = os.path.join(ROOT, "docker", "SETTINGS.md")
METRICS = os.path.join(ROOT, "src", "families", "METRICS.md")


def rows(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.split("\n") if line.startswith("| `")]


def documented_metrics(table):
    """name: (type, labels, meaning), as METRICS.md has them between the marks of a table."""
    section = re.search(r"<!-- %s: begin -->\n(.*?)<!-- %s: end" % (table, table), open(METRICS).read(), re.S).group(1)
    return {name.strip("`"): (kind, {l.strip() for l in labels.split(",")} - {""}, meaning) for name, kind, labels, meaning in rows(section)}


def shown_metrics(text, prefixes):
    """The same, as a page shows them."""
    shown = {}
    for name, meaning, kind in re.findall(r"^# HELP ((?:%s)_\w+) (.*)\n# TYPE \w+ (\w+)$" % prefixes, text, re.M):
        series = re.findall(r"^%s(?:_bucket)?\{(.*)\} " % name, text, re.M)
        shown[name] = (kind, set(re.findall(r'(\w+)="', " ".join(series))) - {"le"}, meaning)
    return shown


def compare(shown, documented):
    equal(sorted(set(shown) - set(documented)), [], "metrics that METRICS.md lacks")
    equal(sorted(set(documented) - set(shown)), [], "metrics that only METRICS.md has")
    for name in shown:
        equal(documented[name], shown[name], "type, labels and meaning of %s" % name)


@test
def own_metrics_are_documented(context):
    """The table of our metrics names those on the page, with their types, labels and meanings, and no others."""
    cert, key = certificate(context)
    port = free_port()
    canary = {"CANARY_URL": "https://drain:%s@localhost:%d/drain?app_name=canary" % (DRAIN_PASSWORD, port), "CANARY_INTERVAL": "1s", "OUTGOING_CA_FILE": cert, "WARM_START_URL": "http://127.0.0.1:%d/state" % free_port()}
    server = context.server(port=port, **canary, tls=client(cert), TLS_CERT_FILE=cert, TLS_KEY_FILE=key, MAX_METRIC_SERIES=30, STATE_FILE=context.folder, STATE_INTERVAL="100ms", CONFIG="rules: [{name: all, match: '^', drop: true}]")
    server.post(b"".join(router_error("H%d" % code) for code in range(50, 90)), "app")
    server.post(router_error("H12"), "__turned_away")
    server.page()  # counts itself on the next one
    wait_for(lambda: "drain_exporter_state_saved" in server.page().text, "the state is written")
    wait_for(lambda: "drain_exporter_canary_latency" in server.page().text, "a canary has come back", 20)
    compare(shown_metrics(server.page().text, "drain_exporter|process"), documented_metrics("own metrics"))


def source_of(family):
    return open(os.path.join(ROOT, "src", "families", family + ".c")).read()


def addon_line(kind):
    """A line with all keys that we know of an add-on."""
    table = re.search(r"addon_key %s_keys\[\] = \{\n(.*?)\n\};" % kind, source_of("addons"), re.S).group(1)
    keys = re.findall(r'ADDON_KEY\("([^"]+)"', table)
    check(len(keys) >= 8, "%d keys of %s were found", len(keys), kind)
    text = " ".join("sample#%s=1" % key for key in keys)
    return line("source=X addon=an-addon " + text, "app", "heroku-" + kind) + line("source=X " + text, "app", "heroku-" + kind)


def dyno_lines():
    names = re.findall(r'^    GAUGE\("([^"]+)"', source_of("dyno"), re.M)
    check(len(names) >= 8, "%d keys of dynos were found", len(names))
    keys = ["%s=1MB" % name.removesuffix("_bytes") if name.endswith("_bytes") else name + "=1" for name in names if not name.startswith("process_")]
    texts = ["source=web.1 dyno=heroku.1.x sample#memory_pgpgin=1pages sample#memory_pgpgout=1pages " + " ".join("sample#" + key for key in keys),
             "Process running mem=870M(170.1%)", "State changed from starting to up", "Process exited with status 0", "Cycling", "Error R14 (Memory quota exceeded)"]
    return b"".join(line(text, "heroku", "web.1") for text in texts)


@test
def platform_metrics_are_documented(context):
    """The same for what the platform says; the keys of samples that we know are looked up in the sources."""
    server = context.server(SCRAPE_INTERVAL="60s")  # what ends within the batch is shown
    api = ["Scaled to web@4:Standard-1X by user x@example.com", "Release v5 created by user x@example.com"]
    websocket = line('at=info method=GET path="/cable" dyno=web.1 connect=1ms service=7200000ms status=101 bytes=9', "heroku", "router")
    server.post(router_error("H12") + router_error("H10", "") + websocket + dyno_lines() + addon_line("postgres") + addon_line("redis") + addon_line("pgbouncer")
                + b"".join(line(text, "app", "api") for text in api) + line("[RED] [9-1]  sql_error_code = 28000 FATAL:  x", "app", "postgres.1105947"), "app")
    compare(shown_metrics(server.page().text, "heroku"), documented_metrics("platform metrics"))


@test
def cloud_foundry_metrics_are_documented(context):
    """The same for what Cloud Foundry says; what its cells call the measures of containers is looked up in the source."""
    server, app = context.server(SCRAPE_INTERVAL="60s", CF_LABELS="none"), App()
    measures = re.findall(r'\{NAME\("(\w+)"\), CF_(GAUGE|COUNTER)', source_of("cf_container"))
    check(len(measures) >= 13, "%d measures of containers were found", len(measures))
    messages = [app.gauge(0, "i", name, 1, "") for name, kind in measures if kind == "GAUGE"]
    messages += [app.of_instance("0", 0, "i", '[counter@47450 name="%s" total="1" delta="1"]' % name) for name, kind in measures if kind == "COUNTER"]
    messages += [app.message("0", '[timer@47450 name="http" start="0" stop="1"]', tags=' process_type="web" instance_id="0" method="GET" status_code="200"'),
                 app.of_instance("0", 0, "i", '[event@47450 title="t" body="b"]'), app.created(0, "i"), app.request(), app.request(status=502, error="endpoint_failure (x)")]
    server.post(b"".join(messages), None, HEADERS)
    compare(shown_metrics(server.page().text, "cf"), documented_metrics("cloud foundry metrics"))


@test
def settings_are_documented(context):
    """The table of settings in SETTINGS.md names those that --help lists, with their defaults, and says of each what --help says."""
    help_text = run_to_end([context.program, "--help"], seconds=20).out
    listed = re.findall(r"^  ([A-Z0-9_]+), --[a-z0-9-]+=\.\.\.\n +(.*)$", help_text, re.M)
    check(len(listed) >= 15, "--help lists %d settings", len(listed))
    section = re.search(r"\n## Settings\n(.*?)\n## ", open(SETTINGS).read(), re.S).group(1)
    documented = {name.strip("`"): (default, meaning) for name, default, meaning in rows(section)}
    equal(sorted(documented), sorted(name for name, _ in listed), "the settings")
    for name, meaning in listed:
        meaning, default = re.fullmatch(r"(.*?)(?: \[([^][]*)\])?", meaning).groups()
        equal(documented[name][1].replace("`", ""), meaning, "what SETTINGS.md says of %s" % name)
        if default:
            check("`%s`" % default in documented[name][0], "the default of %s is %s, SETTINGS.md says %s", name, default, documented[name][0])


@test
def series_of_a_quiet_app_are_as_many_as_documented(context):
    """METRICS.md says what an app takes of MAX_SERIES when it has only just begun: whoever has many apps has to know."""
    first, further = (int(number) for number in re.search(r"takes (\d+) of `MAX_SERIES` .*? Each further web dyno takes (\d+) more", open(METRICS).read(), re.S).groups())
    server = context.server(SCRAPE_INTERVAL="60s")
    counts = []
    for dyno in ("web.1", "web.2"):
        server.post(line('at=info method=GET path="/" dyno=%s connect=0ms service=1ms status=200 bytes=9 protocol=https' % dyno, "heroku", "router"), "app")
        counts.append(server.page().value("drain_exporter_series"))
    equal(counts, [first, first + further], "drain_exporter_series after a router line about one dyno, and about another")


@test
def the_version_stands_in_one_place(context):
    """In include/base/version.h, and over its changes: nowhere else would anybody change it."""
    version = run_to_end([context.program, "--version"], seconds=20).out.split()[-1]
    pattern = re.compile((r"(?<![\d.])%s(?!\.?\d)" % re.escape(version)).encode())
    places = []
    for part in ("docker", "include", "src", "vendor", "Dockerfile", "Makefile", "README.md", "CHANGELOG.md"):
        top = os.path.join(ROOT, part)
        paths = [os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names if name[0] != "."] if os.path.isdir(top) else [top]
        places += [os.path.relpath(path, ROOT) for path in paths if pattern.search(open(path, "rb").read())]
    equal(sorted(places), ["CHANGELOG.md", "include/base/version.h"], "where %s stands" % version)


@test
def the_security_guide_names_what_there_is(context):
    """Settings and metrics of docker/SECURITY.md exist, and so do the files that it leads to."""
    text = open(os.path.join(ROOT, "docker", "SECURITY.md")).read()
    help_text = run_to_end([context.program, "--help"], seconds=20).out
    for name in set(re.findall(r"\b[A-Z]+_[A-Z_]*[A-Z]\b", text)) - {"RLIMIT_MEMLOCK", "CAP_SYS_PTRACE"}:
        check("  %s, " % name.removesuffix("_FILE") in help_text or "  %s, " % name in help_text, "--help lacks %s", name)
    for name in re.findall(r"drain_exporter_\w+", text):
        check("`%s`" % name in open(METRICS).read(), "METRICS.md lacks %s", name)
    for path in re.findall(r"\]\(([^)#]+)", text):
        check(os.path.exists(os.path.join(ROOT, "docker", path)), "there is no %s", path)


@test
def every_module_is_on_the_map(context):
    """src/README.md says of every module what it does, once."""
    table = re.search(r"\n## Which module does what\?\n(.*?)\n## ", open(os.path.join(ROOT, "src", "README.md")).read(), re.S).group(1)
    named, folder = [], ""
    for line in re.findall(r"^\| .*$", table, re.M):
        first, modules = [cell.strip() for cell in line.split("|")[1:3]]
        folder = first.strip("`") or folder
        named += [(folder if modules not in ("`main`", "`exporter`") else "", module) for module in re.findall(r"`(\w+)`", modules)]
    there = set()
    for top in ("src", "include"):
        for directory, _, names in os.walk(os.path.join(ROOT, top)):
            folder = os.path.relpath(directory, os.path.join(ROOT, top)).replace(".", "")
            there |= {(folder, name[:-2]) for name in names if name[-2:] in (".c", ".h")}
    equal(sorted(named), sorted(there), "the modules that src/README.md names")


LOCALLY = os.path.join(ROOT, "docker", "run-locally")


def start_locally(context, address, name):
    """What "make run" starts."""
    return Process([LOCALLY, context.program], {"LISTEN_ADDRESS": address}, context.file(name, ""))


@test
def make_run_shows_a_recorded_batch(context):
    """The commands that it prints work, and the page they lead to is not empty."""
    if shutil.which("curl") is None:
        raise Skip("there is no curl")
    address = "127.0.0.1:%d" % free_port()
    process = start_locally(context, address, "first.out")
    try:
        wait_for(lambda: "Ctrl-C" in process.log() or not process.is_running(), "the program serves", 20)
        said = process.log()
        scrape = re.search(r"^  (curl --user metrics:\S+ \S+)$", said, re.M)
        check(scrape is not None, "no command to scrape with: %s", said)
        page = subprocess.run(["sh", "-c", scrape.group(1) + " --silent"], capture_output=True, text=True, timeout=patient(20)).stdout
        for line in ('heroku_router_errors{app="my-app",process="web.1",code="H12"} 1', 'heroku_router_errors{app="my-app",code="H10"} 1',
                     'heroku_postgres_tables{addon="postgresql-curly-12345"} 13', 'cratesio_instance_requests_total{app="my-app",process="web.1"} 31415'):
            check("\n%s\n" % line in page, "the page lacks %s", line)
        # A second one finds the port taken, says so, and posts nothing to the first.
        other = start_locally(context, address, "second.out")
        equal(other.process.wait(patient(20)), 1, "the status of a second one on the port")
        check("cannot listen" in other.log(), "the second one says %r", other.log())
    finally:
        check(process.end(), "the program did not end")
