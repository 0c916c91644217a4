"""A sender that does as log-shuttle does, to see what becomes of lines when a server refuses, stops or is not there.

As the real one (github.com/heroku/log-shuttle, http_outlet.go and logplex_formatter.go), whose requests and pauses were compared:
- Several outlets post at once, each over a connection of its own that it keeps.
- A batch has an X-Request-Id that stays the same when it is sent again, and no Logplex-Frame-Id and no Logplex-Drain-Token.
- A body is sent with Transfer-Encoding: chunked, a frame in each chunk.
- Any answer ends a batch.  From status 400 up, 503 too, its lines are dropped without a word.
- Without an answer the batch is sent again, three times in all.  The pause before the next attempt is 0.1 s times the attempts so far
  if the server hung up, and 1 s times the attempts so far otherwise.
- A connection that the server has closed while it was idle is replaced, which is no attempt.

Unlike the real one: no batch is dropped before it was posted, a full inbox does not keep it from trying again, and losses are not
told (L12, L13).  After a deadline nothing more is tried, so that a test comes to an end.
"""
import collections
import http.client
import queue
import select
import threading
import time
import uuid

from support.checks import check
from support.exporter import AUTH_DRAIN
from support.lines import line
from support.waiting import patient

USER_AGENT = "log-shuttle/0.18.0 (go1.11.5; linux; amd64; gc)"
INBOX = 50  # batches that wait for an outlet

# Of lines.  dropped: what was answered with another status than 2xx.  given_up: what was not answered; it may have arrived.
Totals = collections.namedtuple("Totals", "acknowledged dropped given_up")


def shuttle_line(text, appname="token", procid="shuttle", time=None):
    """A frame as log-shuttle makes it, by default with the names that it has without flags."""
    return line(text, appname, procid, time, structured=True, hostname="shuttle")


class Batch:
    def __init__(self, frames):
        self.frames = frames
        self.request_id = str(uuid.uuid4())
        self.attempts = 0
        self.status = None  # of the answer, if there was one
        self.problem = None  # why the last attempt without an answer had none
        self.is_over = False

    def headers(self, authorization):
        return {"User-Agent": USER_AGENT, "Transfer-Encoding": "chunked", "Authorization": authorization, "Content-Type": "application/logplex-1",
                "Logplex-Msg-Count": str(len(self.frames)), "X-Request-Id": self.request_id, "Accept-Encoding": "gzip"}

    def body(self):
        """All chunks."""
        return b"".join(b"%x\r\n%s\r\n" % (len(frame), frame) for frame in self.frames) + b"0\r\n\r\n"


class LogShuttle:
    """Give it batches with send(); finish() tells what became of them.  server: whatever has a host and a port."""

    def __init__(self, server, app=None, authorization=AUTH_DRAIN["Authorization"], outlets=4, attempts=3, closed_pause=0.1, other_pause=1.0,
                 answer_seconds=5.0, deadline=60.0):
        self.address = (server.host, server.port)
        self.target = "/drain" if app is None else "/drain?app_name=" + app
        self.authorization = authorization
        self.attempts = attempts
        self.closed_pause = closed_pause
        self.other_pause = other_pause
        self.answer_seconds = patient(answer_seconds)
        self.end = time.monotonic() + patient(deadline)
        self.batches = []  # all that were given to send()
        self._inbox = queue.Queue(INBOX)
        self._hurry = threading.Event()
        self._outlets = [threading.Thread(target=self._outlet, daemon=True) for _ in range(outlets)]
        for outlet in self._outlets:
            outlet.start()

    def send(self, frames):
        """Post these frames as a batch, by the next outlet that is free.  Waits while the inbox is full."""
        check(frames, "log-shuttle sends no empty batch")
        batch = Batch(list(frames))
        self.batches.append(batch)
        self._inbox.put(batch)
        return batch

    def finish(self):
        """There are no more batches: wait until all are over.  How many lines were acknowledged, dropped and given up."""
        for _ in self._outlets:
            self._inbox.put(None)
        # An attempt that was begun before the deadline waits for the connection, for the body to be sent, and for the answer.
        last = self.end + 3 * self.answer_seconds + patient(1)
        for outlet in self._outlets:
            outlet.join(max(0.0, last - time.monotonic()))
        self._outlets = []
        check(all(batch.is_over for batch in self.batches), "an outlet of log-shuttle did not end")
        return self.totals()

    def totals(self):
        """So far."""
        counts = collections.Counter()
        for batch in self.batches:
            if batch.is_over:
                fate = "given_up" if batch.status is None else "acknowledged" if 200 <= batch.status < 300 else "dropped"
                counts[fate] += len(batch.frames)
        return Totals(*(counts[fate] for fate in Totals._fields))

    def close(self):
        """At the end of a test: try nothing more, and wait for what is under way."""
        self.end = time.monotonic()
        self._hurry.set()
        if self._outlets:
            self.finish()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- an outlet ----

    def _outlet(self):
        connection = http.client.HTTPConnection(*self.address, timeout=self.answer_seconds)
        for batch in iter(self._inbox.get, None):
            self._deliver(connection, batch)
            batch.is_over = True
        connection.close()

    def _deliver(self, connection, batch):
        while batch.attempts < self.attempts and time.monotonic() < self.end:
            batch.attempts += 1
            try:
                batch.status = self._post(connection, batch)
                return
            except (OSError, http.client.HTTPException) as problem:
                connection.close()
                batch.problem = problem
                step = self.closed_pause if isinstance(problem, http.client.RemoteDisconnected) else self.other_pause
            if batch.attempts < self.attempts:
                self._hurry.wait(max(0.0, min(step * batch.attempts, self.end - time.monotonic())))

    def _post(self, connection, batch):
        """The status of the answer.  What else happens is raised."""
        if connection.sock is not None and select.select([connection.sock], [], [], 0)[0]:
            connection.close()  # by the server, or it said what nobody asked for
        connection.request("POST", self.target, batch.body(), batch.headers(self.authorization))
        answer = connection.getresponse()
        try:
            answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
        return answer.status
