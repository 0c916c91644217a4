#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/reserved.h"
#include "config/configuration.h"
#include "config/mistakes.h"
#include "support.h"

/* Passwords in the texts below; no message may hold one. */
#define SECRET_WORD "s3cret"

static char messages[1 << 20];

/* Parse text; its mistakes are in messages. */
static struct configuration *parse(struct slice text, enum configuration_passwords passwords)
{
    struct buffer mistakes = {0};
    struct configuration *file = configuration_parse(guarded(text), "CONFIG", passwords, &mistakes);
    assert_false(mistakes.failed);
    assert_true(mistakes.length < sizeof messages);
    assert_int_equal(file == NULL, mistakes.length > 0);
    if (mistakes.length > 0)
        memcpy(messages, mistakes.at, mistakes.length);
    messages[mistakes.length] = '\0';
    assert_null(strstr(messages, SECRET_WORD));
    buffer_free(&mistakes);
    return file;
}

static struct configuration *parse_valid(const char *text)
{
    struct configuration *file = parse(slice_of(text), PASSWORDS_WITH_SHARED);
    if (file == NULL)
        fail_msg("%s%s", text, messages);
    return file;
}

static void valid(void **state)
{
    (void)state;
    struct configuration *file = parse_valid("# several apps\n"
                                             "drains:\n"
                                             "  - name: shop\n"
                                             "    app: my-shop\n"
                                             "    password: s3cret\n"
                                             "    tokens: [d.1, 'd.2']\n"
                                             "    labels: {team: payments, _t2: \"a\\nb\"}\n"
                                             "  - {name: blog, app: my-blog}\n"
                                             "  - name: k\xC3\xB6ln\n"
                                             "    password_hash: $y$j9T$cyH94v.Obkb8InjI.Tulm1$"
                                             "8T9/rbwhMePeOhQU9PyFl.7Nd2tGtuOapV46UhEKiZ/\n"
                                             "  - {name: '123', app: my-shop, tokens: []}\n");
    assert_int_equal(file->drain_count, 4);
    const struct config_drain *shop = &file->drains[0];
    assert_string_equal(shop->name, "shop");
    assert_string_equal(shop->app, "my-shop");
    assert_string_equal(shop->password, "s3cret");
    assert_null(shop->password_hash);
    assert_int_equal(shop->token_count, 2);
    assert_string_equal(shop->tokens[1], "d.2");
    assert_int_equal(shop->label_count, 2);
    assert_slice(shop->labels[0].name, "team");
    assert_slice(shop->labels[1].value, "a\nb");
    assert_true(config_drain_has_password(shop));
    assert_false(config_drain_has_password(&file->drains[1]));
    assert_null(file->drains[2].app);
    assert_true(config_drain_has_password(&file->drains[2]));
    configuration_free(file);
    configuration_free(parse_valid("drains: []\n"));
    configuration_free(parse_valid("---\n{}\n...\n"));
    configuration_free(parse_valid("\xEF\xBB\xBF"
                                   "drains: []"));
    configuration_free(NULL);
}

/* Whose pages an entry of scrapes may read. */
static void scrapes(void **state)
{
    (void)state;
    struct configuration *file = parse_valid("scrapes:\n"
                                             "- {name: shop, password: s3cret, apps: [my-shop, a/b/c]}\n"
                                             "- {name: acme, password: s3cret, organization: acme}\n"
                                             "- {name: prod, password: s3cret, organization: acme, space: prod}\n");
    static const struct {
        const char *app;
        bool seen[3];
    } apps[] = {
        {"my-shop", {true, false, false}},           {"a/b/c", {true, false, false}},
        {"my-shop2", {false, false, false}},         {"acme/prod/x", {false, true, true}},
        {"acme/prod/", {false, true, true}},         {"acme/prod", {false, true, false}},
        {"acme/dev/x", {false, true, false}},        {"acme", {false, false, false}},
        {"acme2/prod/x", {false, false, false}},     {"prod/acme/x", {false, false, false}},
        {"acme/production/x", {false, true, false}}, {"", {false, false, false}},
    };
    assert_int_equal(file->scrape_count, 3);
    assert_string_equal(file->scrapes[0].user.name, "shop");
    for (size_t i = 0; i < sizeof apps / sizeof apps[0]; i++)
        for (int j = 0; j < 3; j++)
            if (config_scrape_sees(&file->scrapes[j], apps[i].app) != apps[i].seen[j])
                fail_msg("%s and %s", file->scrapes[j].user.name, apps[i].app);
    configuration_forget_passwords(file);
    assert_string_equal(file->scrapes[0].user.password, "");
    configuration_free(file);
}

#define DRAIN "drains:\n- name: a\n  app: a\n"
#define HASH \
    "$6$LpisupEmsSHNqISj$t7tatIYF5BUWzyOJG08LgJz9ZegZKMmVf3Ho3Z.TKZdW.CiYQ.o5bO0jaAMhKzoOBcZhORnbcClLFJ0oTWz2V."

static const struct {
    const char *text;
    const char *messages; /* each begins with "CONFIG", left out here */
} wrong[] = {
    /* YAML */
    {"", ": there is nothing in it\n"},
    {"# only this\n", ": there is nothing in it\n"},
    {"drains", ":1:1: the configuration must be a mapping\n"},
    {"[drains]", ":1:1: the configuration must be a mapping\n"},
    {"drains:\n- name: a\n password: s3cret", ":3:2: did not find expected key (while parsing a block mapping)\n"},
    {"drains: [s3cret", ":2:1: did not find expected ',' or ']' (while parsing a flow sequence)\n"},
    {"drains: a: s3cret", ":1:10: mapping values are not allowed in this context\n"},
    {"drains: []\n\x01", ":2:1: control characters are not allowed\n"},
    {"\xC3\xB6\xFF", ":1:2: invalid leading UTF-8 octet\n"},
    {"drains: []\n---\ndrains: []\n", ":2:1: there is more than one YAML document\n"},
    {"drains: &s3cret []\n", ":1:9: there are no anchors here; a text that starts with '&' needs quotes\n"},
    {DRAIN "  password: *s3cret\n", ":4:13: there are no aliases here; a text that starts with '*' needs quotes\n"},
    {DRAIN "  password: !s3cret x\n", ":4:13: drain \"a\": password has a tag; there are none here\n"},
    {DRAIN "  password: !!int 5\n", ":4:13: drain \"a\": password has a tag; there are none here\n"},
    /* keys */
    {"drain: []\n", ":1:1: this key is not known; there is drains, rules and scrapes\n"},
    {"drains: []\ndrains: []\n", ":2:1: drains is given twice\n"},
    {"[a]: []\n", ":1:1: this key is not known; there is drains, rules and scrapes\n"},
    {DRAIN "  s3cret: x\n  app: b\n",
     ":4:3: drain \"a\": this key is not known; there is name, app, password, password_file, password_hash, shared, "
     "tokens, labels, router_by_process, addon_app, platform, organization, space and cf_labels\nCONFIG:5:3: drain "
     "\"a\": app is given twice\n"},
    {"drains: {}", ":1:9: drains must be a list\n"},
    {"drains:", ":1:8: drains has no value\n"},
    {"drains: [x, [], ~]", ":1:10: a drain must be a mapping\nCONFIG:1:13: a drain must be a mapping\nCONFIG:1:17: a "
                           "drain has no value\n"},
    /* names */
    {"drains: [{app: a}]", ":1:10: a drain has no name\n"},
    {"drains: [{name: '', app: a}]", ":1:17: name is empty\n"},
    {"drains: [{name: , app: a}]", ":1:17: name has no value\n"},
    {"drains: [{name: [x], app: a}]", ":1:17: name must be text\n"},
    {"drains: [{name: 'a:b', app: a}]", ":1:17: drain \"a:b\": name holds a ':', which ends the user in a request\n"},
    {"drains: [{name: \"a\\tb\", app: a}]", ":1:17: name holds a control character\n"},
    {"drains: [{name: \"a\\0b\", app: a}]", ":1:17: name holds a NUL byte\n"},
    {"drains: [{name: drain, app: a}]", ":1:17: drain \"drain\": this name is the user of PASSWORD_DRAIN\n"},
    {"drains: [{name: 12345678901234567890123456789012345678901234567890123456789012345, app: a}]",
     ":1:17: name is longer than 64 bytes\n"},
    {"drains:\n- {name: a, app: a}\n- {name: a, app: b}\n- {name: a, app: c}\n",
     ":3:10: this name stands in line 2 already\nCONFIG:4:10: this name stands in line 3 already\n"},
    /* scrapes */
    {"scrapes: {}", ":1:10: scrapes must be a list\n"},
    {"scrapes: [x, {}]",
     ":1:11: a scrape must be a mapping\nCONFIG:1:14: a scrape has no name\nCONFIG:1:14: there are neither apps nor an "
     "organization, so it is not known what may be read\nCONFIG:1:14: there is no password, password_file or "
     "password_hash\n"},
    {"scrapes: [{name: metrics, password: x, apps: [a]}]",
     ":1:18: scrape \"metrics\": this name is the user of PASSWORD_METRICS\n"},
    {"scrapes: [{name: a, password: x, apps: []}]", ":1:40: scrape \"a\": there must be 1 to 1000 apps\n"},
    {"scrapes: [{name: a, password: x, password_hash: '" HASH "', organization: o, apps: [a]}]",
     ":1:11: scrape \"a\": there may be apps or an organization, not both\nCONFIG:1:11: scrape \"a\": there may be one "
     "of "
     "password, password_file and password_hash, not several\n"},
    {"scrapes: [{name: a, password: x, organization: o/s}]",
     ":1:48: scrape \"a\": organization holds a '/', which ends it in the name of an app\n"},
    {"scrapes: [{name: a, password: x, apps: [a], space: s}]",
     ":1:52: scrape \"a\": there is a space, but no organization that it is of\n"},
    {"scrapes: [{name: a, password: x, apps: [a]}, {name: a, password: y, organization: o}]",
     ":1:53: this name stands in line 1 already\n"},
    {"scrapes: [{name: a, password: x, apps: [a], tokens: [t]}]",
     ":1:45: scrape \"a\": this key is not known; there is name, password, password_file, password_hash, apps, "
     "organization and space\n"},
    /* apps */
    {"drains: [{name: a, app: ''}]", ":1:25: drain \"a\": app is empty\n"},
    {"drains: [{name: a, app: __other__}]", ":1:25: drain \"a\": app starts with \"__\"\n"},
    {"drains: [{name: a}]",
     ":1:10: drain \"a\": there is neither an app nor a password, so no batch can be known to be of it\n"},
    {"drains: [{name: a, tokens: [x]}]",
     ":1:10: drain \"a\": there is neither an app nor a password, so no batch can be known to be of it\n"},
    {"drains:\n- {name: a, app: a}\n- {name: b, app: a, password: x}\n- {name: c, app: a}\n",
     ":4:18: this app of a drain that is shared or has no password stands in line 2 already\n"},
    {"drains:\n- {name: a, app: a}\n- {name: b, app: a, password: x, shared: true}\n",
     ":3:18: this app of a drain that is shared or has no password stands in line 2 already\n"},
    {"drains: [{name: a, password: s3cret, shared: true}]",
     ":1:46: drain \"a\": shared is about an app, and there is none\n"},
    {DRAIN "  password: x\n  platform: heroku\n  organization: acme\n",
     ":6:17: drain \"a\": Heroku has no organizations, so no batch would be of this one\n"},
    {DRAIN "  password: x\n  platform: other\n  cf_labels: all\n  organization: a/b\n",
     ":5:13: drain \"a\": platform is neither heroku nor cloudfoundry\nCONFIG:6:14: drain \"a\": cf_labels is none of "
     "none, names "
     "and promfetcher\nCONFIG:7:17: drain \"a\": organization holds a '/', which ends it in the name of an app\n"},
    {DRAIN "  shared: yes\n  router_by_process: 1\n  addon_app: [true]\n",
     ":4:11: drain \"a\": shared must be true or false\nCONFIG:5:22: drain \"a\": router_by_process must be true or "
     "false\nCONFIG:6:14: drain \"a\": addon_app must be text\n"},
    /* passwords */
    {DRAIN "  password: ''\n", ":4:13: drain \"a\": password is empty\n"},
    {DRAIN "  password: null\n", ":4:13: drain \"a\": password has no value\n"},
    {DRAIN "  password: {s3cret: s3cret}\n", ":4:13: drain \"a\": password must be text\n"},
    {DRAIN "  password: s3cret\n  password_hash: " HASH "\n",
     ":2:3: drain \"a\": there may be one of password, password_file and password_hash, not several\n"},
    {DRAIN "  password_file: /does/not/exist/s3cret\n",
     ":4:18: drain \"a\": the password_file cannot be opened: No such file or directory\n"},
    {DRAIN "  password_file: /\n", ":4:18: drain \"a\": the password_file cannot be read\n"},
    {DRAIN "  password_file: /dev/null\n", ":4:18: drain \"a\": the password_file is empty\n"},
    {DRAIN "  password_hash: s3cret\n",
     ":4:18: drain \"a\": password_hash is not a whole hash of a kind that crypt(3) knows\n"},
    {DRAIN "  password_hash: $6$LpisupEmsSHNqISj\n",
     ":4:18: drain \"a\": password_hash is not a whole hash of a kind that crypt(3) knows\n"},
    {DRAIN "  password_hash: $9$zzzzzzzzzzzzzzzz$zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\n",
     ":4:18: drain \"a\": password_hash is not a whole hash of a kind that crypt(3) knows\n"},
    {DRAIN "  password_hash: $2b$31$Y4GUBsiqaAXu63iRsOOksuh0TZb4Pbn3C0vuR6x7XA0byNLYKphxC\n",
     ":4:18: drain \"a\": password_hash costs too much to compare with: bcrypt may have cost 14, others 1000000 rounds "
     "or 64 "
     "MiB\n"},
    /* tokens */
    {DRAIN "  tokens: d.1\n", ":4:11: drain \"a\": tokens must be a list\n"},
    {DRAIN "  tokens: [d.1, '', {}]\n",
     ":4:17: drain \"a\": a token is empty\nCONFIG:4:21: drain \"a\": a token must be text\n"},
    {DRAIN "  tokens: [d.1, d.2, d.1]\n- {name: b, app: b, tokens: [d.2]}\n",
     ":4:22: this token stands in line 4 already\nCONFIG:5:30: this token stands in line 4 already\n"},
    {"drains: [{name: a, password: s3cret, tokens: [x]}]",
     ":1:46: drain \"a\": there are tokens, but no app that they mean\n"},
    /* labels */
    {DRAIN "  labels: [team]\n", ":4:11: drain \"a\": labels must be a mapping\n"},
    {DRAIN "  labels: {9a: x, __b: x, 'c-d': x, '': x, \"a\\0\": x, [l]: x}\n",
     ":4:12: drain \"a\": a label's name must be letters, digits and \"_\", and not start with \"__\"\n"
     "CONFIG:4:19: drain \"a\": a label's name must be letters, digits and \"_\", and not start with \"__\"\n"
     "CONFIG:4:27: drain \"a\": a label's name must be letters, digits and \"_\", and not start with \"__\"\n"
     "CONFIG:4:37: drain \"a\": a label's name is empty\n"
     "CONFIG:4:44: drain \"a\": a label's name holds a NUL byte\n"
     "CONFIG:4:54: drain \"a\": a label's name must be text\n"},
    {DRAIN "  labels: {app: x, job: x, le: x, process_type: x}\n",
     ":4:12: drain \"a\": the label app has a meaning already\n"
     "CONFIG:4:20: drain \"a\": the label job has a meaning already\n"
     "CONFIG:4:28: drain \"a\": the label le has a meaning already\n"
     "CONFIG:4:35: drain \"a\": the label process_type has a meaning already\n"},
    {DRAIN "  labels: {a: '', b: , c: 1, c: 2, d: {}}\n",
     ":4:15: drain \"a\": a label's value is empty\nCONFIG:4:22: drain \"a\": a label's value has no value\n"
     "CONFIG:4:30: drain \"a\": this label is given twice\nCONFIG:4:39: drain \"a\": a label's value must be text\n"},
    {DRAIN "  labels: {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1}\n",
     ":4:11: drain \"a\": there are more than 8 labels\n"},
};

/* The same for rules; most texts are one rule, or one metric. */
#define RULE(text) "rules: [" text "]"
#define METRIC(text) RULE("{name: r, match: '^(?<a>x)', metrics: [{" text "}]}")

static const struct {
    const char *text;
    const char *messages;
} wrong_rules[] = {
    {"rules: {}", ":1:8: rules must be a list\n"},
    {"rules:", ":1:7: rules has no value\n"},
    {RULE("x"), ":1:9: a rule must be a mapping\n"},
    {RULE("{}"), ":1:9: a rule has match or fields, or both\nCONFIG:1:9: a rule has no metrics\n"
                 "CONFIG:1:9: a rule has no name\n"},
    {RULE("{name: r, match: '^', drop: true, s3cret: x}"),
     ":1:43: rule \"r\": this key is not known; there is name, app, process, match, after, fields, when, metrics, drop "
     "and "
     "continue\n"},
    {RULE("{name: r, match: '^', drop: true}, {name: r, match: '^', drop: true}"),
     ":1:51: this name stands in line 1 already\n"},
    {RULE("{name: \"a\\tb\", match: '^', drop: true}"), ":1:16: name holds a control character\n"},
    {RULE("{name: r, app: '', process: [], match: '^', drop: true}"),
     ":1:24: rule \"r\": app is empty\nCONFIG:1:37: rule \"r\": process must be text\n"},
    {RULE("{name: r, match: '^', drop: yes, continue: 1}"),
     ":1:9: rule \"r\": a rule has no metrics\nCONFIG:1:37: rule \"r\": drop must be true or false\n"
     "CONFIG:1:52: rule \"r\": continue must be true or false\n"},
    {RULE("{name: r, match: '^', drop: true, continue: true}"),
     ":1:9: rule \"r\": no rule can go on with a line that is dropped\n"},
    {RULE("{name: r, match: '^', drop: true, metrics: [{counter: c}]}"),
     ":1:9: rule \"r\": a rule has metrics or drops the line, one of the two\n"},
    /* which lines */
    {RULE("{name: r, match: s3cret, drop: true}"), ":1:26: rule \"r\": the expression cannot be used: it must start "
                                                   "with '^', so that the work for a line is bounded; what "
                                                   "may stand before the rest is written too, as in ^.*?rest\n"},
    {RULE("{name: r, match: '^a(b', drop: true}"),
     ":1:26: rule \"r\": the expression cannot be used: missing closing parenthesis (at character 5)\n"},
    {RULE("{name: r, match: '', fields: json, when: {a: b}, metrics: [{gauge: g, value: $a}]}"),
     ":1:26: rule \"r\": match is empty\n"},
    {RULE("{name: r, match: '^', when: {a: b}, drop: true}"),
     ":1:38: rule \"r\": the expression has no group (?<a>...)\n"},
    {RULE("{name: r, match: '^', after: '^', drop: true}"),
     ":1:38: rule \"r\": after is for fields, which stand behind it\n"},
    {RULE("{name: r, after: 'x', fields: json, when: {a: b}, drop: true}"),
     ":1:26: rule \"r\": the expression cannot be used: it must start with '^', so that the work for a line is "
     "bounded; "
     "what may stand before the rest is written too, as in ^.*?rest\n"},
    {RULE("{name: r, after: [], fields: [], when: {a: b}, drop: true}"),
     ":1:26: rule \"r\": after must be text\nCONFIG:1:38: rule \"r\": fields must be text\n"},
    {RULE("{name: r, fields: xml, when: {a: b}, drop: true}"), ":1:27: rule \"r\": fields must be logfmt or json\n"},
    {RULE("{name: r, fields: json, drop: true}"),
     ":1:9: rule \"r\": there is no when: which fields the lines have that the rule is for\n"},
    {RULE("{name: r, fields: json, when: {}, drop: true}"), ":1:39: rule \"r\": when must name 1 to 16 fields\n"},
    {RULE("{name: r, fields: json, when: {a: '', [b]: c}, drop: true}"),
     ":1:43: rule \"r\": a field's value is empty\nCONFIG:1:47: rule \"r\": a field's name must be text\n"},
    /* metrics */
    {RULE("{name: r, match: '^', metrics: []}"), ":1:40: rule \"r\": there must be 1 to 32 metrics\n"},
    {RULE("{name: r, match: '^', metrics: [c]}"), ":1:41: rule \"r\": a metric must be a mapping\n"},
    {METRIC(""), ":1:48: rule \"r\": a metric is one of counter, gauge, histogram and total\n"},
    {METRIC("counter: c, gauge: g"),
     ":1:48: rule \"r\": a metric is one of counter, gauge, histogram and total, not several\n"},
    {METRIC("counter: c-d"),
     ":1:58: rule \"r\": a metric's name must be letters, digits, \"_\" and \":\", and not start with "
     "a digit\n"},
    {METRIC("counter: heroku_x"), ":1:58: rule \"r\": a metric's name cannot be up, nor start with heroku_, "
                                  "drain_exporter_, process_, l2met_, cf_app_, cf_container_, cf_http_, cf_instance_, "
                                  "cf_router_, scrape_ or ALERTS\n"},
    {METRIC("gauge: g"), ":1:48: rule \"r\": there is no value\n"},
    {METRIC("total: g, value: 5"), ":1:66: rule \"r\": value of a total must be $NAME: what the app has counted\n"},
    {METRIC("total: g, value: $b"), ":1:66: rule \"r\": the expression has no group (?<b>...)\n"},
    {METRIC("total: g, value: $"), ":1:66: rule \"r\": there is no name behind the '$'\n"},
    {METRIC("counter: c, labels: {l: $a-b, m: x$a, n: '', app: x, __x: y, n: 1, n: 2}"),
     ":1:73: rule \"r\": behind '$' must be the name of a group and nothing else: a text is either constant or $NAME\n"
     "CONFIG:1:82: rule \"r\": a field in a text is written ${NAME}, and a '$' that stands for itself $$\n"
     "CONFIG:1:90: rule \"r\": a label's value is empty\n"
     "CONFIG:1:94: rule \"r\": the label app has a meaning already\n"
     "CONFIG:1:102: rule \"r\": a label's name must be letters, digits and \"_\", and not start with \"__\"\n"
     "CONFIG:1:116: rule \"r\": this label is given twice\n"},
    {METRIC("counter: c, scale: 2, buckets: [1], add: true"),
     ":1:68: rule \"r\": scale has no value to scale\nCONFIG:1:80: rule \"r\": buckets are for a histogram\n"
     "CONFIG:1:90: rule \"r\": add is for a gauge\n"},
    {METRIC("gauge: g, value: $a, scale: 0"), ":1:77: rule \"r\": scale must be greater than 0\n"},
    {METRIC("gauge: g, value: $a, scale: 0x10"), ":1:77: rule \"r\": scale must be a number\n"},
    {METRIC("histogram: h, value: $a, buckets: []"), ":1:83: rule \"r\": there must be 1 to 64 buckets\n"},
    {METRIC("histogram: h, value: $a, buckets: [1, 1, x, 1e999]"),
     ":1:87: rule \"r\": a bucket must be greater than the one before it\n"
     "CONFIG:1:90: rule \"r\": a bucket must be a number\nCONFIG:1:93: rule \"r\": a bucket must be a number\n"},
    {METRIC("counter: c, help: \"a\\nb\", with: [app, dyno]"),
     ":1:67: rule \"r\": help holds a backslash or a control character\n"
     "CONFIG:1:87: rule \"r\": with may hold app, process and process_type\n"},
/* conditions */
#define WHEN(text) RULE("{name: r, fields: json, drop: true, when: {" text "}}")
    {WHEN("a: '>= x'"), ":1:55: rule \"r\": behind \">=\" must be a number; for != there is {not: ...}, and a text "
                        "that starts so is {text: ...}\n"},
    {WHEN("a: '<'"), ":1:55: rule \"r\": behind \"<\" must be a number; for != there is {not: ...}, and a text that "
                     "starts so is {text: ...}\n"},
    {WHEN("a: ['> 1', '!= 2', '== 3']"),
     ":1:63: rule \"r\": a comparison is one of >, >=, < and <=; for != there is {not: ...}, and a text that starts so "
     "is "
     "{text: ...}\nCONFIG:1:71: rule \"r\": a comparison is one of >, >=, < and <=; for != there is {not: ...}, and a "
     "text that starts so is {text: ...}\n"},
    {WHEN("a: []"), ":1:55: rule \"r\": there must be 1 to 64 values\n"},
    {WHEN("a: [[b], '']"),
     ":1:56: rule \"r\": a field's value must be text\nCONFIG:1:61: rule \"r\": a field's value is empty\n"},
    {WHEN("a: {}"), ":1:55: rule \"r\": a field's value is a text, a list, or has is, not, match or text\n"},
    {WHEN("a: {no: x}"), ":1:55: rule \"r\": a field's value is a text, a list, or has is, not, match or text\n"
                         "CONFIG:1:56: rule \"r\": this key is not known; there is is, not, match and text\n"},
    {WHEN("a: {match: 'b', not: {is: 5}}"),
     ":1:63: rule \"r\": the expression cannot be used: it must start with '^', so that the work for a line is "
     "bounded; "
     "what may stand before the rest is written too, as in ^.*?rest\nCONFIG:1:73: rule \"r\": a field's value must be "
     "text\n"},
    {WHEN("'a[]': b"), ":1:52: rule \"r\": when does not look into arrays\n"},
    {WHEN("'a[].b[]': c"),
     ":1:52: rule \"r\": an array is written NAME[] or NAME[].MEMBER, and there is one of them\n"},
/* fields */
#define JSON_METRIC(text) RULE("{name: r, fields: json, when: {a: b}, metrics: [{" text "}]}")
    {JSON_METRIC("gauge: g, value: '$[].a'"),
     ":1:75: rule \"r\": an array is written NAME[] or NAME[].MEMBER, and there is one of them\n"},
    {JSON_METRIC("gauge: g, value: '$a[]b'"),
     ":1:75: rule \"r\": an array is written NAME[] or NAME[].MEMBER, and there is one of them\n"},
    {JSON_METRIC("gauge: g, value: '$a[].'"),
     ":1:75: rule \"r\": an array is written NAME[] or NAME[].MEMBER, and there is one of them\n"},
    {JSON_METRIC("gauge: g, value: '$a[].x', labels: {l: '$b[].x'}"),
     ":1:57: rule \"r\": a metric is of the elements of one array, not of several\n"},
    {JSON_METRIC("gauge: g, value: 1, labels: {l: '$a[].x', m: '${aa[].x}'}"),
     ":1:57: rule \"r\": a metric is of the elements of one array, not of several\n"},
    {RULE("{name: r, fields: logfmt, when: {a: b}, metrics: [{gauge: g, value: '$a[]'}]}"),
     ":1:77: rule \"r\": only JSON has arrays, which are written []\n"},
    /* texts */
    {METRIC("counter: c, labels: {l: '${a', m: 'x$', n: '${a:title}', o: '${}', p: '${b}'}"),
     ":1:73: rule \"r\": a field in a text is written ${NAME}, and a '$' that stands for itself $$\n"
     "CONFIG:1:83: rule \"r\": a field in a text is written ${NAME}, and a '$' that stands for itself $$\n"
     "CONFIG:1:92: rule \"r\": behind the ':' in ${NAME:...} stands lower, upper or class\n"
     "CONFIG:1:109: rule \"r\": there is no name behind the '$'\n"
     "CONFIG:1:119: rule \"r\": the expression has no group (?<b>...)\n"},
    {METRIC("counter: c, labels: {l: '${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}-'}"),
     ":1:73: rule \"r\": a text has at most 16 parts\n"},
    {METRIC("counter: c, labels: {l: {value: $a}, m: {map: {a: b}}, n: {}, o: {value: $a, map: {}}}"),
     ":1:73: rule \"r\": a label's value is a text, or has value and map\n"
     "CONFIG:1:89: rule \"r\": a label's value is a text, or has value and map\n"
     "CONFIG:1:107: rule \"r\": a label's value is a text, or has value and map\n"
     "CONFIG:1:131: rule \"r\": map must have 1 to 64 entries\n"},
    {METRIC("counter: c, labels: {l: {value: $a, map: {'> x': b, c: '', [d]: e}}}"),
     ":1:91: rule \"r\": behind \">\" must be a number; no text in a map starts so\n"
     "CONFIG:1:104: rule \"r\": a value of map is empty\nCONFIG:1:108: rule \"r\": a key of map must be text\n"},
    /* values */
    {METRIC("counter: c, value: -1"), ":1:68: rule \"r\": value must not be negative\n"},
    {METRIC("gauge: g, value: five"), ":1:66: rule \"r\": value that is not $NAME must be a number\n"},
    {METRIC("gauge: g, value: '${a}'"), ":1:66: rule \"r\": value is $NAME alone, or a number\n"},
    {METRIC("gauge: g, value: 1, scale: 2, unit: bytes"),
     ":1:76: rule \"r\": scale has no value to scale\nCONFIG:1:85: rule \"r\": unit is for a value that the line "
     "has\n"},
    {METRIC("gauge: g, value: $a, unit: meters"), ":1:76: rule \"r\": unit must be bytes or seconds\n"},
    /* metrics of several rules */
    {"rules:\n- {name: r, match: '^', metrics: [{counter: c}, {counter: d}]}\n"
     "- {name: s, match: '^(?<v>)', metrics: [{gauge: c, value: $v}, {counter: d, help: X}, {histogram: h, value: "
     "$v}]}\n"
     "- {name: t, match: '^(?<v>)', metrics: [{histogram: h, value: $v, buckets: [1]}, {counter: c, labels: {a: "
     "b}}]}\n",
     ":3:49: this metric is of another type in line 2\nCONFIG:3:74: this metric has another help in line 2\n"
     "CONFIG:4:53: this metric has other buckets in line 3\nCONFIG:4:92: this metric is of another type in line 3\n"},
};

static void rule_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong_rules / sizeof wrong_rules[0]; i++) {
        struct configuration *file = parse(slice_of(wrong_rules[i].text), PASSWORDS_WITH_SHARED);
        char expected[2048];
        snprintf(expected, sizeof expected, "CONFIG%s", wrong_rules[i].messages);
        if (file != NULL || strcmp(messages, expected) != 0)
            fail_msg("%s\ngives\n%snot\n%s", wrong_rules[i].text, messages, expected);
    }
}

static void mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct configuration *file = parse(slice_of(wrong[i].text), PASSWORDS_WITH_SHARED);
        char expected[2048];
        snprintf(expected, sizeof expected, "CONFIG%s", wrong[i].messages);
        if (file != NULL || strcmp(messages, expected) != 0)
            fail_msg("%s\ngives\n%snot\n%s", wrong[i].text, messages, expected);
    }
}

/* One text that repeats a byte, between two others. */
static struct configuration *parse_long(const char *start, size_t count, const char *end)
{
    static char text[CONFIGURATION_SIZE_MAX + 64];
    size_t length = strlen(start);
    memcpy(text, start, length);
    memset(text + length, 'x', count);
    memcpy(text + length + count, end, strlen(end));
    /* Not guarded: it may be larger than what support.h has room for. */
    struct buffer found = {0};
    struct configuration *file =
        configuration_parse((struct slice){text, length + count + strlen(end)}, "CONFIG", true, &found);
    snprintf(messages, sizeof messages, "%.*s", (int)found.length, found.length > 0 ? found.at : "");
    buffer_free(&found);
    return file;
}

static void check_bound(const char *start, size_t limit, const char *message)
{
    struct configuration *file = parse_long(start, limit, "}]");
    if (file == NULL)
        fail_msg("%s", messages);
    configuration_free(file);
    assert_null(parse_long(start, limit + 1, "}]"));
    if (strstr(messages, message) == NULL)
        fail_msg("%s is not %s", messages, message);
}

static void bounds(void **state)
{
    (void)state;
    check_bound("drains: [{app: a, name: ", USER_MAX, "name is longer than 64 bytes");
    check_bound("drains: [{name: a, app: ", CONFIGURATION_APP_MAX, "app is longer than 256 bytes");
    check_bound("drains: [{name: a, password: ", PASSWORD_MAX, "password is longer than 1024 bytes");
    assert_null(parse_long("drains: [{name: a, app: a, labels: {x: ", 1025, "}}]"));
    assert_string_equal(messages, "CONFIG:1:40: drain \"a\": a label's value is longer than 1024 bytes\n");
    char two[2048];
    snprintf(two, sizeof two, "drains: [{name: a, app: a, labels: {x: %01024d, y: ", 0);
    assert_null(parse_long(two, 1023, "}}]"));
    assert_string_equal(messages, "CONFIG:1:36: drain \"a\": the labels are longer than 2048 bytes together\n");
    assert_null(parse_long("#", CONFIGURATION_SIZE_MAX, ""));
    assert_string_equal(messages, "CONFIG: it is larger than 1 MiB\n");
    assert_null(parse_long("#", CONFIGURATION_SIZE_MAX - 1, ""));
    assert_string_equal(messages, "CONFIG: there is nothing in it\n");
}

static void many(void **state)
{
    (void)state;
    static char text[CONFIGURATION_SIZE_MAX];
    for (int count = CONFIGURATION_DRAINS_MAX; count <= CONFIGURATION_DRAINS_MAX + 1; count++) {
        size_t length = (size_t)sprintf(text, "drains:\n");
        for (int i = 0; i < count; i++)
            length += (size_t)sprintf(text + length, "- {name: n%d, app: a%d, tokens: [t%d]}\n", i, i, i);
        struct configuration *file = parse((struct slice){text, length}, PASSWORDS_WITH_SHARED);
        assert_int_equal(file != NULL, count == CONFIGURATION_DRAINS_MAX);
        configuration_free(file);
    }
    assert_string_equal(messages, "CONFIG:2:1: there are more than 1000 drains\n");
    /* As many mistakes as there can be: those that are told, and how many there are besides. */
    size_t length = (size_t)sprintf(text, "drains: [{name: a, app: a, tokens: [");
    for (int i = 0; i < 5000; i++)
        length += (size_t)sprintf(text + length, "'',");
    length += (size_t)sprintf(text + length, "]}]");
    assert_null(parse((struct slice){text, length}, PASSWORDS_WITH_SHARED));
    assert_non_null(strstr(messages, "CONFIG: and 4000 more mistakes\n"));
    /* What nests deeply is refused without harm. */
    memset(text, '[', sizeof text);
    assert_null(parse((struct slice){text, sizeof text}, PASSWORDS_WITH_SHARED));
    assert_string_equal(messages, "CONFIG:1:17: nothing here is nested so deeply\n");
}

static void rule_bounds(void **state)
{
    (void)state;
    static char text[CONFIGURATION_SIZE_MAX];
    for (int count = RULES_MAX; count <= RULES_MAX + 1; count++) {
        size_t length = (size_t)sprintf(text, "rules:\n");
        for (int i = 0; i < count; i++)
            length +=
                (size_t)sprintf(text + length, "- {name: r%d, match: '^a%d', metrics: [{counter: c%d}]}\n", i, i, i);
        struct configuration *file = parse((struct slice){text, length}, PASSWORDS_WITH_SHARED);
        assert_int_equal(file != NULL, count == RULES_MAX);
        if (file != NULL)
            assert_int_equal(rules_count(file->rules), RULES_MAX);
        configuration_free(file);
    }
    assert_string_equal(messages, "CONFIG:2:1: there are more than 500 rules\n");
    assert_null(parse_long("rules: [{name: r, drop: true, match: ^", RULE_PATTERN_MAX, "}]"));
    assert_string_equal(messages, "CONFIG:1:38: rule \"r\": match is longer than 4096 bytes\n");
}

static void shared_user(void **state)
{
    (void)state;
    const char *none = "drains: [{name: drain, app: a}]";
    assert_null(parse(slice_of(none), PASSWORDS_WITHOUT_SHARED));
    assert_string_equal(messages, "CONFIG: no drain has a password, and PASSWORD_DRAIN is not set\n");
    struct configuration *file = parse(SLICE("drains: [{name: drain, password: x}]"), PASSWORDS_WITHOUT_SHARED);
    assert_non_null(file);
    configuration_free(file);
}

static void every_cut_is_survived(struct slice text)
{
    configuration_free(parse(text, PASSWORDS_WITH_SHARED));
}

static void cuts(void **state)
{
    (void)state;
    each_cut(SLICE("drains:\n- name: shop\n  app: \"my\\u00f6\"\n  tokens: [d.1, 'd.2']\n  labels: {team: payments}\n"
                   "- {name: blog, app: b}\nrules:\n- name: r\n  match: '^q (?<v>\\d+)'\n  metrics: [{histogram: h, "
                   "value: $v, "
                   "labels: {a: $v}, buckets: [1, 2]}]\n"),
             every_cut_is_survived);
}

static char path[] = "/tmp/drain_exporter_test_XXXXXX";

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void check_password_file(const char *content, const char *expected)
{
    char text[256];
    write_file(content);
    snprintf(text, sizeof text, "drains: [{name: a, password_file: %s}]", path);
    struct configuration *file = parse(slice_of(text), PASSWORDS_WITH_SHARED);
    if (file == NULL)
        assert_string_equal(messages, expected);
    else
        assert_string_equal(file->drains[0].password, expected);
    configuration_free(file);
}

static void files(void **state)
{
    (void)state;
    close(mkstemp(path));
    check_password_file("s3cret one\n", "s3cret one");
    check_password_file("s3cret\r\n", "s3cret");
    check_password_file("\n", "CONFIG:1:35: drain \"a\": the password_file is empty\n");
    char large[PASSWORD_MAX + 2];
    memset(large, 'x', sizeof large);
    large[PASSWORD_MAX + 1] = '\0';
    check_password_file(large, "CONFIG:1:35: drain \"a\": the password_file holds more than 1024 bytes\n");

    struct buffer found = {0};
    write_file("drains: [{name: a, app: a}]");
    struct configuration *file = configuration_read(path, PASSWORDS_WITH_SHARED, &found);
    assert_non_null(file);
    assert_string_equal(file->drains[0].name, "a");
    configuration_free(file);
    write_file("drains: [{name: '', app: a}]");
    assert_null(configuration_read(path, PASSWORDS_WITH_SHARED, &found));
    assert_null(configuration_read("/does/not/exist", PASSWORDS_WITH_SHARED, &found));
    assert_null(configuration_read("/", PASSWORDS_WITH_SHARED, &found));
    char expected[512];
    snprintf(expected, sizeof expected,
             "%s:1:17: name is empty\n"
             "/does/not/exist: the file cannot be opened: No such file or directory\n"
             "/: the file cannot be read: Is a directory\n",
             path);
    assert_slice(((struct slice){found.at, found.length}), expected);
    buffer_free(&found);
    unlink(path);
}

/* Where nobody has the passwords, a file is checked for all else. */
static void unknown_passwords(void **state)
{
    (void)state;
    struct configuration *found = parse(
        SLICE("drains: [{name: drain, app: a, password_file: /does/not/exist}, {name: b, app: b}]"), PASSWORDS_UNKNOWN);
    assert_non_null(found);
    assert_true(config_drain_has_password(&found->drains[0]));
    assert_false(config_drain_has_password(&found->drains[1]));
    configuration_free(found);
    assert_null(parse(SLICE("drains: [{name: a, app: ''}]"), PASSWORDS_UNKNOWN));
}

/* Entries win over the setting, and those without a word follow it. */
static void options(void **state)
{
    (void)state;
    char text[] =
        "drains: [{name: a, app: a, router_by_process: false}, {name: b, app: b, addon_app: true, password: x, "
        "shared: true}, {name: c, app: c, router_by_process: true}]";
    for (int set = 0; set < 2; set++) {
        struct configuration *found;
        struct buffer mistakes = {0};
        assert_true(configuration_load(
            &(struct settings){.config_text = text, .password_drain = text, .router_by_process = set}, &found,
            &mistakes));
        assert_false(found->drains[0].router_by_process);
        assert_int_equal(found->drains[1].router_by_process, set);
        assert_true(found->drains[2].router_by_process);
        assert_int_equal(found->others.router_by_process, set);
        assert_true(found->drains[1].addon_app && found->drains[1].shared);
        assert_false(found->drains[0].addon_app || found->drains[0].shared || found->others.addon_app);
        configuration_free(found);
    }
}

/* A setting is looked at in one place. */
static void check_load(const struct settings *settings, size_t drains, const char *expected)
{
    struct configuration *found;
    struct buffer mistakes = {0};
    assert_int_equal(configuration_load(settings, &found, &mistakes), expected == NULL);
    if (expected == NULL) {
        assert_int_equal(found->drain_count, drains);
        configuration_free(found);
    } else
        assert_slice(((struct slice){mistakes.at, mistakes.length}), expected);
    buffer_free(&mistakes);
}

static void loading(void **state)
{
    (void)state;
    char missing[] = "dir/../missing.yaml", one[] = "drains: [{name: a, app: a}]", bad[] = "drains: x", word[] = "x";
    check_load(&(struct settings){0}, 0, NULL);
    check_load(&(struct settings){.config_text = one, .password_drain = word}, 1, NULL);
    check_load(&(struct settings){.config_text = one, .action = SETTINGS_CHECK}, 1, NULL);
    check_load(&(struct settings){.config_text = one, .action = SETTINGS_COMMAND}, 1, NULL);
    check_load(&(struct settings){.config_text = one}, 0,
               "CONFIG: no drain has a password, and PASSWORD_DRAIN is not set\n");
    check_load(&(struct settings){.config_text = bad}, 0, "CONFIG:1:9: drains must be a list\n");
    check_load(&(struct settings){.config_file = missing}, 0,
               "dir/../missing.yaml: the file cannot be opened: No such file or directory\n");
}

static size_t told;
static void count_mistake(struct slice mistake)
{
    assert_true(told < 2);
    assert_slice(mistake, told++ == 0 ? "one" : "two 2");
}

static void telling(void **state)
{
    (void)state;
    struct buffer found = {0};
    mistakes_add(&found, "one");
    mistakes_add(&found, "two %d", 2);
    mistakes_tell(&found, count_mistake);
    assert_int_equal(told, 2);
    assert_null(found.at);
    mistakes_tell(&found, count_mistake);
    assert_int_equal(told, 2);
}

static void reserved_names(void **state)
{
    (void)state;
    assert_true(reserved_metric(SLICE("heroku_x"), RESERVED_FROM_APPS));
    assert_true(reserved_metric(SLICE("drain_exporter_up"), RESERVED_FROM_RULES));
    assert_false(reserved_metric(SLICE("process_x"), RESERVED_FROM_APPS));
    assert_true(reserved_metric(SLICE("process_x"), RESERVED_FROM_APPS_UNLABELLED));
    assert_false(reserved_metric(SLICE("l2met_x"), RESERVED_FROM_APPS));
    assert_true(reserved_metric(SLICE("l2met_x"), RESERVED_FROM_RULES));
    assert_false(reserved_metric(SLICE("herokux"), RESERVED_FROM_RULES));
    assert_true(reserved_label(SLICE("app"), RESERVED_FROM_RULES));
    assert_false(reserved_label(SLICE("job"), RESERVED_FROM_RULES));
    assert_true(reserved_label(SLICE("job"), RESERVED_FROM_DRAINS));
    assert_false(reserved_label(SLICE("apps"), RESERVED_FROM_DRAINS));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/* A part of the secret, made anew: it stands nowhere else. */
static void spell_part(char part[9], int number)
{
    for (int i = 0; i < 8; i++)
        part[i] = (char)('a' + (number * 7 + i * 11) % 26);
    part[8] = '\0';
}

/* How often a text stands in the memory that can be written, but not on this stack. */
static unsigned count_in_memory(const char *text)
{
    unsigned count = 0;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    FILE *memory = fopen("/proc/self/mem", "r");
    assert_true(maps != NULL && memory != NULL);
    static char block[1 << 16]; /* not looked at itself, see below */
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        char mode[5];
        assert_int_equal(sscanf(line, "%lx-%lx %4s", &from, &to, mode), 3);
        if (strncmp(mode, "rw", 2) != 0 || strstr(line, "[stack]") != NULL)
            continue;
        for (unsigned long at = from; at < to; at += sizeof block - 16) {
            ssize_t length = pread(fileno(memory), block, to - at < sizeof block ? to - at : sizeof block, (off_t)at);
            bool is_ours = at < (unsigned long)block + sizeof block && at + sizeof block > (unsigned long)block;
            for (char *found = block; !is_ours && length > 0; found++) {
                found = memmem(found, (size_t)(block + length - found), text, strlen(text));
                if (found == NULL)
                    break;
                count++;
            }
        }
    }
    fclose(maps);
    fclose(memory);
    explicit_bzero(block, sizeof block);
    return count;
}

/* "...a password: abcdefgh... ": each of its eight letters must be gone when the passwords are forgotten, also those
 * that stood in a smaller place while the text grew. */
static void no_copy_is_left(void **state)
{
    (void)state;
    const char *preloaded = getenv("LD_PRELOAD");
    if (preloaded != NULL && strstr(preloaded, "vgpreload") != NULL)
        skip(); /* valgrind keeps the stack elsewhere */
    char part[9];
    static const char *const kinds[] = {"%s", "'%s'", "\"%s\"", "|\n    %s", ">\n    %s"};
    for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
        size_t capacity = 4096;
        char *text = malloc(capacity), secret[8 * 9 + 1] = "";
        for (int i = 0; i < 9; i++) {
            spell_part(part, i);
            strcat(secret, part);
        }
        int length = sprintf(text, "drains:\n- name: shop\n  app: shop\n  password: ");
        length += sprintf(text + length, kinds[kind], secret);
        length += sprintf(text + length, "\n");
        explicit_bzero(secret, sizeof secret);
        struct buffer mistakes = {0};
        struct configuration *configuration =
            configuration_parse((struct slice){text, (size_t)length}, "CONFIG", PASSWORDS_WITHOUT_SHARED, &mistakes);
        assert_non_null(configuration);
        spell_part(part, 1);
        if (kind < 3)
            assert_true(count_in_memory(part) >= 2); /* the text, and the configuration's */
        explicit_bzero(text, capacity);
        free(text);
        configuration_forget_passwords(configuration);
        for (int i = 0; i < 9; i++) {
            spell_part(part, i);
            assert_int_equal(count_in_memory(part), 0);
        }
        configuration_free(configuration);
    }
}

#else

static void no_copy_is_left(void **state)
{
    (void)state;
    skip(); /* all memory of the sanitizer would have to be read */
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scrapes),
        cmocka_unit_test(valid),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(rule_mistakes),
        cmocka_unit_test(rule_bounds),
        cmocka_unit_test(bounds),
        cmocka_unit_test(many),
        cmocka_unit_test(shared_user),
        cmocka_unit_test(cuts),
        cmocka_unit_test(files),
        cmocka_unit_test(unknown_passwords),
        cmocka_unit_test(loading),
        cmocka_unit_test(telling),
        cmocka_unit_test(reserved_names),
        cmocka_unit_test(options),
        cmocka_unit_test(no_copy_is_left),
    };
    return cmocka_run_group_tests_name("config_file", tests, NULL, NULL);
}
