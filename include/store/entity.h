/* Whose a series is: an app's, or one of its processes'; and whether the entity still lives.  A series is over with its
 * entity, however young it is itself.  Any number of threads.
 *
 * TABLES  Two, for apps and for processes, with memory for what is used: an entity is found by the hash of its name,
 *         without a lock, and gets a slot under one.  If an entity is over and nobody has named it for a while, its
 *         slot may go to another one.  Then the slot's generation changes, in the same word as the name's hash, so
 *         that an id of the former entity says "over".
 * MEMORY  A slot keeps the name of its entity until another one comes, and slots that were never used are given
 *         first.  So memory grows with names that come and go, until each slot was used once: 16,384 for processes,
 *         or 16 for each of max_apps if that is more, with 128 bytes and a name of about 50 each.
 * SHARES  Apps of the configuration have slots that nobody else gets.  Of all others there are max_apps; once half of
 *         them are known, max_new_apps begin in a minute.  No app has more than a quarter of the slots for processes,
 *         nor more than 64 while only a quarter is left: one app cannot take those of the others.
 * TIMES   A process's reports are over by the time of their lines, since batches overtake each other: what a late batch
 *         brings of an ended instance is over as well, and what a new instance has said before the end of the old one
 *         is heard is not.  Times of lines are microseconds since 1970; now is milliseconds of the monotonic clock.
 * GRACE   What is over stays to be seen for a grace, so that each scraper gets the last values.
 * ORDER   leaves is written before the time that it belongs to, and read after it: who sees that an instance has ended
 *         sees its grace as well.  All else is relaxed: a page may be a moment behind. */
#ifndef ENTITY_H
#define ENTITY_H

#include <limits.h>
#include <stdint.h>

#include "base/identity.h"
#include "base/process.h"

struct entities;

/* A slot and its generation.  A plain value; it may be kept for as long as one wishes. */
typedef uint32_t entity_id;

/* No entity: what has none is never over for its sake. */
#define ENTITY_NONE 0

/* The bit of an id that means the position in the formation, see entities_position(). */
#define ENTITY_POSITION (UINT32_C(1) << 31)

/* The number of the slot of an app: 0 is NONE's; an app that comes after another one in its slot has the same. */
static inline uint32_t entity_slot(entity_id app)
{
    return app >> 8;
}

struct entities_settings {
    uint64_t app_silence; /* milliseconds without a batch after which an app is over */
    uint64_t grace;       /* milliseconds for which what has ended stays to be seen */
    size_t max_apps;      /* that are not configured, up to ENTITIES_APPS_MAX; 0: 1024 */
    size_t max_new_apps;  /* of these, in a minute, once half of max_apps are known; 0: any number */
};

enum {
    ENTITIES_APPS_MAX = 100000,
    ENTITIES_CONFIGURED_MAX = 2000, /* apps of the configuration, those with and without labels */
};

struct entities *entities_create(const struct entities_settings *settings); /* NULL if memory is short */
void entities_free(struct entities *entities);

/* The app of this name whose series have these labels; it is heard of now.  NONE if there are too many apps: see
 * entities_refusal(). */
entity_id entities_app(struct entities *entities, struct slice app, const struct label *labels, size_t label_count,
                       uint64_t now);

/* Why the last app that was refused had to be: for a word about it, another thread may be refused meanwhile. */
enum entities_refusal {
    ENTITIES_APPS,     /* max_apps are known */
    ENTITIES_NEW_APPS, /* max_new_apps have begun in this minute */
};
enum entities_refusal entities_refusal(const struct entities *entities);

/* The apps that are configured from now on, and no others: each keeps its slots, with and without labels, whether it
 * was ever heard of or not, and does not count towards max_apps.  False if there is no slot for one of them (as after
 * several configurations that have nothing in common, within APP_EXPIRE_AFTER): it is an app as any other. */
struct entity_app {
    struct slice name;
    const struct label *labels;
    size_t label_count;
};
bool entities_configure(struct entities *entities, const struct entity_app *apps, size_t count, uint64_t now);
bool entities_is_configured(const struct entities *entities, entity_id app);

/* All apps, one after the other: the one after this, the first one after NONE, NONE at the end. */
entity_id entities_next_app(struct entities *entities, entity_id app);

/* Its process of this name ("web.1", or a type: "web"); it is heard of now.  The app itself if there are too many.
 */
entity_id entities_process(struct entities *entities, entity_id app, struct slice process, uint64_t now);

/* The app of a process; of an app, itself. */
entity_id entities_app_of(const struct entities *entities, entity_id id);

/* A page that is to be scraped begins. */
void entities_note_page(struct entities *entities);

/* Has one begun since the entity was first heard of or, if it was silent for so long that it was over, heard of again?
 * True as well for one that has left, and for NONE as soon as there was a page. */
bool entities_was_on_page(const struct entities *entities, entity_id id);

/* The same process, as an id for what its position in the formation has: that stays when the process ends, until the
 * app is scaled down below it.  Of an app, itself. */
entity_id entities_position(const struct entities *entities, entity_id process);

/* What a line of this time says about a process; see enum process_event. */
void entities_started(struct entities *entities, entity_id process, int64_t time);
void entities_exited(struct entities *entities, entity_id process, int64_t time, uint64_t now);
void entities_ended(struct entities *entities, entity_id process, int64_t time, uint64_t now);

/* What was reported up to this time is over at once, without grace. */
void entities_replaced(struct entities *entities, entity_id entity, int64_t time, uint64_t now);

/* Has the process ended, so long before time that a line of it means that we missed its start?  Then tell
 * entities_started(). */
bool entities_has_ended(const struct entities *entities, entity_id process, int64_t time);

/* A line of this time says that a new instance starts where another one ran before.  Is that news?  It is not if
 * entities_instance() has returned NEXT for it. */
bool entities_restarted(struct entities *entities, entity_id process, int64_t time);

/* The process runs as this instance.  NEXT: the one before is over now, and the new one has started, as no line has
 * said yet.  FORMER: one that was replaced less than a minute ago, or the new one has spoken since, unless that has
 * left with the app's name. */
enum process_instance entities_instance(struct entities *entities, entity_id process, struct slice instance,
                                        int64_t time, uint64_t now);

/* Does the process run as this instance?  True as well if nobody has said as which it does, or if the one that was said
 * has ended since.  Changes nothing. */
bool entities_runs_as(const struct entities *entities, entity_id process, struct slice instance);

/* An app runs count processes of a type: those of a higher number have ended. */
void entities_scale(struct entities *entities, entity_id app, struct slice type, unsigned count, int64_t time,
                    uint64_t now);

/* Other processes of a type run under the app's name from now on: all that there were have ended. */
void entities_replace_type(struct entities *entities, entity_id app, struct slice type, int64_t time, uint64_t now);

/* The fixed labels that series may have from now on: count lists of them, as hashes, beside none at all.  The apps'
 * series that have others have ended; those whose labels are allowed again may come back. */
uint64_t entities_hash_labels(const struct entities *entities, const struct label *labels, size_t label_count);
void entities_allow_labels(struct entities *entities, const uint64_t *hashes, size_t count, uint64_t now);

/* The app has another name from this time on: it is over, with all its processes.  If it speaks later, as another app
 * of its name would, it is not. */
void entities_desert(struct entities *entities, entity_id app, int64_t time, uint64_t now);
bool entities_is_deserted(const struct entities *entities, entity_id app);
void entities_return(struct entities *entities, entity_id app, int64_t time);

/* Is it time to record all counters of this entity that do not rise, so that they are known: the ledger's, or those
 * that families know?  True once a minute for each. */
enum entity_zeros { ENTITY_LEDGER_ZEROS, ENTITY_FAMILY_ZEROS, ENTITY_ZEROS };
bool entities_wants_zeros(struct entities *entities, entity_id id, enum entity_zeros zeros, uint64_t now);

/* Is a series over for its entity's sake?  time is that of the line that it was last reported by, or ENTITY_COUNTED for
 * a series that we count ourselves, which goes on through restarts. */
#define ENTITY_COUNTED INT64_MAX
bool entities_is_over(const struct entities *entities, entity_id id, int64_t time, uint64_t now);

/* Is this the process itself, or its position in the formation?  process: as entities_process() returns it. */
bool entity_is_of(entity_id id, entity_id process);

/* The same for a series that stays to be seen for more milliseconds than others after an end; after silence it does
 * not. */
bool entities_is_over_after(const struct entities *entities, entity_id id, int64_t time, uint64_t now, uint64_t more);

/* For many series of an entity: the latest time of which that is true, counted or not.  INT64_MIN: of none. */
int64_t entities_over_until(const struct entities *entities, entity_id id, bool counted, uint64_t now, uint64_t more);

/* Are lines of these two times of two instances of an entity, the earlier of which is over, grace or not? */
bool entities_are_apart(const struct entities *entities, entity_id id, int64_t earlier, int64_t later);

/* What an app has in the store: the lines of the series whose names it chose, those of its series that are ours, those
 * of ours that were made before there was anything to say, and the names among the first that are limited.  Add amount
 * (may be negative) to one of these and get the sum. */
enum entity_account {
    ENTITY_CHOSEN_LINES,
    ENTITY_OUR_LINES,
    ENTITY_RESERVED_ACCOUNTS,
    ENTITY_ZERO_LINES = ENTITY_RESERVED_ACCOUNTS,
    ENTITY_NAMES,
    ENTITY_ACCOUNTS,
};
#define ENTITY_NO_ACCOUNT (LONG_MIN / 2) /* the app is over or NONE */
long entities_add(struct entities *entities, entity_id app, enum entity_account account, long amount);

/* A word for each of the first two accounts, in which limits.c notes how much of it a reserve holds: the word, and to
 * replace it, which returns the former one.  Of an app that is over, 0, and the new one. */
uint32_t entities_reserved(const struct entities *entities, entity_id app, enum entity_account account);
uint32_t entities_exchange_reserved(struct entities *entities, entity_id app, enum entity_account account,
                                    uint32_t reserved);

/* ---- from one start of the program to the next ---- */

/* All that is known of an entity, but for its accounts, which its series make. */
struct entity_state {
    entity_id id;
    entity_id app; /* of a process; of an app, NONE */
    struct entity_app called;
    struct label labels[FIXED_LABELS_MAX]; /* those of called, once it was saved */
    bool was_on_page;
    bool has_end;
    uint64_t heard_ago;                     /* milliseconds */
    int64_t leaves_in;                      /* likewise, if it has an end; below 0: it has left */
    int64_t started, ended, reported_until; /* the rest as in entity.c, the last seven of processes */
    uint32_t highest;
    int64_t removed, instance_time;
    uint64_t restart, instance, former;
};

/* Hand the entity at *position (0 at first) or the next one behind it to save, with its table locked: an app before its
 * processes.  False if there is none.  Not those that are silent, nor those whose names are too long to be kept. */
bool entities_save(struct entities *entities, size_t *position, uint64_t now,
                   void (*save)(void *context, const struct entity_state *state), void *context);

/* Make such an entity, or let the one that there is be so.  state->app is what this returned for it.  NONE if there is
 * no slot.  Before other threads record, and after store_note_page() if there was one before. */
entity_id entities_restore(struct entities *entities, const struct entity_state *state, uint64_t now);

#endif
