"""docker/add-drains against a Heroku and a Cloud Foundry that are ours."""
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


class Platform(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.url = "http://127.0.0.1:%d" % self.server_address[1]
        self.calls = []  # of those that change something
        self.broken = set()
        self.number = 0
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def new_id(self):
        self.number += 1
        return "id-%d" % self.number

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class PlatformHandler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def reply(self, status, body, **headers):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(data), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(data)


class Heroku(Platform):
    """The part of its Platform API that is used: lists come in parts of two."""

    def __init__(self, apps):
        self.drains = {app: [] for app in apps}
        super().__init__(Handler)

    def add(self, app, url):
        number = self.new_id()
        self.drains[app].append({"id": number, "url": url, "token": "d." + number})


class Handler(PlatformHandler):
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
            self.server.add(app, self.body()["url"])
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
    return run_script("--api", heroku.url, *arguments, **{"HEROKU_API_KEY": "the-key", **settings})


def run_script(*arguments, **settings):
    done = run_to_end([SCRIPT, *arguments], seconds=30, **{"PASSWORD_DRAIN": PASSWORD, **settings})
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


# ---- Cloud Foundry ----


class CloudFoundry(Platform):
    """The part of version 3 of its API that is used: lists come in parts of two, and a token is good for a few requests."""

    def __init__(self, spaces, token_uses=1000):
        """spaces: {"organization/space": names of apps}"""
        self.token_uses = token_uses
        self.uses = {}
        self.lists = {kind: [] for kind in ("organizations", "spaces", "apps", "service_instances", "service_credential_bindings")}
        super().__init__(CloudFoundryHandler)
        for place, apps in spaces.items():
            organization, name = place.split("/")
            space = self.add("spaces", name=name, organization=self.organization(organization))
            for app in apps:
                self.add("apps", name=app, space=space)

    def organization(self, name):
        known = [each["guid"] for each in self.lists["organizations"] if each["name"] == name]
        return known[0] if known else self.add("organizations", name=name)

    def add(self, kind, organization=None, space=None, app=None, service_instance=None, **fields):
        guid = self.new_id()
        related = {"organization": organization, "space": space, "app": app, "service_instance": service_instance}
        self.lists[kind].append({"guid": guid, "relationships": {key: {"data": {"guid": value}} for key, value in related.items() if value}, **fields})
        return guid

    def guid(self, kind, name):
        [found] = [each["guid"] for each in self.lists[kind] if each["name"] == name]
        return found

    def add_service(self, space, url, name="metrics", apps=()):
        service = self.add("service_instances", space=self.guid("spaces", space), type="user-provided", name=name, syslog_drain_url=url)
        for app in apps:
            self.add("service_credential_bindings", type="app", service_instance=service, app=self.guid("apps", app))
        return service

    def named(self, guid):
        """The name of what has this GUID."""
        [found] = [each["name"] for kind in self.lists.values() for each in kind if each["guid"] == guid]
        return found

    def drains(self):
        """{"space: service": (url, apps that are bound to it)}"""
        return {"%s: %s" % (self.named(related(each, "space")), each["name"]):
                (each["syslog_drain_url"], [self.named(related(binding, "app")) for binding in self.lists["service_credential_bindings"]
                                            if related(binding, "service_instance") == each["guid"]])
                for each in self.lists["service_instances"]}


def related(item, kind):
    return item["relationships"].get(kind, {"data": {"guid": None}})["data"]["guid"]


class CloudFoundryHandler(PlatformHandler):
    FILTERS = {"names": lambda item: item["name"], "type": lambda item: item["type"], "organization_guids": lambda item: related(item, "organization"),
               "space_guids": lambda item: related(item, "space"), "service_instance_guids": lambda item: related(item, "service_instance")}

    def refuse(self, status, detail):
        self.reply(status, {"errors": [{"code": 10008, "title": "CF-UnprocessableEntity", "detail": detail}]})

    def answer(self):
        parts = urllib.parse.urlsplit(self.path)
        _, version, kind, *guid = parts.path.split("/")
        token = self.headers["Authorization"]
        self.server.uses[token] = self.server.uses.get(token, 0) + 1
        if not token.startswith("bearer token-") or self.server.uses[token] > self.server.token_uses:
            return self.refuse(401, "Invalid Auth Token")
        check(version == "v3", "the version of %s", self.path)
        if self.command == "GET":
            return self.reply_list(kind, urllib.parse.parse_qs(parts.query))
        body = self.body()
        if kind == "service_instances" and guid:
            [service] = [each for each in self.server.lists[kind] if each["guid"] == guid[0]]
            self.server.calls.append(("PATCH", service["name"]))
            service.update(body)
            return self.reply(200, service)
        links = {key: value["data"]["guid"] for key, value in body.pop("relationships").items()}
        target = self.server.named(links.get("app") or links["space"])
        if target in self.server.broken:
            return self.refuse(422, "%s does not like %s." % (target, body.get("syslog_drain_url", "this")))
        self.server.calls.append(("POST", target))
        self.server.add(kind, **links, **body)
        return self.reply(201, self.server.lists[kind][-1])

    do_GET = do_POST = do_PATCH = answer

    def reply_list(self, kind, query):
        if kind == "apps" and self.server.named(query["space_guids"][0]) in self.server.broken:
            return self.refuse(403, "You are not authorized to perform the requested action")
        found = [item for item in self.server.lists[kind]
                 if all(read(item) in query[name][0].split(",") for name, read in self.FILTERS.items() if name in query)]
        start = int(query.pop("page", ["0"])[0])
        # Behind a balancer an API may not know by which name it was asked.
        rest = "https://elsewhere.example/v3/%s?%s" % (kind, urllib.parse.urlencode({**{k: v[0] for k, v in query.items()}, "page": start + 2}))
        more = {"href": rest} if start + 2 < len(found) else None
        self.reply(200, {"pagination": {"total_results": len(found), "next": more}, "resources": found[start : start + 2]})


def add_cf_drains(context, foundry, *arguments, **settings):
    """With a cf that is ours, and gives another token each time."""
    calls = os.path.join(context.folder, "cf-calls")
    path = context.file("cf", """#!/bin/sh
echo "$@" >> %s
case $1 in
api) echo "API endpoint:   %s"; echo "API version:    3.180.0" ;;
oauth-token) echo "bearer token-$(wc -l < %s)" ;;
esac
""" % (calls, foundry.url, calls))
    os.chmod(path, 0o755)
    done = run_script(*arguments, **{"PATH": context.folder + ":" + os.environ["PATH"], **settings})
    check(PASSWORD not in open(calls).read(), "cf was given the password")
    return done


def drain_of(password=PASSWORD, scheme="https-batch", query="?drain-data=all"):
    return "%s://drain:%s@metrics.example/drain%s" % (scheme, password, query)


@test
def all_apps_of_an_organization_get_a_drain(context):
    """Twice is as once; what leads elsewhere, and other organizations, stay as they are; an old password is replaced."""
    with CloudFoundry({"acme/prod": ["shop", "cart", "mail"], "acme/test": ["trial"], "acme/new": ["fresh"], "other/prod2": ["theirs"]}, token_uses=4) as foundry:
        foundry.add_service("prod", drain_of("old"), "our-drain", ["mail"])
        foundry.add_service("prod", "syslog-tls://logs.example:6514", "metrics", ["shop", "cart"])
        foundry.add_service("prod", None, "database")
        foundry.add_service("test", drain_of(), apps=["trial"])
        before = foundry.drains()
        done = add_cf_drains(context, foundry, *TO, "--organization", "acme", "--dry-run")
        equal((done.status, done.err, foundry.calls, foundry.drains()), (0, "", [], before), "a dry run")
        would = ["acme/new: service metrics: added", "acme/new/fresh: added",
                 "acme/prod: service our-drain: replaced", "acme/prod/cart: added", "acme/prod/mail: there already", "acme/prod/shop: added",
                 "acme/test: service metrics: there already", "acme/test/trial: there already"]
        equal([line.split(" (")[0] for line in done.out.splitlines()], would, "what it would do")
        done = add_cf_drains(context, foundry, *TO, "--organization", "acme")
        equal((done.status, done.err, done.out.splitlines()), (0, "", would), "what it did")
        equal(foundry.drains(), {**before, "prod: our-drain": (drain_of(), ["mail", "cart", "shop"]), "new: metrics": (drain_of(), ["fresh"])}, "the drains")
        calls = list(foundry.calls)
        done = add_cf_drains(context, foundry, *TO, "--organization", "acme")
        check(done.status == 0 and all(line.endswith(": there already") for line in done.out.splitlines()), "the second time it says %s", done.out)
        equal(foundry.calls, calls, "what is changed the second time")
        check(len(foundry.uses) > 5, "%d tokens were used", len(foundry.uses))


@test
def a_space_that_fails_stops_no_other(context):
    with CloudFoundry({"acme/a": ["one"], "acme/b": ["two", "three"], "acme/c": ["four"], "acme/d": ["five"], "acme/e": []}) as foundry:
        foundry.broken = {"a", "two", "c"}  # a has no place for a service, two cannot be bound, the apps of c may not be listed
        foundry.add_service("c", drain_of())
        foundry.add_service("d", drain_of(scheme="https", query="?drain-data=all&body=message"), "one-each")
        done = add_cf_drains(context, foundry, *TO, "--organization", "acme", "--space", "a,b,c,d,x", "--service", "numbers",
                             "--password-file", context.file("password", PASSWORD + "\n"), PASSWORD_DRAIN=None)
        equal((done.status, done.out.splitlines()), (1, ["acme/b: service numbers: added", "acme/b/three: added", "acme/c: service metrics: there already"]), "what was done")
        equal(done.err.splitlines(), [
            "acme/a: Cloud Foundry answers 422: a does not like https-batch://drain:<password>@metrics.example/drain?drain-data=all.",
            "acme/b/two: Cloud Foundry answers 422: two does not like this.",
            "acme/c: Cloud Foundry answers 403: You are not authorized to perform the requested action",
            "acme/d: the service one-each leads there too, but by another URL than https-batch://metrics.example/drain?drain-data=all: delete it first",
            "acme/x: there is no such space that you may see"], "what was not")
        foundry.broken = set()
        done = add_cf_drains(context, foundry, *TO, "--organization", "acme", "--space", "a,b", "--except", "one", "--service", "numbers")
        equal((done.status, done.err), (0, ""), "the second time")
        equal({place: apps for place, (_, apps) in foundry.drains().items() if "numbers" in place}, {"a: numbers": [], "b: numbers": ["three", "two"]}, "what is bound")


@test
def what_keeps_everything_from_being_done(context):
    """One sentence, and nothing is changed."""
    with CloudFoundry({"acme/prod": ["shop"]}, token_uses=0) as foundry:
        here = ("--organization", "acme")
        for arguments, settings, wrong in (((*TO, *here), {}, "add-drains: Cloud Foundry answers 401: Invalid Auth Token\n"),
                                           ((*TO, *here), {"PATH": "/usr/bin:/bin"}, "add-drains: choose an API and log in with \"cf login\"\n"),
                                           (("--to", "http://metrics.example/drain", *here), {}, "--to is an URL such as https:"),
                                           ((*TO, "--team", "t", "--space", "prod"), {}, "--space needs --organization")):
            done = add_cf_drains(context, foundry, *arguments, **settings)
            check(done.status in (1, 2) and wrong in done.err and not done.out, "%r: %r", arguments, done)
        foundry.token_uses = 1000
        done = add_cf_drains(context, foundry, *TO, "--organization", "acm")
        equal((done.status, done.out, done.err), (1, "", "add-drains: there is no organization acm that you may see\n"), "an unknown organization")
        equal(foundry.calls, [], "what was changed")
