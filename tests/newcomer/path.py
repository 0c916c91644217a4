"""What a newcomer does, by the README's own commands: start it, look at its status page in a browser, stop it with Ctrl-C."""
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

from support.checks import Failure, check, equal
from support.chromium import Browser
from support.processes import environment
from support.waiting import patient, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def commands(project=ROOT):
    """What README says under "Try it": how to run the program, and how to test it."""
    with open(os.path.join(project, "README.md"), encoding="utf-8") as readme:
        block = re.search(r"^## Try it\n.*?^```\n(.*?)^```", readme.read(), re.S | re.M)
    check(block is not None, 'README has no commands under "Try it"')
    found = [line.split("#")[0].strip() for line in block.group(1).strip().split("\n")]
    equal(len(found), 2, "commands of README to try it: one to run it, one to test it; they are %s" % found)
    return found


class Terminal:
    """A command on a terminal of its own, as a person has it."""

    def __init__(self, command, folder=None, **settings):
        """command: as it is typed into a shell.  settings: environment variables, beside a few of ours."""
        self.shown = ""
        self.terminal, other = pty.openpty()
        self.process = subprocess.Popen(["sh", "-c", command], cwd=folder, env=environment(TERM="dumb", HOME=os.environ.get("HOME"), **settings),
                                        stdin=other, stdout=other, stderr=other, start_new_session=True, preexec_fn=self.take)
        os.close(other)

    @staticmethod
    def take():
        """In the new process: the terminal is its own, and Ctrl-C is heard, though whoever runs the tests may not hear it."""
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def look(self, seconds=0.05):
        """Take what has come; False: nobody is left that could write."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            return True
        try:
            more = os.read(self.terminal, 65536)
        except OSError:  # its last user is gone
            return False
        self.shown += more.decode("utf-8", "replace").replace("\r\n", "\n")
        return True

    def wait_for(self, pattern, seconds):
        """Until what is shown matches."""
        end = time.monotonic() + patient(seconds)
        while not re.search(pattern, self.shown):
            check(self.look(), "it ended before it showed %r: %s", pattern, self.shown[-2000:])
            check(time.monotonic() < end, "it does not show %r: %s", pattern, self.shown[-2000:])
        return re.search(pattern, self.shown)

    def press_ctrl_c(self):
        os.write(self.terminal, b"\x03")

    def end(self, seconds):
        """The exit status, once it ends by itself."""
        end = time.monotonic() + patient(seconds)
        while self.look() and time.monotonic() < end:
            pass
        try:
            return self.process.wait(patient(20))
        except subprocess.TimeoutExpired:
            raise Failure("it does not end: %s" % self.shown[-2000:])

    def close(self):
        """By force, if it has not ended: all that runs on the terminal loses it."""
        os.close(self.terminal)
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(patient(20))


def look_at_status(url, folder):
    """Open what the program printed in Chromium: the page has the app and what was seen of it; its metrics are a click away."""
    browser = Browser(folder)

    def shown():
        return browser.evaluate("document.querySelector('main').textContent")

    try:
        browser.open(url)
        wait_for(lambda: "my-app" in shown() or browser.open(url), "the page names the app", 20)  # what was seen is put together every second
        text = shown()
        for word in ("router", "postgres", "dyno"):
            check(word in text, "the page does not say that lines of %s were seen: %s", word, text[:3000])
        equal(browser.complaints, [], "what the browser complains of")
        browser.open(url + "metrics")
        page = browser.evaluate("document.body.innerText")
        for line in ('heroku_router_errors{app="my-app",process="web.1",code="H12"} 1', 'heroku_postgres_tables{addon="postgresql-curly-12345"} 13'):
            check(line in page.split("\n"), "the metrics lack %s", line)
    finally:
        browser.close()


def run_and_look(terminal, folder, seconds):
    """Wait for the program that the terminal's command builds and starts, look at its page, and stop it.  What it showed."""
    try:
        url = terminal.wait_for(r"(http://metrics:\S+@\S+/) +the status page", seconds).group(1)
        terminal.wait_for("Ctrl-C ends it", 20)
        look_at_status(url, folder)
        terminal.press_ctrl_c()
        equal(terminal.end(30), 0, "the exit status after Ctrl-C; it showed %s" % terminal.shown[-2000:])
        check("stopped" in terminal.shown, "the program did not say that it has stopped: %s", terminal.shown[-2000:])
    finally:
        terminal.close()
    return terminal.shown
