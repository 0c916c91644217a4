"""Waiting for a condition, with deadlines that are longer for slow builds."""
import time

from support.checks import Failure

_patience = 1.0


def set_patience(factor):
    """From now on all deadlines are multiplied by this."""
    global _patience
    _patience = factor


def patient(seconds):
    """How long this deadline is for the build under test."""
    return seconds * _patience


def wait_for(probe, what, seconds=10.0, pause=0.02):
    """Call probe until it returns something true, and return that.  A Failure raised in it counts as not yet."""
    end = time.monotonic() + patient(seconds)
    while True:
        reason = ""
        try:
            result = probe()
            if result:
                return result
        except Failure as failure:
            reason = ": " + str(failure)
        if time.monotonic() >= end:
            raise Failure("%s: not within %g s%s" % (what, patient(seconds), reason))
        time.sleep(pause)
