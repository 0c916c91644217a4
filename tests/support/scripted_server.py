"""An HTTP server that answers POSTs as a list says, and keeps what it was sent."""
import collections
import http.server
import socket
import struct
import threading
import time

# connection: the sender's address, which is the same for all requests on a connection.
Request = collections.namedtuple("Request", "path headers body connection")


class ScriptedServer:
    """Each step answers one POST: a status; "close": hang up; "reset": the same with RST; "slow": say nothing for 6 s;
    "last": 204, then hang up.  When the steps are over, it is 204."""

    def __init__(self, *script):
        self.script = collections.deque(script)
        self.requests = []
        self.ended = 0  # connections
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.requests.append(Request(self.path, dict(self.headers), self.read_body(), self.client_address))
                try:
                    step = outer.script.popleft()
                except IndexError:
                    step = 204
                if step == "slow":
                    time.sleep(6)
                if step == "reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                if step in ("slow", "close", "reset", "last"):
                    self.close_connection = True
                if step in ("slow", "close", "reset"):
                    return
                status = 204 if step == "last" else step
                self.send_response(status)
                self.send_header("Content-Length", "0" if status == 204 else "5")
                self.end_headers()
                if status != 204:
                    self.wfile.write(b"later")

            def read_body(self):
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers["Content-Length"]))
                body = b""
                while True:
                    chunk = self.rfile.read(int(self.rfile.readline(), 16))
                    self.rfile.readline()
                    if not chunk:
                        return body
                    body += chunk

            def log_message(self, *_):
                pass

        class Threads(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def shutdown_request(self, request):
                super().shutdown_request(request)
                outer.ended += 1

        self.server = Threads(("127.0.0.1", 0), Handler)
        self.host, self.port = self.server.server_address
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
