"""Users' own metrics: rules of the configuration."""
import os
import signal

from harness import in_threads, test
from start import refused, run
from support.checks import check, equal
from support.exposition import ledger
from support.lines import gauge, ingest, line, stamp
from support.waiting import wait_for

RULES = r"""
rules:
  - {name: noise, match: '^heartbeat', drop: true}
  - name: sidekiq
    process: worker.*
    match: '^sidekiq job=(?<job>\w+) duration=(?<ms>[0-9.]+)ms status=(?<status>\w+)'
    metrics:
      - {counter: sidekiq_jobs_total, help: Sidekiq jobs finished., labels: {status: $status, job: $job}}
      - {histogram: sidekiq_job_duration_seconds, value: $ms, scale: 0.001, labels: {job: $job}, buckets: [0.01, 0.1, 1]}
  - name: payments
    fields: logfmt
    when: {event: payment}
    metrics: [{counter: payments_amount_total, value: $amount, labels: {currency: $currency}, with: [app, process_type]}]
  - name: queue
    fields: json
    when: {msg: queue, queue.name: "*"}
    continue: true
    metrics:
      - {gauge: queue_depth, value: $queue.depth, labels: {queue: $queue.name}, with: [app, process]}
      - {total: queue_done_total, value: $queue.done, labels: {queue: $queue.name}}
  - {name: json, fields: json, when: {msg: "*"}, metrics: [{counter: json_lines_total}]}
  - {name: of-b, app: b, match: '^of one app', metrics: [{counter: of_one_app_total}]}
"""

EVIL = "rules:\n- {name: evil, match: '^(a+)+$', metrics: [{counter: evil_total}]}\n- {name: good, match: '^a', metrics: [{counter: good_total}]}\n"


def reload(server, context, text):
    count = server.log().count("reload:")
    context.file("config.yaml", text)
    server.tell(signal.SIGHUP)
    wait_for(lambda: server.log().count("reload:") > count, "the reload is logged")


def rule_lines(page, rule):
    return page.value("drain_exporter_rule_lines_total", rule=rule)


def queue(depth, done, **more):
    return line('{"msg":"queue","queue":{"name":"mail","depth":%d,"done":%d}}' % (depth, done), **more)


@test
def rules_make_metrics(context):
    server = context.server(CONFIG=RULES)
    page = server.page()
    equal([page.value("drain_exporter_rule_%s" % name, rule="sidekiq") for name in ("lines_total", "errors_total", "disabled")], [0, 0, 0],
          "the metrics of a rule before any line")
    server.post(line("sidekiq job=Mail duration=35.2ms status=ok", procid="worker.1") * 2 +
                line("sidekiq job=Mail duration=2000ms status=failed", procid="worker.2") +
                line("sidekiq job=Mail duration=1ms status=ok", procid="web.1") + line("heartbeat") * 3 +
                line("at=info event=payment amount=12.5 currency=EUR") + line("event=payment amount=7.5 currency=EUR", procid="run.1234") +
                line("event=payment amount=much currency=EUR") + line("event=refund amount=5") +
                queue(7, 100, procid="worker.1") + queue(5, 130, procid="worker.1") + line('{"msg":"other"}') + line('{"msg"') +
                line("of one app") + line("sidekiq job=Mail duration=5ms status=ok", "app", "worker.1"), "a")
    page = server.page()
    equal(page.value("sidekiq_jobs_total", app="a", job="Mail", status="ok"), 3, "jobs")
    equal(page.value("sidekiq_jobs_total", app="a", job="Mail", status="failed"), 1, "failed jobs")
    equal([page.value("sidekiq_job_duration_seconds_bucket", app="a", job="Mail", le=le) for le in ("0.01", "0.1", "1", "+Inf")], [1, 3, 3, 4], "the buckets")
    equal(round(page.value("sidekiq_job_duration_seconds_sum", app="a", job="Mail"), 9), 2.0754, "the sum of durations")
    equal(page.value("payments_amount_total", app="a", currency="EUR", process_type="web"), 12.5, "payments")
    equal(page.value("payments_amount_total", app="a", currency="EUR", process_type="run"), 7.5, "payments of one-off dynos")
    equal(page.value("queue_depth", app="a", queue="mail", process="worker.1"), 5, "the queue's depth")
    equal(page.value("queue_done_total", app="a", queue="mail", process="worker.1"), 130, "the queue's total")
    equal(page.value("json_lines_total", app="a"), 3, "JSON lines: a rule that goes on")
    equal(page.select("of_one_app_total"), [], "what is for another app")
    for rule, count in (("noise", 3), ("sidekiq", 4), ("payments", 3), ("queue", 2), ("json", 3), ("of-b", 0)):
        equal(rule_lines(page, rule), count, "lines of %s" % rule)
    check("# HELP sidekiq_jobs_total Sidekiq jobs finished.\n# TYPE sidekiq_jobs_total counter\n" in page.text, "HELP and TYPE are missing")
    for name, kind in (("sidekiq_job_duration_seconds", "histogram"), ("queue_depth", "gauge"), ("queue_done_total", "counter")):
        check("# TYPE %s %s\n" % (name, kind) in page.text, "%s is no %s", name, kind)
    # 4 jobs, 3 payments, 2 queue lines, 1 other JSON line.
    equal(page.value("drain_exporter_messages_recognised_total", app="a", family="rules"), 10, "messages of rules")
    equal(ledger(page, "a")["ignored"], 7, "ignored messages: 3 dropped, 4 that no rule takes")
    equal(page.value("drain_exporter_samples_rejected_total", app="a", reason="value"), 1, "rejected values")


@test
def rules_for_several_apps(context):
    server = context.server(CONFIG="drains:\n- {name: plain, app: b, labels: {team: blue}}\n" + RULES)
    for app in ("a", "b", "b"):
        server.post(line("of one app") + line("sidekiq job=Mail duration=5ms status=ok", procid="worker.1"), app)
    page = server.page()
    equal(page.select("of_one_app_total"), [({"app": "b", "team": "blue"}, 2.0)], "what is for one app")
    equal(page.value("sidekiq_jobs_total", app="a", job="Mail", status="ok"), 1, "jobs of a")
    equal(page.value("sidekiq_jobs_total", app="b", job="Mail", status="ok", team="blue"), 2, "jobs of b, with its fixed label")
    equal(rule_lines(page, "sidekiq"), 3, "lines of both")


@test
def rules_come_last(context):
    """A line that a family has samples of is none for rules; one that it has no use for is."""
    server = context.server(CONFIG="rules: [{name: all, match: '^', metrics: [{counter: all_total}]}]")
    server.post(ingest([gauge("g", 1)]) + line("hello") + line("no samples here", "app", "heroku-postgres") +
                line("sample#tables=1 addon=x", "app", "heroku-postgres"), "a")
    page = server.page()
    equal(page.value("all_total", app="a"), 2, "lines of the rule")
    equal(ledger(page, "a")["ignored"], 0, "ignored messages")


@test
def reload_exchanges_rules(context):
    """Counters of metrics that stay go on, whatever else changes; what is left of others leaves; a mistake changes nothing."""
    path = context.file("config.yaml", RULES)
    server = context.server(CONFIG_FILE=path)
    job = line("sidekiq job=Mail duration=5ms status=ok", procid="worker.1")
    server.post(job * 2, "a")
    reload(server, context, "rules:\n- {name: sidekiq, match: '(', metrics: [{counter: c}]}\n- {name: x, match: '^', metric: []}\n")
    for part in ("nothing was changed", path + ':2:26: rule "sidekiq": the expression cannot be used', path + ':3:25: rule "x": this key is not known'):
        check(part in server.log(), "the log lacks %s: %s", part, server.log())
    server.post(job, "a")
    equal(server.page().value("sidekiq_jobs_total", app="a", job="Mail", status="ok"), 3, "jobs after a failed reload")

    # Another order, name and help, and other buckets.
    reload(server, context, r"""
rules:
  - name: renamed
    match: '^sidekiq job=(?<j>\w+) duration=(?<ms>[0-9.]+)ms status=(?<s>\w+)'
    metrics:
      - {histogram: sidekiq_job_duration_seconds, value: $ms, scale: 0.001, labels: {job: $j}, buckets: [0.5]}
      - {counter: sidekiq_jobs_total, help: New help., labels: {job: $j, status: $s}}
""")
    page = server.page()
    equal(page.value("sidekiq_jobs_total", app="a", job="Mail", status="ok"), 3, "jobs right after the reload")
    equal(page.select("sidekiq_job_duration_seconds_bucket"), [], "the histogram with the old buckets")
    check("# HELP sidekiq_jobs_total New help.\n" in page.text, "the new help is missing")
    server.post(job * 4, "a")
    page = server.page()
    equal(page.value("sidekiq_jobs_total", app="a", job="Mail", status="ok"), 7, "jobs after the reload")
    equal([value for _, value in page.select("sidekiq_job_duration_seconds_bucket", app="a")], [4, 4], "the buckets after the reload")
    equal(rule_lines(page, "renamed"), 4, "lines of the renamed rule")
    reload(server, context, "drains: []")
    server.post(job, "a")
    page = server.page()
    equal([name for name in page.names() if name.startswith("sidekiq")], [], "metrics without rules")
    equal(ledger(page, "a")["ignored"], 1, "ignored messages without rules")


@test
def reload_changes_kinds(context):
    """A rule that makes of a name another kind than the app did, or an older rule, records at once."""
    rule = "rules:\n- {name: jobs, match: '^job (?<n>[0-9]+)', metrics: [{%s: jobs, value: $n, with: [app, process]}]}\n"
    path = context.file("config.yaml", "drains: []")
    server = context.server(CONFIG_FILE=path)
    server.post(ingest([gauge("jobs", 40)], procid="web.1"), "a")
    equal(server.page().value("jobs", app="a", process="web.1"), 40, "what the app reports")
    for age, (kind, shown) in enumerate([("counter", 10), ("gauge", 5), ("counter", 10), ("gauge", 5)]):
        reload(server, context, rule % kind)
        # Each rule's lines are older than those of the rule before.
        server.post(line("job 5", procid="web.1", time=stamp(-10 * age)) * 2, "a")
        wait_for(lambda: server.page().value("jobs", app="a", process="web.1") == shown, "what the rule counts is shown")
        equal(len(server.page().select("jobs")), 1, "series of the name")
    equal(server.page().value("drain_exporter_samples_outdated_total", app="a"), 0, "outdated samples")


@test
def reload_rules_under_load(context):
    """No line is lost or taken twice while rules are exchanged; labels in another order are the same series."""
    texts = ["rules:\n- {name: r%d, match: '^n (?<x>\\w+)', metrics: [{counter: n_total, labels: {%s}}, {counter: only_%d_total}]}\n" %
             (i, labels, i) for i, labels in enumerate(("x: $x, y: z", "y: z, x: $x"))]
    path = context.file("config.yaml", texts[0])
    server = context.server(CONFIG_FILE=path, WORKERS=2)
    posted, done = [], []

    def post():
        while not done:
            server.post(line("n one") * 20, "a")
            posted.append(20)

    def is_in_force(i):
        page = server.page()
        return page.select("only_%d_total" % i) != [] and page.select("only_%d_total" % (1 - i)) == []

    def exchange():
        try:
            for i in range(1, context.scaled(30)):
                os.rename(context.file("next.yaml", texts[i % 2]), path)
                server.tell(signal.SIGHUP)
                wait_for(lambda: is_in_force(i % 2), "the metrics of reload %d" % i)
        finally:
            done.append(True)

    in_threads([post, post, exchange])
    equal(server.page().value("n_total", app="a", x="one", y="z"), sum(posted), "the counter")


@test
def a_rule_that_takes_too_long_is_switched_off(context):
    path = context.file("config.yaml", EVIL)
    server = context.server(CONFIG_FILE=path)
    server.post(line("aaaa"), "a")
    for _ in range(3):
        server.post(line("a" * 5000 + "!") * 5, "a")
    server.post(line("aaaa"), "a")
    page = server.page()
    equal(page.value("drain_exporter_rule_errors_total", rule="evil"), 10, "errors")
    equal(page.value("drain_exporter_rule_disabled", rule="evil"), 1, "the rule is switched off")
    equal(page.value("drain_exporter_rule_disabled", rule="good"), 0, "the other one is not")
    equal(page.value("evil_total", app="a"), 1, "lines of the evil rule")
    equal(page.value("good_total", app="a"), 16, "lines of the good one")
    equal(server.log().count('the rule "evil" is switched off'), 1, "log lines about it")
    reload(server, context, EVIL)
    server.post(line("aaaa"), "a")
    page = server.page()
    equal(page.value("drain_exporter_rule_disabled", rule="evil"), 0, "the rule after a reload")
    equal(page.value("evil_total", app="a"), 2, "lines of the evil rule after a reload")


@test
def too_many_values_of_a_label(context):
    server = context.server(MAX_METRIC_SERIES=50, CONFIG=RULES)
    server.post(b"".join(line("sidekiq job=Job%d duration=5ms status=ok" % i, procid="worker.1") for i in range(80)), "a")
    page = server.page()
    equal(page.total("sidekiq_jobs_total"), 80, "all jobs")
    equal(page.value("sidekiq_jobs_total", app="a", job="__other__", status="__other__"), 30, "those beyond the bound")
    equal(page.value("drain_exporter_series_overflowed_total", app="a", metric="sidekiq_jobs_total", label="job"), 30, "the label to blame")


MEANING = r"""
rules:
  - name: made
    match: '^(?<verb>[A-Z]+) '
    fields: logfmt
    when: {status: {not: "*"}}
    metrics: [{counter: verbs_total, labels: {verb: "${verb:lower}", text: "${verb} ${path}"}}]
  - name: requests
    match: '^(?<verb>[A-Z]+) '
    fields: logfmt
    when: {status: [">= 500", 429], path: {not: /health}}
    metrics: [{counter: failed_total, labels: {status: "${status:class}", verb: "${verb:lower}"}}]
  - name: workers
    after: '^\[[^]]*\] '
    fields: json
    when: {workers: {not: "*"}}
    metrics:
      - {gauge: worker_backlog, value: "$workers[].backlog", labels: {worker: "w${workers[].index}", state: {value: "$workers[].state", map: {idle: free, "*": busy}}}}
      - {counter: worker_reports_total, labels: {worker: "$workers[].index"}}
"""


@test
def rules_say_what_people_mean(context):
    """Labels that are made for each sample are as good as parts of the line: each has its series, in all batches."""
    server = context.server(CONFIG=MEANING)
    workers = '[web] {"workers":[%s]}' % ",".join('{"index":%d,"backlog":%d,"state":"%s"}' % (i, 10 * i, "idle" if i % 2 else "running") for i in range(4))
    batch = (line("GET path=/a") + line("PUT path=/b") * 2 + line("GET path=/x status=503") * 3 + line("GET path=/x status=429") +
             line("GET path=/x status=404") + line("PUT path=/health status=500") + line(workers) * 2)
    for _ in range(3):
        server.post(batch, "a")
    page = server.page()
    equal(sorted((labels["text"], value) for labels, value in page.select("verbs_total", app="a")), [("GET /a", 3), ("PUT /b", 6)], "verbs")
    equal(sorted((labels["status"], labels["verb"], value) for labels, value in page.select("failed_total", app="a")), [("4xx", "get", 3), ("5xx", "get", 9)], "failures")
    equal(sorted((labels["worker"], labels["state"], value) for labels, value in page.select("worker_backlog", app="a")),
          [("w0", "busy", 0), ("w1", "free", 10), ("w2", "busy", 20), ("w3", "free", 30)], "workers")
    equal(sorted((labels["worker"], value) for labels, value in page.select("worker_reports_total", app="a")), [(str(i), 6) for i in range(4)], "reports")
    equal(ledger(page, "a")["ignored"], 6, "lines that no rule takes")


@test
def values_that_cannot_be_read_are_told(context):
    server = context.server(CONFIG="rules: [{name: took, match: '^took (?<t>.+)', metrics: [{gauge: took_seconds, value: $t, unit: seconds}]}, "
                                   "{name: cost, match: '^cost (?<c>.+)', metrics: [{counter: cost_total, value: $c}]}]")
    equal(server.page().value("drain_exporter_rule_values_unread_total", rule="took"), 0, "values before any line")
    for _ in range(20):
        server.post(line("took 12 parsecs") * 5 + line("took 1m30s") + line("cost -5"), "a")
    page = server.page()
    equal(page.value("took_seconds", app="a"), 90, "the value that can be read")
    equal(page.value("drain_exporter_rule_values_unread_total", rule="took"), 100, "values of one rule")
    equal(page.value("drain_exporter_rule_values_unread_total", rule="cost"), 20, "values of the other")
    equal(page.value("drain_exporter_samples_rejected_total", app="a", reason="value"), 120, "rejected samples")
    equal([text.split(" warn ")[1] for text in server.log().splitlines() if "cannot be used" in text],
          ['the rule "took": took_seconds: the value "12 parsecs" cannot be used: its unit is not known here: parsecs (1 such values so far)',
           'the rule "cost": cost_total: the value "-5" cannot be used: it is negative (1 such values so far)'], "the log")


@test
def totals_follow_the_time_of_lines(context):
    server = context.server(CONFIG=RULES)
    for offset, done in ((-40, 100), (-30, 130), (-35, 110), (-20, 20), (-10, 25)):
        server.post(queue(1, done, time=stamp(offset)), "a")
    equal(server.page().value("queue_done_total", app="a", queue="mail", process="web.1"), 155, "100 to 130, an older line, a new start at 20, 25")


@test
def series_of_a_process_end_with_it(context):
    server = context.server(SCRAPE_INTERVAL="1s", CONFIG="rules: [{name: r, match: '^q', metrics: [{counter: q_total, with: [app, process]}]}]")
    server.post(line("q", procid="worker.1") + line("q", procid="worker.2"), "a")
    equal(server.page().total("q_total"), 2, "both counters")
    server.post(line("State changed from up to down", "heroku", "worker.1") + line("Process exited with status 143", "heroku", "worker.1"), "a")
    wait_for(lambda: server.page().select("q_total", process="worker.1") == [], "the counter of the dyno that ended leaves")
    equal(server.page().value("q_total", app="a", process="worker.2"), 1, "the other counter")


@test
def mistakes_in_rules_are_told_all_at_once(context):
    text = "rules:\n- {name: a, match: x, metrics: [{counter: 9}]}\n- {name: b, fields: json, drop: true}\n"
    for arguments in ((), ("--check-config",)):
        status, out, err = run(context, *arguments, CONFIG=text)
        equal((status, out), (1, ""), "status and stdout")
        for part in ('CONFIG:2:20: rule "a": the expression cannot be used: it must start with \'^\'', 'CONFIG:2:43: rule "a": a metric\'s name must be',
                     'CONFIG:3:3: rule "b": there is no when'):
            check(part in err, "stderr lacks %s: %s", part, err)
    refused(context, 1, "CONFIG:1:8", CONFIG="rules: x")
    status, out, err = run(context, "--check-config", CONFIG=RULES)
    equal((status, err), (0, ""), "status and stderr")
    check("6 rules" in out.splitlines(), "--check-config does not count the rules: %s", out)
