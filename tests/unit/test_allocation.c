/* What happens if memory is short, at each place that asks for some. */
#include "allocation.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/gzip.h"
#include "base/json.h"
#include "base/line_patterns.h"
#include "config/configuration.h"
#include "config/password_hash.h"
#include "config/proposals.h"
#include "intake/batch.h"
#include "intake/dedup.h"
#include "intake/log_input.h"
#include "output/http_client.h"
#include "output/maintenance.h"
#include "output/page.h"
#include "page_support.h"
#include "server/accounts.h"
#include "server/verifier.h"
#include "store/store.h"
#include "support.h"

static bool attempt_buffer(void)
{
    struct buffer buffer = {0};
    for (int i = 0; i < 100; i++)
        buffer_append(&buffer,
                      SLICE("a text that is appended again and again until the buffer has grown several times"));
    bool done = !buffer.failed;
    buffer_free(&buffer);
    return done;
}

static void a_buffer_says_that_it_failed(void **state)
{
    (void)state;
    each_allocation_fails(attempt_buffer);
}

static bool attempt_json(void)
{
    struct json *json = json_create(1024);
    if (json == NULL)
        return false;
    bool done = json_read(json, SLICE("{\"a\":[1,2,{\"b\":\"c\"}]}")) != NULL;
    json_free(json);
    return done;
}

static void json(void **state)
{
    (void)state;
    each_allocation_fails(attempt_json);
}

static bool attempt_patterns(void)
{
    struct line_patterns *patterns = line_patterns_create(32);
    if (patterns == NULL)
        return false;
    for (int i = 0; i < 20; i++) {
        char text[2] = {(char)('a' + i), '\0'};
        line_patterns_add(patterns, slice_of(text), slice_of(text));
    }
    bool done = line_patterns_total(patterns).counted == 20;
    line_patterns_free(patterns);
    return done;
}

static void line_patterns(void **state)
{
    (void)state;
    each_allocation_fails(attempt_patterns);
}

/* Short rules: of a longer one libyaml itself may leave a piece behind, while its stack of nodes grows. */
static bool attempt_proposals(void)
{
    struct buffer out = {0};
    struct proposals *proposals = proposals_create(8);
    if (proposals == NULL)
        return false;
    for (int i = 0; i < 2; i++)
        proposals_add(proposals, &(struct line){.appname = SLICE("app"),
                                                .procid = SLICE("web.1"),
                                                .message = i == 0 ? SLICE("in") : SLICE("out")});
    proposals_make(proposals);
    proposals_write(proposals, &out);
    bool done = proposals_total(proposals).rules == 2 && !out.failed;
    buffer_free(&out);
    proposals_free(proposals);
    return done;
}

static void proposals(void **state)
{
    (void)state;
    each_allocation_fails(attempt_proposals);
}

static bool attempt_dedup(void)
{
    struct dedup *dedup = dedup_create(DEDUP_IDS);
    dedup_free(dedup);
    return dedup != NULL;
}

static void dedup(void **state)
{
    (void)state;
    each_allocation_fails(attempt_dedup);
}

/* ---- the store ---- */

static const struct metric counter = {.name = "counter", .help = "", .type = METRIC_COUNTER, .cells = 1};

static bool record(struct store *store, struct entities *entities, const char *label, uint64_t now)
{
    struct identity identity;
    struct label labels = {SLICE("l"), slice_of(label)};
    entity_id app = entities_app(entities, SLICE("app"), NULL, 0, now);
    struct store_terms terms = {.now = now, .lifetime = 1000, .entity = app, .app = app};
    struct value value = {.type = VALUE_GAUGE, .number = 1};
    bool done = identity_build(&identity, SLICE(""), SLICE("counter"), &labels, 1) == IDENTITY_OK;
    enum store_result counted = store_count(store, 0, &identity, &counter, 0, 1, &terms);
    done &= counted == STORE_RECORDED || counted == STORE_CREATED;
    identity_build(&identity, SLICE(""), SLICE("gauge"), &labels, 1);
    enum store_result updated = store_update(store, 0, &identity, NULL, &value, false, &terms);
    return done && (updated == STORE_RECORDED || updated == STORE_CREATED);
}

static bool count_series(void *context, const struct store_series_view *series)
{
    (void)series;
    ++*(unsigned *)context;
    return true;
}

static unsigned count_all(struct store *store, uint64_t now)
{
    struct store_metric_view views[8];
    unsigned count = 0;
    size_t metrics = store_metrics(store, views, 8);
    for (size_t i = 0; i < metrics && i < 8; i++)
        store_each_series(store, 1, views[i].handle, now, count_series, &count);
    return count;
}

static bool attempt_store(void)
{
    struct entities *entities = entities_create(&(struct entities_settings){.app_silence = 5000, .grace = 10});
    struct store *store =
        entities == NULL ? NULL
                         : store_create(&(struct store_settings){.max_series = 100, .slots = 2, .entities = entities});
    bool done = store != NULL;
    for (int i = 0; store != NULL && i < 40; i++) {
        char label[2] = {(char)('0' + i % 20), '\0'};
        store_enter(store, 0);
        done &= record(store, entities, label, 1000);
        store_leave(store, 0);
    }
    if (store != NULL) {
        store_enter(store, 1);
        unsigned count = count_all(store, 1000);
        done &= count == 40;
        store_sweep(store, 1, 3000);
        assert_int_equal(count_all(store, 3000), 0);
        store_leave(store, 1);
        /* What was refused for want of memory can be recorded again. */
        store_enter(store, 0);
        done &= record(store, entities, "again", 3000);
        store_leave(store, 0);
    }
    store_free(store);
    entities_free(entities);
    return done;
}

static void store(void **state)
{
    (void)state;
    each_allocation_fails(attempt_store);
}

/* ---- logs ---- */

static struct slice log_rest;

static ssize_t read_log(void *context, char *place, size_t capacity)
{
    (void)context;
    size_t length = log_rest.length < capacity ? log_rest.length : capacity;
    length = length < 10 ? length : 10;
    memcpy(place, log_rest.at, length);
    log_rest = slice_after(log_rest, length);
    return (ssize_t)length;
}

static bool attempt_log(void)
{
    log_rest =
        SLICE("2026-02-03T04:05:06.000001+00:00 app[web.1]: one\n2026-02-03T04:05:06.000001+00:00 app[web.1]: two\n");
    struct log_input *input = log_input_open(&(struct log_input_source){read_log, NULL});
    if (input == NULL)
        return false;
    struct buffer body = {0};
    size_t count = 0;
    for (size_t some; (some = log_input_batch(input, 64, &body)) > 0;)
        count += some;
    bool done = log_input_error(input) == 0 && !body.failed;
    assert_true(!done || count == 2);
    buffer_free(&body);
    log_input_close(input);
    return done;
}

static void log_input(void **state)
{
    (void)state;
    each_allocation_fails(attempt_log);
}

/* ---- base ---- */

static bool attempt_gzip(void)
{
    static char text[100000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * i / 7);
    struct buffer small = {0}, large = {0};
    bool done = gzip_compress((struct slice){text, sizeof text}, &small);
    if (done) {
        enum decompress_result result =
            decompress(SLICE("gzip"), (struct slice){small.at, small.length}, 1000000, &large);
        assert_true(result == DECOMPRESS_DONE || result == DECOMPRESS_NO_MEMORY);
        done = result == DECOMPRESS_DONE;
        assert_true(!done || (large.length == sizeof text && memcmp(large.at, text, sizeof text) == 0));
    }
    buffer_free(&small);
    buffer_free(&large);
    return done;
}

static void gzip(void **state)
{
    (void)state;
    each_allocation_fails(attempt_gzip);
}

/* ---- configuration ---- */

/* If it cannot be had, want of memory must be what is said, and not something about the text. */
static struct configuration *checked(struct configuration *configuration, struct buffer *mistakes)
{
    bool says_so = mistakes->failed;
    struct slice rest = {mistakes->at, mistakes->length};
    while (rest.length > 0 && !says_so) {
        struct slice line = slice_cut_line(&rest);
        says_so = memmem(line.at, line.length, " memory", 7) != NULL;
        if (!says_so)
            fail_msg("%.*s", (int)line.length, line.at);
    }
    if (configuration == NULL && !says_so)
        fail_msg("nothing is said");
    buffer_free(mistakes);
    return configuration;
}

static bool attempt_example(void)
{
    struct buffer mistakes = {0};
    struct configuration *configuration =
        checked(configuration_read("docker/config.example.yaml", PASSWORDS_WITH_SHARED, &mistakes), &mistakes);
    bool done = configuration != NULL;
    if (done)
        assert_true(rules_count(configuration->rules) > 0);
    configuration_free(configuration);
    return done;
}

static void the_whole_configuration(void **state)
{
    (void)state;
    assert_true(attempt_example()); /* the descriptors of its metrics stay */
    each_allocation_fails(attempt_example);
}

/* The configuration is read again: the new rules are in force, or the old ones still are. */
static bool attempt_reload(void)
{
    static unsigned number;
    char text[512];
    number++;
    sprintf(text,
            "rules: [{name: r, match: '^x (?<a>.)', metrics: [{counter: c%u_total, labels: {a: $a}}, "
            "{histogram: h%u_seconds, value: $a, buckets: [1, 2]}, {gauge: g%u, help: Help., value: $a}]}]",
            number, number, number);
    struct buffer mistakes = {0};
    struct configuration *configuration =
        checked(configuration_parse(slice_of(text), "CONFIG", PASSWORDS_WITH_SHARED, &mistakes), &mistakes);
    bool done = configuration != NULL;
    if (done)
        rules_enforce(configuration->rules);
    rules_enforce(NULL);
    configuration_free(configuration);
    return done;
}

static void metrics_of_rules(void **state)
{
    (void)state;
    each_allocation_of_lasting_fails(attempt_reload);
}

static bool attempt_mistakes(void)
{
    struct buffer mistakes = {0};
    struct configuration *configuration =
        configuration_parse(SLICE("drains: [{name: a, pasword: x}, {name: a}]\nrules: [{name: '', match: x}]"),
                            "CONFIG", PASSWORDS_WITH_SHARED, &mistakes);
    assert_null(configuration);
    bool done = !mistakes.failed && mistakes.length > 0 &&
                memmem(mistakes.at, mistakes.length, ERROR_NO_MEMORY, strlen(ERROR_NO_MEMORY)) == NULL;
    buffer_free(&mistakes);
    return done;
}

static void mistakes_of_the_configuration(void **state)
{
    (void)state;
    each_allocation_fails(attempt_mistakes);
}

static bool attempt_settings(void)
{
    struct settings settings;
    char error[ERROR_MAX] = "";
    char program[] = "drain_exporter", flag[] = "--listen-address=[::1]:8080";
    bool done = settings_load(&settings, 2, (char *[]){program, flag, NULL}, error) == SETTINGS_OK;
    if (!done) {
        if (strstr(error, ERROR_NO_MEMORY) == NULL && strstr(error, "Cannot allocate memory") == NULL)
            fail_msg("%s", error);
        return false;
    }
    struct settings fresh = {0};
    done = settings_read_secrets(&settings, &fresh, error);
    if (done)
        settings_free(&fresh);
    settings_free(&settings);
    return done;
}

static void settings(void **state)
{
    (void)state;
    char path[] = "/tmp/drain_exporter.XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "secret\n", 7), 7);
    close(fd);
    setenv("PASSWORD_DRAIN", "d", 1);
    setenv("PASSWORD_METRICS_FILE", path, 1);
    each_allocation_fails(attempt_settings);
    unsetenv("PASSWORD_DRAIN");
    unsetenv("PASSWORD_METRICS_FILE");
    unlink(path);
}

/* ---- batches ---- */

enum { WORKER = 0, MAINTENANCE = 1 };

struct pipeline {
    struct entities *entities;
    struct store *store;
    struct intake *intake;
};

static bool open_pipeline(struct pipeline *pipeline)
{
    *pipeline = (struct pipeline){0};
    pipeline->entities = entities_create(&(struct entities_settings){.app_silence = 100000, .grace = 1000});
    if (pipeline->entities != NULL)
        pipeline->store =
            store_create(&(struct store_settings){.max_series = 2000, .slots = 2, .entities = pipeline->entities});
    if (pipeline->store != NULL)
        pipeline->intake =
            intake_create(pipeline->store, &(struct intake_settings){.entities = pipeline->entities,
                                                                     .lifetimes = {[0 ... FAMILY_COUNT - 1] = 600000},
                                                                     .ingest_prefix = SLICE("ingest "),
                                                                     .slots = 1});
    return pipeline->intake != NULL;
}

static void close_pipeline(struct pipeline *pipeline)
{
    intake_free(pipeline->intake);
    store_free(pipeline->store);
    entities_free(pipeline->entities);
}

#define FROM(appname, procid, text) "<190>1 2022-12-07T15:54:57.5+00:00 host " appname " " procid " - " text "\n"

/* A line for each family, and for a rule.  The ingest line is
 * [{"metric":{"name":"g1","gauge":{"value":1.0},"kind":"absolute","tags":{}}}]. */
static const char body[] = FROM(
    "heroku", "router",
    "at=info method=GET path=\"/\" host=a.example dyno=web.1 connect=1ms service=20ms status=200 bytes=3 "
    "protocol=https") FROM("heroku", "router", "at=error code=H12 method=GET path=\"/\" dyno=web.1 status=503 bytes=0")
    FROM("heroku", "web.1", "source=web.1 dyno=heroku.1.2 sample#memory_total=21.00MB sample#load_avg_1m=0.5") FROM(
        "heroku", "web.1", "Process exited with status 137") FROM("heroku", "web.1",
                                                                  "State changed from starting to up")
        FROM("app", "heroku-postgres", "source=DATABASE addon=x sample#db_size=4bytes sample#tables=1") FROM(
            "app", "heroku-redis", "source=REDIS addon=y sample#active-connections=2")
            FROM("app", "postgres.1", "[DATABASE] [1-1] sql_error_code = 42P01 ERROR:  relation does not exist") FROM(
                "app", "api", "Scaled to web@2:Standard-1X by user a@example.com")
                FROM("app", "web.1", "count#jobs=3 sample#queue=2 measure#time=30ms") FROM(
                    "app", "web.1",
                    "ingest "
                    "W3sibWV0cmljIjp7Im5hbWUiOiJnMSIsImdhdWdlIjp7InZhbHVlIjoxLjB9LCJraW5kIjoiYWJzb2x1dGUiLCJ0YWdzIjp7fX"
                    "19XQ==") FROM("app", "web.1", "job 5 ms");

static struct configuration *some_rules;

/* The nth batch, a second after the one before it.  It must be taken, whatever happens. */
static void take(struct pipeline *pipeline, unsigned nth)
{
    struct batch batch = {.body = slice_of(body),
                          .received = sizeof body - 1,
                          .app = SLICE("my-app"),
                          .rules = some_rules->rules,
                          .origin = origin_of(&(struct origin_headers){.drain_token = {NULL, 0}}),
                          .time = INT64_C(1670428500000000) + nth * 1000000,
                          .now = 1000 + 1000 * nth};
    assert_int_equal(batch_process(pipeline->intake, WORKER, &batch), BATCH_TAKEN);
}

/* The sum of all numbers on the page of lines that start so; -1: there is none. */
static double sum_of(const struct buffer *page, const char *start)
{
    double sum = -1;
    struct slice rest = {page->at, page->length};
    while (rest.length > 0) {
        struct slice line = slice_cut_line(&rest);
        if (slice_starts_with(line, slice_of(start)))
            sum = (sum < 0 ? 0 : sum) + strtod(memrchr(line.at, ' ', line.length), NULL);
    }
    return sum;
}

static double recorded_samples, refused_samples, rejected_samples;

/* Look at the page; false if there was no memory for it. */
static bool look(struct pipeline *pipeline, uint64_t now)
{
    struct buffer page = {0};
    store_enter(pipeline->store, MAINTENANCE);
    page_write(
        &(struct page_terms){
            .store = pipeline->store, .slot = MAINTENANCE, .now = now, .all_saw = UINT64_MAX, .encoder = &text_encoder},
        &page);
    store_leave(pipeline->store, MAINTENANCE);
    bool done = !page.failed;
    if (done) {
        recorded_samples = sum_of(&page, "drain_exporter_samples_recorded_total{");
        rejected_samples = sum_of(&page, "drain_exporter_samples_rejected_total{");
        /* How much is logged is none of the samples that are recorded. */
        double volume = sum_of(&page, "drain_exporter_series_refused_total{app=\"my-app\",family=\"log_volume\"}");
        refused_samples = sum_of(&page, "drain_exporter_series_refused_total{") - (volume > 0 ? volume : 0);
    }
    buffer_free(&page);
    return done;
}

enum { RULE_SAMPLES = 3 };
static double samples_of_body; /* all that the body holds, as taken without a failure */
static double most_refused;

static bool attempt_batches(void)
{
    struct pipeline pipeline;
    bool done = open_pipeline(&pipeline);
    if (!done)
        goto close;
    take(&pipeline, 0);
    done = look(&pipeline, 1500);
    bool is_whole = done && recorded_samples >= 0 && refused_samples >= 0 && rejected_samples >= 0;
    if (done && samples_of_body == 0)
        samples_of_body = recorded_samples;
    /* Each sample was recorded or is accounted for, unless it is the account's own series that there was no memory for.
     * Without memory for the rules the batch is read without them. */
    double counted = recorded_samples + refused_samples + rejected_samples;
    if (is_whole && counted != samples_of_body && counted != samples_of_body - RULE_SAMPLES)
        fail_msg("%g recorded, %g refused and %g rejected are not %g", recorded_samples, refused_samples,
                 rejected_samples, samples_of_body);
    most_refused = refused_samples > most_refused ? refused_samples : most_refused;
    store_enter(pipeline.store, MAINTENANCE);
    store_sweep(pipeline.store, MAINTENANCE, 1600);
    store_leave(pipeline.store, MAINTENANCE);

    /* What was refused is recorded as soon as there is memory. */
    allocation_fails_no_more();
    double before = recorded_samples < 0 || !done ? 0 : recorded_samples;
    take(&pipeline, 1);
    assert_true(look(&pipeline, 2500));
    if (done && recorded_samples - before != samples_of_body)
        fail_msg("then %g of %g were recorded", recorded_samples - before, samples_of_body);
    else
        assert_true(recorded_samples >= samples_of_body);

    /* All of the app leaves. */
    store_enter(pipeline.store, MAINTENANCE);
    store_sweep(pipeline.store, MAINTENANCE, 1000000);
    store_leave(pipeline.store, MAINTENANCE);
    assert_true(look(&pipeline, 1000000));
    assert_true(recorded_samples < 0);
    done = done && !allocation_has_failed();
close:
    close_pipeline(&pipeline);
    return done;
}

static void batches(void **state)
{
    (void)state;
    struct buffer mistakes = {0};
    some_rules = configuration_parse(
        SLICE("rules: [{name: jobs, match: '^job (?<n>[0-9]+)', metrics: [{counter: rule_jobs_total, value: $n}, "
              "{gauge: rule_job, value: $n, labels: {n: $n}}, {histogram: rule_job_seconds, value: $n}]}]"),
        "CONFIG", PASSWORDS_WITH_SHARED, &mistakes);
    assert_non_null(some_rules);
    rules_enforce(some_rules->rules);
    samples_of_body = 0;
    assert_true(attempt_batches());
    assert_true(samples_of_body > 20);
    each_allocation_fails(attempt_batches);
    assert_true(most_refused > 0);
    rules_enforce(NULL);
    configuration_free(some_rules);
}

/* ---- the maintenance thread ---- */

static size_t no_connections(void *context)
{
    (void)context;
    return 0;
}

static bool read_page(struct maintenance *maintenance)
{
    struct page_reader reader;
    page_reader_begin(&reader, maintenance, true, 1);
    bool done = page_reader_finish(&reader);
    page_reader_end(&reader);
    buffer_free(&reader.text);
    return done;
}

static bool attempt_maintenance(void)
{
    struct pipeline pipeline;
    struct maintenance *maintenance = NULL;
    bool done = open_pipeline(&pipeline);
    if (done)
        maintenance = maintenance_start(&(struct maintenance_settings){.store = pipeline.store,
                                                                       .slot = MAINTENANCE,
                                                                       .scrape_interval = 1000,
                                                                       .count_connections = no_connections});
    if (maintenance != NULL) {
        done = read_page(maintenance);
        allocation_fails_no_more();
        assert_true(read_page(maintenance)); /* the next scrape gets one */
        maintenance_stop(maintenance);
    }
    close_pipeline(&pipeline);
    return done && maintenance != NULL && !allocation_has_failed();
}

static void pages(void **state)
{
    (void)state;
    each_allocation_fails(attempt_maintenance);
}

/* ---- passwords ---- */

/* Of "secret"; takes no time. */
#define CHEAP "$1$KqsIoeae$zCnkbzu8SpUVr0uMdCW8C0"

static bool attempt_password_hash(void)
{
    enum password_hash_result right = password_hash_verify(CHEAP, SLICE("secret"));
    enum password_hash_result wrong = password_hash_verify(CHEAP, SLICE("other"));
    assert_int_not_equal(right, PASSWORD_HASH_DIFFERS);
    assert_int_not_equal(wrong, PASSWORD_HASH_MATCHES);
    return right == PASSWORD_HASH_MATCHES && wrong == PASSWORD_HASH_DIFFERS;
}

static void password_hash(void **state)
{
    (void)state;
    each_allocation_fails(attempt_password_hash);
}

struct verified {
    struct verifier_ticket ticket; /* first */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_done;
    enum accounts_result result;
};

static void on_verified(struct verifier_ticket *ticket, enum accounts_result result, const struct account *account)
{
    struct verified *verified = (struct verified *)ticket;
    (void)account;
    pthread_mutex_lock(&verified->lock);
    verified->is_done = true;
    verified->result = result;
    pthread_cond_signal(&verified->changed);
    pthread_mutex_unlock(&verified->lock);
}

/* A password against a hash: let in, or nobody knows. */
static bool verify(struct accounts *accounts, struct verifier *verifier)
{
    const struct account *account;
    struct verification *verification;
    /* a:secret */
    enum accounts_result result = accounts_check(accounts, SLICE("Basic YTpzZWNyZXQ="), &account, &verification);
    assert_true(result == ACCOUNTS_PENDING || result == ACCOUNTS_NO_MEMORY);
    struct verified verified = {
        .ticket.done = on_verified, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    if (result != ACCOUNTS_PENDING || !verifier_submit(verifier, verification, 0, &verified.ticket))
        return false;
    pthread_mutex_lock(&verified.lock);
    while (!verified.is_done)
        pthread_cond_wait(&verified.changed, &verified.lock);
    pthread_mutex_unlock(&verified.lock);
    assert_true(verified.result == ACCOUNTS_ALLOWED || verified.result == ACCOUNTS_NO_MEMORY);
    return verified.result == ACCOUNTS_ALLOWED;
}

static bool attempt_accounts(void)
{
    struct buffer mistakes = {0};
    struct configuration *file =
        checked(configuration_parse(SLICE("drains: [{name: a, app: b, password_hash: '" CHEAP "', tokens: [d.1, d.2], "
                                          "labels: {team: c}}, {name: d, password: e}]"),
                                    "CONFIG", PASSWORDS_WITH_SHARED, &mistakes),
                &mistakes);
    struct auth_realm shared = auth_realm_of(SHARED_USER, "shared", NULL);
    struct accounts *accounts = file == NULL ? NULL : accounts_create(&shared, file, NULL);
    struct verifier *verifier = accounts == NULL ? NULL : verifier_start();
    bool done = verifier != NULL && verify(accounts, verifier);
    verifier_stop(verifier);
    accounts_unref(accounts);
    return done;
}

static void accounts_and_verifier(void **state)
{
    (void)state;
    each_allocation_fails(attempt_accounts);
}

/* ---- the client ---- */

static struct http_url url;

static bool attempt_client(void)
{
    struct http_client *client = http_client_create(&url, false);
    if (client == NULL)
        return false;
    struct http_response response;
    http_client_send(client,
                     &(struct http_request){.method = "POST",
                                            .headers = SLICE("Content-Type: text/plain\r\n"),
                                            .body = SLICE("body"),
                                            .ignore_response = true},
                     &response);
    http_client_free(client);
    return response.error[0] == '\0';
}

/* The system accepts the connections; nobody reads from them. */
static void client(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 100), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    char text[64], error[ERROR_MAX];
    sprintf(text, "http://u:p@127.0.0.1:%u/drain", (unsigned)ntohs(address.sin_port));
    assert_true(http_url_read(text, &url, error));
    each_allocation_fails(attempt_client);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_says_that_it_failed),
        cmocka_unit_test(json),
        cmocka_unit_test(line_patterns),
        cmocka_unit_test(proposals),
        cmocka_unit_test(dedup),
        cmocka_unit_test(store),
        cmocka_unit_test(log_input),
        cmocka_unit_test(gzip),
        cmocka_unit_test(the_whole_configuration),
        cmocka_unit_test(metrics_of_rules),
        cmocka_unit_test(mistakes_of_the_configuration),
        cmocka_unit_test(settings),
        cmocka_unit_test(batches),
        cmocka_unit_test(pages),
        cmocka_unit_test(password_hash),
        cmocka_unit_test(accounts_and_verifier),
        cmocka_unit_test(client),
    };
    return cmocka_run_group_tests_name("allocation", tests, NULL, NULL);
}
