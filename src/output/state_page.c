#include "output/state_page.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/version.h"
#include "store/restore.h"

/* What is written next. */
enum stage { HEADER, ENTITIES, KEYS, OTHERS, SCRAPERS, SERIES, END, STAGES };

struct state_page {
    struct state_terms terms;
    enum stage stage;
    size_t position; /* in the stage */
    uint64_t blocks; /* that were written */
    struct buffer *out;
    size_t size; /* that the buffer is to have */
    struct store_walk walk;
    bool walking;
    bool has_metric;             /* one was written, of the series to come: */
    const struct metric *metric; /* this */
};

struct state_page *state_page_begin(const struct state_terms *terms)
{
    struct state_page *state = calloc(1, sizeof *state);
    if (state != NULL)
        state->terms = *terms;
    return state;
}

void state_page_end(struct state_page *state)
{
    if (state != NULL && state->walking)
        store_walk_end(state->terms.store, &state->walk);
    free(state);
}

/* How long before the state was begun; 0 if that was later. */
static uint64_t ago(const struct state_page *state, uint64_t time)
{
    return time < state->terms.now ? state->terms.now - time : 0;
}

/* ---- what is not series: each returns whether there is more ---- */

static bool write_header(struct state_page *state)
{
    struct buffer *out = state->out;
    struct store_usage usage;
    store_usage(state->terms.store, &usage);
    size_t record = state_begin_record(out, STATE_HEADER);
    state_put_number(out, STATE_FORMAT);
    state_put_text(out, SLICE(VERSION));
    state_put_signed(out, clock_wall());
    state_put_number(out, entities_was_on_page(state->terms.sources->entities, ENTITY_NONE));
    state_put_number(out, true); /* the bounds are known */
    state_put_number(out, usage.app_limit);
    state_put_number(out, usage.metric_limit);
    state_end_record(out, record);
    return false;
}

static void save_process(struct buffer *out, const struct entity_state *entity)
{
    state_put_number(out, entity->app);
    state_put_number(out, entity->highest);
    state_put_signed(out, entity->removed);
    state_put_number(out, entity->restart);
    state_put_number(out, entity->instance);
    state_put_number(out, entity->former);
    state_put_signed(out, entity->instance_time);
}

static void save_labels(struct buffer *out, const struct entity_app *app)
{
    state_put_number(out, app->label_count);
    for (size_t i = 0; i < app->label_count; i++) {
        state_put_text(out, app->labels[i].name);
        state_put_text(out, app->labels[i].value);
    }
}

static void save_entity(void *context, const struct entity_state *entity)
{
    struct state_page *state = context;
    struct buffer *out = state->out;
    bool is_process = entity->app != ENTITY_NONE;
    size_t record = state_begin_record(out, is_process ? STATE_PROCESS : STATE_APP);
    state_put_number(out, entity->id);
    state_put_text(out, entity->called.name);
    state_put_number(out, entity->was_on_page);
    state_put_number(out, entity->heard_ago);
    state_put_number(out, entity->has_end);
    state_put_signed(out, entity->leaves_in);
    state_put_signed(out, entity->started);
    state_put_signed(out, entity->ended);
    state_put_signed(out, entity->reported_until);
    if (is_process)
        save_process(out, entity);
    else
        save_labels(out, &entity->called);
    state_end_record(out, record);
}

static bool write_entity(struct state_page *state)
{
    return entities_save(state->terms.sources->entities, &state->position, state->terms.now, save_entity, state);
}

/* The GUIDs and routes of an app. */
static bool write_keys(struct state_page *state)
{
    struct directory *directory = state->terms.sources->directory;
    struct directory_text texts[DIRECTORY_TEXTS_MAX];
    struct directory_app app;
    if (!directory_next_app(directory, &state->position, state->terms.now, &app))
        return false;
    size_t count = directory_texts(directory, &app, texts);
    for (size_t i = 0; i < count; i++) {
        size_t record = state_begin_record(state->out, STATE_KEY);
        state_put_number(state->out, app.scope.apps[0]);
        state_put_number(state->out, texts[i].kind);
        state_put_text(state->out, slice_of(texts[i].text));
        state_end_record(state->out, record);
    }
    return true;
}

static bool write_others(struct state_page *state)
{
    const struct state_sources *sources = state->terms.sources;
    return sources->save(sources->context, state->terms.now, state->terms.is_whole, &state->position, state->out);
}

static bool write_scraper(struct state_page *state)
{
    const struct scraper *scraper = &state->terms.scrapers.all[state->position++];
    if (state->terms.is_whole && scraper->last_page != 0) {
        size_t record = state_begin_record(state->out, STATE_SCRAPER);
        state_put_number(state->out, scraper->key);
        state_put_number(state->out, ago(state, scraper->last_page));
        state_put_number(state->out, scraper->regular);
        state_end_record(state->out, record);
    }
    return state->position < SCRAPERS_MAX;
}

/* ---- series ---- */

static struct slice text_of(const char *text)
{
    return slice_of(text == NULL ? "" : text);
}

/* A descriptor.  No metric at all: the first field is 0. */
static void write_metric(struct state_page *state, const struct metric *metric)
{
    struct buffer *out = state->out;
    size_t record = state_begin_record(out, STATE_METRIC);
    state_put_number(out, metric != NULL);
    if (metric != NULL) {
        state_put_text(out, text_of(metric->name));
        state_put_text(out, text_of(metric_help(metric)));
        state_put_number(out, metric->type);
        state_put_number(out, metric->self | metric->of_rule << 1 | metric->volume << 2 | metric->chosen << 3);
        state_put_text(out, text_of(state->terms.sources->variant_of(metric)));
        state_put_number(out, metric->cells);
        state_put_text(out, text_of(metric->label));
        for (unsigned i = 0; metric->label != NULL && i < metric->cells; i++)
            state_put_text(out, slice_of(metric->label_values[i]));
        for (unsigned i = 0; metric->type == METRIC_HISTOGRAM && i + 2 < metric->cells; i++)
            state_put_double(out, metric->bounds[i]);
    }
    state_end_record(out, record);
    state->metric = metric;
    state->has_metric = true;
}

/* Most cells of a row are 0. */
static void write_cells(struct buffer *out, const struct metric *metric, const double *cells)
{
    for (unsigned cell = 0; cell < metric->cells; cell++) {
        if (cells[cell] != 0) {
            state_put_number(out, cell + 1);
            state_put_double(out, cells[cell]);
        }
    }
    state_put_number(out, 0);
}

static void write_value(struct buffer *out, const struct value *value)
{
    state_put_number(out, value->type);
    state_put_number(out, value->added);
    state_put_signed(out, value->time);
    state_put_double(out, value->number);
    state_put_number(out, value->size);
    size_t count = value_word_count((enum value_type)value->type, value->size);
    for (size_t i = 0; i < count; i++)
        state_put_double(out, value->words[i].number);
}

/* Is it a gauge that says something of this run of the program? */
static bool is_of_this_run(const struct saved_series *saved)
{
    return saved->value != NULL && saved->metric != NULL && saved->metric->self && saved->entity == ENTITY_NONE;
}

static bool write_series(void *context, const struct store_series_view *view)
{
    struct state_page *state = context;
    struct buffer *out = state->out;
    struct saved_series saved;
    restore_describe(view, state->terms.now, state->terms.all_saw, &saved);
    if (is_of_this_run(&saved))
        return true;
    if (!state->has_metric || saved.metric != state->metric)
        write_metric(state, saved.metric);
    size_t record = state_begin_record(out, view->value == NULL ? STATE_COUNTED : STATE_REPORTED);
    state_put_text(out, view->labels);
    state_put_number(out, saved.entity);
    state_put_number(out, saved.app);
    state_put_number(out, saved.lifetime);
    state_put_number(out, saved.seen_ago);
    state_put_number(out, saved.born_ago);
    state_put_number(out, saved.was_seen | saved.starts_at_zero << 1 | saved.exempt << 2 | saved.name_limited << 3 |
                              saved.overflow << 4 | saved.zero << 5);
    if (view->value == NULL)
        write_cells(out, view->metric, view->cells);
    else
        write_value(out, view->value);
    state_end_record(out, record);
    return out->length < state->size && !out->failed;
}

/* Go on with the series; false at the end of all. */
static bool write_metrics(struct state_page *state)
{
    const struct state_terms *terms = &state->terms;
    if (state->position == terms->metric_count)
        return false;
    const struct store_metric_view *metric = terms->metric_at(terms->metrics, state->position);
    if (!state->walking) {
        size_t record = state_begin_record(state->out, STATE_NAME);
        state_put_text(state->out, metric->name);
        state_end_record(state->out, record);
        state->has_metric = false;
        state->walking = store_walk_begin(terms->store, &state->walk, metric->handle, NULL);
        state->out->failed |= !state->walking;
    }
    if (state->walking && store_walk_on(terms->store, terms->slot, &state->walk, terms->now, write_series, state)) {
        store_walk_end(terms->store, &state->walk);
        state->walking = false;
        state->position++;
    }
    return true;
}

/* ---- all of it ---- */

static bool (*const write_stage[])(struct state_page *state) = {
    [HEADER] = write_header, [ENTITIES] = write_entity,  [KEYS] = write_keys,
    [OTHERS] = write_others, [SCRAPERS] = write_scraper, [SERIES] = write_metrics,
};

bool state_page_write(struct state_page *state, struct buffer *piece, size_t size)
{
    state->out = piece;
    state->size = size;
    if (state->stage == END) {
        state_put_end(piece, state->blocks, false);
        return false;
    }
    size_t block = state_begin_block(piece);
    while (state->stage < END && piece->length < size && !piece->failed) {
        if (!write_stage[state->stage](state)) {
            state->stage++;
            state->position = 0;
        }
    }
    state_end_block(piece, block, state->blocks++);
    return true;
}
