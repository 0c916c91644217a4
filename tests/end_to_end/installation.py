"""What an installation has beside the program: the man page and completions, which are made of --help, and the systemd unit."""
import os
import re
import shutil
import subprocess

from documentation import ROOT
from harness import Skip, test
from support import http_client
from support.checks import check, equal
from support.exporter import AUTH_METRICS, DRAIN_PASSWORD, METRICS_PASSWORD, Exporter
from support.lines import line
from support.ports import free_port
from support.processes import run_to_end

COMMANDS = ["convert", "explain", "hash-password", "init", "replay"]


def made(context, path):
    """A file that make-manual writes of this program."""
    share = os.path.join(context.folder, "share")
    done = run_to_end([os.path.join(ROOT, "docker", "manual", "make-manual"), context.program, share], seconds=60)
    equal((done.status, done.err), (0, ""), "make-manual")
    return os.path.join(share, path)


def needed(program):
    found = shutil.which(program)
    if found is None:
        raise Skip("there is no " + program)
    return found


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **more)


def flags_of_settings(context):
    text = run_to_end([context.program, "--help"], seconds=20).out
    found = re.findall(r"^  ([A-Z0-9_]+), (--[a-z0-9-]+)=", text, re.M)
    check(len(found) > 30, "--help lists %d settings", len(found))
    return found


@test
def the_man_page_says_what_help_says(context):
    """Every setting, command, option and meaning is there, and groff has nothing to complain about."""
    path = made(context, "man/man1/drain_exporter.1")
    done = run(needed("groff"), "-ww", "-z", "-man", "-Tutf8", "-Kutf8", path)
    equal((done.returncode, done.stderr), (0, ""), "groff")
    shown = run("groff", "-man", "-Tascii", "-rLL=2000n", "-P-cbou", "-Kutf8", path).stdout
    words = " ".join(shown.split())
    for section in ("NAME", "SYNOPSIS", "COMMANDS", "ENVIRONMENT", "SIGNALS", "EXIT STATUS", "EXAMPLES"):
        check("\n%s\n" % section in shown, "the man page lacks %s", section)
    for variable, flag in flags_of_settings(context):
        check("%s, %s=..." % (variable, flag) in words, "the man page lacks %s", variable)
    for arguments in [[], *[[name] for name in COMMANDS]]:
        text = run_to_end([context.program, *arguments, "--help"], seconds=20).out
        meanings = re.findall(r"^  (?:[A-Z0-9_]+, )?(?:--)?[a-z][a-z0-9-]+(?:=\.\.\.| [A-Z_]+)?\n +(.*?)(?: \[[^][]*\])?$", text, re.M)
        for meaning in meanings:
            check(meaning[1:] in words, "the man page lacks %r", meaning)
        check(meanings or arguments == ["hash-password"], "no options of %r were found", arguments)


def completed(path, *words):
    """What bash offers for the last of these words."""
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _drain_exporter; printf "%s\\n" "${COMPREPLY[@]}"'
    done = run(needed("bash"), "-c", script, "bash", path, "drain_exporter", *words)
    equal((done.returncode, done.stderr), (0, ""), "completion of %r" % (words,))
    return done.stdout.split("\n")[:-1]


@test
def bash_completes_commands_and_flags(context):
    path = made(context, "bash-completion/completions/drain_exporter")
    offered = completed(path, "")
    equal(sorted(word for word in offered if not word.startswith("-")), COMMANDS, "the commands")
    wanted = {flag + "=" for _, flag in flags_of_settings(context)}
    equal(sorted(wanted - set(offered)), [], "flags that are not offered")
    # The program knows every flag that is offered: one that it does not know is exit status 2.
    for flag in sorted(set(completed(path, "--")) - {"--health-check"}):
        done = run_to_end([context.program, "--check-config", flag + ("x" if flag.endswith("=") else "")], seconds=20)
        check(done.status != 2, "the program does not know %s: %s", flag, done.err)
    equal(completed(path, "--check-config", "--pass")[:1], ["--password-drain="], "the second word")
    equal(completed(path, "--log-level", "=", "w"), ["warn"], "a level")
    equal(completed(path, "--sandbox", "="), ["true", "false"], "a switch")
    equal(completed(path, "explain", "--s"), ["--summary", "--suggest"], "options of a command")
    equal(completed(path, "replay", "--bad-habit", "g"), ["gzip"], "a bad habit")
    log = context.file("a log", "")
    equal(completed(path, "convert", log[:-2]), [log], "a file with a blank in its name")


@test
def zsh_completes_commands_and_flags(context):
    """zsh reads the file, and offers what bash offers."""
    path = made(context, "zsh/site-functions/_drain_exporter")
    # compadd is how completions are added: _arguments and _describe, which call it, are replaced by what shows their arguments.
    script = '''function _arguments { print -rl -- "$@" } ; function _describe { print -rl -- "${(P@)2}" }
words=(drain_exporter "${@[2,-1]}") CURRENT=$#
source "$1"; print -rl -- "$subcommands[@]"'''
    done = run(needed("zsh"), "-f", "-c", script, "zsh", path, "")
    equal((done.returncode, done.stderr), (0, ""), "zsh")
    for _, flag in flags_of_settings(context):
        check("\n%s=-[" % flag in "\n" + done.stdout, "zsh does not offer %s", flag)
    for command in COMMANDS:
        check("\n%s:" % command in done.stdout, "zsh does not offer %s", command)
    done = run("zsh", "-f", "-c", "function f { %s } ; f \"$@\"" % script, "zsh", path, "explain", "")
    equal((done.returncode, done.stderr), (0, ""), "zsh, with a command")
    check("*--summary[" in done.stdout, "zsh does not offer --summary: %s", done.stdout[:300])


UNIT = os.path.join(ROOT, "docker", "systemd", "drain_exporter.service")


def unit_here(context):
    """The unit, for the program that is tested."""
    return context.file("drain_exporter.service", re.sub(r"(?m)^ExecStart=/usr/bin/drain_exporter$", lambda _: 'ExecStart="%s"' % context.program, open(UNIT).read()))


@test
def systemd_takes_the_unit(context):
    """systemd-analyze finds no mistake, and little that the service could reach."""
    program = needed("systemd-analyze")
    path = unit_here(context)
    check(context.program in open(path).read(), "the unit starts something else")
    done = run(program, "verify", "--man=no", path)
    equal((done.returncode, done.stdout + done.stderr), (0, ""), "systemd-analyze verify")
    done = run(program, "security", "--offline=yes", "--threshold=20", "--no-pager", path)
    equal(done.returncode, 0, "systemd-analyze security: " + done.stdout[-200:])


@test
def systemd_takes_the_socket(context):
    """systemd-analyze finds no mistake in it, and it is for the service and the port that the settings name."""
    program = needed("systemd-analyze")
    text = open(UNIT.replace(".service", ".socket")).read()
    unit_here(context)
    done = run(program, "verify", "--man=no", context.file("drain_exporter.socket", text))
    equal((done.returncode, done.stdout + done.stderr), (0, ""), "systemd-analyze verify")
    settings = open(os.path.join(ROOT, "docker", "systemd", "settings.example")).read()
    (address,) = re.findall("(?m)^LISTEN_ADDRESS=.*:(.*)$", settings)
    equal(re.findall("(?m)^ListenStream=(.*)$", text), [address], "the port of the socket")


@test
def systemd_starts_it_by_its_sockets(context):
    """As drain_exporter.socket has it: systemd opens the sockets, and starts the program when somebody comes."""
    program = needed("systemd-socket-activate")
    ports = [free_port(), free_port()]
    settings = {"PASSWORD_DRAIN": DRAIN_PASSWORD, "PASSWORD_METRICS": METRICS_PASSWORD, "LISTEN_ADDRESS": "127.0.0.1:%d" % ports[0], "METRICS_LISTEN_ADDRESS": "127.0.0.1:%d" % ports[1]}
    arguments = [each for port in ports for each in ("-l", "127.0.0.1:%d" % port)] + [each for setting in settings.items() for each in ("-E", "%s=%s" % setting)]
    server = Exporter(program, [*arguments, context.program], port=ports[0], output_path=context.file("activated.log", "")).wait_until_listening()
    context.closers.append(server.close)
    server.post(line("hello"), "app")
    equal(server.request("GET", "/metrics", AUTH_METRICS).status, 404, "the status of a page at the address for drains")
    page = http_client.request("127.0.0.1", ports[1], "GET", "/metrics", AUTH_METRICS)
    check(b'drain_exporter_messages_received_total{app="app"} 1\n' in page.body, "the page has no such line: %r", page.body[:200])
    server.stop()


def calls_of(program, group):
    """The system calls of one of systemd's groups, and of those that it names."""
    done = run(program, "syscall-filter", "--no-pager", group)
    equal(done.returncode, 0, "systemd-analyze syscall-filter " + group)
    calls = set()
    for name in re.findall(r"^    (@?[a-z0-9_-]+)$", done.stdout, re.M):
        calls |= calls_of(program, name) if name.startswith("@") else {name}
    return calls


@test
def the_unit_allows_what_the_sandbox_allows(context):
    """Each system call that SANDBOX lets through, and those that set it up, pass the filter of the unit."""
    program = needed("systemd-analyze")
    allowed = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", open(UNIT).read(), re.M):
        named = set().union(*({name} if not name.startswith("@") else calls_of(program, name) for name in line.lstrip("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    source = open(os.path.join(ROOT, "src", "base", "sandbox.c")).read()
    wanted = set(re.findall(r'^    "(\w+)",$', source, re.M))
    check(len(wanted) > 40, "%d calls were found in sandbox.c", len(wanted))
    equal(sorted((wanted | {"prctl", "seccomp", "capset", "openat"}) - allowed), [], "calls that the unit forbids")


@test
def the_settings_of_the_service_are_right(context):
    """The example is one that the program starts with, once its files are there; what is commented out are settings too."""
    text = open(os.path.join(ROOT, "docker", "systemd", "settings.example")).read()
    pairs = dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.M))
    for name in [name for name in pairs if name.endswith("_FILE")]:
        pairs[name] = context.file(name, "a-password\n")
    done = run_to_end([context.program, "--check-config"], seconds=20, **pairs)
    equal((done.status, done.err), (0, ""), "--check-config")
    known = {variable for variable, _ in flags_of_settings(context)}
    for name in re.findall(r"^#?([A-Z_]+)=", text, re.M):
        check(name in known or name.removesuffix("_FILE") in known, "%s is no setting", name)
