"""The first ten minutes of a newcomer, by README's own commands.  The long form, on a bare Debian, is tests/newcomer."""
import os
import shlex
import shutil
import subprocess

from harness import Skip, test
from newcomer import path
from support.checks import equal
from support.ports import free_port
from support.processes import run_to_end


@test
def a_clone_runs_by_the_commands_of_readme(context):
    """Clone what is checked out, type the command that README has, open the page that is printed in a browser, press Ctrl-C."""
    if context.sanitizer is not None:
        raise Skip("it builds the same program for every build")
    for program in ("git", "curl", "chromium"):
        if shutil.which(program) is None:
            raise Skip("there is no " + program)
    if not os.path.exists(os.path.join(path.ROOT, ".git")):
        raise Skip("this is no clone")
    clone = os.path.join(context.folder, "a clone")
    done = subprocess.run(["git", "clone", "--quiet", path.ROOT, clone], capture_output=True, text=True, timeout=60)
    equal((done.returncode, done.stderr), (0, ""), "git clone")
    run, test_command = path.commands(clone)
    # What the compiler does for speed takes most of the time, and is tested elsewhere.
    terminal = path.Terminal(run, clone, LISTEN_ADDRESS="127.0.0.1:%d" % free_port(), CFLAGS="-O0", MAKEFLAGS="-j2")
    path.run_and_look(terminal, context.folder, 100)
    done = run_to_end(["make", "-C", clone, "--dry-run", *shlex.split(test_command)[1:]])
    equal((shlex.split(test_command)[0], done.status, done.err), ("make", 0, ""), "the command of README that runs the tests")
