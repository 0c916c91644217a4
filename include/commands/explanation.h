/* What one line yields, in words: its samples as they go to the recorder, and what becomes of each.
 *
 *         heroku_router_requests_total{app="shop",method="GET",status="200"} +1
 *         heroku_postgres_tables{addon="postgresql-curly-12345"} 13
 *         heroku_router_errors{app="shop"} 5  # rejected, reserved_name: the name belongs to this program
 *         # web.1 started */
#ifndef COMMAND_EXPLANATION_H
#define COMMAND_EXPLANATION_H

#include "base/buffer.h"
#include "intake/recorder.h"

enum { EXPLANATION_FOUND = 64 };

/* A counted series that the line has found, by which it is known when it is added to. */
struct explained_series {
    struct series *series;
    const struct metric *metric;
    struct identity identity;
};

struct explanation {
    struct sample_output output; /* first: what a family is given */
    struct recorder *recorder;   /* to whose output all is handed on */
    struct buffer text;          /* of the present line */
    struct recorder_tally tally; /* of all lines, as the recorders count */
    size_t found_count;
    struct explained_series found[EXPLANATION_FOUND];
};

/* All zero before the first line; buffer_free() the text after the last one. */
void explanation_start_line(struct explanation *explanation, struct recorder *recorder);

#endif
