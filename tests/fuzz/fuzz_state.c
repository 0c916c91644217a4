/* A state that is read at a start.  The input is records: its checksum is made here, since nobody would guess it.  The
 * same bytes come as they are, too. */
#include "output/state_load.h"

#include "fuzz.h"
#include "intake/batch.h"
#include "store/restore.h"
#include "store/store.h"

enum { NOW = 1000000 };

static bool restore(void *context, unsigned char tag, struct state_fields *fields, uint64_t ago, uint64_t now)
{
    if (intake_restore(context, tag, fields, ago, now))
        return true;
    while (fields->rest.length > 0 && !fields->failed)
        state_get_text(fields);
    return tag % 2 == 0;
}

enum { SERIES_MAX = 1000 };
#define WALL INT64_C(1800000000000000)

/* What knows batches and apps; it is kept, with what the inputs before have said. */
static struct intake *kept_intake(void)
{
    static struct intake *intake;
    if (intake != NULL)
        return intake;
    struct entities *entities = entities_create(&(struct entities_settings){.max_apps = 20});
    struct store *store =
        store_create(&(struct store_settings){.max_series = SERIES_MAX, .slots = 1, .entities = entities});
    struct intake_settings settings = {.entities = entities, .ingest_prefix = SLICE("ingest "), .slots = 1};
    intake = intake_create(store, &settings);
    REQUIRE(intake != NULL);
    return intake;
}

/* A batch after what was loaded, whatever of it was said to be known. */
static void post(struct intake *intake)
{
    struct batch batch = {.body = SLICE("71 <45>1 2027-01-15T08:00:00+00:00 host app web.1 - count#jobs=2 what=else"),
                          .app = SLICE("shop"),
                          .origin = origin_of(&(struct origin_headers){.frame_id = SLICE("1")}),
                          .time = WALL,
                          .now = NOW};
    batch_process(intake, 0, &batch);
    batch.now += 10;
    batch_process(intake, 0, &batch);
}

static bool allows_app(void *context, struct slice name)
{
    (void)context;
    return name.length % 5 != 4;
}

static const struct metric *no_metric(void *context, const struct metric *described, const char *variant)
{
    (void)context;
    (void)described;
    (void)variant;
    return NULL;
}

static uint64_t lifetime_of(void *context, struct slice name)
{
    (void)context;
    return name.length % 2 == 0 ? 0 : 1000;
}

/* Load in pieces of this size. */
static struct state_load_tally load(struct slice state, size_t piece, bool orderly, enum state_load_result *result)
{
    struct entities *entities = entities_create(&(struct entities_settings){.max_apps = 20});
    struct directory *directory = directory_create(entities);
    struct store *store =
        store_create(&(struct store_settings){.max_series = SERIES_MAX, .slots = 1, .entities = entities});
    REQUIRE(entities != NULL && directory != NULL && store != NULL);
    struct state_load_settings settings = {.store = store,
                                           .entities = entities,
                                           .directory = directory,
                                           .orderly = orderly,
                                           .wall = WALL,
                                           .now = NOW,
                                           .restore = restore,
                                           .allows_app = allows_app,
                                           .rule_metric = no_metric,
                                           .lifetime_of = lifetime_of,
                                           .context = kept_intake()};
    store_enter(store, 0);
    struct state_load *state_load = state_load_create(&settings);
    *result = STATE_LOAD_GOES_ON;
    while (state.length > 0 && *result == STATE_LOAD_GOES_ON) {
        size_t length = state.length < piece ? state.length : piece;
        *result = state_load_add(state_load, (struct slice){state.at, length});
        state = slice_after(state, length);
    }
    struct state_load_tally tally = *state_load_tally(state_load);
    struct store_usage usage;
    store_usage(store, &usage);
    REQUIRE(usage.series <= SERIES_MAX + 8192); /* one large value may go over the bound */
    state_load_free(state_load);
    store_leave(store, 0);
    post(kept_intake());
    store_free(store);
    directory_free(directory);
    entities_free(entities);
    return tally;
}

static void check(struct slice state)
{
    enum state_load_result whole, parts;
    struct state_load_tally one = load(state, state.length + 1, true, &whole);
    struct state_load_tally other = load(state, 7, true, &parts);
    REQUIRE(whole == parts && one.restored == other.restored && one.bad == other.bad && one.expired == other.expired);
    load(state, 4096, false, &whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice records = {(const char *)data, size};
    check(records);
    struct buffer state = {0};
    size_t block = state_begin_block(&state);
    buffer_append(&state, records);
    state_end_block(&state, block, 0);
    state_put_end(&state, 1, true);
    REQUIRE(!state.failed);
    check((struct slice){state.at, state.length});
    buffer_free(&state);
    return 0;
}
