"""The status page at / and the same as JSON at /status: who sees what, and how the page fares in a real browser."""
import gzip
import json
import os
import shutil
import signal
from urllib.parse import quote

from harness import Skip, test
from support.checks import check, equal
from support.chromium import Browser
from support.exporter import AUTH_DRAIN, AUTH_METRICS, METRICS_PASSWORD
from support.http_client import basic
from support.lines import line, router_error
from support.waiting import wait_for

HOSTILE = "<img src=x onerror=alert(1)>\"'&"
CONFIGURATION = """
drains:
  - {name: shop, app: shop, labels: {team: a}}
  - {name: never, app: never-seen}
scrapes:
  - {name: team, password: team-password, apps: [shop]}
rules:
  - name: jobs
    match: '^job (?<kind>\\w+)'
    metrics: [{counter: jobs_total, labels: {kind: $kind}}]
"""


def get(server, target, auth=AUTH_METRICS, method="GET", **headers):
    return server.request(method, target, {**(auth or {}), **headers})


def status(server, section="", auth=AUTH_METRICS):
    answer = get(server, "/status" + section, auth)
    equal(answer.status, 200, "the status of /status%s, which says %r" % (section, answer.body[:200]))
    return json.loads(answer.body)


def app_of(section, name):
    return next((app for app in section["apps"]["list"] if app["app"] == name), None)


def server_with_apps(context, **settings):
    """Its status knows the apps."""
    server = context.server(CONFIG_FILE=context.file("config.yaml", CONFIGURATION), **settings)
    server.post(router_error("H12") * 3 + line("job mail", "app", "web.1") + line("nothing of use", "app", "web.1"), "shop")
    server.post(router_error("H12"), "blog")
    server.post(router_error("H13"), quote(HOSTILE))
    wait_for(lambda: app_of(status(server, "/working"), HOSTILE), "the status has the apps", 20)
    return server


# ---- who sees what ----


@test
def status_without_a_password(context):
    server = server_with_apps(context)
    failures = server.first_page().select("drain_exporter_login_failures_total", role="metrics", user="__none__")
    for _ in range(3):
        answer = get(server, "/", None)
        equal(answer.status, 401, "the status")
        equal(answer.header("www-authenticate"), 'Basic realm="metrics"', "the challenge, by which browsers ask for the password")
        check(b"drain_exporter" in answer.body and b"/metrics" in answer.body, "it does not say what it is: %r", answer.body)
        equal(answer.body.count(b"\n"), 1, "lines")
        check(b"shop" not in answer.body and b"blog" not in answer.body, "it names an app: %r", answer.body)
    equal(server.first_page().select("drain_exporter_login_failures_total", role="metrics", user="__none__"), failures, "log-ins that failed")
    equal(get(server, "/", {"Authorization": basic("metrics", "wrong")}).status, 401, "the status with a wrong password")
    equal(get(server, "/status", None).status, 401, "the status of /status")
    equal(get(server, "/status", AUTH_DRAIN).status, 401, "the status of /status for who may post")


@test
def status_as_json(context):
    server = server_with_apps(context)
    whole = status(server)
    equal(sorted(whole), ["rates", "sees", "settings", "speakers", "start_timestamp_seconds", "timestamp_seconds", "version", "working"], "members")
    for section in ("working", "sees", "rates", "speakers", "settings"):
        equal(sorted(status(server, "/" + section)), sorted(whole[section]), "the members of %s alone" % section)
    equal(get(server, "/status/nonsense").status, 404, "the status of another section")
    equal(get(server, "/statusx").status, 404, "the status of another path")
    shop = app_of(whole["working"], "shop")
    equal(shop["messages"]["received"], 5, "messages of shop")
    equal(shop["messages"]["recognised"], 4, "of them, with metrics")
    equal(shop["messages"]["ignored"], 1, "of them, without")
    equal(shop["configured"], True, "it is in the configuration")
    check(shop["series"]["held"] > 0, "it holds no series")
    equal(app_of(whole["working"], "never-seen")["last_batch_timestamp_seconds"], None, "the last batch of who never posted")
    equal(app_of(whole["sees"], "shop")["families"]["router"], 3, "router lines")
    equal(whole["sees"]["rules"]["list"][0]["rule"], "jobs", "the rule")
    wait_for(lambda: sum(m or 0 for m in app_of(status(server, "/rates"), "shop")["messages"]) == 5, "the last hour has the messages", 15)
    names = {(one["role"], one["name"]) for one in whole["speakers"]["credentials"]["list"]}
    check({("drain", "drain"), ("metrics", "metrics"), ("metrics", "team")} <= names, "credentials %s", names)
    server.request("POST", "/drain", {"Authorization": basic("shop", "wrong")}, b"")
    check(any(login["user"] == "__other__" or login["user"] == "shop" for login in status(server, "/speakers")["login_failures"]["list"]), "no log-in failed")
    equal(app_of(status(server, "/working?app=blog"), "shop"), None, "shop, if blog was asked for")
    check(app_of(status(server, "/working?app=blog"), "blog"), "blog is not there")


@test
def status_of_settings(context):
    server = server_with_apps(context, MAX_SERIES="5000")
    section = status(server, "/settings")
    by_name = {one["name"]: one for one in section["settings"]}
    equal(by_name["MAX_SERIES"], {"name": "MAX_SERIES", "value": "5000", "origin": "variable", "secret": False}, "MAX_SERIES")
    equal(by_name["MAX_APPS"]["origin"], "default", "the origin of MAX_APPS")
    equal(by_name["WORKERS"]["origin"], "computed", "the origin of WORKERS")
    equal(by_name["PASSWORD_METRICS"]["value"], "set", "PASSWORD_METRICS")
    equal(by_name["TOKEN_METRICS"]["value"], None, "TOKEN_METRICS")
    for target in ("/", "/status"):
        check(METRICS_PASSWORD.encode() not in get(server, target).body and b"team-password" not in get(server, target).body, "a password is on %s", target)
    equal(section["configuration"]["last_failed_load"], None, "the last failed load")
    first = section["configuration"]["last_load"]
    equal(len(first["sha256"]), 64, "digits of the digest")
    context.file("config.yaml", CONFIGURATION + "nonsense: 1\n")
    server.tell(signal.SIGHUP)
    failed = wait_for(lambda: status(server, "/settings")["configuration"]["last_failed_load"], "the load has failed", 10)
    check("this key is not known" in failed["messages"], "the messages are %r", failed["messages"])
    equal(status(server, "/settings")["configuration"]["last_load"], first, "the load that is in force")
    check(any(problem["problem"] == "ReloadFailed" for problem in status(server, "/working")["problems"]["list"]), "nobody is told of the failed load")
    check(b"could not be read" in get(server, "/").body, "the page does not say that the load failed")


@test
def status_of_own_apps(context):
    server = server_with_apps(context)
    team = {"Authorization": basic("team", "team-password")}
    whole = status(server, "", team)
    equal(whole["sees"] if isinstance(whole["sees"], str) else None, None, "sees")
    equal([app["app"] for app in whole["working"]["apps"]["list"]], ["shop"], "the apps that the team sees")
    equal(whole["working"]["apps"]["count"], 1, "their count")
    for member in ("speakers", "settings"):
        check(member not in whole, "the team gets %s", member)
        equal(get(server, "/status/" + member, team).status, 403, "the status of %s" % member)
    for target in ("/", "/status", "/?app=blog", "/status?app=blog"):
        body = get(server, target, team).body
        for secret in (b"blog", b"never-seen", b"onerror", b"MAX_SERIES", b"jobs"):
            check(secret not in body.replace(b'value="blog"', b""), "%s shows %s to the team", target, secret)


@test
def status_of_lines_without_a_metric(context):
    """The commonest shapes with an example and a rule, which takes such lines; nothing that looks like a secret."""
    server = server_with_apps(context)
    server.post(b"".join(line("user=bob@example.com order=123456789 token=sk_live_4eC39HqLyjW state=paid took=%dms" % i, "app", "web.1") for i in range(9)), "blog")

    def unmatched(auth=AUTH_METRICS):
        return {app["app"]: app["unmatched"] for app in status(server, "/sees", auth)["apps"]["list"]}

    shape = wait_for(lambda: next((one for one in unmatched()["blog"] if one["rule"]), None), "a shape has a rule", 20, 0.2)
    equal(shape["lines"], 9, "the lines of it")
    equal([one["example"] for one in unmatched()["shop"]], ["nothing of use"], "the examples of another app")
    for target in ("/status", "/"):
        body = get(server, target).body
        check(b"state=paid" in body, "%s lacks the example", target)
        for secret in (b"bob@example.com", b"123456789", b"sk_live"):
            check(secret not in body, "%s shows %s", target, secret)
    team = {"Authorization": basic("team", "team-password")}
    equal(list(unmatched(team)), ["shop"], "the apps of which the team sees lines")
    with open(context.file("config.yaml", CONFIGURATION), "a") as config:
        config.write(shape["rule"])
    server.tell(signal.SIGHUP)
    wait_for(lambda: unmatched()["blog"] == [], "a reload begins anew", 20)
    server.post(line("user=a order=1 token=b state=paid took=5ms", "app", "web.1"), "blog")
    wait_for(lambda: server.page().value("drain_exporter_messages_recognised_total", app="blog", family="rules") == 1, "the rule takes a line of the shape")
    quiet = context.server(SHOW_UNMATCHED="false")
    quiet.post(line("nothing of use", "app", "web.1"), "shop")
    wait_for(lambda: app_of(status(quiet, "/working"), "shop"), "the status has the app", 20)
    equal(app_of(status(quiet, "/sees"), "shop")["unmatched"], None, "what is shown if it is off")
    check(b"nothing of use" not in get(quiet, "/").body, "the page shows it all the same")


@test
def status_by_method(context):
    server = server_with_apps(context)
    for target in ("/", "/status"):
        whole = get(server, target)
        head = get(server, target, method="HEAD")
        equal(head.status, 200, "the status of HEAD %s" % target)
        equal(head.body, b"", "the body of HEAD %s" % target)
        equal(head.header("content-type"), whole.header("content-type"), "its type")
        post = get(server, target, method="POST")
        equal((post.status, post.header("allow")), (405, "GET, HEAD"), "POST %s" % target)
        for header, value in (("cache-control", "no-store"), ("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"), ("vary", "Accept-Encoding")):
            equal(whole.header(header), value, "%s of %s" % (header, target))
        packed = get(server, target, **{"Accept-Encoding": "gzip"})
        equal(packed.header("content-encoding"), "gzip", "the encoding of %s" % target)
        check(len(gzip.decompress(packed.body)) > len(packed.body), "it is no smaller")
    policy = get(server, "/").header("content-security-policy")
    check(policy.startswith("default-src 'none'") and "unsafe" not in policy and "frame-ancestors 'none'" in policy, "the policy is %s", policy)


@test
def status_of_many_apps(context):
    server = context.server()
    for i in range(130):
        server.post(router_error("H12") * (1 + i % 3), "app-%d" % i)
    server.post(b"9 malformed" * 1 + router_error("H12"), "bad-app")
    section = wait_for(lambda: (lambda found: found["apps"]["count"] == 131 and found)(status(server, "/working")), "the status has the apps", 20)
    equal((section["apps"]["shown"], len(section["apps"]["list"])), (100, 100), "the apps that are shown")
    equal(section["messages_received"], sum(1 + i % 3 for i in range(130)) + app_of(section, "bad-app")["messages"]["received"], "messages of all apps")
    check(b"These are 100 of 131 apps" in get(server, "/").body, "the page does not say that it was cut")


# ---- in a browser ----

CHECKS = r"""(() => {
  const wrong = [];
  const luminance = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const colour = (text) => text.match(/[\d.]+/g).map(Number);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = colour(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const contrast = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  for (let node; (node = walk.nextNode());) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("script") || !element.checkVisibility()) continue;
    texts++;
    const ratio = contrast(colour(getComputedStyle(element).color), ground(element));
    if (ratio < 4.5) wrong.push(`contrast ${ratio.toFixed(2)} of "${node.data.trim().slice(0, 30)}"`);
  }
  for (const svg of document.querySelectorAll("svg"))
    if (svg.checkVisibility() && contrast(colour(getComputedStyle(svg).color), ground(svg)) < 3) wrong.push("contrast of a chart");
  for (const table of document.querySelectorAll("table")) {
    if (!table.caption || !table.caption.textContent.trim()) wrong.push("a table without a caption");
    for (const head of table.querySelectorAll("th")) if (!head.scope) wrong.push("a th without scope");
    for (const head of table.querySelectorAll("thead th")) {
      const words = document.createRange();
      for (const word of head.textContent.matchAll(/\S+/g)) {
        words.setStart(head.firstChild, word.index);
        words.setEnd(head.firstChild, word.index + word[0].length);
        if (words.getClientRects().length > 1) wrong.push(`"${word[0]}" is broken in the middle`);
      }
    }
  }
  const ids = Array.from(document.querySelectorAll("[id]"), (one) => one.id);
  if (new Set(ids).size !== ids.length) wrong.push("an id stands twice");
  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) wrong.push(`h${next} follows h${level}`);
    level = next;
  }
  if (document.querySelectorAll("h1").length !== 1) wrong.push("there is not one h1");
  if (document.documentElement.scrollWidth > innerWidth) wrong.push(`it is wider than the window: ${document.documentElement.scrollWidth}`);
  for (const one of document.querySelectorAll("a, button, input, summary")) {
    const box = one.getBoundingClientRect();
    if (one.checkVisibility() && box.left > -100 && box.height < 24 && one.closest("header")) wrong.push(`${one.tagName} is ${box.height} high`);
  }
  if (!document.documentElement.lang) wrong.push("no language");
  if (texts < 50) wrong.push("there is too little text to judge: " + texts);
  return wrong;
})()"""


def browser_of(context):
    if context.sanitizer is not None:
        raise Skip("a browser tells nothing more of this build")
    if shutil.which("chromium") is None:
        raise Skip("there is no chromium")
    browser = Browser(context.folder)
    context.closers.append(browser.close)
    return browser


def address(server):
    return "http://metrics:%s@127.0.0.1:%d/" % (METRICS_PASSWORD, server.port)


@test
def status_page_looks_well(context):
    server = server_with_apps(context)
    browser = browser_of(context)
    pictures = os.path.join(os.path.dirname(os.path.abspath(context.program)), "pictures")
    os.makedirs(pictures, exist_ok=True)
    for name, width, height in (("phone", 390, 844), ("desktop", 1280, 900)):
        for scheme in ("light", "dark"):
            browser.show(width, height, scheme, mobile=name == "phone")
            browser.open(address(server))
            browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            equal(browser.evaluate(CHECKS), [], "what is wrong on a %s in %s" % (name, scheme))
            browser.picture(os.path.join(pictures, "status-%s-%s.png" % (name, scheme)))
    told = browser.accessible()
    for role in ("banner", "navigation", "main", "search", "heading", "table", "columnheader", "rowheader", "region"):
        check(any(one == role for one, _ in told), "no %s for a screen reader", role)
    for role, name in told:
        if role in ("link", "button", "textbox", "searchbox", "table", "image", "img", "navigation", "region", "search", "heading", "DisclosureTriangle"):
            check(name.strip(), "a %s has no name", role)
    equal(browser.complaints, [], "what the browser complains of")
    for url in browser.requests:
        check(url.startswith(("http://127.0.0.1:%d/" % server.port, "http://metrics:", "data:")), "it asks for %s", url)
    equal(browser.evaluate("document.querySelectorAll('main img').length"), 0, "images that an app's name has made")
    check(HOSTILE in browser.evaluate("document.querySelector('main').textContent"), "the name is not on the page as it is")


@test
def status_page_by_keyboard(context):
    server = server_with_apps(context)
    browser = browser_of(context)
    browser.show(1280, 900)
    browser.open(address(server))
    browser.evaluate("document.querySelector('#refresh').previousElementSibling.click()")  # Pause
    expected = browser.evaluate("""Array.from(document.querySelectorAll('a, button, input, summary, pre[tabindex="0"]'))
        .filter((one) => one.checkVisibility()).map((one) => one.textContent.slice(0, 40) || one.id)""")
    check(len(expected) > 10, "there is too little to reach: %s", expected)
    reached = []
    for _ in expected:
        browser.press("Tab")
        reached.append(browser.evaluate("document.activeElement.textContent.slice(0, 40) || document.activeElement.id"))
        check(browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", "the focus at %r cannot be seen", reached[-1])
    equal(reached, expected, "the order by Tab")
    browser.evaluate("document.querySelector('summary').focus()")
    browser.press("Enter", "\r")
    equal(browser.evaluate("document.querySelector('details').open"), True, "whether Enter opens an app")
    equal(browser.complaints, [], "what the browser complains of")


@test
def status_page_refreshes(context):
    server = server_with_apps(context)
    browser = browser_of(context)
    browser.show(390, 500, mobile=True)
    browser.open(address(server))
    browser.evaluate("""(() => { const one = document.querySelectorAll('#sees details')[1]; one.open = true; one.querySelector('summary').focus();
        window.scrollTo(0, 400); window.kept = one.dataset.key; })()""")
    before = browser.evaluate("window.scrollY")
    check(before > 100, "the page is too short to scroll")
    server.post(router_error("H12"), "newcomer")
    wait_for(lambda: "newcomer" in browser.evaluate("document.querySelector('main').textContent"), "the page has the new app", 40, 0.2)
    equal(browser.evaluate("window.scrollY"), before, "where it was scrolled to")
    check(browser.evaluate("Array.from(document.querySelectorAll('#sees details')).find((one) => one.dataset.key === window.kept).open"), "what was open is closed")
    equal(browser.evaluate("document.activeElement.parentElement.dataset.key === window.kept"), True, "whether the focus stays")
    server.tell(signal.SIGSTOP)
    try:
        equal(browser.evaluate("document.hidden"), False, "whether the page is hidden")
    finally:
        server.tell(signal.SIGCONT)
    equal(browser.complaints, [], "what the browser complains of")


@test
def status_page_without_scripts(context):
    server = server_with_apps(context)
    browser = browser_of(context)
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.show(390, 844, mobile=True)
    browser.open(address(server))
    equal(browser.evaluate("document.querySelectorAll('header button').length"), 1, "buttons: that of the form alone, as nothing refreshes")
    check("shop" in browser.evaluate("document.querySelector('main').innerText"), "shop is not there")
    browser.evaluate("document.querySelector('summary').focus()")
    browser.press("Enter", "\r")
    equal(browser.evaluate("document.querySelector('details').open"), True, "whether an app opens")
    browser.evaluate("document.querySelector('#app').focus()")
    browser.call("Input.insertText", text="blog")
    browser.press("Enter", "\r")
    wait_for(lambda: browser.evaluate("location.search === '?app=blog' && document.readyState === 'complete'"), "only one app is shown", 10)
    names = browser.evaluate("Array.from(document.querySelectorAll('#working tbody th'), (one) => one.textContent)")
    equal(names, ["blog"], "the apps that are shown")
    equal(browser.complaints, [], "what the browser complains of")
