"""A running drain_exporter: its passwords, its requests, and its end, which is judged."""
import gzip
import signal
import subprocess
import time

from support.checks import Failure, check
from support.exposition import Page
from support.http_client import basic
from support.ports import free_port
from support.processes import SANITIZER_REPORT
from support.server import Server
from support.waiting import patient

DRAIN_PASSWORD = "dRain-Pass.1~secret"
METRICS_PASSWORD = "mEtrics-Pass.2~secret"
SHORT_INTERVAL = "10ms"  # the shortest SCRAPE_INTERVAL: for tests that do not care when a new counter rises
AUTH_DRAIN = {"Authorization": basic("drain", DRAIN_PASSWORD)}
AUTH_METRICS = {"Authorization": basic("metrics", METRICS_PASSWORD)}


class Exporter(Server):
    """Settings are environment variables; None leaves one out."""

    def __init__(self, program, arguments=(), host="127.0.0.1", settings=None, port=None, **server):
        """port: a free one unless it is given."""
        port = port or free_port(host)
        self.settings = {
            "LISTEN_ADDRESS": ("[%s]:%d" if ":" in host else "%s:%d") % (host, port),
            "PASSWORD_DRAIN": DRAIN_PASSWORD,
            "PASSWORD_METRICS": METRICS_PASSWORD,
            **(settings or {}),
        }
        self.stopped = False
        super().__init__([program, *arguments], host, port, settings=self.settings, **server)

    # ---- requests ----

    def post(self, body, app="app", headers=None, status=204, **more):
        """Post a batch and insist on the status.  app=None: the URL names no app."""
        target = "/drain" if app is None else "/drain?app_name=" + app
        answer = self.request("POST", target, {**AUTH_DRAIN, **(headers or {})}, body, **more)
        check(answer.status == status, "POST %s answered %d, not %d", target, answer.status, status)
        if status == 204:
            check(answer.body == b"" and answer.header("transfer-encoding") is None, "204 with a body")
            check((answer.header("content-length") or "0") == "0", "204 with Content-Length %s", answer.header("content-length"))
        return answer

    def scrape(self, headers=None):
        answer = self.request("GET", "/metrics", {**AUTH_METRICS, **(headers or {})})
        check(answer.status == 200, "GET /metrics answered %d: %r", answer.status, answer.body[:60])
        if answer.header("content-encoding") == "gzip":
            answer.body = gzip.decompress(answer.body)
        return answer

    def page(self):
        """The page, strictly parsed.  A counter that is born while its app is scraped stands at 0 for a scrape interval.  With the shortest
        one (see SHORT_INTERVAL) this is the page after that; with any other it is the page as it stands."""
        if self.settings.get("SCRAPE_INTERVAL") == SHORT_INTERVAL:
            self.scrape()
            time.sleep(0.01)
        return self.first_page()

    def first_page(self):
        """The page as it stands, strictly parsed."""
        answer = self.scrape()
        check(answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8", "content-type %s", answer.header("content-type"))
        return Page(answer.body)

    # ---- its end ----

    def wait_exit(self, seconds=15.0):
        """Wait until it has ended by itself, which must be with 0 and without a word of a sanitizer."""
        try:
            status = self.process.wait(patient(seconds))
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure("the program did not end within %g s" % patient(seconds))
        finally:
            self.stopped = not self.is_running()
        report = SANITIZER_REPORT.search(self.log())
        if report:
            raise Failure("a sanitizer reports: ..." + self.log()[report.start():][:2000])
        check(status == 0, "the program ended with status %d: %s", status, self.log()[-300:])
        for secret in (DRAIN_PASSWORD, METRICS_PASSWORD):
            check(secret not in self.log(), "a password is in the program's output")

    def stop(self, number=signal.SIGTERM, seconds=15.0):
        """Stop it; how many seconds that took."""
        check(self.is_running(), "the program died with status %s: %s", self.process.returncode, self.log()[-300:])
        start = time.monotonic()
        self.tell(number)
        self.wait_exit(seconds)
        return time.monotonic() - start

    def close(self):
        """Stop it unless that was done: whoever started it calls this."""
        if self.stopped:
            return
        self.stopped = True
        self.stop()

    def __exit__(self, *_):
        self.close()
