#include "intake/batch.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "intake/arrival_clock.h"
#include "intake/dedup.h"
#include "intake/ledger.h"
#include "intake/log_volume.h"
#include "intake/messages.h"
#include "intake/recorder.h"

/* What a worker needs to read lines with, for each family. */
struct readers {
    void *states[FAMILY_COUNT];
    struct series_cache *series;
    struct ledger_series *ledgers;
    atomic_bool busy; /* with a batch */
};

struct intake {
    struct store *store;
    struct intake_settings settings;
    struct dedup *dedup;
    struct dedup
        *contents; /* of batches without ids: of https:// drains there are many, and they must not push others out */
    struct cf_apps *cf_apps;
    struct overflow_names *overflow_names;
    struct readers *readers; /* for each slot */
    struct arrival_clock clock;
    struct refusals refusals;
    atomic_bool stopped;
};

static bool open_readers(struct readers *readers)
{
    readers->series = series_cache_create();
    readers->ledgers = ledger_series_create();
    return readers->series != NULL && readers->ledgers != NULL && families_open(readers->states);
}

static void close_readers(struct readers *readers)
{
    families_close(readers->states);
    free(readers->series);
    ledger_series_free(readers->ledgers);
}

struct intake *intake_create(struct store *store, const struct intake_settings *settings)
{
    struct intake *intake = calloc(1, sizeof *intake);
    if (intake == NULL)
        return NULL;
    intake->store = store;
    intake->settings = *settings;
    pthread_mutex_init(&intake->clock.lock, NULL);
    intake->dedup = dedup_create(DEDUP_IDS);
    intake->contents = dedup_create(DEDUP_CONTENTS);
    intake->cf_apps = cf_apps_create();
    intake->overflow_names = overflow_names_create();
    intake->readers = calloc(settings->slots, sizeof intake->readers[0]);
    bool complete = intake->dedup != NULL && intake->contents != NULL && intake->cf_apps != NULL &&
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
    dedup_free(intake->contents);
    cf_apps_free(intake->cf_apps);
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
    struct ledger_messages tally;
    struct unmatched *unmatched; /* NULL: nobody looks at what gives no metric */
    unsigned slot;
    uint64_t until_look, announced; /* of such lines until one is looked at: now, and as it was said */
};

/* What is to be read of a batch: all messages, or those of a part. */
struct reading {
    struct messages messages;
    struct scan_ahead hashes; /* of the whole body, or that of many parts would be searched again for each */
};

static void reading_begin(struct reading *reading, const struct batch *batch)
{
    messages_begin(&reading->messages, &batch->origin, batch->body);
    reading->hashes = (struct scan_ahead){batch->body.at, batch->body.at + batch->body.length, NULL};
}

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

static void look_at(struct batch_run *run, const struct line *line)
{
    if (run->unmatched == NULL)
        return;
    const struct batch *batch = run->batch;
    run->until_look = run->announced = unmatched_look(run->unmatched, run->slot, batch->app, line, batch->now);
}

static void conclude(struct batch_run *run, const struct message *message, enum family_id family, enum verdict verdict)
{
    struct batch_observer *observer = run->batch->observer;
    count_verdict(&run->tally, family, verdict);
    if (verdict == VERDICT_NOT_A_METRIC && --run->until_look == 0)
        look_at(run, &message->line);
    if (observer != NULL)
        observer->on_verdict(observer,
                             &(struct batch_judgement){message->text, &message->line, family, verdict, &run->context});
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
    if (!author->is_asked) {
        author->families = families_hearing(line, &run->context);
        author->is_asked = true;
    }
    return family_among(author->families, line, &run->context);
}

static void take_line(struct batch_run *run, const struct message *message)
{
    const struct line *line = &message->line;
    enum verdict nothing = message->has_header ? VERDICT_NOT_A_METRIC : verdict_malformed(MALFORMED_HEADER);
    enum family_id family = find_family(run, line);
    enum verdict verdict = family == FAMILY_COUNT ? nothing : read_line(run, line, family);
    enum family_id after = FAMILY_COUNT;
    if (verdict == VERDICT_NOT_A_METRIC)
        after = family_after(family, line, &run->context);
    if (after != FAMILY_COUNT) {
        family = after;
        verdict = read_line(run, line, family);
    }
    conclude(run, message, family, verdict);
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

static void take_message(struct batch_run *run, const struct message *message)
{
    struct ledger_messages *tally = &run->tally;
    const struct line *line = &message->line;
    tally->repaired += message->is_repaired;
    find_procid(run, line);
    if (message->text.length == 0) {
        conclude(run, message, FAMILY_COUNT, VERDICT_NOT_A_METRIC);
    } else if (message->text.length > FAMILY_MESSAGE_MAX) {
        conclude(run, message, FAMILY_COUNT, verdict_malformed(MALFORMED_TOO_LONG));
    } else {
        int64_t time, arrival = run->batch->time;
        if (tally->lag < 0 && syslog_time(line->timestamp, &time))
            tally->lag = time < arrival ? (double)(arrival - time) / 1e6 : 0;
        take_line(run, message);
    }
    if (run->context.cf == NULL) /* what Heroku's dynos log */
        log_volume_add(&run->volume, run->procid, message->text.length);
}

static void take_messages(struct batch_run *run, struct messages *messages)
{
    const struct message *message;
    while ((message = messages_next(messages)) != NULL)
        take_message(run, message);
    flush_procids(run);
}

/* The same, while what gives no metric is looked at. */
static void take_messages_watched(struct batch_run *run, struct messages *messages, struct unmatched *unmatched,
                                  unsigned slot)
{
    run->unmatched = unmatched;
    run->slot = slot;
    run->until_look = run->announced = unmatched == NULL ? 0 : unmatched_begin(unmatched, slot, run->batch->now);
    take_messages(run, messages);
    if (unmatched != NULL)
        unmatched_end(unmatched, slot, run->announced - run->until_look);
}

/* ---- the ledger ---- */

/* After store_enter(). */
static struct ledger open_ledger(const struct intake *intake, unsigned slot, const struct batch *batch)
{
    struct ledger ledger = ledger_open(intake->store, intake->settings.entities, slot, batch->app, batch->now);
    ledger_remember(&ledger, intake->readers[slot].ledgers);
    return ledger;
}

/* After all messages were taken. */
static void count_batch(const struct ledger *ledger, const struct batch *batch, enum batch_result result,
                        const struct messages *messages)
{
    bool is_part = batch->origin.is_cloud_foundry; /* of a sender that does not compress */
    ledger_count_batch(ledger, &(struct ledger_batch){
                                   .duplicate = result == BATCH_DUPLICATE,
                                   .foreign = result == BATCH_FOREIGN,
                                   .refused = result == BATCH_REFUSED,
                                   .goes_on = batch->goes_on,
                                   .last_batch = batch->last_batch,
                                   .messages = (double)messages->count,
                                   .received_bytes = (double)(is_part ? messages_bytes(messages) : batch->received),
                                   .decoded_bytes = (double)(is_part ? messages_bytes(messages) : batch->body.length),
                                   .time = batch->time});
}

/* log-shuttle tells of a loss twice: by a line in the batch and by a header.  What the header has more is new. */
static double lost_of(const struct batch_run *run, enum logplex_code code)
{
    double said = run->context.lost[code], announced = run->batch->origin.lost[code];
    return announced > said ? announced : said;
}

static void count_messages(const struct ledger *ledger, struct batch_run *run, size_t count)
{
    struct ledger_messages *tally = &run->tally;
    const struct origin *origin = &run->batch->origin;
    tally->mismatched = origin->announces_messages && origin->messages != (double)count;
    tally->self_drain = run->context.self_drain;
    for (int code = 0; code < LOGPLEX_CODES; code++)
        tally->lost[code] = lost_of(run, (enum logplex_code)code);
    ledger_count_messages(ledger, tally);
    ledger_count_samples(ledger, &run->recorder.tally);
}

/* ---- batches ---- */

/* Read a line of a batch that was taken before, if it may say what is new. */
static void read_again(const struct message *message, struct family_context *context)
{
    if (!message->has_header)
        return;
    enum family_id family = family_of(&message->line, context);
    if (family != FAMILY_COUNT && families[family]->reads_duplicates)
        families[family]->read(&message->line, context, NULL);
}

/* A batch that was taken before.  Only its losses may be new: Logplex adds to its L10 what it drops while it tries. */
static void take_duplicate(struct intake *intake, unsigned slot, const struct batch *batch, struct messages *messages,
                           struct batch_id id)
{
    struct family_context context = {.drain_token = batch->origin.drain_token,
                                     .ingest_prefix = intake->settings.ingest_prefix};
    const struct message *message;
    while ((message = messages_next(messages)) != NULL)
        read_again(message, &context);
    double more = dedup_raise_lost(intake->dedup, id, context.lost[LOGPLEX_L10]);
    store_enter(intake->store, slot);
    struct ledger ledger = open_ledger(intake, slot, batch);
    count_batch(&ledger, batch, BATCH_DUPLICATE, messages);
    if (more > 0)
        ledger_count_lost(&ledger, LOGPLEX_L10, more);
    store_leave(intake->store, slot);
}

/* A batch of a sender that may not speak for the app. */
static void count_foreign(struct intake *intake, unsigned slot, const struct batch *batch, struct messages *messages)
{
    messages_skip(messages);
    store_enter(intake->store, slot);
    /* Whoever may say any name could fill the table of apps. */
    bool says_any = batch->origin.is_cloud_foundry || (batch->sender != NULL && batch->sender->organization.length > 0);
    struct ledger ledger =
        says_any ? ledger_of_others(intake->store, slot, batch->now) : open_ledger(intake, slot, batch);
    count_batch(&ledger, batch, BATCH_FOREIGN, messages);
    /* Nothing, but as zeros: what an app's ledger has must be born together. */
    ledger_count_messages(&ledger, &(struct ledger_messages){.lag = -1});
    ledger_count_samples(&ledger, &(struct recorder_tally){0});
    store_leave(intake->store, slot);
}

/* A batch of an app that is turned away. */
static void count_refused(struct intake *intake, unsigned slot, const struct batch *batch, struct messages *messages,
                          enum refusal reason)
{
    messages_skip(messages);
    struct batch others = *batch;
    others.last_batch = NULL;
    refusals_say(&intake->refusals, reason, batch->app, batch->now);
    store_enter(intake->store, slot);
    struct ledger ledger = ledger_of_others(intake->store, slot, batch->now);
    count_batch(&ledger, &others, BATCH_REFUSED, messages);
    ledger_count_refused(&ledger, reason, (double)messages->count);
    store_leave(intake->store, slot);
}

/* Why there is no entity for the app of a batch. */
static enum refusal refusal_of(const struct intake *intake)
{
    return entities_refusal(intake->settings.entities) == ENTITIES_NEW_APPS ? REFUSED_MAX_NEW_APPS : REFUSED_MAX_APPS;
}

/* The entity of the series of a batch: by the labels that the configuration says, since those that it no longer says
 * end with a reload. */
static entity_id find_entity(struct entities *entities, const struct batch *batch)
{
    const struct label *said = batch->identity_count == 0 ? batch->labels : batch->labels + batch->identity_count;
    return entities_app(entities, batch->app, said, batch->label_count - batch->identity_count, batch->now);
}

/* When the first message was written; not later than the batch came. */
static int64_t time_of_first(const struct messages *messages, int64_t arrival)
{
    int64_t time;
    return syslog_time(messages->message.line.timestamp, &time) && time < arrival ? time : arrival;
}

/* The app of this GUID has this name now.  If it had another one, and no other app has that, what stood under it is
 * over: an app that is renamed takes its instances along. */
static void name_app(const struct intake_settings *settings, const struct batch *batch, entity_id app, int64_t time)
{
    struct store_scope deserted;
    bool is_guid = batch->guid.length == DIRECTORY_GUID_MAX; /* all apps that "cf logs" shows are "app" to us */
    directory_learn_guid(settings->directory, app, batch->guid, batch->now, &deserted);
    for (unsigned i = 0; is_guid && i < deserted.count; i++)
        entities_desert(settings->entities, deserted.apps[i], time, batch->now);
    if (entities_is_deserted(settings->entities, app))
        entities_return(settings->entities, app, time);
}

static void start_run(struct batch_run *run, struct intake *intake, unsigned slot, const struct batch *batch,
                      struct reading *reading, struct label ledger_app)
{
    const struct intake_settings *settings = &intake->settings;
    struct recorder_settings recorder_settings = {.store = intake->store,
                                                  .entities = settings->entities,
                                                  .directory = settings->directory,
                                                  .external_labels = &settings->external_labels,
                                                  .overflow_names = intake->overflow_names,
                                                  .series = intake->readers[slot].series,
                                                  .slot = slot,
                                                  .lifetimes = settings->lifetimes};
    struct recorder_batch recorder_batch = {.app = batch->app,
                                            .labels = batch->labels,
                                            .label_count = batch->label_count,
                                            .entity = find_entity(settings->entities, batch),
                                            .ledger_app = ledger_app,
                                            .time = arrival_clock_read(&intake->clock, batch->time, batch->now),
                                            .now = batch->now};
    if (settings->directory != NULL)
        directory_learn_app(settings->directory, recorder_batch.entity, batch->app, batch->now);
    if (settings->directory != NULL && batch->guid.length > 0)
        name_app(settings, batch, recorder_batch.entity, time_of_first(&reading->messages, recorder_batch.time));
    run->batch = batch;
    run->context = (struct family_context){.app = batch->app,
                                           .drain_token = batch->origin.drain_token,
                                           .host = batch->host,
                                           .ingest_prefix = settings->ingest_prefix,
                                           .states = intake->readers[slot].states,
                                           .rules = batch->rules,
                                           .hashes = &reading->hashes,
                                           .canary = settings->canary,
                                           .leave_out_self_drain = settings->leave_out_self_drain,
                                           .router_by_process = batch->router_by_process,
                                           .addon_app = batch->addon_app};
    if (batch->origin.is_cloud_foundry) {
        run->context.cf = &reading->messages.message.cf;
        run->context.cf_instance_labels = batch->cf_labels == CF_LABELS_PROMFETCHER;
    }
    run->tally = (struct ledger_messages){.lag = -1};
    run->unmatched = NULL;
    run->until_look = 0;
    procids_start(&run->procids);
    log_volume_start(&run->volume);
    families_begin_batch(&run->context);
    recorder_start(&run->recorder, &recorder_settings, &recorder_batch, &run->context, &run->procids);
}

/* TAKEN, or REFUSED.  mixed: the app is another than that of the batch's first message. */
static enum batch_result take_new(struct intake *intake, unsigned slot, const struct batch *batch,
                                  struct reading *reading, bool mixed, double *lost)
{
    struct messages *messages = &reading->messages;
    struct batch_run run;
    *lost = 0;
    store_enter(intake->store, slot);
    struct ledger ledger = open_ledger(intake, slot, batch);
    start_run(&run, intake, slot, batch, reading, ledger.app);
    if (ledger.terms.entity == ENTITY_NONE || run.recorder.batch.entity == ENTITY_NONE) {
        store_leave(intake->store, slot);
        count_refused(intake, slot, batch, messages, refusal_of(intake));
        return BATCH_REFUSED;
    }
    recorder_start_app(&run.recorder);
    take_messages_watched(&run, messages, intake->settings.unmatched, slot);
    recorder_look_at_clock(&run.recorder); /* what is counted now is as new as the page that shows it first */
    ledger.terms.now = run.recorder.batch.now;
    count_batch(&ledger, batch, BATCH_TAKEN, messages);
    run.tally.mixed = mixed ? (double)messages->count : 0;
    count_messages(&ledger, &run, messages->count);
    ledger_count_rules(rules_reader_of(&run.context), intake->store, slot, ledger.terms.now);
    store_leave(intake->store, slot);
    *lost = run.context.lost[LOGPLEX_L10];
    return BATCH_TAKEN;
}

/* ---- Cloud Foundry: each message says whose it is ---- */

enum { APPS_REMEMBERED = 256 };

/* The apps that a batch has had, by hashes of their names; of more than these some are counted as new again. */
struct batch_apps {
    unsigned count;
    uint64_t hashes[APPS_REMEMBERED];
};

/* Has the batch had the app already?  *mixed: it began with another one. */
static bool note_app(struct batch_apps *apps, struct slice name, bool *mixed)
{
    uint64_t hash = XXH3_64bits(name.at, name.length);
    *mixed = apps->count > 0 && apps->hashes[0] != hash;
    for (unsigned i = 0; i < apps->count; i++)
        if (apps->hashes[i] == hash)
            return true;
    if (apps->count < APPS_REMEMBERED)
        apps->hashes[apps->count++] = hash;
    return false;
}

/* Process a part, which a duplicate is, too. */
static void process_part(struct intake *intake, unsigned slot, const struct batch *batch, struct reading *reading,
                         struct cf_app *app, struct batch_apps *apps, bool duplicate)
{
    struct label labels[BATCH_LABELS_MAX];
    struct batch part = *batch;
    bool mixed;
    double lost;
    part.app = cf_app_name(app);
    part.guid = cf_app_part(app, CF_GUID);
    part.goes_on = note_app(apps, part.app, &mixed);
    if (batch->sender != NULL)
        batch->sender->describe(batch->sender, app, &part);
    if (!part.foreign)
        cf_apps_learn(intake->cf_apps, app);
    reading->messages.process_type = cf_app_process_type(app);
    size_t count = cf_app_labels(app, part.cf_labels, labels);
    part.identity_count = count;
    for (size_t i = 0; i < part.label_count && count < BATCH_LABELS_MAX; i++) /* of one name the later one counts */
        labels[count++] = part.labels[i];
    part.labels = labels;
    part.label_count = count;
    if (part.foreign)
        count_foreign(intake, slot, &part, &reading->messages);
    else if (part.refused != REFUSED_NOT)
        count_refused(intake, slot, &part, &reading->messages, part.refused);
    else if (duplicate)
        take_duplicate(intake, slot, &part, &reading->messages, (struct batch_id){0});
    else
        take_new(intake, slot, &part, reading, mixed, &lost);
}

static void process_parts(struct intake *intake, unsigned slot, const struct batch *batch, struct reading *reading,
                          bool duplicate)
{
    struct batch_apps apps = {0};
    struct cf_app app;
    while (messages_begin_part(&reading->messages, intake->cf_apps, &app)) {
        if (batch->sender != NULL)
            cf_app_bind(&app, batch->sender->organization, batch->sender->space);
        process_part(intake, slot, batch, reading, &app, &apps, duplicate);
    }
}

/* ---- any batch ---- */

/* What names a batch, and where it is remembered; NULL if nothing names it: two batches of messages without times may
 * be equal and yet not the same. */
static struct dedup *find_id(const struct intake *intake, const struct batch *batch, struct messages *messages,
                             struct batch_id *id)
{
    const struct origin *origin = &batch->origin;
    struct slice user = batch->sender != NULL ? batch->sender->user : batch->app;
    if (origin->id.length > 0) {
        *id = batch_id_of(batch->app, origin->drain, origin->id);
        return intake->dedup;
    }
    if (!origin->is_named_by_content || !messages_have_times(messages))
        return NULL;
    *id = batch_id_of_content(intake->contents, user, batch->body);
    return intake->contents;
}

/* A batch that is not known; returns what it says was lost. */
static enum batch_result process_new(struct intake *intake, unsigned slot, const struct batch *batch,
                                     struct reading *reading, double *lost)
{
    *lost = 0;
    if (!batch->origin.is_cloud_foundry)
        return take_new(intake, slot, batch, reading, false, lost);
    process_parts(intake, slot, batch, reading, false);
    return BATCH_TAKEN;
}

static enum batch_result process_duplicate(struct intake *intake, unsigned slot, const struct batch *batch,
                                           struct reading *reading, struct batch_id id)
{
    if (batch->origin.is_cloud_foundry)
        process_parts(intake, slot, batch, reading, true);
    else
        take_duplicate(intake, slot, batch, &reading->messages, id);
    return BATCH_DUPLICATE;
}

static enum batch_result process(struct intake *intake, unsigned slot, const struct batch *batch)
{
    struct batch_id id;
    double lost;
    bool by_message = batch->origin.is_cloud_foundry;
    struct reading reading;
    reading_begin(&reading, batch);
    if (batch->foreign && !by_message) {
        count_foreign(intake, slot, batch, &reading.messages);
        return BATCH_FOREIGN;
    }
    if (batch->refused != REFUSED_NOT && !by_message) {
        count_refused(intake, slot, batch, &reading.messages, batch->refused);
        return BATCH_REFUSED;
    }
    struct dedup *dedup = find_id(intake, batch, &reading.messages, &id);
    if (dedup == NULL)
        return process_new(intake, slot, batch, &reading, &lost);
    switch (dedup_claim(dedup, id, batch->now)) {
    case CLAIM_IN_PROGRESS:
        return BATCH_IN_PROGRESS;
    case CLAIM_TAKEN:
        return process_duplicate(intake, slot, batch, &reading, id);
    case CLAIM_NEW:
        break;
    }
    enum batch_result result = process_new(intake, slot, batch, &reading, &lost);
    dedup_taken(dedup, id, batch->now, lost);
    return result;
}

enum batch_result batch_process(struct intake *intake, unsigned slot, const struct batch *batch)
{
    /* Either this is seen by intake_stop(), or that is seen here: both look after they have told. */
    atomic_bool *busy = &intake->readers[slot].busy;
    atomic_store(busy, true);
    enum batch_result result = BATCH_IN_PROGRESS;
    if (!atomic_load(&intake->stopped))
        result = process(intake, slot, batch);
    atomic_store_explicit(busy, false, memory_order_release);
    return result;
}

bool intake_stop(struct intake *intake, uint64_t timeout)
{
    atomic_store(&intake->stopped, true);
    for (unsigned i = 0; i < intake->settings.slots; i++)
        for (; atomic_load(&intake->readers[i].busy); timeout--) {
            if (timeout == 0)
                return false;
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
    return true;
}

/* ---- from one start to the next ---- */

/* Which of the two that know batches. */
enum { BY_ID, BY_CONTENT };

static struct dedup *dedup_of(const struct intake *intake, uint64_t which)
{
    return which == BY_ID ? intake->dedup : intake->contents;
}

/* The batches of a set, in one record; an empty set has none. */
static void save_batches(struct dedup *dedup, unsigned which, uint64_t now, size_t *set, struct buffer *out)
{
    struct dedup_taken taken[DEDUP_SET];
    size_t count = dedup_save(dedup, set, now, taken);
    if (count == 0)
        return;
    size_t record = state_begin_record(out, STATE_BATCHES);
    state_put_number(out, which);
    state_put_number(out, count);
    for (size_t i = 0; i < count; i++) {
        state_put_number(out, taken[i].id.high);
        state_put_number(out, taken[i].id.low);
        state_put_number(out, taken[i].ago);
        state_put_double(out, taken[i].lost);
    }
    state_end_record(out, record);
}

static void save_cf_app(void *context, const struct slice parts[CF_APP_PARTS])
{
    struct buffer *out = context;
    size_t record = state_begin_record(out, STATE_CF_APP);
    for (int part = 0; part < CF_APP_PARTS; part++)
        state_put_text(out, parts[part]);
    state_end_record(out, record);
}

static void save_number(struct buffer *out, enum state_tag tag, uint64_t number)
{
    size_t record = state_begin_record(out, (unsigned char)tag);
    state_put_number(out, number);
    state_end_record(out, record);
}

/* Positions: sets of the two that know batches, then apps. */
bool intake_save(struct intake *intake, uint64_t now, bool with_contents, size_t *position, struct buffer *out)
{
    enum { PART = 1 << 20 };
    size_t part = *position / PART, at = *position % PART;
    if (part == 0 && at == 0) {
        save_number(out, STATE_ARRIVAL, (uint64_t)arrival_clock_last(&intake->clock));
        if (with_contents)
            save_number(out, STATE_BATCH_KEY, dedup_key(intake->contents));
    }
    bool more = true;
    if (part == BY_ID || (part == BY_CONTENT && with_contents)) {
        save_batches(dedup_of(intake, part), (unsigned)part, now, &at, out);
        more = dedup_has_set(at);
    } else
        more = part > BY_CONTENT && cf_apps_save(intake->cf_apps, &at, save_cf_app, out);
    *position = more ? part * PART + at : (part + 1) * PART;
    return more || part <= BY_CONTENT;
}

static void restore_batches(struct intake *intake, struct state_fields *fields, uint64_t ago, uint64_t now)
{
    struct dedup *dedup = dedup_of(intake, state_get_number(fields));
    uint64_t count = state_get_number(fields);
    for (uint64_t i = 0; i < count && fields->rest.length > 0; i++) {
        struct dedup_taken taken;
        taken.id.high = state_get_number(fields);
        taken.id.low = state_get_number(fields);
        taken.ago = state_get_number(fields);
        taken.lost = state_get_double(fields);
        if (!fields->failed && taken.ago <= UINT64_MAX - ago) {
            taken.ago += ago;
            dedup_restore(dedup, &taken, now);
        }
    }
}

static void restore_cf_app(struct intake *intake, struct state_fields *fields)
{
    struct slice parts[CF_APP_PARTS];
    for (int part = 0; part < CF_APP_PARTS; part++)
        parts[part] = state_get_text(fields);
    if (!fields->failed)
        cf_apps_restore(intake->cf_apps, parts);
}

/* Of no time at which the clock could not go on. */
static void restore_arrival(struct intake *intake, struct state_fields *fields, uint64_t now)
{
    uint64_t last = state_get_number(fields);
    if (!fields->failed && last <= INT64_MAX / 2)
        arrival_clock_go_on(&intake->clock, (int64_t)last, now);
}

bool intake_restore(struct intake *intake, unsigned char tag, struct state_fields *fields, uint64_t ago, uint64_t now)
{
    switch (tag) {
    case STATE_BATCHES:
        restore_batches(intake, fields, ago, now);
        return true;
    case STATE_BATCH_KEY:
        dedup_set_key(intake->contents, state_get_number(fields));
        return true;
    case STATE_CF_APP:
        restore_cf_app(intake, fields);
        return true;
    case STATE_ARRIVAL:
        restore_arrival(intake, fields, now);
        return true;
    default:
        return false;
    }
}
