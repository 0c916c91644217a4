#include "intake/batch.h"

#include <sched.h>
#include <stdlib.h>

#include "families/ingest.h"
#include "families/logplex.h"
#include "families/router.h"
#include "intake/frame.h"
#include "intake/ledger.h"
#include "intake/log_volume.h"
#include "intake/recorder.h"

/* What a worker needs to read lines with. */
struct readers {
    struct ingest *ingest;
    struct router *router;
    struct rules_reader *rules;
};

struct intake {
    struct store *store;
    struct intake_settings settings;
    struct dedup *dedup;
    struct readers *readers; /* for each slot */
};

struct intake *intake_create(struct store *store, const struct intake_settings *settings)
{
    struct intake *intake = calloc(1, sizeof *intake);
    if (intake == NULL)
        return NULL;
    intake->store = store;
    intake->settings = *settings;
    intake->dedup = dedup_create();
    intake->readers = calloc(settings->slots, sizeof intake->readers[0]);
    bool complete = intake->dedup != NULL && intake->readers != NULL;
    for (unsigned i = 0; complete && i < settings->slots; i++) {
        struct readers *readers = &intake->readers[i];
        *readers = (struct readers){ingest_create(), router_create(), rules_reader_create()};
        complete = readers->ingest != NULL && readers->router != NULL && readers->rules != NULL;
    }
    if (complete)
        return intake;
    intake_free(intake);
    return NULL;
}

void intake_free(struct intake *intake)
{
    if (intake == NULL)
        return;
    for (unsigned i = 0; intake->readers != NULL && i < intake->settings.slots; i++) {
        ingest_free(intake->readers[i].ingest);
        router_free(intake->readers[i].router);
        rules_reader_free(intake->readers[i].rules);
    }
    free(intake->readers);
    dedup_free(intake->dedup);
    free(intake);
}

/* A batch on its way. */
struct batch_run {
    const struct batch *batch;
    enum syslog_shape shape;
    struct family_context context;
    struct recorder recorder;
    struct log_volume volume;
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

static void judge(struct batch_run *run, struct slice message, const struct line *line, enum family_id family,
                  enum verdict verdict)
{
    struct batch_observer *observer = run->batch->observer;
    count_verdict(&run->tally, family, verdict);
    if (observer != NULL)
        observer->on_verdict(observer, &(struct batch_judgement){message, line, family, verdict, &run->context});
}

static enum verdict read_line(struct batch_run *run, const struct line *line, enum family_id family)
{
    recorder_line(&run->recorder, line, family);
    return families[family]->read(line, &run->context, output_of(run));
}

static void take_line(struct batch_run *run, struct slice message, const struct line *line, bool has_header)
{
    enum verdict nothing = has_header ? VERDICT_NOT_A_METRIC : verdict_malformed(MALFORMED_HEADER);
    enum family_id family = family_of(line, &run->context);
    enum verdict verdict = family == FAMILY_COUNT ? nothing : read_line(run, line, family);
    /* The users' rules see what a family owns but has no use for, too; a router line is not of use where it is left out
     * on request. */
    if (verdict == VERDICT_NOT_A_METRIC && family < FAMILY_RULES && family != FAMILY_ROUTER &&
        rules_family.owns(line, &run->context)) {
        family = FAMILY_RULES;
        verdict = read_line(run, line, family);
    }
    if (verdict == VERDICT_NOT_A_METRIC && family == FAMILY_RULES)
        verdict = nothing;
    judge(run, message, line, family, verdict);
}

static void take_message(struct batch_run *run, struct slice message)
{
    struct ledger_messages *tally = &run->tally;
    struct line line = {0};
    if (message.length == 0) {
        judge(run, message, &line, FAMILY_COUNT, VERDICT_NOT_A_METRIC);
    } else if (message.length > FAMILY_MESSAGE_MAX) {
        judge(run, message, &line, FAMILY_COUNT, verdict_malformed(MALFORMED_TOO_LONG));
    } else {
        bool has_header = syslog_parse(message, run->shape, &line);
        int64_t time, arrival = run->batch->time;
        if (tally->lag < 0 && syslog_time(line.timestamp, &time))
            tally->lag = time < arrival ? (double)(arrival - time) / 1e6 : 0;
        take_line(run, message, &line, has_header);
    }
    log_volume_add(&run->volume, &line, message.length, run->batch->app, &run->recorder.output);
}

/* Logplex leaves the structured data out; log-shuttle, Cloud Foundry and hand-made senders write it. */
static enum syslog_shape shape_of(const struct batch *batch)
{
    bool logplex = batch->drain_token.length > 0 || batch->frame_id.length > 0;
    return logplex && !slice_starts_with(batch->user_agent, SLICE("log-shuttle/")) ? SYSLOG_LOGPLEX : SYSLOG_RFC5424;
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
    log_volume_record(&run->volume, run->batch->app, &run->recorder.output);
}

/* ---- what the headers say ---- */

/* The number that a header spells; false where it spells none. */
static bool read_header(struct slice text, double *number)
{
    *number = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (!slice_is_digit(text.at[i]) || i == 15)
            return false;
        *number = *number * 10 + (text.at[i] - '0');
    }
    return text.length > 0;
}

static bool announced_other_count(const struct batch *batch, double messages)
{
    double announced;
    return batch->message_count.length > 0 && !(read_header(batch->message_count, &announced) && announced == messages);
}

/* log-shuttle tells of a loss twice: by a line in the batch and by a header.  What the header has more is new. */
static void add_announced_losses(const struct batch *batch, double *lost)
{
    double announced;
    if (read_header(batch->drop_count, &announced) && announced > lost[LOGPLEX_L12])
        lost[LOGPLEX_L12] = announced;
    if (read_header(batch->lost_count, &announced) && announced > lost[LOGPLEX_L13])
        lost[LOGPLEX_L13] = announced;
}

/* ---- the ledger ---- */

static struct ledger open_ledger(const struct intake *intake, unsigned slot, const struct batch *batch)
{
    return ledger_open(intake->store, intake->settings.entities, slot, batch->app, batch->now);
}

static void count_batch(const struct ledger *ledger, const struct batch *batch, enum batch_result result,
                        double messages)
{
    ledger_count_batch(ledger, &(struct ledger_batch){.duplicate = result == BATCH_DUPLICATE,
                                                      .messages = messages,
                                                      .received_bytes = (double)batch->received,
                                                      .decoded_bytes = (double)batch->body.length,
                                                      .time = batch->time});
}

static void count_messages(const struct ledger *ledger, struct batch_run *run)
{
    struct ledger_messages *tally = &run->tally;
    tally->mismatched = announced_other_count(run->batch, run->messages);
    tally->self_drain = run->context.self_drain;
    memcpy(tally->lost, run->context.lost, sizeof tally->lost);
    ledger_count_messages(ledger, tally);
    ledger_count_samples(ledger, &run->recorder.tally);
}

/* ---- batches ---- */

/* Does the request name its batch, so that a second sending can be known?  Logplex names drain and frame; log-shuttle,
 * which has neither, sets a request id that stays the same when it tries again. */
static bool names_itself(const struct batch *batch, struct batch_id *id)
{
    if (batch->drain_token.length > 0 && batch->frame_id.length > 0)
        *id = batch_id_of(batch->app, batch->drain_token, batch->frame_id);
    else if (batch->frame_id.length == 0 && batch->request_id.length > 0)
        *id = batch_id_of(batch->app, SLICE(""), batch->request_id);
    else
        return false;
    return true;
}

/* A batch that was taken before.  Only its losses may be new: Logplex adds to its L10 what it drops while it tries. */
static void take_duplicate(struct intake *intake, unsigned slot, const struct batch *batch, struct batch_id id,
                           double lost_before)
{
    struct family_context context = {.drain_token = batch->drain_token};
    struct slice body = batch->body;
    struct slice message;
    double messages = 0;
    while (frame_next(&body, &message) != FRAME_END) {
        struct line line;
        messages++;
        if (message.length <= FAMILY_MESSAGE_MAX && syslog_parse(message, shape_of(batch), &line) &&
            logplex_family.owns(&line, &context))
            logplex_family.read(&line, &context, NULL);
    }
    double more = context.lost[LOGPLEX_L10] - lost_before;
    store_enter(intake->store, slot);
    struct ledger ledger = open_ledger(intake, slot, batch);
    count_batch(&ledger, batch, BATCH_DUPLICATE, messages);
    if (more > 0)
        ledger_count_lost(&ledger, LOGPLEX_L10, more);
    store_leave(intake->store, slot);
    dedup_taken(intake->dedup, id, batch->now, more > 0 ? context.lost[LOGPLEX_L10] : lost_before);
}

static void start_run(struct batch_run *run, struct intake *intake, unsigned slot, const struct batch *batch,
                      struct label ledger_app)
{
    const struct intake_settings *settings = &intake->settings;
    struct recorder_settings recorder_settings = {
        .store = intake->store, .entities = settings->entities, .slot = slot, .lifetimes = settings->lifetimes};
    struct recorder_batch recorder_batch = {
        .app = batch->app,
        .labels = batch->labels,
        .label_count = batch->label_count,
        .entity = entities_app(settings->entities, batch->app, batch->labels, batch->label_count, batch->now),
        .ledger_app = ledger_app,
        .time = batch->time,
        .now = batch->now};
    run->batch = batch;
    run->shape = shape_of(batch);
    run->context = (struct family_context){.app = batch->app,
                                           .drain_token = batch->drain_token,
                                           .host = batch->host,
                                           .ingest_prefix = settings->ingest_prefix,
                                           .ingest = intake->readers[slot].ingest,
                                           .router = intake->readers[slot].router,
                                           .rules = intake->readers[slot].rules,
                                           .leave_out_self_drain = settings->leave_out_self_drain};
    run->messages = 0;
    run->tally = (struct ledger_messages){.lag = -1};
    memset(&run->volume, 0, sizeof run->volume);
    rules_reader_begin(run->context.rules, batch->rules, batch->app);
    recorder_start(&run->recorder, &recorder_settings, &recorder_batch, &run->context);
}

enum batch_result batch_process(struct intake *intake, unsigned slot, const struct batch *batch)
{
    struct batch_id id;
    bool identified = names_itself(batch, &id);
    enum claim claim = CLAIM_NEW;
    double lost_before;
    /* While another thread takes the same batch, wait: the answer to a duplicate must not come before it is taken in
     * full. */
    while (identified && (claim = dedup_claim(intake->dedup, id, batch->now, &lost_before)) == CLAIM_RUNNING)
        sched_yield();
    if (claim == CLAIM_TAKEN) {
        take_duplicate(intake, slot, batch, id, lost_before);
        return BATCH_DUPLICATE;
    }

    struct batch_run run;
    store_enter(intake->store, slot);
    struct ledger ledger = open_ledger(intake, slot, batch);
    start_run(&run, intake, slot, batch, ledger.app);
    recorder_start_app(&run.recorder);
    take_messages(&run);
    add_announced_losses(batch, run.context.lost);
    count_batch(&ledger, batch, BATCH_TAKEN, run.messages);
    count_messages(&ledger, &run);
    ledger_count_rules(run.context.rules, intake->store, slot, batch->now);
    store_leave(intake->store, slot);
    if (identified)
        dedup_taken(intake->dedup, id, batch->now, run.context.lost[LOGPLEX_L10]);
    return BATCH_TAKEN;
}
