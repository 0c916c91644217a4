"""The wall clock of the program's host is set while it runs: nothing that is reported stands still for it."""
import os
import struct
import subprocess
import time

from harness import Skip, test
from support.checks import check, equal
from support.exposition import ledger
from support.lines import gauge, ingest, line, logplex, postgres, stamp

HOUR = 3600
SHIM = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support", "set_clock.c")


class Clock:
    """The wall clock of a server, apart from ours by so many seconds."""

    def __init__(self, context):
        if context.sanitizer is not None:
            raise Skip("a sanitizer's own library must be the first that is loaded")
        library = os.path.join(context.folder, "set_clock.so")
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", library, SHIM], check=True)
        self.path = context.file("clock", struct.pack("=q", 0))
        self.settings = {"LD_PRELOAD": library, "SET_CLOCK": self.path}

    def set(self, seconds):
        with open(self.path, "r+b") as file:
            file.write(struct.pack("=q", seconds))


def report(server, number, offset=0.0):
    """An app and an add-on report a number by lines of this time."""
    at = stamp(offset)
    server.post(ingest([gauge("level", number)], time=at) + postgres(time=at, tables=number), "a", logplex(2))


def levels(server):
    page = server.page()
    return page.value("level", app="a", process="web.1"), page.value("heroku_postgres_tables", addon="postgresql-curly-12345")


@test
def the_clock_is_set_back(context):
    """An hour to what is wrong: every later line counts, an older one does not, and what is told of the clock is what it says."""
    clock = Clock(context)
    server = context.server(**clock.settings)
    report(server, 1)
    clock.set(-HOUR)
    for number in range(2, 12):
        report(server, number)
        equal(levels(server), (number, number), "what was reported after the clock was set back")
    report(server, 99, -60)
    equal(levels(server), (11, 11), "what is reported after an older line")
    last = server.page().value("drain_exporter_last_batch_timestamp_seconds", app="a")
    check(abs(last - (time.time() - HOUR)) < 60, "the last batch came at %r", last)
    equal(server.page().value("drain_exporter_samples_outdated_total", app="a"), 2, "outdated samples")


@test
def the_clock_is_set_right(context):
    """It was ahead by an hour: lines whose own time cannot be read, which have that of their arrival, go on to count; so do events of dynos."""
    clock = Clock(context)
    clock.set(HOUR)
    server = context.server(**clock.settings)
    server.post(ingest([gauge("level", 1)], time="soon"), "a", logplex(1))
    clock.set(0)
    server.post(ingest([gauge("level", 2)], time="soon"), "a", logplex(1))
    equal(server.page().value("level", app="a", process="web.1"), 2, "what was reported after the clock was set right")
    before = server.page().value("process_start_time_seconds")
    clock.set(-HOUR)
    server.post(ingest([gauge("level", 3)], time="soon"), "a", logplex(1))
    equal(server.page().value("level", app="a", process="web.1"), 3, "what was reported after the clock was set back")
    equal(server.page().value("process_start_time_seconds"), before, "the time of the start")
    equal(ledger(server.page(), "a"), {"received": 3, "recognised": 3, "ignored": 0, "malformed": 0, "duplicate": 0}, "the ledger")


@test
def lines_of_the_future(context):
    """One line dated years ahead keeps nothing out."""
    server = context.server()
    for number, time_of_line in enumerate(("2199-12-31T23:59:59+00:00", stamp(HOUR), stamp(5), stamp(), "9999-12-31T23:59:59Z", stamp(), "soon", stamp()), 1):
        server.post(ingest([gauge("level", number)], time=time_of_line) + line("State changed from starting to up", "heroku", "web.1", time_of_line), "a", logplex(2))
        report(server, 100 + number)
        equal(levels(server), (100 + number, 100 + number), "what is reported after a line dated %s" % time_of_line)


@test
def durations_are_no_matter_of_the_wall_clock(context):
    """What expires does so in time, and what is alive stays, whatever the clock is set to."""
    clock = Clock(context)
    server = context.server(EXPIRE_AFTER="600s", **clock.settings)
    report(server, 1)
    for seconds in (10 * HOUR, -10 * HOUR, 0):
        clock.set(seconds)
        equal(levels(server), (1, 1), "what is reported while the clock is off by %d s" % seconds)
        page = server.page()
        took = page.value("drain_exporter_scrape_duration_seconds")
        check(0 <= took < 60, "a scrape took %r s", took)
