"""A real Chromium without a window, driven over its DevTools protocol: messages of JSON, each ended by a NUL, on a pair of pipes."""
import base64
import fcntl
import json
import os
import select
import subprocess
import time

from support.checks import check
from support.waiting import patient, wait_for

# It reads from descriptor 3 and writes to 4.
COMMAND = """exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-background-networking \\
--disable-component-update --disable-sync --hide-scrollbars --remote-debugging-pipe --user-data-dir="$0" about:blank 3<&%d 4>&%d"""


def above_9(descriptor):
    """The same open file under a larger number.  (Which sh cannot name, but bash can.)"""
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    finally:
        os.close(descriptor)


class Browser:
    """One tab.  What the page complains of, and what it asks for, is kept in complaints and requests."""

    def __init__(self, folder):
        self.log = open(folder + "/chromium.log", "w+b")
        its_input, self.output = os.pipe()
        self.input, its_output = os.pipe()
        its_input, its_output = above_9(its_input), above_9(its_output)  # 3 and 4 must be free
        self.received = b""
        command = ["bash", "-c", COMMAND % (its_input, its_output), folder + "/chromium"]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, pass_fds=(its_input, its_output))
        os.close(its_input)
        os.close(its_output)
        try:
            self.attach()
        except BaseException:
            self.close()
            raise

    def attach(self):
        self.number = 0
        self.session = None
        self.complaints, self.requests = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.call(domain + ".enable")

    def receive(self):
        """The next message."""
        end = time.monotonic() + patient(30)
        while b"\0" not in self.received:
            ready, _, _ = select.select([self.input], [], [], max(0, end - time.monotonic()))
            more = os.read(self.input, 1 << 16) if ready else b""
            check(more, "Chromium says nothing more: it %s", "has ended" if ready else "hangs")
            self.received += more
        message, _, self.received = self.received.partition(b"\0")
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.output, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            self.note(answer)
            if answer.get("id") == self.number:
                check("error" not in answer, "Chromium: %s: %s", method, answer.get("error"))
                return answer["result"]

    def note(self, event):
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(parameters["exceptionDetails"].get("text"))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(parameters["args"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.complaints.append(parameters["entry"]["text"])
        elif method == "Page.javascriptDialogOpening":
            self.complaints.append("a dialog: " + parameters["message"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        check("exceptionDetails" not in result, "in the page: %s", result.get("exceptionDetails"))
        return result["result"].get("value")

    def open(self, url):
        self.call("Page.navigate", url=url)
        wait_for(lambda: self.evaluate("document.readyState === 'complete' && location.href !== 'about:blank'"), "the page is loaded", 20)

    def show(self, width, height, scheme="light", mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(path, "wb") as out:
            out.write(base64.b64decode(data))

    def press(self, key, text=""):
        codes = {"Tab": 9, "Enter": 13, " ": 32}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code="Space" if key == " " else key, windowsVirtualKeyCode=codes[key],
                      text=text if kind == "keyDown" else "")

    def accessible(self):
        """What a screen reader is told: (role, name) of each node that is not ignored."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(patient(10))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.input)
        os.close(self.output)
        self.log.close()
