"""How many exporters a fleet takes: what docker/MANY.md says is what the model says (tests/capacity), and the model knows the series."""
import os
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
    """Each kind of app is in it.  What it costs is looked at by make fleet."""
    fleet, costs = model.read("fleet.json"), model.read("costs.json")
    for each in fleet["kinds"].values():
        each["share"] = 1 / len(fleet["kinds"])
    apps = 2 * len(fleet["kinds"])
    seen = measure.measured(context.program, fleet, costs, apps, 0.5)
    _, complaints = measure.compare(measure.predicted(fleet, costs, apps, 0.5), seen)
    check("series" not in complaints, "%s", complaints.get("series"))
    check(seen.lines > 1000, "it sent only %d lines", seen.lines)
