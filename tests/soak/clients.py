"""Who speaks to the program during a soak.  Each client does a fixed amount in a round, closes its connections, and knows what it has sent.

A client's accounts say what must stand on the page: {app: Account}."""
import json
import random
import signal
import subprocess
import threading
import time
import uuid

from ledger import Books, Message, Sender, check_books
from siege import attackers
from support import cloud_foundry
from support.checks import check, equal
from support.exporter import AUTH_DRAIN, AUTH_METRICS
from support.exposition import Page, ledger
from support.http_client import basic
from support.lines import counter, gauge, histogram, ingest, line, logplex, postgres, router_error
from support.logplex import LogplexDrain
from support.raw_connection import Raw, head_of, post_of
from support.waiting import wait_for

BULK_APPS = 8
DYNOS = 8  # that each app of Heroku has at the most, beside those that come and go
LISTED = ("listed", "a-password-of-listed")
SCRAPER = ("team", "a-password-of-team")
WRONG = {"Authorization": basic("drain", "wrong")}


class Account:
    """What was sent for an app, and when last: an app that nobody speaks for is over after a time, and then its counters are too."""

    def __init__(self, books=None):
        """books: of senders that know what becomes of each message; of others only the count is known."""
        self.sent = 0  # messages that were taken, but for what Logplex itself says
        self.lost = 0  # messages that it says are lost
        self.books = books
        self.last = None  # when a batch was taken
        self.longest = 0.0  # seconds between two batches
        self.lock = threading.Lock()

    def begin(self):
        """The first batch is about to be sent."""
        self.last = time.monotonic()

    def add(self, sent=0, lost=0, books=None):
        """A batch was taken, or several."""
        with self.lock:
            self.sent += sent
            self.lost += lost
            if books is not None:
                self.books.add(books)
            now = time.monotonic()
            self.longest = max(self.longest, now - self.last)
            self.last = now

    def may_be_over(self, silence):
        """Was there a time of so many seconds in which no batch came?  A batch comes between the answer to the one before it and its own."""
        with self.lock:
            return self.longest + max(self.longest, time.monotonic() - self.last) > silence

    def check(self, page, app):
        """Sent is counted or reported lost."""
        if self.books is not None:
            check_books(page, app, self.books)
            return
        book = ledger(page, app)
        told = page.total("drain_exporter_messages_recognised_total", app=app, family="logplex")
        equal(book["received"] - book["duplicate"] - told, self.sent, "messages of %s, without those of Logplex itself" % app)
        equal(page.total("drain_exporter_upstream_lost_messages_total", app=app), self.lost, "lost messages of %s" % app)


class Client:
    """server: the program; amount: how much it does in a round, 1 in a short one; silence: seconds after which an app that says nothing is over."""

    def __init__(self, server, amount, silence):
        self.server, self.amount, self.silence = server, amount, silence
        self.random = random.Random(type(self).__name__)
        self.accounts = {}  # of apps that stay
        self.not_judged = 0  # apps whose counters may have been over before they could be looked at

    def work(self, number):
        """What it does in this round."""

    def look_at(self, app, account):
        """Check an app that is about to leave."""
        def looks_right():
            page = self.server.page()
            if account.may_be_over(self.silence):
                self.not_judged += 1  # the machine was too slow to say
            else:
                account.check(page, app)
            return True

        wait_for(looks_right, "the ledger of %s is right" % app)


class Keeper(Client):
    """Says a word for each app that stays, now and then, also while all others rest."""

    def __init__(self, server, accounts, silence):
        super().__init__(server, 1, silence)
        self.kept, self.ended, self.failure = accounts, threading.Event(), None
        for account in accounts.values():
            account.begin()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            with Raw(self.server) as raw:
                while not self.ended.wait(self.silence / 8):
                    for app, account in self.kept.items():
                        self._speak(raw, app, account)
        except Exception as problem:
            self.failure = "keeper: %s: %s" % (type(problem).__name__, problem)

    def _speak(self, raw, app, account):
        """As the platform does of all dynos that stay: what is counted for a dyno leaves with it."""
        if "/" in app:
            said = [account.speaker.gauge(0, account.instance, "cpu", 1, "percentage")]
            target, headers = "/drain", cloud_foundry.HEADERS
        else:
            said = [line("Error R14 (Memory quota exceeded)", "heroku", "web.%d" % number) for number in range(1, DYNOS + 1)]
            target, headers = "/drain?app_name=" + app, logplex(len(said))
        data = head_of("POST", target, {**AUTH_DRAIN, "Content-Length": str(sum(map(len, said))), **headers}) + b"".join(said)
        equal(raw.ask(data).status, 204, "a batch of the keeper")
        books = Books()
        books.taken([Message(each, "recognised", "dyno", ("heroku", "web")) for each in said])
        account.add(len(said), books=account.books and books)

    def close(self):
        self.ended.set()
        self.thread.join()
        check(self.failure is None, "%s", self.failure)


# ---- Heroku ----

class AllKinds(Client):
    """All kinds of messages, as Logplex and log-shuttle send them: cut off, in pieces, compressed, repeated, raced, with counts of what they lost."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.accounts = {app: Account(Books()) for app in ("north", "south")}

    def batches(self, app, account, seed, numbers):
        sender = Sender(self.server, app, seed)
        for number in numbers:
            sender.random.choices((sender.logplex_batch, sender.shuttle_batch, sender.raced_batch), (6, 3, 1))[0](number)
            account.add()
        sender.raw.close()
        account.add(books=sender.books)

    def work(self, number):
        count = 20 * self.amount
        for app, account in self.accounts.items():
            self.batches(app, account, "%s %d" % (app, number), range(count * number, count * (number + 1)))


class Guests(AllKinds):
    """Apps that come and go: new names in each round."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.accounts = {}

    def work(self, number):
        for guest in range(4 * self.amount):
            app, account = "guest-%d-%d" % (number, guest), Account(Books())
            account.begin()
            self.batches(app, account, app, range(4))
            self.look_at(app, account)


class HastyDrain(LogplexDrain):
    """Its connection is often cut before the answer, and some batches have an old password: what is refused then is lost, and told."""

    def __init__(self, server, app, account):
        super().__init__(server, app, impatience=0.1, pause=0.01)
        self.account = account

    def send(self, frames):
        check(self.server.is_running(), "the program ended: %s", self.server.log()[-300:])
        self.is_wrong = self.random.random() < 0.05
        if super().send(frames):
            self.account.add(len(frames))

    def _try(self, post):
        right, wrong = (each["Authorization"].encode() for each in (AUTH_DRAIN, WRONG))
        return super()._try(post.replace(right, wrong) if self.is_wrong else post)


class Dynos(Client):
    """An app whose dynos start, report, crash, are scaled and leave; one-off dynos, each with a new name; requests; databases."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.account = Account()
        self.accounts = {"formation": self.account}
        self.drain = HastyDrain(self.server, "formation", self.account)
        self.one_offs = 0

    def start(self, dyno, identity):
        said = ("Starting process with command `run`", "State changed from starting to up", "source=%s dyno=heroku.1.%s sample#load_avg_1m=0.5" % (dyno, identity),
                "source=%s dyno=heroku.1.%s sample#memory_total=%.2fMB sample#memory_quota=512.00MB" % (dyno, identity, self.random.uniform(1, 500)))
        return [line(text, "heroku", dyno) for text in said]

    def end(self, dyno):
        said = ("Error R14 (Memory quota exceeded)", "State changed from up to %s" % self.random.choice(("down", "crashed")), "Process exited with status 143")
        return [line(text, "heroku", dyno) for text in said]

    def step(self):
        self.one_offs += 1
        size = self.random.randrange(1, DYNOS + 1)
        dynos = ["web.%d" % (1 + index) for index in range(size)] + ["run.%d" % self.one_offs, "scheduler.%d" % self.random.randrange(1, 9999)]
        messages = [line("Scaled to web@%d:Standard-1X by user someone@example.com" % size, "app", "api")]
        for dyno in dynos:
            messages += self.start(dyno, uuid.UUID(int=self.random.getrandbits(128)))
            messages += [router_error(self.random.choice(("H10", "H12", "H13")), dyno) for _ in range(3)]
            messages += self.end(dyno) if "web" not in dyno or self.random.random() < 0.3 else []
        messages += [postgres("postgresql-x-%d" % self.random.randrange(5), tables=self.random.randrange(99), db_size="5bytes")]
        self.random.shuffle(messages)
        return messages

    def work(self, number):
        for _ in range(20 * self.amount):
            self.drain.send(self.step())
        self.drain.tell_losses(line("back again"))
        self.drain.close()
        self.account.add(lost=self.drain.lost - self.account.lost)


class Reports(Client):
    """What an app prints for us: series that stay, and others whose names and labels are new in each round."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.accounts = {"reporter": Account()}

    def elements(self, number, step):
        job = "%d-%d" % (number, step)
        return [counter("soak_ticks", 1, "incremental"), gauge("soak_depth", step), gauge("soak_job_%s" % job.replace("-", "_"), step), gauge("soak_jobs", step, job=job),
                histogram("soak_took", [1, 2, 4], [step, 2, 3], 5.5, kind="incremental", job=job)]

    def work(self, number):
        account = self.accounts["reporter"]
        with Raw(self.server) as raw:
            for step in range(40 * self.amount):
                messages = [ingest(self.elements(number, step), "worker.%d" % (1 + step % 3)), line("count#signups=1 measure#parse=%dms sample#queue=%d" % (step, step), "app", "web.1"),
                            line('job kind=%s took=%d' % (self.random.choice("abc"), step), "app", "worker.1")]
                equal(raw.ask(post_of(b"".join(messages), "reporter", logplex(len(messages)))).status, 204, "a batch of metrics")
                account.add(len(messages))


class Bulk(Client):
    """Batches of mixed lines as fast as they are taken (tests/bench/load.c): few of 100 KB, and many of ten lines."""

    def __init__(self, server, amount, silence, load, bodies):
        """bodies: [(path, messages)], the large one first."""
        super().__init__(server, amount, silence)
        self.load, self.bodies = load, bodies
        self.accounts = {"bulk%05d" % number: Account() for number in range(BULK_APPS)}

    def post(self, path, messages, times):
        done = subprocess.run([self.load, "-p", str(self.server.port), "-b", path, "-u", "/drain?app_name=bulk", "-a", str(BULK_APPS), "-c", "8", "-n", str(times * BULK_APPS),
                               "-H", "Authorization: " + AUTH_DRAIN["Authorization"]], stdout=subprocess.PIPE)
        equal(done.returncode, 0, "the end of the load generator")
        equal(json.loads(done.stdout)["requests"], times * BULK_APPS, "batches")
        for account in self.accounts.values():
            account.add(times * messages)

    def work(self, number):
        for _ in range(5):
            for (path, messages), times in zip(self.bodies, (10, 500)):
                self.post(path, messages, times * self.amount)


# ---- Cloud Foundry ----

class CloudFoundry(Client):
    """Instances that start, report, crash and leave; apps under new names and GUIDs; requests; each body one message or several, and some sent again."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        account = Account()
        account.speaker, account.instance = cloud_foundry.App("shop", str(uuid.uuid4())), "kept"
        self.accounts = {"acme/prod/shop": account}

    def messages(self, app, step):
        index = step % 3
        instance = str(uuid.UUID(int=self.random.getrandbits(128)))
        yield app.created(index, instance)
        for name, unit in (("memory", "bytes"), ("disk", "bytes"), ("cpu", "percentage")):
            yield app.gauge(index, instance, name, self.random.randrange(1, 99), unit)
        for _ in range(3):
            yield app.request(status=self.random.choice((200, 404, 502)), error=self.random.choice(("-", "endpoint_failure")))
        yield app.crashed(index, instance)
        yield app.destroyed(index, instance)

    def post(self, raw, body, account):
        data = head_of("POST", "/drain", {**AUTH_DRAIN, "Content-Length": str(len(body)), **cloud_foundry.HEADERS}) + body
        for _ in range(1 + (self.random.random() < 0.2)):
            equal(raw.ask(data).status, 204, "a body of Cloud Foundry")
        account.add(body.count(b"\n"))

    def speak(self, raw, app, account, steps):
        for step in range(steps):
            bodies = list(self.messages(app, step))
            for body in bodies if step % 2 else [b"".join(bodies)]:
                self.post(raw, body, account)

    def work(self, number):
        with Raw(self.server) as raw:
            shop = cloud_foundry.App("shop", self.accounts["acme/prod/shop"].speaker.guid)
            self.speak(raw, shop, self.accounts["acme/prod/shop"], 10 * self.amount)
            for guest in range(2 * self.amount):
                name = "guest-%d-%d" % (number, guest)
                app, account = cloud_foundry.App(name, str(uuid.UUID(int=self.random.getrandbits(128)))), Account()
                account.begin()
                self.speak(raw, app, account, 3)
                self.look_at("acme/prod/" + name, account)


# ---- who reads ----

PAGES = ("/v1/apps/north/metrics", "/v1/apps/metrics?app=acme/prod/shop", "/v2/apps/reporter/only-app-metrics", "/singleTargetMetrics/formation/web.1", "/promregatorMetrics", "/discovery",
         "/discovery?by=app", "/", "/status", "/status/apps", "/state", "/health", "/v1/apps/nobody/metrics", "/nothing")


class Scraper(Client):
    """Pages of all kinds, plain and compressed, by the metrics password and by a team's."""

    @staticmethod
    def ask(raw, target, headers, statuses=(200,)):
        raw.send(head_of("GET", target, headers))
        status = raw.answer(chunks=True).status
        check(status in statuses, "%s is answered %d", target, status)

    def work(self, number):
        for _ in range(3 * self.amount):
            with Raw(self.server) as raw:
                for coding in ("identity", "gzip"):
                    self.ask(raw, "/metrics", {**AUTH_METRICS, "Accept-Encoding": coding})
                    for target in PAGES:
                        for headers in (AUTH_METRICS, {"Authorization": basic(*SCRAPER)}):
                            self.ask(raw, target, {**headers, "Accept-Encoding": coding}, (200, 401, 403, 404))
            Page(self.server.scrape({"Accept-Encoding": "gzip"}).body)


class Operator(Client):
    """Changes the configuration and has it read again: labels, rules, passwords; a third of the times there is a mistake in it."""

    def __init__(self, server, amount, silence, path):
        super().__init__(server, amount, silence)
        self.path = path
        self.changes = 0

    @staticmethod
    def configuration(changes):
        rules = "".join("- {name: jobs%d, match: '^job kind=(?<kind>\\w+) took=(?<ms>\\d+)', metrics: [{counter: jobs%d_total, labels: {kind: $kind}}, "
                        "{histogram: job_took_seconds, value: $ms, scale: 0.001}]}\n" % (each, each) for each in range(changes % 2, 2))
        return ("drains:\n- {name: %s, app: listed, password: %s, labels: {colour: '%s'}}\n- {name: other, app: other-%d, password: of-other-%d}\n"
                "scrapes:\n- {name: %s, password: %s, apps: [north, formation]}\nrules:\n%s%s"
                % (*LISTED, ("blue", "green")[changes // 2 % 2], changes % 2, changes % 2, *SCRAPER, rules, "mistake: 5\n" if changes % 3 == 2 else ""))

    def change(self):
        self.changes += 1
        with open(self.path, "w") as out:
            out.write(self.configuration(self.changes))
        said = "reload: nothing was changed" if self.changes % 3 == 2 else "reload: passwords"
        before = self.server.log().count(said)
        self.server.tell(signal.SIGHUP)
        wait_for(lambda: self.server.log().count(said) > before, "the configuration is read again")

    def work(self, number):
        with Raw(self.server) as raw:
            for _ in range(3 * self.amount):
                self.change()
                body = ingest([gauge("soak_listed", 1)]) + line("job kind=z took=3", "app", "worker.1")
                equal(raw.ask(post_of(body, "listed", {**logplex(2), "Authorization": basic(*LISTED)})).status, 204, "a batch of a listed app")


# ---- who should not be there ----

ATTACKS = (attackers.idle_strangers, attackers.silent_strangers, attackers.slow_heads, attackers.slow_bodies, attackers.unread_pages, attackers.torn_pages, attackers.resets,
           attackers.guesses, attackers.guesses_from_the_drain, attackers.aborted_pipelines, attackers.junk, attackers.mutants, attackers.smuggling, attackers.bad_frames, attackers.tiny_chunks)


class Strangers(Client):
    """Connections that stall, wrong passwords, and what is no request."""

    def work(self, number):
        target = attackers.Target(self.server.port, False, False, self.random, "127.9.9.9")
        try:
            for _ in range(2 * self.amount):
                for attack in self.random.sample(ATTACKS, len(ATTACKS)):
                    attack(target)
        finally:
            for _, sock in target.held:
                sock.close()
