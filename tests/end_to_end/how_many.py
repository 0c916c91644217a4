"""How many exporters a fleet takes: what docker/MANY.md says is what the model says (tests/capacity), and the model knows the series."""
import bisect
import itertools
import os
import random
import re
import sys

from documentation import ROOT
from harness import test
from support.checks import check, equal

sys.path.append(os.path.join(ROOT, "tests", "bench"))
from capacity import measure, model


@test
def the_guide_has_what_the_model_says(context):
    guide = open(os.path.join(ROOT, "docker", "MANY.md")).read()
    (found,) = re.findall(r"<!-- capacity: begin -->\n(.*?)<!-- capacity: end -->", guide, re.S)
    equal(found, model.text(model.read("fleet.json"), model.read("costs.json")), "what docker/MANY.md has between its marks; tests/capacity/run --write renews it")


@test
def a_fleet_has_the_series_that_the_model_says(context):
    """Each kind of app is in it.  To the series, and what it costs, is a matter of make fleet: here a new metric or two may be missing in the model."""
    fleet, costs = model.read("fleet.json"), model.read("costs.json")
    for each in fleet["kinds"].values():
        each["share"] = 1 / len(fleet["kinds"])
    apps = 2 * len(fleet["kinds"])
    seen = measure.measured(context.program, fleet, costs, apps, 0.5)
    said = measure.predicted(fleet, costs, apps, 0.5)
    check(abs(seen.series / said.series - 1) < 0.05, "there are %d series, where the model says %d: make fleet-costs renews what it counts with", seen.series, said.series)
    check(seen.lines > 1000, "it sent only %d lines", seen.lines)


def simulated(rate, trip, count, rng):
    """Batches a second of a sender as Logplex: what has come while a batch was under way is the next one."""
    arrivals = list(itertools.accumulate(rng.expovariate(rate) for _ in range(count)))
    free, at, batches = 0.0, 0, 0
    while at < count:
        start = max(free, arrivals[at])
        at = bisect.bisect_right(arrivals, start)  # all that has come until then is in this batch
        free, batches = start + trip, batches + 1
    return batches / arrivals[-1]


@test
def batches_are_as_logplex_makes_them(context):
    """The formula against a simulation, from a line in ten seconds to ten thousand a second; and bodies have a bound."""
    rng = random.Random(1)
    logplex = model.read("fleet.json")["logplex"]
    for rate in (0.1, 5, 20, 50, 200, 1000):
        said, seen = model.batches(rate, 300, logplex), simulated(rate, logplex["round_trip_seconds"], 20000, rng)
        check(abs(said / seen - 1) < 0.05, "%g lines a second are %g batches, where the model says %g", rate, seen, said)
    equal(model.batches(1e6, 300, logplex), 1e6 * 300 / logplex["batch_bytes"], "batches a second of a flood")
