"""docker/add-drains against a Heroku that is ours."""
import http.server
import json
import os
import threading
import urllib.parse

from harness import test
from support.checks import check, equal
from support.processes import run_to_end

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docker", "add-drains")
PASSWORD = "new-secret-1"


class Heroku(http.server.ThreadingHTTPServer):
    """The part of its Platform API that is used: lists come in parts of two."""

    def __init__(self, apps):
        super().__init__(("127.0.0.1", 0), Handler)
        self.drains = {app: [] for app in apps}
        self.calls = []  # of those that change something
        self.broken = set()
        self.number = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def add(self, app, url):
        self.number += 1
        self.drains[app].append({"id": "id-%d" % self.number, "url": url, "token": "d.%d" % self.number})

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def reply(self, status, body, **headers):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(data), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(data)

    def answer(self):
        parts = urllib.parse.unquote(self.path).split("/")
        if self.headers["Authorization"] != "Bearer the-key" or "version=3" not in self.headers["Accept"]:
            return self.reply(401, {"message": "Invalid credentials provided."})
        if parts[1] == "teams":
            return self.reply_list([{"name": app} for app in self.server.drains])
        app, drains = parts[2], self.server.drains.get(parts[2])
        if drains is None or app in self.server.broken:
            return self.reply(403, {"message": "You do not have access to the app %s." % app})
        if self.command == "GET":
            return self.reply_list(drains)
        self.server.calls.append((self.command, app))
        if self.command == "POST":
            self.server.add(app, json.loads(self.rfile.read(int(self.headers["Content-Length"])))["url"])
            return self.reply(201, drains[-1])
        [drain] = [drain for drain in drains if drain["id"] == parts[4]]
        drains.remove(drain)
        return self.reply(200, drain)

    do_GET = do_POST = do_DELETE = answer

    def reply_list(self, items):
        start = int(self.headers.get("Range", "0"))
        more = {"Next_Range": start + 2} if start + 2 < len(items) else {}
        self.reply(206 if more else 200, items[start : start + 2], **more)


def add_drains(heroku, *arguments, **settings):
    settings = {"HEROKU_API_KEY": "the-key", "PASSWORD_DRAIN": PASSWORD, **settings}
    done = run_to_end([SCRIPT, "--api", "http://127.0.0.1:%d" % heroku.server_address[1], *arguments], seconds=30, **settings)
    check(PASSWORD not in done.out + done.err, "the password is printed")
    return done


TO = ("--to", "https://metrics.example/drain")


def url_of(app, password=PASSWORD):
    return "https://drain:%s@metrics.example/drain?app_name=%s" % (password, app)


@test
def all_apps_get_a_drain(context):
    """Twice is as once; what leads elsewhere stays; an old password is replaced, the new one first."""
    with Heroku(["a", "b", "c", "d", "e"]) as heroku:
        heroku.add("b", "https://logs.example/drain?app_name=b")
        heroku.add("c", url_of("c", "old"))
        heroku.add("d", url_of("d"))
        done = add_drains(heroku, *TO, "--team", "my team", "--dry-run")
        equal((done.status, done.err, heroku.calls), (0, "", []), "a dry run")
        equal([line.split(" (")[0] for line in done.out.splitlines()], ["a: added", "b: added", "c: replaced", "d: there already", "e: added"], "what it would do")
        done = add_drains(heroku, *TO, "--team", "my team", "--except", "e")
        equal((done.status, done.out.splitlines()), (0, ["a: added", "b: added", "c: replaced", "d: there already"]), "what it did")
        equal([call for call in heroku.calls if call[1] == "c"], [("POST", "c"), ("DELETE", "c")], "the order in which a drain is replaced")
        equal({app: [drain["url"] for drain in drains] for app, drains in heroku.drains.items()},
              {"a": [url_of("a")], "b": ["https://logs.example/drain?app_name=b", url_of("b")], "c": [url_of("c")], "d": [url_of("d")], "e": []}, "the drains")
        before = list(heroku.calls)
        done = add_drains(heroku, *TO, "--apps", "a,b,c,d")
        equal((done.status, heroku.calls), (0, before), "the second time")


@test
def an_app_that_fails_stops_no_other(context):
    with Heroku(["a", "b", "c"]) as heroku:
        heroku.broken = {"b"}
        done = add_drains(heroku, *TO, "--team", "t", "--password-file", context.file("password", PASSWORD + "\n"), PASSWORD_DRAIN=None)
        equal((done.status, done.out, done.err), (1, "a: added\nc: added\n", "b: Heroku answers 403: You do not have access to the app b.\n"), "the end")
        done = add_drains(heroku, *TO, "--team", "t", HEROKU_API_KEY="wrong")
        equal((done.status, done.err), (1, "add-drains: Heroku answers 401: Invalid credentials provided.\n"), "a wrong key")
        for arguments, settings, wrong in ((TO, {"PASSWORD_DRAIN": None}, "there is no password"), (TO, {"PASSWORD_DRAIN": "a b"}, "other characters"),
                                           (("--to", "https://u:p@h/drain"), {}, "without user, password and query")):
            done = add_drains(heroku, *arguments, "--team", "t", **settings)
            check(done.status == 1 and wrong in done.err and not done.out, "%r: %r", arguments, done)
