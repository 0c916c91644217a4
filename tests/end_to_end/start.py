"""Starting: settings, secrets, exit statuses, and what is printed."""
import os
import signal
import socket
import subprocess

from harness import Skip, test
from siege import siege
from support.checks import check, equal
from support.exporter import AUTH_DRAIN, DRAIN_PASSWORD, METRICS_PASSWORD
from support.http_client import basic
from support.lines import gauge, ingest
from support.ports import free_port
from support.processes import environment, run_to_end
from support.raw_connection import Raw
from support.waiting import patient, wait_for

SECRETS = (DRAIN_PASSWORD, METRICS_PASSWORD, "old-Secret.3", "file-Secret.4")


def run(context, *arguments, **settings):
    """Run the program to its end: (status, what it printed, what it said on stderr).  With good settings but for those given."""
    values = {"LISTEN_ADDRESS": "127.0.0.1:%d" % free_port(), "PASSWORD_DRAIN": DRAIN_PASSWORD, "PASSWORD_METRICS": METRICS_PASSWORD}
    values.update(settings)
    done = run_to_end([context.program, *arguments], seconds=15, **values)
    for secret in SECRETS:
        check(secret not in done.out + done.err, "a secret is printed: %r", (done.out + done.err)[:300])
    return done


def refused(context, status, about, *arguments, **settings):
    """The program must not start: the status, one sentence on stderr that names the setting, nothing on stdout."""
    got, out, err = run(context, *arguments, **settings)
    case = "%r %r" % (arguments, settings)
    check(got == status, "%s: exit status %d, not %d (%s)", case, got, status, err[:200])
    check(err.count("\n") == 1 and err.endswith("\n"), "%s: not one sentence on stderr: %r", case, err)
    check(about in err, "%s: %r does not name %s", case, err, about)
    check(out == "", "%s: stdout has %r", case, out[:200])


@test
def missing_and_empty_passwords(context):
    for name in ("PASSWORD_DRAIN", "PASSWORD_METRICS"):
        refused(context, 1, name, **{name: None})
        refused(context, 1, name, **{name: ""})
        refused(context, 1, name, **{name: "x" * 1025})
        refused(context, 1, name, **{name + "_PREVIOUS": ""})
        refused(context, 1, name, "--%s=" % name.lower().replace("_", "-"))
        empty = context.file("empty", "")
        refused(context, 1, name, **{name: None, name + "_FILE": empty})
        newline = context.file("newline", "\n")
        refused(context, 1, name, **{name: None, name + "_FILE": newline})
        refused(context, 1, name, **{name: None, name + "_FILE": context.folder + "/missing"})
        refused(context, 1, name, **{name: None, name + "_FILE": context.folder})
        refused(context, 1, name, **{name: None, name + "_FILE": context.file("nul", b"a\0b\n")})


@test
def input_memory_follows_the_limit(context):
    """A quarter of what the control group may have, also if that is a limit of the group that it is in; 64 MiB at least."""
    for limit, expected in ((1024, "256MiB"), (512, "128MiB"), (128, "64MiB")):
        with siege.memory_group(limit << 20) as group:
            if group is None:
                raise Skip("no control group can be made")
            inner = os.path.join(group, "inner")
            os.mkdir(inner)
            try:
                for path in (group, inner):
                    done = run_to_end(["sh", "-c", 'echo $$ >"%s/cgroup.procs" && exec "$0" --check-config' % path, context.program],
                                      PASSWORD_DRAIN=DRAIN_PASSWORD, PASSWORD_METRICS=METRICS_PASSWORD)
                    check("MAX_INPUT_MEMORY=%s\n" % expected in done.out, "in a group of %d MiB: %r", limit, done)
            finally:
                wait_for(lambda: siege.remove_group(inner), "the inner group is empty")


@test
def what_cannot_be_printed_is_told(context):
    """On a full device: else a script would take half a page for all of it."""
    settings = {"PASSWORD_DRAIN": DRAIN_PASSWORD, "PASSWORD_METRICS": METRICS_PASSWORD}
    for flag in ("--help", "--version", "--check-config"):
        done = run_to_end(["sh", "-c", 'exec "$0" "$1" >/dev/full', context.program, flag], **settings)
        equal((done.status, done.err), (1, "drain_exporter: the output cannot be written: No space left on device\n"), "status and stderr of %s" % flag)


@test
def bad_values_of_each_setting(context):
    durations = ("", "5", "5 s", "-1s", "1.5s", "s", "1d", "99999999999999999999s", "0x10s", "1e3s", "nan", "5S")
    bad = {
        "LISTEN_ADDRESS": ("", "127.0.0.1", ":", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:http", "::1:8080",
                           "127.0.0.1:-1", "127.0.0.1: 80", "no.such.host.invalid:8080", "[::1:8080", "300.1.1.1:8080"),
        "EXPIRE_AFTER": durations + ("721h",),
        "MAX_SERIES": ("", "0", "-5", "99", "1k", "lots", "100000001", "1.5"),
        "MAX_BODY_SIZE": ("", "0", "-1", "4 MiB", "4GiB", "1mib", "17MiB", "1", "100"),
        "METRICS_LISTEN_ADDRESS": ("", "127.0.0.1", ":", "127.0.0.1:0", "::1:8080"),
        "MAX_CONNECTIONS": ("", "0", "-1", "many", "100001"),
        "WORKERS": ("", "-1", "65", "two", "1.0", "0"),
        "HEADER_TIMEOUT": durations + ("99ms", "2h", "0"),
        "REQUEST_TIMEOUT": durations + ("99ms", "2h", "0"),
        "IDLE_TIMEOUT": durations + ("99ms", "25h", "0"),
        "LOG_LEVEL": ("", "trace", "INFO", "2"),
        "INGEST_PREFIX": ("",),
        "ALLOW_DRAIN": ("", "heroku.com", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8,", "::1/129", ",".join(["::1"] * 129)),
        "TRUSTED_PROXIES": ("", "127.0.0.1,", "my-balancer"),
        "MAX_ADDRESS_CONNECTIONS": ("", "-1", "many", "100001"),
        "MAX_ADDRESS_LOGIN_FAILURES": ("", "-1", "many", "1000001"),
        "TOKEN_METRICS": ("", "t" * 1025),
        "TOKEN_METRICS_PREVIOUS": ("",),
        "TLS_CLIENT_CA_FILE": ("", "/dev/null"),
        "TLS_CLIENT_PATHS": ("", "drain", "/drain,", "/health", "/drain /metrics"),
        "PROXY_PROTOCOL": ("", "1", "yes", "true"),
        "ALLOW_METRICS": ("", "127.0.0.1:80", "[::1]", "10.0.0.0/8 192.0.2.0/24"),
        "TLS_CERT_FILE": ("", "/nonexistent"),
        "TLS_KEY_FILE": ("", "/nonexistent"),
    }
    for name, values in bad.items():
        for value in values if context.sanitizer is None else values[:3]:
            refused(context, 1, name, **{name: value})
    refused(context, 1, "EXPIRE_AFTER", "--expire-after=soon")
    refused(context, 1, "EXPIRE_AFTER", "--expire-after", "soon", EXPIRE_AFTER="5s")
    refused(context, 1, "HEADER_TIMEOUT", HEADER_TIMEOUT="30s", REQUEST_TIMEOUT="20s")
    rubbish = context.file("rubbish.pem", "no certificate\n")
    refused(context, 1, "TLS_CERT_FILE", TLS_CERT_FILE=rubbish, TLS_KEY_FILE=rubbish)


@test
def bad_usage_is_status_2(context):
    refused(context, 2, "--nonsense", "--nonsense")
    refused(context, 2, "--nonsense", "--nonsense=" + DRAIN_PASSWORD)
    refused(context, 2, "--password-drains", "--password-drains=" + DRAIN_PASSWORD)
    refused(context, 2, "-x", "-x")
    refused(context, 2, "serve", "serve")
    refused(context, 2, "--workers", "--workers")
    refused(context, 2, "--expire-after-file", "--expire-after-file=x")


@test
def no_socket_is_opened_before_settings_are_good(context):
    port = free_port()
    # A port in use would be status 1 as well: the sentence must be about the setting, not about the port.
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()
        refused(context, 1, "MAX_SERIES", LISTEN_ADDRESS="127.0.0.1:%d" % port, MAX_SERIES="none")
        refused(context, 1, "PASSWORD_METRICS", LISTEN_ADDRESS="127.0.0.1:%d" % port, PASSWORD_METRICS=None)


@test
def port_in_use(context):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        refused(context, 1, str(port), LISTEN_ADDRESS="127.0.0.1:%d" % port)
    server = context.server()
    refused(context, 1, str(server.port), LISTEN_ADDRESS="127.0.0.1:%d" % server.port)
    equal(server.request("GET", "/health").status, 200, "health of the first server")


@test
def help_version_and_check_config(context):
    for flag in ("--help", "-h"):
        status, out, err = run(context, flag, PASSWORD_DRAIN=None, PASSWORD_METRICS=None)
        equal((status, err), (0, ""), "%s: status and stderr" % flag)
        for name in ("LISTEN_ADDRESS", "PASSWORD_DRAIN", "PASSWORD_METRICS", "PASSWORD_DRAIN_PREVIOUS", "PASSWORD_METRICS_PREVIOUS",
                     "EXPIRE_AFTER", "MAX_SERIES", "MAX_BODY_SIZE", "MAX_CONNECTIONS", "WORKERS", "LOG_LEVEL", "_FILE"):
            check(name in out, "%s does not tell of %s", flag, name)
        for default in ("0.0.0.0:8080", "600s", "100000", "4MiB", "1024", "info"):
            check("[%s]" % default in out, "%s does not tell of the default %s", flag, default)
    status, out, err = run(context, "--version", PASSWORD_DRAIN=None, PASSWORD_METRICS=None)
    equal((status, err, out.split()[0], out.count("\n")), (0, "", "drain_exporter", 1), "--version")
    status, out, err = run(context, "--check-config", "--expire-after", "2m", PASSWORD_DRAIN_PREVIOUS="old-Secret.3", MAX_SERIES="5000")
    equal((status, err), (0, ""), "--check-config: status and stderr")
    lines = out.splitlines()
    for line in ("EXPIRE_AFTER=2m", "MAX_SERIES=5000", "PASSWORD_DRAIN=(set)", "PASSWORD_DRAIN_PREVIOUS=(set)", "PASSWORD_METRICS_PREVIOUS=(not set)",
                 "the settings are valid"):
        check(line in lines, "--check-config does not say %s: %r", line, out)
    refused(context, 1, "EXPIRE_AFTER", "--check-config", EXPIRE_AFTER="soon")
    refused(context, 1, "PASSWORD_DRAIN", "--check-config", PASSWORD_DRAIN=None)


@test
def a_configuration_is_checked_without_passwords(context):
    """--check-config of a file needs no password, neither ours nor those of its drains, and names the file as it was given."""
    bare = {"PASSWORD_DRAIN": None, "PASSWORD_METRICS": None}
    good = context.file("good.yaml", "drains: [{name: drain, app: a, password_file: /does/not/exist}, {name: b, app: b}]")
    for arguments, settings in ((("--config-file", good), {}), ((), {"CONFIG_FILE": good}), ((), {"CONFIG": open(good).read()})):
        status, out, err = run(context, "--check-config", *arguments, **{**bare, **settings})
        equal((status, err), (0, ""), "status and stderr")
        for text in ("2 drains, 1 of them with a password", "INGEST_PREFIX=crates-io-heroku-metrics:ingest", "PASSWORD_METRICS=(not set)", "the settings are valid"):
            check(text in out.splitlines(), "--check-config does not say %s: %r", text, out)
    context.file("bad.yaml", "drains: x")
    path = context.folder + "/./bad.yaml"
    refused(context, 1, path + ":1:9: drains must be a list", "--check-config", "--config-file", path, **bare)
    refused(context, 1, path + ":1:9: drains must be a list", "--config-file", path)
    # The server itself needs them all the same, and so does a check that knows of the passwords.
    refused(context, 1, "PASSWORD_METRICS", "--config-file", good, **bare)
    refused(context, 1, "PASSWORD_DRAIN", "--check-config", PASSWORD_DRAIN=None, CONFIG="drains: []")
    refused(context, 1, "password_file cannot be opened", "--check-config", CONFIG="drains: [{name: x, password_file: /does/not/exist}]")


@test
def the_folder_of_the_state_is_named(context):
    """A mistake in STATE_FILE names the folder that is missing, and a folder with a slash at its end is one with none."""
    missing = context.folder + "/missing/"
    refused(context, 1, "STATE_FILE: there is no folder " + missing, STATE_FILE=missing)
    refused(context, 1, "STATE_FILE: the folder %s cannot be opened" % missing, STATE_FILE=missing + "x")
    refused(context, 1, "STATE_FILE: the name of the file has more than", STATE_FILE=context.folder + "/" + "x" * 255)
    pipe = context.folder + "/pipe"
    os.mkfifo(pipe)
    refused(context, 1, "STATE_FILE: %s is neither a file nor a folder" % pipe, STATE_FILE=pipe)  # likewise a device, such as /dev/null
    equal(sorted(each for each in os.listdir(context.folder) if each.startswith("pipe")), ["pipe"], "what is there afterwards")
    check("STATE_FILE %s/drain_exporter.state is not there" % context.folder in context.server(STATE_FILE=context.folder + "/").log(), "the log")


@test
def good_values_are_taken(context):
    for name, value in (("EXPIRE_AFTER", "0"), ("EXPIRE_AFTER", "500ms"), ("EXPIRE_AFTER", "1h"), ("MAX_BODY_SIZE", "500kB"),
                        ("MAX_BODY_SIZE", "1048576"), ("MAX_SERIES", "100"), ("LOG_LEVEL", "debug"), ("WORKERS", "3"),
                        ("LISTEN_ADDRESS", "[::]:9090"), ("LISTEN_ADDRESS", "localhost:9090"), ("LISTEN_ADDRESS", ":9090")):
        status, out, _ = run(context, "--check-config", **{name: value})
        equal(status, 0, "status of --check-config with %s=%s" % (name, value))
        check(name + "=" in out, "--check-config does not list %s", name)


def allowed(server, user, password, method, target):
    body = b"" if method == "POST" else None
    return server.request(method, target, {"Authorization": basic(user, password)}, body).status in (200, 204)


@test
def secrets_from_files(context):
    server = context.server(PASSWORD_DRAIN=None, PASSWORD_DRAIN_FILE=context.file("a", "file-Secret.4\n"), PASSWORD_METRICS=None,
                            PASSWORD_METRICS_FILE=context.file("b", METRICS_PASSWORD))
    check(allowed(server, "drain", "file-Secret.4", "POST", "/drain"), "the password of the file is refused")
    check(not allowed(server, "drain", DRAIN_PASSWORD, "POST", "/drain"), "another password is accepted")
    check(allowed(server, "metrics", METRICS_PASSWORD, "GET", "/metrics"), "the password of the file without newline is refused")
    check("file-Secret.4" not in server.log(), "the secret is logged")
    path = context.file("c", "file-Secret.4")
    refused(context, 1, "PASSWORD_DRAIN_FILE", PASSWORD_DRAIN_FILE=path)
    refused(context, 1, "PASSWORD_DRAIN_PREVIOUS", PASSWORD_DRAIN_PREVIOUS="old-Secret.3", PASSWORD_DRAIN_PREVIOUS_FILE=path)
    refused(context, 1, "PASSWORD_METRICS", "--password-metrics=x", "--password-metrics-file=" + path, PASSWORD_METRICS=None)


@test
def previous_passwords(context):
    server = context.server(PASSWORD_DRAIN_PREVIOUS="old-Secret.3", PASSWORD_METRICS_PREVIOUS_FILE=context.file("old", "file-Secret.4\r\n"))
    for user, method, target, passwords in (("drain", "POST", "/drain", (DRAIN_PASSWORD, "old-Secret.3")),
                                            ("metrics", "GET", "/metrics", (METRICS_PASSWORD, "file-Secret.4"))):
        for password in passwords:
            check(allowed(server, user, password, method, target), "%s is refused with a valid password", user)
            for wrong in (password[:-1], password + "x", password.upper(), "", " " + password, password + "\0"):
                check(not allowed(server, user, wrong, method, target), "%s is accepted with a wrong password", user)
    # Each user opens its own door only.
    check(not allowed(server, "drain", DRAIN_PASSWORD, "GET", "/metrics"), "drain may read metrics")
    check(not allowed(server, "metrics", METRICS_PASSWORD, "POST", "/drain"), "metrics may post")
    check(not allowed(server, "metrics", DRAIN_PASSWORD, "GET", "/metrics"), "the drain's password opens metrics")
    check(not allowed(server, "Drain", DRAIN_PASSWORD, "POST", "/drain"), "the user's name is not compared exactly")


@test
def percent_encoded_password(context):
    """Some senders leave what they find in the URL (formats.md 1.8)."""
    server = context.server(PASSWORD_DRAIN="a/b c~")
    check(allowed(server, "drain", "a/b c~", "POST", "/drain"), "the raw password is refused")
    check(allowed(server, "drain", "a%2Fb%20c~", "POST", "/drain"), "the percent-encoded password is refused")
    check(not allowed(server, "drain", "a%2Fb%20c", "POST", "/drain"), "a wrong password is accepted")


def command_line(server):
    with open("/proc/%d/cmdline" % server.process.pid, "rb") as source:
        return source.read().decode()


@test
def passwords_as_flags_are_hidden(context):
    server = context.server(("--password-drain=" + DRAIN_PASSWORD, "--password-metrics", METRICS_PASSWORD, "--password-drain-previous",
                             "old-Secret.3"), PASSWORD_DRAIN=None, PASSWORD_METRICS="another")
    wait_for(lambda: allowed(server, "drain", DRAIN_PASSWORD, "POST", "/drain"), "the drain's password from a flag is accepted", 2)
    check(allowed(server, "metrics", METRICS_PASSWORD, "GET", "/metrics"), "a flag does not win over its variable")
    check(not allowed(server, "metrics", "another", "GET", "/metrics"), "the variable counts beside its flag")
    text = command_line(server)
    for secret in SECRETS:
        check(secret not in text, "/proc/PID/cmdline shows a password")


@test
def passwords_as_flags_survive_a_reload(context):
    """SIGHUP must not read back the arguments that were overwritten."""
    server = context.server(("--password-drain=" + DRAIN_PASSWORD, "--password-metrics", METRICS_PASSWORD), PASSWORD_DRAIN=None,
                            PASSWORD_METRICS=None)
    check(allowed(server, "drain", DRAIN_PASSWORD, "POST", "/drain"), "the password from a flag is refused")
    server.tell(signal.SIGHUP)
    wait_for(lambda: "reload" in server.log(), "the reload is logged")
    stars = "*" * len(DRAIN_PASSWORD)
    check(not allowed(server, "drain", stars, "POST", "/drain"), "after SIGHUP the password is a row of asterisks")
    check(allowed(server, "drain", DRAIN_PASSWORD, "POST", "/drain"), "after SIGHUP the password from the flag is refused")
    check(allowed(server, "metrics", METRICS_PASSWORD, "GET", "/metrics"), "after SIGHUP the other password from a flag is refused")


@test
def secrets_do_not_leak(context):
    server = context.server(LOG_LEVEL="debug")
    for user, password in (("drain", DRAIN_PASSWORD), ("metrics", METRICS_PASSWORD), ("drain", "wrong"), ("x" * 500, "y")):
        allowed(server, user, password, "POST", "/drain?p=" + DRAIN_PASSWORD)
        allowed(server, user, password, "GET", "/metrics")
    page = server.page()
    check(DRAIN_PASSWORD not in page.text and METRICS_PASSWORD not in page.text, "the page shows a password")
    check(DRAIN_PASSWORD not in command_line(server), "/proc/PID/cmdline shows a password")
    server.stop()
    for secret in SECRETS:
        check(secret not in server.log(), "the log shows a password")


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


@test
def listen_on_ipv6(context):
    if not has_ipv6():
        raise Skip("there is no IPv6 loopback")
    server = context.server(host="::1")
    server.post(ingest([gauge("six", 6)]), "six")
    equal(server.page().value("six", app="six", process="web.1"), 6, "the gauge")
    try:
        socket.create_connection(("127.0.0.1", server.port), 1).close()
        check(False, "[::1] also listens on 127.0.0.1")
    except OSError:
        pass
    status, _, err = run(context, "--health-check", LISTEN_ADDRESS=server.settings["LISTEN_ADDRESS"])
    equal((status, err), (0, ""), "--health-check over IPv6")


@test
def health_check(context):
    server = context.server()
    address = server.settings["LISTEN_ADDRESS"]
    status, out, err = run(context, "--health-check", LISTEN_ADDRESS=address, PASSWORD_DRAIN=None, PASSWORD_METRICS=None)
    equal((status, out, err), (0, "", ""), "--health-check of a server that is well, without passwords")
    server.stop()
    status, out, err = run(context, "--health-check", LISTEN_ADDRESS=address)
    equal((status, out, err.count("\n")), (1, "", 1), "--health-check without a server")
    # Something else that answers, but does not say that it is well.
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        process = subprocess.Popen([context.program, "--health-check"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   env=environment(LISTEN_ADDRESS="127.0.0.1:%d" % other.getsockname()[1]))
        connection, _ = other.accept()
        connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        connection.close()
        _, err = process.communicate(timeout=patient(15))
        equal((process.returncode, b"503" in err), (1, True), "--health-check of a server that says 503")


@test
def is_quick_and_quiet(context):
    """One line at the start, none for a scrape or a batch."""
    server = context.server()
    with Raw(server) as raw:
        equal(raw.ask("GET /health HTTP/1.1\r\nHost: x\r\n\r\n").status, 200, "health")
    before = server.log()
    check(before.count("\n") == 1 and str(server.port) in before, "at its start it says %r", before)
    server.post(ingest([gauge("g", 1)]))
    server.page()
    server.request("POST", "/drain", {}, b"")
    check(server.log() == before, "a batch, a scrape or a refusal is logged: %r", server.log())
    check(AUTH_DRAIN["Authorization"] not in server.log(), "credentials are logged")
