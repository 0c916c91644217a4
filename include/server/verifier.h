/* The thread that compares passwords with hashes of crypt(3): slow on purpose, so never done on a thread that serves
 * others.  Example: sixteen connections of one sender come with a password that is not known yet; it is verified once,
 * and all sixteen are told.
 *
 * ORDER   One at a time.  Users take turns, so that nobody who guesses at one user's password delays another user.  Of
 *         one user, addresses from which no wrong password came lately are first, then those from which the last one
 *         came longest ago; of these the password that most requests wait for, then the one that has waited longest:
 *         many connections with one password are a sender, and many passwords are guesses.  Decoys, who stand for
 *         names that nobody has, have their turn if no user has: inventing names delays nobody by more than one
 *         verification.
 * BOUNDS  At most 16 passwords of a user, 4 of them from one address, and 1024 in all wait.  If a user has no place
 *         left, an address that has its turn later, or has more of the places, gives one up.  After a wrong password
 *         the next one of that user waits until half a second has passed since that one was begun, so that guessing
 *         takes only so much of the machine.  256 addresses are remembered for each user. */
#ifndef VERIFIER_H
#define VERIFIER_H

#include "server/accounts.h"

struct verifier;

/* Start the thread; NULL if that fails. */
struct verifier *verifier_start(void);

/* Stop the thread and free all.  Nobody may wait any more. */
void verifier_stop(struct verifier *verifier);

/* Somebody waits for a verification.  The caller's, and valid until done was called or it was cancelled. */
struct verifier_ticket {
    /* Called once, on the verifier's thread, or with NO_MEMORY on that of somebody who submits: its place was given to
     * another one.  account is set on ALLOWED; result is not PENDING. */
    void (*done)(struct verifier_ticket *ticket, enum accounts_result result, const struct account *account);
    struct verifier_ticket *next; /* the verifier's */
};

/* Have it verified; source is the address that it comes from, as a hash.  It becomes the verifier's, also on failure.
 * False if too many wait or memory is short.  Any thread. */
bool verifier_submit(struct verifier *verifier, struct verification *verification, uint64_t source,
                     struct verifier_ticket *ticket);

/* Wait no longer.  False if it is too late: done was called, or is about to be.  Any thread. */
bool verifier_cancel(struct verifier *verifier, struct verifier_ticket *ticket);

#endif
