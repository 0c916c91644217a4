"""A strict reader of the Prometheus text format 0.0.4: whatever Prometheus might refuse, or we promised not to write, is a Failure."""
import math
import re

from support.checks import Failure, check

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|Inf)|NaN")
TYPES = ("counter", "gauge", "histogram", "summary", "untyped")
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count"), "untyped": ("", "_bucket", "_sum", "_count")}


def number_of(text):
    check(NUMBER.fullmatch(text), "a number is spelled %r", text)
    return float(text.replace("Inf", "inf"))


class Page:
    def __init__(self, data):
        try:
            self.text = data.decode("utf-8")
        except UnicodeDecodeError as problem:
            raise Failure("the page is not UTF-8: %s" % problem)
        self.types = {}
        self.samples = {}  # (name, labels as a sorted tuple of pairs) -> value
        self.families = {}  # family -> the keys of its samples, in order
        self._family = None
        check(self.text.endswith("\n") and "\r" not in self.text.split("# HELP", 1)[0], "the page does not end in a newline")
        for number, line in enumerate(self.text[:-1].split("\n"), 1):
            try:
                self._read(line)
            except Failure as failure:
                raise Failure("line %d of the page, %.160r: %s" % (number, line, failure))
        check(list(self.types) == sorted(self.types), "the families are not sorted")
        self._check_composites()
        self._by_name = {}
        for (name, labels), value in self.samples.items():
            self._by_name.setdefault(name, []).append((dict(labels), value))

    def _read(self, line):
        if line.startswith("# "):
            match = re.fullmatch(r"# (HELP|TYPE) (\S+) (.+)", line)
            check(match and NAME.fullmatch(match.group(2)), "not a HELP or TYPE line")
            kind, name, rest = match.groups()
            if kind == "HELP":
                check(name not in self.families, "a second HELP line")
                check(self._family is None or self._family in self.types, "the last HELP line has no TYPE line")
                self.families[name] = []
                self._family = name
            else:
                check(name == self._family and name not in self.types, "a TYPE line that does not follow its HELP line")
                check(rest in TYPES, "type %r", rest)
                self.types[name] = rest
            return
        match = NAME.match(line)
        check(match, "not a sample")
        name, at, labels = match.group(0), match.end(), {}
        check(self._family in self.types, "a sample without a TYPE line")
        kind = self.types[self._family]
        check(name in [self._family + suffix for suffix in SUFFIXES.get(kind, ("",))], "a sample of family %s, a %s", self._family, kind)
        if line[at : at + 1] == "{":
            at += 1
            while line[at : at + 1] != "}":
                match = LABEL.match(line, at)
                check(match, "a bad label at column %d", at)
                label = match.group(1)
                check(label not in labels, "label %s stands twice", label)
                check(not label.startswith("__"), "label %s is Prometheus's own", label)
                labels[label] = re.sub(r"\\.", lambda m: ESCAPES[m.group(0)], match.group(2))
                check(labels[label] != "", "label %s is empty", label)
                at = match.end()
                if line[at : at + 1] == ",":
                    at += 1
            at += 1
        check(line[at : at + 1] == " ", "no space before the value")
        value = number_of(line[at + 1 :])
        composite = kind in ("histogram", "untyped") and name.endswith("_bucket")
        check(("le" in labels) == composite or kind == "untyped", "label le on a sample that is no bucket, or a bucket without")
        check("quantile" not in labels or kind in ("summary", "untyped"), "label quantile on a %s", kind)
        if "le" in labels:
            number_of(labels["le"])
            check(not labels["le"].endswith(".0"), "le is %r", labels["le"])
        if kind == "counter":
            check(not math.isnan(value), "a counter is NaN")
        key = (name, tuple(sorted(labels.items())))
        check(key not in self.samples, "the series stands twice")
        self.samples[key] = value
        self.families[self._family].append(key)

    def _check_composites(self):
        for family, kind in self.types.items():
            check(self.families[family], "family %s has no samples", family)
            if kind != "histogram":
                continue
            buckets = {}
            for name, labels in self.families[family]:
                rest = tuple(pair for pair in labels if pair[0] != "le")
                series = buckets.setdefault(rest, {"le": []})
                value = self.samples[(name, labels)]
                if name.endswith("_bucket"):
                    series["le"].append((number_of(dict(labels)["le"]), value))
                else:
                    series[name[len(family):]] = value
            for labels, series in buckets.items():
                if not series["le"] and len(series) == 2:
                    continue  # not of this histogram: another app's metric that has the name of one of its lines
                check("_sum" in series and "_count" in series, "histogram %s%s lacks sum or count", family, dict(labels))
                bounds = [bound for bound, _ in series["le"]]
                counts = [count for _, count in series["le"]]
                check(bounds == sorted(set(bounds)) and bounds[-1:] == [math.inf], "histogram %s has the bounds %r", family, bounds)
                check(counts == sorted(counts) and counts[-1] == series["_count"], "histogram %s has the counts %r", family, counts)

    # ---- what tests ask ----

    def value(self, name, **labels):
        """The value of exactly this series, or None."""
        return self.samples.get((name, tuple(sorted((k, str(v)) for k, v in labels.items()))))

    def select(self, name, **labels):
        """All series of a name that have these labels: labels as a dict, and value."""
        wanted = {(k, str(v)) for k, v in labels.items()}
        return [(labels, value) for labels, value in self._by_name.get(name, []) if wanted <= labels.items()]

    def total(self, name, **labels):
        return sum(value for _, value in self.select(name, **labels))

    def names(self):
        return set(self.families)


FATES = ("recognised", "ignored", "malformed", "duplicate")


def ledgers(page):
    """The ledgers of all apps on the page ("" where there is no app); each must balance."""
    books = {}
    for fate in ("received",) + FATES:
        for labels, value in page.select("drain_exporter_messages_%s_total" % fate):
            book = books.setdefault(labels.get("app", ""), dict.fromkeys(("received",) + FATES, 0))
            book[fate] += value
    for labels, value in page.select("drain_exporter_messages_foreign_total"):
        if value > 0:  # what the shared user posts for others; most tests have none of these
            books[labels.get("app", "")]["foreign"] = value
    for labels, value in page.select("drain_exporter_messages_refused_total"):
        books[labels["app"]]["refused"] = books[labels["app"]].get("refused", 0) + value
    for app, book in books.items():
        check(book["received"] == sum(book.values()) - book["received"], "the ledger of %s does not balance: %r", app, book)
    return books


def ledger(page, app):
    """The ledger of one app."""
    books = ledgers(page)
    check(app in books, "there is no ledger of %s", app)
    return books[app]
