/* The token of the canary line that is on its way: the meeting of the thread that sends the line to our own drain with
 * the thread that reads it there.  Without a lock.
 *
 *     canary=3f0c...e1     32 hexadecimal digits
 *
 * Each token is random, is out but once, and counts for nothing before and after: who has seen a line that came back
 * cannot send it again in its place.  What is compared takes as long whether it is the same or not. */
#ifndef CANARY_TOKEN_H
#define CANARY_TOKEN_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/slice.h"

/* By whom the line is. */
#define CANARY_APPNAME "drain_exporter"
#define CANARY_PROCID "canary"

enum { CANARY_WORDS = 2, CANARY_LINE_MAX = 48 /* bytes of such a message, with its NUL */ };

/* Zeroed: no line is on its way. */
struct canary_token {
    _Atomic uint64_t words[CANARY_WORDS];
    atomic_bool is_out;
    _Atomic uint64_t arrived; /* microseconds of the monotonic clock; 0: not yet */
    _Atomic uint64_t others;  /* lines that came with a token that was not out */
};

/* Send a new token out, and write the message that carries it.  False if the system has no random bytes. */
bool canary_token_send(struct canary_token *token, char message[CANARY_LINE_MAX]);

/* The line is awaited no longer; when it arrived, or 0. */
uint64_t canary_token_end(struct canary_token *token);

/* Is it the message of a canary, whoever's?  If so its arrival is noted in token, unless that is NULL.  Any thread. */
bool canary_token_arrive(struct canary_token *token, struct slice message);

#endif
