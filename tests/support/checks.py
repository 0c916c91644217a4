"""Checks, and what they raise."""


class Failure(Exception):
    """What a program did is not what was promised."""


def check(condition, message, *values):
    if not condition:
        raise Failure(message % values if values else message)


def equal(got, want, what):
    if got != want:
        raise Failure("%s is %.300r, not %.300r" % (what, got, want))
