"""Start programs and end them.  Nothing is ever ended that was not started here."""
import collections
import os
import re
import subprocess

from support.checks import check
from support.waiting import patient

KEPT_VARIABLES = ("PATH", "LANG", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")
SANITIZER_REPORT = re.compile(r"ERROR: \w*Sanitizer|WARNING: ThreadSanitizer|runtime error:|SUMMARY: \w*Sanitizer")
TICKS = os.sysconf("SC_CLK_TCK")  # of CPU time, in a second


def environment(**settings):
    """The variables of a program that is started: a few of ours, and the settings that are not None."""
    env = {k: v for k, v in os.environ.items() if k in KEPT_VARIABLES}
    env.update({k: str(v) for k, v in settings.items() if v is not None})
    return env


Ended = collections.namedtuple("Ended", "status out err")


def run_to_end(command, data=b"", seconds=60.0, **settings):
    """Run a program until it ends by itself: its exit status, what it printed, and what it said on stderr."""
    done = subprocess.run(command, env=environment(**settings), input=data, capture_output=True, timeout=patient(seconds))
    out, err = done.stdout.decode(), done.stderr.decode()
    check(not SANITIZER_REPORT.search(err), "a sanitizer reports: %s", err[:2000])
    return Ended(done.returncode, out, err)


class Process:
    """A program that runs until it is ended here.  What it says is added to a file."""

    def __init__(self, command, settings=None, output_path=os.devnull, folder=None, inherited=()):
        """inherited: descriptors that it gets."""
        self.output_path = output_path
        with open(output_path, "ab") as output:
            self._output_start = output.tell()
            self.process = subprocess.Popen(command, env=environment(**(settings or {})), cwd=folder, stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=output, pass_fds=inherited)

    def is_running(self):
        return self.process.poll() is None

    def tell(self, number):
        """Send it a signal."""
        self.process.send_signal(number)

    def log(self):
        """What it has said so far."""
        with open(self.output_path, "rb") as output:
            output.seek(self._output_start)
            return output.read().decode("utf-8", "replace")

    def end(self, seconds=20.0):
        """Send SIGTERM, and kill it if that does not help.  Has it ended in time?"""
        self.process.terminate()
        try:
            self.process.wait(patient(seconds))
            return True
        except subprocess.TimeoutExpired:
            self.kill()
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    # ---- what the kernel says of it ----

    def _memory(self, name):
        with open("/proc/%d/status" % self.process.pid) as status:
            return int(re.search(name + r":\s+(\d+) kB", status.read()).group(1)) * 1024

    def resident(self):
        """Resident memory in bytes."""
        return self._memory("VmRSS")

    def peak(self):
        """The most that it ever was."""
        return self._memory("VmHWM")

    def cpu_seconds(self):
        """User and system time so far."""
        with open("/proc/%d/stat" % self.process.pid) as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def descriptors(self):
        """How many file descriptors are open."""
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def threads(self):
        return len(os.listdir("/proc/%d/task" % self.process.pid))
