#include "intake/batch.h"

#include <stdlib.h>

#include "intake/arrival_clock.h"
#include "intake/dedup.h"
#include "intake/frame.h"
#include "intake/ledger.h"
#include "intake/log_volume.h"
#include "intake/recorder.h"

/* What a worker needs to read lines with, for each family. */
struct readers {
    void *states[FAMILY_COUNT];
    struct series_cache *series;
};

struct intake {
    struct store *store;
    struct intake_settings settings;
    struct dedup *dedup;
    struct overflow_names *overflow_names;
    struct readers *readers; /* for each slot */
    struct arrival_clock clock;
    struct refusals refusals;
};

static bool open_readers(struct readers *readers)
{
    readers->series = series_cache_create();
    return readers->series != NULL && families_open(readers->states);
}

static void close_readers(struct readers *readers)
{
    families_close(readers->states);
    free(readers->series);
}

struct intake *intake_create(struct store *store, const struct intake_settings *settings)
{
    struct intake *intake = calloc(1, sizeof *intake);
    if (intake == NULL)
        return NULL;
    intake->store = store;
    intake->settings = *settings;
    pthread_mutex_init(&intake->clock.lock, NULL);
    intake->dedup = dedup_create();
    intake->overflow_names = overflow_names_create();
    intake->readers = calloc(settings->slots, sizeof intake->readers[0]);
    bool complete = intake->dedup != NULL && intake->overflow_names != NULL && intake->readers != NULL;
    for (unsigned i = 0; complete && i < settings->slots; i++)
        complete = open_readers(&intake->readers[i]);
    if (complete)
        return intake;
    intake_free(intake);
    return NULL;
}

void intake_free(struct intake *intake)
{
    if (intake == NULL)
        return;
    for (unsigned i = 0; intake->readers != NULL && i < intake->settings.slots; i++)
        close_readers(&intake->readers[i]);
    free(intake->readers);
    dedup_free(intake->dedup);
    overflow_names_free(intake->overflow_names);
    pthread_mutex_destroy(&intake->clock.lock);
    free(intake);
}

/* A batch on its way. */
struct batch_run {
    const struct batch *batch;
    struct family_context context;
    struct recorder recorder;
    struct procids procids;
    unsigned procid; /* of the line that is read now */
    struct log_volume volume;
    struct scan_ahead hashes;
    double messages;
    struct ledger_messages tally;
};

/* ---- messages ---- */

static void count_verdict(struct ledger_messages *tally, enum family_id family, enum verdict verdict)
{
    if (verdict == VERDICT_RECOGNISED)
        tally->recognised[family]++;
    else if (verdict == VERDICT_NOT_A_METRIC)
        tally->ignored++;
    else
        tally->malformed[verdict - VERDICT_MALFORMED]++;
}

/* Where a family's samples go. */
static struct sample_output *output_of(struct batch_run *run)
{
    struct batch_observer *observer = run->batch->observer;
    return observer != NULL ? observer->on_line(observer, &run->recorder) : &run->recorder.output;
}

static void conclude(struct batch_run *run, struct slice message, const struct line *line, enum family_id family,
                     enum verdict verdict)
{
    struct batch_observer *observer = run->batch->observer;
    count_verdict(&run->tally, family, verdict);
    if (observer != NULL)
        observer->on_verdict(observer, &(struct batch_judgement){message, line, family, verdict, &run->context});
}

static enum verdict read_line(struct batch_run *run, const struct line *line, enum family_id family)
{
    recorder_line(&run->recorder, line, run->procid, family);
    return families[family]->read(line, &run->context, output_of(run));
}

/* The family that owns a line.  Which ones hear its author is asked once in a batch. */
static enum family_id find_family(struct batch_run *run, const struct line *line)
{
    struct procid *author = &run->procids.list[run->procid];
    if (author->families == 0)
        author->families = families_hearing(line);
    return family_among(author->families, line, &run->context);
}

static void take_line(struct batch_run *run, struct slice message, const struct line *line, bool has_header)
{
    enum verdict nothing = has_header ? VERDICT_NOT_A_METRIC : verdict_malformed(MALFORMED_HEADER);
    enum family_id family = find_family(run, line);
    enum verdict verdict = family == FAMILY_COUNT ? nothing : read_line(run, line, family);
    enum family_id after = FAMILY_COUNT;
    if (verdict == VERDICT_NOT_A_METRIC)
        after = family_after(family, line, &run->context);
    if (after != FAMILY_COUNT) {
        family = after;
        verdict = read_line(run, line, family);
    }
    conclude(run, message, line, family, verdict);
}

/* Use what is kept by numbers of procids before they begin anew. */
static void flush_procids(struct batch_run *run)
{
    log_volume_record(&run->volume, &run->procids, run->batch->app, &run->recorder.output);
    log_volume_start(&run->volume);
    recorder_forget_procids(&run->recorder);
    procids_start(&run->procids);
}

static void find_procid(struct batch_run *run, const struct line *line)
{
    if (procids_is_full(&run->procids))
        flush_procids(run);
    run->procid = procids_find(&run->procids, line->appname, line->procid);
}

static void take_message(struct batch_run *run, struct slice message)
{
    struct ledger_messages *tally = &run->tally;
    struct line line = {0};
    bool has_header = message.length <= FAMILY_MESSAGE_MAX && syslog_parse(message, run->batch->origin.shape, &line);
    find_procid(run, &line);
    if (message.length == 0) {
        conclude(run, message, &line, FAMILY_COUNT, VERDICT_NOT_A_METRIC);
    } else if (message.length > FAMILY_MESSAGE_MAX) {
        conclude(run, message, &line, FAMILY_COUNT, verdict_malformed(MALFORMED_TOO_LONG));
    } else {
        int64_t time, arrival = run->batch->time;
        if (tally->lag < 0 && syslog_time(line.timestamp, &time))
            tally->lag = time < arrival ? (double)(arrival - time) / 1e6 : 0;
        take_line(run, message, &line, has_header);
    }
    log_volume_add(&run->volume, run->procid, message.length);
}

static void take_messages(struct batch_run *run)
{
    struct slice body = run->batch->body;
    struct slice message;
    enum frame_result frame;
    while ((frame = frame_next(&body, &message)) != FRAME_END) {
        run->messages++;
        run->tally.repaired += frame == FRAME_REPAIRED;
        take_message(run, message);
    }
    flush_procids(run);
}

/* ---- the ledger ---- */

/* After store_enter(). */
static struct ledger open_ledger(const struct intake *intake, unsigned slot, const struct batch *batch)
{
    struct ledger ledger = ledger_open(intake->store, intake->settings.entities, slot, batch->app, batch->now);
    ledger.series = intake->readers[slot].series;
    series_cache_begin(ledger.series, store_removals(intake->store));
    return ledger;
}

static void count_batch(const struct ledger *ledger, const struct batch *batch, enum batch_result result,
                        double messages)
{
    ledger_count_batch(ledger, &(struct ledger_batch){.duplicate = result == BATCH_DUPLICATE,
                                                      .foreign = result == BATCH_FOREIGN,
                                                      .refused = result == BATCH_REFUSED,
                                                      .last_batch = batch->last_batch,
                                                      .messages = messages,
                                                      .received_bytes = (double)batch->received,
                                                      .decoded_bytes = (double)batch->body.length,
                                                      .time = batch->time});
}

/* log-shuttle tells of a loss twice: by a line in the batch and by a header.  What the header has more is new. */
static double lost_of(const struct batch_run *run, enum logplex_code code)
{
    double said = run->context.lost[code], announced = run->batch->origin.lost[code];
    return announced > said ? announced : said;
}

static void count_messages(const struct ledger *ledger, struct batch_run *run)
{
    struct ledger_messages *tally = &run->tally;
    const struct origin *origin = &run->batch->origin;
    tally->mismatched = origin->announces_messages && origin->messages != run->messages;
    tally->self_drain = run->context.self_drain;
    for (int code = 0; code < LOGPLEX_CODES; code++)
        tally->lost[code] = lost_of(run, (enum logplex_code)code);
    ledger_count_messages(ledger, tally);
    ledger_count_samples(ledger, &run->recorder.tally);
}

/* ---- batches ---- */

/* Read a line of a batch that was taken before, if it may say what is new. */
static void read_again(struct slice message, enum syslog_shape shape, struct family_context *context)
{
    struct line line;
    if (message.length > FAMILY_MESSAGE_MAX || !syslog_parse(message, shape, &line))
        return;
    enum family_id family = family_of(&line, context);
    if (family != FAMILY_COUNT && families[family]->reads_duplicates)
        families[family]->read(&line, context, NULL);
}

/* A batch that was taken before.  Only its losses may be new: Logplex adds to its L10 what it drops while it tries. */
static void take_duplicate(struct intake *intake, unsigned slot, const struct batch *batch, struct batch_id id)
{
    struct family_context context = {.drain_token = batch->origin.drain_token,
                                     .ingest_prefix = intake->settings.ingest_prefix};
    struct slice body = batch->body;
    struct slice message;
    double messages = 0;
    for (; frame_next(&body, &message) != FRAME_END; messages++)
        read_again(message, batch->origin.shape, &context);
    double more = dedup_raise_lost(intake->dedup, id, context.lost[LOGPLEX_L10]);
    store_enter(intake->store, slot);
    struct ledger ledger = open_ledger(intake, slot, batch);
    count_batch(&ledger, batch, BATCH_DUPLICATE, messages);
    if (more > 0)
        ledger_count_lost(&ledger, LOGPLEX_L10, more);
    store_leave(intake->store, slot);
}

static double number_of_messages(struct slice body)
{
    struct slice message;
    double messages = 0;
    while (frame_next(&body, &message) != FRAME_END)
        messages++;
    return messages;
}

/* A batch of a sender that may not speak for the app. */
static void count_foreign(struct intake *intake, unsigned slot, const struct batch *batch)
{
    double messages = number_of_messages(batch->body);
    store_enter(intake->store, slot);
    struct ledger ledger = open_ledger(intake, slot, batch);
    count_batch(&ledger, batch, BATCH_FOREIGN, messages);
    /* Nothing, but as zeros: what an app's ledger has must be born together. */
    ledger_count_messages(&ledger, &(struct ledger_messages){.lag = -1});
    ledger_count_samples(&ledger, &(struct recorder_tally){0});
    store_leave(intake->store, slot);
}

/* A batch of an app that is turned away. */
static void count_refused(struct intake *intake, unsigned slot, const struct batch *batch, enum refusal reason)
{
    double messages = number_of_messages(batch->body);
    struct batch others = *batch;
    others.last_batch = NULL;
    refusals_say(&intake->refusals, reason, batch->app, batch->now);
    store_enter(intake->store, slot);
    struct ledger ledger = ledger_of_others(intake->store, slot, batch->now);
    count_batch(&ledger, &others, BATCH_REFUSED, messages);
    ledger_count_refused(&ledger, reason, messages);
    store_leave(intake->store, slot);
}

/* Why there is no entity for the app of a batch. */
static enum refusal refusal_of(const struct intake *intake)
{
    return entities_refusal(intake->settings.entities) == ENTITIES_NEW_APPS ? REFUSED_MAX_NEW_APPS : REFUSED_MAX_APPS;
}

static void start_run(struct batch_run *run, struct intake *intake, unsigned slot, const struct batch *batch,
                      struct label ledger_app)
{
    const struct intake_settings *settings = &intake->settings;
    struct recorder_settings recorder_settings = {.store = intake->store,
                                                  .entities = settings->entities,
                                                  .directory = settings->directory,
                                                  .overflow_names = intake->overflow_names,
                                                  .series = intake->readers[slot].series,
                                                  .slot = slot,
                                                  .lifetimes = settings->lifetimes};
    struct recorder_batch recorder_batch = {
        .app = batch->app,
        .labels = batch->labels,
        .label_count = batch->label_count,
        .entity = entities_app(settings->entities, batch->app, batch->labels, batch->label_count, batch->now),
        .ledger_app = ledger_app,
        .time = arrival_clock_read(&intake->clock, batch->time, batch->now),
        .now = batch->now};
    if (settings->directory != NULL)
        directory_learn_app(settings->directory, recorder_batch.entity, batch->app, batch->now);
    run->batch = batch;
    run->context = (struct family_context){.app = batch->app,
                                           .drain_token = batch->origin.drain_token,
                                           .host = batch->host,
                                           .ingest_prefix = settings->ingest_prefix,
                                           .states = intake->readers[slot].states,
                                           .rules = batch->rules,
                                           .hashes = &run->hashes,
                                           .leave_out_self_drain = settings->leave_out_self_drain,
                                           .router_by_process = batch->router_by_process,
                                           .addon_app = batch->addon_app};
    run->hashes = (struct scan_ahead){batch->body.at, batch->body.at + batch->body.length, NULL};
    run->messages = 0;
    run->tally = (struct ledger_messages){.lag = -1};
    procids_start(&run->procids);
    log_volume_start(&run->volume);
    families_begin_batch(&run->context);
    recorder_start(&run->recorder, &recorder_settings, &recorder_batch, &run->context, &run->procids);
}

/* TAKEN, or REFUSED. */
static enum batch_result take_new(struct intake *intake, unsigned slot, const struct batch *batch, double *lost)
{
    struct batch_run run;
    *lost = 0;
    store_enter(intake->store, slot);
    struct ledger ledger = open_ledger(intake, slot, batch);
    start_run(&run, intake, slot, batch, ledger.app);
    if (ledger.terms.entity == ENTITY_NONE || run.recorder.batch.entity == ENTITY_NONE) {
        store_leave(intake->store, slot);
        count_refused(intake, slot, batch, refusal_of(intake));
        return BATCH_REFUSED;
    }
    recorder_start_app(&run.recorder);
    take_messages(&run);
    recorder_look_at_clock(&run.recorder); /* what is counted now is as new as the page that shows it first */
    ledger.terms.now = run.recorder.batch.now;
    count_batch(&ledger, batch, BATCH_TAKEN, run.messages);
    count_messages(&ledger, &run);
    ledger_count_rules(rules_reader_of(&run.context), intake->store, slot, ledger.terms.now);
    store_leave(intake->store, slot);
    *lost = run.context.lost[LOGPLEX_L10];
    return BATCH_TAKEN;
}

enum batch_result batch_process(struct intake *intake, unsigned slot, const struct batch *batch)
{
    const struct origin *origin = &batch->origin;
    double lost;
    if (batch->foreign) {
        count_foreign(intake, slot, batch);
        return BATCH_FOREIGN;
    }
    if (batch->refused != REFUSED_NOT) {
        count_refused(intake, slot, batch, batch->refused);
        return BATCH_REFUSED;
    }
    if (origin->id.length == 0)
        return take_new(intake, slot, batch, &lost);
    struct batch_id id = batch_id_of(batch->app, origin->drain, origin->id);
    switch (dedup_claim(intake->dedup, id, batch->now)) {
    case CLAIM_IN_PROGRESS:
        return BATCH_IN_PROGRESS;
    case CLAIM_TAKEN:
        take_duplicate(intake, slot, batch, id);
        return BATCH_DUPLICATE;
    case CLAIM_NEW:
        break;
    }
    enum batch_result result = take_new(intake, slot, batch, &lost);
    dedup_taken(intake->dedup, id, batch->now, lost);
    return result;
}
