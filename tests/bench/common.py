"""What the programs of the benchmark share: servers, loads, tables, and what the machine did meanwhile."""
import contextlib, json, os, platform, re, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
sys.dont_write_bytecode = True
import bodies
from support.checks import Failure
from support.exporter import AUTH_DRAIN, AUTH_METRICS, Exporter
from support.ports import free_port
from support.processes import TICKS
from support.server import Server

FAMILIES = ["app", "router", "runtime", "addon", "postgres", "l2met", "ingest", "mix", "cf-gauge", "cf-router"]
SERIES = 100_000
PAGES = ["gauge", "counter", "histogram"]  # kinds of series, see pages.c
COUNTED_SERIES = 2000                      # on a page whose instructions are counted


# ---- servers ----

def answers(server):
    """Does it answer yet?"""
    if not server.is_running():
        raise Failure(f"{server.process.args[0]} ended with status {server.process.returncode}")
    try:
        return server.request("GET", "/health").status in (200, 204)
    except Failure:
        return False


def page(server, gzip=False):
    """The page, as it came."""
    answer = server.request("GET", "/metrics", {**AUTH_METRICS, "Accept-Encoding": "gzip" if gzip else "identity"})
    if answer.status != 200:
        raise Failure(f"a scrape is answered {answer.status}")
    return answer.body


def value(server, name):
    """The sum of the samples of this name on the page."""
    return sum(float(number) for number in re.findall(rf"^{name}(?:{{[^\n]*}})? (\S+)$", page(server).decode(), re.M))


def settled(server):
    """Resident memory once it has not become less for 2 s: freed pages go back to the system by and by."""
    least, since = server.resident(), time.monotonic()
    while time.monotonic() < since + 2:
        time.sleep(0.05)
        if server.resident() < least:
            least, since = server.resident(), time.monotonic()
    return least


def run_json(*command):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def cpu_seconds(server):
    """CPU of all threads of a server, to the nanosecond where the kernel counts so (/proc/PID/stat has ticks of 10 ms)."""
    total = 0
    try:
        for thread in os.listdir(f"/proc/{server.process.pid}/task"):
            with open(f"/proc/{server.process.pid}/task/{thread}/schedstat") as file:
                total += int(file.read().split()[0])
    except OSError:
        return server.cpu_seconds()
    return total / 1e9


def cost_of_pages(server, gzip=False):
    """The least CPU seconds of a page, of several rounds; each takes 50 ms at least."""
    costs = []
    page(server, gzip)
    for _ in range(5):
        before, count = cpu_seconds(server), 0
        while cpu_seconds(server) < before + 0.05:
            page(server, gzip)
            count += 1
        costs.append((cpu_seconds(server) - before) / count)
    return min(costs)


class Bench:
    """Servers of one program, loads, and what they are given; arguments: program, tools, quick."""

    def __init__(self, arguments, directory):
        self.arguments = arguments
        self.directory = directory
        self.quick = arguments.quick
        self.bodies = {name: self.write(name + ".body", body) for name, body in {**bodies.families(), **bodies.cloud_foundry()}.items()}

    def write(self, name, body):
        path = os.path.join(self.directory, name)
        with open(path, "wb") as file:
            file.write(body)
        return path

    def posted(self, name):
        """The load of this name as it is posted again and again."""
        with open(self.bodies[name], "rb") as file:
            return self.write(name + ".posted", bodies.posted(file.read()))

    def tool(self, name):
        return os.path.join(self.arguments.tools, name)

    def run_tool(self, name, *arguments):
        """What a tool that prints a line of JSON says."""
        return run_json(self.tool(name), *arguments)

    def sink(self):
        port = free_port()
        return Server([self.tool("sink"), str(port)], "127.0.0.1", port)

    def exporter(self, workers=1, **settings):
        return Exporter(self.arguments.program, settings={"WORKERS": workers, "LOG_LEVEL": "error", **settings})

    def load_command(self, server, body, *options):
        return [self.tool("load"), "-p", str(server.port), "-b", body, "-H", "Authorization: " + AUTH_DRAIN["Authorization"],
                *map(str, options)]

    def load(self, server, body, *options):
        """Post a body; what load says, and the server's CPU seconds for each request as server_cpu."""
        before = cpu_seconds(server)
        done = subprocess.run(self.load_command(server, body, *options), stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit("bench: the load generator failed")
        result = json.loads(done.stdout)
        result["server_cpu"] = (cpu_seconds(server) - before) / result["requests"]
        result["rate"] = result["requests"] / result["seconds"]
        return result

    def fill(self, server):
        """Make SERIES series, or update them."""
        for body in bodies.gauges(SERIES):
            self.load(server, self.write("fill.body", body), "-n", 1, "-c", 1)

    def check_filled(self, server):
        series = value(server, "drain_exporter_series")
        if series < SERIES:
            sys.exit(f"bench: there are {series:.0f} series instead of {SERIES}")


def microseconds(seconds):
    return f"{seconds * 1e6:.1f}"


def table(heads, rows):
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, ["-" * width for width in widths], *rows]:
        print("| " + " | ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                                for i, (cell, width) in enumerate(zip(row, widths))) + " |")
    print(flush=True)


# ---- instructions ----

def run_callgrind(bench, name, *command):
    """Instructions of a program, and what it says."""
    out = os.path.join(bench.directory, f"callgrind.{name}.{command[-1]}")
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *map(str, command)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit("bench: valgrind failed:\n" + done.stderr)
    return int(re.search(r"Collected : (\d+)", done.stderr)[1]), json.loads(done.stdout)


def count_times(bench, name, *command):
    """Instructions of what a program does as often as its last argument says, start and end of it cancelled out; and what it
    says."""
    once, said = run_callgrind(bench, name, *command, 1)
    often, _ = run_callgrind(bench, name, *command, 11)
    return (often - once) / 10, said


def instructions(bench, program, name):
    """Instructions of a batch, and its lines."""
    each, said = count_times(bench, name, program, bench.bodies[name])
    return each, said["lines"]


def page_instructions(bench, program, kind):
    """Instructions of a page for each of its series; program: lines, beside which pages stands."""
    each, said = count_times(bench, "page-" + kind, os.path.join(os.path.dirname(program), "pages"), kind, COUNTED_SERIES)
    return each / said["series"]


# ---- what the machine does ----

def busy():
    """Seconds of CPU that the machine, and we with the processes that have ended, took so far."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS, sum(os.times()[:4])


def run_part(bench, part):
    """Run a part, and tell where it was disturbed."""
    machine_before, ours_before = busy()
    begin = time.monotonic()
    part(bench)
    machine_now, ours_now = busy()
    others = (machine_now - machine_before) - (ours_now - ours_before)
    share = others / (time.monotonic() - begin) / os.cpu_count()
    if share > 0.05:
        print(f"(other processes took {share:.0%} of all cores meanwhile)\n", flush=True)


def machine():
    model = "unknown CPU"
    with contextlib.suppress(OSError, TypeError):
        with open("/proc/cpuinfo") as file:
            model = re.search(r"model name\s*:\s*(.*)", file.read())[1]
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, load average {os.getloadavg()[0]:.2f}"
