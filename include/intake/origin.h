/* Who sent a request, and what that means for reading its body.
 *
 *     Logplex-Drain-Token: d.0a1b...          Logplex: no structured data; the batch is named by token and frame id
 *     Logplex-Frame-Id: 3F2A...
 *
 *     User-Agent: log-shuttle/0.18 (...)      log-shuttle, also that of Private Spaces: RFC 5424 in full; the batch is
 *     X-Request-Id: 1c2d...                   named by the request id
 *
 *     User-Agent: fasthttp                    Cloud Foundry: structured data, no counts or all of them; the batch is
 *     Content-Type: text/plain                named by nothing but its body, and each message has its own app
 *     <14>1 2026-02-03T04:05:06Z acme.prod.shop 3517892b-... [RTR/1] - ...
 *
 * Cloud Foundry is known by its first message: none of Logplex's headers, PROCID in brackets, and HOSTNAME of three
 * parts, or the User-Agent of its agent.  An entry of "drains" may say which platform it is instead.
 *
 * Pure: no I/O, no allocation. */
#ifndef ORIGIN_H
#define ORIGIN_H

#include "base/platform.h"
#include "families/family.h"
#include "intake/syslog.h"

/* What shows who sent it; empty if the request does not have it. */
struct origin_headers {
    struct slice drain_token;   /* Logplex-Drain-Token */
    struct slice frame_id;      /* Logplex-Frame-Id */
    struct slice request_id;    /* X-Request-Id */
    struct slice user_agent;    /* User-Agent */
    struct slice content_type;  /* Content-Type */
    struct slice message_count; /* Logplex-Msg-Count */
    struct slice drop_count;    /* Logplex-Drop-Count: what log-shuttle dropped before this batch */
    struct slice lost_count;    /* Logplex-Lost-Count: what it could not deliver */
    struct slice body;          /* not a header: decompressed, or its beginning */
    enum platform platform;     /* nor this: what the configuration says */
};

/* A plain value; its slices are those of the headers. */
struct origin {
    const char *sender;       /* a constant: "logplex" */
    enum syslog_shape shape;  /* of its messages */
    bool cloud_foundry;       /* its messages are: each has its own app, and frame_next_cf() finds them */
    bool repeats_body;        /* a batch that is sent again has the same body, byte for byte */
    struct slice drain_token; /* which drain of the app it is; empty: unknown */
    /* A batch that is sent again has the same id, of the same drain.  Empty id: it has none. */
    struct slice drain;
    struct slice id;
    bool announces_messages;
    double messages;            /* that the batch holds, as its headers say; NAN: they say it, but not as a number */
    double lost[LOGPLEX_CODES]; /* messages that the sender lost, as its headers say */
};

struct origin origin_of(const struct origin_headers *headers);

#endif
