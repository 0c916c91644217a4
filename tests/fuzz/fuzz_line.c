/* A batch as it comes in, through frames, lines and families to the page.  The page must be valid. */
#include "fuzz.h"
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct entities *entities = entities_create(&(struct entities_settings){.app_silence = 100000, .grace = 1000});
    struct store *store = store_create(&(struct store_settings){.max_series = 2000,
                                                                .max_app_series = 1900,
                                                                .max_metric_series = 200,
                                                                .max_names = 20,
                                                                .slots = 2,
                                                                .entities = entities});
    struct intake *intake = intake_create(
        store, &(struct intake_settings){
                   .entities = entities, .ingest_prefix = SLICE("crates-io-heroku-metrics:ingest "), .slots = 1});
    struct batch batch = {.body = {(const char *)data, size},
                          .app = SLICE("app"),
                          .origin = origin_of(&(struct origin_headers){.drain_token = {NULL, 0}}),
                          .time = 1670428500000000,
                          .now = 1};
    batch_process(intake, 0, &batch);
    struct buffer page = {0};
    store_enter(store, 1);
    page_write(
        &(struct page_terms){.store = store, .slot = 1, .now = 1, .all_saw = UINT64_MAX, .encoder = &text_encoder},
        &page);
    store_leave(store, 1);
    struct slice rest = {page.at, page.length};
    while (rest.length > 0) {
        struct slice line = {rest.at, slice_index(rest, '\n')};
        REQUIRE(line.length > 0 && line.length < rest.length);
        check_line(line);
        rest = slice_after(rest, line.length + 1);
    }
    buffer_free(&page);
    intake_free(intake);
    store_free(store);
    entities_free(entities);
    return 0;
}
