/* The kinds of lines that we know.  A family is one row of a table and one file: how to recognise its lines cheaply and
 * how to make samples of one.  A line belongs to the first family that owns it.  If that has no use for the line,
 * users' rules, which come last, may see it too.  Who wrote a line (appname, procid) is looked at before what it says:
 * an app can print any text, but it cannot choose these two. */
#ifndef FAMILY_H
#define FAMILY_H

#include "base/canary_token.h"
#include "base/line.h"
#include "base/sample.h"
#include "base/scan.h"

/* In the order in which they are asked: those of lines whose procid ends in a digit (web.1), of those whose procid is
 * in brackets ([APP/PROC/WEB/0]), of other lines, of all. */
#define FAMILIES_OF_NUMBERED(X) \
    X(FAMILY_DYNO, dyno)        \
    X(FAMILY_POSTGRES_LOG, postgres_log)
#define FAMILIES_OF_BRACKETED(X)         \
    X(FAMILY_CF_ROUTER, cf_router)       \
    X(FAMILY_CF_CONTAINER, cf_container) \
    X(FAMILY_CF_APP, cf_app)             \
    X(FAMILY_CF_INSTANCE, cf_instance)   \
    X(FAMILY_CF_LOG_LOSS, cf_log_loss)
#define FAMILIES_OF_NAMED(X)       \
    X(FAMILY_ROUTER, router)       \
    X(FAMILY_POSTGRES, postgres)   \
    X(FAMILY_LOGPLEX, logplex)     \
    X(FAMILY_REDIS, redis)         \
    X(FAMILY_PGBOUNCER, pgbouncer) \
    X(FAMILY_ADDON, addon)         \
    X(FAMILY_API, api)             \
    X(FAMILY_CANARY, canary)
#define FAMILIES_OF_ANY(X)               \
    X(FAMILY_L2MET, l2met)               \
    X(FAMILY_INGEST, ingest)             \
    X(FAMILY_METRICS_JSON, metrics_json) \
    X(FAMILY_RULES, rules)
#define FAMILIES(X) FAMILIES_OF_NUMBERED(X) FAMILIES_OF_BRACKETED(X) FAMILIES_OF_NAMED(X) FAMILIES_OF_ANY(X)

enum family_id {
#define X(id, name) id,
    FAMILIES(X)
#undef X
        FAMILY_COUNT
};

/* The log systems' own codes for losses: Logplex's output buffer, log-shuttle's buffer, log-shuttle's deliveries; Cloud
 * Foundry's agents. */
enum logplex_code { LOGPLEX_L10, LOGPLEX_L12, LOGPLEX_L13, LOGPLEX_LGR, LOGPLEX_CODES };

/* The longest message that a family reads, in bytes.  Heroku cuts at 10,000. */
enum { FAMILY_MESSAGE_MAX = 64 * 1024 };

/* What a family needs beside the line.  One for each batch. */
struct family_context {
    void *const *states;         /* for each family_id, what this thread has for it: see families_open() */
    struct slice app;            /* the app of the drain, empty if it is unknown */
    struct slice drain_token;    /* of the request, empty if it has none */
    struct slice host;           /* of the request: the host that the drain posts to; empty if it is unknown */
    struct slice ingest_prefix;  /* what a line of the ingest family starts with, its final space included */
    const struct rules *rules;   /* of the batch, see rules.h; NULL: there are none */
    const struct cf_message *cf; /* of the line that is read, see cf_message.h; NULL: it is not of Cloud Foundry */
    bool cf_instance_labels;     /* series of an instance have the labels index and instance_id, as Promfetcher's */
    struct scan_ahead *hashes;   /* the next "#" in the batch, for l2met; NULL: it looks in each line alone */
    bool leave_out_self_drain;   /* router lines about the requests that bring this drain's batches count nowhere */
    bool router_by_process;      /* the router's series have the label process as well */
    bool addon_app;              /* add-ons' series have the label app as well */
    struct canary_token *canary; /* of our own canary; NULL: none is sent */

    /* What the lines of the batch say beside samples; 0 at first. */
    double self_drain;          /* router lines about such requests */
    double lost[LOGPLEX_CODES]; /* messages that the log system lost */
};

/* Is it one of Heroku's error codes with this letter: "H12", "R14", maybe with a third digit? */
static inline bool family_is_code(struct slice text, char letter)
{
    if (text.length < 3 || text.length > 4 || text.at[0] != letter)
        return false;
    for (size_t i = 1; i < text.length; i++)
        if (!slice_is_digit(text.at[i]))
            return false;
    return true;
}

/* What became of a message. */
enum verdict {
    VERDICT_RECOGNISED,
    VERDICT_NOT_A_METRIC,
    VERDICT_MALFORMED, /* the first of the reasons below */
};

/* Why a message cannot be used: label value, meaning. */
#define MALFORMATIONS(X)                                                        \
    X(MALFORMED_HEADER, "header", "no syslog header")                           \
    X(MALFORMED_TOO_LONG, "too_long", "longer than 64 KiB")                     \
    X(MALFORMED_BASE64, "base64", "an ingest line whose payload is not base64") \
    X(MALFORMED_JSON, "json", "an ingest line whose payload is not JSON")       \
    X(MALFORMED_PAIRS, "pairs", "a router line without router fields")

enum malformation {
#define X(id, label, meaning) id,
    MALFORMATIONS(X)
#undef X
        MALFORMATION_COUNT
};

static inline enum verdict verdict_malformed(enum malformation reason)
{
    return (enum verdict)(VERDICT_MALFORMED + (int)reason);
}

/* The setting that says how long a series that a family reports lives without an update. */
enum family_lifetime {
    LIFETIME_DEFAULT, /* EXPIRE_AFTER */
    LIFETIME_POSTGRES,
    LIFETIME_REDIS,
    LIFETIME_RUNTIME,
    LIFETIME_ENTITY, /* none: as long as its entity */
};

enum { FAMILY_PREFIXES_MAX = 3 };

/* The row of a family.  Its file defines it, as <name>_family. */
struct family {
    /* What the names of its metrics start with, up to a "_"; NULL behind the last.  None if others choose them. */
    const char *prefixes[FAMILY_PREFIXES_MAX];
    enum family_lifetime lifetime;
    bool owns_all;         /* does it own all lines that get to it, whatever they are, and is to find out by reading? */
    bool rules_after;      /* do the users' rules see a line that it owns but has no use for? */
    bool cloud_foundry;    /* does it start the apps and processes of Cloud Foundry?  If not, those of Heroku. */
    bool reads_duplicates; /* is a line also read in a batch that was taken before?  Then without any output. */
    /* What a thread needs to read its lines with: created once (NULL if memory is short), found in the context, and
     * freed at last.  Both NULL: nothing. */
    void *(*create_state)(void);
    void (*free_state)(void *state);
    /* Begin a batch, before its lines; what the context has for the family may be changed.  NULL: nothing to do. */
    void (*begin_batch)(struct family_context *context);
    /* May lines by this appname and procid be its?  Asked once for all lines that these two wrote in a batch, so the
     * rest of the line counts for nothing here.  NULL: any may. */
    bool (*hears)(const struct line *line);
    /* Is a line its, by one that it hears?  NULL: all are. */
    bool (*owns)(const struct line *line, const struct family_context *context);
    /* Hand the line's samples to output; only for lines that it owns. */
    enum verdict (*read)(const struct line *line, struct family_context *context, struct sample_output *output);
    /* Record the counters that are known before they rise, as 0: those of an app, from its first batch on, and those of
     * one of its processes, once that is known.  NULL: there are none. */
    void (*start_app)(struct family_context *context, struct sample_output *output);
    void (*start_process)(struct slice process, struct family_context *context, struct sample_output *output);
};

/* Indexed by family_id. */
extern const struct family *const families[FAMILY_COUNT];

/* The families that hear the author of a line in this batch: a bit for each.  No line of a Cloud Foundry batch is one
 * of Heroku's platform, whatever author it names. */
unsigned families_hearing(const struct line *line, const struct family_context *context);

/* Of these families the one that owns a line, or FAMILY_COUNT. */
enum family_id family_among(unsigned hearing, const struct line *line, const struct family_context *context);

/* The family that owns a line, or FAMILY_COUNT. */
enum family_id family_of(const struct line *line, const struct family_context *context);

/* The family that sees a line that the family before it owns but has no use for, or FAMILY_COUNT. */
enum family_id family_after(enum family_id before, const struct line *line, const struct family_context *context);

/* Create the states of all families, for one thread; false if memory is short, and then there are none.  NULL for
 * those that have none. */
bool families_open(void *states[FAMILY_COUNT]);
void families_close(void *states[FAMILY_COUNT]);

/* Begin a batch with a context whose states are there. */
void families_begin_batch(struct family_context *context);

#endif
