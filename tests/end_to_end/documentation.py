"""What README says is what the program does: every metric of ours, with its type, and every setting, with its default."""
import os
import re
import subprocess

from harness import check, equal, test
from lines import router_error

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
