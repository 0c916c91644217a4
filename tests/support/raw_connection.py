"""A connection on which a test writes what bytes it likes, and the bytes of requests."""
import re
import socket
import ssl

from support.checks import Failure, check, equal
from support.exporter import AUTH_DRAIN
from support.http_client import Answer
from support.waiting import patient


class Raw:
    """A connection to a server.  Answers are read strictly."""

    def __init__(self, server, tls=None, timeout=20.0, source=None):
        """source: the address that it comes from, such as 127.0.0.2."""
        self.socket = socket.create_connection((server.host, server.port), patient(timeout), source_address=source and (source, 0))
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

    def _take(self, length):
        while len(self.input) < length:
            check(self._more(), "the answer's body was cut off")
        data, self.input = self.input[:length], self.input[length:]
        return data

    def _chunks(self):
        """A body in chunks, decoded."""
        body = []
        while not body or body[-1]:
            while b"\r\n" not in self.input:
                check(self._more(), "the answer's body was cut off")
            size, self.input = self.input.split(b"\r\n", 1)
            check(re.fullmatch(rb"[0-9a-f]+", size), "a chunk has the size %r", size)
            body.append(self._take(int(size, 16)))
            equal(self._take(2), b"\r\n", "what follows a chunk")
        return b"".join(body)

    def answer(self, head=False, chunks=False):
        """Read one answer.  head: it has no body, whatever its length says.  chunks: it may be in chunks."""
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
        if chunks and headers.get("transfer-encoding") == "chunked" and not head:
            check("content-length" not in headers, "an answer in chunks has a length")
            return Answer(status, headers, self._chunks())
        check("transfer-encoding" not in headers, "the answer is in chunks")
        length = int(headers.get("content-length", "0"))
        if status == 204:
            check(length == 0, "204 with Content-Length %d", length)
        if head or status < 200:
            length = 0
        return Answer(status, headers, self._take(length))

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
