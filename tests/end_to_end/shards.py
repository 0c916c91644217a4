"""Several exporters that share the drains, behind a real HAProxy or nginx with the configurations of docker/balancer."""
import os
import re
import shutil
import signal
import subprocess

from harness import Skip, in_threads, test
from scraping import METRICS_PASSWORD, Prometheus
from support import http_client
from support.certificates import client
from support.checks import check, equal
from support.lines import gauge, ingest, line, router_error
from support.logplex import LogplexDrain
from support.ports import free_port
from support.processes import Process
from support.waiting import wait_for

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docker", "balancer")
APPS = ["app-%d" % number for number in range(8)]
SHARD = re.compile(r"10\.0\.0\.1(\d):8080")


def command(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if path is None:
        raise Skip("there is no %s" % name)
    return path


class Balancer(Process):
    """The configuration as it is, but for addresses: ports: those of the shards 1 to 5, of which the fifth is put beside the others; port:
    its own; certificate: with its key, to speak TLS with (HAProxy alone)."""

    def __init__(self, context, name, ports, port=None, certificate=None):
        self.host, self.port = "127.0.0.1", port or free_port()
        self.tls = certificate and client(certificate)
        text = open(os.path.join(FOLDER, {"haproxy": "haproxy.cfg", "nginx": "nginx.conf"}[name])).read()
        last = re.search(r"\n *server .*10\.0\.0\.14:8080.*", text).group(0)
        text = text.replace(last, last + last.replace("10.0.0.14", "10.0.0.15").replace("shard-4", "shard-5").replace("id 4", "id 5"))
        text = SHARD.sub(lambda shard: "127.0.0.1:%d" % ports[int(shard.group(1)) - 1], text)
        text = text.replace("bind :8080", "bind 127.0.0.1:%d" % self.port + (" ssl crt " + certificate if certificate else "")).replace("listen 8080;", "listen 127.0.0.1:%d;" % self.port).replace("inter 2s", "inter 200ms")
        folder = os.path.join(context.folder, name)
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "configuration")
        if name == "nginx":
            temporary = "".join("%s_temp_path %s/%s;\n" % (what, folder, what) for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            text = text.replace("http {", "http {\n" + temporary)
            user = "user root; " if os.geteuid() == 0 else ""
            start = [command(name), "-p", folder, "-c", path, "-g", user + "daemon off; pid %s/pid; error_log stderr notice;" % folder]
        else:
            start = [command(name), "-f", path]
        with open(path, "w") as out:
            out.write(text)
        super().__init__(start, output_path=os.path.join(folder, "log"))
        context.closers.append(self.close)
        wait_for(lambda: self.is_up() or check(self.is_running(), "%s ended: %s", name, self.log()[-500:]), "%s is up" % name)

    def is_up(self):
        if self.tls is not None:
            return http_client.request(self.host, self.port, "GET", "/health", tls=self.tls).status == 200
        with LogplexDrain(self, "nobody", attempts=1) as drain:
            return drain.send([line("hello")])

    def close(self):
        if self.is_running():
            self.end()


def burst(number, count=20):
    """Messages that each give a metric, and a gauge that says how far it has come."""
    return [router_error("H12")] * (count - 1) + [ingest([gauge("progress", number)])]


def shards_of(context, count, ports):
    return [context.server(port=ports[number], SCRAPE_INTERVAL="1s", EXTERNAL_LABELS="shard=%d" % (number + 1)) for number in range(count)]


def prometheus_of(context, ports):
    return Prometheus(context, {}, more=[{"job_name": "shards", "basic_auth": {"username": "metrics", "password": METRICS_PASSWORD},
                                          "static_configs": [{"targets": ["127.0.0.1:%d" % port for port in ports]}]}])


def recognised(prometheus):
    """{app: messages}: what each shard had when it was last seen, together."""
    query = 'sum by (app) (max_over_time(drain_exporter_messages_recognised_total{app=~"app-.*",family!="logplex"}[30m]))'
    return {labels["app"]: value for labels, value in prometheus.query(query)}


def lost(prometheus):
    return {labels["app"]: value for labels, value in prometheus.query('sum by (app) (max_over_time(drain_exporter_upstream_lost_messages_total{app=~"app-.*"}[30m]))') if value}


def await_all(prometheus, drains):
    wanted = {drain.app: drain.delivered for drain in drains}
    wait_for(lambda: recognised(prometheus) == wanted or check(False, "it has %r, not %r", recognised(prometheus), wanted), "sums over the shards are what was sent", 20, 0.2)


def newest():
    """What docker/MANY.md records: of an app that has moved, the value of the shard that hears of it now."""
    (expression,) = re.findall(r"expr: \|\n(.*?)```", open(os.path.join(FOLDER, "..", "MANY.md")).read(), re.S)
    check(expression.split()[0] == "heroku_dyno_memory_rss_bytes", "the expression is %r", expression)
    return " ".join(["progress", *expression.split()[1:]])


def shards_share(context, name):
    """Four shards, of which one is killed, and a fifth that comes: nothing is lost or counted twice, and an app that moves has one value."""
    if context.sanitizer is not None:
        raise Skip("a balancer tells nothing more of this build")
    command(name)
    ports = [free_port() for _ in range(5)]
    shards = shards_of(context, 4, ports)
    prometheus = prometheus_of(context, ports)
    balancer = Balancer(context, name, ports)
    drains = [LogplexDrain(balancer, app, attempts=100) for app in APPS]

    def send(rounds):
        def one(drain):
            for number in rounds:
                check(drain.send(burst(number)), "a batch of %s was dropped", drain.app)

        in_threads([lambda drain=drain: one(drain) for drain in drains])

    send(range(1, 11))
    await_all(prometheus, drains)
    of_shard = {shard: {labels["app"] for labels, _ in shard.first_page().select("drain_exporter_batches_total", result="taken") if labels["app"] in APPS} for shard in shards}
    check(sum(map(len, of_shard.values())) == len(APPS), "an app is on several shards: %r", list(of_shard.values()))
    check(sum(bool(apps) for apps in of_shard.values()) > 1, "one shard has all apps")
    # One is killed that has apps; all that it had was scraped.
    victim = max(shards, key=lambda shard: len(of_shard[shard]))
    victim.process.send_signal(signal.SIGKILL)
    victim.process.wait()
    victim.stopped = True
    send(range(11, 21))
    await_all(prometheus, drains)
    # Another one comes; apps may move to it while they send.
    context.server(port=ports[4], SCRAPE_INTERVAL="1s", EXTERNAL_LABELS="shard=5")
    send(range(21, 61))
    await_all(prometheus, drains)
    equal(sum(drain.lost for drain in drains), 0, "messages that were dropped")
    wait_for(lambda: {labels["app"]: value for labels, value in prometheus.query(newest())} == {app: 60 for app in APPS}, "each app has one value, the newest", 20, 0.2)
    return prometheus, balancer, drains


@test
def shards_behind_haproxy(context):
    prometheus, balancer, drains = shards_share(context, "haproxy")
    # The balancer is gone for longer than senders try again: what is dropped is told, and counted.
    balancer.close()
    for drain in drains:
        drain.attempts, drain.pause = 2, 0.01
    in_threads([lambda drain=drain: drain.send(burst(61)) for drain in drains])
    equal([drain.lost for drain in drains], [20] * len(APPS), "messages that were dropped")
    again = Balancer(context, "haproxy", [int(port) for port in re.findall(r"server shard-\d 127\.0\.0\.1:(\d+)", open(os.path.join(context.folder, "haproxy", "configuration")).read())])
    for drain in drains:
        drain.server, drain.attempts = again, 100
    in_threads([lambda drain=drain: drain.tell_losses(router_error("H12")) for drain in drains])
    await_all(prometheus, drains)
    wait_for(lambda: lost(prometheus) == {app: 20 for app in APPS}, "what was lost is counted", 20, 0.2)


@test
def shards_behind_nginx(context):
    shards_share(context, "nginx")


# ---- discovery ----

def documented_discovery(context, shards):
    """What docker/MANY.md says, for these shards."""
    text = open(os.path.join(FOLDER, "..", "MANY.md")).read()
    (text,) = [block for block in re.findall(r"```yaml\n(scrape_configs:.*?)```", text, re.S) if "/discovery" in block]
    for number, shard in enumerate(shards, 1):
        check("//shard-%d:8080/" % number in text, "the guide has no shard %d", number)
        text = text.replace("//shard-%d:8080/" % number, "//127.0.0.1:%d/" % shard.port)
    check("//shard-" not in text, "the guide has more than %d shards", len(shards))
    return text.replace("/etc/prometheus/drain_exporter", context.file("password", METRICS_PASSWORD)).replace("refresh_interval: 30s", "refresh_interval: 1s")


class DocumentedPrometheus(Prometheus):
    def __init__(self, context, text):
        self.start(context, context.file("prometheus.yml", "global: {scrape_interval: 1s, scrape_timeout: 1s}\n" + text))


@test
def discovery_of_shards_is_merged(context):
    """Each dyno is a target of its own and scraped once, from the shard that hears of it, also after its app has moved."""
    if context.sanitizer is not None:
        raise Skip("several shards tell nothing more of this build")
    ports = [free_port() for _ in range(3)]
    shards = shards_of(context, 3, ports)
    depths, home = {}, {}

    def speak(shard, app, *dynos):
        for dyno in dynos:
            depths[app, dyno] = len(depths) + 1
            home[app] = shard
            shards[shard].post(ingest([gauge("depth", depths[app, dyno])], procid=dyno), app)

    def are_scraped():
        """All dynos, each once and from its shard, and the shards themselves."""
        seen = prometheus.query("depth")
        instances = [(labels["app"], labels["process"]) for labels, _ in seen]
        equal(sorted(instances), sorted(depths), "the instances")
        for labels, value in seen:
            key, shard = (labels["app"], labels["process"]), home[labels["app"]]
            equal((value, labels["instance"], labels["shard"], labels.get("exporter")), (depths[key], "%s:%s" % key, str(shard + 1), "127.0.0.1:%d" % ports[shard]), "what is known of %s %s" % key)
        targets = sorted(labels["instance"] for labels, _ in prometheus.query("up == 1"))
        equal(targets, sorted(["%s:%s" % key for key in depths] + ["127.0.0.1:%d" % shard.port for shard in shards if not shard.stopped]), "the targets that are up")
        return True

    for number in range(6):
        speak(number % 3, "app-%d" % number, "web.1", "web.2", "worker.1")
    prometheus = DocumentedPrometheus(context, documented_discovery(context, shards))
    wait_for(are_scraped, "each dyno is scraped once", 30, 0.2)
    # The lists are read again: an app is new, a dyno is scaled away.
    speak(2, "late", "web.1", "web.2")
    shards[1].post(line("Scaled to web@1:Standard-1X worker@1:Standard-1X by user me@example.com", "app", "api"), "app-1")
    del depths["app-1", "web.2"]
    wait_for(are_scraped, "the targets follow the formation", 30, 0.2)
    # A shard fails, and its apps move to others.
    shards[0].kill()
    shards[0].stopped = True
    for app in ("app-0", "app-3"):
        speak(1, app, "web.1", "web.2", "worker.1")
    wait_for(are_scraped, "each dyno is scraped once, where it is now", 30, 0.2)


@test
def balancers_are_configured_well(context):
    """As they stand in the box."""
    for name, arguments in (("haproxy", ["-c", "-f", "haproxy.cfg"]), ("nginx", ["-t", "-g", "error_log stderr; pid %s/pid;" % context.folder, "-c", "nginx.conf"])):
        arguments[-1] = os.path.join(FOLDER, arguments[-1])
        done = subprocess.run([command(name), *arguments], capture_output=True, text=True)
        equal(done.returncode, 0, "%s: %s%s" % (name, done.stdout, done.stderr))
