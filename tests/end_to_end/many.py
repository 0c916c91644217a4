"""Several exporters: the labels that tell them apart, and two that see the same."""
import re

from app_pages import page as page_of
from documentation import METRICS, rows
from harness import test
from monitoring import replaying_server
from support.checks import check, equal
from support.exporter import AUTH_METRICS
from support.exposition import Page
from support.lines import gauge, ingest, logplex
from support.processes import run_to_end

EXTERNAL = {"replica": "a", "cluster": 'eu "west" \\1'}
SETTING = "replica=a, cluster=" + EXTERNAL["cluster"]


def without(page, names):
    """All series of a page, without labels of these names."""
    return {(name, tuple(pair for pair in labels if pair[0] not in names)) for name, labels in page.samples}


@test
def external_labels_stand_on_all_series(context):
    """On all pages, and beside what the series have without them."""
    plain, server = (replaying_server(context, EXTERNAL_LABELS=labels, SCRAPE_INTERVAL="60s") for labels in (None, SETTING))
    for each in (plain, server):
        each.post(ingest([gauge("depth", 3, replica="of the app", zone="z")]), "my-app", logplex(1))
    pages = [server.first_page()] + [page_of(server, target) for target in ("/v1/apps/my-app/metrics", "/v1/apps/my-app/only-app-metrics", "/singleTargetMetrics/my-app/web.1", "/promregatorMetrics")]
    for page in pages:
        check(len(page.samples) > 1, "a page has %d samples", len(page.samples))
        for name, labels in page.samples:
            check(set(EXTERNAL.items()) <= set(labels), "%s%r lacks external labels", name, labels)
    changing = re.compile("depth|drain_exporter_(page|http|connections|client|self)|process_")  # what a page before it has changed
    difference = without(plain.first_page(), ()) ^ without(pages[0], EXTERNAL)
    equal(sorted(each for each in difference if not changing.match(each[0])), [], "series that only one of both has")
    equal(pages[0].value("depth", app="my-app", process="web.1", zone="z", exported_replica="of the app", **EXTERNAL), 3, "a gauge with a label of such a name")
    equal(plain.first_page().value("depth", app="my-app", process="web.1", zone="z", replica="of the app"), 3, "the same without")
    zipped = server.request("GET", "/metrics", {**AUTH_METRICS, "Accept-Encoding": "gzip"})
    equal(zipped.header("content-encoding"), "gzip", "the encoding")


def check_config(context, labels):
    return run_to_end([context.program, "--check-config"], seconds=20, PASSWORD_DRAIN="a", PASSWORD_METRICS="b", EXTERNAL_LABELS=labels)


@test
def external_labels_are_none_of_ours(context):
    """What a series of ours has as a label, on the page or in the documents, cannot be one of all pages; nor is a mistake started with."""
    server = replaying_server(context, SCRAPE_INTERVAL="60s", CF_LABELS="promfetcher", MAX_METRIC_SERIES=30)
    ours = {label for name, labels in server.page().samples if re.match("heroku_|drain_exporter_|cf_(?!app_)|l2met_", name) for label, _ in labels}
    for row in rows(open(METRICS).read()):
        if len(row) == 4 and row[1] in ("counter", "gauge", "histogram"):
            ours |= {label.strip().strip("`") for label in row[2].split(",")} - {""}
    check(len(ours) > 30, "only %d labels were found", len(ours))
    for label in sorted(ours | {"le", "quantile", "job", "instance"}):
        done = check_config(context, "replica=a,%s=x" % label)
        equal((done.status, done.err), (1, 'drain_exporter: EXTERNAL_LABELS has "%s", which has a meaning already\n' % label), "a start with the label " + label)
    for wrong in ("", "replica", "a=1,a=2", "__a=1", "a-b=1", "a=" + "x" * 200):
        done = check_config(context, wrong)
        check(done.status == 1 and "EXTERNAL_LABELS" in done.err, "EXTERNAL_LABELS=%s: %d, %s", wrong, done.status, done.err)
    done = check_config(context, SETTING)
    check(done.status == 0 and "EXTERNAL_LABELS=%s\n" % SETTING in done.out, "the settings are printed as %s%s", done.out, done.err)
