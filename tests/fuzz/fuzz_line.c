/* A batch as it comes in, through frames, lines and families to the page.  The page must be valid. */
#include "fuzz.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "intake/batch.h"
#include "output/page.h"

static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '_' || byte == ':';
}

/* The metrics whose labels hold nothing that a client or user can write at will. */
static bool is_strict(struct slice name)
{
    static const struct slice starts[] = {
        {"heroku_router_", 14}, {"heroku_api_", 11}, {"heroku_formation_", 17}, {"heroku_postgres_log_", 20}};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (slice_starts_with(name, starts[i]))
            return true;
    return false;
}

/* One line of the format: a comment, or name [{label="value",...}] number. */
static void check_line(struct slice line)
{
    if (line.at[0] == '#')
        return;
    size_t at = 0;
    REQUIRE(!slice_is_digit(line.at[0]));
    while (at < line.length && is_name_byte(line.at[at]))
        at++;
    REQUIRE(at > 0 && at < line.length);
    bool strict = is_strict(line);
    if (line.at[at] == '{') {
        do {
            at++;
            size_t name = at;
            while (at < line.length && is_name_byte(line.at[at]) && line.at[at] != ':')
                at++;
            REQUIRE(at > name && at + 1 < line.length && line.at[at] == '=' && line.at[at + 1] == '"');
            at += 2;
            while (at < line.length && line.at[at] != '"') {
                REQUIRE(!strict || strchr("/?@&= ", line.at[at]) == NULL);
                at += line.at[at] == '\\' ? 2 : 1;
            }
            at++;
            REQUIRE(at < line.length);
        } while (line.at[at] == ',');
        REQUIRE(line.at[at] == '}');
        at++;
    }
    REQUIRE(at + 1 < line.length && line.at[at] == ' ');
    char number[512];
    REQUIRE(line.length - at < sizeof number);
    memcpy(number, line.at + at + 1, line.length - at - 1);
    number[line.length - at - 1] = '\0';
    char *end;
    strtod(number, &end);
    REQUIRE(end != number && *end == '\0');
}

/* Most lines stand on each page, and need not be looked at again. */
static void check_page(struct slice page)
{
    enum { REMEMBERED = 4096 };
    static uint64_t right[REMEMBERED]; /* hashes of lines */
    while (page.length > 0) {
        const char *end = memchr(page.at, '\n', page.length);
        REQUIRE(end != NULL && end > page.at);
        struct slice line = {page.at, (size_t)(end - page.at)};
        uint64_t hash = XXH3_64bits(line.at, line.length);
        if (right[hash % REMEMBERED] != hash)
            check_line(line);
        right[hash % REMEMBERED] = hash;
        page = slice_after(page, line.length + 1);
    }
}

/* They are kept: each run is so much later than the one before it that all of that is over. */
static struct entities *entities;
static struct store *store;
static struct intake *intake;
enum { WORKER = 0, MAINTENANCE = 1, LIFETIME = 1000, SILENCE = 100000 };

static void open_all(void)
{
    entities = entities_create(&(struct entities_settings){.app_silence = SILENCE, .grace = LIFETIME});
    store = store_create(&(struct store_settings){.max_series = 2000,
                                                  .max_app_series = 1900,
                                                  .max_metric_series = 200,
                                                  .max_names = 20,
                                                  .slots = 2,
                                                  .entities = entities});
    intake = intake_create(store, &(struct intake_settings){.entities = entities,
                                                            .lifetimes = {[0 ... FAMILY_COUNT - 1] = LIFETIME},
                                                            .ingest_prefix = SLICE("crates-io-heroku-metrics:ingest "),
                                                            .slots = 1});
    REQUIRE(intake != NULL);
}

/* All of the last run leaves. */
static void expire(uint64_t now)
{
    store_enter(store, MAINTENANCE);
    store_sweep(store, MAINTENANCE, now);
    store_leave(store, MAINTENANCE);
    struct store_usage usage;
    store_usage(store, &usage);
    REQUIRE(usage.metrics == 0 && usage.series == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t now = 1;
    static struct buffer page;
    if (intake == NULL)
        open_all();
    struct batch batch = {.body = {(const char *)data, size},
                          .app = SLICE("app"),
                          .origin = origin_of(&(struct origin_headers){.drain_token = {NULL, 0}}),
                          .time = 1670428500000000,
                          .now = now};
    batch_process(intake, WORKER, &batch);
    page.length = 0;
    store_enter(store, MAINTENANCE);
    page_write(
        &(struct page_terms){
            .store = store, .slot = MAINTENANCE, .now = now, .all_saw = UINT64_MAX, .encoder = &text_encoder},
        &page);
    store_leave(store, MAINTENANCE);
    check_page((struct slice){page.at, page.length});
    now += 3 * (uint64_t)SILENCE;
    expire(now);
    return 0;
}
