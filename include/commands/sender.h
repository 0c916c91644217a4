/* Batches as senders write them: as Logplex does, or with the bad habits that real senders have; those that begin with
 * a message of Cloud Foundry as its agents do. */
#ifndef COMMAND_SENDER_H
#define COMMAND_SENDER_H

#include "base/buffer.h"

#define BAD_HABITS(X)                                                                                                  \
    X(HABIT_L10, "l10-no-newline", "a message L10 without a newline starts each batch, as from Logplex itself")        \
    X(HABIT_WRONG_COUNT, "wrong-count", "octet counts are too low by two, as of who counts characters")                \
    X(HABIT_NO_COUNT, "no-count", "no octet counts: a message is a line")                                              \
    X(HABIT_NEWLINE_OUTSIDE, "newline-outside-count", "the newline behind a message is not counted")                   \
    X(HABIT_CRLF, "crlf", "messages end with CR LF")                                                                   \
    X(HABIT_BLANKS, "leading-blanks", "blanks and newlines before each octet count")                                   \
    X(HABIT_RFC5424, "rfc5424", "as log-shuttle: structured data, chunks, X-Request-Id in place of Logplex's headers") \
    X(HABIT_EXCON, "excon", "as a space's own messages: few headers, and a connection for each batch")                 \
    X(HABIT_GZIP, "gzip", "bodies are compressed")                                                                     \
    X(HABIT_COUNT_OFF, "msg-count-off", "Logplex-Msg-Count says one message too many")                                 \
    X(HABIT_DROP_HEADERS, "drop-headers",                                                                              \
      "Logplex-Drop-Count and Logplex-Lost-Count say that one message was lost each")                                  \
    X(HABIT_DUPLICATE, "duplicate", "each batch is sent again after it was taken")                                     \
    X(HABIT_NO_WAIT, "no-wait", "each batch is sent without waiting for the response, and then again")                 \
    X(HABIT_CUT, "cut-connection", "the connection is cut in the middle of each batch, which is then sent again")

enum bad_habit {
#define X(id, name, meaning) id,
    BAD_HABITS(X)
#undef X
        BAD_HABIT_COUNT
};

extern const char *const bad_habit_names[BAD_HABIT_COUNT];
extern const char *const bad_habit_meanings[BAD_HABIT_COUNT];

struct sender {
    unsigned habits; /* a bit for each enum bad_habit */
    const char *token;
    bool now; /* messages get the present time in place of their own */
};

static inline bool sender_has(const struct sender *sender, enum bad_habit habit)
{
    return (sender->habits & 1u << habit) != 0;
}

/* A batch as it goes out; free its buffers.  It stays the same however often it is sent. */
struct sender_batch {
    struct buffer headers; /* whole lines */
    struct buffer body;
    size_t messages; /* of the log; what a habit adds is not counted */
};

/* Make a batch, which is empty but for the capacity of its buffers, of the messages framed in body as by
 * log_input_batch(). False if memory is short. */
bool sender_write(const struct sender *sender, struct slice body, struct sender_batch *batch);

#endif
