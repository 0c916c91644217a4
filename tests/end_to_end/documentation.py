"""What README says is what the program does: every metric of ours, with its type, and every setting, with its default."""
import os
import re
import shutil
import subprocess

from harness import Skip, check, equal, test, wait_for
from lines import router_error
from server import environment, free_port

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "README.md")


def rows(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.split("\n") if line.startswith("| `")]


@test
def own_metrics_are_documented(context):
    """The table of our metrics names those on the page, with their types and labels, and no others."""
    server = context.server()
    server.post(router_error("H10"), "app")
    server.page()  # counts itself on the next one
    text = server.page().text
    documented = {}
    for name, kind, labels, _ in rows(re.search(r"own metrics: begin -->\n(.*?)<!-- own metrics: end", open(README).read(), re.S).group(1)):
        documented[name.strip("`")] = (kind, {l.strip() for l in labels.split(",")} - {""})
    shown = {}
    for name, kind in re.findall(r"^# TYPE ((?:drain_exporter|process)_\w+) (\w+)$", text, re.M):
        line = re.search(r"^%s(?:_bucket)?(?:\{(.*)\})? " % name, text, re.M)
        shown[name] = (kind, set(re.findall(r'(\w+)="', line.group(1) or "")) - {"le"})
    equal(sorted(shown), sorted(documented), "the metrics of ours")
    for name in shown:
        equal(documented[name], shown[name], "type and labels of %s" % name)


@test
def settings_are_documented(context):
    """The table of settings in README names those that --help lists, with their defaults."""
    help_text = subprocess.run([context.program, "--help"], capture_output=True, text=True, timeout=20 * context.patience).stdout
    listed = re.findall(r"^  ([A-Z_]+), --[a-z-]+=\.\.\.\n +(.*)$", help_text, re.M)
    check(len(listed) >= 15, "--help lists %d settings", len(listed))
    section = re.search(r"\n## Settings\n(.*?)\n## ", open(README).read(), re.S).group(1)
    documented = {}
    for names, default, _ in rows(section):
        for name in re.findall(r"`([A-Z_]+)`", names):
            documented[name] = default
    equal(sorted(documented), sorted(name for name, _ in listed), "the settings")
    for name, meaning in listed:
        default = re.search(r"\[([^][]*)\]$", meaning)
        if default:
            check("`%s`" % default.group(1) in documented[name], "the default of %s is %s, README says %s", name, default.group(1), documented[name])


LOCALLY = os.path.join(os.path.dirname(README), "docker", "run-locally")


def start_locally(context, address, name):
    """What "make run" starts; its output goes to a file."""
    path = context.file(name, "")
    return path, subprocess.Popen([LOCALLY, context.program], env=environment(LISTEN_ADDRESS=address), stdin=subprocess.DEVNULL,
                                  stdout=open(path, "w"), stderr=subprocess.STDOUT)


@test
def make_run_shows_a_recorded_batch(context):
    """The commands that it prints work, and the page they lead to is not empty."""
    if shutil.which("curl") is None:
        raise Skip("there is no curl")
    address = "127.0.0.1:%d" % free_port()
    path, process = start_locally(context, address, "first.out")
    try:
        wait_for(lambda: "Ctrl-C" in open(path).read() or process.poll() is not None, "the program serves", 20 * context.patience)
        said = open(path).read()
        scrape = re.search(r"^  (curl --user metrics:\S+ \S+)$", said, re.M)
        check(scrape is not None, "no command to scrape with: %s", said)
        page = subprocess.run(["sh", "-c", scrape.group(1) + " --silent"], capture_output=True, text=True, timeout=20 * context.patience).stdout
        for line in ('heroku_router_errors{app="my-app",process="web.1",code="H12"} 1', 'heroku_router_errors{app="my-app",code="H10"} 1',
                     'heroku_postgres_tables{addon="postgresql-curly-12345"} 13', 'cratesio_instance_requests_total{app="my-app",process="web.1"} 31415'):
            check("\n%s\n" % line in page, "the page lacks %s", line)
        # A second one finds the port taken, says so, and posts nothing to the first.
        other_path, other = start_locally(context, address, "second.out")
        equal(other.wait(20 * context.patience), 1, "the status of a second one on the port")
        check("cannot listen" in open(other_path).read(), "the second one says %r", open(other_path).read())
    finally:
        process.terminate()
        process.wait(20 * context.patience)
