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
    for name in ("convert", "explain"):
        for status, about, arguments in cases:
            out, err = command(context, name, *arguments, status=status)
            check(out == "" and err.count("\n") == 1 and about in err, "%s %r says %r and prints %r", name, arguments, err, out[:100])
        out, err = command(context, name, "--help")
        check(err == "" and "drain_exporter %s" % name in out and "--app" in out, "%s --help prints %r", name, out)
        out, err = command(context, name, status=1, MAX_SERIES="none")
        check(out == "" and err.count("\n") == 1 and "MAX_SERIES" in err, "a bad setting: %r", err)
    help_text, _ = command(context, "--help")
    for name in ("explain", "convert"):
        check("drain_exporter %s" % name in help_text, "--help does not tell of %s", name)


# ---- explain ----

# What must stand somewhere in the explanation of a sample, and how many of its lines have the verdict of most.
EXPLAINED = {
    "api-events": ("api", ['heroku_api_events_total{app="shop",event="scale"} +1', "# web was scaled to 4: those of a higher number have ended",
                           'heroku_formation_dynos{app="shop",process_type="web",size="Standard-1X"} 4', 'heroku_release_version{app="shop"} 138']),
    "custom-l2met": ("l2met", ['l2met_db_latency_seconds_sum{app="shop",process_type="web"} +0.004', 'l2met_db_vaccum_total{app="shop",process_type="web"} +1']),
    "dyno-state": ("dyno", ['heroku_dyno_state_changes_total{app="shop",from="starting",process_type="web",to="up"} +1', "# web.1 started",
                            "# web.1 ended, and its series with it", "# web.1 exited: what it has reported is over"]),
    "logplex-errors": ("logplex", ['drain_exporter_upstream_lost_messages_total{code="L10"} +13', 'drain_exporter_upstream_lost_messages_total{code="L13"} +111']),
    "pgbouncer": ("pgbouncer", ['heroku_pgbouncer_client_active{addon="postgresql-contoured-12345"} 56']),
    "postgres": ("postgres", ['heroku_postgres_tables{addon="postgresql-curly-12345"} 13']),
    "postgres-server-log": ("postgres_log", ['heroku_postgres_log_messages_total{']),
    "redis": ("redis", ['heroku_redis_active_connections{addon="redis-rugged-24473"} 4']),
    "router-error": ("router", ['heroku_router_errors{app="shop",process="web.1",code="H18"} +1']),
    "router-info": ("router", ['heroku_router_requests_total{app="shop",method="GET",status="200"} +1',
                               'heroku_router_service_duration_seconds_sum{app="shop",process_type="web"} +0.459']),
    "runtime-metrics": ("dyno", ['heroku_dyno_load_avg_1m{app="shop",process="web.1",process_type="web"} 0.02']),
}


@test
def explain_tells_what_each_sample_gives(context):
    found = samples("*.txt")
    for name, (family, wanted) in EXPLAINED.items():
        for log in shown_log(name, found[name]):
            out, _ = command(context, "explain", "--app", "shop", data=log)
            lines = [each for each in found[name].split(b"\n") if each]
            equal(len(re.findall(r"(?m)^\S+ \w+\[[\w.-]+\]: ", out)), len(lines), "lines shown of %s" % name)
            got = len(re.findall(r"(?m)^  family %s$" % family, out))
            check(got >= len(lines) - 6 and got > 0, "family %s has taken %d of %d lines of %s", family, got, len(lines), name)
            for text in wanted:
                check("    " + text in out, "the explanation of %s lacks %s", name, text)
    frames, _ = command(context, "explain", data=found["frames-l10-no-newline"])
    check('drain_exporter_upstream_lost_messages_total{code="L10"} +3' in frames and "  family router\n" in frames, "frames: %s", frames)
    cloud, _ = command(context, "explain", data=found["frames-cf-octet"])
    check("test-app-id[[APP/2]]: just a test\n  not a metric\n" in cloud, "frames of Cloud Foundry: %s", cloud)


@test
def explain_tells_why_not(context):
    prefix = "crates-io-heroku-metrics:ingest "
    log = (line("hello\x1b[2J") + line(prefix + "!!!") + line(prefix + "AAAA") + line("I am a router", "heroku", "router") + frame("no header\n") + frame("y" * 70000 + "\n")
           + ingest([counter("heroku_router_errors", 5), gauge("bad", "x"), gauge("good", 1), gauge("n" * 300, 1), counter("c", 2, "incremental")])
           + ingest([histogram("h", [1, 2], [1, 2], 3.5)]) + ingest([gauge("good", 7)], time="2001-02-03T04:05:06Z"))
    out, _ = command(context, "explain", data=log)
    for text in ("hello\\x1b[2J\n  not a metric\n", "malformed, base64: an ingest line whose payload is not base64\n", "malformed, json: ",
                 "I am a router\n  family router, malformed, pairs: a router line without router fields\n", "no header\n  malformed, header: no syslog header\n",
                 "... (70000 bytes)\n  malformed, too_long: longer than 64 KiB\n",
                 'heroku_router_errors{process="web.1"} 5  # rejected, reserved_name: the name belongs to this program\n',
                 "# rejected, value: no value, or one that is not a finite number\n", '    good{process="web.1"} 1\n',
                 "  # rejected, name: the metric's name is missing, empty or too long\n", '    c{process="web.1"} +2\n', '    h_count{process="web.1"} 3\n',
                 '    h_sum{process="web.1"} 3.5  # 2 buckets\n', '    good{process="web.1"} 7  # outdated: '):
        check(text in out, "the explanation lacks %r:\n%s", text, out[:3000])
    out, _ = command(context, "explain", "--config", context.file("c.yaml", CONFIGURATION), "--app", "shop", data=line("count#x=1"), MAX_L2MET_NAMES="1")
    check('    l2met_x_total{app="shop",process_type="web",team="payments"} +1\n' in out, "fixed labels: %s", out)
    out, _ = command(context, "explain", data=line("count#x=1") + line("count#y=1"), MAX_L2MET_NAMES="1")
    check('l2met_y_total{process_type="web"} +1  # rejected, names: the app has chosen too many names already' in out, "a bound: %s", out)


@test
def explain_follows_a_log(context):
    """Lines that have come are explained at once, though the log goes on."""
    process = subprocess.Popen([context.program, "explain"], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        for i in range(3):
            process.stdin.write(b"%s app[web.1]: count#x=%d\n" % (TIME.encode(), i + 1))
            process.stdin.flush()
            equal([process.stdout.readline() for _ in range(3)][2].decode(), '    l2met_x_total{process_type="web"} +%d\n' % (i + 1), "what is explained")
    finally:
        process.stdin.close()
        equal(process.wait(20 * context.patience), 0, "the exit status")
        process.stdout.close()


@test
def explain_sums_up(context):
    count = context.scaled(20000)
    log = b"".join(line("took %d ms for 10.0.0.%d, id a1%030x" % (i, i % 250, i), "app", "web.%d" % (i % 7 + 1)) for i in range(300))
    log += line("count#x=1") * 3 + line("crates-io-heroku-metrics:ingest !!!") + ingest([gauge("bad", "x"), gauge("good", 1)])
    out, _ = command(context, "explain", "--summary", data=log)
    for text in ("305 messages, read as frames of a drain\n", "\n  l2met            3\n", "\n  ingest           1\n", "\n  not a metric     300\n",
                 "\n  base64           1  (malformed: an ingest line whose payload is not base64)\n", "\n  recorded         4\n", "\n  value            1  (rejected)\n",
                 "\n     300  app[web]: took <n> ms for <ip>, id <hex>\n", "\n          such as took 0 ms for 10.0.0.0, id a10"):
        check(text in out, "the summary lacks %r: %s", text, out)
    # Every line has a shape of its own: what finds no room is told.
    letters = [chr(97 + i % 26) + chr(97 + i // 26 % 26) + chr(97 + i // 676 % 26) + chr(97 + i // 17576) for i in range(count)]
    out, _ = command(context, "explain", "--summary", data=b"".join(line("free text %s" % text) for text in letters))
    more = re.search(r"\n  and (\d+) more shapes, of (\d+) lines\n", out)
    check(more is not None, "no more shapes: %s", out)
    without_room = re.search(r"\n  and (\d+) lines of further shapes", out)
    equal(20 + int(more.group(2)) + (int(without_room.group(1)) if without_room else 0), count, "the lines of all shapes")
    check(count < 5000 or without_room, "the table has no bound")
