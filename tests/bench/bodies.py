#!/usr/bin/env python3
"""Make the batches of the benchmark: bodies as Logplex posts them, about 100 KB each, always the same bytes.

    bodies.py DIRECTORY     write FAMILY.body for each load
"""
import functools, json, os, random, re, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.dont_write_bytecode = True
from support.lines import ingest_text, line

SIZE = 100_000
SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "samples")

# All lines of a batch have one time, or the same batch sent again would begin with lines older than the last ones, and the
# store would rightly ignore what they report.
TIME = "2026-01-15T12:00:00.123456+00:00"

CF_GUID = "3517892b-f358-4da9-9282-e149eaa8dc96"
HOSTS = ["www.example.com", "api.example.com", "my-app-4e56bf125d15.herokuapp.com"]
ENDPOINTS = ["/", "/api/v1/crates", "/api/v1/crates/{crate_id}", "/api/v1/crates/{crate_id}/{version}",
             "/api/v1/crates/{crate_id}/{version}/download", "/api/v1/crates/{crate_id}/owners", "/api/v1/summary",
             "/api/v1/me/updates", "/api/v1/crates/new", "/api/v1/keywords", "/api/v1/categories"]
BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0]


@functools.cache
def sample_lines(name):
    with open(os.path.join(SAMPLES, name), encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")]


def framed_line(priority, app, process, message):
    """A line at the time of all lines."""
    return line(message, app, process, TIME, priority=priority)


def identifier(rng):
    digits = f"{rng.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def address(rng):
    return ".".join(str(rng.randrange(1, 255)) for _ in range(4))


def path(rng):
    return rng.choice(ENDPOINTS).format(crate_id=rng.choice(["serde", "rand", "tokio-util", "proc-macro2"]),
                                        version=f"{rng.randrange(3)}.{rng.randrange(20)}.{rng.randrange(40)}")


# ---- lines of each kind ----

def app_line(rng, _):
    process = f"web.{rng.randrange(1, 9)}"
    kind = rng.randrange(4)
    if kind == 0:    # lograge
        message = (f"method=GET path={path(rng)} format=json controller=Api::V1::CratesController action=show status=200 "
                   f"duration={rng.uniform(2, 90):.2f} view={rng.uniform(0, 9):.2f} db={rng.uniform(1, 40):.2f} "
                   f"request_id={identifier(rng)}")
    elif kind == 1:  # JSON
        message = json.dumps({"level": "info", "time": 1768478400000 + rng.randrange(10**6), "pid": 23,
                              "req_id": identifier(rng), "msg": "request completed", "path": path(rng),
                              "status": 200, "took_ms": rng.randrange(400)})
    elif kind == 2:  # Rails
        message = (f"[{identifier(rng)}] Completed 200 OK in {rng.randrange(2, 300)}ms (Views: {rng.uniform(0, 9):.1f}ms | "
                   f"ActiveRecord: {rng.uniform(1, 90):.1f}ms | Allocations: {rng.randrange(900, 90000)}) user={rng.randrange(10**6)} "
                   f"ip={address(rng)}")
    else:            # the query of an ORM
        message = (f"[{identifier(rng)}]   User Load ({rng.uniform(0.1, 9):.1f}ms)  SELECT \"users\".* FROM \"users\" WHERE "
                   f"\"users\".\"id\" = $1 LIMIT $2  [[\"id\", {rng.randrange(10**6)}], [\"LIMIT\", 1]]")
    return framed_line(190, "app", process, message)


def router_line(rng, _):
    start = f"method={rng.choice(['GET', 'GET', 'GET', 'POST'])} path=\"{path(rng)}?page={rng.randrange(1, 99)}\" " \
            f"host={rng.choice(HOSTS)} request_id={identifier(rng)} fwd=\"{address(rng)}\""
    dyno = f"dyno=web.{rng.randrange(1, 9)} connect={rng.randrange(3)}ms"
    end = "protocol=http1.1 tls=true tls_version=tls1.3"
    if rng.randrange(100) == 0:
        message = f"at=error code=H12 desc=\"Request timeout\" {start} {dyno} service=30000ms status=503 bytes=0 {end}"
    else:
        message = f"at=info {start} {dyno} service={rng.randrange(1, 900)}ms status={rng.choice([200, 200, 200, 304, 404])} " \
                  f"bytes={rng.randrange(100, 99999)} {end}"
    return framed_line(158, "heroku", "router", message)


def postgres_line(_, number):
    lines = sample_lines("postgres.txt")
    return framed_line(134, "app", "heroku-postgres", lines[number % len(lines)])


def addon_line(rng, number):
    """Heroku Key-Value Store and PgBouncer in turn, of a few add-ons."""
    name = ("redis", "pgbouncer")[number % 2]
    lines = sample_lines(name + ".txt")
    return framed_line(134, "app", "heroku-" + name, re.sub(r"addon=\S+", f"addon=addon-{number // 2 % 5}", lines[number // 2 % len(lines)]))


def l2met_line(rng, number):
    return framed_line(190, "app", f"web.{number % 8 + 1}", f"at=finish source=eu measure#web.latency={rng.randrange(1, 900)}ms count#web.requests=1 "
                 f"sample#web.memory={rng.uniform(100, 500):.2f}MB request_id={identifier(rng)}")


def job_line(rng, _):
    """What the last of job_rules() takes."""
    return framed_line(190, "app", f"worker.{rng.randrange(1, 5)}", f"sidekiq job={rng.choice(['Mail', 'Index', 'Export'])} "
                 f"duration={rng.uniform(1, 900):.1f}ms status=ok jid={identifier(rng)} queue=default attempt=1")


def runtime_line(_, number):
    lines = sample_lines("runtime-metrics.txt")
    process = f"web.{number % 8 + 1}"
    return framed_line(45, "heroku", process, re.sub(r"source=\S+", f"source={process}", lines[number % len(lines)]))


def metric(kind, value, name, tags):
    return {"metric": {kind: value, "kind": "absolute", "name": name, "tags": tags}}


def histogram(rng, name, tags):
    counts = [rng.randrange(50000) for _ in BOUNDS]
    value = {"buckets": BOUNDS, "counts": counts, "count": sum(counts) + rng.randrange(20),
             "sum": round(rng.uniform(10, 9000), 6)}
    return metric("aggregated_histogram", value, name, tags)


def ingest_line(rng, number):
    """What crates.io prints: 20 metrics in 5.2 KB.  Each process prints several such lines, here two."""
    half = number // 8 % 2
    metrics = [histogram(rng, "cratesio_instance_response_times", {"endpoint": endpoint})
               for endpoint in ENDPOINTS[half::2][:5]]
    metrics += [histogram(rng, "cratesio_instance_database_time_to_obtain_connection", {"pool": pool})
                for pool in (("primary", "follower"), ("replica", "background"))[half]]
    metrics += [metric("counter", {"value": rng.randrange(10**6)}, "cratesio_instance_responses_by_status_code_total",
                       {"status": str(status)}) for status in ((200, 301, 302, 304, 400, 401), (403, 404, 405, 429, 500, 503))[half]]
    metrics += [metric("gauge", {"value": rng.randrange(30)}, name, {"pool": ("primary", "follower")[half]})
                for name in ("cratesio_instance_database_idle_conns", "cratesio_instance_database_used_conns")]
    metrics += [metric("counter", {"value": rng.randrange(10**7)}, f"cratesio_instance_{name}_{half}", {})
                for name in ("requests_total", "downloads_not_counted_total", "downloads_unconditional_redirects_total",
                             "downloads_counted_total", "requests_in_flight")]
    return framed_line(190, "app", f"web.{number % 8 + 1}", encode(metrics))


def encode(metrics):
    return ingest_text(json.dumps(metrics, separators=(",", ":")))


# ---- batches ----

def batch(make):
    rng = random.Random(1)
    lines, size = [], 0
    while size < SIZE:
        lines.append(make(rng, len(lines)))
        size += len(lines[-1])
    return b"".join(lines)


def lines_of(make, count):
    """A batch of so many lines."""
    rng = random.Random(1)
    return b"".join(make(rng, number) for number in range(count))


def sized(size):
    """A batch of router lines of about so many bytes."""
    rng = random.Random(1)
    lines, length = [], 0
    while length < size:
        lines.append(router_line(rng, 0))
        length += len(lines[-1])
    return b"".join(lines[:-1] or lines)


def mixed_batch():
    """300 lines of the proportions 70, 25, 4 and 1, which are about 100 KB too."""
    rng = random.Random(2)
    makers = ([router_line] * 70 + [app_line] * 25 + [runtime_line] * 4 + [ingest_line]) * 3
    rng.shuffle(makers)
    made = {maker: 0 for maker in makers}
    lines = []
    for maker in makers:
        lines.append(maker(rng, made[maker]))
        made[maker] += 1
    return b"".join(lines)


def families():
    """The loads by name."""
    bodies = {name: batch(make) for name, make in (("app", app_line), ("router", router_line),
                                                   ("runtime", runtime_line), ("addon", addon_line), ("postgres", postgres_line),
                                                   ("l2met", l2met_line), ("ingest", ingest_line))}
    bodies["mix"] = mixed_batch()
    return bodies


# ---- Cloud Foundry, which counts no octets ----

def cf_message(procid, instance, data, text):
    tags = (f'[tags@47450 app_id="{CF_GUID}" app_name="shop" deployment="cf" index="f57b6394-c652-42ff-99b5-9fb25381e6e9" instance_id="{instance}" ip="10.52.32.70" '
            f'job="diego-cell" organization_id="3d6d325e-6225-4c90-a291-48a64c46ef49" organization_name="acme" origin="rep" process_id="{CF_GUID}" '
            f'process_instance_id="3cc31400-e841-407e-5a5b-65a{instance}" process_type="web" source_id="{CF_GUID}" space_id="9a1d0f5e-0000-4000-8000-000000000001" space_name="prod"]')
    return f"<14>1 {TIME} acme.prod.shop {CF_GUID} [{procid}] - {data}{tags} {text}\n".encode()


def cf_gauge_line(rng, number):
    name, value, unit = (("memory", f"{rng.randrange(10**9):g}", "bytes"), ("cpu", f"{rng.uniform(0, 100):.4f}", "percentage"),
                         ("disk", f"{rng.randrange(10**9):g}", "bytes"))[number % 3]
    instance = number // 3 % 8
    return cf_message(instance, instance, f'[gauge@47450 name="{name}" value="{value}" unit="{unit}"]', "")


def cf_router_line(rng, number):
    text = (f'{rng.choice(HOSTS)} - [2026-02-03T04:05:06.123456789Z] "GET {path(rng)} HTTP/1.1" {rng.choice([200, 200, 304, 404])} 0 {rng.randrange(100, 99999)} "-" '
            f'"Mozilla/5.0 (X11; Linux x86_64)" "{address(rng)}:4070" "10.0.48.66:60815" x_forwarded_for:"{address(rng)}" x_forwarded_proto:"https" '
            f'vcap_request_id:"{identifier(rng)}" response_time:{rng.uniform(0, 1):.6f} gorouter_time:0.000123 app_id:"{CF_GUID}" app_index:"{number % 8}" '
            f'instance_id:"a" x_cf_routererror:"-"')
    return cf_message("RTR/1", number % 8, "", text)


def cloud_foundry():
    """The same of Cloud Foundry."""
    return {"cf-gauge": batch(cf_gauge_line), "cf-router": batch(cf_router_line)}


def posted(body):
    """A body as load posts it: Cloud Foundry's senders repeat none, so that the time of the first message is another one in each request.  A gauge must not
    be the newest one by that."""
    return cf_message("APP/PROC/WEB/0", 0, "", "hello") + body if body.startswith(b"<") else body


# ---- rules ----

JOB_RULE = """
- name: sidekiq
  match: '^sidekiq job=(?<job>\\w+) duration=(?<ms>[0-9.]+)ms status=(?<status>\\w+)'
  metrics:
    - {counter: sidekiq_jobs_total, labels: {job: $job, status: $status}}
    - {histogram: sidekiq_job_duration_seconds, value: $ms, scale: 0.001, labels: {job: $job}}
"""

# Rules that take none of the lines above.  Of the first, some start as these lines do.
OTHER_RULES = {
    "beginnings": [r"match: '^m%02d took (?<v>\d+)'", r"match: '^\[job%02d\] (?<v>\d+)'", r"match: '^payment%02d (?<v>\d+)'", r"match: '^side%02d (?<v>\d+)'"],
    "anywhere": [r"match: '^.*? took%02d=(?<v>\d+)'"],
    "logfmt": ["fields: logfmt, when: {event: e%02d}"],
    "json": ["fields: json, when: {event: e%02d}"],
}


def rules(kind, count, takes_jobs):
    """count rules; takes_jobs: the last one takes the lines of job_line()."""
    patterns = OTHER_RULES[kind]
    others = "".join("- {name: r%d, %s, metrics: [{counter: c%d_total}]}\n" % (i, patterns[i % len(patterns)] % i, i)
                     for i in range(count - takes_jobs))
    return "rules:" + (" []" if count == 0 else "\n") + others + (JOB_RULE if takes_jobs else "")


def gauge_lines(count, per_line=32, names=50):
    """Lines that make count series of one gauge value each."""
    rng = random.Random(3)
    for first in range(0, count, per_line):
        metrics = [metric("gauge", {"value": rng.choice([rng.randrange(10**6), round(rng.uniform(0, 1000), 3)])},
                          f"bench_gauge_{i % names}", {"instance": f"worker-{i // names:06d}", "region": "eu"})
                   for i in range(first, min(first + per_line, count))]
        yield framed_line(190, "app", "web.1", encode(metrics))


def gauges(count, lines_each=20):
    """Batches that together make count series."""
    lines = list(gauge_lines(count))
    return [b"".join(lines[i:i + lines_each]) for i in range(0, len(lines), lines_each)]


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    directory = sys.argv[1]
    os.makedirs(directory, exist_ok=True)
    for name, body in families().items():
        with open(os.path.join(directory, name + ".body"), "wb") as file:
            file.write(body)


if __name__ == "__main__":
    main()
