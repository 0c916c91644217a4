#include "intake/recorder.h"

#include <time.h>

#include "base/clock.h"
#include "base/reserved.h"
#include "families/rules.h"
#include "intake/syslog.h"
#include "store/self_metrics.h"

uint64_t recorder_persistent(entity_id entity)
{
    return entity == ENTITY_NONE ? 24 * 60 * 60 * 1000 : 0;
}

/* The line's own time, so that the newest line wins whatever order batches come in; not later than its arrival, or one
 * line from a clock that is ahead would keep all others out. */
static int64_t line_time(struct recorder *recorder)
{
    int64_t arrival = recorder->batch.time;
    if (recorder->line_time == 0 &&
        !(syslog_time_near(recorder->line->timestamp, &recorder->minute, &recorder->line_time) &&
          recorder->line_time < arrival))
        recorder->line_time = arrival;
    return recorder->line_time;
}

/* ---- processes ---- */

/* Are what a family starts apps and processes of this platform? */
static bool starts_here(const struct recorder *recorder, int id)
{
    return families[id]->cloud_foundry == (recorder->context->cf != NULL);
}

static void record_zeros(struct recorder *recorder, struct slice process, entity_id entity)
{
    if (!entities_wants_zeros(recorder->settings.entities, entity, ENTITY_FAMILY_ZEROS, recorder->batch.now))
        return;
    for (int id = 0; id < FAMILY_COUNT; id++)
        if (families[id]->start_process != NULL && starts_here(recorder, id))
            families[id]->start_process(process, recorder->context, &recorder->output);
}

void recorder_start_app(struct recorder *recorder)
{
    static const struct line nothing;
    if (!entities_wants_zeros(recorder->settings.entities, recorder->batch.entity, ENTITY_FAMILY_ZEROS,
                              recorder->batch.now))
        return;
    for (int id = 0; id < FAMILY_COUNT; id++) {
        recorder_line(recorder, &nothing, PROCIDS_MAX, (enum family_id)id);
        if (families[id]->start_app != NULL && starts_here(recorder, id))
            families[id]->start_app(recorder->context, &recorder->output);
    }
}

/* The number of a process: mostly it is the line's own, else that of a procid of which nothing else is known. */
static unsigned procid_of(struct recorder *recorder, struct slice process)
{
    const struct line *line = recorder->line;
    if (process.at == line->procid.at && process.length == line->procid.length)
        return recorder->procid;
    return procids_find(recorder->procids, SLICE(""), process);
}

/* Where the entity with this number is kept. */
static entity_id *entity_at(struct recorder *recorder, unsigned procid)
{
    while (recorder->entity_count <= procid)
        recorder->entities[recorder->entity_count++] = ENTITY_NONE;
    return &recorder->entities[procid];
}

/* The entity of a process that the batch speaks of for the first time.  runs: it does, or the line would not be. */
static entity_id add_entity(struct recorder *recorder, struct slice process, bool runs, entity_id *kept)
{
    struct entities *entities = recorder->settings.entities;
    entity_id entity = *kept = entities_process(entities, recorder->batch.entity, process, recorder->batch.now);
    recorder->tally.processes_refused += entity == recorder->batch.entity;
    if (recorder->settings.directory != NULL)
        directory_learn_process(recorder->settings.directory, recorder->batch.entity, entity, process,
                                recorder->batch.now);
    if (runs && entities_has_ended(entities, entity, line_time(recorder)))
        entities_started(entities, entity, line_time(recorder));
    record_zeros(recorder, process, entity);
    return entity;
}

/* The entity of what the process says and of what is said about it. */
static entity_id lookup_entity(struct recorder *recorder, struct slice process, bool runs)
{
    if (process.length == 0 || recorder->batch.entity == ENTITY_NONE)
        return recorder->batch.entity;
    entity_id unkept = ENTITY_NONE;
    unsigned procid = procid_of(recorder, process);
    entity_id *kept = procid < PROCIDS_MAX ? entity_at(recorder, procid) : &unkept;
    return *kept != ENTITY_NONE ? *kept : add_entity(recorder, process, runs, kept);
}

static entity_id entity_of(struct recorder *recorder, struct slice process)
{
    return lookup_entity(recorder, process, true);
}

void recorder_forget_procids(struct recorder *recorder)
{
    recorder->entity_count = 0;
}

static void notify(struct sample_output *output, struct slice process, enum process_event event)
{
    struct recorder *recorder = (struct recorder *)output;
    struct entities *entities = recorder->settings.entities;
    entity_id entity = lookup_entity(recorder, process, event != PROCESS_EXITED && event != PROCESS_ENDED);
    int64_t time = line_time(recorder);
    switch (event) {
    case PROCESS_STARTED:
        entities_started(entities, entity, time);
        break;
    case PROCESS_RESTARTED:
        entities_exited(entities, entity, time, recorder->batch.now);
        entities_started(entities, entity, time);
        break;
    case PROCESS_EXITED:
        entities_exited(entities, entity, time, recorder->batch.now);
        break;
    case PROCESS_ENDED:
        entities_ended(entities, entity, time, recorder->batch.now);
        break;
    }
    if (event == PROCESS_STARTED || event == PROCESS_RESTARTED)
        record_zeros(recorder, process, entity);
}

static bool restart(struct sample_output *output, struct slice process)
{
    struct recorder *recorder = (struct recorder *)output;
    return entities_restarted(recorder->settings.entities, entity_of(recorder, process), line_time(recorder));
}

static enum process_instance instance(struct sample_output *output, struct slice process, struct slice instance)
{
    struct recorder *recorder = (struct recorder *)output;
    struct entities *entities = recorder->settings.entities;
    struct process parts;
    int64_t time = line_time(recorder);
    enum process_instance is =
        entities_instance(entities, entity_of(recorder, process), instance, time, recorder->batch.now);
    if (is == INSTANCE_NEXT && !process_read(process, &parts)) /* before this line, which is of the new one */
        entities_replace_type(entities, recorder->batch.entity, process, time - 1, recorder->batch.now);
    return is;
}

static bool runs_as(struct sample_output *output, struct slice process, struct slice instance)
{
    struct recorder *recorder = (struct recorder *)output;
    return entities_runs_as(recorder->settings.entities, lookup_entity(recorder, process, false), instance);
}

static void scale(struct sample_output *output, struct slice type, unsigned count)
{
    struct recorder *recorder = (struct recorder *)output;
    int64_t time = line_time(recorder);
    entities_replaced(recorder->settings.entities, entity_of(recorder, type), time - 1, recorder->batch.now);
    entities_scale(recorder->settings.entities, recorder->batch.entity, type, count, time, recorder->batch.now);
}

static bool knows(struct sample_output *output, struct slice process)
{
    struct recorder *recorder = (struct recorder *)output;
    return series_cache_knows(recorder->settings.series, recorder->batch.entity, recorder->fixed, process,
                              recorder->batch.now, line_time(recorder));
}

static void route(struct sample_output *output, struct slice host)
{
    struct recorder *recorder = (struct recorder *)output;
    if (recorder->settings.directory != NULL)
        directory_learn_route(recorder->settings.directory, recorder->batch.entity, host, recorder->batch.now);
}

/* ---- identities ---- */

/* A process_* without labels would be taken for our own process's. */
static bool is_reserved(const struct identity *identity)
{
    bool has_labels = identity_labels(identity).length > 0;
    return reserved_metric(identity_name(identity), has_labels ? RESERVED_FROM_APPS : RESERVED_FROM_APPS_UNLABELLED);
}

/* Put the fixed labels and the sample's into all.  Of one name the later one counts: a fixed label wins over one that
 * the app chose, and what tells our series apart wins over a fixed label.  Returns how many there are. */
static size_t add_fixed_labels(const struct recorder *recorder, const struct sample *sample,
                               struct label all[IDENTITY_LABELS_MAX + BATCH_LABELS_MAX])
{
    const struct metric *metric = sample->metric;
    bool chosen = metric_is_chosen(metric);
    size_t count = 0;
    for (size_t i = 0; chosen && i < sample->label_count; i++)
        all[count++] = sample->labels[i];
    for (size_t i = 0; i < recorder->batch.label_count; i++) {
        const struct label *label = &recorder->batch.labels[i];
        if (chosen || metric->label == NULL || !slice_equals(label->name, slice_of(metric->label)))
            all[count++] = *label;
    }
    for (size_t i = 0; !chosen && i < sample->label_count; i++)
        if (sample->labels[i].value.length > 0) /* one without a value is none */
            all[count++] = sample->labels[i];
    return count;
}

/* No label may have the name of one that stands on all series.  Returns labels, or renamed with what they are then. */
static const struct label *set_apart(const struct recorder *recorder, const struct label *labels, size_t count,
                                     struct label *renamed)
{
    const struct external_labels *external = recorder->settings.external_labels;
    if (external == NULL || external->count == 0)
        return labels;
    for (size_t i = 0; i < count; i++)
        renamed[i] = (struct label){external_labels_rename(external, labels[i].name), labels[i].value};
    return renamed;
}

enum identity_result recorder_identity(const struct recorder *recorder, const struct sample *sample,
                                       struct identity *identity)
{
    bool self = sample->metric != NULL && sample->metric->self;
    const struct label *labels = sample->labels;
    size_t count = sample->label_count;
    if (self || count > IDENTITY_LABELS_MAX)
        return identity_build(identity, sample->namespace, sample->name, labels, count);
    struct label all[IDENTITY_LABELS_MAX + BATCH_LABELS_MAX];
    struct label renamed[IDENTITY_LABELS_MAX + BATCH_LABELS_MAX];
    if (recorder->batch.label_count > 0) {
        count = add_fixed_labels(recorder, sample, all);
        labels = all;
    }
    labels = set_apart(recorder, labels, count, renamed);
    return identity_build(identity, sample->namespace, sample->name, labels, count);
}

/* Do we accept a sample's identity?  It is counted if not. */
static bool accept(struct recorder *recorder, const struct sample *sample, const struct identity *identity,
                   enum identity_result result)
{
    double *rejected = recorder->tally.rejected;
    switch (result) {
    case IDENTITY_OK:
        break;
    case IDENTITY_BAD_NAME:
        rejected[REJECTED_NAME]++;
        return false;
    case IDENTITY_BAD_LABELS:
        rejected[REJECTED_LABELS]++;
        return false;
    }
    if (metric_is_chosen(sample->metric) &&
        (is_reserved(identity) || rules_make(recorder->context->rules, identity_name(identity)))) {
        rejected[REJECTED_RESERVED]++;
        return false;
    }
    return true;
}

/* Build the sample's identity; false if it has none that we accept. */
static bool identify(struct recorder *recorder, const struct sample *sample, struct identity *identity)
{
    return accept(recorder, sample, identity, recorder_identity(recorder, sample, identity));
}

/* The text of the labels of a reported sample, which the one before it mostly had as well; or where to keep it.  NULL
 * if it cannot be kept. */
static struct label_text *label_text_of(struct recorder *recorder, const struct sample *sample)
{
    struct recorder_labels *last = &recorder->written;
    bool app_chose = metric_is_chosen(sample->metric);
    if (last->labels == sample->labels && last->count == sample->label_count && last->app_chose == app_chose)
        return last->text;
    *last = (struct recorder_labels){sample->labels, sample->label_count, app_chose,
                                     series_cache_labels(recorder->settings.series, sample, recorder->fixed)};
    return last->text;
}

/* Build the identity of a reported sample whose labels have this text (may be NULL), which is kept there if it is
 * missing; false if it has none that we accept. */
static bool identify_reported(struct recorder *recorder, const struct sample *sample, struct label_text *text,
                              struct identity *identity)
{
    if (text != NULL && text->length > 0) {
        struct slice labels = {text->text, text->length};
        return accept(recorder, sample, identity, identity_rename(identity, labels, sample->namespace, sample->name));
    }
    if (!identify(recorder, sample, identity))
        return false;
    struct slice labels = identity_labels(identity);
    if (text != NULL && labels.length > 0 && labels.length <= LABEL_TEXT_MAX)
        series_cache_keep_labels(text, sample, recorder->fixed, labels);
    return true;
}

static bool is_counted(const struct sample *sample)
{
    return sample->metric != NULL && sample->metric->cells > 0;
}

static struct store_terms terms_of(struct recorder *recorder, const struct sample *sample)
{
    entity_id entity = entity_of(recorder, sample->process);
    if (sample->of_position)
        entity = entities_position(recorder->settings.entities, entity);
    bool no_expiry = is_counted(sample) || sample->no_expiry;
    return (struct store_terms){
        .now = recorder->batch.now,
        .lifetime = no_expiry ? recorder_persistent(entity) : recorder->settings.lifetimes[recorder->family],
        .entity = entity,
        .app = recorder->batch.entity,
        .exempt = sample->metric != NULL && sample->metric->self,
        .name_limited = sample->name_limited,
    };
}

/* Whose samples were refused? */
static unsigned maker_of(const struct recorder *recorder, const struct sample *sample)
{
    bool is_volume = sample->metric != NULL && sample->metric->volume;
    return is_volume ? RECORDER_LOG_VOLUME : (unsigned)recorder->family;
}

static void count_result(struct recorder *recorder, const struct sample *sample, enum store_result result)
{
    struct recorder_tally *tally = &recorder->tally;
    switch (result) {
    case STORE_RECORDED:
    case STORE_CREATED:
        tally->recorded++;
        break;
    case STORE_OUTDATED:
        tally->outdated++;
        break;
    case STORE_TOO_LARGE:
        tally->rejected[REJECTED_TOO_LARGE]++;
        break;
    case STORE_UNFIT:
        tally->rejected[REJECTED_VALUE]++;
        break;
    case STORE_NAMES:
        tally->rejected[REJECTED_NAMES]++;
        break;
    case STORE_FULL:
    case STORE_APP_FULL:
    case STORE_CAPPED:
    case STORE_NO_MEMORY:
        tally->refused[maker_of(recorder, sample)]++;
        break;
    }
}

/* ---- overflow: a series over the bounds of its app or metric ---- */

static bool is_over_bounds(enum store_result result)
{
    return result == STORE_CAPPED || result == STORE_APP_FULL;
}

static void count_overflow(struct recorder *recorder, const struct sample *sample, const struct identity *refused,
                           enum store_result result)
{
    const struct recorder_settings *settings = &recorder->settings;
    entity_id entity = recorder->batch.entity;
    struct self_terms terms = {.store = settings->store,
                               .slot = settings->slot,
                               .now = recorder->batch.now,
                               .entity = entity,
                               .lifetime = recorder_persistent(entity)};
    overflow_count(settings->overflow_names, settings->entities, &terms, recorder->batch.ledger_app,
                   &(struct overflow){.identity = refused,
                                      .app_chose = metric_is_chosen(sample->metric),
                                      .app_full = result == STORE_APP_FULL});
}

/* Can a sample that was refused go to the series that others share?  Only what adds up can. */
static bool may_overflow(const struct sample *sample, enum store_result result)
{
    return (is_counted(sample) || sample->incremental) && (!metric_is_chosen(sample->metric) || result == STORE_CAPPED);
}

/* The identity of the one series that takes what all others of its metric and app cannot: all labels but app and the
 * fixed ones are "__other__". */
static bool identify_overflow(struct recorder *recorder, const struct sample *sample, struct identity *identity)
{
    struct label labels[IDENTITY_LABELS_MAX];
    struct sample other = *sample;
    for (size_t i = 0; i < sample->label_count && i < IDENTITY_LABELS_MAX; i++) {
        labels[i] = sample->labels[i];
        if (!identity_label_becomes(labels[i].name, SLICE("app")) && labels[i].value.length > 0)
            labels[i].value = SLICE("__other__");
    }
    other.labels = labels;
    return identify(recorder, &other, identity);
}

/* The sample was refused: count that, and make identity and terms those of the shared series, if it may go there. */
static bool overflow(struct recorder *recorder, const struct sample *sample, enum store_result result,
                     struct identity *identity, struct store_terms *terms)
{
    count_overflow(recorder, sample, identity, result);
    terms->overflow = true;
    terms->entity = recorder->batch.entity;
    return may_overflow(sample, result) && identify_overflow(recorder, sample, identity);
}

/* ---- counted samples ---- */

/* A series for a sample. */
struct counter {
    struct series *series; /* NULL: it is refused */
    bool shared;           /* the one for overflow: the next batch asks again whether the sample may have its own */
};

/* Find the sample's series, or make it; the one for overflow if it is over a bound.  It is counted if the sample is
 * refused, unless it is a zero, which says nothing. */
static struct counter find_counter(struct recorder *recorder, const struct sample *sample,
                                   const struct store_terms *own)
{
    struct identity identity;
    struct counter counter = {0};
    if (!identify(recorder, sample, &identity))
        return counter;
    struct store_terms terms = *own;
    struct store *store = recorder->settings.store;
    unsigned slot = recorder->settings.slot;
    enum store_result result = store_counter(store, slot, &identity, sample->metric, &terms, &counter.series);
    if (is_over_bounds(result) && overflow(recorder, sample, result, &identity, &terms)) {
        counter.shared = true;
        result = store_counter(store, slot, &identity, sample->metric, &terms, &counter.series);
    }
    if (result == STORE_RECORDED || result == STORE_CREATED)
        return counter;
    if (!terms.zero)
        count_result(recorder, sample, result);
    return (struct counter){0};
}

/* Not inlined: what a series is known by is mostly all that is needed. */
__attribute__((noinline)) static struct series *lookup_anew(struct recorder *recorder, const struct sample *sample,
                                                            struct cached_series *slot, bool is_zero)
{
    struct series_cache *cache = recorder->settings.series;
    struct series *known = slot != NULL ? slot->series : NULL;
    struct store_terms terms = terms_of(recorder, sample);
    terms.zero = is_zero;
    /* If the process is new, its zeros were recorded just now, and may have taken the slot. */
    if (slot != NULL && slot->series != known) {
        slot = NULL;
        known = NULL;
    }
    if (known != NULL && store_counts_again(recorder->settings.store, known, sample->metric, &terms)) {
        series_cache_renew(cache, slot);
        return known;
    }
    struct counter counter = find_counter(recorder, sample, &terms);
    if (counter.series != NULL && slot != NULL)
        series_cache_keep(cache, slot, sample, recorder->fixed, counter.series, !counter.shared);
    return counter.series;
}

/* The same through what was looked up already, in this batch or in one before. */
static struct series *lookup_counter(struct recorder *recorder, const struct sample *sample, bool is_zero)
{
    struct series_cache *cache = recorder->settings.series;
    struct cached_series *slot = series_cache_find(cache, sample, recorder->fixed);
    if (slot != NULL && slot->series != NULL && series_cache_is_present(cache, slot))
        return slot->series;
    return lookup_anew(recorder, sample, slot, is_zero);
}

static struct series *find(struct sample_output *output, const struct sample *sample)
{
    return lookup_counter((struct recorder *)output, sample, false);
}

static void add(struct sample_output *output, struct series *counter, unsigned cell, double amount)
{
    struct recorder *recorder = (struct recorder *)output;
    recorder->tally.recorded += amount != 0;
    store_add(counter, recorder->settings.slot, cell, amount);
}

/* Not inlined: record() would save registers that reported samples, which are many more, do not need. */
__attribute__((noinline)) static void record_count(struct recorder *recorder, const struct sample *sample)
{
    bool is_zero = sample->amount == 0;
    struct series *counter = lookup_counter(recorder, sample, is_zero);
    if (counter == NULL)
        return;
    store_add(counter, recorder->settings.slot, sample->cell, sample->amount);
    recorder->tally.recorded += !is_zero && !sample->metric->volume;
}

static void observe(struct sample_output *output, struct series *histogram, const struct metric *metric,
                    double observation)
{
    struct recorder *recorder = (struct recorder *)output;
    recorder->tally.recorded++;
    store_observe(histogram, recorder->settings.slot, metric_bucket(metric, observation), metric->cells - 1,
                  observation);
}

/* ---- reported samples ---- */

/* What was found before may be held no more once the store was left. */
static void forget_found(struct recorder *recorder)
{
    static _Thread_local uint64_t generation;
    recorder->output.generation = ++generation;
    series_cache_begin(recorder->settings.series, store_removals(recorder->settings.store));
}

/* Values after which what could not be freed is looked at again. */
enum { QUIESCE_AGAIN = 1000 };

static void wait_a_millisecond(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* Leave the store for a moment, so that what was replaced can be freed.  That cannot be while another thread is inside
 * that does not get to run, as on a busy machine; meanwhile memory would grow as fast as we record. */
static void quiesce(struct recorder *recorder)
{
    struct store *store = recorder->settings.store;
    unsigned slot = recorder->settings.slot;
    store_leave(store, slot);
    for (; recorder->waited < RECORDER_WAIT_MAX && store_should_quiesce(store, slot); recorder->waited++) {
        wait_a_millisecond();
        store_enter(store, slot);
        store_leave(store, slot);
    }
    if (store_should_quiesce(store, slot))
        recorder->values_until_quiesce = QUIESCE_AGAIN;
    store_enter(store, slot);
    forget_found(recorder);
}

/* Record what was refused for a bound in the series that others share, if it may go there. */
static enum store_result update_overflow(struct recorder *recorder, const struct sample *sample,
                                         enum store_result refused, const struct identity *own,
                                         struct store_terms *terms)
{
    struct identity identity = *own;
    if (!overflow(recorder, sample, refused, &identity, terms))
        return refused;
    return store_update(recorder->settings.store, recorder->settings.slot, &identity, sample->metric, sample->value,
                        true, terms);
}

static void quiesce_if_needed(struct recorder *recorder)
{
    if (recorder->values_until_quiesce > 0)
        recorder->values_until_quiesce--;
    else if (store_should_quiesce(recorder->settings.store, recorder->settings.slot))
        quiesce(recorder);
}

/* Record a sample by its identity; the series is kept in slot, if that is not NULL. */
__attribute__((noinline)) static void record_anew(struct recorder *recorder, const struct sample *sample,
                                                  struct label_text *text, struct cached_report *slot)
{
    struct identity identity;
    if (!identify_reported(recorder, sample, text, &identity))
        return;
    struct store *store = recorder->settings.store;
    struct store_terms terms = terms_of(recorder, sample);
    struct series *series;
    sample->value->time = line_time(recorder);
    enum store_result result = store_report(store, recorder->settings.slot, &identity, sample->metric, sample->value,
                                            sample->incremental, &terms, &series);
    if (slot != NULL && series != NULL)
        series_cache_keep_report(recorder->settings.series, slot, sample, text, series);
    if (is_over_bounds(result))
        result = update_overflow(recorder, sample, result, &identity, &terms);
    count_result(recorder, sample, result);
    quiesce_if_needed(recorder);
}

/* Numbers that replace others are small: that there are many is soon enough seen at each of these. */
enum { REPORTS_A_LOOK = 32 };

/* Record a sample in the series that its slot has; false, with nothing done, if it cannot be. */
static bool record_again(struct recorder *recorder, const struct sample *sample, const struct label_text *text,
                         const struct cached_report *slot)
{
    const struct recorder_settings *settings = &recorder->settings;
    struct store_terms terms = {.now = recorder->batch.now, .entity = entity_of(recorder, sample->process)};
    enum store_result result;
    sample->value->time = line_time(recorder);
    if (!store_report_again(settings->store, settings->slot, slot->series, (struct slice){text->text, text->length},
                            sample->metric, sample->value, &terms, &result))
        return false;
    if (result == STORE_RECORDED)
        recorder->tally.recorded++;
    else
        count_result(recorder, sample, result);
    if (++recorder->reports % REPORTS_A_LOOK == 0)
        quiesce_if_needed(recorder);
    return true;
}

/* May the series of a sample be kept, and found without its identity?  Rules decide anew which names an app may choose.
 */
static bool is_kept(const struct recorder *recorder, const struct sample *sample)
{
    return value_is_plain(sample->value) && !sample->incremental && !sample->of_position &&
           (recorder->context->rules == NULL || !metric_is_chosen(sample->metric));
}

static void record_value(struct recorder *recorder, const struct sample *sample)
{
    struct label_text *text = sample->labels_of_line ? label_text_of(recorder, sample) : NULL;
    struct cached_report *slot = NULL;
    if (text != NULL && is_kept(recorder, sample) && text->length > 0) {
        slot = series_cache_find_report(recorder->settings.series, sample, text);
        if (slot != NULL && slot->series != NULL && record_again(recorder, sample, text, slot))
            return;
    }
    record_anew(recorder, sample, text, slot);
}

static void record(struct sample_output *output, const struct sample *sample)
{
    if (is_counted(sample))
        record_count((struct recorder *)output, sample);
    else
        record_value((struct recorder *)output, sample);
}

static void reject(struct sample_output *output, enum sample_rejection reason)
{
    ((struct recorder *)output)->tally.rejected[reason]++;
}

/* ---- batches ---- */

/* Lines after which the clock is looked at: few of the slowest ones, and for others it must cost next to nothing. */
enum { LINES_A_LOOK = 64 };

void recorder_start(struct recorder *recorder, const struct recorder_settings *settings,
                    const struct recorder_batch *batch, struct family_context *context, struct procids *procids)
{
    memset(recorder, 0, offsetof(struct recorder, entities)); /* the rest is forgotten below */
    recorder->output = (struct sample_output){.record = record,
                                              .reject = reject,
                                              .find = find,
                                              .add = add,
                                              .observe = observe,
                                              .notify = notify,
                                              .restart = restart,
                                              .instance = instance,
                                              .runs_as = runs_as,
                                              .scale = scale,
                                              .knows = knows,
                                              .route = route};
    recorder->settings = *settings;
    recorder->batch = *batch;
    recorder->fixed = series_cache_fixed(settings->series, batch->labels, batch->label_count);
    recorder->context = context;
    recorder->procids = procids;
    recorder->started = clock_monotonic();
    recorder->lines_until_clock = LINES_A_LOOK;
    forget_found(recorder);
}

/* Not inlined: recorder_line() would save registers, 10 instructions for each line. */
__attribute__((noinline)) void recorder_look_at_clock(struct recorder *recorder)
{
    uint64_t now = clock_monotonic();
    recorder->batch.now += now - recorder->started;
    recorder->started = now;
    recorder->lines_until_clock = LINES_A_LOOK;
}

void recorder_line(struct recorder *recorder, const struct line *line, unsigned procid, enum family_id family)
{
    recorder->line = line;
    recorder->procid = procid;
    recorder->family = family;
    recorder->line_time = 0;
    recorder->written.labels = NULL;
    if (--recorder->lines_until_clock == 0)
        recorder_look_at_clock(recorder);
}
