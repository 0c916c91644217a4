/* Whose a series is: an app's, or one of its processes'; and whether the owner still lives.  A series is over with its
 * owner, however young it is itself.  Any number of threads; no lock.
 *
 * TABLES  Two of fixed size, for apps and for processes; an owner's place is found by the hash of its name.  An owner
 *         that is over and that nobody has named for a while gives its place to another one.  Then the place's
 *         generation changes, in the same word as the name's hash, so that an id of the former owner says "over".  Who
 *         meets a place while it changes hands waits for it, which is the one wait there is.
 * TIMES   A process's reports are over by the time of their lines, since batches overtake each other: what a late batch
 *         brings of an ended instance is over as well, and what a new instance has said before the end of the old one
 *         is heard is not.  Times of lines are microseconds since 1970; now is milliseconds of the monotonic clock.
 * GRACE   What is over stays to be seen for a grace, so that each scraper gets the last values.
 * ORDER   leaves is written before the time that it belongs to, and read after it: who sees that an instance has ended
 *         sees its grace as well.  All else is relaxed: a page may be a moment behind. */
#ifndef OWNER_H
#define OWNER_H

#include <stdint.h>

#include "base/identity.h"
#include "base/process.h"

struct owners;

/* A place and its generation.  A plain value; it may be kept for as long as one wishes. */
typedef uint32_t owner_id;

/* No owner: what has none is never over for its sake. */
#define OWNER_NONE 0

struct owners_settings {
    uint64_t app_silence; /* milliseconds without a batch after which an app is over */
    uint64_t grace;       /* milliseconds for which what has ended stays to be seen */
};

struct owners *owners_create(const struct owners_settings *settings); /* NULL where memory is short */
void owners_free(struct owners *owners);

/* The app of this name whose series have these labels; it is heard of now.  NONE where there are too many apps. */
owner_id owners_app(struct owners *owners, struct slice app, const struct label *labels, size_t label_count,
                    uint64_t now);

/* Its process of this name ("web.1", or a type: "web"); it is heard of now.  The app itself where there are too many.
 */
owner_id owners_process(struct owners *owners, owner_id app, struct slice process, uint64_t now);

/* The app of a process; of an app, itself. */
owner_id owners_app_of(const struct owners *owners, owner_id id);

/* What a line of this time says about a process; see enum process_news. */
void owners_started(struct owners *owners, owner_id process, int64_t time);
void owners_exited(struct owners *owners, owner_id process, int64_t time, uint64_t now);
void owners_ended(struct owners *owners, owner_id process, int64_t time, uint64_t now);

/* What was reported up to this time is over at once, without grace. */
void owners_replaced(struct owners *owners, owner_id owner, int64_t time, uint64_t now);

/* Has the process ended, so long before time that a line of it means that we missed its start?  Then tell
 * owners_started(). */
bool owners_has_ended(const struct owners *owners, owner_id process, int64_t time);

/* The process runs as this instance.  NEXT: the one before is over now, and the new one has started. */
enum process_instance owners_instance(struct owners *owners, owner_id process, struct slice instance, int64_t time,
                                      uint64_t now);

/* An app runs count processes of a type: those of a higher number have ended. */
void owners_scale(struct owners *owners, owner_id app, struct slice type, unsigned count, int64_t time, uint64_t now);

/* The fixed labels that series may have from now on: count lists of them, as hashes, beside none at all.  The apps'
 * series that have others have ended; those whose labels are allowed again may come back. */
uint64_t owners_hash_labels(const struct owners *owners, const struct label *labels, size_t label_count);
void owners_allow_labels(struct owners *owners, const uint64_t *hashes, size_t count, uint64_t now);

/* Is it time to record all counters of this owner that do not rise, so that they are known: the ledger's, or those that
 * families know?  True once a minute for each. */
enum owner_zeros { OWNER_LEDGER_ZEROS, OWNER_FAMILY_ZEROS, OWNER_ZEROS };
bool owners_wants_zeros(struct owners *owners, owner_id id, enum owner_zeros zeros, uint64_t now);

/* Is a series over for its owner's sake?  time is that of the line that it was last reported by, or OWNER_COUNTED for a
 * series that we count ourselves, which goes on through restarts. */
#define OWNER_COUNTED INT64_MAX
bool owners_is_over(const struct owners *owners, owner_id id, int64_t time, uint64_t now);

/* What an app has in the store: the lines of its series, and the names among them that are limited.  Add amount (may be
 * negative) to either and get the sum.  0 where the app is over or NONE. */
enum owner_account { OWNER_LINES, OWNER_NAMES, OWNER_ACCOUNTS };
long owners_add(struct owners *owners, owner_id app, enum owner_account account, long amount);

#endif
