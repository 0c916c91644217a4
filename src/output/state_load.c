#include "output/state_load.h"

#include <math.h>
#include <stdlib.h>

#include "store/restore.h"

/* What the ids of a state are here. */
struct id_pair {
    entity_id saved; /* NONE: a free place */
    entity_id present;
};

struct id_map {
    struct id_pair *pairs;
    size_t count, mask; /* a power of two, less 1; or 0 */
};

struct state_load {
    struct state_load_settings settings;
    struct state_load_tally tally;
    struct buffer rest; /* of a block that is not there yet */
    uint64_t blocks;    /* that were read */
    uint64_t bytes;
    bool has_header, ended;
    bool keeps_bounds; /* see LIMITS of store/restore.h */
    enum state_load_result result;
    struct id_map ids;
    char name[IDENTITY_NAME_MAX]; /* of the metric whose series come */
    size_t name_length;
    bool has_metric;
    const struct metric *metric;
    double bounds[METRIC_CELLS_MAX];
    struct value *value; /* room for any */
};

struct state_load *state_load_create(const struct state_load_settings *settings)
{
    struct state_load *load = calloc(1, sizeof *load);
    struct value *value = malloc(sizeof *value + VALUE_WORDS_MAX * sizeof value->words[0]);
    if (load == NULL || value == NULL) {
        free(load);
        free(value);
        return NULL;
    }
    load->settings = *settings;
    load->value = value;
    return load;
}

void state_load_free(struct state_load *load)
{
    if (load == NULL)
        return;
    buffer_free(&load->rest);
    free(load->ids.pairs);
    free(load->value);
    free(load);
}

const struct state_load_tally *state_load_tally(const struct state_load *load)
{
    return &load->tally;
}

/* ---- ids ---- */

static struct id_pair *place_of(const struct id_map *map, entity_id saved)
{
    size_t at = (saved * UINT32_C(0x9E3779B1)) & map->mask;
    while (map->pairs[at].saved != ENTITY_NONE && map->pairs[at].saved != saved)
        at = (at + 1) & map->mask;
    return &map->pairs[at];
}

static bool grow(struct id_map *map)
{
    struct id_map larger = {.mask = map->mask == 0 ? 255 : map->mask * 2 + 1, .count = map->count};
    larger.pairs = calloc(larger.mask + 1, sizeof *larger.pairs);
    if (larger.pairs == NULL)
        return false;
    for (size_t i = 0; map->pairs != NULL && i <= map->mask; i++)
        if (map->pairs[i].saved != ENTITY_NONE)
            *place_of(&larger, map->pairs[i].saved) = map->pairs[i];
    free(map->pairs);
    *map = larger;
    return true;
}

static bool note_id(struct id_map *map, entity_id saved, entity_id present)
{
    if ((map->count + 1) * 2 > map->mask && !grow(map))
        return false;
    struct id_pair *place = place_of(map, saved);
    map->count += place->saved == ENTITY_NONE;
    *place = (struct id_pair){saved, present};
    return true;
}

/* NONE if it is not known. */
static entity_id present_id(const struct id_map *map, entity_id saved)
{
    if (map->pairs == NULL || saved == ENTITY_NONE)
        return ENTITY_NONE;
    entity_id present = place_of(map, saved & ~ENTITY_POSITION)->present;
    return present == ENTITY_NONE ? ENTITY_NONE : present | (saved & ENTITY_POSITION);
}

/* ---- header and entities ---- */

/* Is a bound of today lower than it was?  0: there is none. */
static bool is_lower(uint64_t today, uint64_t before)
{
    return today != 0 && (before == 0 || today < before);
}

static void read_bounds(struct state_load *load, struct state_fields *fields)
{
    struct store_usage today;
    store_usage(load->settings.store, &today);
    bool is_known = state_get_number(fields) != 0;
    uint64_t app = state_get_number(fields), metric = state_get_number(fields);
    load->keeps_bounds =
        is_known && !fields->failed && !is_lower(today.app_limit, app) && !is_lower(today.metric_limit, metric);
}

static enum state_load_result read_header(struct state_load *load, struct state_fields *fields)
{
    const struct state_load_settings *settings = &load->settings;
    if (state_get_number(fields) != STATE_FORMAT)
        return fields->failed ? STATE_LOAD_DAMAGED : STATE_LOAD_LATER;
    state_get_text(fields); /* the version, for who looks at it */
    int64_t passed, saved = state_get_signed(fields);
    bool was_page = state_get_number(fields) != 0;
    if (fields->failed)
        return STATE_LOAD_DAMAGED;
    load->has_header = true;
    if (settings->store != NULL)
        read_bounds(load, fields);
    if (!__builtin_sub_overflow(settings->wall, saved, &passed) && passed > 0)
        load->tally.ago = (uint64_t)passed / 1000;
    if (settings->store != NULL && was_page)
        store_note_page(settings->store);
    return STATE_LOAD_GOES_ON;
}

static entity_id get_id(struct state_fields *fields)
{
    uint64_t number = state_get_number(fields);
    fields->failed |= number > UINT32_MAX;
    return (entity_id)number;
}

static void get_labels(struct state_fields *fields, struct entity_state *state)
{
    uint64_t count = state_get_number(fields);
    fields->failed |= count > FIXED_LABELS_MAX;
    for (uint64_t i = 0; i < count && !fields->failed; i++) {
        state->labels[i].name = state_get_text(fields);
        state->labels[i].value = state_get_text(fields);
    }
    state->called.labels = state->labels;
    state->called.label_count = (size_t)count;
}

static void get_process(struct state_fields *fields, struct entity_state *state)
{
    state->app = get_id(fields);
    state->highest = (uint32_t)state_get_number(fields);
    state->removed = state_get_signed(fields);
    state->restart = state_get_number(fields);
    state->instance = state_get_number(fields);
    state->former = state_get_number(fields);
    state->instance_time = state_get_signed(fields);
}

/* Numbers that this start will count with are not so large that they could come round again. */
enum { HIGHEST_MAX = 100000 };
#define AGO_MAX (UINT64_C(1) << 48)

static bool get_entity(struct state_load *load, struct state_fields *fields, bool is_process,
                       struct entity_state *state)
{
    *state = (struct entity_state){.id = get_id(fields), .called.name = state_get_text(fields)};
    state->was_on_page = state_get_number(fields) != 0;
    state->heard_ago = state_get_number(fields);
    state->has_end = state_get_number(fields) != 0;
    state->leaves_in = state_get_signed(fields);
    state->started = state_get_signed(fields);
    state->ended = state_get_signed(fields);
    state->reported_until = state_get_signed(fields);
    if (is_process)
        get_process(fields, state);
    else
        get_labels(fields, state);
    if (fields->failed || state->id == ENTITY_NONE || (state->id & ENTITY_POSITION) != 0 ||
        state->called.name.length > IDENTITY_VALUE_MAX || state->heard_ago > AGO_MAX ||
        state->leaves_in > (int64_t)AGO_MAX || state->leaves_in < -(int64_t)AGO_MAX || state->highest > HIGHEST_MAX)
        return false;
    state->heard_ago += load->tally.ago;
    state->leaves_in -= (int64_t)load->tally.ago;
    return true;
}

static void learn(const struct state_load_settings *settings, const struct entity_state *state, entity_id present)
{
    if (settings->directory == NULL)
        return;
    if (state->app == ENTITY_NONE)
        directory_learn_app(settings->directory, present, state->called.name, settings->now);
    else
        directory_learn_process(settings->directory, state->app, present, state->called.name, settings->now);
}

static void read_entity(struct state_load *load, struct state_fields *fields, bool is_process)
{
    const struct state_load_settings *settings = &load->settings;
    struct entity_state state;
    if (!get_entity(load, fields, is_process, &state)) {
        load->tally.bad++;
        return;
    }
    if (is_process ? (state.app = present_id(&load->ids, state.app)) == ENTITY_NONE
                   : !settings->allows_app(settings->context, state.called.name))
        return;
    entity_id present = entities_restore(settings->entities, &state, settings->now);
    if (present == ENTITY_NONE)
        return;
    if (!note_id(&load->ids, state.id, present))
        load->result = STATE_LOAD_NO_MEMORY;
    learn(settings, &state, present);
}

static void read_key(struct state_load *load, struct state_fields *fields)
{
    const struct state_load_settings *settings = &load->settings;
    entity_id app = present_id(&load->ids, get_id(fields));
    uint64_t kind = state_get_number(fields);
    struct slice text = state_get_text(fields);
    if (fields->failed || app == ENTITY_NONE || settings->directory == NULL)
        return;
    if (kind == DIRECTORY_GUID)
        directory_learn_guid(settings->directory, app, text, settings->now, NULL);
    else if (kind == DIRECTORY_ROUTE)
        directory_learn_route(settings->directory, app, text, settings->now);
}

static void read_scraper(struct state_load *load, struct state_fields *fields)
{
    uint64_t key = state_get_number(fields), ago = state_get_number(fields), now = load->settings.now;
    bool regular = state_get_number(fields) != 0;
    for (unsigned i = 0; i < SCRAPERS_MAX && !fields->failed && key != 0 && ago < AGO_MAX; i++) {
        struct scraper *scraper = &load->tally.scrapers.all[i];
        if (scraper->last_page != 0)
            continue;
        ago += load->tally.ago;
        *scraper = (struct scraper){key, ago < now ? now - ago : 1, regular};
        return;
    }
}

/* ---- metrics ---- */

static void read_name(struct state_load *load, struct state_fields *fields)
{
    struct identity identity;
    struct slice name = state_get_text(fields);
    load->has_metric = false;
    load->name_length = 0;
    if (fields->failed || !identity_read(&identity, name, SLICE(""))) {
        load->tally.bad++;
        return;
    }
    memcpy(load->name, name.at, name.length);
    load->name_length = name.length;
}

enum { HELP_MAX = 2048, WORD_MAX = 128 };

/* A text of a descriptor, with a NUL, which is copied later; NULL if it is empty.  It must be one that can stand on a
 * page: in a line of help, which may have quotes. */
static const char *get_page_text(struct state_fields *fields, char *into, size_t capacity)
{
    struct slice text = state_get_text(fields);
    fields->failed |= text.length >= capacity;
    if (fields->failed || text.length == 0)
        return NULL;
    for (size_t i = 0; i < text.length; i++)
        fields->failed |= (unsigned char)text.at[i] < ' ' || text.at[i] == '\\';
    memcpy(into, text.at, text.length);
    into[text.length] = '\0';
    return into;
}

/* The same of a label's name or value. */
static const char *get_page_word(struct state_fields *fields, char into[WORD_MAX])
{
    const char *word = get_page_text(fields, into, WORD_MAX);
    fields->failed |= word != NULL && strchr(word, '"') != NULL;
    return word;
}

/* The texts of a descriptor that is read. */
struct metric_texts {
    char name[IDENTITY_NAME_MAX + 1];
    char help[HELP_MAX];
    char variant[HELP_MAX];
    char label[WORD_MAX];
    char words[METRIC_CELLS_MAX][WORD_MAX];
    const char *values[METRIC_CELLS_MAX];
};

static void get_cells(struct state_load *load, struct state_fields *fields, struct metric_texts *texts,
                      struct metric *metric)
{
    for (unsigned i = 0; metric->label != NULL && i < metric->cells && !fields->failed; i++) {
        texts->values[i] = get_page_word(fields, texts->words[i]);
        fields->failed |= texts->values[i] == NULL;
    }
    metric->label_values = metric->label != NULL ? texts->values : NULL;
    for (unsigned i = 0; metric->type == METRIC_HISTOGRAM && i + 2 < metric->cells; i++) {
        load->bounds[i] = state_get_double(fields);
        fields->failed |= i > 0 && !(load->bounds[i - 1] < load->bounds[i]);
    }
    metric->bounds = load->bounds;
}

/* A descriptor whose parts are valid for as long as texts are; false if it is none. */
static bool get_metric(struct state_load *load, struct state_fields *fields, struct metric_texts *texts,
                       struct metric *metric, const char **variant)
{
    *metric = (struct metric){.name = get_page_text(fields, texts->name, sizeof texts->name),
                              .help = get_page_text(fields, texts->help, sizeof texts->help)};
    uint64_t type = state_get_number(fields), flags = state_get_number(fields);
    *variant = get_page_text(fields, texts->variant, sizeof texts->variant);
    uint64_t cells = state_get_number(fields);
    metric->label = get_page_word(fields, texts->label);
    if (fields->failed || type > METRIC_UNTYPED || cells > METRIC_CELLS_MAX)
        return false;
    metric->help = metric->help == NULL ? "" : metric->help;
    *variant = *variant == NULL ? "" : *variant;
    metric->type = (enum metric_type)type;
    metric->cells = (unsigned)cells;
    metric->self = (flags & 1) != 0;
    metric->of_rule = (flags & 2) != 0;
    metric->volume = (flags & 4) != 0;
    metric->chosen = (flags & 8) != 0;
    get_cells(load, fields, texts, metric);
    return !fields->failed;
}

static void read_metric(struct state_load *load, struct state_fields *fields)
{
    const struct state_load_settings *settings = &load->settings;
    struct metric_texts texts;
    struct metric described;
    const char *variant;
    load->metric = NULL;
    load->has_metric = state_get_number(fields) == 0 && !fields->failed;
    if (load->has_metric)
        return; /* an app has chosen the name */
    if (!get_metric(load, fields, &texts, &described, &variant)) {
        load->tally.bad++;
        return;
    }
    load->metric =
        described.of_rule ? settings->rule_metric(settings->context, &described, variant) : restore_metric(&described);
    load->has_metric = load->metric != NULL;
}

/* ---- series ---- */

static struct slice rename_label(const void *external, struct slice name)
{
    return external_labels_rename(external, name);
}

/* Whose series it is, as it stands on a page today. */
static bool get_identity(const struct state_load *load, struct slice labels, struct identity *identity)
{
    const struct external_labels *external = load->settings.external;
    return load->name_length > 0 && identity_read(identity, (struct slice){load->name, load->name_length}, labels) &&
           (external == NULL || external->count == 0 || identity_rename_labels(identity, rename_label, external));
}

/* What all series begin with. */
static bool get_series(struct state_load *load, struct state_fields *fields, struct identity *identity,
                       struct saved_series *saved)
{
    struct slice labels = state_get_text(fields);
    entity_id entity = get_id(fields), app = get_id(fields);
    *saved = (struct saved_series){.metric = load->metric, .lifetime = state_get_number(fields)};
    saved->seen_ago = state_get_number(fields);
    saved->born_ago = state_get_number(fields);
    uint64_t flags = state_get_number(fields);
    saved->was_seen = (flags & 1) != 0;
    saved->starts_at_zero = (flags & 2) != 0;
    saved->exempt = (flags & 4) != 0;
    saved->name_limited = (flags & 8) != 0;
    saved->overflow = (flags & 16) != 0;
    saved->zero = (flags & 32) != 0;
    saved->was_within_bounds = load->keeps_bounds;
    if (fields->failed || saved->lifetime > UINT32_MAX || saved->seen_ago > AGO_MAX || saved->born_ago > AGO_MAX ||
        !get_identity(load, labels, identity)) {
        load->tally.bad++;
        return false;
    }
    saved->entity = present_id(&load->ids, entity);
    saved->app = present_id(&load->ids, app);
    saved->seen_ago += load->tally.ago;
    saved->born_ago += load->tally.ago;
    bool is_gone = !load->has_metric || (entity != ENTITY_NONE && saved->entity == ENTITY_NONE) ||
                   (!saved->exempt && saved->app == ENTITY_NONE);
    load->tally.expired += is_gone;
    return !is_gone;
}

static bool is_over(const struct state_load_settings *settings, const struct saved_series *saved)
{
    int64_t time = saved->value == NULL ? ENTITY_COUNTED : saved->value->time;
    return (saved->lifetime != 0 && saved->seen_ago >= saved->lifetime) ||
           entities_is_over(settings->entities, saved->entity, time, settings->now);
}

/* What begins at 0 is as new as it looks. */
static void begin_at_zero(struct saved_series *saved)
{
    saved->starts_at_zero = true;
    saved->was_seen = false;
    saved->born_ago = 0;
}

static void restore(struct state_load *load, const struct identity *identity, const struct saved_series *saved)
{
    const struct state_load_settings *settings = &load->settings;
    if (is_over(settings, saved)) {
        load->tally.expired++;
        return;
    }
    enum store_result result = restore_series(settings->store, settings->slot, identity, saved, settings->now);
    if (result == STORE_CREATED)
        load->tally.restored++;
    else if (result == STORE_NO_MEMORY)
        load->result = STATE_LOAD_NO_MEMORY;
    else if (result == STORE_RECORDED)
        load->tally.bad++; /* for the second time */
    else
        load->tally.refused++;
}

static void read_counted(struct state_load *load, struct state_fields *fields)
{
    struct identity identity;
    struct saved_series saved;
    double cells[METRIC_CELLS_MAX] = {0};
    if (!get_series(load, fields, &identity, &saved))
        return;
    uint64_t cell;
    unsigned count = saved.metric == NULL ? 0 : saved.metric->cells;
    while ((cell = state_get_number(fields)) != 0 && !fields->failed) {
        double number = state_get_double(fields);
        fields->failed |= cell > count || !isfinite(number);
        if (!fields->failed)
            cells[cell - 1] = number;
    }
    if (fields->failed || count == 0) {
        load->tally.bad++;
        return;
    }
    saved.cells = load->settings.orderly ? cells : NULL;
    if (!load->settings.orderly)
        begin_at_zero(&saved);
    restore(load, &identity, &saved);
}

static bool get_value(struct state_load *load, struct state_fields *fields)
{
    struct value *value = load->value;
    uint64_t type = state_get_number(fields), added = state_get_number(fields);
    *value = (struct value){.time = state_get_signed(fields), .number = state_get_double(fields)};
    uint64_t size = state_get_number(fields);
    if (fields->failed || type > VALUE_EXTERNAL_COUNTER || size > VALUE_SET_MAX ||
        value_word_count((enum value_type)type, (uint32_t)size) > VALUE_WORDS_MAX)
        return false;
    value->type = (uint16_t)type;
    value->added = added != 0;
    value->size = (uint32_t)size;
    size_t count = value_word_count((enum value_type)type, value->size);
    for (size_t i = 0; i < count; i++)
        value->words[i].number = state_get_double(fields);
    return !fields->failed && value_is_sound(value);
}

/* Does a reported series live for a time that is set?  If not, as long as its entity: what is ours, and what a position
 * in the formation has. */
static bool expires(const struct saved_series *saved)
{
    return saved->entity != ENTITY_NONE && (saved->entity & ENTITY_POSITION) == 0 && !saved->exempt;
}

static void read_reported(struct state_load *load, struct state_fields *fields)
{
    const struct state_load_settings *settings = &load->settings;
    struct identity identity;
    struct saved_series saved;
    if (!get_series(load, fields, &identity, &saved))
        return;
    if (!get_value(load, fields) || (saved.metric != NULL && saved.metric->cells > 0)) {
        load->tally.bad++;
        return;
    }
    if (!settings->orderly && !value_is_level(load->value)) {
        if (!value_start_anew(load->value)) {
            load->tally.expired++;
            return;
        }
        begin_at_zero(&saved);
    }
    saved.value = load->value;
    if (expires(&saved))
        saved.lifetime = settings->lifetime_of(settings->context, identity_name(&identity));
    restore(load, &identity, &saved);
}

/* ---- records and blocks ---- */

static void read_record(struct state_load *load, unsigned char tag, struct state_fields *fields)
{
    const struct state_load_settings *settings = &load->settings;
    switch (tag) {
    case STATE_APP:
    case STATE_PROCESS:
        read_entity(load, fields, tag == STATE_PROCESS);
        break;
    case STATE_KEY:
        read_key(load, fields);
        break;
    case STATE_SCRAPER:
        read_scraper(load, fields);
        break;
    case STATE_NAME:
        read_name(load, fields);
        break;
    case STATE_METRIC:
        read_metric(load, fields);
        break;
    case STATE_COUNTED:
        read_counted(load, fields);
        break;
    case STATE_REPORTED:
        read_reported(load, fields);
        break;
    default: /* others know it, or a later version does */
        settings->restore(settings->context, tag, fields, load->tally.ago, settings->now);
    }
}

static void read_end(struct state_load *load, struct state_fields *fields)
{
    load->ended = true;
    load->tally.orderly = state_get_number(fields) != 0;
    load->tally.end_block = load->blocks;
    load->tally.end_at = load->bytes;
}

static enum state_load_result read_block(struct state_load *load, struct slice records)
{
    unsigned char tag;
    struct state_fields fields;
    bool damaged;
    while (load->result == STATE_LOAD_GOES_ON && state_next_record(&records, &tag, &fields, &damaged)) {
        if (!load->has_header)
            load->result = tag == STATE_HEADER ? read_header(load, &fields) : STATE_LOAD_DAMAGED;
        else if (tag == STATE_END)
            read_end(load, &fields);
        else if (load->settings.store != NULL)
            read_record(load, tag, &fields);
    }
    if (load->result == STATE_LOAD_GOES_ON && damaged)
        load->result = STATE_LOAD_DAMAGED;
    if (load->result == STATE_LOAD_GOES_ON && load->ended)
        load->result = STATE_LOAD_ENDED;
    return load->result;
}

/* Read the blocks that bytes begin with; what is left has none that is whole.  *wanted: how many bytes it needs. */
static void read_blocks(struct state_load *load, struct slice *bytes, size_t *wanted)
{
    while (load->result == STATE_LOAD_GOES_ON) {
        struct slice records;
        enum state_block block = state_read_block(*bytes, load->blocks, &records, wanted);
        if (block == STATE_BLOCK_SHORT)
            return;
        if (block == STATE_BLOCK_DAMAGED) {
            load->result = STATE_LOAD_DAMAGED;
            return;
        }
        read_block(load, records);
        load->blocks++;
        load->bytes += *wanted;
        *bytes = slice_after(*bytes, *wanted);
    }
}

enum state_load_result state_load_add(struct state_load *load, struct slice bytes)
{
    struct buffer *rest = &load->rest;
    while (load->result == STATE_LOAD_GOES_ON && bytes.length > 0) {
        struct slice begun = {rest->at, rest->length};
        size_t wanted = 0;
        if (rest->length == 0) {
            read_blocks(load, &bytes, &wanted);
            begun = bytes;
        } else
            state_read_block(begun, load->blocks, &(struct slice){0}, &wanted);
        if (load->result != STATE_LOAD_GOES_ON)
            break;
        /* Complete the head, or the block. */
        size_t all = wanted > 0 ? wanted : STATE_BLOCK_HEAD;
        size_t missing = all - rest->length, more = bytes.length < missing ? bytes.length : missing;
        buffer_append(rest, (struct slice){bytes.at, more});
        if (rest->failed)
            load->result = STATE_LOAD_NO_MEMORY;
        bytes = slice_after(bytes, more);
        if (more < missing || rest->failed)
            break;
        begun = (struct slice){rest->at, rest->length};
        read_blocks(load, &begun, &wanted);
        if (begun.length == 0)
            rest->length = 0;
    }
    return load->result;
}
