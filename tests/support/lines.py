"""Make log lines, frames and batches as Heroku sends them."""
import base64
import datetime
import itertools
import json

PREFIX = "crates-io-heroku-metrics:ingest "
TOKEN = "d.fc6b856b-3332-4546-93de-7d0ee272c3bd"
_ids = itertools.count(1)  # next() on it is atomic


def stamp(offset=0.0):
    """A timestamp of the present, offset by seconds."""
    time = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset)
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def frame(message):
    message = as_bytes(message)
    return b"%d %s" % (len(message), message)


def line(text, appname="app", procid="web.1", time=None, structured=False, priority=190, hostname="host"):
    """A counted message with a final newline.  structured: with the structured data that Logplex leaves out."""
    head = "<%d>1 %s %s %s %s - %s" % (priority, time or stamp(), hostname, appname, procid, "- " if structured else "")
    return frame(head.encode() + as_bytes(text) + b"\n")


def ingest_text(elements):
    """What the app prints to report metrics: elements are metrics, or the JSON text itself."""
    text = elements if isinstance(elements, (str, bytes)) else json.dumps([{"metric": e} for e in elements], separators=(",", ":"))
    return PREFIX + base64.b64encode(as_bytes(text)).decode()


def ingest(elements, procid="web.1", time=None):
    """A line of the app with metrics in it."""
    return line(ingest_text(elements), "app", procid, time)


def counter(name, value, kind="absolute", **tags):
    return {"name": name, "kind": kind, "tags": tags, "counter": {"value": value}}


def gauge(name, value, kind="absolute", **tags):
    return {"name": name, "kind": kind, "tags": tags, "gauge": {"value": value}}


def histogram(name, bounds, counts, total, count=None, kind="absolute", **tags):
    body = {"buckets": bounds, "counts": counts, "count": sum(counts) if count is None else count, "sum": total}
    return {"name": name, "kind": kind, "tags": tags, "aggregated_histogram": body}


def router_error(code="H12", dyno="web.1", path="/", time=None):
    return line('at=error code=%s desc="Request timeout" method=GET path="%s" host=example.herokuapp.com '
                'request_id=8601b555-6a83-4c12-8269-97c8e32cdb22 fwd="204.204.204.204" dyno=%s connect= service=30000ms '
                'status=503 bytes=0 protocol=https' % (code, path, dyno), "heroku", "router", time)


def postgres(addon="postgresql-curly-12345", time=None, **samples):
    """samples: keys with _ for -."""
    pairs = " ".join("sample#%s=%s" % (key.replace("_", "-"), value) for key, value in samples.items())
    return line("source=DATABASE addon=%s %s" % (addon, pairs), "app", "heroku-postgres", time)


def logplex(count, token=TOKEN, frame_id=None):
    """The headers of Logplex, with a new frame id unless one is given."""
    return {"Content-Type": "application/logplex-1", "Logplex-Msg-Count": str(count), "Logplex-Drain-Token": token,
            "Logplex-Frame-Id": frame_id or "%032X" % next(_ids), "User-Agent": "Logplex/v73"}
