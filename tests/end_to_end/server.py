"""Start and stop the program, and talk HTTP to it: with http.client, or byte by byte over a socket of one's own."""
import base64
import gzip
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import time

from support.checks import Failure, check
from support.exposition import Page
from support.ports import free_port
from support.waiting import patient, wait_for

DRAIN_PASSWORD = "dRain-Pass.1~secret"
METRICS_PASSWORD = "mEtrics-Pass.2~secret"
KEPT_VARIABLES = ("PATH", "LANG", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")
SANITIZER_REPORT = re.compile(r"ERROR: \w*Sanitizer|WARNING: ThreadSanitizer|runtime error:|SUMMARY: \w*Sanitizer")


def environment(**settings):
    """The variables of a program that is started: a few of ours, and the settings that are not None."""
    env = {k: v for k, v in os.environ.items() if k in KEPT_VARIABLES}
    env.update({k: str(v) for k, v in settings.items() if v is not None})
    return env


def basic(user, password):
    return "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()


AUTH_DRAIN = {"Authorization": basic("drain", DRAIN_PASSWORD)}
AUTH_METRICS = {"Authorization": basic("metrics", METRICS_PASSWORD)}


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # names in lower case
        self.body = body

    def header(self, name):
        return self.headers.get(name)


class Raw:
    """A connection on which a test writes what bytes it likes.  Answers are read strictly."""

    def __init__(self, server, tls=None, timeout=20.0):
        self.socket = socket.create_connection((server.host, server.port), patient(timeout))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.input = b""

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError):
            data = b""
        except socket.timeout:
            raise Failure("no answer in time, only %r" % self.input[:80])
        self.input += data
        return len(data) > 0

    def answer(self, head=False):
        """Read one answer.  head: it has no body, whatever its length says."""
        while b"\r\n\r\n" not in self.input:
            if not self._more():
                raise Failure("the connection was closed, not answered (%r)" % self.input[:80])
        text, self.input = self.input.split(b"\r\n\r\n", 1)
        lines = text.decode("latin-1").split("\r\n")
        status = re.fullmatch(r"HTTP/1\.[01] (\d{3}) [ -~]*", lines[0])
        check(status, "the status line is %r", lines[0])
        status = int(status.group(1))
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(": ")
            check(colon and name.lower() not in headers, "header line %r", line)
            headers[name.lower()] = value
        check("transfer-encoding" not in headers, "the answer is in chunks")
        length = int(headers.get("content-length", "0"))
        if status == 204:
            check(length == 0, "204 with Content-Length %d", length)
        if head or status < 200:
            length = 0
        while len(self.input) < length:
            check(self._more(), "the answer's body was cut off")
        body, self.input = self.input[:length], self.input[length:]
        return Answer(status, headers, body)

    def ask(self, data, head=False):
        self.send(data)
        return self.answer(head)

    def is_closed(self, seconds=10.0):
        """Does the server close the connection in time, with nothing further sent?"""
        self.socket.settimeout(patient(seconds))
        try:
            data = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError):
            return True
        except socket.timeout:
            return False
        check(data == b"", "the server sent %r", data[:80])
        return True

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def head_of(method, target, headers=None, version="1.1"):
    """The bytes of a request's head."""
    lines = ["%s %s HTTP/%s" % (method, target, version), "Host: localhost"]
    lines += ["%s: %s" % pair for pair in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def post_of(body, app="app", headers=None):
    """The bytes of a whole POST /drain."""
    return head_of("POST", "/drain?app_name=" + app, {**AUTH_DRAIN, "Content-Length": str(len(body)), **(headers or {})}) + body


class Server:
    """A running program.  Settings are environment variables; None leaves one out."""

    def __init__(self, context, arguments=(), host="127.0.0.1", tls=None, **settings):
        self.context = context
        self.host = host
        self.tls = tls
        self.port = free_port(host)
        self.settings = {
            "LISTEN_ADDRESS": ("[%s]:%d" if ":" in host else "%s:%d") % (host, self.port),
            "PASSWORD_DRAIN": DRAIN_PASSWORD,
            "PASSWORD_METRICS": METRICS_PASSWORD,
            **settings,
        }
        self.output_path = os.path.join(context.folder, "server-%d.log" % self.port)
        self.output = open(self.output_path, "wb")
        self.stopped = False
        self.process = subprocess.Popen([context.program, *arguments], env=environment(**self.settings), stdin=subprocess.DEVNULL,
                                        stdout=self.output, stderr=self.output)
        try:
            wait_for(self._listens, "the server listens", 10, 0.003)
        except Failure:
            self._end_hard()
            raise

    def _listens(self):
        if self.process.poll() is not None:
            raise Failure("the program ended at start with status %d: %s" % (self.process.returncode, self.log()[-300:]))
        try:
            socket.create_connection((self.host, self.port), 1).close()
            return True
        except OSError:
            return False

    # ---- requests ----

    def request(self, method, target, headers=None, body=None, chunks=None):
        """One request on a connection of its own.  chunks: the body is sent with Transfer-Encoding: chunked."""
        if self.tls is not None:
            connection = http.client.HTTPSConnection(self.host, self.port, timeout=patient(30), context=self.tls)
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=patient(30))
        try:
            headers = dict(headers or {})
            if chunks is not None:
                headers["Transfer-Encoding"] = "chunked"
                connection.request(method, target, body=iter(chunks), headers=headers, encode_chunked=True)
            else:
                connection.request(method, target, body=body, headers=headers)
            answer = connection.getresponse()
            data = answer.read()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, data)
        except (OSError, http.client.HTTPException) as problem:
            raise Failure("%s %s: %s: %s" % (method, target[:60], type(problem).__name__, problem))
        finally:
            connection.close()

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
        check(answer.status == 200, "GET /metrics answered %d", answer.status)
        if answer.header("content-encoding") == "gzip":
            answer.body = gzip.decompress(answer.body)
        return answer

    def page(self):
        """The page, strictly parsed."""
        answer = self.scrape()
        check(answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8", "content-type %s", answer.header("content-type"))
        return Page(answer.body)

    # ---- the process ----

    def tell(self, number):
        self.process.send_signal(number)

    def log(self):
        with open(self.output_path, "rb") as source:
            return source.read().decode("utf-8", "replace")

    def is_running(self):
        return self.process.poll() is None

    def wait_exit(self, seconds=15.0):
        """Wait until it has ended by itself, which must be with 0 and without a word of a sanitizer."""
        try:
            status = self.process.wait(patient(seconds))
        except subprocess.TimeoutExpired:
            self._end_hard()
            raise Failure("the program did not end within %g s" % (patient(seconds)))
        self.stopped = True
        self.output.close()
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
        """At the end of each test."""
        if self.stopped:
            return
        self.stopped = True
        self.stop()

    def _end_hard(self):
        self.stopped = True
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def resident(self):
        """Resident memory in bytes, as the kernel sees it."""
        with open("/proc/%d/status" % self.process.pid) as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))
