"""Rounds of mixed load against one server, with a rest after each, in which all that came and went has gone: then memory, file descriptors and threads
must be what they were.  What is judged is what is there, never how long something took."""
import collections
import contextlib
import os
import threading
import time

import bodies
from harness import in_threads
from soak import clients
from soak.clients import LISTED, Keeper
from support.checks import Failure, check, equal
from support.exporter import AUTH_METRICS, SHORT_INTERVAL, Exporter
from support.exposition import Page, ledgers
from support.waiting import wait_for

KIB, MIB = 1 << 10, 1 << 20

# What is judged: at rest, and the most during load.
Sample = collections.namedtuple("Sample", "descriptors threads allocated resident load_descriptors load_threads load_resident")

# By how much the most of the last third may exceed the most of the second one: a share of it, and so many more.
TOLERANCES = Sample(descriptors=(0, 2), threads=(0, 1), allocated=(0.01, 256 * KIB), resident=(0.05, 6 * MIB),
                    load_descriptors=(0.25, 256), load_threads=(0, 1), load_resident=(0.25, 16 * MIB))


def judge(samples, names):
    """What is not flat, in words.  The first third of the samples is the warm-up.  names: see Plan."""
    third = len(samples) // 3
    complaints = []
    for name in Sample._fields:
        values = [getattr(sample, name) for sample in samples]
        before, after = max(values[third : len(values) - third]), max(values[len(values) - third :])
        share, more = getattr(TOLERANCES, name)
        if name == "allocated":
            more += names
        if after > before * (1 + share) + more:
            complaints.append("%s: %d in the last third, %d before" % (name, after, before))
    return complaints


class Peaks:
    """The most that a process had, while this is entered."""

    def __init__(self, server):
        self.server = server
        self.descriptors = self.threads = self.resident = 0

    def look(self):
        self.descriptors = max(self.descriptors, self.server.descriptors())
        self.threads = max(self.threads, self.server.threads())
        self.resident = max(self.resident, self.server.resident())

    def _watch(self):
        while not self.ended.wait(0.1) and self.server.is_running():
            with contextlib.suppress(OSError, AttributeError):  # it ends meanwhile, which is found elsewhere
                self.look()

    def __enter__(self):
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


class Plan:
    """How much, and for how long.  rounds: at least; seconds: until so many have passed; amount: of the clients' work; silence: seconds after which an app
    leaves; names: bytes for names of apps and processes that have gone, whose slots are taken anew only when all 16,384 have been taken (src/store/entity.c)."""

    def __init__(self, rounds, seconds, amount, silence, names):
        self.rounds, self.seconds, self.amount, self.silence, self.names = rounds, seconds, amount, silence, names


LONG = Plan(rounds=9, seconds=600, amount=8, silence=8, names=2 * MIB)
SHORT = Plan(rounds=6, seconds=0, amount=1, silence=3, names=0)


class Soak:
    def __init__(self, program, load, folder, plan):
        self.program, self.folder, self.plan = program, folder, plan
        self.settings = {
            "SCRAPE_INTERVAL": SHORT_INTERVAL, "WORKERS": "2", "SANDBOX": "true", "CONFIG_FILE": os.path.join(folder, "config.yaml"), "APP_EXPIRE_AFTER": "%ds" % plan.silence,
            "MAX_NEW_APPS": "0", "MAX_CONNECTIONS": "2000", "STATE_FILE": os.path.join(folder, "state"), "STATE_INTERVAL": "500ms",
            **{name: "1s" for name in ("EXPIRE_AFTER", "RUNTIME_EXPIRE_AFTER", "REDIS_EXPIRE_AFTER", "POSTGRES_EXPIRE_AFTER")}}
        with open(self.settings["CONFIG_FILE"], "w") as out:
            out.write(clients.Operator.configuration(0))
        mixed = []
        for name, body in (("large", bodies.families()["mix"]), ("small", b"".join(map(bodies.lines_of, (bodies.router_line, bodies.runtime_line, bodies.app_line), (6, 2, 2))))):
            mixed.append((os.path.join(folder, name), body.count(b"\n")))
            with open(mixed[-1][0], "wb") as out:
                out.write(body)
        self.server = self.start()
        common = (self.server, plan.amount, plan.silence)
        self.clients = [each(*common) for each in (clients.AllKinds, clients.Guests, clients.Dynos, clients.Reports, clients.CloudFoundry, clients.Scraper, clients.Strangers)]
        self.clients += [clients.Bulk(*common, load, mixed), clients.Operator(*common, self.settings["CONFIG_FILE"])]
        self.accounts = {app: account for client in self.clients for app, account in client.accounts.items()}

    def start(self, **settings):
        return Exporter(self.program, settings={**self.settings, **settings}, output_path=os.path.join(self.folder, "log")).wait_until_listening()

    def has_gone(self):
        """Is there nothing more of what came and went?"""
        page = self.server.first_page()
        apps = set(ledgers(page)) - set(self.accounts) - {"", "__other__", LISTED[0], "other-0", "other-1"}
        check(not apps, "there are still the apps %r", sorted(apps)[:5])
        for name in ("level", "soak_depth", "heroku_dyno_load_avg_1m", "heroku_postgres_tables", "cf_container_memory_bytes"):
            check(not page.select(name), "there are still series %s", name)
        connections = page.value("drain_exporter_connections")
        check(connections <= 2, "%d connections are open", connections)
        return page

    def own_page(self):
        """What it says of itself."""
        return Page(self.server.request("GET", "/promregatorMetrics", AUTH_METRICS).body)

    def rest(self, peaks):
        """A sample of what stays: the least, until that has not become less for a while.  Free pages of memory go back to the system by and by."""
        self.series = wait_for(self.has_gone, "what came and went has gone", 60, 0.2).value("drain_exporter_series")
        least, last, known = None, 0, None
        while least is None or time.monotonic() < last + 1.2:
            now = (self.server.descriptors(), self.server.threads(), self.own_page().value("drain_exporter_memory_allocated_bytes"), self.server.resident())
            least = tuple(map(min, now, least or now))
            if known is None or sum(least) < sum(known) - 64 * KIB:
                last, known = time.monotonic(), least
            time.sleep(0.1)
        return Sample(*least, peaks.descriptors, peaks.threads, peaks.resident)

    def round(self, number):
        with Peaks(self.server) as peaks:
            in_threads([lambda client=client: client.work(number) for client in self.clients], 600)
            peaks.look()
        check(self.keeper.failure is None, "%s", self.keeper.failure)
        return self.rest(peaks)

    def run(self, show):
        """All rounds; the samples.  show(number, sample, soak) is called after each."""
        self.keeper = Keeper(self.server, self.accounts, self.plan.silence)
        samples, start = [], time.monotonic()
        while len(samples) < self.plan.rounds or time.monotonic() < start + self.plan.seconds:
            samples.append(self.round(len(samples)))
            show(len(samples), samples[-1], self)
        self.keeper.close()
        self.check_ledgers(self.server.page())
        complaints = judge(samples, self.plan.names)
        check(not complaints, "not flat: %s", "; ".join(complaints))
        self.check_restart()
        return samples

    def check_ledgers(self, page):
        """Of all apps that stay: sent is counted or reported lost."""
        self.judged = 0
        for app, account in self.accounts.items():
            if not account.may_be_over(self.plan.silence):
                account.check(page, app)
                self.judged += 1

    def check_restart(self):
        """What the last state holds is what the last page had."""
        before = ledgers(self.server.page())
        self.server.stop()
        kept = [app for app, account in self.accounts.items() if not account.may_be_over(self.plan.silence)]
        self.server = self.start(APP_EXPIRE_AFTER="24h")
        after = ledgers(self.server.first_page())
        for app in kept:
            equal(after.get(app), before[app], "the ledger of %s after a restart" % app)

    def sent(self):
        return sum(account.sent if account.books is None else sum(account.books.fates.values()) for account in self.accounts.values())

    def not_judged(self):
        return sum(client.not_judged for client in self.clients) + len(self.accounts) - self.judged

    def close(self):
        try:
            self.server.close()
        except Failure:
            self.server.kill()
            raise
