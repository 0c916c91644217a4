#include "intake/batch.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "intake/arrival_clock.h"
#include "intake/cf_parts.h"
#include "intake/dedup.h"
#include "intake/frame.h"
#include "intake/ledger.h"
#include "intake/log_volume.h"
#include "intake/recorder.h"

/* What a worker needs to read lines with, for each family. */
struct readers {
    void *states[FAMILY_COUNT];
    struct series_cache *series;
    struct cf_parts *parts;
};

struct intake {
    struct store *store;
    struct intake_settings settings;
    struct dedup *dedup;
    struct dedup *bodies; /* of batches without ids: they are many, and must not push those with ids out */
    struct cf_apps *cf_apps;
    struct overflow_names *overflow_names;
    struct readers *readers; /* for each slot */
    struct arrival_clock clock;
    struct refusals refusals;
};

static bool open_readers(struct readers *readers)
{
    readers->series = series_cache_create();
    readers->parts = calloc(1, sizeof *readers->parts);
    return readers->series != NULL && readers->parts != NULL && families_open(readers->states);
}

static void close_readers(struct readers *readers)
{
    families_close(readers->states);
    free(readers->series);
    free(readers->parts);
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
    intake->bodies = dedup_create();
    intake->cf_apps = cf_apps_create();
    intake->overflow_names = overflow_names_create();
    intake->readers = calloc(settings->slots, sizeof intake->readers[0]);
    bool complete = intake->dedup != NULL && intake->bodies != NULL && intake->cf_apps != NULL &&
                    intake->overflow_names != NULL && intake->readers != NULL;
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
    dedup_free(intake->bodies);
    cf_apps_free(intake->cf_apps);
    overflow_names_free(intake->overflow_names);
    pthread_mutex_destroy(&intake->clock.lock);
    free(intake);
}

/* What of a batch is one app's: all of it, or of one of Cloud Foundry messages of a piece. */
struct part {
    const struct cf_parts *parts; /* NULL: it is the whole body */
    unsigned app;                 /* its number there, or CF_PARTS_APPS */
    struct label labels[FIXED_LABELS_MAX];
    size_t label_count;
    bool goes_on;    /* the batch has had messages of this app already */
    bool is_another; /* the batch began with a message of another app */
    size_t bytes;    /* of the body; so for the next one before decompression */
    double received;
};

/* A batch on its way, or a part of it. */
struct batch_run {
    const struct batch *batch;
    const struct part *part;
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

static void take_parsed(struct batch_run *run, struct slice message, const struct line *line, bool has_header)
{
    struct ledger_messages *tally = &run->tally;
    if (message.length == 0) {
        conclude(run, message, line, FAMILY_COUNT, VERDICT_NOT_A_METRIC);
    } else if (message.length > FAMILY_MESSAGE_MAX) {
        conclude(run, message, line, FAMILY_COUNT, verdict_malformed(MALFORMED_TOO_LONG));
    } else {
        int64_t time, arrival = run->batch->time;
        if (tally->lag < 0 && syslog_time(line->timestamp, &time))
            tally->lag = time < arrival ? (double)(arrival - time) / 1e6 : 0;
        take_line(run, message, line, has_header);
    }
}

static void take_message(struct batch_run *run, struct slice message)
{
    struct line line = {0};
    bool has_header = message.length <= FAMILY_MESSAGE_MAX && syslog_parse(message, run->batch->origin.shape, &line);
    find_procid(run, &line);
    take_parsed(run, message, &line, has_header);
    log_volume_add(&run->volume, run->procid, message.length);
}

static void take_cf_message(struct batch_run *run, const struct cf_part_message *message)
{
    run->messages++;
    run->tally.repaired += message->repaired;
    run->tally.of_second_app += run->part->is_another;
    run->context.cf = message->app == CF_PARTS_APPS ? NULL : &message->cf;
    find_procid(run, &message->line);
    take_parsed(run, message->text, &message->line, message->has_header);
}

/* The next message of a part from i on; NULL at the end. */
static const struct cf_part_message *next_of_part(const struct part *part, unsigned *i)
{
    while (*i < part->parts->count) {
        const struct cf_part_message *message = &part->parts->messages[(*i)++];
        if (message->app == part->app)
            return message;
    }
    return NULL;
}

static void take_messages(struct batch_run *run)
{
    struct slice body = run->batch->body;
    struct slice message;
    enum frame_result frame;
    const struct cf_part_message *of_part;
    for (unsigned i = 0; run->part->parts != NULL && (of_part = next_of_part(run->part, &i)) != NULL;)
        take_cf_message(run, of_part);
    while (run->part->parts == NULL && (frame = frame_next(&body, &message)) != FRAME_END) {
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

static void count_batch(const struct ledger *ledger, const struct batch *batch, const struct part *part,
                        enum batch_result result, double messages)
{
    ledger_count_batch(ledger, &(struct ledger_batch){.duplicate = result == BATCH_DUPLICATE,
                                                      .foreign = result == BATCH_FOREIGN,
                                                      .refused = result == BATCH_REFUSED,
                                                      .goes_on = part->goes_on,
                                                      .last_batch = batch->terms.last_batch,
                                                      .messages = messages,
                                                      .received_bytes = part->received,
                                                      .decoded_bytes = (double)part->bytes,
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

/* ---- batches of one app ---- */

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

static double number_of_messages(const struct batch *batch, const struct part *part)
{
    struct slice body = batch->body, message;
    double messages = 0;
    for (unsigned i = 0; part->parts != NULL && next_of_part(part, &i) != NULL;)
        messages++;
    while (part->parts == NULL && frame_next(&body, &message) != FRAME_END)
        messages++;
    return messages;
}

/* What is one app's in a batch of Cloud Foundry that was taken before: it is the same, byte for byte. */
static void count_duplicate(struct intake *intake, unsigned slot, const struct batch *batch, const struct part *part)
{
    store_enter(intake->store, slot);
    struct ledger ledger = open_ledger(intake, slot, batch);
    count_batch(&ledger, batch, part, BATCH_DUPLICATE, number_of_messages(batch, part));
    store_leave(intake->store, slot);
}

/* A batch that was taken before.  Only its losses may be new: Logplex adds to its L10 what it drops while it tries. */
static void take_duplicate(struct intake *intake, unsigned slot, const struct batch *batch, const struct part *part,
                           struct batch_id id)
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
    count_batch(&ledger, batch, part, BATCH_DUPLICATE, messages);
    if (more > 0)
        ledger_count_lost(&ledger, LOGPLEX_L10, more);
    store_leave(intake->store, slot);
}

/* A batch of a sender that may not speak for the app.  is_known: the app is configured, so its ledger is kept. */
static void count_foreign(struct intake *intake, unsigned slot, const struct batch *batch, const struct part *part,
                          bool is_known)
{
    double messages = number_of_messages(batch, part);
    store_enter(intake->store, slot);
    struct ledger ledger =
        is_known ? open_ledger(intake, slot, batch) : ledger_of_others(intake->store, slot, batch->now);
    count_batch(&ledger, batch, part, BATCH_FOREIGN, messages);
    /* Nothing, but as zeros: what an app's ledger has must be born together. */
    ledger_count_messages(&ledger, &(struct ledger_messages){.lag = -1});
    ledger_count_samples(&ledger, &(struct recorder_tally){0});
    store_leave(intake->store, slot);
}

/* A batch of an app that is turned away. */
static void count_refused(struct intake *intake, unsigned slot, const struct batch *batch, const struct part *part,
                          enum refusal reason)
{
    double messages = number_of_messages(batch, part);
    struct batch others = *batch;
    others.terms.last_batch = NULL;
    refusals_say(&intake->refusals, reason, batch->app, batch->now);
    store_enter(intake->store, slot);
    struct ledger ledger = ledger_of_others(intake->store, slot, batch->now);
    count_batch(&ledger, &others, part, BATCH_REFUSED, messages);
    ledger_count_refused(&ledger, reason, messages);
    store_leave(intake->store, slot);
}

/* Why there is no entity for the app of a batch. */
static enum refusal refusal_of(const struct intake *intake)
{
    return entities_refusal(intake->settings.entities) == ENTITIES_NEW_APPS ? REFUSED_MAX_NEW_APPS : REFUSED_MAX_APPS;
}

static void start_run(struct batch_run *run, struct intake *intake, unsigned slot, const struct batch *batch,
                      const struct part *part, struct label ledger_app)
{
    const struct batch_terms *terms = &batch->terms;
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
        .labels = part->parts == NULL ? terms->labels : part->labels,
        .label_count = part->parts == NULL ? terms->label_count : part->label_count,
        .entity = entities_app(settings->entities, batch->app, terms->labels, terms->label_count, batch->now),
        .ledger_app = ledger_app,
        .time = arrival_clock_read(&intake->clock, batch->time, batch->now),
        .now = batch->now};
    if (settings->directory != NULL)
        directory_learn_app(settings->directory, recorder_batch.entity, batch->app, batch->now);
    run->batch = batch;
    run->part = part;
    run->context = (struct family_context){.app = batch->app,
                                           .drain_token = batch->origin.drain_token,
                                           .host = batch->host,
                                           .ingest_prefix = settings->ingest_prefix,
                                           .states = intake->readers[slot].states,
                                           .rules = batch->rules,
                                           .hashes = part->parts == NULL ? &run->hashes : NULL,
                                           .leave_out_self_drain = settings->leave_out_self_drain,
                                           .router_by_process = terms->router_by_process,
                                           .addon_app = terms->addon_app};
    run->hashes = (struct scan_ahead){batch->body.at, batch->body.at + batch->body.length, NULL};
    run->messages = 0;
    run->tally = (struct ledger_messages){.lag = -1};
    procids_start(&run->procids);
    log_volume_start(&run->volume);
    families_begin_batch(&run->context);
    recorder_start(&run->recorder, &recorder_settings, &recorder_batch, &run->context, &run->procids);
}

/* Of a part, the families hear of the platform by its first message, and the directory of the app's GUID. */
static void begin_part(struct batch_run *run, const struct intake *intake)
{
    const struct part *part = run->part;
    unsigned first = 0;
    if (part->parts == NULL || part->app == CF_PARTS_APPS)
        return;
    const struct cf_part_message *message = next_of_part(part, &first);
    run->context.cf = &message->cf;
    run->context.cf_instance_labels = run->batch->terms.app_labels == APP_LABELS_PROMFETCHER;
    if (intake->settings.directory != NULL && message->cf.app_id.length <= DIRECTORY_GUID_MAX)
        directory_learn_guid(intake->settings.directory, run->recorder.batch.entity, message->cf.app_id,
                             run->batch->now);
}

/* TAKEN, or REFUSED. */
static enum batch_result take_new(struct intake *intake, unsigned slot, const struct batch *batch,
                                  const struct part *part, double *lost)
{
    struct batch_run run;
    *lost = 0;
    store_enter(intake->store, slot);
    struct ledger ledger = open_ledger(intake, slot, batch);
    start_run(&run, intake, slot, batch, part, ledger.app);
    if (ledger.terms.entity == ENTITY_NONE || run.recorder.batch.entity == ENTITY_NONE) {
        store_leave(intake->store, slot);
        count_refused(intake, slot, batch, part, refusal_of(intake));
        return BATCH_REFUSED;
    }
    begin_part(&run, intake);
    recorder_start_app(&run.recorder);
    take_messages(&run);
    recorder_look_at_clock(&run.recorder); /* what is counted now is as new as the page that shows it first */
    ledger.terms.now = run.recorder.batch.now;
    count_batch(&ledger, batch, part, BATCH_TAKEN, run.messages);
    count_messages(&ledger, &run);
    ledger_count_rules(rules_reader_of(&run.context), intake->store, slot, ledger.terms.now);
    store_leave(intake->store, slot);
    *lost = run.context.lost[LOGPLEX_L10];
    return BATCH_TAKEN;
}

static enum batch_result take_whole(struct intake *intake, unsigned slot, const struct batch *batch, double *lost)
{
    struct part whole = {.bytes = batch->body.length, .received = (double)batch->received};
    if (batch->terms.foreign) {
        count_foreign(intake, slot, batch, &whole, true);
        return BATCH_FOREIGN;
    }
    if (batch->terms.refused != REFUSED_NOT) {
        count_refused(intake, slot, batch, &whole, batch->terms.refused);
        return BATCH_REFUSED;
    }
    return take_new(intake, slot, batch, &whole, lost);
}

/* ---- batches of Cloud Foundry: of as many apps as their messages say ---- */

enum { APPS_REMEMBERED = 256 };

/* The apps that a batch has had, by a hash of their names; of more than these some are counted as new again. */
struct batch_apps {
    unsigned count;
    uint64_t hashes[APPS_REMEMBERED];
};

static void note_app(struct batch_apps *apps, struct slice name, struct part *part)
{
    uint64_t hash = XXH3_64bits(name.at, name.length);
    part->is_another = apps->count > 0 && apps->hashes[0] != hash;
    for (unsigned i = 0; i < apps->count && !part->goes_on; i++)
        part->goes_on = apps->hashes[i] == hash;
    if (!part->goes_on && apps->count < APPS_REMEMBERED)
        apps->hashes[apps->count++] = hash;
}

/* The labels of all series of a part: those of the configuration, and those of the app's identity, which win. */
static void set_labels(struct part *part, const struct batch_terms *terms, const struct cf_app *app)
{
    for (size_t i = 0; i < terms->label_count; i++)
        part->labels[part->label_count++] = terms->labels[i];
    if (app != NULL)
        part->label_count += cf_app_labels(app, terms->app_labels, part->labels + part->label_count);
}

static void measure(struct part *part, const struct batch *batch)
{
    const struct cf_part_message *message;
    for (unsigned i = 0; (message = next_of_part(part, &i)) != NULL;)
        part->bytes += message->bytes;
    part->received = (double)batch->received * (double)part->bytes / (double)batch->body.length;
}

/* May the sender not speak for an app, as its password is bound to another organization or space? */
static bool is_unbound(const struct batch *batch, const struct cf_app *app)
{
    return app != NULL ? app->foreign : batch->binding.organization.length > 0;
}

/* app: CF_PARTS_APPS for those messages that are none of Cloud Foundry's. */
static void take_part(struct intake *intake, unsigned slot, const struct batch *batch, unsigned app,
                      struct batch_apps *apps, bool is_duplicate)
{
    const struct cf_parts *parts = intake->readers[slot].parts;
    const struct cf_app *found = app == CF_PARTS_APPS ? NULL : &parts->apps[app];
    struct part part = {.parts = parts, .app = app};
    struct batch of_app = *batch;
    unsigned first = 0;
    double lost;
    if (next_of_part(&part, &first) == NULL)
        return;
    if (batch->app.length == 0 && found != NULL) {
        of_app.app = cf_app_name(found);
        if (batch->access != NULL)
            of_app.terms = batch->access->terms_of(batch->access, of_app.app);
        if (found->name_length > CF_APP_NAME_MAX) {
            of_app.app = found->appname;
            of_app.terms.refused = REFUSED_NAME;
        }
    }
    note_app(apps, of_app.app, &part);
    set_labels(&part, &of_app.terms, found);
    measure(&part, batch);
    if (is_unbound(batch, found))
        count_foreign(intake, slot, &of_app, &part, false);
    else if (of_app.terms.foreign)
        count_foreign(intake, slot, &of_app, &part, true);
    else if (of_app.terms.refused != REFUSED_NOT)
        count_refused(intake, slot, &of_app, &part, of_app.terms.refused);
    else if (is_duplicate)
        count_duplicate(intake, slot, &of_app, &part);
    else
        take_new(intake, slot, &of_app, &part, &lost);
}

static void take_parts(struct intake *intake, unsigned slot, const struct batch *batch, bool is_duplicate)
{
    struct cf_parts *parts = intake->readers[slot].parts;
    const struct cf_parts_terms terms = {.apps = intake->cf_apps, .binding = batch->binding, .whole = batch->whole};
    struct slice body = batch->body;
    struct batch_apps apps = {0};
    while (cf_parts_fill(parts, &terms, &body)) {
        for (unsigned app = 0; app < parts->app_count; app++)
            take_part(intake, slot, batch, app, &apps, is_duplicate);
        take_part(intake, slot, batch, CF_PARTS_APPS, &apps, is_duplicate);
    }
}

/* ---- batches ---- */

static enum batch_result take(struct intake *intake, unsigned slot, const struct batch *batch, double *lost)
{
    *lost = 0;
    if (!batch->origin.cloud_foundry)
        return take_whole(intake, slot, batch, lost);
    take_parts(intake, slot, batch, false);
    return BATCH_TAKEN;
}

static void take_again(struct intake *intake, unsigned slot, const struct batch *batch, struct batch_id id)
{
    struct part whole = {.bytes = batch->body.length, .received = (double)batch->received};
    if (batch->origin.cloud_foundry)
        take_parts(intake, slot, batch, true);
    else
        take_duplicate(intake, slot, batch, &whole, id);
}

/* Is a batch only counted, so that there is no harm in doing it twice? */
static bool is_turned_away(const struct batch *batch)
{
    return !batch->origin.cloud_foundry && (batch->terms.foreign || batch->terms.refused != REFUSED_NOT);
}

/* Has the first message of a body a time with a fraction of a second? */
static bool has_exact_time(const struct batch *batch)
{
    struct slice body = batch->body, message;
    struct line line;
    int64_t time;
    enum frame_result frame =
        batch->origin.cloud_foundry ? frame_next_cf(&body, &message) : frame_next(&body, &message);
    return frame != FRAME_END && syslog_parse(message, batch->origin.shape, &line) &&
           slice_index(line.timestamp, '.') < line.timestamp.length && syslog_time(line.timestamp, &time);
}

static enum batch_result take_once(struct intake *intake, unsigned slot, const struct batch *batch, struct dedup *dedup,
                                   struct batch_id id)
{
    double lost;
    switch (dedup_claim(dedup, id, batch->now)) {
    case CLAIM_IN_PROGRESS:
        return BATCH_IN_PROGRESS;
    case CLAIM_TAKEN:
        take_again(intake, slot, batch, id);
        return BATCH_DUPLICATE;
    case CLAIM_NEW:
        break;
    }
    enum batch_result result = take(intake, slot, batch, &lost);
    dedup_taken(dedup, id, batch->now, lost);
    return result;
}

enum batch_result batch_process(struct intake *intake, unsigned slot, const struct batch *batch)
{
    const struct origin *origin = &batch->origin;
    double lost;
    if (!is_turned_away(batch) && origin->id.length > 0)
        return take_once(intake, slot, batch, intake->dedup, batch_id_of(batch->app, origin->drain, origin->id));
    if (!is_turned_away(batch) && origin->repeats_body && has_exact_time(batch))
        return take_once(intake, slot, batch, intake->bodies,
                         batch_id_of_body(intake->bodies, batch->credential, batch->body));
    return take(intake, slot, batch, &lost);
}
