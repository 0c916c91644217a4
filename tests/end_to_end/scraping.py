"""The page as Prometheus itself sees it: real scrapes by prometheus, and promtool's judgement."""
import json
import os
import re
import shutil
import subprocess
import textwrap
import urllib.parse
import urllib.request

from harness import Skip, test
from support.checks import Failure, check, equal
from support.exporter import METRICS_PASSWORD
from support.exposition import Page
from support.lines import counter, frame, gauge, histogram, ingest, line, logplex, postgres, router_error
from support.ports import free_port
from support.processes import Process, environment
from support.waiting import patient, wait_for


class Prometheus:
    """A prometheus with a folder, a port and jobs of its own: {job: (server, password)}, and more of them as the configuration has them."""

    def __init__(self, context, jobs, interval="1s", more=(), rule_files=()):
        config = {"global": {"scrape_interval": interval, "scrape_timeout": interval}, "rule_files": list(rule_files), "scrape_configs": [
            {"job_name": job, "basic_auth": {"username": "metrics", "password": password},
             "static_configs": [{"targets": ["%s:%d" % (server.host, server.port)]}]} for job, (server, password) in jobs.items()] + list(more)}
        self.start(context, context.file("prometheus.yml", json.dumps(config)))  # JSON is YAML

    def start(self, context, path):
        """path: its configuration."""
        program = shutil.which("prometheus")
        if program is None:
            raise Skip("there is no prometheus")
        self.port = free_port()
        self.log = os.path.join(context.folder, "prometheus.log")
        self.process = Process([program, "--config.file=" + path, "--storage.tsdb.path=" + os.path.join(context.folder, "prometheus"),
                                "--web.listen-address=127.0.0.1:%d" % self.port, "--log.level=warn"], output_path=self.log, folder=context.folder)
        context.closers.append(self.process.end)
        wait_for(self._is_ready, "prometheus is ready", 30)

    def _get(self, path):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open("http://127.0.0.1:%d%s" % (self.port, path), timeout=20) as answer:
                return answer.read()
        except OSError as problem:
            if not self.process.is_running():
                raise Failure("prometheus ended: %s" % self.process.log()[-500:])
            raise Failure("prometheus: %s" % problem)

    def _is_ready(self):
        return self._get("/-/ready")

    def query(self, expression):
        """An instant query: a list of (labels, value)."""
        data = json.loads(self._get("/api/v1/query?" + urllib.parse.urlencode({"query": expression})))
        equal(data["status"], "success", "the status of the query " + expression)
        return [(result["metric"], float(result["value"][1])) for result in data["data"]["result"]]

    def samples(self, selector, minutes=30):
        """What was scraped of some series, unchanged: a list of (labels, [(time, value)]), without the marks of staleness."""
        data = json.loads(self._get("/api/v1/query?" + urllib.parse.urlencode({"query": "%s[%dm]" % (selector, minutes)})))
        equal(data["status"], "success", "the status of the query " + selector)
        return [(result["metric"], [(time, float(value)) for time, value in result["values"]]) for result in data["data"]["result"]]

    def series(self, selector):
        """The labels of all series that there have ever been."""
        data = json.loads(self._get("/api/v1/series?" + urllib.parse.urlencode({"match[]": selector})))
        equal(data["status"], "success", "the status of the search for " + selector)
        return data["data"]

    def number(self, expression):
        """The only value of a query, or None."""
        results = self.query(expression)
        check(len(results) <= 1, "%s has %d results", expression, len(results))
        return results[0][1] if results else None

    def await_number(self, expression, wanted, seconds=15):
        wait_for(lambda: self.number(expression) == wanted or check(False, "it is %r", self.number(expression)), "%s is %r" % (expression, wanted), seconds, 0.1)

    def rules(self):
        """The state of all rules: {group: [rule]}."""
        return {group["name"]: group["rules"] for group in json.loads(self._get("/api/v1/rules"))["data"]["groups"]}

    def target(self, job):
        for target in json.loads(self._get("/api/v1/targets"))["data"]["activeTargets"]:
            if target["labels"]["job"] == job:
                return target
        raise Failure("there is no target " + job)


@test
def prometheus_scrapes_us(context):
    server = context.server()
    metrics = [counter("hits", 5, "incremental", method="GET"), gauge("temperature", -1.5), histogram("latency", [0.1, 0.5, 1.0], [10, 5, 1], 3.25, count=20)]
    server.post(ingest(metrics) + postgres(db_size="26219348792bytes", memory_total="4045060kB", tables=13) + router_error("H12", "web.2"), "my-app", logplex(3))
    prometheus = Prometheus(context, {"good": (server, METRICS_PASSWORD), "bad": (server, "wrong")})
    prometheus.await_number('up{job="good"}', 1)
    prometheus.await_number('hits{job="good",app="my-app",process="web.1",method="GET"}', 5)
    for expression, wanted in (('temperature{app="my-app",process="web.1"}', -1.5),
                               ('heroku_postgres_db_size{addon="postgresql-curly-12345"}', 26219348792),
                               ('heroku_postgres_memory_total{addon="postgresql-curly-12345"}', 4045060 * 1024),
                               ('heroku_postgres_tables', 13),
                               ('heroku_router_errors{app="my-app",code="H12",process="web.2"}', 1),
                               ('heroku_router_errors{app="my-app",code="H10",process="web.2"}', 0),
                               ('latency_bucket{le="1"}', 16), ('latency_bucket{le="+Inf"}', 20), ('latency_sum', 3.25),
                               ('histogram_quantile(0.5, latency_bucket)', 0.1),
                               ('drain_exporter_messages_received_total{app="my-app"}', 3),
                               ('drain_exporter_build_info', 1)):
        equal(prometheus.number(expression), wanted, expression)
    labels = prometheus.query('hits')[0][0]
    equal({k: v for k, v in labels.items() if not k.startswith("exported_")},
          {"__name__": "hits", "job": "good", "instance": "127.0.0.1:%d" % server.port, "app": "my-app", "process": "web.1", "method": "GET"}, "labels of hits")
    # An increase is seen.
    server.post(ingest(metrics[:1]) + router_error("H12", "web.2"), "my-app", logplex(2))
    prometheus.await_number('hits', 10)
    prometheus.await_number('heroku_router_errors{code="H12",process="web.2"}', 2)
    check(prometheus.number('increase(heroku_router_errors{code="H12",process="web.2"}[1m])') > 0, "increase() does not see the second error")
    equal(prometheus.target("good")["lastError"], "", "the last error of the scrape")
    equal(prometheus.target("good")["health"], "up", "the health of the target")
    # The other job has a wrong password.
    prometheus.await_number('up{job="bad"}', 0)
    check("401" in prometheus.target("bad")["lastError"], "the error of the wrong password is %r", prometheus.target("bad")["lastError"])
    check(server.page().value("drain_exporter_http_requests_total", path="metrics", status="401") >= 1, "refused scrapes are not counted")
    wait_for(lambda: (prometheus.number('drain_exporter_http_requests_total{path="metrics",status="401"}') or 0) >= 1, "Prometheus sees its own refusals", 10, 0.1)
    counted = prometheus.number('scrape_samples_scraped{job="good"}')
    check(abs(counted - len(server.page().samples)) <= 2, "Prometheus took %r samples, the page has %d", counted, len(server.page().samples))


@test
def prometheus_forgets_what_expired(context):
    """A series that left the page leaves instant queries at the next scrape, not after Prometheus's five minutes."""
    server = context.server(EXPIRE_AFTER="2s")
    prometheus = Prometheus(context, {"good": (server, METRICS_PASSWORD)})
    prometheus.await_number('up', 1)
    server.post(ingest([gauge("brief", 1), counter("count", 2)]) + router_error("H10"), "brief", logplex(2))
    prometheus.await_number('brief', 1)
    prometheus.await_number('brief', None)
    equal(prometheus.query('count'), [], "the counter that was reported with it")
    equal(prometheus.number('heroku_router_errors{code="H10",process="web.1"}'), 1, "the router error, which we count ourselves")
    equal(prometheus.number('up'), 1, "up")
    server.post(ingest([gauge("brief", 2)]), "brief", logplex(1))
    prometheus.await_number('brief', 2)


def feed_everything_nasty(server):
    """All that makes bad pages, as far as a sender can send it."""
    odd = ["a b", "1digit", "naïve", "with-dash", "dots.and.dots", "a:b", "x{y=\"z\"}", "new\nline", "quote\"", "back\\slash", "# TYPE x counter", "_", "__name__", ":", "-",
           "le", "\u0000nul", "emoji😀", "tab\tname", "n" * 250, "é", "process_cpu_seconds_total", "go_info", "up", "scrape_duration_seconds"]
    server.post(ingest([gauge(name, i) for i, name in enumerate(odd)] + [counter(name + "_total", i) for i, name in enumerate(odd)]
                       + [{**gauge(name, i), "namespace": name} for i, name in enumerate(odd)]), "odd")
    values = ["new\nline", "quote\"", "back\\", "\\", "\\n", "\"", "}", "{a=\"b\"} 1\nforged 1", "\r", "\r\n", "\u0000", "\u2028", "é😀", "x" * 1000, " ", "\t", "\x1b[31m", "\x7f", "\ufeff", "\ufffe"]
    server.post(ingest([gauge("values", i, v=value, n=str(i)) for i, value in enumerate(values)] + [gauge("values", 1, **{value: "x"}) for value in values if value]), "values")
    server.post(ingest([gauge("reserved", 1, le="5"), gauge("reserved", 2, quantile="0.9"), counter("reserved2", 1, **{"__name__": "a", "__x": "b", "exported_le": "c", "le": "d"}),
                        histogram("reserved_h", [1, 2], [1, 2], 3, le="bad", quantile="bad"), gauge("reserved", 3, **{"a-b": "1", "a.b": "2", "a_b": "3"})]), "reserved")
    # Bytes that are not UTF-8, in names, labels, the process and the app.
    raw = b'[{"metric":{"name":"bytes\xff\xfe","tags":{"l\xe9":"v\xff\xc3\x28\xed\xa0\x80\xf8"},"gauge":{"value":1}}},{"metric":{"name":"lone","tags":{"s":"\\ud800"},"gauge":{"value":1}}}]'
    server.post(ingest(raw), "bytes")
    for app in ("%ff%fe", "%22%0a%5c", "%00", "a%0Ab", "%7B%7D", "%e2%82", "x" * 300):
        server.post(ingest([gauge("apps", 1)]) + router_error() + line(b"x"), app)
    for procid in ("web\xff", "we\"b", "web\\", "{}", "w" * 300, "\x01"):
        server.post(line(ingest([gauge("procs", 1)]).split(b" - ", 1)[1].rstrip(b"\n"), procid=procid), "procs")
        server.post(ingest([gauge("procs", 1)], procid), "procs")
    # One name, several types: by app, by labels, and turned over in one app.
    kinds = [counter("clash", 1), gauge("clash", 2), histogram("clash", [1, 2], [1, 1], 2), {"name": "clash", "kind": "absolute", "aggregated_summary":
             {"quantiles": [0.5, 0.9], "values": [1, 2], "count": 3, "sum": 4}}, {"name": "clash", "kind": "absolute", "set": {"values": ["a", "b"]}},
             {"name": "clash", "kind": "absolute", "distribution": {"values": [1, 2], "sample_rates": [1, 1], "statistic": "histogram"}}]
    for i, kind in enumerate(kinds):
        server.post(ingest([kind]), "clash%d" % i)
        server.post(ingest([{**kind, "tags": {"kind": str(i)}}]), "clash")
        server.post(ingest([{**kind, "name": "turned"}]), "turned")
    # Names that a histogram or a summary prints itself.
    for base in ("x", "s"):
        server.post(ingest([gauge(base + suffix, 7) for suffix in ("_count", "_sum", "_bucket")]), base)
        server.post(ingest([gauge(base + "_count", 7)]), base + "-other")
    server.post(ingest([histogram("x", [0.5, 1, 1e9], [1, 2, 3], 4.5), {**kinds[3], "name": "s"}, histogram("x_count", [1], [1], 1), gauge("x_count_sum", 3)]), "x")
    server.post(ingest([gauge("later_sum", 1)]), "later")
    server.post(ingest([histogram("later", [1], [1], 1), {**kinds[3], "name": "later_sum"}]), "later2")
    # Histograms and summaries with odd insides.
    server.post(ingest([histogram("odd_h", [3, 1, 2], [1, 2, 3], 6), histogram("odd_h", [], [], 0, n="empty"), histogram("odd_h", [1, 1, 1], [1, 1, 1], 3, n="same"),
                        histogram("odd_h", [-5, 0, 5], [1, 1, 1], -3, n="negative"), histogram("odd_h", [1, 2], [5, 5], 3, count=2, n="less"),
                        histogram("odd_h", [1e-9, 1e22, 123456789], [1, 1, 1], 3, n="wide"), {"name": "odd_s", "aggregated_summary": {"quantiles": [0.5, 0.5, 2, -1], "values": [1, 2, 3, 4],
                        "count": 5, "sum": 6}}, {"name": "odd_s", "tags": {"n": "empty"}, "aggregated_summary": {"quantiles": [], "values": [], "count": 0, "sum": 0}}]), "odd-insides")
    server.post(ingest('[{"metric":{"name":"inf_h","aggregated_histogram":{"buckets":[{"upper_limit":1,"count":1},{"upper_limit":"inf","count":2}],"count":3,"sum":9}}}]'), "inf")
    # Names of ours, and lines of other families.
    server.post(ingest([gauge(name, 1) for name in ("drain_exporter_series", "heroku_router_errors", "heroku_postgres_tables", "process_open_fds", "drain_exporter_build_info")]), "forger")
    server.post(postgres("odd\"addon\\", tables=1) + postgres("", tables=2) + line("source=A addon=b sample#=1 sample#a.b=2 sample#UPPER=3 sample#x=1e999 sample#y=--1 sample#z=5QQ sample#" + "k" * 300 + "=1",
                "app", "heroku-postgres") + router_error("H12", "web\".1") + router_error("\"", "") + router_error("H12", "a" * 200), "lines")
    server.post(frame("") + frame("<1>1") + b"\xff\xfe\x00" * 100 + frame(b"<190>1 \xff \xff \xff \xff \xff \xff\n"), "rubbish")


# What promtool says of names is advice ("counter metrics should have _total"): it is heeded for ours, and cannot be for those that the
# apps chose or that the reference had before us.
REFERENCE_NAMES = re.compile(r"heroku_postgres_|heroku_router_errors$")


def promtool(context, text):
    program = shutil.which("promtool")
    if program is None:
        raise Skip("there is no promtool")
    done = subprocess.run([program, "check", "metrics"], input=text.encode(), capture_output=True, timeout=patient(60), env=environment(), cwd=context.folder)
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    check(done.returncode in (0, 3), "promtool refuses the page (%d): %s", done.returncode, said[:500])
    check("error while linting" not in said and "parsing error" not in said, "promtool cannot read the page: %s", said[:500])
    return [each for each in said.splitlines() if each]


@test
def promtool_accepts_an_ordinary_page(context):
    server = context.server()
    server.post(ingest([counter("hits_total", 5), gauge("temperature_celsius", 1)]) + router_error() + postgres(tables=1), "app", logplex(3))
    text = server.scrape().body.decode()
    advice = promtool(context, text)
    for each in advice:
        name = each.split()[0]
        check(REFERENCE_NAMES.match(name) or "no help text" in each and not name.startswith(("drain_exporter_", "process_")), "promtool's advice on a name of ours: %s", each)
    for name in ("hits_total", "temperature_celsius", "drain_exporter_series", "process_cpu_seconds_total"):
        check("# HELP %s " % name in text, "%s has no help text", name)


@test
def nasty_input_makes_a_valid_page(context):
    """Judged three times: by our own strict reader, by promtool, and by a scrape of Prometheus, whose reader is another one."""
    server = context.server()
    ours = server.page().names()
    feed_everything_nasty(server)
    page = server.page()
    advice = promtool(context, page.text)
    for each in advice:
        name = each.split()[0]
        check(name not in ours and not name.startswith("drain_exporter_"), "promtool's advice on a name of ours: %s", each)
        check(re.match(r"[a-zA-Z_:][a-zA-Z0-9_:]*$", name), "promtool says: %s", each)
    equal(page.types["clash"], "untyped", "the type of a metric that is of several types")
    check(page.value("clash", app="clash0", process="web.1") == 1 and page.value("clash", app="clash1", process="web.1") == 2, "one of the clashing series is lost")
    check(page.value("x_count", app="x", process="web.1") == 6, "x_count is not the histogram's own: %r", page.select("x_count"))
    hidden = server.page().value("drain_exporter_series_hidden")  # of the page before it
    equal(hidden, 4, "hidden series: x_sum, x_bucket, x_count (a histogram), later_sum (a summary)")
    equal(page.value("x_count_sum", app="x", process="web.1"), 3, "x_count_sum, which the histogram x_count does not print, since it is hidden")
    equal([page.value(base + "_count", app=base + "-other", process="web.1") for base in ("x", "s")], [7, 7], "what is not the same line stays")
    check(page.value("drain_exporter_series") > 0 and page.types["drain_exporter_series"] == "gauge", "our own metric was taken over")
    check(page.select("forged") == [], "a label's value became a line")
    prometheus = Prometheus(context, {"nasty": (server, METRICS_PASSWORD)})
    prometheus.await_number('up{app=""}', 1)  # a sender has an "up" of its own
    equal(prometheus.target("nasty")["lastError"], "", "the last error of the scrape")
    with open(prometheus.log) as log:
        equal([each for each in log if "Error on ingesting" in each or "duplicate" in each.lower() or "out-of-order" in each], [], "complaints of Prometheus")
    wait_for(lambda: prometheus.number('scrape_samples_scraped'), "the scrape's own metrics", 10, 0.1)
    taken = prometheus.number('scrape_samples_scraped')
    check(abs(taken - len(server.page().samples)) <= 2, "Prometheus took %r samples of %d", taken, len(page.samples))
    equal(prometheus.number('values{n="0"}'), 0, "a gauge with an odd label")
    labels = prometheus.query('values{n="7"}')[0][0]
    equal(labels["v"], "{a=\"b\"} 1\nforged 1", "the label with a line break and quotes, as Prometheus read it")


@test
def the_strict_reader_is_strict(context):
    """Our own reader must refuse what it is there to refuse."""
    good = "# HELP a x\n# TYPE a counter\na 1\n# HELP b x\n# TYPE b histogram\nb_bucket{le=\"1\"} 1\nb_bucket{le=\"+Inf\"} 2\nb_sum 3\nb_count 2\n"
    Page(good.encode())
    for old, new in (("a 1", "a 1 "), ("a 1", "a 1 1234"), ("a 1", "a 1\na 1"), ("a 1", "a{x=\"\"} 1"), ("a 1", "a{x=\"\n\"} 1"), ("a 1", "a{x=\"\\t\"} 1"), ("a 1", "a{le=\"1\"} 1"),
                     ("a 1", "a nan"), ("a 1", "a 0x1"), ("a 1", "c 1"), ("a 1", "a{1x=\"y\"} 1"), ("a 1", "a{x=\"y\",x=\"z\"} 1"), ("a 1", "a{__x=\"y\"} 1"), ("# HELP a x\n", ""),
                     ("# TYPE a counter\n", ""), ("TYPE a counter", "TYPE a Counter"), ("# HELP b x\n# TYPE b", "# HELP a x\n# TYPE a"), ("le=\"1\"", "le=\"1.0\""), ("b_count 2", "b_count 3"),
                     ("\"+Inf\"} 2", "\"+Inf\"} 0"), ("b_sum 3\n", ""), ("b_bucket{le=\"+Inf\"} 2\n", ""), ("a 1", "a 1\r"), ("a 1\n", "a 1\n\n"), ("b_count 2\n", "b_count 2"),
                     ("a 1\n", "")):
        check(old in good, "%r is not in the good page", old)
        try:
            Page(good.replace(old, new).encode("utf-8"))
        except Failure:
            continue
        raise Failure("a page with %r is accepted" % new)
    try:
        Page(good.replace("a 1", "a{x=\"\xff\"} 1").encode("latin-1"))
    except Failure:
        return
    raise Failure("a page that is not UTF-8 is accepted")


def settings_of(text, *names):
    """name: value of lines of YAML."""
    return {name: re.search(r"^ *(?:- )?%s: *([^ #\n]+)" % name, text, re.M).group(1) for name in names}


@test
def scrape_jobs_and_interval_agree(context):
    """The jobs that we show say what SCRAPE_INTERVAL is, and promtool takes them."""
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    with open(os.path.join(root, "README.md"), encoding="utf-8") as file:
        readme = file.read()
    job = textwrap.dedent(re.search(r"```yaml\n( *scrape_configs:.*?)```", readme, re.S).group(1))
    with open(os.path.join(root, "docker", "SETTINGS.md"), encoding="utf-8") as file:
        default = re.search(r"^\| `SCRAPE_INTERVAL` \| `(\w+)`", file.read(), re.M).group(1)
    equal(settings_of(job, "scheme", "scrape_interval"), {"scheme": "https", "scrape_interval": default}, "README's job")
    with open(os.path.join(root, "docker", "compose.yaml")) as file:
        interval = settings_of(file.read(), "SCRAPE_INTERVAL")["SCRAPE_INTERVAL"]
    with open(os.path.join(root, "docker", "prometheus.yml")) as file:
        tried = file.read()
    equal(settings_of(tried, "scrape_interval"), {"scrape_interval": interval}, "the job of docker/prometheus.yml")
    program = shutil.which("promtool")
    if program is None:
        raise Skip("there is no promtool")
    for text in (job.replace("/run/secrets/password_metrics", context.file("password", "x")), tried):
        timeout = settings_of(text, "scrape_timeout")["scrape_timeout"]
        check(int(timeout[:-1]) < int(settings_of(text, "scrape_interval")["scrape_interval"][:-1]), "the timeout is %s", timeout)
        done = subprocess.run([program, "check", "config", context.file("job.yml", text)], capture_output=True, timeout=patient(60), env=environment(), cwd=context.folder)
        equal(done.returncode, 0, "promtool's status (%s)" % done.stderr.decode()[:300])
