"""What the process keeps once it serves: neither privileges nor passwords that it has no use for."""
import os
import re
import signal
import subprocess

from harness import Skip, test
from support.checks import check, equal
from support.exporter import DRAIN_PASSWORD, METRICS_PASSWORD
from support.lines import gauge, ingest
from support.waiting import wait_for

FILE_PASSWORD = "fIle-Pass.3~secret"
ENTRY_PASSWORD = "eNtry-Pass.4~secret"
ENTRY = "drains: [{name: shop, app: shop, password: %s}]\n" % ENTRY_PASSWORD


def plain_builds_only(context):
    if context.sanitizer is not None:
        raise Skip("the sanitizer looks into the process itself")


def statuses(server):
    """What /proc says of each thread."""
    folder = "/proc/%d/task" % server.process.pid
    return [dict(re.findall(r"^(\w+):\s*(.*)$", open("%s/%s/status" % (folder, task)).read(), re.M)) for task in os.listdir(folder)]


@test
def no_privileges_are_kept(context):
    server = context.server(SANDBOX="false")
    server.page()
    threads = statuses(server)
    check(len(threads) >= 4, "%d threads", len(threads))
    for status in threads:
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            equal(int(status[capabilities], 16), 0, "%s of %s" % (capabilities, status["Name"]))
        equal(status["NoNewPrivs"], "1", "NoNewPrivs of %s" % status["Name"])
        equal(status["Seccomp"], "0", "Seccomp of %s" % status["Name"])


def memory_of(server):
    """All that the process can write, or a skip."""
    parts = []
    try:
        with open("/proc/%d/mem" % server.process.pid, "rb", 0) as memory:
            for line in open("/proc/%d/maps" % server.process.pid):
                start, end, mode = re.match(r"(\w+)-(\w+) (....)", line).groups()
                if mode.startswith("rw"):
                    memory.seek(int(start, 16))
                    parts.append(memory.read(int(end, 16) - int(start, 16)))
    except PermissionError:
        raise Skip("only root may look into a process that is hidden")
    return b"\n".join(parts)


@test
def nobody_looks_into_memory(context):
    """No core, and /proc shows neither memory nor environment to the user that it runs as."""
    plain_builds_only(context)
    server = context.server()
    limits = open("/proc/%d/limits" % server.process.pid).read()
    check(re.search(r"Max core file size\s+0\s+0", limits), "limits: %s", limits)
    equal(os.stat("/proc/%d/mem" % server.process.pid).st_uid, 0, "owner of the memory, which is root if it is hidden")
    if os.getuid() == 0:
        equal(open("/proc/%d/environ" % server.process.pid).read().count("secret"), 0, "passwords in the environment")


@test
def no_password_is_left_in_memory(context):
    """Of those that a reload needs there is one copy, in memory that is locked; of all others there is none."""
    plain_builds_only(context)
    entries, password = context.file("entries.yaml", ENTRY), context.file("password", FILE_PASSWORD + "\n")
    server = context.server(PASSWORD_METRICS_PREVIOUS_FILE=password, CONFIG_FILE=entries)

    def check_memory(when):
        memory = memory_of(server)
        equal(memory.count(ENTRY_PASSWORD[:12].encode()), 0, "copies of an entry's password " + when)
        for word in (DRAIN_PASSWORD, METRICS_PASSWORD, FILE_PASSWORD):
            equal(memory.count(word[:12].encode()), 1, "copies of %s %s" % (word, when))

    check_memory("after the start")
    server.post(ingest([gauge("g", 1)]))
    server.page()
    server.tell(signal.SIGHUP)
    wait_for(lambda: "reload: passwords in files" in server.log(), "the reload is done")
    check_memory("after requests and a reload")
    locked = statuses(server)[0]["VmLck"]
    check(locked != "0 kB", "locked memory: %s", locked)


@test
def inline_configurations_are_kept_once(context):
    plain_builds_only(context)
    server = context.server(CONFIG=ENTRY)
    equal(memory_of(server).count(ENTRY_PASSWORD[:12].encode()), 1, "copies of the password in CONFIG")


@test
def the_sandbox_lets_the_server_work(context):
    """Also threads, a page, a reload that compiles rules, and the end."""
    plain_builds_only(context)
    rules = context.file("rules.yaml", "rules: [{name: r, match: '^x=(?<x>[0-9]+)', metrics: [{gauge: g, value: $x}]}]\n")
    server = context.server(SANDBOX="true", CONFIG_FILE=rules)
    server.post(ingest([gauge("made", 1)]))
    equal(server.page().value("made", app="app", process="web.1"), 1, "the gauge")
    server.tell(signal.SIGHUP)
    wait_for(lambda: "reload: passwords in files" in server.log(), "the reload is done")
    for status in statuses(server):
        equal(status["Seccomp"], "2", "Seccomp of %s" % status["Name"])
    server.page()
    server.stop()


@test
def the_sandbox_lets_link_local_addresses_scrape(context):
    """They have a zone, whose name the C library asks the system for."""
    for line in open("/proc/net/if_inet6") if os.path.exists("/proc/net/if_inet6") else ():
        digits, _, _, scope, _, device = line.split()
        if scope == "20":
            break
    else:
        raise Skip("there is no link-local address")
    server = context.server(host="::")
    server.host = ":".join(digits[at : at + 4] for at in range(0, 32, 4)) + "%" + device
    server.page()
    server.host = "::1"


@test
def debug_says_more(context):
    """A line for each batch and each response, and no word of what was in it."""
    for level, lines in (("debug", 1), ("info", 0)):
        server = context.server(LOG_LEVEL=level)
        server.post(ingest([gauge("made", 1)]), "my-app")
        equal(server.request("GET", "/nothing").status, 404, "nothing")
        server.stop()
        for text in (" debug a batch of ", " debug a request for drain: 204", " debug a request for other: 404"):
            equal(server.log().count(text), lines, "%r in the log of %s: %s" % (text, level, server.log()))
        check("my-app" not in server.log() and "made" not in server.log(), "the log: %s", server.log())
