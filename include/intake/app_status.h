/* How each app fares: what its ledger says now, and the last hour by the minute, for people who look at a page.
 *
 *     my-app   last batch 3 s ago, 41 messages a second, lag 0.2 s, 1204 of 50000 series, 3 processes
 *              12:01  2460 messages, 1 error     12:02  2502 messages, 0 errors     ...
 *
 * All of it is read out of the store, in which it is counted anyway: nothing is counted twice, and lines pay nothing.
 *
 * UPDATE  The maintenance thread walks the series of the ledger every APP_STATUS_INTERVAL and notes what has changed.
 * READ    Any thread, at any time: a copy of what the last update found, one app at a time, under a lock that no thread
 *         takes on the way of a line.
 * BOUNDS  APP_STATUS_APPS_MAX apps, 1.5 KB each; those beyond have no status until one of these is gone.  An app
 * is gone with its ledger. */
#ifndef APP_STATUS_H
#define APP_STATUS_H

#include "intake/ledger.h"
#include "store/directory.h"

enum {
    APP_STATUS_APPS_MAX = 4096,
    APP_STATUS_MINUTES = 60,
    APP_STATUS_INTERVAL = 5000, /* milliseconds */
    APP_STATUS_RULE_NAME = 128, /* bytes of a rule's name that are kept */
};

struct app_status_settings {
    struct store *store;
    struct entities *entities;
    struct directory *directory;
    uint64_t max_app_series; /* as in struct store_settings */
};

struct app_statuses;

/* What the settings name must outlive it.  NULL if memory is short. */
struct app_statuses *app_statuses_create(const struct app_status_settings *settings);
void app_statuses_free(struct app_statuses *statuses); /* NULL is harmless */

/* Read what is in the store now (milliseconds of the monotonic clock).  The first call finds what was counted before,
 * which is no part of the last hour.  If memory is short, what is new is not noted.  The maintenance thread alone,
 * inside the store. */
void app_statuses_update(struct app_statuses *statuses, unsigned slot, uint64_t now);

/* What a minute brought. */
struct app_status_minute {
    uint32_t messages;
    uint32_t failures; /* errors that the platform logged of the app: H and R codes, those of Cloud Foundry's router */
    uint32_t unusable; /* messages that are malformed, or whose sender may not speak for the app; samples that were
                          rejected or over a bound */
    uint32_t lost;     /* messages lost upstream */
    unsigned lost_by;  /* by whom: a bit for each logplex_code */
    double lag;        /* mean of its batches, in seconds; steps of 10 ms, from 5 minutes on of 10 s; -1: no batch */
};

/* An app.  All counters are since the start of the program (or of the app, if that has left and come back). */
struct app_status {
    char name[DIRECTORY_NAME_MAX + 1];
    bool is_others;     /* "__other__": what stands for all apps that are turned away */
    int64_t last_batch; /* microseconds since 1970; 0: never, though it is configured */
    double rate;        /* messages a second, over the last 15 to 30 s */
    double lag;         /* seconds, likewise, or else of the last minute that has one; -1: unknown */

    double messages; /* = recognised + ignored + malformed + duplicate + foreign + refused */
    double recognised[FAMILY_COUNT];
    double ignored;
    double malformed[MALFORMATION_COUNT];
    double duplicate;
    double foreign;
    double refused[REFUSED_REASONS]; /* refused[REFUSED_NAME - 1]; of __other__ alone */
    double lost[LOGPLEX_CODES];
    double failures; /* as in struct app_status_minute; what has left with a process may be missing */

    double samples;
    double outdated;
    double rejected[REJECTED_REASONS];
    double series_refused; /* samples that would have gone over a bound */

    size_t series;            /* that it has, in lines of the page */
    size_t series_limit;      /* 0: none */
    size_t processes;         /* that are alive, as far as they are known: directory_next_process() has their names */
    bool is_known;            /* to the directory: it has sent lines lately; if not, the three above are 0 */
    struct directory_app app; /* of an app that is known */

    struct app_status_minute hour; /* the sums of the last hour; lag: the largest */
    /* The last hour, oldest first; the last one is the minute that runs, of which `elapsed` milliseconds are over. */
    struct app_status_minute minutes[APP_STATUS_MINUTES];
    unsigned elapsed;
};

/* One after the other, in an order that stays: start with *position 0.  False at the end.  What comes or goes meanwhile
 * may be missed.  viewer: who asks, see directory.h; of the apps that the directory does not know, all but the name is
 * empty then.  NULL sees all.  Any thread, outside or inside the store. */
bool app_statuses_next(struct app_statuses *statuses, size_t *position, uint64_t now,
                       const struct directory_viewer *viewer, struct app_status *status);

/* The status of one app, likewise; false if it has none. */
bool app_statuses_find(struct app_statuses *statuses, struct slice name, uint64_t now,
                       const struct directory_viewer *viewer, struct app_status *status);

/* All apps, those without a status included. */
size_t app_statuses_count(struct app_statuses *statuses);

/* When the last update was, in milliseconds of the monotonic clock; 0: never. */
uint64_t app_statuses_updated(struct app_statuses *statuses);

struct rule_status {
    char name[APP_STATUS_RULE_NAME];
    double lines;  /* that it took */
    double errors; /* lines that it was given up for */
    double unread; /* values that it could not use */
    bool is_off;   /* because of its errors */
};

/* Put the rules, at most capacity, into rules; returns how many there are.  Those of a configuration that is no longer
 * in force are among them for ten minutes.  Any thread. */
size_t app_statuses_rules(struct app_statuses *statuses, struct rule_status *rules, size_t capacity);

#endif
