"""The commands: init, explain, convert and replay, alone and beside a server."""
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

from documentation import ROOT
from harness import test
from ledger import AUTHORS, samples
from transport import certificate, client
from support.checks import check, equal
from support.exporter import DRAIN_PASSWORD
from support.exposition import ledger
from support.http_client import basic
from support.lines import TOKEN, counter, frame, gauge, histogram, ingest, line, router_error
from support.processes import environment, run_to_end
from support.scripted_server import ScriptedServer
from support.waiting import patient

TIME = "2026-02-03T04:05:06.123456+00:00"


def command(context, *arguments, data=b"", status=0, **settings):
    """Run a command to its end and insist on the status; what it printed, and what it said on stderr."""
    done = run_to_end([context.program, *arguments], data, **settings)
    equal(done.status, status, "the exit status of %r (%s)" % (arguments, done.err[:300]))
    return done.out, done.err


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
        server = context.server(SCRAPE_INTERVAL="60s")  # what has ended is shown as long as by convert
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
        server = context.server(SCRAPE_INTERVAL="60s")
        server.post(sent, "shop", {"Logplex-Frame-Id": "x"})
        want = series(server.scrape().body.decode())
        server.stop()
        for log in (shown, coloured(shown)):
            out, _ = command(context, "convert", "--app", "shop", data=log)
            equal(series(out), want, "the page of %s" % name)


RULES = """
rules:
  - name: noise
    match: '^heartbeat'
    drop: true
  - name: jobs
    match: '^job=(?<job>\\w+) took=(?<took>[0-9.]+ms)'
    continue: true
    metrics:
      - counter: jobs_total
        labels: {job: $job}
        with: [app, process]
      - histogram: job_seconds
        value: $took
  - name: pairs
    fields: logfmt
    when: {job: "*"}
    metrics:
      - gauge: job_last_seconds
        value: $took
        labels: {job: $job}
"""
JOBS = ("job=mail took=35.2ms", "job=mail took=7ms", "job=report took=1500ms", "heartbeat 1", "heartbeat 2", "something else")


CF_LOGS = """\
Retrieving logs for app shop in org acme corp / space prod as bob@example.com...

   2026-02-03T04:05:06.12+0000 [APP/PROC/WEB/0] OUT count#jobs=1
   2026-02-03T05:05:07.12+0100 [RTR/1] OUT shop.example.com - [2026-02-03T04:05:07.117Z] "GET /items HTTP/1.1" 200 0 1234 "-" "curl" "10.0.0.1:51234" "10.0.1.5:61002" x_forwarded_for:"203.0.113.7" x_forwarded_proto:"https" vcap_request_id:"d5c53e4f" response_time:0.5 gorouter_time:0.25 app_id:"3517892b" app_index:"0" x_cf_routererror:"-"
   2026-02-03T04:05:08.00+0000 [APP/PROC/WEB/1] ERR hello 1
   2026-02-03T04:05:08.00+0000 [APP/PROC/WEB/2] ERR hello 2
"""


@test
def what_cf_logs_shows_is_read(context):
    """The log itself says of which app it is, else --app does; procids are shown with one pair of brackets."""
    who = 'app="acme corp/prod/shop",app_name="shop",%sorganization_name="acme corp",space_name="prod"'
    wanted = ["l2met_jobs_total{%s} 1" % who.replace("space_name", 'process_type="web",space_name') % "", "cf_router_requests_total{%s,status=\"200\"} 1" % who % 'method="GET",']
    out, _ = command(context, "convert", data=CF_LOGS.encode())
    for each in wanted:
        check(each in out.split("\n"), "convert lacks %s: %s", each, out)
    named, _ = command(context, "convert", "--app", "acme corp/prod/shop", data=CF_LOGS.split("\n\n")[1].encode())
    equal(named, out, "the page with --app")
    out, _ = command(context, "explain", data=CF_LOGS.encode())
    check("\n2026-02-03T04:05:08.00+00:00 app [APP/PROC/WEB/1]: hello 1\n  not a metric\n" in out, "explain says %s", out)
    check("malformed" not in out and "[[" not in out, "explain says %s", out)
    out, _ = command(context, "explain", "--summary", data=CF_LOGS.encode())
    check("4 messages, read as output of cf logs\n" in out and "       2  [APP/PROC/WEB]: hello <n>\n" in out, "the summary says %s", out)


@test
def rules_are_seen_before_they_are_deployed(context):
    """convert equals the server with the same rules; explain names the rule of each line and counts by rule."""
    path = context.file("rules.yaml", RULES)
    body = b"".join(line(text) for text in JOBS) + router_error("H12")
    server = context.server(CONFIG_FILE=path)
    server.post(body, None)
    want = series(server.scrape().body.decode())
    out, _ = command(context, "convert", "--config", path, "-", data=body)
    equal(series(out), want, "the page of convert")
    check('jobs_total{job="mail",process="web.1"} 2' in out, "the page lacks the rules' metrics: %s", out)
    out, _ = command(context, "explain", "--config", path, "-", data=body)
    for text in ("family rules: jobs, pairs\n", "family rules: noise (drops it)\n", 'jobs_total{job="report",process="web.1"} +1\n', "job_last_seconds{job=\"mail\"} 0.007"):
        check(text in out, "explain does not say %r but %s", text, out)
    out, _ = command(context, "explain", "--summary", "--config", path, "-", data=body)
    for text in ("taken, by rule:\n  noise            2\n  jobs             3\n  pairs            3\n", "such as something else"):
        check(text in out, "the summary does not say %r but %s", text, out)
    check("such as heartbeat" not in out, "what a rule drops is among the patterns: %s", out)


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
    for name in ("convert", "explain", "init"):
        for status, about, arguments in cases:
            out, err = command(context, name, *arguments, status=status)
            check(out == "" and err.count("\n") == 1 and about in err, "%s %r says %r and prints %r", name, arguments, err, out[:100])
        out, err = command(context, name, "--help")
        check(err == "" and "drain_exporter %s" % name in out and "--app" in out, "%s --help prints %r", name, out)
        out, err = command(context, name, status=1, MAX_SERIES="none")
        check(out == "" and err.count("\n") == 1 and "MAX_SERIES" in err, "a bad setting: %r", err)
    help_text, _ = command(context, "--help")
    for name in ("init", "explain", "convert", "replay"):
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
    check("test-app-id [APP/2]: just a test\n  not a metric\n" in cloud, "frames of Cloud Foundry: %s", cloud)


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
                 "# rejected, value: no value, one that is not a finite number, or less than 0 for a counter\n", '    good{process="web.1"} 1\n',
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
        equal(process.wait(patient(20)), 0, "the exit status")
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
    # Every line has a pattern of its own: what the table cannot hold is told.
    letters = [chr(97 + i % 26) + chr(97 + i // 26 % 26) + chr(97 + i // 676 % 26) + chr(97 + i // 17576) for i in range(count)]
    out, _ = command(context, "explain", "--summary", data=b"".join(line("some text\0%s" % text) for text in ("one", "two", "two")))
    check(out.count("app[web]: some text\\x00") == 2, "lines that differ behind a NUL: %s", out)
    out, _ = command(context, "explain", "--summary", data=b"".join(line("free text %s" % text) for text in letters))
    more = re.search(r"\n  and (\d+) more patterns, of (\d+) lines\n", out)
    check(more is not None, "no more patterns: %s", out)
    without_room = re.search(r"\n  and (\d+) lines of further patterns", out)
    equal(20 + int(more.group(2)) + (int(without_room.group(1)) if without_room else 0), count, "the lines of all patterns")
    check(count < 5000 or without_room, "the table has no bound")


# ---- init ----

SHOPS = """\
app[web.1]: Completed 200 OK in %dms (Views: %d.5ms)
app[web.1]: sidekiq job=Mail duration=%d.2ms status=ok
app[web.2]: sidekiq job=Mail duration=%d.2ms status=failed
app[worker.1]: {"event":"paid","amount":%d,"payment":{"took":"35ms"}}
app[worker.1]: it's "%d", größe %d%%
app[worker.1]: %d %%
app[worker.1]: user bob%d@example.com has token=sk_live_4eC39HqLyjWDarjtT1zdp7dc
heroku[router]: at=info method=GET path="/" host=x dyno=web.1 connect=1ms service=%dms status=200 bytes=9
app[web.1]: count#hits=%d
"""
SHOP_LINES, SHOP_RULES, SHOP_UNMATCHED = 36, 6, 28


def shop_log():
    return "".join("%s %s\n" % (TIME, text.replace("%d", str(n)).replace("%%", "%")) for n in range(1, 5) for text in SHOPS.strip().split("\n"))


def uncommented(text, wanted):
    """A configuration that init has printed, without the first "# " of these proposals (by number, from 1 on) and of "rules:"."""
    head, mark, proposals = text.partition("# rules:\n")
    blocks = re.split(r"(?m)^#\n", proposals)[1:]
    lines = [line[2:] if number in wanted else line for number, block in enumerate(blocks, 1) for line in block.split("\n")]
    return head + mark[2:] + "\n".join(lines)


def checked(context, text):
    """How many rules --check-config finds in a configuration; and where that is."""
    path = context.file("checked.yaml", text)
    out, err = command(context, "--check-config", "--config-file", path)
    equal(err, "", "what --check-config says of %s" % text)
    return int(re.search(r"(?m)^(\d+) rules$", out).group(1)), path


@test
def init_proposes_rules_that_take_the_lines(context):
    """What it prints is a configuration, with each proposal and with all of them; and these take the lines that gave no metric."""
    log = context.file("log", shop_log())
    printed, err = command(context, "init", log)
    equal(err, "", "stderr of init")
    check("made from a log of %d messages, read as output of heroku logs.\n" % SHOP_LINES in printed, "it says of the log: %s", printed)
    for text in ("#          4  router\n", "#          4  l2met\n", "#   l2met_hits_total ", "#   heroku_router_requests_total ", "# %d lines gave no metric; the rules below take %d." % (SHOP_UNMATCHED, SHOP_UNMATCHED),
                 "#   # 8 lines such as\n#   #     sidekiq job=Mail duration=1.2ms status=", "#   #     it's \"1\", gr\u00f6\u00dfe 1%\n", "\n#   # 4 lines such as\n#   #     user <email> has token=<secret>\n#   - name:"):
        check(text in printed, "%r is not in %s", text, printed)
    check("heroku_api_events_total" not in printed, "a metric is listed that the log says nothing of")
    for secret in ("bob", "sk_live", "4eC39"):
        check(secret not in printed, "%r is shown", secret)
    equal(checked(context, printed)[0], 0, "rules as it is printed")
    for number in range(1, SHOP_RULES + 1):
        count, path = checked(context, uncommented(printed, {number}))
        equal(count, 1, "rules with proposal %d" % number)
        told = int(re.findall(r"(?m)^#   # (\d+) lines? such as$", printed)[number - 1])
        out, _ = command(context, "explain", "--config", path, log)
        equal(out.count("\n  family rules: suggestion-%d\n" % number), told, "lines that proposal %d takes" % number)
    count, path = checked(context, uncommented(printed, set(range(1, SHOP_RULES + 1))))
    equal(count, SHOP_RULES, "rules with all proposals")
    out, _ = command(context, "explain", "--config", path, log)
    equal(out.count("\n  family rules: suggestion-"), SHOP_UNMATCHED, "lines that all proposals take")
    check("not a metric" not in out, "a line is left: %s", out)
    # Nothing is left to propose then, and of what is there already it speaks.
    again, _ = command(context, "init", "--config", path, log)
    check("rules:\n" not in again and "so none is proposed" in again and "#         28  taken by rules of the configuration" in again, "it proposes %s", again)
    checked(context, again)


@test
def init_reads_every_form(context):
    """Lines of heroku logs, of cf logs, syslog messages, and the frames of a drain; and an empty log."""
    text = ["job %d of mail done in %dms" % (n, n) for n in range(5)]
    frames = b"".join(line(each) for each in text)
    syslog = re.sub(rb"(?m)^\d+ <", b"<", frames)
    shown = "".join("%s app[web.1]: %s\n" % (TIME, each) for each in text)
    cloud = CF_LOGS.split("\n\n")[0] + "\n\n" + "".join("   2026-02-03T04:05:06.12+0000 [APP/PROC/WEB/0] OUT %s\n" % each for each in text)
    for form, log in (("frames of a drain", frames), ("syslog messages", syslog), ("output of heroku logs", shown.encode()), ("output of cf logs", cloud.encode())):
        printed, _ = command(context, "init", data=log)
        check("made from a log of 5 messages, read as %s.\n" % form in printed, "of %s it says %s", form, printed)
        check("#   # 5 lines such as\n#   #     %s\n" % text[0] in printed, "it does not propose a rule for %s: %s", form, printed)
        count, path = checked(context, uncommented(printed, {1}))
        out, _ = command(context, "explain", "--config", path, data=log)
        equal((count, out.count("\n  family rules: suggestion-1\n")), (1, 5), "the rule, and the lines of %s that it takes" % form)
    for log in (b"", frames.replace(b"job", b"count#jobs=1"), line("")):
        printed, _ = command(context, "init", data=log)
        check("rules:\n" not in printed and "so none is proposed" in printed, "it proposes %s", printed)
        checked(context, printed)


@test
def init_prints_what_its_page_shows(context):
    shown = re.search(r"```yaml\n(# rules:\n.*?)```", open(os.path.join(ROOT, "src", "commands", "README.md")).read(), re.S).group(1)
    log = "".join("%s app[web.1]: %s\n" % (TIME, text) for text in ("Completed 200 OK in 35ms", "Completed 404 OK in 7ms") * 120)
    printed, _ = command(context, "init", data=log.encode())
    check(printed.endswith(shown), "it prints %s", printed)


@test
def init_prints_nothing_that_a_log_could_abuse(context):
    """Whatever bytes a log has: comments stay comments, YAML stays valid, lines short, the output bounded, and secrets away."""
    nasty = [b"a\rrules: []\r", b"b\x85c\xc2\x85drains: 5", b"c\xe2\x80\xa8drains: 5\xe2\x80\xa9x", b"d\0e \x1b[2J\x07\x7f", b"\xff\xfe\xef\xbb\xbf e", b"f '\" \\ # : - {} [] | > & * ! % @ `", b"# rules:",
             b"--- x", b"...", b"'", b'"', b"x" * 60000, b"\xc3\xb6" * 4000, b"g <<EOF", b"%YAML 1.1", b'{"a":1,"b":"\xe2\x80\xa8"}', b'{"' + b"k" * 5000 + b'":1}', b"password=hunter2 postgres://u:hunter2@h/d",
             b'{"sk_live_4eC39HqLyjWDarjtT1zdp7dc":1,"x":2}', "\u202edrawkcab".encode()]
    log = b"".join(line(each) * (1 + index % 3) for index, each in enumerate(nasty))
    log += b"".join(line("kind %s %s" % (chr(97 + n % 26) * 3, chr(97 + n // 26) * 3)) for n in range(300)) + ingest([gauge("m" + "x" * n, 1) for n in range(100)])
    printed, _ = command(context, "init", data=log)
    check(len(printed) < 64 * 1024, "it prints %d bytes", len(printed))
    for each in printed.split("\n"):
        check(each == "" or each[0] == "#" or each == "drains: []", "a line is no comment: %r", each)
        check(each.isprintable() and "\xa0" not in each, "a line holds %r", each)
    for secret in ("hunter2", "sk_live", "4eC39"):
        check(secret not in printed, "%r is shown", secret)
    check("# 3 further messages gave none either, and no rule could take them" in printed, "it does not tell of the long line: %s", printed)
    check("#   and 42 more\n" in printed, "all metrics are listed: %s", printed)
    equal(checked(context, printed)[0], 0, "rules as it is printed")
    count = len(re.findall(r"(?m)^#   - name: ", printed))
    equal(count, 10, "proposals")
    for number in range(1, count + 1):
        equal(checked(context, uncommented(printed, {number}))[0], 1, "rules with proposal %d" % number)
    equal(checked(context, uncommented(printed, set(range(1, count + 1))))[0], count, "rules with all proposals")


# ---- replay ----

MESSAGES, BATCH = 40, 10
BATCHES = MESSAGES // BATCH
LOG = b"".join(line("count#hits=1 text of %d" % i) + router_error(path="/a b") for i in range(MESSAGES // 2))

# What the ledger and the losses must be after LOG was sent with a bad habit, where that is not as without it.
HABITS = {
    "l10-no-newline": {"received": MESSAGES + BATCHES, "L10": BATCHES},
    "wrong-count": {"repaired": MESSAGES},
    "no-count": {},
    "newline-outside-count": {},
    "crlf": {},
    "leading-blanks": {},
    "rfc5424": {},
    "excon": {},
    "gzip": {},
    "msg-count-off": {"mismatches": BATCHES},
    "drop-headers": {"L12": BATCHES, "L13": BATCHES},
    "duplicate": {"received": 2 * MESSAGES, "duplicate": MESSAGES},
    "no-wait": {"received": 2 * MESSAGES, "duplicate": MESSAGES},
    "cut-connection": {},
}


def drain_url(server, app="app", scheme="http", user="drain"):
    return "%s://%s:%s@%s:%d/drain?app_name=%s" % (scheme, user, DRAIN_PASSWORD, server.host, server.port, app)


def books(server, app):
    page = server.page()
    told = ledger(page, app)
    told["repaired"] = page.total("drain_exporter_frames_repaired_total", app=app)
    told["mismatches"] = page.total("drain_exporter_count_mismatches_total", app=app)
    for code in ("L10", "L12", "L13"):
        told[code] = page.total("drain_exporter_upstream_lost_messages_total", app=app, code=code)
    return told


@test
def replay_with_every_bad_habit(context):
    """Nothing is lost and nothing counted twice, whatever the sender does."""
    server = context.server()
    log = context.file("log", LOG)
    listed = set(re.findall(r"(?m)^  ([a-z0-9][a-z0-9-]+)$", command(context, "replay", "--help")[0]))
    equal(listed, set(HABITS), "the bad habits that --help lists")
    for habit, unlike in {"": {}, **HABITS}.items():
        app = "app" + habit
        arguments = ["--bad-habit", habit] if habit else []
        out, err = command(context, "replay", "--batch", str(BATCH), *arguments, drain_url(server, app), log)
        equal(err, "", "stderr with %s" % habit)
        check(re.fullmatch(r"%d messages in %d batches delivered, 0 retries, 0 batches failed, [\d.]+ s\n" % (MESSAGES, BATCHES), out), "with %s: %r", habit, out)
        lost = {"L10": 0, "L12": 0, "L13": 0}
        want = {"received": MESSAGES, "malformed": 0, "ignored": 0, "duplicate": 0, "repaired": 0, "mismatches": 0, **lost, **unlike}
        want["recognised"] = want["received"] - want["duplicate"]
        equal(books(server, app), want, "the books with %s" % habit)
        page = server.page()
        equal(page.total("heroku_router_errors", app=app, code="H12"), MESSAGES // 2, "router errors with %s" % habit)
        equal(page.value("l2met_hits_total", app=app, process_type="web"), MESSAGES // 2, "hits with %s" % habit)
    check(server.page().value("drain_exporter_body_bytes_total", app="appgzip", stage="received") < len(LOG) / 2, "gzip has compressed nothing")
    several = ["--bad-habit=gzip", "--bad-habit=rfc5424", "--bad-habit=duplicate", "--bad-habit=newline-outside-count"]
    command(context, "replay", *several, drain_url(server, "several"), log)
    equal(ledger(server.page(), "several"), {"received": 80, "recognised": 40, "ignored": 0, "malformed": 0, "duplicate": 40}, "the ledger with several")


@test
def replay_reads_every_form(context):
    """The same page comes of frames, syslog lines and what heroku logs shows; over several connections too."""
    server = context.server()
    frames = b"".join(line("count#hits=1", time=TIME) + router_error(time=TIME) for _ in range(500))
    syslog = re.sub(rb"(?m)^\d+ <", b"<", frames)
    shown = re.sub(rb"(?m)^<\d+>1 (\S+) host (\S+) (\S+) - ", rb"\1 \2[\3]: ", syslog)
    for form, log in (("frames", frames), ("syslog", syslog), ("shown", shown)):
        command(context, "replay", "--connections", "4", "--batch", "7", drain_url(server, form), data=log)
        equal(ledger(server.page(), form)["recognised"], 1000, "messages of %s" % form)
        equal(server.page().value("l2met_hits_total", app=form, process_type="web"), 500, "hits of %s" % form)
    long = line("x" * 3000) * 100 + line("y" * 200000)
    out, _ = command(context, "replay", drain_url(server, "long"), context.file("long", long))
    check(out.startswith("101 messages in 5 batches delivered"), "long messages: %r", out)
    # Times are those of the log, unless they shall be now.
    command(context, "replay", drain_url(server, "then"), data=line("x", time=TIME))
    command(context, "replay", "--now", drain_url(server, "now"), data=line("x", time=TIME))
    page = server.page()
    check(page.value("drain_exporter_line_lag_seconds_sum", app="then") > 1000, "the log's times were changed")
    check(page.value("drain_exporter_line_lag_seconds_sum", app="now") < 60, "--now gives other times")


@test
def replay_sends_what_is_of_cloud_foundry_as_its_agents_do(context):
    """What cf logs shows, and a recorded batch: the server's page is that of convert, and one of Heroku has nothing to do with it."""
    for name, log in (("cf logs", CF_LOGS.encode()), ("a recorded batch", samples("frames-*.txt")["frames-cf-https-batch"])):
        server = context.server(SCRAPE_INTERVAL="60s")
        for habits in ((), ("--bad-habit=gzip",)):
            out, err = command(context, "replay", *habits, drain_url(server, "x").partition("?")[0], data=log)
            equal(err, "", "stderr with %s" % name)
            check(re.match(r"[1-9]\d* messages in 1 batches delivered, 0 retries, 0 batches failed", out), "with %s it says %r", name, out)
        page = server.scrape().body.decode()
        want, _ = command(context, "convert", data=log)
        equal(series(page), series(want), "the page of %s" % name)
        check("cf_" in page, "there is nothing of Cloud Foundry in %s", page)
        # As with real agents, a body that comes once more is one that is tried again.
        check(re.search(r"(?m)^drain_exporter_batches_total\{[^}]*result=\"duplicate\"\} 1$", page), "the second batch of %s is no duplicate: %s", name, page[:3000])
        server.stop()


@test
def replay_keeps_a_rate(context):
    server = context.server()
    start = time.monotonic()
    command(context, "replay", "--rate", "100", drain_url(server), data=line("count#x=1") * 100)
    seconds = time.monotonic() - start
    check(0.6 < seconds < patient(3), "100 lines at 100 a second took %.2f s", seconds)
    equal(server.page().value("drain_exporter_batches_total", app="app", result="taken"), 10, "batches")


def scripted_url(server):
    return "http://drain:p%%20w@127.0.0.1:%d/some/drain?x=1#fragment" % server.port


@test
def replay_tries_again_as_logplex_does(context):
    cases = [((204,), 0, 1, 0), ((503, 204), 0, 2, 1), ((500, 429, 204), 0, 3, 2), ((503, 503, 503, 204), 1, 3, 2), ((400, 204), 1, 1, 0), ((401,), 1, 1, 0),
             (("close", 204), 0, 2, 1), (("close", "close", "close"), 1, 3, 2), ((302, 204), 0, 2, 1), (("slow", 204), 0, 2, 1)]
    log = line("one") + line("two")
    for script, status, requests, retries in cases:
        with ScriptedServer(*script) as server:
            out, err = command(context, "replay", "--token", TOKEN, scripted_url(server), data=log, status=status)
        equal(len(server.requests), requests, "requests with %r" % (script,))
        check(" %d retries, %d batches failed" % (retries, status) in out, "with %r: %r", script, out)
        check(err.count("\n") == status and (status == 0 or "a batch was given up" in err), "with %r: %r", script, err)
        equal(len({request.headers["Logplex-Frame-Id"] for request in server.requests}), 1, "frame ids of one batch with %r" % (script,))
    path, headers, body, _ = server.requests[0]
    equal((path, body), ("/some/drain?x=1", log), "target and body")
    check(re.fullmatch("[0-9A-F]{32}", headers["Logplex-Frame-Id"]), "the frame id is %r", headers["Logplex-Frame-Id"])
    check(headers["User-Agent"].startswith("Logplex/"), "the user agent is %r", headers["User-Agent"])
    wanted = {"Content-Type": "application/logplex-1", "Logplex-Msg-Count": "2", "Logplex-Drain-Token": TOKEN,
              "Authorization": "Basic ZHJhaW46cCUyMHc=", "Host": "127.0.0.1:%d" % server.port}
    equal({name: headers.get(name) for name in wanted}, wanted, "the headers")


@test
def replay_goes_on_after_a_failure(context):
    with ScriptedServer(204, 400, 204) as server:
        out, _ = command(context, "replay", "--batch", "2", scripted_url(server), data=line("x") * 6, status=1)
    check(out.startswith("4 messages in 2 batches delivered, 0 retries, 1 batches failed"), "it says %r", out)
    equal(len({request.headers["Logplex-Frame-Id"] for request in server.requests}), 3, "frame ids of three batches")


@test
def replay_over_tls(context):
    cert, key = certificate(context)
    server = context.server(tls=client(cert), TLS_CERT_FILE=cert, TLS_KEY_FILE=key)
    url = drain_url(server, scheme="https").replace("127.0.0.1", "localhost")
    _, err = command(context, "replay", url, data=LOG, status=1)
    check("certificate" in err, "an unknown certificate: %r", err)
    command(context, "replay", "--insecure", "--connections", "2", "--batch", "3", url, data=LOG)
    equal(ledger(server.page(), "app")["recognised"], MESSAGES, "messages that came over TLS")
    command(context, "replay", url.replace("=app", "=verified"), data=LOG, SSL_CERT_FILE=cert)
    equal(ledger(server.page(), "verified")["recognised"], MESSAGES, "messages that came over verified TLS")


@test
def mistakes_of_replay(context):
    url = "http://127.0.0.1:1/drain"
    cases = [(2, "--nonsense", ("--nonsense",)), (2, "URL", ()), (2, "http", ("ftp://x/",)), (2, "host", ("http:///drain",)), (2, "host", ("http://h:x/",)),
             (2, "--rate", ("--rate", "0", url)), (2, "--batch", ("--batch=many", url)), (2, "--connections", ("--connections", "1000", url)),
             (2, "--bad-habit", ("--bad-habit", "politeness", url)), (2, "--token", ("--token", "a b", url)), (1, "no-such-file", (url, "no-such-file"))]
    for status, about, arguments in cases:
        out, err = command(context, "replay", *arguments, status=status)
        check(out == "" and err.count("\n") == 1 and about in err, "replay %r says %r and prints %r", arguments, err, out[:100])
    out, err = command(context, "replay", "http://user:se.cret@127.0.0.1:1/drain", data=line("x"), status=1)
    check("cannot connect" in err and "cret" not in out + err, "nobody listens: %r", err)
    out, _ = command(context, "replay", url, data=b"")
    check(out.startswith("0 messages in 0 batches delivered"), "an empty log: %r", out)


def hashed(context, password, *arguments):
    """(status, what it printed, what it said) of hash-password with this on stdin."""
    return run_to_end([context.program, "hash-password", *arguments], password, 20)


@test
def a_password_is_hashed(context):
    """What hash-password prints is what the configuration takes: yescrypt, another salt each time, and no other password fits."""
    status, hash_, said = hashed(context, b"pa:ss W\xc3\xb6rd\n")
    equal((status, said, hash_[:3], hash_.count("\n")), (0, "", "$y$", 1), "status, stderr, and the kind of hash")
    check(hashed(context, b"pa:ss W\xc3\xb6rd")[1] != hash_, "two hashes have the same salt")
    server = context.server(CONFIG="drains: [{name: shop, app: my-shop, password_hash: '%s'}]" % hash_.strip())
    for password, status in (("pa:ss W\u00f6rd", 204), ("pa:ss W\u00f6rd ", 401)):
        equal(server.request("POST", "/drain", {"Authorization": basic("shop", password)}, b"").status, status, "a batch with %r" % password)
    for password, about in ((b"", "empty"), (b"\n", "empty"), (b"x" * 512, "longer than 511 bytes"), (b"x" * 5000, "longer than 511 bytes"),
                            (b"two\nlines\n", "newline"), (b"a\0b", "NUL")):
        status, out, said = hashed(context, password)
        check((status, out) == (1, "") and about in said and said.count("\n") == 1, "%r: %d %r %r", password[:20], status, out, said)
    equal(hashed(context, b"x" * 511)[0], 0, "the longest password")
    for argument in ("s3cret", "--s3cret", "-s3cret"):
        status, out, said = hashed(context, b"", argument)
        check((status, out) == (2, "") and "s3cret" not in said, "%s: %d %r %r", argument, status, out, said)


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, context, *arguments):
        self.process, self.shown = None, b""
        self.terminal, other = pty.openpty()
        self.process = subprocess.Popen([context.program, *arguments], env=environment(), stdin=other, stdout=subprocess.PIPE, stderr=other,
                                        start_new_session=True)
        os.close(other)
        self.patience = patient(20)

    def type_at(self, question, text):
        """Wait for the question, then for the terminal not to show what is typed, then type."""
        while question not in self.shown:
            check(select.select([self.terminal], [], [], self.patience)[0], "no question %r but %r", question, self.shown)
            self.shown += os.read(self.terminal, 1000)
        check(not termios.tcgetattr(self.terminal)[3] & termios.ECHO, "the terminal shows what is typed")
        os.write(self.terminal, text)

    def end(self):
        """(status, what it printed); the terminal shows again what is typed."""
        out = self.process.communicate(timeout=self.patience)[0].decode()
        check(termios.tcgetattr(self.terminal)[3] & termios.ECHO, "the terminal stays blind")
        while select.select([self.terminal], [], [], 0)[0]:
            try:
                self.shown += os.read(self.terminal, 1000)
            except OSError:  # nobody has the other side any more
                break
        os.close(self.terminal)
        return self.process.returncode, out


@test
def a_password_is_asked_for_on_a_terminal(context):
    """Twice, without showing it; a signal finds the terminal as it was."""
    terminal = Terminal(context, "hash-password")
    terminal.type_at(b"Password: ", b"s3cret\n")
    terminal.type_at(b"again: ", b"s3cret\n")
    status, out = terminal.end()
    check(status == 0 and out.startswith("$y$"), "status %d, %r, %r", status, out, terminal.shown)
    check(b"s3cret" not in terminal.shown, "the terminal shows %r", terminal.shown)
    terminal = Terminal(context, "hash-password")
    terminal.type_at(b"Password: ", b"s3cret\n")
    terminal.type_at(b"again: ", b"another\n")
    status, out = terminal.end()
    check((status, out) == (1, "") and b"two different passwords" in terminal.shown, "status %d, %r, %r", status, out, terminal.shown)
    terminal = Terminal(context, "hash-password")
    terminal.type_at(b"Password: ", b"s3c")
    terminal.process.send_signal(signal.SIGINT)
    status, out = terminal.end()
    equal((status, out), (-signal.SIGINT, ""), "status and output after a signal")


@test
def commands_read_the_configuration_variable(context):
    """CONFIG as well as CONFIG_FILE; --config stands in for both; and no password is needed or looked for."""
    log = context.file("log", line("count#x=1"))
    configuration = "drains: [{name: a, app: other, password_file: /does/not/exist, labels: {team: two}}]"
    out, _ = command(context, "convert", "--app=other", log, CONFIG=configuration)
    check('team="two"' in out, "no fixed labels of CONFIG: %s", out[:300])
    path = context.file("config.yaml", configuration.replace("two", "three"))
    out, _ = command(context, "convert", "--app=other", "--config", path, log, CONFIG=configuration)
    check('team="three"' in out and 'team="two"' not in out, "--config does not stand in for CONFIG: %s", out[:300])
    out, said = command(context, "convert", log, CONFIG="drains: 5", status=1)
    equal((out, said), ("", "drain_exporter: CONFIG:1:9: drains must be a list\n"), "output and what is said of a mistake")
