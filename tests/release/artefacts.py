"""What "make package" and "make release" have made: packages of Debian, images, and what is inside each."""
import glob
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile

from support.checks import check, equal

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
NAME = "drain-exporter"


def run(*command, seconds=300, **more):
    """What a program prints; it must end with 0."""
    done = subprocess.run(command, capture_output=True, timeout=seconds, **more)
    check(done.returncode == 0, "%s ended with %d: %s", " ".join(command[:4]), done.returncode, (done.stdout + done.stderr)[-2000:].decode("utf-8", "replace"))
    return done.stdout.decode()


def text_of(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def digest(algorithm, path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def files_below(tree):
    """{./path: where it is}, without links"""
    paths = (os.path.join(folder, name) for folder, _, names in os.walk(tree) for name in names)
    return {"./" + os.path.relpath(path, tree): path for path in paths if not os.path.islink(path)}


def own_architecture():
    return run("dpkg", "--print-architecture").strip()


class Archive:
    """A .deb or an image: its file, the folder in which its files are, its SBOM."""

    def __init__(self, path, scratch):
        self.path, self.name = path, os.path.basename(path)
        self.tree = os.path.join(scratch, self.name + ".tree")
        os.mkdir(self.tree)
        self.unpack()
        self.sbom = json.loads(text_of(path + ".spdx.json"))

    def run_program(self, *arguments):
        """What the program that is inside prints; one of another architecture is emulated, if its libraries are known."""
        if self.arch == own_architecture():
            return run(self.program, *arguments)
        return run({"amd64": "qemu-x86_64", "arm64": "qemu-aarch64"}[self.arch], "-L", self.libraries, self.program, *arguments)


class Deb(Archive):
    libraries = None

    def unpack(self):
        run("dpkg-deb", "-x", self.path, self.tree)
        run("dpkg-deb", "-e", self.path, self.tree + ".control")
        self.fields = dict(re.findall(r"^([A-Z][\w-]*): (.*)$", text_of(self.tree + ".control", "control"), re.M))
        self.arch, self.program = self.fields["Architecture"], os.path.join(self.tree, "usr/bin/drain_exporter")


class Image(Archive):
    def unpack(self):
        with tarfile.open(self.path) as archive:
            def blob(digest_text):
                return archive.extractfile("./blobs/" + digest_text.replace(":", "/")).read()
            manifest = json.loads(blob(json.load(archive.extractfile("./index.json"))["manifests"][0]["digest"]))
            self.config = json.loads(blob(manifest["config"]["digest"]))
            for layer in manifest["layers"]:
                with tarfile.open(fileobj=io.BytesIO(blob(layer["digest"]))) as files:
                    files.extractall(self.tree)
        self.arch, self.labels = self.config["architecture"], self.config["config"]["Labels"]
        self.program, self.libraries = os.path.join(self.tree, "drain_exporter"), self.tree


class Artefacts:
    def __init__(self, folder, scratch):
        self.folder, self.scratch = os.path.abspath(folder), scratch
        self.debs = [Deb(path, scratch) for path in sorted(glob.glob(folder + "/*.deb"))]
        self.images = [Image(path, scratch) for path in sorted(glob.glob(folder + "/*.tar"))]
        check(self.debs, "there is no package in %s", folder)
        for image in self.images:
            for deb in self.debs:
                if deb.arch == image.arch:
                    deb.libraries = image.tree

    def archives(self):
        return self.debs + self.images

    def native(self):
        """The package for this machine."""
        found = [deb for deb in self.debs if deb.arch == own_architecture()]
        equal(len(found), 1, "packages for this machine")
        return found[0]
