"""The same commit gives the same bytes, whoever builds it, when, and where."""
import json
import os
import shutil
import subprocess

from artefacts import ROOT, digest, run
from support.checks import check, equal

# Another time zone and language; folders differ as well.
ELSEWHERE = {"TZ": "Asia/Kathmandu", "LC_ALL": "POSIX"}


def versions(archive, folder):
    """Names and versions of the packages in an SBOM."""
    with open(os.path.join(folder, archive.name + ".spdx.json")) as file:
        return [(package["name"], package["versionInfo"]) for package in json.load(file)["packages"]]


def sums(folder):
    return {name: digest("sha256", os.path.join(folder, name)) for name in sorted(os.listdir(folder))}


def a_second_package_is_the_same(release, program):
    """Of the same program, in another folder and environment."""
    scratch = os.path.join(release.scratch, "another folder for scratch files")
    os.mkdir(scratch)
    again = os.path.join(scratch, "again")
    subprocess.run([os.path.join(ROOT, "docker", "make-release"), "package", os.path.abspath(program), again], check=True, stdout=subprocess.DEVNULL, timeout=300,
                   umask=0o077, env={**os.environ, **ELSEWHERE, "TMPDIR": scratch})
    equal(sums(again), sums(release.folder), "a second package")


def objects_do_not_know_their_folder(release):
    """Objects that are compiled in two folders are the same, with all that a debugger needs."""
    made = []
    for name in ("one", "a-folder-with-a-longer-name"):
        copy = os.path.join(release.scratch, name)
        for folder in ("include", "src/base", "vendor"):
            shutil.copytree(os.path.join(ROOT, folder), os.path.join(copy, folder))
        shutil.copy(os.path.join(ROOT, "Makefile"), copy)
        run("make", "-s", "-C", copy, "build/src/base/number.o", "build/vendor/allocator.o", "CFLAGS=-O1 -g")
        made.append([os.path.join(copy, "build", path) for path in ("src/base/number.o", "vendor/allocator.o")])
    for one, other in zip(*made):
        check(b"debug_info" in open(one, "rb").read(), "%s has nothing for a debugger", one)
        equal(digest("sha256", one), digest("sha256", other), os.path.basename(one))


def a_second_release_is_the_same(release, work):
    """Built from a clone elsewhere, with a base of its own."""
    commit = release.images[0].labels["org.opencontainers.image.revision"]
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    clone = os.path.join(work, "a-clone-with-a-longer-name")
    run("git", "clone", "-q", "--no-checkout", ROOT, clone)
    run("git", "-C", clone, "checkout", "-q", commit)
    architectures = sorted({image.arch for image in release.images})
    with open(os.path.join(work, "log"), "w") as log:
        subprocess.run(["make", "-C", clone, "release", "ARCH=" + " ".join(architectures)], check=True, stdout=log, stderr=log, timeout=7200, umask=0o022, env={**os.environ, **ELSEWHERE})
    again = os.path.join(clone, "build", "release")
    for archive in release.archives():
        newer = sorted(set(versions(archive, again)) - set(versions(archive, release.folder)))
        equal(newer, [], "what Debian has had newer packages of since: make the release again; that is")
    equal(sums(again), sums(release.folder), "a second release")
    shutil.rmtree(clone)
