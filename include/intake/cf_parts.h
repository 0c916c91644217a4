/* The messages of a piece of a Cloud Foundry batch, by the app that each is of: what is done once for a batch of one
 * app is done once for each app in a piece.
 *
 *     acme/prod/shop   message 1, 2, 4
 *     acme/prod/cart   message 3
 *
 * A batch of one app, the common one, is one part of one piece as long as it has no more than CF_PARTS_MESSAGES
 * messages.  A plain value, for one thread; no I/O, no allocation. */
#ifndef CF_PARTS_H
#define CF_PARTS_H

#include "families/family.h"
#include "intake/cf_apps.h"
#include "intake/frame.h"

enum { CF_PARTS_MESSAGES = 512, CF_PARTS_APPS = 64 };

struct cf_part_message {
    struct slice text;
    size_t bytes; /* of the body, up to the next message */
    struct line line;
    struct cf_message cf;
    bool has_header;
    bool repaired; /* its count was wrong */
    unsigned app;  /* or CF_PARTS_APPS: it is none of Cloud Foundry's messages */
};

struct cf_parts {
    unsigned count;
    unsigned app_count;
    struct cf_part_message messages[CF_PARTS_MESSAGES];
    struct cf_app apps[CF_PARTS_APPS];
};

/* What is known beside the body. */
struct cf_parts_terms {
    struct cf_apps *apps;
    struct cf_binding binding;
    bool whole; /* a body that does not begin with a count is one message, whatever it holds */
};

/* Move the next messages of *body into parts.  False if nothing is left.  They are parts of the body, and valid as long
 * as it is and parts is not filled again. */
bool cf_parts_fill(struct cf_parts *parts, const struct cf_parts_terms *terms, struct slice *body);

#endif
