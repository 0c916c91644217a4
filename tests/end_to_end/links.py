"""The pages hang together: README is short, each link leads somewhere, and each page is reached from README."""
import os
import re

from documentation import ROOT
from harness import test
from support.checks import check, equal

README_LINES = 150
INVENTED = r"/(test_)?queue\.\w+$"  # src/README.md shows by it how a family is added


def pages():
    """Where all .md files of the project are, from its top."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in ("build", ".git")]
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names if name.endswith(".md")]
    check(len(found) >= 10, "%d pages were found", len(found))
    return sorted(found)


def text_of(page):
    """A page without its examples, in which there may be anything."""
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        return re.sub(r"(?ms)^ *```.*?^ *```$", "", file.read())


def anchors(page):
    """The names that GitHub gives to the headings of a page."""
    seen, names = {}, set()
    for heading in re.findall(r"^#+ (.*)$", text_of(page), re.M):
        heading = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        names.add("%s-%d" % (name, seen[name]) if name in seen else name)
        seen[name] = seen.get(name, 0) + 1
    return names


def links(page):
    """(file from the top, anchor or "") for each link of a page that does not leave the project."""
    for target in re.findall(r"\[[^]]*\]\(([^)\s]+)\)", text_of(page)):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page, anchor


@test
def readme_is_one_screen(context):
    """It says what this is, how to run and test it, and where the rest is."""
    text = open(os.path.join(ROOT, "README.md"), encoding="utf-8").read()
    count = len(text.split("\n")) - 1
    check(count <= README_LINES, "README has %d lines: move what is new to the page of its subject", count)
    for command in ("make run", "make test"):
        check(re.search(r"^%s " % command, text, re.M), "README lacks %r", command)


@test
def links_of_pages_lead_somewhere(context):
    for page in pages():
        for path, anchor in links(page):
            check(os.path.exists(os.path.join(ROOT, path)), "%s leads to %s, which is not there", page, path)
            if anchor:
                check(anchor in anchors(path), "%s leads to #%s of %s, which has %s", page, anchor, path, sorted(anchors(path)))


@test
def files_that_pages_name_exist(context):
    """Paths from the top in code marks, such as `docker/compose.yaml`."""
    for page in pages():
        for path in re.findall(r"`((?:docker|include|src|tests|vendor)/[\w./-]*[\w/])`", text_of(page)):
            check(re.search(INVENTED, path) or os.path.exists(os.path.join(ROOT, path)), "%s names %s, which is not there", page, path)


@test
def pages_are_reached_from_readme(context):
    reached, left = {"README.md"}, ["README.md"]
    while left:
        further = {path for path, _ in links(left.pop()) if path.endswith(".md")} - reached
        reached |= further
        left += further
    equal(sorted(set(pages()) - reached), [], "pages that no link leads to")
