"""What is in the packages and images, and what their SBOMs say of that."""
import gzip
import hashlib
import json
import os
import re
import subprocess

import jsonschema

from artefacts import NAME, ROOT, digest, files_below, run, text_of
from support.checks import check, equal

SECTION = r"^## (\S+)"  # of CHANGELOG.md


def the_version_is_the_same_everywhere(release):
    """It stands in include/base/version.h."""
    version = re.search(r'VERSION "([0-9.]+)"', text_of(ROOT, "include", "base", "version.h")).group(1)
    equal([name for name in re.findall(SECTION, text_of(ROOT, "CHANGELOG.md"), re.M) if name != "Unreleased"][0], version, "the newest version in CHANGELOG.md")
    for archive in release.archives():
        equal(archive.run_program("--version"), "drain_exporter %s\n" % version, "--version of " + archive.name)
        check(re.search(r"[-_]%s[-_]%s\." % (re.escape(version), archive.arch), archive.name), "the name is %s", archive.name)
        own = [package["versionInfo"] for package in archive.sbom["packages"] if package["licenseDeclared"] == "MIT"]
        equal(own, [version, version], "versions in the SBOM of " + archive.name)
    for deb in release.debs:
        equal(deb.fields["Version"], version, "the version of the package")
        share = os.path.join(deb.tree, "usr/share")
        changes = gzip.open(os.path.join(share, "doc", NAME, "changelog.gz"), "rt").readline()
        check(changes.startswith("%s (%s) " % (NAME, version)), "the changelog begins with %s", changes)
        page = gzip.open(os.path.join(share, "man/man1/drain_exporter.1.gz"), "rt").readline()
        check('"drain_exporter %s"' % version in page, "the man page begins with %s", page)
        for path in ("bash-completion/completions/drain_exporter", "zsh/vendor-completions/_drain_exporter"):
            check("completion of drain_exporter %s\n" % version in text_of(share, path), "%s has another version", path)
    for image in release.images:
        equal(image.labels["org.opencontainers.image.version"], version, "the image's label")
        equal(image.labels["org.opencontainers.image.revision"], run("git", "-C", ROOT, "rev-parse", "HEAD").strip(), "the commit that the image names")


def the_package_is_laid_out_as_debian_wants(release):
    """Owners, times and modes; each file has its checksum, and each file of /etc is a conffile."""
    for deb in release.debs:
        listed = re.findall(r"^(\S+) (\S+) +\d+ (\S+ \S+) \./(\S*)$", run("dpkg-deb", "-c", deb.path, env={**os.environ, "TZ": "UTC"}), re.M)
        check(len(listed) > 20, "%d files are listed", len(listed))
        equal({owner for _, owner, _, _ in listed}, {"root/root"}, "owners")
        equal(len({time for _, _, time, _ in listed}), 1, "times of files")
        equal({mode for mode, _, _, path in listed if path != "usr/bin/drain_exporter"}, {"drwxr-xr-x", "-rw-r--r--"}, "modes of files")
        files = files_below(deb.tree)
        conffiles = text_of(deb.tree + ".control", "conffiles").split()
        equal(conffiles, [path[1:] for path in files if path.startswith("./etc/")], "conffiles")
        sums = {"./" + path: value for value, path in (line.split("  ") for line in text_of(deb.tree + ".control", "md5sums").splitlines())}
        equal(sums, {path: digest("md5", there) for path, there in files.items() if path[1:] not in conffiles}, "md5sums")
        with open(deb.program, "rb") as program:
            check(b"\0.debug_info\0" not in program.read(), "the program is not stripped")


def links_of_the_pages_hold(release):
    """The pages are in the same folders as in the sources.  Those for who changes the program are left out, and what is no page may be."""
    for deb in release.debs:
        doc = os.path.join(deb.tree, "usr/share/doc", NAME)
        pages = [path for path in files_below(doc) if path.endswith(".md")]
        check(len(pages) > 12, "%d pages", len(pages))
        linked = set()
        for page in pages:
            text = re.sub(r"(?ms)^ *```.*?^ *```$", "", text_of(doc, page))
            linked |= {os.path.normpath(os.path.join(os.path.dirname(page), link)) for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)}
        lost = {path for path in linked if not os.path.exists(os.path.join(doc, path))}
        equal(sorted(path for path in lost if path.endswith(".md")), ["src/README.md", "tests/README.md"], "pages that are linked and not there")
        equal(sorted(path for path in lost if not os.path.exists(os.path.join(ROOT, path))), [], "links that lead nowhere")


def the_package_has_the_program_of_the_image(release):
    for deb in release.debs:
        for image in release.images:
            if image.arch == deb.arch:
                equal(digest("sha256", deb.program), digest("sha256", image.program), "the program of " + deb.name)


def the_sbom_is_spdx(release):
    """It has the fields of SPDX 2.3, each identifier once, and none that leads nowhere."""
    schema = json.loads(text_of(os.path.dirname(__file__), "spdx-2.3.schema.json"))
    for archive in release.archives():
        jsonschema.validate(archive.sbom, schema)
        elements = [archive.sbom["SPDXID"], *(each["SPDXID"] for kind in ("packages", "files") for each in archive.sbom[kind])]
        equal(len(elements), len(set(elements)), "identifiers that are used once")
        ends = {each[end] for each in archive.sbom["relationships"] for end in ("spdxElementId", "relatedSpdxElement")}
        equal(ends, set(elements), "identifiers that stand in a relationship")
        declared = {package["licenseDeclared"] for package in archive.sbom["packages"]} - {"MIT"}
        equal(declared, {each["licenseId"] for each in archive.sbom["hasExtractedLicensingInfos"]}, "terms")


def related(archive, one, kind):
    """What an element of an SBOM is related to."""
    return {each["relatedSpdxElement"] for each in archive.sbom["relationships"] if each["spdxElementId"] == one and each["relationshipType"] == kind}


def the_sbom_says_what_is_inside(release):
    """Every file with its checksums, every package that is linked, and nothing else."""
    for archive in release.archives():
        packages = {package["SPDXID"]: package for package in archive.sbom["packages"]}
        files = {file["SPDXID"]: file for file in archive.sbom["files"]}
        (whole,) = related(archive, "SPDXRef-DOCUMENT", "DESCRIBES")
        equal(packages[whole]["checksums"][0]["checksumValue"], digest("sha256", archive.path), "the checksum of " + archive.name)
        sums = {file["fileName"]: [each["checksumValue"] for each in file["checksums"]] for file in files.values()}
        equal(sums, {path: [digest("sha1", there), digest("sha256", there)] for path, there in files_below(archive.tree).items()}, "files of " + archive.name)
        equal(related(archive, whole, "CONTAINS") & set(files), set(files), "files that it contains")
        for package in packages.values():
            inside = related(archive, package["SPDXID"], "CONTAINS") & set(files)
            equal(package["filesAnalyzed"], bool(inside), "filesAnalyzed of " + package["name"])
            if inside:
                joined = "".join(sorted(files[file]["checksums"][0]["checksumValue"] for file in inside))
                equal(package["packageVerificationCode"]["packageVerificationCodeValue"], hashlib.sha1(joined.encode()).hexdigest(), "code of " + package["name"])


def named_packages(archive):
    """Names of the packages that the program is linked with, dynamically and statically, and that it reads files of; they have to be in the image, or
    in the package or named by it."""
    packages = {package["SPDXID"]: package["name"] for package in archive.sbom["packages"]}
    (whole,) = related(archive, "SPDXRef-DOCUMENT", "DESCRIBES")
    kinds = [{packages[each] for each in related(archive, "SPDXRef-Program", kind)} for kind in ("DYNAMIC_LINK", "STATIC_LINK", "DEPENDS_ON")]
    named = {packages[each] for each in (related(archive, whole, "CONTAINS") | related(archive, whole, "DEPENDS_ON")) - {"SPDXRef-Program"} if each in packages}
    equal(named, set().union(*kinds), "packages in " + archive.name)
    return kinds


def the_sbom_names_the_packages(release):
    """All that the package depends on, all shared objects and authorities of the image, and what is linked statically: the allocator, base64, the C
    library's start."""
    for archive in release.archives():
        dynamic, static, data = named_packages(archive)
        # The start of a program for another architecture comes with the cross compiler.
        own = {name.removesuffix("-arm64-cross") for name in static}
        equal(own, {"libb64-dev", "libc6-dev", "libgcc-12-dev", "libjemalloc-dev", "libxxhash-dev"}, "linked statically in " + archive.name)
        if archive in release.debs:
            wanted = set(re.findall(r"(?:^|, )([a-z0-9.+-]+)", archive.fields["Depends"])) - {"systemd"}
            equal(wanted - dynamic, set(), "packages that it depends on and the SBOM lacks")
            check(len(wanted) > 8, "it depends on %s", archive.fields["Depends"])
            equal(data, set(), "packages whose files are in it")
        else:
            wanted = {file["SPDXID"] for file in archive.sbom["files"] if ".so" in file["fileName"] or file["fileName"].startswith("./etc/ssl/")}
            ids = [package["SPDXID"] for package in archive.sbom["packages"] if package["supplier"] == "Organization: Debian"]
            equal(set().union(*(related(archive, package, "CONTAINS") for package in ids)), wanted, "files that are of a package")
            check(len(wanted) > 10, "%d files of packages", len(wanted))
            equal(data, {"ca-certificates"}, "packages that it reads files of")


def checksums_are_right(release):
    """SHA256SUMS, in a whole release, has every file; one that is changed is noticed."""
    path = os.path.join(release.folder, "SHA256SUMS")
    if not release.images:
        return
    listed = dict(reversed(line.split("  ")) for line in text_of(path).splitlines())
    equal(listed, {name: digest("sha256", os.path.join(release.folder, name)) for name in os.listdir(release.folder) if name != "SHA256SUMS"}, "SHA256SUMS")
    run("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS", cwd=release.folder)


def lintian_finds_nothing(release):
    """Nothing at all from "warning" upwards, and no override that would hide something."""
    for deb in release.debs:
        done = subprocess.run(["lintian", "--allow-root", "--fail-on", "warning,error", "--show-overrides", deb.path], capture_output=True, text=True, timeout=600)
        equal((done.returncode, done.stdout + done.stderr), (0, ""), "lintian of " + deb.name)
