"""A drain as Logplex serves it, to see what becomes of messages when a server refuses, stops or is not there.

A batch keeps its Logplex-Frame-Id when it is sent again.  No answer, a status from 500 on, and 429 are tried again; what is left after
the last try, and what is refused with another status, is dropped, and the next batch begins with an L10 frame that says how many.
"""
import random
import time
import uuid

from support.checks import Failure
from support.lines import frame, logplex, stamp
from support.raw_connection import Raw, post_of
from support.waiting import patient


def l10_frame(count):
    """As Logplex puts it before a batch: without a newline."""
    return frame("<172>1 %s host heroku logplex - Error L10 (output buffer overflow): %d messages dropped since %s." % (stamp(), count, stamp(-1)))


class LogplexDrain:
    """One drain of an app.  server: whatever has a host and a port.  send() returns when a batch is answered or dropped."""

    def __init__(self, server, app, token=None, attempts=50, pause=0.05, answer_seconds=10.0, seed=0, impatience=0.0):
        """attempts, pause: how often a batch is tried, and the seconds between two tries.
        impatience: how likely a connection is cut before the answer is read, so that a batch that was taken is sent again."""
        self.server, self.app = server, app
        self.token = token or "d." + str(uuid.uuid4())
        self.attempts, self.pause, self.answer_seconds = attempts, pause, answer_seconds
        self.random = random.Random(seed)
        self.impatience = impatience
        self.sent = 0  # messages that were given to send()
        self.delivered = 0  # of these, what was answered with 2xx
        self.lost = 0  # and what was dropped
        self.tries = 0
        self._untold = 0  # dropped, and not yet said by an L10 frame that was delivered
        self._raw = None

    def send(self, frames):
        """Whether the batch was delivered."""
        self.sent += len(frames)
        frame_id = uuid.uuid4().hex.upper()
        told = self._untold
        batch = ([l10_frame(told)] if told else []) + list(frames)
        post = post_of(b"".join(batch), self.app, logplex(len(batch), self.token, frame_id))
        for attempt in range(self.attempts):
            if attempt > 0:
                time.sleep(self.pause)
            self.tries += 1
            status = self._try(post)
            if status is not None and 200 <= status < 300:
                self.delivered += len(frames)
                self._untold -= told
                return True
            if status is not None and status < 500 and status != 429:
                break
        self.lost += len(frames)
        self._untold += len(frames)
        return False

    def tell_losses(self, message):
        """Send a message until all that was lost is told."""
        while self._untold:
            self.send([message])

    def _try(self, post):
        """The status, or None if there was no answer."""
        try:
            if self._raw is None:
                self._raw = Raw(self.server, timeout=self.answer_seconds / patient(1))
            self._raw.send(post)
            if self.random.random() < self.impatience:
                self.close()
                return None
            return self._raw.answer().status
        except (OSError, Failure):
            self.close()
            return None

    def close(self):
        if self._raw is not None:
            self._raw.close()
            self._raw = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
