/* Who sent a request, and what that means for reading its body.
 *
 *     Logplex-Drain-Token: d.0a1b...          Logplex: no structured data; the batch is named by token and frame id
 *     Logplex-Frame-Id: 3F2A...
 *
 *     User-Agent: log-shuttle/0.18 (...)      log-shuttle, also that of Private Spaces: RFC 5424 in full; the batch is
 *     X-Request-Id: 1c2d...                   named by the request id
 *
 *     no such header, and a body that begins       Cloud Foundry: each message says whose it is; nothing names the
 * batch,
 *     "<14>1 2026-... [APP/PROC/WEB/0] - ..."      so what it holds does
 *
 * Pure: no I/O, no allocation. */
#ifndef ORIGIN_H
#define ORIGIN_H

#include "base/platform.h"
#include "families/family.h"
#include "intake/syslog.h"

/* What shows who sent it: headers, empty if the request does not have them, and the body. */
struct origin_headers {
    enum platform platform;
    struct slice body;
    bool one_message;           /* the URL says that each body is one message */
    struct slice drain_token;   /* Logplex-Drain-Token */
    struct slice frame_id;      /* Logplex-Frame-Id */
    struct slice request_id;    /* X-Request-Id */
    struct slice user_agent;    /* User-Agent */
    struct slice message_count; /* Logplex-Msg-Count */
    struct slice drop_count;    /* Logplex-Drop-Count: what log-shuttle dropped before this batch */
    struct slice lost_count;    /* Logplex-Lost-Count: what it could not deliver */
};

/* A plain value; its slices are those of the headers. */
struct origin {
    const char *sender;       /* a constant: "logplex" */
    enum syslog_shape shape;  /* of its messages */
    bool is_cloud_foundry;    /* each message says whose it is; the body is split by cf_frame.h */
    bool is_one_message;      /* and, if it has no count, is one message, whatever it holds */
    struct slice drain_token; /* which drain of the app it is; empty: unknown */
    /* A batch that is sent again has the same id, of the same drain.  Empty id: nothing but what it holds names it. */
    bool is_named_by_content; /* the id is empty, and a repeated body is the same batch: see dedup.h */
    struct slice drain;
    struct slice id;
    bool announces_messages;
    double messages;            /* that the batch holds, as its headers say; NAN: they say it, but not as a number */
    double lost[LOGPLEX_CODES]; /* messages that the sender lost, as its headers say */
};

struct origin origin_of(const struct origin_headers *headers);

#endif
