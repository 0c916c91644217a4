"""docker/terraform: the module against the program and the ECS task definition; Terraform's own judgement, if it is there with its provider."""
import glob
import json
import os
import re
import shutil

from documentation import ROOT
from harness import Skip, test
from installation import flags_of_settings
from support.checks import check, equal
from support.processes import run_to_end

MODULE = os.path.join(ROOT, "docker", "terraform")
PROVIDER = "registry.terraform.io/hashicorp/aws"
FILES = {os.path.basename(path): open(path, encoding="utf-8").read() for path in sorted(glob.glob(MODULE + "/*.tf"))}
TEXT = "\n".join(FILES.values())
CODE = re.sub(r'(?m)^\s*#.*$| # .*$', "", TEXT)


def task_definition():
    with open(os.path.join(ROOT, "docker", "ecs-task-definition.json")) as file:
        return json.load(file)


def blocks(kind):
    """{name: text} of the blocks such as variable "name" { ... }, which terraform fmt ends with a brace of its own line."""
    return dict(re.findall(r'(?ms)^%s "(\w+)" \{\n(.*?)^\}' % kind, CODE))


def value(text, name):
    """What a line says of a name."""
    found = re.findall(r"(?m)^ *%s += (.+)$" % name, text)
    equal(len(found), 1, "lines that set " + name)
    return found[0]


# ---- without Terraform ----


@test
def the_module_hangs_together(context):
    """What is used is declared, what is declared is used, and each variable stands in README as it is."""
    for opening, closing in ("{}", "[]", "()"):
        equal(CODE.count(opening), CODE.count(closing), "brackets " + opening + closing)
    variables, outputs = blocks("variable"), blocks("output")
    check(len(variables) > 20 and len(outputs) > 4, "%d variables and %d outputs were found", len(variables), len(outputs))
    used = set(re.findall(r"\bvar\.(\w+)", re.sub(r"(?ms)^variable .*?^\}", "", CODE)))
    equal(sorted(used ^ set(variables)), [], "variables that are only used or only declared")
    declared = {name for body in re.findall(r"(?ms)^locals \{\n(.*?)^\}", CODE) for name in re.findall(r"(?m)^  (\w+) +=", body)}
    equal(sorted(set(re.findall(r"\blocal\.(\w+)", CODE)) ^ declared), [], "locals that are only used or only declared")
    made = set(re.findall(r'(?m)^(?:resource|data|ephemeral) "(aws_\w+)" "(\w+)"', CODE))
    equal(sorted(set(re.findall(r"\b(aws_\w+)\.(\w+)", CODE)) - made), [], "resources that are used, but not declared")
    for name, body in {**variables, **outputs}.items():
        check(re.search(r'(?m)^  description = ".+"$', body), "%s has no description", name)
    with open(os.path.join(MODULE, "README.md"), encoding="utf-8") as file:
        table = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", file.read().partition("## Variables")[2], re.M)
    rows = []
    for name, body in variables.items():
        default = re.search(r"(?m)^  default += (.+)$", body)
        description = json.loads(re.search(r"(?m)^  description = (.+)$", body).group(1))
        rows.append((name, "required" if default is None else "none" if default.group(1) == "null" else "`%s`" % default.group(1).strip('"'), description))
    equal(table, rows, "the table of README")


@test
def the_module_fits_the_program(context):
    """Settings and secrets are those of --help; port, user, times and health check those of the image and of the ECS task definition."""
    known = {variable for variable, _ in flags_of_settings(context)}
    container = FILES["container.tf"]
    set_here = set(re.findall(r"(?m)^ +([A-Z][A-Z_]+) +=", container))
    equal(sorted(set_here), ["CANARY_URL", "CONFIG", "METRICS_LISTEN_ADDRESS", "SCRAPE_INTERVAL", "STATE_FILE", "TRUSTED_PROXIES", "WARM_START_URL"], "settings of the container")
    names = set_here | {"PASSWORD_" + user.upper() + suffix for user in re.findall(r'"(\w+)"', value(FILES["secrets.tf"], "users")) for suffix in ("", "_PREVIOUS")}
    equal(sorted(names - known), [], "settings that the program does not know")
    with open(os.path.join(ROOT, "src", "config", "settings.c")) as file:
        secrets = set(re.findall(r'\{"(\w+)", SECRET,', file.read()))
    check(len(secrets) > 7, "%d secrets were found in settings.c", len(secrets))
    refused = json.loads(re.search(r'!can\(regex\((".*?"), name', blocks("variable")["settings"]).group(1))
    equal(sorted(name for name in secrets if not re.search(refused, name)), [], "secrets that the variable settings takes, so that they stand in Terraform's state")
    task = task_definition()
    [example] = task["containerDefinitions"]
    check({secret["name"] for secret in example["secrets"]} <= names, "secrets of the ECS task definition are %s", example["secrets"])
    for key, place in (("name", container), ("user", container), ("stopTimeout", container), ("readonlyRootFilesystem", container)):
        equal(json.loads(re.sub(" # .*", "", value(place, key))), example[key], key)
    health = re.search(r"(?ms)^    healthCheck = \{\n(.*?)^    \}", container).group(1)
    equal({key: json.loads(value(health, key)) for key in example["healthCheck"]}, example["healthCheck"], "the health check")
    port = int(re.sub(" #.*", "", value(container, "drain_port")))
    with open(os.path.join(ROOT, "Dockerfile")) as file:
        equal([int(each) for each in re.findall(r"(?m)^EXPOSE (\d+)$", file.read())], [port], "the port of the image")
    equal([each["containerPort"] for each in example["portMappings"]], [port], "the port of the ECS task definition")
    for key in ("cpu", "memory"):
        equal(value(blocks("variable")[key], "default"), task[key], "the default of " + key)
    idle = re.search(r"IDLE_TIMEOUT.*?\n.*?\[(\d+)s\]", run_to_end([context.program, "--help"]).out, re.S)
    equal(value(re.search(r'(?ms)^resource "aws_lb" .*?^\}', CODE).group(), "idle_timeout").strip(), idle.group(1), "the idle timeout of the balancer, which is ours")


# ---- with Terraform ----


def terraform(context, folder, *arguments, wanted=(0,)):
    if shutil.which("terraform") is None:
        raise Skip("there is no terraform")
    done = run_to_end(["terraform", "-chdir=" + folder, *arguments], seconds=100, HOME=context.folder, CHECKPOINT_DISABLE="1", TF_IN_AUTOMATION="1")
    check(done.status in wanted, "terraform %s ends with %d: %s", arguments[0], done.status, (done.out + done.err)[:1000])
    return done.out


def plugins():
    """A folder in which the provider is, in one of the places where it is usually put by hand."""
    for pattern in ("~/.terraform.d/plugins", "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins", "/opt/*"):
        for folder in glob.glob(os.path.expanduser(pattern)):
            if os.path.isdir(os.path.join(folder, PROVIDER)):
                return folder
    raise Skip("there is no provider hashicorp/aws for terraform")


def module_copy(context):
    """The module in a folder of the test's, ready to be used."""
    if context.sanitizer:
        raise Skip("it tells nothing more there")
    folder = os.path.join(context.folder, "module")
    os.mkdir(folder)
    for name, text in FILES.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    return folder


def initialise(context, folder):
    terraform(context, folder, "init", "-backend=false", "-input=false", "-no-color", "-plugin-dir=" + plugins())


@test
def terraform_takes_the_module(context):
    folder = module_copy(context)
    equal(terraform(context, folder, "fmt", "-check", "-diff", "-no-color"), "", "what terraform fmt would change")
    initialise(context, folder)
    said = json.loads(terraform(context, folder, "validate", "-json"))
    equal((said["valid"], said["diagnostics"]), (True, []), "terraform validate")


# An AWS that is not there: it answers with these, and with random words.
AWS = """
mock_provider "aws" {
  mock_data "aws_subnet" {
    defaults = { cidr_block = "10.0.1.0/24" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_secretsmanager_random_password" {
    defaults = { random_password = "the-secret" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:logs" }
  }
%s
}
override_resource {
  target = aws_secretsmanager_secret.password["drain"]
  values = { arn = "arn:of:drain" }
}
override_resource {
  target = aws_secretsmanager_secret.password["metrics"]
  values = { arn = "arn:of:metrics" }
}
variables {
  image              = "registry.example/drain_exporter:1"
  domain_name        = "drains.example"
  certificate_arn    = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
  vpc_id             = "vpc-1"
  public_subnet_ids  = ["subnet-1", "subnet-2"]
  private_subnet_ids = ["subnet-3", "subnet-4"]
}
run "plain" {
}
run "all" {
  variables {
    cpu_architecture           = "ARM64"
    keep_state                 = true
    password_versions          = { drain = 2 }
    accept_previous            = ["drain"]
    config_secret_arn          = "arn:of:config"
    canary_url_secret_arn      = "arn:of:canary"
    warm_start_url_secret_arn  = "arn:of:warm-start"
    settings                   = { MAX_SERIES = "200000" }
    discovery_namespace        = { id = "ns-1", name = "internal" }
    metrics_security_group_ids = ["sg-1"]
    metrics_cidrs              = ["10.0.9.0/24"]
    zone_id                    = "Z1"
    cluster_arn                = "arn:aws:ecs:eu-west-1:123456789012:cluster/ours"
    scrape_interval            = "30s"
  }
}
""" % "\n".join('  mock_resource "%s" {\n    defaults = { arn = "arn:aws:some:eu-west-1:123456789012:thing/%d" }\n  }' % (kind, number) for number, kind in enumerate(
    ("aws_iam_role", "aws_lb", "aws_lb_target_group", "aws_lb_listener", "aws_ecs_cluster", "aws_ecs_task_definition", "aws_efs_file_system", "aws_efs_access_point",
     "aws_service_discovery_service")))

MISTAKES = {"settings": '{ PASSWORD_DRAIN = "x" }', "accept_previous": '["drain"]', "cpu_architecture": '"arm64"', "name": '"Drain_Exporter"', "public_subnet_ids": '["subnet-1"]'}


def states(context):
    """{run: what it has made}, by an AWS that is not there.  Its mistakes are refused."""
    folder = module_copy(context)
    path = os.path.join(folder, "secrets.tf")
    # Mocks have no ephemeral values.
    with open(path, "w") as file:
        file.write(FILES["secrets.tf"].replace('ephemeral "', 'data "').replace("ephemeral.", "data."))
    initialise(context, folder)
    mistakes = 'run "mistakes" {\n  command = plan\n  variables {\n%s\n  }\n  expect_failures = [%s]\n}\n' % (
        "\n".join("    %s = %s" % pair for pair in MISTAKES.items()), ", ".join("var." + name for name in MISTAKES))
    os.mkdir(os.path.join(folder, "tests"))
    with open(os.path.join(folder, "tests", "all.tftest.hcl"), "w") as file:
        file.write(AWS + mistakes)
    events = [json.loads(each) for each in terraform(context, folder, "test", "-json", "-verbose", wanted=(0, 1)).splitlines()]
    equal([event["diagnostic"]["summary"] for event in events if event["type"] == "diagnostic" and event["diagnostic"]["severity"] == "error"], [], "errors")
    runs = {event["@testrun"]: event["test_run"]["status"] for event in events if event["type"] == "test_run" and event["test_run"].get("progress") == "complete"}
    equal(runs, dict.fromkeys(["plain", "all", "mistakes"], "pass"), "the runs")
    return {event["@testrun"]: event["test_state"] for event in events if event["type"] == "test_state"}


class State:
    def __init__(self, state):
        self.outputs = state["outputs"]
        self.resources = {}
        for each in state["root_module"]["resources"]:
            self.resources.setdefault("%s.%s" % (each["type"], each["name"]), []).append(each["values"])

    def one(self, address):
        [found] = self.resources[address]
        return found

    def output(self, name):
        return self.outputs.get(name, {}).get("value")  # what is null is left out

    def container(self):
        [container] = json.loads(self.one("aws_ecs_task_definition.this")["container_definitions"])
        return container

    def pairs(self, kind, field):
        return {each["name"]: each[field] for each in self.container()[kind]}

    def rules(self, group):
        """What may reach a security group: [(address or group, first port, last port)]"""
        groups = {values[0]["id"]: name.partition(".")[2] for name, values in self.resources.items() if name.startswith("aws_security_group.")}
        return sorted((each["cidr_ipv4"] or groups.get(each["referenced_security_group_id"], each["referenced_security_group_id"]), each["from_port"], each["to_port"])
                      for name, found in self.resources.items() if name.startswith("aws_vpc_security_group_ingress_rule.") for each in found
                      if groups[each["security_group_id"]] == group)


@test
def the_module_makes_what_the_program_needs(context):
    """Evaluated by Terraform itself: containers, ports, who reaches whom, deployments, outputs."""
    plain, everything = [State(state) for state in map(states(context).get, ("plain", "all"))]
    [example] = task_definition()["containerDefinitions"]
    for state in (plain, everything):
        container = state.container()
        for key in ("name", "essential", "user", "readonlyRootFilesystem", "stopTimeout", "healthCheck"):
            equal(container[key], example[key], key)
        equal(container["image"], "registry.example/drain_exporter:1", "the image")
        equal([(each["containerPort"], each["protocol"]) for each in container["portMappings"]], [(80, "tcp"), (8081, "tcp")], "the ports")
        equal(container["logConfiguration"], {"logDriver": "awslogs", "options": {
            "awslogs-group": "/ecs/drain-exporter", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "drain_exporter"}}, "the log")
        target = state.one("aws_lb_target_group.this")
        equal((target["target_type"], target["protocol"], target["port"], target["health_check"][0]["path"]), ("ip", "HTTP", 80, "/health"), "the target group")
        listener = state.one("aws_lb_listener.https")
        equal((listener["port"], listener["protocol"], listener["default_action"][0]["target_group_arn"]), (443, "HTTPS", target["arn"]), "the listener")
        service = state.one("aws_ecs_service.this")
        [balancer] = service["load_balancer"]
        equal((balancer["container_name"], balancer["container_port"], balancer["target_group_arn"], service["desired_count"]), ("drain_exporter", 80, target["arn"], 1), "the service")
        equal(state.rules("balancer"), [("0.0.0.0/0", 443, 443)], "who reaches the balancer")
        equal(state.output("drains_add"), "heroku drains:add 'https://drain:PASSWORD_DRAIN@drains.example/drain?app_name=my-app' --app my-app", "the command for an app")
        check("the-secret" not in json.dumps(state.outputs), "a password stands in an output")
        # The program takes these settings; where the file of the state would be is a folder of this test.
        secrets = state.pairs("secrets", "valueFrom")
        known = {"CONFIG": "{}", "CANARY_URL": "https://drain:a-password@drains.example/drain", "WARM_START_URL": "http://metrics:a-password@exporter.internal:8081/state"}
        settings = {**state.pairs("environment", "value"), **{name: known.get(name, "a-password") for name in secrets}}
        if "STATE_FILE" in settings:
            settings["STATE_FILE"] = context.folder
        done = run_to_end([context.program, "--check-config"], seconds=20, **settings)
        equal((done.status, done.err), (0, ""), "--check-config")

    equal(plain.pairs("environment", "value"), {"METRICS_LISTEN_ADDRESS": "0.0.0.0:8081", "TRUSTED_PROXIES": "10.0.1.0/24,10.0.1.0/24", "SCRAPE_INTERVAL": "60s"}, "settings")
    equal(plain.pairs("secrets", "valueFrom"), {"PASSWORD_DRAIN": "arn:of:drain", "PASSWORD_METRICS": "arn:of:metrics"}, "secrets")
    equal((plain.container()["mountPoints"], plain.one("aws_ecs_task_definition.this")["volume"]), ([], []), "volumes")
    equal(plain.rules("task"), [("balancer", 80, 80)], "who reaches the task")
    equal(plain.one("aws_ecs_task_definition.this")["runtime_platform"][0]["cpu_architecture"], "X86_64", "the architecture")
    equal(plain.output("scrape_job"), None, "the scrape job without a name to scrape")

    equal(everything.pairs("environment", "value"), {**plain.pairs("environment", "value"), "MAX_SERIES": "200000", "SCRAPE_INTERVAL": "30s", "STATE_FILE": "/state/"}, "settings")
    equal(everything.pairs("secrets", "valueFrom"), {"PASSWORD_DRAIN": "arn:of:drain", "PASSWORD_DRAIN_PREVIOUS": "arn:of:drain::AWSPREVIOUS:",
                                                     "PASSWORD_METRICS": "arn:of:metrics", "CONFIG": "arn:of:config",
                                                     "CANARY_URL": "arn:of:canary", "WARM_START_URL": "arn:of:warm-start"}, "secrets")
    equal(everything.container()["dockerLabels"], {"password-drain": "2", "password-metrics": "1"}, "what makes a new task when a password changes")
    equal(everything.rules("task"), [("10.0.9.0/24", 8081, 8081), ("balancer", 80, 80), ("sg-1", 8081, 8081), ("task", 8081, 8081)], "who reaches the task")
    equal(everything.one("aws_vpc_security_group_egress_rule.warm_start")["referenced_security_group_id"], everything.one("aws_security_group.task")["id"], "whom a new task asks")
    for state in (plain, everything):
        equal(sorted(state.one("aws_iam_policy_document.secrets")["statement"][0]["resources"]),
              sorted({arn.partition("::")[0] for arn in state.pairs("secrets", "valueFrom").values()}), "secrets that may be read")
    equal(everything.rules("state"), [("task", 2049, 2049)], "who reaches the state")
    [volume] = everything.one("aws_ecs_task_definition.this")["volume"]
    [mount] = everything.container()["mountPoints"]
    equal((mount["sourceVolume"], mount["containerPath"] + "/"), (volume["name"], everything.pairs("environment", "value")["STATE_FILE"]), "where the state is mounted")
    equal(everything.one("aws_ecs_task_definition.this")["runtime_platform"][0]["cpu_architecture"], "ARM64", "the architecture")
    user = everything.one("aws_efs_access_point.state")["posix_user"][0]
    equal("%d:%d" % (user["uid"], user["gid"]), example["user"], "the owner of the state")
    equal([[state.one("aws_ecs_service.this")["deployment_%s" % bound] for bound in ("minimum_healthy_percent", "maximum_percent")] for state in (plain, everything)],
          [[100, 200], [0, 100]], "deployments: the next task first; and the old one first, which has a state to write")
    check('"drain-exporter.internal"' in everything.output("scrape_job") and '"port": 8081' in everything.output("scrape_job"), "the job is %s", everything.output("scrape_job"))
