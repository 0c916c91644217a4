"""What a fleet of apps asks of the exporter: lines, batches, series, CPU, memory, and how many exporters that makes.  Plain arithmetic over two files:
fleet.json, which says what the apps are like and how Logplex sends, and costs.json, which measure.py writes."""
import dataclasses
import json
import math
import os

HERE = os.path.dirname(os.path.abspath(__file__))
GB = 1 << 30


def read(name):
    with open(os.path.join(HERE, name)) as file:
        return json.load(file)


# ---- apps ----

@dataclasses.dataclass(frozen=True)
class Kind:
    """What all apps of a kind are like.  Lines a second are of the whole app."""
    name: str
    share: float  # of all apps
    web: int  # dynos
    others: tuple  # dynos of each further process type
    requests: float  # a second
    app_lines: float  # a second, that are no metrics
    responses: int  # pairs of method and status that its requests have
    databases: int
    redis: int
    metrics: int  # that each web dyno reports in an ingest line

    @property
    def types(self):
        return [self.web, *self.others]

    @property
    def dynos(self):
        return sum(self.types)

    def features(self):
        """What makes series: {feature: count}.  The first of a feature may make more than the others, since it brings what is counted for the whole app.
        A further process type comes with its first dyno."""
        others = len(self.others)
        return {"app": 1, "web_dyno": self.web - 1, "type": others, "other_dyno": sum(self.others) - others, "response": self.responses, "database": self.databases,
                "redis": self.redis, "metric": self.metrics * self.web}


def kinds(fleet):
    return [Kind(name, **{**values, "others": tuple(values["others"])}) for name, values in fleet["kinds"].items()]


def counts(fleet, apps):
    """How many apps of each kind: whole numbers that are nearest to the shares, and together all apps."""
    every = kinds(fleet)
    exact = [kind.share * apps for kind in every]
    whole = [math.floor(each) for each in exact]
    for index in sorted(range(len(every)), key=lambda i: whole[i] - exact[i])[: apps - sum(whole)]:
        whole[index] += 1
    return dict(zip(every, whole))


def lines(kind, fleet):
    """Lines a second of an app: {kind of line: rate}."""
    every = fleet["lines"]
    return {"app": kind.app_lines, "router": kind.requests, "runtime": 2 * kind.dynos / every["runtime_seconds"], "postgres": kind.databases / every["database_seconds"],
            "addon": kind.redis / every["redis_seconds"], "ingest": kind.web / every["metrics_seconds"] if kind.metrics else 0}


# ---- drains ----

def batches(rate, size, logplex):
    """Batches a second on a connection on which so many lines a second come, of so many bytes each.  Logplex sends what waits as soon as the answer to the
    batch before is there: a round trip, and if no line has come meanwhile, the time until one comes."""
    if rate == 0:
        return 0
    trip = logplex["round_trip_seconds"]
    return max(1 / (trip + math.exp(-rate * trip) / rate), rate * size / logplex["batch_bytes"])


def drain(kind, fleet, costs):
    """Of an app: connections that are open, and batches a second of all of them.  Each node of Logplex has a part of the lines."""
    logplex = fleet["logplex"]
    every = lines(kind, fleet)
    total = sum(every.values())
    size = sum(rate * costs["lines"][name]["bytes"] for name, rate in every.items()) / total
    rate = total / logplex["nodes"]
    open_part = 1 - math.exp(-rate * logplex["idle_seconds"])
    return logplex["nodes"] * open_part, logplex["nodes"] * batches(rate, size, logplex)


# ---- what it costs ----

def series(kind, costs):
    return sum(of_feature(costs["features"][name]["series"], count) for name, count in kind.features().items())


def of_feature(cost, count):
    """cost: of the first, and of each further one."""
    return cost[0] + cost[1] * (count - 1) if count else 0


def store_bytes(kind, costs, workers):
    """What an app takes from the allocator: a part for each worker, as each counts for itself."""
    return sum(of_feature(costs["features"][name]["bytes"], count) + (workers - 1) * of_feature(costs["features"][name]["worker_bytes"], count)
               for name, count in kind.features().items())


@dataclasses.dataclass
class Demand:
    """Of a fleet, or of a part of one."""
    apps: int
    dynos: float
    lines: float  # a second
    bytes: float  # a second
    batches: float  # a second
    connections: float
    series: int  # of the apps; each exporter has some of its own
    cpu: float  # cores, without scrapes


def demand(fleet, costs, apps):
    total = Demand(apps, 0, 0, 0, 0, 0, 0, 0)
    for kind, count in counts(fleet, apps).items():
        if count == 0:
            continue
        every = lines(kind, fleet)
        connections, posted = drain(kind, fleet, costs)
        total.dynos += count * kind.dynos
        total.lines += count * sum(every.values())
        total.bytes += count * sum(rate * costs["lines"][name]["bytes"] for name, rate in every.items())
        total.batches += count * posted
        total.connections += count * connections
        total.series += count * series(kind, costs)
        total.cpu += count * (posted * costs["batch_seconds"] + sum(rate * costs["lines"][name]["seconds"] for name, rate in every.items()))
    return total


def page_cpu(lines_of_page, fleet, costs):
    """Cores that scrapes with gzip take."""
    return lines_of_page * costs["page_seconds_a_series"] / fleet["scrape_interval_seconds"]


def memory(counted, connections, costs, workers):
    """Resident bytes.  counted: {kind: apps}."""
    held = sum(count * store_bytes(kind, costs, workers) for kind, count in counted.items())
    return costs["fixed_bytes"] + costs["resident_factor"] * held + connections * costs["connection_bytes"]


# ---- exporters ----

@dataclasses.dataclass
class Deployment:
    exporters: int
    vcpu: float  # of each
    gb: float
    cpu: float  # cores that each uses
    memory: float  # bytes that each uses
    series: int  # of all, as Prometheus sees them

    def price(self, fargate, architecture):
        """USD a month, of all."""
        prices = fargate["prices"][architecture]
        return self.exporters * fargate["hours_a_month"] * (self.vcpu * prices["vcpu_hour"] + self.gb * prices["gb_hour"])


def fits(fleet, costs, apps, exporters, vcpu, gb):
    """The deployment of so many exporters of this size, or None if it is too small."""
    bounds = fleet["exporter"]
    part = math.ceil(apps / exporters)
    need = demand(fleet, costs, apps)
    share = 1 / exporters
    each = need.series * share + costs["own_series"]
    cpu = need.cpu * share + page_cpu(each, fleet, costs) + costs["idle_cpu"]
    counted = {kind: count * share for kind, count in counts(fleet, apps).items()}
    resident = memory(counted, need.connections * share, costs, max(1, math.ceil(vcpu)))
    if cpu > bounds["cpu"] * vcpu or resident > bounds["memory"] * gb * GB or each > bounds["series"] or part > bounds["apps"]:
        return None
    return Deployment(exporters, vcpu, gb, cpu, resident, need.series + exporters * costs["own_series"])


def deployment(fleet, costs, apps):
    """The cheapest, and of equally cheap ones that of the fewest exporters."""
    fargate = fleet["fargate"]
    sizes = [(float(vcpu), gb) for vcpu, every in fargate["sizes"].items() for gb in every]
    least = max(1, math.ceil(apps / fleet["exporter"]["apps"]))
    found = []
    for exporters in range(least, least + 200):
        found += filter(None, (fits(fleet, costs, apps, exporters, *size) for size in sizes))
        if len(found) > 0 and exporters >= 2 * found[0].exporters:
            break
    return min(found, key=lambda each: (round(each.price(fargate, "x86"), 2), each.exporters))


# ---- the table ----

def number(value):
    """Three digits that count, and no more than a thousandth."""
    if value < 0.001:
        return "< 0.001"
    digits = min(3, 2 - math.floor(math.log10(value)))
    value = round(value, digits)
    return f"{value:,.{max(0, digits)}f}".rstrip("0").rstrip(".") if digits > 0 else f"{value:,.0f}"


def dollars(value):
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def markdown(rows):
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def kinds_table(fleet, costs):
    rows = [["kind of app", "of 100 apps", "web dynos", "other dynos", "requests a second", "other lines of the app", "databases", "Redis", "metrics of its own", "series"]]
    for kind in kinds(fleet):
        rows.append([kind.name, f"{100 * kind.share:g}", str(kind.web), " + ".join(map(str, kind.others)) or "0", f"{kind.requests:g}", f"{kind.app_lines:g}", str(kind.databases),
                     str(kind.redis), str(kind.metrics * kind.web), f"{series(kind, costs):,}"])
    return markdown(rows)


def fleets_table(fleet, costs):
    rows = [["apps", "dynos", "lines a second", "batches a second", "connections", "series", "exporters", "vCPU, GB of each", "cores used", "memory used", "USD a month, x86", "ARM"]]
    for apps in fleet["fleets"]:
        need, chosen = demand(fleet, costs, apps), deployment(fleet, costs, apps)
        rows.append([f"{apps:,}", f"{need.dynos:,}", number(need.lines), number(need.batches), number(need.connections), number(chosen.series), str(chosen.exporters),
                     f"{chosen.vcpu:g}, {chosen.gb:g}", number(chosen.exporters * chosen.cpu), number(chosen.exporters * chosen.memory / (1 << 20)) + " MiB",
                     *(dollars(chosen.price(fleet["fargate"], architecture)) for architecture in ("x86", "ARM"))])
    return markdown(rows)


def text(fleet, costs):
    """What stands in the guide, between its marks."""
    fargate, bounds, logplex = fleet["fargate"], fleet["exporter"], fleet["logplex"]
    prices = "; ".join(f"{name} {each['vcpu_hour']:g} USD for a vCPU-hour and {each['gb_hour']:g} for a GB-hour" for name, each in fargate["prices"].items())
    return f"""Fleets of these apps, in these parts:

{kinds_table(fleet, costs)}
need this:

{fleets_table(fleet, costs)}
Costs were measured on {costs['measured']}. An exporter may use {bounds['cpu']:.0%} of its vCPUs and {bounds['memory']:.0%} of its memory, and has {bounds['series']:,} series and
{bounds['apps']:,} apps at most; the cheapest size that suffices is shown. Prometheus scrapes with gzip every {fleet['scrape_interval_seconds']} s. Logplex has {logplex['nodes']} nodes that send for an app, and a
round trip takes {1000 * logplex['round_trip_seconds']:g} ms. Prices are those of Fargate in {fargate['region']}, {fargate['date']}: {prices}; without the balancer, which ends
TLS, and without what leaves the network. A vCPU of ARM is taken to do as much as one of x86.
"""
