"""The commands: explain, convert and replay, alone and beside a server."""
import re
import subprocess

from harness import Context, check, equal, test
from ledger import AUTHORS, samples
from lines import counter, frame, gauge, histogram, ingest, line
from server import SANITIZER_REPORT, environment

TIME = "2026-02-03T04:05:06.123456+00:00"


def command(context, *arguments, data=b"", status=0, **settings):
    """Run a command to its end and insist on the status; what it printed, and what it said on stderr."""
    done = subprocess.run([context.program, *arguments], env=environment(**settings), input=data, capture_output=True, timeout=60 * Context.patience)
    out, err = done.stdout.decode(), done.stderr.decode()
    check(not SANITIZER_REPORT.search(err), "a sanitizer reports: %s", err[:2000])
    equal(done.returncode, status, "the exit status of %r (%s)" % (arguments, err[:300]))
    return out, err


def series(page):
    """The lines of a page that are not about ourselves, sorted."""
    return sorted(each for each in page.split("\n") if each and not re.match(r"(# \w+ )?(drain_exporter|process)_", each))


def shown_log(name, text):
    """A sample as heroku logs shows it, and the same as Logplex sends it."""
    appname, procid, _ = AUTHORS[name]
    lines = [each for each in text.split(b"\n") if each]
    head = "%s %s[%s]: " % (TIME, appname, procid)
    shown = b"".join(head.encode() + each + b"\n" for each in lines)
    priority = 190 if appname == "app" else 158
    sent = b"".join(frame(b"<%d>1 %s host %s %s - %s" % (priority, TIME.encode(), appname.encode(), procid.encode(), each)) for each in lines)
    return shown, sent


def coloured(shown):
    """The same with colours in header and text."""
    return re.sub(rb"(?m)^(\S+ \S+\]:) (\w*)", lambda m: b"\x1b[36m%s\x1b[0m \x1b[1;32m%s\x1b[0m" % m.groups(), shown)


@test
def convert_equals_the_server(context):
    """Every sample gives the page that the server shows for it, and so do all of them in one log."""
    metrics = ingest([counter("hits", 3, "incremental", path="/"), gauge("depth", 2), histogram("seconds", [0.1, 1], [1, 2], 3)])
    bodies = {"frames": b"".join(samples("frames-*.txt").values()), "empty": b"", "metrics": metrics + line("hello")}
    bodies.update(samples("frames-*.txt"))
    for name, body in bodies.items():
        server = context.server()
        server.post(body, None)
        out, err = command(context, "convert", "-", data=body)
        equal(err, "", "stderr of convert")
        want = series(server.scrape().body.decode())
        check(want, "the server shows nothing for %s", name)
        equal(series(out), want, "the page of %s" % name)
        check("drain_exporter_" not in out, "the page of %s shows our own metrics", name)
        server.stop()


@test
def convert_reads_what_heroku_logs_shows(context):
    for name, text in samples("*.txt").items():
        if name not in AUTHORS or name.startswith("cloudfoundry"):
            continue
        shown, sent = shown_log(name, text)
        server = context.server()
        server.post(sent, "shop", {"Logplex-Frame-Id": "x"})
        want = series(server.scrape().body.decode())
        server.stop()
        for log in (shown, coloured(shown)):
            out, _ = command(context, "convert", "--app", "shop", data=log)
            equal(series(out), want, "the page of %s" % name)


CONFIGURATION = """
drains:
  - {name: one, app: shop, labels: {team: payments}}
  - {name: two, app: other, password: "x1234567", labels: {team: two}}
"""


@test
def convert_has_settings_and_options(context):
    path = context.file("config.yaml", CONFIGURATION)
    log = context.file("log", line("count#x=1") + ingest([gauge("g", 1)]) + line("count#y=1"))
    out, _ = command(context, "convert", "--app", "shop", "--config", path, log)
    check('\ng{app="shop",process="web.1",team="payments"} 1\n' in out, "no fixed labels: %s", out[:500])
    out, _ = command(context, "convert", "--app=other", log, CONFIG_FILE=path)
    check('\nl2met_x_total{app="other",process_type="web",team="two"} 1\n' in out, "no fixed labels of CONFIG_FILE: %s", out[:500])
    out, _ = command(context, "convert", "--all", log, MAX_L2MET_NAMES="1")
    check("l2met_x_total" in out and "l2met_y_total" not in out, "MAX_L2MET_NAMES is not heard: %s", out[:500])
    check('\ndrain_exporter_messages_received_total 3\n' in out, "--all does not show the ledger: %s", out[:500])


@test
def mistakes_of_commands(context):
    """One sentence on stderr, nothing on stdout, and the status."""
    bad_config = context.file("bad.yaml", "drains: 5\n")
    cases = [(2, "--nonsense", ("--nonsense",)), (2, "-x", ("-x",)), (1, "no-such-file", ("no-such-file",)), (1, context.folder, (context.folder,)),
             (2, "second", ("first", "second", "third")), (1, "bad.yaml", ("--config", bad_config)), (1, "missing.yaml", ("--config", "missing.yaml")),
             (2, "--app", ("--app",))]
    for name in ("convert",):
        for status, about, arguments in cases:
            out, err = command(context, name, *arguments, status=status)
            check(out == "" and err.count("\n") == 1 and about in err, "%s %r says %r and prints %r", name, arguments, err, out[:100])
        out, err = command(context, name, "--help")
        check(err == "" and "drain_exporter %s" % name in out and "--app" in out, "%s --help prints %r", name, out)
        out, err = command(context, name, status=1, MAX_SERIES="none")
        check(out == "" and err.count("\n") == 1 and "MAX_SERIES" in err, "a bad setting: %r", err)
    help_text, _ = command(context, "--help")
    check("drain_exporter convert" in help_text, "--help does not tell of convert")
