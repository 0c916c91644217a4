"""What the apps of a fleet (model.py) send: lines of all kinds, in batches as Logplex makes them."""
import functools
import itertools
import random

import bodies
from capacity import model
from support.exporter import AUTH_DRAIN
from support.lines import gauge, ingest_text, logplex
from support.raw_connection import head_of

TYPES = ("web", "worker", "clock", "mailer")
RESPONSES = list(itertools.product(("GET", "POST", "PUT", "DELETE"), (200, 302, 404, 500)))
OWNER = b"@@@@@@@@"  # in the name of an add-on: becomes the last letters of its app's name, since no two apps share one
MEMORY = ("sample#memory_total=%d.11MB sample#memory_rss=%d.07MB sample#memory_cache=6.04MB sample#memory_swap=0.00MB sample#memory_pgpgin=1978pages sample#memory_pgpgout=158pages "
          "sample#memory_quota=512.00MB")


def dynos(kind):
    return ["%s.%d" % (name, 1 + index) for name, count in zip(TYPES, kind.types) for index in range(count)]


def router(rng, kind, number):
    """A request that went well."""
    method, status = RESPONSES[number % kind.responses]
    return bodies.framed_line(158, "heroku", "router", 'at=info method=%s path="%s" host=%s request_id=%s fwd="%s" dyno=web.%d connect=%dms service=%dms status=%d bytes=%d protocol=http1.1 '
                              "tls=true tls_version=tls1.3" % (method, bodies.path(rng), rng.choice(bodies.HOSTS), bodies.identifier(rng), bodies.address(rng), 1 + number % kind.web,
                                                               rng.randrange(3), rng.randrange(1, 900), status, rng.randrange(100, 99999)))


def error(dyno):
    return bodies.framed_line(158, "heroku", "router", 'at=error code=H12 desc="Request timeout" method=GET path="/" host=www.example.com request_id=x fwd="203.0.113.1" dyno=%s connect=1ms '
                              "service=30000ms status=503 bytes=0 protocol=http1.1 tls=true tls_version=tls1.3" % dyno)


def app(rng, kind, number):
    """A line of the app, by one of its dynos."""
    every = dynos(kind)
    return bodies.framed_line(190, "app", every[number % len(every)], "[%s] Completed 200 OK in %dms (Views: 4.5ms | ActiveRecord: %d.2ms | Allocations: 12345) user=%d" % (
        bodies.identifier(rng), rng.randrange(300), rng.randrange(90), rng.randrange(10**6)))


def runtime(rng, kind, number):
    """Of the two lines of a dyno."""
    every = dynos(kind)
    dyno = every[number // 2 % len(every)]
    samples = "sample#load_avg_1m=%.2f sample#load_avg_5m=0.05 sample#load_avg_15m=0.01" % rng.random() if number % 2 else MEMORY % (rng.randrange(9, 500), rng.randrange(9, 500))
    return bodies.framed_line(45, "heroku", dyno, "source=%s dyno=heroku.16814144.06d61a51-dd23-4a64-8df7-0dba4557951f %s" % (dyno, samples))


def addon(name, number, count):
    """What an add-on reports."""
    text = max(bodies.sample_lines(name + ".txt"), key=len).split(" ", 2)[2]
    return bodies.framed_line(134, "app", "heroku-" + name, "source=%s_%d addon=%s-%s-%d %s" % (name.upper(), number % count, name, OWNER.decode(), number % count, text))


def metrics(rng, kind, number):
    elements = [gauge("fleet_metric_%d" % each, rng.randrange(1000), pool="primary") for each in range(kind.metrics)]
    return bodies.framed_line(190, "app", "web.%d" % (1 + number % kind.web), ingest_text(elements))


MAKERS = {"app": app, "router": router, "runtime": runtime, "postgres": lambda rng, kind, number: addon("postgres", number, kind.databases),
          "addon": lambda rng, kind, number: addon("redis", number, kind.redis), "ingest": metrics}


def every_series(kind):
    """Lines after which an app of this kind has all its series."""
    rng = random.Random(kind.name)
    made = [bodies.framed_line(45, "heroku", dyno, "State changed from starting to up") for dyno in dynos(kind)]
    made += [app(rng, kind, number) for number in range(kind.dynos)] + [runtime(rng, kind, number) for number in range(2 * kind.dynos)]
    made += [router(rng, kind, number) for number in range(kind.responses)] + [error("web.1")]
    made += [addon("postgres", number, kind.databases) for number in range(kind.databases)] + [addon("redis", number, kind.redis) for number in range(kind.redis)]
    return made + ([metrics(rng, kind, number) for number in range(kind.web)] if kind.metrics else [])


@functools.cache
def pool(kind, name):
    """Some lines of one kind, to choose from."""
    rng = random.Random("%s %s" % (kind.name, name))
    return [MAKERS[name](rng, kind, number) for number in range(8 if name == "ingest" else 96)]


def batches(kind, fleet, seconds, posted, rng):
    """What an app sends in so many seconds: a list of batches, each a list of lines.  posted: batches a second."""
    made = []
    for name, rate in model.lines(kind, fleet).items():
        count = int(rate * seconds + rng.random())
        made += rng.choices(pool(kind, name), k=count) if count else []
    rng.shuffle(made)
    count = min(len(made), max(1, round(posted * seconds)))
    return [made[len(made) * index // count : len(made) * (index + 1) // count] for index in range(count)]


def request(app_name, batch):
    """The bytes of a request."""
    body = b"".join(batch).replace(OWNER, app_name[-len(OWNER) :].encode())
    return head_of("POST", "/drain?app_name=" + app_name, {**AUTH_DRAIN, "Content-Length": str(len(body)), **logplex(len(batch), "d." + app_name)}) + body
