"""A program that serves HTTP at a port of this machine."""
import socket

from support import http_client
from support.checks import Failure, check
from support.processes import Process
from support.waiting import patient, wait_for


class Server(Process):
    def __init__(self, command, host, port, tls=None, request_seconds=30.0, **process):
        """It may not listen yet; "with" waits for that.  tls: the context by which to speak to it."""
        self.host = host
        self.port = port
        self.tls = tls
        self.request_seconds = request_seconds
        super().__init__(command, **process)

    def listens(self):
        try:
            socket.create_connection((self.host, self.port), 1).close()
            return True
        except OSError:
            return False

    def wait_until_listening(self):
        try:
            wait_for(lambda: not self.is_running() or self.listens(), "the program listens", 10, 0.003)
            check(self.is_running(), "the program ended at start with status %s: %s", self.process.returncode, self.log()[-300:])
        except Failure:
            self.kill()
            raise
        return self

    def __enter__(self):
        return self.wait_until_listening()

    def request(self, method, target, headers=None, body=None, chunks=None):
        """One request on a connection of its own."""
        return http_client.request(self.host, self.port, method, target, headers, body, chunks, self.tls, patient(self.request_seconds))
