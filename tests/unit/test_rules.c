#include "families/rules.h"
#include "intake/ledger.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/scan.h"
#include "config/configuration.h"
#include "support.h"

/* ---- rules from YAML, lines, and what they give ---- */

static struct configuration *file;
static struct rules_reader *reader;
static void *states[FAMILY_COUNT];
static struct entities *entities;
static struct store *store;

static int open_store(void **state)
{
    (void)state;
    entities = entities_create(&(struct entities_settings){.app_silence = 1000000, .grace = 1000});
    store = store_create(&(struct store_settings){.max_series = 10000, .slots = 1, .entities = entities});
    assert_true(families_open(states));
    reader = rules_reader_of(&(struct family_context){.states = states});
    return 0;
}

static void end_rules(void)
{
    store_enter(store, 0);
    ledger_count_rules(reader, store, 0, 1);
    store_leave(store, 0);
    configuration_free(file);
    file = NULL;
}

static int close_store(void **state)
{
    (void)state;
    end_rules();
    families_close(states);
    store_free(store);
    entities_free(entities);
    return 0;
}

/* Begin a batch of my-app under these rules. */
static void use(const char *yaml)
{
    struct buffer mistakes = {0};
    if (file != NULL)
        end_rules();
    file = configuration_parse(guarded(slice_of(yaml)), "CONFIG", true, &mistakes);
    if (file == NULL)
        fail_msg("%s\n%.*s", yaml, (int)mistakes.length, mistakes.at);
    recorded.context = (struct family_context){.app = SLICE("my-app"), .states = states, .rules = file->rules};
    families_begin_batch(&recorded.context);
}

#define COUNT_ALL "rules:\n- {name: r, match: '^', metrics: [{counter: c}]}\n"
#define MATCH(expression, metrics) "rules: [{name: r, match: '" expression "', metrics: [" metrics "]}]"
#define LOGFMT(when, metrics) "rules: [{name: r, fields: logfmt, when: {" when "}, metrics: [" metrics "]}]"
#define JSON(when, metrics) "rules: [{name: r, fields: json, when: {" when "}, metrics: [" metrics "]}]"
#define APP "app=\"my-app\""

static const struct {
    const char *rules;
    const char *procid;
    const char *line;
    const char *expected; /* NULL: no rule takes it */
} cases[] = {
    /* counters */
    {COUNT_ALL, "web.1", "anything", "c{" APP "} 1\n"},
    {COUNT_ALL, "web.1", "", "c{" APP "} 1\n"},
    {MATCH("^sidekiq job=(?<job>\\w+) status=(?<status>\\w+)$",
           "{counter: jobs_total, labels: {status: $status, job: $job}}"),
     "worker.1", "sidekiq job=Mail status=ok", "jobs_total{" APP ",job=\"Mail\",status=\"ok\"} 1\n"},
    {MATCH("^sidekiq job=(?<job>\\w+) status=(?<status>\\w+)$", "{counter: jobs_total}"), "worker.1",
     "sidekiq job=Mail status=ok ", NULL},
    {MATCH("^paid (?<n>\\S+)", "{counter: c, value: $n, labels: {currency: EUR}}"), "web.1", "paid 12.5",
     "c{" APP ",currency=\"EUR\"} 12.5\n"},
    {MATCH("^paid (?<n>\\S+)", "{counter: c, value: $n}"), "web.1", "paid -12.5", "reject value\n"},
    {MATCH("^paid (?<n>\\S+)", "{counter: c, value: $n}"), "web.1", "paid much", "reject value\n"},
    {MATCH("^paid (?<n>\\S*)", "{counter: c, value: $n}"), "web.1", "paid ", "reject value\n"},
    {MATCH("^paid(?: (?<n>\\S+))?", "{counter: c, value: $n}, {counter: all}"), "web.1", "paid",
     "reject value\nall{" APP "} 1\n"},
    {MATCH("^paid(?: (?<n>\\S+))?", "{counter: c, labels: {n: $n}}"), "web.1", "paid", "c{" APP "} 1\n"},
    /* values */
    {MATCH("^took (?<t>\\S+)", "{gauge: g, value: $t, scale: 0.001}"), "web.1", "took 35.2",
     "g{" APP "} gauge 0.0352\n"},
    {MATCH("^took (?<t>\\S+)", "{gauge: g, value: $t, scale: 0.001}"), "web.1", "took 35.2ms",
     "g{" APP "} gauge 0.0352\n"},
    {MATCH("^took (?<t>\\S+)", "{gauge: g, value: $t, scale: 1000}"), "web.1", "took 1.5s", "g{" APP "} gauge 1.5\n"},
    {MATCH("^took (?<t>\\S+)", "{gauge: g, value: $t}"), "web.1", "took 12kB", "g{" APP "} gauge 12288\n"},
    {MATCH("^took (?<t>\\S+)", "{gauge: g, value: $t, scale: 0.01}"), "web.1", "took 95%", "g{" APP "} gauge 0.95\n"},
    {MATCH("^took (?<t>\\S+)", "{gauge: g, value: $t, scale: 60}"), "web.1", "took 3", "g{" APP "} gauge 180\n"},
    {MATCH("^took (?<t>\\S+)", "{gauge: g, value: $t, scale: 0.3}"), "web.1", "took 3",
     "g{" APP "} gauge 0.8999999999999999\n"},
    {MATCH("^took (?<t>\\S+)", "{gauge: g, value: $t}"), "web.1", "took -3e2", "g{" APP "} gauge -300\n"},
    {MATCH("^took (?<t>\\S+)", "{gauge: g, value: $t}"), "web.1", "took 1e400", "reject value\n"},
    {MATCH("^took (?<t>\\S+)", "{gauge: g, value: $t, scale: 1e300}"), "web.1", "took 1e300", "reject value\n"},
    {MATCH("^q (?<t>\\S+)", "{gauge: g, value: $t, add: true}"), "web.1", "q -1", "g{" APP "} gauge -1 incremental\n"},
    {MATCH("^q (?<t>\\S+)", "{total: t_total, value: $t}"), "web.1", "q 7",
     "t_total{" APP ",process=\"web.1\"} total 7 7\n"},
    {MATCH("^q (?<t>\\S+)", "{counter: t_total, value: $t, scale: 0.001}"), "web.1", "q 500parsecs", "reject value\n"},
    {MATCH("^q (?<t>\\S+)", "{counter: t_total, value: $t, scale: 0.001}"), "web.1", "q 500ns",
     "t_total{" APP "} 0.0000005\n"},
    {MATCH("^q (?<t>\\S+)", "{total: t_total, value: $t}"), "web.1", "q -7", "reject value\n"},
    {MATCH("^q (?<t>\\S+)", "{histogram: h, value: $t, buckets: [1, 2]}"), "web.1", "q 1.5", "h{" APP "} 1.5\n"},
    {MATCH("^q (?<t>\\S+)", "{histogram: h, value: $t}"), "web.1", "q -1", "reject value\n"},
    /* whose it is */
    {MATCH("^q (?<t>\\S+)", "{gauge: g, value: $t, with: [app, process]}"), "web.1", "q 1",
     "g{" APP ",process=\"web.1\"} gauge 1\n"},
    {MATCH("^q (?<t>\\S+)", "{gauge: g, value: $t, with: [process, process_type]}"), "web.1", "q 1",
     "g{process=\"web.1\",process_type=\"web\"} gauge 1\n"},
    {MATCH("^q (?<t>\\S+)", "{gauge: g, value: $t, with: [app, process]}"), "run.1234", "q 1",
     "g{" APP ",process_type=\"run\"} gauge 1\n"},
    {MATCH("^q (?<t>\\S+)", "{gauge: g, value: $t, with: [app, process_type]}"), "run.1234", "q 1",
     "g{" APP ",process_type=\"run\"} gauge 1\n"},
    {MATCH("^q", "{counter: c, with: [app, process]}"), "odd", "q", "c{" APP "} 1\n"},
    {MATCH("^q", "{counter: c, with: []}"), "web.1", "q", "c{} 1\n"},
    /* which lines */
    {"rules: [{name: r, app: my-app, match: '^q', metrics: [{counter: c}]}]", "web.1", "q", "c{" APP "} 1\n"},
    {"rules: [{name: r, app: other, match: '^q', metrics: [{counter: c}]}]", "web.1", "q", NULL},
    {"rules: [{name: r, app: my-ap, match: '^q', metrics: [{counter: c}]}]", "web.1", "q", NULL},
    {"rules: [{name: r, process: 'w?b.*', match: '^q', metrics: [{counter: c}]}]", "web.17", "q", "c{" APP "} 1\n"},
    {"rules: [{name: r, process: 'web.?', match: '^q', metrics: [{counter: c}]}]", "web.17", "q", NULL},
    {"rules: [{name: r, process: '*e*1*', match: '^q', metrics: [{counter: c}]}]", "release.12", "q", "c{" APP "} 1\n"},
    {"rules: [{name: r, process: 'web', match: '^q', metrics: [{counter: c}]}]", "web.1", "q", NULL},
    {"rules: [{name: r, process: '**', match: '^q', metrics: [{counter: c}]}]", "x", "q", "c{" APP "} 1\n"},
    {MATCH("^(?i)error", "{counter: c}"), "web.1", "ERROR", "c{" APP "} 1\n"},
    {MATCH("^abc|def", "{counter: c}"), "web.1", "def", "c{" APP "} 1\n"},
    {MATCH("^abc|^a(?:x|y)|[]|]+", "{counter: c}"), "web.1", "|", "c{" APP "} 1\n"},
    {MATCH("^ab?c", "{counter: c}"), "web.1", "ac", "c{" APP "} 1\n"},
    {MATCH("^ab*", "{counter: c}"), "web.1", "a", "c{" APP "} 1\n"},
    {MATCH("^ab{0}c", "{counter: c}"), "web.1", "ac", "c{" APP "} 1\n"},
    {MATCH("^a\\.b\\[", "{counter: c}"), "web.1", "a.b[", "c{" APP "} 1\n"},
    {MATCH("^\\d+", "{counter: c}"), "web.1", "77", "c{" APP "} 1\n"},
    {MATCH("^\\d+", "{counter: c}"), "web.1", "x77", NULL},
    {MATCH("^a long beginning (?<w>\\w+)", "{counter: c, labels: {w: $w}}"), "web.1", "a long beginning x",
     "c{" APP ",w=\"x\"} 1\n"},
    {MATCH("^a long beginning (?<w>\\w+)", "{counter: c}"), "web.1", "a long start x", NULL},
    {MATCH("^a long beginning", "{counter: c}"), "web.1", "a lon", NULL},
    {MATCH("^.*? took=(?<t>\\d+)", "{counter: c}"), "web.1", "it took=5", "c{" APP "} 1\n"},
    {MATCH("^.*? took=(?<t>\\d+)", "{counter: c}"), "web.1", "it took 5", NULL},
    {MATCH("^(?=a)", "{counter: c}"), "web.1", "abc", "c{" APP "} 1\n"},
    {MATCH("^.\\xff", "{counter: c}"), "web.1", "\xC3\xFF", "c{" APP "} 1\n"},
    /* fields: key=value */
    {LOGFMT("event: payment", "{counter: c, value: $amount, labels: {currency: $currency}}"), "web.1",
     "at=info event=payment amount=12.5 currency=EUR", "c{" APP ",currency=\"EUR\"} 12.5\n"},
    {LOGFMT("event: payment", "{counter: c}"), "web.1", "event=payments", NULL},
    {LOGFMT("event: payment", "{counter: c}"), "web.1", "an event of payment", NULL},
    {LOGFMT("event: payment, amount: '*'", "{counter: c}"), "web.1", "event=payment", NULL},
    {LOGFMT("event: payment, amount: '*'", "{counter: c}"), "web.1", "amount= event=payment", "c{" APP "} 1\n"},
    {LOGFMT("event: payment", "{counter: c}"), "web.1", "event=other event=payment", NULL},
    {LOGFMT("msg: a b", "{counter: c, value: $n, labels: {m: $msg}}"), "web.1", "msg=\"a b\" n=2MB",
     "c{" APP ",m=\"a b\"} 2097152\n"},
    {LOGFMT("a: '1'", "{counter: c}"), "web.1", "{\"a\": \" a=1\"}", NULL},
    {LOGFMT("a: '1'", "{counter: c, value: $none}"), "web.1", "a=1", "reject value\n"},
    /* fields: JSON */
    {JSON("event: payment", "{counter: c, value: $amount, labels: {currency: $currency}}"), "web.1",
     "{\"event\":\"payment\",\"amount\":12.5,\"currency\":\"EUR\"}", "c{" APP ",currency=\"EUR\"} 12.5\n"},
    {JSON("msg: done", "{histogram: h, value: $took.db, labels: {status: $http.status, cached: $http.cached}}"),
     "web.1", "{\"msg\":\"done\",\"took\":{\"db\":\"35ms\"},\"http\":{\"status\":200,\"cached\":true,\"x\":null}}",
     "h{" APP ",cached=\"true\",status=\"200\"} 0.035\n"},
    {JSON("status: '200'", "{counter: c}"), "web.1", "{\"status\":200}", "c{" APP "} 1\n"},
    {JSON("status: '200'", "{counter: c}"), "web.1", "{\"status\":[200]}", NULL},
    {JSON("status: '*'", "{counter: c}"), "web.1", "{\"status\":null}", NULL},
    {JSON("status: '*'", "{counter: c}"), "web.1", "{\"status\":{}}", NULL},
    {JSON("status: '*'", "{counter: c}"), "web.1", "{\"status\":1", NULL},
    {JSON("status: '*'", "{counter: c}"), "web.1", "{\"status\":1} x", NULL},
    {JSON("status: '*'", "{counter: c}"), "web.1", "status=1", NULL},
    {JSON("m: \"a\\nb\"", "{counter: c, labels: {m: $m}}"), "web.1", "{\"m\":\"a\\nb\"}", "c{" APP ",m=\"a\\nb\"} 1\n"},
    {JSON("a.b: '1'", "{counter: c, value: $a.b}"), "web.1", "{\"a\":{\"b\":1,\"b\":2}}", "c{" APP "} 1\n"},
    {JSON("n: '*'", "{gauge: g, value: $n, scale: 0.001}"), "web.1", "{\"n\":35.2}", "g{" APP "} gauge 0.0352\n"},
    /* values with units */
    {MATCH("^took (?<t>.+)", "{gauge: g, value: $t}"), "web.1", "took 1m30s", "g{" APP "} gauge 90\n"},
    {MATCH("^took (?<t>.+)", "{gauge: g, value: $t}"), "web.1", "took PT1H2M3.5S", "g{" APP "} gauge 3723.5\n"},
    {MATCH("^took (?<t>.+)", "{gauge: g, value: $t}"), "web.1", "took 250\xC2\xB5s", "g{" APP "} gauge 0.00025\n"},
    {MATCH("^took (?<t>.+)", "{gauge: g, value: $t}"), "web.1", "took 35.2 ms", "g{" APP "} gauge 0.0352\n"},
    {MATCH("^took (?<t>.+)", "{gauge: g, value: $t}"), "web.1", "took 2 GiB", "g{" APP "} gauge 2147483648\n"},
    {MATCH("^took (?<t>.+)", "{gauge: g, value: $t}"), "web.1", "took 95%", "g{" APP "} gauge 0.95\n"},
    {MATCH("^took (?<t>.+)", "{gauge: g, value: $t}"), "web.1", "took 5M", "reject value\n"},
    {MATCH("^took (?<t>.+)", "{gauge: g, value: $t, unit: bytes}"), "web.1", "took 5M", "g{" APP "} gauge 5242880\n"},
    {MATCH("^took (?<t>.+)", "{gauge: g, value: $t, unit: bytes, scale: 1024}"), "web.1", "took 5",
     "g{" APP "} gauge 5120\n"},
    {MATCH("^took (?<t>.+)", "{gauge: g, value: $t, unit: bytes}"), "web.1", "took 5ms", "reject value\n"},
    {MATCH("^took (?<t>.+)", "{gauge: g, value: $t, unit: seconds}"), "web.1", "took 5m", "g{" APP "} gauge 300\n"},
    {MATCH("^took (?<t>.+)", "{gauge: g, value: $t, unit: seconds}"), "web.1", "took 5kB", "reject value\n"},
    /* constants */
    {MATCH("^q", "{counter: c, value: 2.5}"), "web.1", "q", "c{" APP "} 2.5\n"},
    {MATCH("^up", "{gauge: g, value: -1}"), "web.1", "up", "g{" APP "} gauge -1\n"},
    {MATCH("^q", "{histogram: h, value: 3}"), "web.1", "q", "h{" APP "} 3\n"},
    /* labels made of parts */
    {LOGFMT("status: '*'", "{counter: c, labels: {class: '${status:class}'}}"), "web.1", "status=503",
     "c{" APP ",class=\"5xx\"} 1\n"},
    {LOGFMT("status: '*'", "{counter: c, labels: {class: '${status:class}'}}"), "web.1", "status=600",
     "c{" APP ",class=\"other\"} 1\n"},
    {LOGFMT("status: '*'", "{counter: c, labels: {class: '${status:class}'}}"), "web.1", "status=20x",
     "c{" APP ",class=\"other\"} 1\n"},
    {LOGFMT("status: '*'", "{counter: c, labels: {class: '${status:class}'}}"), "web.1", "status=", "c{" APP "} 1\n"},
    {JSON("status: '*'", "{counter: c, labels: {class: '${status:class}', status: $status}}"), "web.1",
     "{\"status\":404}", "c{" APP ",class=\"4xx\",status=\"404\"} 1\n"},
    {LOGFMT("m: '*'", "{counter: c, labels: {l: '${m:lower}', u: '${m:upper}'}}"), "web.1", "m=aBc-1\xC3\x84[",
     "c{" APP ",l=\"abc-1\xC3\x84[\",u=\"ABC-1\xC3\x84[\"} 1\n"},
    {LOGFMT("m: '*'", "{counter: c, labels: {route: '${m:upper} ${path}', price: '$$5', two: a$$b}}"), "web.1",
     "m=get path=/x", "c{" APP ",price=\"$5\",route=\"GET /x\",two=\"a$b\"} 1\n"},
    {LOGFMT("m: '*'", "{counter: c, labels: {route: 'x-${none}'}}"), "web.1", "m=get", "c{" APP ",route=\"x-\"} 1\n"},
    {MATCH("^(?<a>\\w+) (?<b>\\w+)", "{counter: c, labels: {ab: '${a}/${b:lower}'}}"), "web.1", "One Two",
     "c{ab=\"One/two\"," APP "} 1\n"},
    /* maps */
    {LOGFMT("code: '*'", "{counter: c, labels: {l: {value: $code, map: {'0': ok, '>= 100': bad, '*': odd}}}}"), "web.1",
     "code=0", "c{" APP ",l=\"ok\"} 1\n"},
    {LOGFMT("code: '*'", "{counter: c, labels: {l: {value: $code, map: {'0': ok, '>= 100': bad, '*': odd}}}}"), "web.1",
     "code=137", "c{" APP ",l=\"bad\"} 1\n"},
    {JSON("code: '*'", "{counter: c, labels: {l: {value: $code, map: {'0': ok, '>= 100': bad, '*': odd}}}}"), "web.1",
     "{\"code\":7}", "c{" APP ",l=\"odd\"} 1\n"},
    {LOGFMT("code: '*'", "{counter: c, labels: {l: {value: $code, map: {'0': ok}}}}"), "web.1", "code=1",
     "c{" APP ",l=\"1\"} 1\n"},
    {LOGFMT("code: '*'", "{counter: c, labels: {l: {value: $none, map: {'*': odd}}}}"), "web.1", "code=1",
     "c{" APP "} 1\n"},
    {LOGFMT("s: '*'", "{counter: c, labels: {l: {value: '${s:class}', map: {2xx: ok, other: odd}}}}"), "web.1", "s=204",
     "c{" APP ",l=\"ok\"} 1\n"},
    /* conditions */
    {LOGFMT("status: [500, 502, '503']", "{counter: c}"), "web.1", "status=502", "c{" APP "} 1\n"},
    {LOGFMT("status: [500, 502, '503']", "{counter: c}"), "web.1", "status=501", NULL},
    {LOGFMT("status: '>= 500'", "{counter: c}"), "web.1", "status=500", "c{" APP "} 1\n"},
    {LOGFMT("status: '>= 500'", "{counter: c}"), "web.1", "status=499.5", NULL},
    {LOGFMT("status: '>= 500'", "{counter: c}"), "web.1", "status=>= 500", NULL},
    {LOGFMT("status: '>500'", "{counter: c}"), "web.1", "status=500", NULL},
    {LOGFMT("status: '< 500'", "{counter: c}"), "web.1", "status=499", "c{" APP "} 1\n"},
    {LOGFMT("status: '< 500'", "{counter: c}"), "web.1", "status=500", NULL},
    {LOGFMT("status: '< 500'", "{counter: c}"), "web.1", "status=none", NULL},
    {LOGFMT("status: '<= 500'", "{counter: c}"), "web.1", "status=500", "c{" APP "} 1\n"},
    {LOGFMT("took: '> 1s'", "{counter: c}"), "web.1", "took=1500ms", "c{" APP "} 1\n"},
    {LOGFMT("took: '> 1s'", "{counter: c}"), "web.1", "took=900ms", NULL},
    {LOGFMT("took: '> 1s'", "{counter: c}"), "web.1", "took=1500", NULL},
    {LOGFMT("took: '> 1s'", "{counter: c}"), "web.1", "took=1500kB", NULL},
    {LOGFMT("s: ['>= 500', 429]", "{counter: c}"), "web.1", "s=429", "c{" APP "} 1\n"},
    {LOGFMT("s: {is: '>= 500', not: [502, '>= 600']}", "{counter: c}"), "web.1", "s=503", "c{" APP "} 1\n"},
    {LOGFMT("s: {is: '>= 500', not: [502, '>= 600']}", "{counter: c}"), "web.1", "s=502", NULL},
    {LOGFMT("s: {is: '>= 500', not: [502, '>= 600']}", "{counter: c}"), "web.1", "s=600", NULL},
    {LOGFMT("a: 1, level: {not: debug}", "{counter: c}"), "web.1", "a=1 level=info", "c{" APP "} 1\n"},
    {LOGFMT("a: 1, level: {not: debug}", "{counter: c}"), "web.1", "a=1", "c{" APP "} 1\n"},
    {LOGFMT("a: 1, level: {not: debug}", "{counter: c}"), "web.1", "a=1 level=debug", NULL},
    {LOGFMT("a: 1, level: {not: '*'}", "{counter: c}"), "web.1", "a=1 level=", NULL},
    {LOGFMT("level: {not: debug}", "{counter: c}"), "web.1", "no pairs here", NULL},
    {LOGFMT("level: {not: debug}", "{counter: c}"), "web.1", "a pair=1", "c{" APP "} 1\n"},
    {JSON("level: {not: debug}", "{counter: c}"), "web.1", "{}", "c{" APP "} 1\n"},
    {JSON("level: {not: debug}", "{counter: c}"), "web.1", "{", NULL},
    {JSON("n: '>= 2'", "{counter: c}"), "web.1", "{\"n\":2.5}", "c{" APP "} 1\n"},
    {JSON("n: '>= 2'", "{counter: c}"), "web.1", "{\"n\":\"1\"}", NULL},
    {JSON("n: {match: '^2\\.\\d$'}", "{counter: c}"), "web.1", "{\"n\":2.5}", "c{" APP "} 1\n"},
    {LOGFMT("path: {match: '^/api/', not: /api/health}", "{counter: c}"), "web.1", "path=/api/x", "c{" APP "} 1\n"},
    {LOGFMT("path: {match: '^/api/', not: /api/health}", "{counter: c}"), "web.1", "path=/api/health", NULL},
    {LOGFMT("path: {match: ['^/a', '^/b']}", "{counter: c}"), "web.1", "path=/b", "c{" APP "} 1\n"},
    {LOGFMT("path: {match: ['^/a', '^/b']}", "{counter: c}"), "web.1", "path=/c", NULL},
    {LOGFMT("v: {match: '^a long beginning'}", "{counter: c}"), "web.1", "v=\"a long beginning!\"", "c{" APP "} 1\n"},
    {LOGFMT("v: {match: '^a long beginning'}", "{counter: c}"), "web.1", "v=\"a long start\"", NULL},
    {LOGFMT("v: {text: '>= 500'}", "{counter: c}"), "web.1", "v=\">= 500\"", "c{" APP "} 1\n"},
    {LOGFMT("v: {text: ['*', '<x']}", "{counter: c}"), "web.1", "v=*", "c{" APP "} 1\n"},
    {LOGFMT("v: {text: ['*', '<x']}", "{counter: c}"), "web.1", "v=y", NULL},
    {"rules: [{name: r, match: '^s=(?<s>\\d+)', when: {s: '>= 500'}, metrics: [{counter: c, labels: {s: $s}}]}]",
     "web.1", "s=503", "c{" APP ",s=\"503\"} 1\n"},
    {"rules: [{name: r, match: '^s=(?<s>\\d+)', when: {s: '>= 500'}, metrics: [{counter: c}]}]", "web.1", "s=200",
     NULL},
    /* an expression and fields */
    {"rules: [{name: r, match: '^(?<verb>GET|PUT) ', fields: logfmt, when: {status: '*'}, metrics: [{counter: c, "
     "labels: "
     "{verb: $verb, status: $status}}]}]",
     "web.1", "GET /x status=200", "c{" APP ",status=\"200\",verb=\"GET\"} 1\n"},
    {"rules: [{name: r, match: '^(?<verb>GET|PUT) ', fields: logfmt, metrics: [{counter: c, labels: {s: $status}}]}]",
     "web.1", "POST /x status=200", NULL},
    {"rules: [{name: r, match: '^(?<verb>GET|PUT) ', fields: logfmt, metrics: [{counter: c, labels: {s: $status}}]}]",
     "web.1", "GET /x", NULL},
    {"rules: [{name: r, match: '^(?<status>\\d+) ', fields: logfmt, metrics: [{counter: c, labels: {s: $status}}]}]",
     "web.1", "503 status=200", "c{" APP ",s=\"503\"} 1\n"},
    {"rules: [{name: r, match: '^\\[(?<level>\\w+)', after: '^\\[\\w+\\] ', fields: json, when: {v: {match: '^o'}}, "
     "metrics: [{counter: c, labels: {l: $level, v: $v}}]}]",
     "web.1", "[info] {\"v\":\"one\"}", "c{" APP ",l=\"info\",v=\"one\"} 1\n"},
    /* behind something */
    {"rules: [{name: r, after: '^\\[[^]]*\\] ', fields: json, when: {v: '*'}, metrics: [{gauge: g, value: $v}]}]",
     "web.1", "[web 1] {\"v\":5}", "g{" APP "} gauge 5\n"},
    {"rules: [{name: r, after: '^\\[[^]]*\\] ', fields: json, when: {v: '*'}, metrics: [{gauge: g, value: $v}]}]",
     "web.1", "[web 1]: {\"v\":5}", NULL},
    {"rules: [{name: r, after: '^\\[[^]]*\\] ', fields: json, when: {v: '*'}, metrics: [{gauge: g, value: $v}]}]",
     "web.1", "[web 1] 5", NULL},
    {"rules: [{name: r, after: '^\\[[^]]*\\] ', fields: json, when: {v: '*'}, metrics: [{gauge: g, value: $v}]}]",
     "web.1", "[web 1] ", NULL},
    {"rules: [{name: r, after: '^I, ', fields: logfmt, when: {v: '*'}, metrics: [{gauge: g, value: $v}]}]", "web.1",
     "I, v=5", "g{" APP "} gauge 5\n"},
    {"rules: [{name: r, after: '^.*?time=\\S+ ', fields: logfmt, when: {time: {not: '*'}, v: 5}, metrics: [{counter: "
     "c}]}]",
     "web.1", "at time=12 v=5", "c{" APP "} 1\n"},
    {"rules: [{name: r, after: '^a+', fields: logfmt, when: {v: 5}, metrics: [{counter: c}]}]", "web.1", "aaa", NULL},
    /* several readings of one line: each has its own fields */
    {"rules: [{name: r, continue: true, fields: json, when: {v: 1}, metrics: [{counter: c, labels: {w: $w}}]}, {name: "
     "s, "
     "continue: true, after: '^{\"v\":1,\"w\":', fields: json, when: {x: '*'}, metrics: [{counter: d, labels: {x: "
     "$x}}]}, "
     "{name: t, fields: json, when: {w.x: '*'}, metrics: [{counter: e, labels: {x: $w.x, v: $v}}]}]",
     "web.1", "{\"v\":1,\"w\":{\"x\":\"y\"}}", "c{" APP "} 1\ne{" APP ",v=\"1\",x=\"y\"} 1\n"},
    {"rules: [{name: r, continue: true, fields: json, when: {v: a}, metrics: [{counter: c, labels: {v: $v}}]}, {name: "
     "s, "
     "continue: true, after: '^(?={)', fields: json, when: {w: b}, metrics: [{counter: d, labels: {w: $w}}]}, "
     "{name: t, fields: json, when: {v: a}, metrics: [{counter: e, labels: {v: $v}}]}]",
     "web.1", "{\"v\":\"a\",\"w\":\"b\"}", "c{" APP ",v=\"a\"} 1\nd{" APP ",w=\"b\"} 1\ne{" APP ",v=\"a\"} 1\n"},
    {"rules: [{name: r, after: '^x ', fields: logfmt, when: {a: 1}, metrics: [{counter: c}]}, {name: s, fields: "
     "logfmt, "
     "when: {a: 2}, metrics: [{counter: d}]}]",
     "web.1", "x a=2", "d{" APP "} 1\n"},
    /* arrays: a sample for each element */
    {JSON("m: '*'", "{gauge: g, value: '$workers[].backlog', labels: {w: '$workers[].index', m: $m}}"), "web.1",
     "{\"m\":\"x\",\"workers\":[{\"index\":0,\"backlog\":3},{\"index\":1,\"backlog\":\"4\"}]}",
     "g{" APP ",m=\"x\",w=\"0\"} gauge 3\ng{" APP ",m=\"x\",w=\"1\"} gauge 4\n"},
    {JSON("m: '*'", "{gauge: g, value: '$a.b[].c.d', labels: {l: 'w${a.b[].i}'}}"), "web.1",
     "{\"m\":1,\"a\":{\"b\":[{\"i\":1,\"c\":{\"d\":5}},{\"i\":2,\"c.d\":6},{\"i\":3,\"c\":7}]}}",
     "g{" APP ",l=\"w1\"} gauge 5\ng{" APP ",l=\"w2\"} gauge 6\nreject value\n"},
    {JSON("m: '*'", "{counter: c, value: '$sizes[]'}"), "web.1", "{\"m\":1,\"sizes\":[1,2.5,\"x\",null,[],{}]}",
     "c{" APP "} 1\nc{" APP "} 2.5\nreject value\nreject value\nreject value\nreject value\n"},
    {JSON("m: '*'", "{counter: c, labels: {n: '$names[]'}}"), "web.1", "{\"m\":1,\"names\":[\"a\",\"b\"]}",
     "c{" APP ",n=\"a\"} 1\nc{" APP ",n=\"b\"} 1\n"},
    {JSON("m: '*'", "{counter: c, value: '$sizes[]'}"), "web.1", "{\"m\":1,\"sizes\":[]}", ""},
    {JSON("m: '*'", "{counter: c, value: '$sizes[]'}"), "web.1", "{\"m\":1,\"sizes\":5}", "reject value\n"},
    {JSON("m: '*'", "{counter: c, value: '$sizes[]'}"), "web.1", "{\"m\":1}", "reject value\n"},
    {JSON("a: '*'", "{counter: c, value: $a}"), "web.1", "{\"a\":[1],\"a\":2}", "c{" APP "} 2\n"},
    /* several rules: the first takes the line, unless it goes on */
    {"rules: [{name: r, match: '^a', metrics: [{counter: c}]}, {name: s, match: '^a', metrics: [{counter: d}]}]",
     "web.1", "a", "c{" APP "} 1\n"},
    {"rules: [{name: r, continue: true, match: '^a', metrics: [{counter: c}]}, {name: s, match: '^', metrics: "
     "[{counter: d}]}]",
     "web.1", "a", "c{" APP "} 1\nd{" APP "} 1\n"},
    {"rules: [{name: r, match: '^b', metrics: [{counter: c}]}, {name: s, match: '^a', metrics: [{counter: d}]}]",
     "web.1", "a", "d{" APP "} 1\n"},
    {"rules: [{name: r, match: '^a', drop: true}, {name: s, match: '^a', metrics: [{counter: d}]}]", "web.1", "a",
     NULL},
    {"rules: [{name: r, continue: true, match: '^a', metrics: [{counter: c}]}, {name: s, match: '^a', drop: true}, "
     "{name: t, "
     "match: '^a', metrics: [{counter: d}]}]",
     "web.1", "a", "c{" APP "} 1\n"},
    {"rules: [{name: r, fields: json, when: {a: '*'}, drop: true}, {name: s, match: '^', metrics: [{counter: d}]}]",
     "web.1", "{\"a\":1}", NULL},
    {"rules: [{name: r, fields: logfmt, when: {a: '1'}, metrics: [{counter: c}]}, {name: s, fields: logfmt, when: {a: "
     "'2'}, "
     "metrics: [{counter: d, labels: {a: $a}}]}]",
     "web.1", "a=2", "d{a=\"2\"," APP "} 1\n"},
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        use(cases[i].rules);
        const char *expected = cases[i].expected;
        check_line("app", cases[i].procid, cases[i].line, expected == NULL ? VERDICT_NOT_A_METRIC : VERDICT_RECOGNISED,
                   expected == NULL ? "" : expected);
    }
}

/* What rule_pattern.h says of lines that can match holds for each that does. */
static void beginnings(void **state)
{
    (void)state;
    static const char *const expressions[] = {"^",
                                              "^a",
                                              "^a|b",
                                              "^(?i)a",
                                              "^a?",
                                              "^(?:a|b)c",
                                              "^[ab]\\|c",
                                              "^\\|a|b",
                                              "^[|]a(b|c)",
                                              "^[]|]|x",
                                              "^a{2}",
                                              "^{a",
                                              "^\\x61",
                                              "^\\Qa|b\\E",
                                              "^(?#|)a",
                                              "^(?x) a | b # c",
                                              "^[[:alpha:]|]|1",
                                              "^[a\\]|]b",
                                              "^.",
                                              "^\\W",
                                              "^(?!a)",
                                              "^(?=a)b?",
                                              "^a(*ACCEPT)b",
                                              "^(|a)b",
                                              "^.*?b",
                                              "^.*+",
                                              "^.*?c$",
                                              "^.*a|b",
                                              "^.*\\|",
                                              "^a\\Kb",
                                              "^(?<=^)a",
                                              "^\\ba",
                                              "^(?|(a)|b)",
                                              "^(?(?=a)a|b)",
                                              "^(?:)+a",
                                              "^$|a"};
    static const char *const lines[] = {"",  "a",   "b",   "A",  "B", "aa", "ab",   "ac", "bc", "|a", "|ab",
                                        "x", "a|b", "a|c", "{a", "1", "]",  "ab c", " ",  "b ", "c"};
    struct rule_matcher *matcher = rule_matcher_create();
    for (size_t i = 0; i < sizeof expressions / sizeof expressions[0]; i++) {
        char error[ERROR_MAX];
        struct rule_pattern *pattern = rule_pattern_create(slice_of(expressions[i]), error);
        if (pattern == NULL)
            fail_msg("%s: %s", expressions[i], error);
        for (size_t j = 0; j < sizeof lines / sizeof lines[0]; j++) {
            struct slice line = guarded(slice_of(lines[j]));
            if (rule_pattern_match(pattern, matcher, line) != RULE_MATCHES)
                continue;
            struct slice part = rule_pattern_part(pattern);
            bool expected = slice_starts_with(line, rule_pattern_start(pattern)) &&
                            (part.length == 0 || scan_holds(line, part)) &&
                            (line.length == 0 ? rule_pattern_may_be_empty(pattern)
                                              : rule_pattern_may_start(pattern, (unsigned char)line.at[0]));
            if (!expected)
                fail_msg("%s matches \"%s\", but says that it cannot", expressions[i], lines[j]);
        }
        rule_pattern_free(pattern);
    }
    rule_matcher_free(matcher);
}

static void check_start(const char *expression, const char *start)
{
    char error[ERROR_MAX];
    struct rule_pattern *pattern = rule_pattern_create(slice_of(expression), error);
    assert_non_null(pattern);
    assert_slice(rule_pattern_start(pattern), start);
    rule_pattern_free(pattern);
}

static void check_part(const char *expression, const char *part)
{
    char error[ERROR_MAX];
    struct rule_pattern *pattern = rule_pattern_create(slice_of(expression), error);
    assert_non_null(pattern);
    assert_slice(rule_pattern_part(pattern), part);
    rule_pattern_free(pattern);
}

/* The texts that exclude most lines. */
static void starts(void **state)
{
    (void)state;
    check_start("^sidekiq job=(?<job>\\w+)", "sidekiq job=");
    check_start("^a\\.b (x|y)", "a.b ");
    check_start("^abc+", "ab");
    check_start("^abc|d", "");
    check_start("^(?i)abc", "");
    check_start("^abc$", "abc");
    check_start("^\\[a\\]", "[a]");
    check_part("^abc", "");
    check_part("^.*?took (\\d+)", "took ");
    check_part("^.* id=\\d+", " id=");
    check_part("^.*+a", "a");
    check_part("^.*?ab?c", "a");
    check_part("^.*?a|b", "");
    check_part("^.*(a)", "");
    check_part("^.{2}a", "");
}

static void refuse(const char *expression, size_t length, const char *expected)
{
    char error[ERROR_MAX];
    struct rule_pattern *pattern = rule_pattern_create((struct slice){expression, length}, error);
    if (pattern != NULL || strstr(error, expected) == NULL)
        fail_msg("%.100s: %s is not %s", expression, pattern != NULL ? "it is taken, and that" : error, expected);
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        const char *error;
    } wrong[] = {
        {"", "must start with '^'"},
        {"abc", "must start with '^'"},
        {"(?i)^abc", "must start with '^'"},
        {"(*UTF)^abc", "must start with '^'"},
        {"(*NO_JIT)^abc", "must start with '^'"},
        {"\\Aabc", "must start with '^'"},
        {"^(*UTF)abc", "(*VERB)"},
        {"^(*NO_JIT)abc", "(*VERB)"},
        {"^a(b", "missing closing parenthesis (at character 5)"},
        {"^a)", "unmatched closing parenthesis (at character 3)"},
        {"^[a", "missing terminating ] for character class"},
        {"^a**+", "quantifier"},
        {"^\\C", "\\C"},
        {"^\\x{100}", "character code point value"},
        {"^(?J)(?<a>x)|(?<a>y)", "(?J)"},
        {"^(?<a>x)|(?<a>y)", "two named"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        refuse(wrong[i].expression, strlen(wrong[i].expression), wrong[i].error);
    char text[RULE_PATTERN_MAX + 1];
    memset(text, 'a', sizeof text);
    text[0] = '^';
    refuse(text, sizeof text, "longer than 4096 bytes");
    text[1] = '\0';
    for (int i = 0; i <= RULE_GROUPS_MAX; i++)
        strcat(text, "(a)");
    refuse(text, strlen(text), "more than 64 groups");
    text[strlen(text) - 3] = '\0';
    struct rule_pattern *pattern = rule_pattern_create(slice_of(text), (char[ERROR_MAX]){0});
    assert_non_null(pattern);
    rule_pattern_free(pattern);
}

/* ---- expressions that take for ever ---- */

static const struct {
    const char *expression;
    const char *repeated; /* of which a line of 10,000 bytes is made */
    const char *end;
} evil[] = {
    {"^(a+)+$", "a", "!"},
    {"^(a|aa)+$", "a", "!"},
    {"^(a|a)*$", "a", "!"},
    {"^([a-zA-Z]+)*$", "a", "1"},
    {"^(.*a){20}$", "a", "!"},
    {"^(?:.*.*)*x$", "a", "x!"},
    {"^\\w+\\w+\\w+\\w+\\w+\\d$", "a", "!"},
    {"^.*.*.*.*=\\d", "a", "=!"},
    {"^(?:(?:a?){30}){30}b$", "a", "!b!"},
    {"^(\\w+\\s?)*$", "ab ", "!"},
    {"^(?=(a+))\\1*b\\1", "a", "!b"},
    {"^(?<r>a(?&r)?a?)+$", "a", "!"},
    {"^(a?){100}a{100}b", "a", "!b"},
    {"^.*?,.*?,.*?,.*?,.*?,.*?,P", "a,", "!P"},
    {"^(.*?,){11}P", "1,", "!P"},
    {"^(?:x+x+)+y", "x", "!y"},
    {"^(?:.*?a.*?){3}z\\d", "a", "z!"},
    {"^(?:(?=(.*)z)|.)*$", "a", "!z\n!"},
    {"^.*(?=.*(?=.*(?=.*z\\d)))", "a", "z"},
    {"^(?:.(?!.*z))*+y", "a", "!y"},
    {"^(?:(?:.(?=.*!))(?=.*!))*+y", "a", "!y"},
    {"^(?:(?>[^z]*z)|.)*+\\d", "a", "!"},
};

/* Each is given up, or, where PCRE2 is clever or the machine fast, finds nothing; never is it a match. */
static void evil_expressions(void **state)
{
    (void)state;
    static char line[10001];
    struct rule_matcher *matcher = rule_matcher_create();
    unsigned failed = 0;
    for (size_t i = 0; i < sizeof evil / sizeof evil[0]; i++) {
        size_t length = 0, step = strlen(evil[i].repeated);
        for (; length + step + 8 < sizeof line; length += step)
            memcpy(line + length, evil[i].repeated, step);
        strcpy(line + length, evil[i].end);
        char error[ERROR_MAX];
        struct rule_pattern *pattern = rule_pattern_create(slice_of(evil[i].expression), error);
        if (pattern == NULL)
            fail_msg("%s: %s", evil[i].expression, error);
        enum rule_match match = rule_pattern_match(pattern, matcher, guarded(slice_of(line)));
        if (match == RULE_MATCHES)
            fail_msg("%s matches", evil[i].expression);
        failed += match == RULE_FAILS;
        rule_pattern_free(pattern);
    }
    if (failed < 15)
        fail_msg("only %u of the expressions were given up", failed);
    rule_matcher_free(matcher);
}

/* A rule is switched off after ten such lines; the others go on, and so does it under fresh rules. */
static void switched_off(void **state)
{
    (void)state;
    static const char rules[] = "rules: [{name: evil, match: '^(a+)+$', metrics: [{counter: c}]}, "
                                "{name: good, match: '^a', metrics: [{counter: d}]}]";
    char line[64];
    memset(line, 'a', sizeof line);
    strcpy(line + 40, "!");
    use(rules);
    for (int i = 0; i < RULES_ERRORS_MAX - 1; i++)
        check_line("app", "web.1", line, VERDICT_RECOGNISED, "d{" APP "} 1\n");
    check_line("app", "web.1", "aaa", VERDICT_RECOGNISED, "c{" APP "} 1\n");
    check_line("app", "web.1", line, VERDICT_RECOGNISED, "d{" APP "} 1\n");
    check_line("app", "web.1", "aaa", VERDICT_RECOGNISED, "d{" APP "} 1\n");
    use(rules);
    check_line("app", "web.1", "aaa", VERDICT_RECOGNISED, "c{" APP "} 1\n");
}

/* A group that takes much of the stack finds it. */
static void deep(void **state)
{
    (void)state;
    static char line[5000];
    memset(line, 'a', sizeof line - 1);
    use(MATCH("^(?:(\\w)\\s?)*$", "{counter: c}"));
    check_line("app", "web.1", line, VERDICT_RECOGNISED, "c{" APP "} 1\n");
}

/* ---- values that are not used ---- */

static const struct {
    const char *rules;
    const char *line;
    const char *unread; /* "metric: reason text|unit", one line each */
} unread_cases[] = {
    {MATCH("^q (?<t>.*)", "{gauge: g, value: $t}, {counter: c, value: $t}"), "q 12 parsecs",
     "r, g: its unit is not known here: 12 parsecs|parsecs\nr, c: its unit is not known here: 12 parsecs|parsecs\n"},
    {MATCH("^q (?<t>.*)", "{gauge: g, value: $t, unit: seconds}"), "q 5MB",
     "r, g: its unit is not known here: 5MB|MB\n"},
    {MATCH("^q (?<t>.*)", "{gauge: g, value: $t}"), "q much", "r, g: it is no number: much|\n"},
    {MATCH("^q (?<t>.*)", "{counter: c, value: $t}"), "q -1ms", "r, c: it is negative: -1ms|\n"},
    {MATCH("^q (?<t>.*)", "{gauge: g, value: $t, scale: 1e300}"), "q 1e300", "r, g: it is too large: 1e300|\n"},
    {MATCH("^q(?<t>.*)", "{gauge: g, value: $t}"), "q", "r, g: there is none: |\n"},
    {MATCH("^q (?<t>.*)", "{gauge: g, value: $t}"), "q 1", ""},
    {LOGFMT("a: 1", "{gauge: g, value: $b}"), "a=1", "r, g: there is none: |\n"},
    {JSON("a: 1", "{counter: c, value: $b}"), "{\"a\":1,\"b\":-5}", "r, c: it is negative: -5|\n"},
    {JSON("a: 1", "{gauge: g, value: '$b[].c'}"), "{\"a\":1,\"b\":[{\"c\":\"x\"},{\"c\":1},{}]}",
     "r, g: it is no number: x|\nr, g: there is none: |\n"},
    {MATCH("^q (?<t>.*)", "{gauge: g, value: $t}"), "q 1\x1b[2J\xC2\x9b",
     "r, g: its unit is not known here: 1?[2J\xC2?|?[2J\xC2?\n"},
    {MATCH("^q (?<t>.*)", "{gauge: g, value: $t}"), "q 0123456789012345678901234567890123456789012345678\xC3\x84",
     "r, g: its unit is not known here: 012345678901234567890123456789012345678901234567|\xC3\x84\n"},
};

static void unread_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof unread_cases / sizeof unread_cases[0]; i++) {
        char text[2048] = "";
        struct rules_unread unread;
        use(unread_cases[i].rules);
        read_line(&recorded, "app", "web.1", unread_cases[i].line);
        for (size_t j = 0; rules_unread(FAMILY_RULES, &recorded.context, j, &unread); j++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s, %s: %s: %.*s|%.*s\n",
                     (int)unread.rule.length, unread.rule.at, unread.metric, rules_unread_meaning(unread.reason),
                     (int)unread.text.length, unread.text.at, (int)unread.unit.length, unread.unit.at);
        if (strcmp(text, unread_cases[i].unread) != 0)
            fail_msg("%s\n gave\n%s not\n%s", unread_cases[i].line, text, unread_cases[i].unread);
    }
}

/* Each is counted; no more than RULES_TOLD are told apart; the next line starts anew. */
static void many_unread_values(void **state)
{
    (void)state;
    struct rules_unread unread;
    struct rules_tally tally;
    size_t rule = 0;
    use("rules: [{name: r, match: '^', fields: json, metrics: [{gauge: g, value: '$a[]'}]}]");
    read_line(&recorded, "app", "web.1", "{\"a\":[\"1\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"x\",\"y\"]}");
    assert_true(rules_unread(FAMILY_RULES, &recorded.context, RULES_TOLD - 1, &unread));
    assert_slice(unread.text, "y");
    assert_false(rules_unread(FAMILY_RULES, &recorded.context, RULES_TOLD, &unread));
    assert_true(rules_reader_tally(reader, &rule, &tally));
    assert_true(tally.unread == 9 && tally.lines == 1);
    read_line(&recorded, "app", "web.1", "{\"a\":[1]}");
    assert_false(rules_unread(FAMILY_RULES, &recorded.context, 0, &unread));
}

/* What is behind the bound of an array is refused once. */
static void long_arrays(void **state)
{
    (void)state;
    static char line[RULE_LINE_MAX], expected[16 * 1024];
    use("rules: [{name: r, match: '^', fields: json, metrics: [{counter: c, value: '$a[]'}]}]");
    for (int count = RULE_ELEMENTS_MAX; count <= RULE_ELEMENTS_MAX + 2; count++) {
        char *at = stpcpy(line, "{\"a\":[1");
        char *more = expected;
        for (int i = 1; i < count; i++)
            at = stpcpy(at, ",1");
        stpcpy(at, "]}");
        for (int i = 0; i < RULE_ELEMENTS_MAX; i++)
            more = stpcpy(more, "c{" APP "} 1\n");
        stpcpy(more, count > RULE_ELEMENTS_MAX ? "reject too_large\n" : "");
        check_line("app", "web.1", line, VERDICT_RECOGNISED, expected);
    }
}

/* A label's value that is put together is bounded as any other is. */
static void long_texts(void **state)
{
    (void)state;
    static char line[IDENTITY_VALUE_MAX + 16], expected[IDENTITY_VALUE_MAX + 64];
    use("rules: [{name: r, match: '^(?<a>.*)', metrics: [{counter: c, labels: {l: '${a:upper}-'}}]}]");
    memset(line, 'a', IDENTITY_VALUE_MAX - 1);
    memset(stpcpy(expected, "c{" APP ",l=\""), 'A', IDENTITY_VALUE_MAX - 1);
    strcpy(expected + strlen("c{" APP ",l=\"") + IDENTITY_VALUE_MAX - 1, "-\"} 1\n");
    check_line("app", "web.1", line, VERDICT_RECOGNISED, expected);
    line[IDENTITY_VALUE_MAX - 1] = 'a';
    struct identity identity;
    read_line(&recorded, "app", "web.1", line);
    assert_true(recorded.last.transient);
    assert_int_not_equal(strcmp(recorded.text, expected), 0);
    const struct label label = {SLICE("l"), {line, IDENTITY_VALUE_MAX + 1}};
    assert_int_equal(identity_build(&identity, (struct slice){"", 0}, SLICE("c"), &label, 1), IDENTITY_BAD_LABELS);
}

/* Labels that are parts of the line or constants need no copy, all others do. */
static void transient(void **state)
{
    (void)state;
    static const struct {
        const char *labels;
        bool transient;
    } labels[] = {{"a: x", false},      {"a: $a", false},          {"a: {value: $a, map: {x: y}}", false},
                  {"a: '${a}'", false}, {"a: '${a:lower}'", true}, {"a: x, b: 'x${a}'", true}};
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        char yaml[256];
        snprintf(yaml, sizeof yaml, "rules: [{name: r, match: '^(?<a>x)', metrics: [{counter: c, labels: {%s}}]}]",
                 labels[i].labels);
        use(yaml);
        read_line(&recorded, "app", "web.1", "x");
        assert_int_equal(recorded.last.transient, labels[i].transient);
    }
}

/* Expressions of "after" and of conditions are bounded too, and their rule is switched off. */
static void evil_parts(void **state)
{
    (void)state;
    static const char *const rules[] = {
        "rules: [{name: r, after: '^(a+)+ ', fields: logfmt, when: {b: {not: c}}, metrics: [{counter: c}]}]",
        "rules: [{name: r, match: '^(?<a>.*)', when: {a: {match: '^(a+)+$'}}, metrics: [{counter: c}]}]",
        "rules: [{name: r, match: '^', fields: logfmt, when: {x: {match: '^(a+)+$'}}, metrics: [{counter: c}]}]"};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        use(rules[i]);
        for (int j = 0; j < RULES_ERRORS_MAX; j++) {
            assert_false(rules_is_off(file->rules, 0));
            check_line("app", "web.1",
                       i == 2 ? "x=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!" : "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa! b=d",
                       VERDICT_NOT_A_METRIC, "");
        }
        assert_true(rules_is_off(file->rules, 0));
    }
}

static void long_lines(void **state)
{
    (void)state;
    static char line[RULE_LINE_MAX + 2];
    memset(line, 'a', RULE_LINE_MAX);
    use(COUNT_ALL);
    check_line("app", "web.1", line, VERDICT_RECOGNISED, "c{" APP "} 1\n");
    line[RULE_LINE_MAX] = 'a';
    check_line("app", "web.1", line, VERDICT_NOT_A_METRIC, "");
}

/* Many rules that look for a text anywhere, between others: they are asked in their order, and only those whose text is
 * there. */
static void many_parts(void **state)
{
    (void)state;
    enum { COUNT = 150 };
    static char yaml[COUNT * 120 + 200];
    size_t length = (size_t)sprintf(yaml, "rules:\n");
    for (int i = 0; i < COUNT; i++)
        length += (size_t)sprintf(
            yaml + length,
            i == 70 ? "- {name: r%d, match: '^x', continue: true, metrics: [{counter: c%d}]}\n"
                    : "- {name: r%d, match: '^.*? took%d=', continue: true, metrics: [{counter: c%d}]}\n",
            i, i, i);
    sprintf(yaml + length, "- {name: last, match: '^.*end', metrics: [{counter: last}]}\n");
    use(yaml);
    check_line("app", "web.1", "x took71= took7= took149= end took5=", VERDICT_RECOGNISED,
               "c5{" APP "} 1\nc7{" APP "} 1\nc70{" APP "} 1\nc71{" APP "} 1\nc149{" APP "} 1\nlast{" APP "} 1\n");
    check_line("app", "web.1", " took1=", VERDICT_RECOGNISED, "c1{" APP "} 1\n");
    check_line("app", "web.1", "x", VERDICT_RECOGNISED, "c70{" APP "} 1\n");
    check_line("app", "web.1", "y took= end of", VERDICT_RECOGNISED, "last{" APP "} 1\n");
    check_line("app", "web.1", "y took1", VERDICT_NOT_A_METRIC, "");
    check_line("app", "web.1", "", VERDICT_NOT_A_METRIC, "");
}

/* Each samples' labels last as long as the batch, also where the line does not hold them as they are. */
static void labels_last(void **state)
{
    (void)state;
    use(JSON("e: '*'", "{counter: c, labels: {e: $e, n: $n}}"));
    static struct recording other;
    other.context = recorded.context;
    read_line(&recorded, "app", "web.1", "{\"e\":\"one\",\"n\":1}");
    read_line(&other, "app", "web.1", "{\"e\":\"two\",\"n\":2}");
    assert_string_equal(recorded.text, "c{" APP ",e=\"one\",n=\"1\"} 1\n");
    assert_string_equal(other.text, "c{" APP ",e=\"two\",n=\"2\"} 1\n");
}

static void process_ends_series(void **state)
{
    (void)state;
    use(MATCH("^q", "{counter: c, with: [app, process]}"));
    check_line("app", "web.1", "q", VERDICT_RECOGNISED, "c{" APP ",process=\"web.1\"} 1\n");
    assert_slice(recorded.last.process, "web.1");
    check_line("app", "run.1234", "q", VERDICT_RECOGNISED, "c{" APP ",process_type=\"run\"} 1\n");
    assert_int_equal(recorded.last.process.length, 0);
    assert_int_equal(recorded.last.label_count, 3); /* as before: the names of labels are always the same */
}

/* The same metric has the same descriptor, whatever the order of its labels and whatever its help. */
static void descriptors(void **state)
{
    (void)state;
    use(MATCH("^q(?<a>)", "{counter: c, labels: {a: x, b: y}}"));
    read_line(&recorded, "app", "web.1", "q");
    const struct metric *first = recorded.last.metric;
    use(MATCH("^q(?<a>)", "{counter: c, labels: {b: z, a: $a}, help: Another.}"));
    read_line(&recorded, "app", "web.1", "q");
    assert_ptr_equal(recorded.last.metric, first);
    assert_string_equal(metric_help(first), RULE_HELP); /* until the rules are in force */
    rules_enforce(file->rules);
    assert_string_equal(metric_help(first), "Another.");
    static const char *const others[] = {MATCH("^q", "{counter: c, labels: {a: x}}"), MATCH("^q", "{counter: c}"),
                                         MATCH("^q", "{counter: c, labels: {a: x, b: y}, with: [app, process]}"),
                                         MATCH("^q", "{counter: d, labels: {a: x, b: y}}")};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        use(others[i]);
        read_line(&recorded, "app", "web.1", "q");
        assert_ptr_not_equal(recorded.last.metric, first);
    }
    rules_enforce(file->rules);
    assert_true(metric_has_ended(first));
    assert_false(metric_has_ended(recorded.last.metric));
    use(MATCH("^q", "{counter: c, labels: {a: x, b: y}}"));
    rules_enforce(file->rules);
    assert_false(metric_has_ended(first));
    rules_enforce(NULL);
    assert_true(metric_has_ended(first));
}

static void no_rules(void **state)
{
    (void)state;
    use("rules: []");
    assert_null(file->rules);
    check_line("app", "web.1", "q", VERDICT_NOT_A_METRIC, "");
    assert_int_equal(rules_count(NULL), 0);
    rules_unref(NULL);
    assert_null(rules_ref(NULL));
}

/* Against the plain way, at all distances from the ends of blocks. */
static void scanning(void **state)
{
    (void)state;
    static const char *const words[] = {"!", "b!", "ab!", "aab!"};
    char text[200];
    for (size_t length = 0; length < 150; length++) {
        for (size_t at = 0; at <= length; at++) {
            memset(text, 'a', sizeof text);
            memcpy(text + at, "aab!", 4);
            struct slice cut = guarded((struct slice){text, length});
            for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
                assert_int_equal(scan_holds(cut, slice_of(words[i])),
                                 memmem(cut.at, cut.length, words[i], strlen(words[i])) != NULL);
        }
    }
}

static void every_cut_is_survived(struct slice text)
{
    read_message(&recorded, "app", "web.1", text);
}

static void cuts(void **state)
{
    (void)state;
    use("rules: [{name: r, match: '^sidekiq job=(?<job>\\w+) ms=(?<ms>[0-9.]+)', continue: true, metrics: [{gauge: g, "
        "value: $ms, "
        "labels: {j: $job}}]}, {name: s, fields: json, when: {a.b: '*'}, metrics: [{counter: c, labels: {l: $c}}]}, "
        "{name: t, fields: logfmt, continue: true, when: {job: '*'}, metrics: [{counter: d, labels: {l: $job}}]}, "
        "{name: u, after: '^\\S+ ', fields: logfmt, continue: true, when: {ms: '> 1'}, metrics: [{counter: e, labels: "
        "{l: 'x${ms:class}'}}]}, {name: v, fields: json, when: {d: '*'}, metrics: [{gauge: h, value: '$c[].e', labels: "
        "{l: {value: '$c[].f', map: {'> 1': x}}}}]}]");
    each_cut(SLICE("{\"d\":1,\"c\":[{\"e\":5,\"f\":2},{\"e\":\"1m30s\"}]}"), every_cut_is_survived);
    each_cut(SLICE("sidekiq job=Mail ms=12.5"), every_cut_is_survived);
    each_cut(SLICE("{\"a\":{\"b\":\"\\u00f6\\n\"},\"c\":[1,{}],\"d\":1e5}"), every_cut_is_survived);
}

/* Which lines that yield nothing a rule could take. */
static void could_take(void **state)
{
    (void)state;
    static char long_text[RULE_LINE_MAX + 1];
    struct line line = {.appname = SLICE("app"), .procid = SLICE("web.1"), .message = {long_text, RULE_LINE_MAX}};
    assert_true(rules_could_take(FAMILY_COUNT, &line));
    assert_true(rules_could_take(FAMILY_RULES, &line));
    assert_true(rules_could_take(FAMILY_ADDON, &line));
    assert_false(rules_could_take(FAMILY_ROUTER, &line));
    line.message.length++;
    assert_false(rules_could_take(FAMILY_COUNT, &line));
    line.message.length = 5;
    line.appname.length = 0; /* it has no header */
    assert_false(rules_could_take(FAMILY_COUNT, &line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(beginnings),
        cmocka_unit_test(starts),
        cmocka_unit_test(refused),
        cmocka_unit_test(evil_expressions),
        cmocka_unit_test(switched_off),
        cmocka_unit_test(deep),
        cmocka_unit_test(unread_values),
        cmocka_unit_test(many_unread_values),
        cmocka_unit_test(long_arrays),
        cmocka_unit_test(long_texts),
        cmocka_unit_test(transient),
        cmocka_unit_test(evil_parts),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(many_parts),
        cmocka_unit_test(labels_last),
        cmocka_unit_test(process_ends_series),
        cmocka_unit_test(descriptors),
        cmocka_unit_test(no_rules),
        cmocka_unit_test(cuts),
        cmocka_unit_test(scanning),
        cmocka_unit_test(could_take),
    };
    return cmocka_run_group_tests_name("rules", tests, open_store, close_store);
}
