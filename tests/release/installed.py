"""The package installed beneath a folder: by dpkg, and what then works."""
import gzip
import os
import re
import shutil
import stat
import subprocess

from artefacts import NAME, ROOT, files_below, run, text_of
from support.checks import check, equal
from support.exposition import Page
from support.http_client import basic
from support.ports import free_port
from support.processes import run_to_end
from support.server import Server

SETTINGS = "etc/drain_exporter/settings"
PASSWORDS = ("etc/drain_exporter/password_drain", "etc/drain_exporter/password_metrics")


class Skip(Exception):
    """This machine lacks what the test needs."""


def needed(program):
    if shutil.which(program) is None:
        raise Skip("there is no " + program)
    return program


class Root:
    """A folder that dpkg installs into, in place of this machine."""

    def __init__(self, folder):
        if os.getuid() != 0:
            raise Skip("only root can install a package")
        self.folder = folder
        for name in ("etc", "var/lib/dpkg/info", "var/lib/dpkg/updates"):
            os.makedirs(self.path(name))
        open(self.path("var/lib/dpkg/status"), "w").close()

    def path(self, name):
        return os.path.join(self.folder, name)

    def dpkg(self, *arguments):
        """What the packages that it depends on would do is not looked at: they are not there."""
        run("dpkg", "--root=" + self.folder, "--log=/dev/null", "--force-script-chrootless", "--force-depends", "--force-confdef", "--force-confold", *arguments)

    def enabled(self):
        """Units that are enabled."""
        return sorted(name for _, folders, names in os.walk(self.path("etc/systemd/system")) for name in names)


def access(path):
    found = os.stat(path)
    return (oct(stat.S_IMODE(found.st_mode)), found.st_uid, found.st_gid)


def dpkg_installs_and_removes_it(release):
    """A new installation has a user, passwords that only it can read, and an enabled service; an upgrade leaves alone what somebody has changed."""
    deb, root = release.native(), Root(os.path.join(release.scratch, "root"))
    root.dpkg("--install", deb.path)
    user, group = (re.search(r"^drain_exporter:x:(\d+):(.*)$", text_of(root.path("etc"), name), re.M) for name in ("passwd", "group"))
    check(user and user.group(2).endswith(":/nonexistent:/usr/sbin/nologin"), "the user is %s", user and user.group())
    gid = int(group.group(1))
    equal(access(root.path("etc/drain_exporter")), ("0o750", 0, gid), "/etc/drain_exporter")
    passwords = [text_of(root.path(name)) for name in PASSWORDS]
    for name, password in zip(PASSWORDS, passwords):
        check(re.fullmatch(r"[0-9a-f]{48}\n", password), "%s is no password", name)
        equal(access(root.path(name)), ("0o640", 0, gid), name)
    check(passwords[0] != passwords[1], "both passwords are the same")
    equal(root.enabled(), ["drain_exporter.service"], "enabled units")

    # An upgrade, after somebody has changed everything.
    os.remove(root.path(PASSWORDS[0]))
    with open(root.path(SETTINGS), "a") as settings:
        settings.write("WORKERS=3\n")
    run("systemctl", "--root=" + root.folder, "disable", "drain_exporter.service")
    run("systemctl", "--root=" + root.folder, "enable", "drain_exporter.socket")
    os.chmod(root.path(PASSWORDS[1]), 0o600)
    root.dpkg("--install", deb.path)
    check(not os.path.exists(root.path(PASSWORDS[0])), "an upgrade makes a password")
    equal((text_of(root.path(PASSWORDS[1])), access(root.path(PASSWORDS[1]))[0]), (passwords[1], "0o600"), "the other password")
    check(text_of(root.path(SETTINGS)).endswith("WORKERS=3\n"), "the settings are not kept")
    equal(root.enabled(), ["drain_exporter.socket"], "units that somebody has enabled")

    # What the service keeps, and what an administrator has put beside its settings.
    os.makedirs(root.path("var/lib/drain_exporter"))
    open(root.path("var/lib/drain_exporter/state"), "w").close()
    root.dpkg("--remove", NAME)
    check(os.path.exists(root.path(SETTINGS)) and os.path.exists(root.path("var/lib/drain_exporter/state")), "--remove takes what --purge should")
    check(not os.path.exists(root.path("usr/bin/drain_exporter")), "--remove leaves the program")
    root.dpkg("--purge", NAME)
    left = [name for name in files_below(root.folder) if "drain" in name]
    equal(left, [], "what --purge leaves")
    check(not os.path.exists(root.path("etc/drain_exporter")), "--purge leaves /etc/drain_exporter")


def the_installed_program_serves(release):
    """With the settings that were installed: it takes a batch, and counts it."""
    deb, root = release.native(), Root(os.path.join(release.scratch, "serving"))
    root.dpkg("--install", deb.path)
    settings = dict(re.findall(r"^([A-Z_]+)=(.*)$", text_of(root.path(SETTINGS)), re.M))
    files = {name: root.folder + value for name, value in settings.items() if name.endswith("_FILE")}
    check({"PASSWORD_DRAIN_FILE", "PASSWORD_METRICS_FILE"} <= set(files), "the settings name no passwords")
    port = free_port("127.0.0.1")
    drain, metrics = (basic(user, text_of(root.path(path)).strip()) for user, path in zip(("drain", "metrics"), PASSWORDS))
    with open(os.path.join(ROOT, "docker", "sample-batch.txt"), "rb") as file:
        batch = file.read()
    program = root.path("usr/bin/drain_exporter")
    with Server([program], "127.0.0.1", port, settings={**settings, **files, "LISTEN_ADDRESS": "127.0.0.1:%d" % port},
                output_path=os.path.join(release.scratch, "serving.log")) as server:
        answer = server.request("POST", "/drain?app_name=my-app", {"Authorization": drain, "Content-Type": "application/logplex-1"}, batch)
        equal(answer.status, 204, "the status of a batch")
        page = Page(server.request("GET", "/metrics", {"Authorization": metrics}).body)
        check(page.value("drain_exporter_last_batch_timestamp_seconds", app="my-app") > 0, "the time of the batch")
        done = run_to_end([program, "--health-check"], LISTEN_ADDRESS="127.0.0.1:%d" % port)
        equal(done.status, 0, "--health-check: " + done.err)


def the_man_page_renders(release):
    for deb in release.debs:
        page = gzip.open(os.path.join(deb.tree, "usr/share/man/man1/drain_exporter.1.gz")).read()
        done = subprocess.run([needed("groff"), "-ww", "-man", "-Tutf8", "-Kutf8", "-P-cbou"], input=page, capture_output=True, timeout=60)
        equal((done.returncode, done.stderr), (0, b""), "groff")
        check(re.search(r"^ENVIRONMENT\n.*LISTEN_ADDRESS", done.stdout.decode(), re.M | re.S), "the page shows no settings")


def the_shells_load_the_completions(release):
    """From where the shells look for them."""
    share = os.path.join(release.native().tree, "usr/share")
    said = run("bash", "--norc", "-c", 'source "$1" && complete -p drain_exporter', "bash", os.path.join(share, "bash-completion/completions/drain_exporter"))
    equal(said, "complete -F _drain_exporter drain_exporter\n", "bash")
    script = 'fpath=("$1" $fpath); autoload -Uz compinit && compinit -u -D && print -r -- $_comps[drain_exporter] && autoload +X _drain_exporter && print loaded'
    said = run(needed("zsh"), "-f", "-c", script, "zsh", os.path.join(share, "zsh/vendor-completions"))
    equal(said, "_drain_exporter\nloaded\n", "zsh")


def systemd_takes_the_installed_units(release):
    """As the package installs them, without the hints on how to do so by hand."""
    needed("systemd-analyze")
    for deb in release.debs:
        folder = os.path.join(deb.tree, "lib/systemd/system")
        equal(sorted(os.listdir(folder)), ["drain_exporter.service", "drain_exporter.socket"], "units")
        unit = text_of(folder, "drain_exporter.service")
        check(unit.startswith("[Unit]\n") and "To install it" not in unit, "the unit begins with %r", unit[:60])
        equal(unit.count("ExecStart=/usr/bin/drain_exporter\n"), 1, "ExecStart")
        copy = os.path.join(release.scratch, deb.arch + ".units")
        shutil.copytree(folder, copy)
        with open(os.path.join(copy, "drain_exporter.service"), "w") as out:
            out.write(unit.replace("/usr/bin/drain_exporter\n", deb.program + "\n"))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", *(os.path.join(copy, name) for name in os.listdir(folder))], capture_output=True, text=True, timeout=60)
        equal((done.returncode, done.stdout + done.stderr), (0, ""), "systemd-analyze verify")


def apt_installs_it_on_a_bare_debian(release, work):
    """On the Debian that the image was built in, from before anything was installed: what the package depends on is all that it needs."""
    chosen = os.environ.get("STORAGE_DRIVER")
    driver = ["--storage-driver", chosen] if chosen else ["--storage-driver", "overlay", "--storage-opt", "overlay.skip_mount_home=true"]
    store = ["buildah", "--root", os.path.join(work, "store"), "--runroot", os.path.join(work, "run"), *driver]
    deb = release.native()
    script = """set -e
        apt-get -qq update; apt-get -qq -y --no-install-recommends install /tmp/%s >/dev/null 2>&1
        drain_exporter --version
        id -un drain_exporter
        stat -c '%%A %%G' /etc/drain_exporter/password_drain
        apt-get -qq -y purge drain-exporter >/dev/null 2>&1
        test ! -e /etc/drain_exporter || echo left""" % deb.name
    container = run(*store, "from", "--pull-never", "localhost/debian:bookworm-slim").strip()
    try:
        run(*store, "copy", "-q", container, deb.path, "/tmp/")
        said = run(*store, "run", "--isolation", "chroot", "--env", "DEBIAN_FRONTEND=noninteractive", container, "--", "sh", "-c", script, seconds=1200)
    finally:
        run(*store, "rm", container)
    equal(said, "drain_exporter %s\ndrain_exporter\n-rw-r----- drain_exporter\n" % deb.fields["Version"], "the installation")
