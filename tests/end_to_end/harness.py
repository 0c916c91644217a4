"""What every test module uses: the list of tests, threads, and what a test is given."""
import itertools
import os
import shutil
import tempfile
import threading
import time

from support.checks import check
from support.exporter import SHORT_INTERVAL, Exporter
from support.waiting import patient


class Skip(Exception):
    """This machine lacks what the test needs."""


TESTS = []


def test(function):
    """Put a function into the list of tests.  Its name is the test's."""
    TESTS.append(function)
    return function


def in_threads(functions, seconds=120.0):
    """Run all functions at once, each in its thread; the first thing that one of them raises is raised here."""
    raised = []

    def guard(function):
        try:
            function()
        except BaseException as problem:  # carried over to the thread that waits
            raised.append(problem)

    threads = [threading.Thread(target=guard, args=(f,), daemon=True) for f in functions]
    for thread in threads:
        thread.start()
    end = time.monotonic() + patient(seconds)
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    if raised:
        raise raised[0]
    check(not any(t.is_alive() for t in threads), "a thread of the test did not end")


class Context:
    """What a test is given: the program, how to start it, a folder, and how much to do."""

    def __init__(self, program, sanitizer):
        self.program = program
        self.sanitizer = sanitizer
        self.folder = tempfile.mkdtemp(prefix="end_to_end.")
        self.numbers = itertools.count(1)
        self.closers = []  # called in reverse order at the end

    def scaled(self, count, divisor=10):
        """Fewer of something for the slow builds."""
        return count if self.sanitizer is None else max(1, count // divisor)

    def server(self, arguments=(), host="127.0.0.1", port=None, tls=None, **settings):
        """Start the program.  Settings are environment variables; None leaves one out."""
        # All calls that the server makes must be in the filter; a sanitizer makes further ones.
        settings = {"SCRAPE_INTERVAL": SHORT_INTERVAL, "SANDBOX": "true" if self.sanitizer is None else None, **settings}
        path = os.path.join(self.folder, "server-%d.log" % next(self.numbers))
        server = Exporter(self.program, arguments, host, settings, port, tls=tls, output_path=path).wait_until_listening()
        self.closers.append(server.close)
        return server

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as out:
            out.write(content if isinstance(content, bytes) else content.encode())
        return path

    def close(self, failed):
        """End all that was started; the first problem is raised unless the test has failed already."""
        problem = None
        for closer in reversed(self.closers):
            try:
                closer()
            except Exception as raised:
                problem = problem or raised
        shutil.rmtree(self.folder, ignore_errors=True)
        if problem is not None and not failed:
            raise problem
