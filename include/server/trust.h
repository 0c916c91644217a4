/* What a connection has shown already: the Authorization header that let its last batch in, so that the next one with
 * the same bytes costs a comparison in place of two decodings and digests, which were a fifth of a request of few
 * lines. The text itself is kept, as no digest is as certain; it is wiped when the connection ends. */
#ifndef TRUST_H
#define TRUST_H

#include <stdint.h>

#include "server/accounts.h"

enum { TRUST_TEXT_MAX = 256 }; /* bytes of a header that is kept */

/* All 0: nothing. */
struct trust {
    const struct account *account; /* NULL: nothing */
    uint64_t access;               /* which accounts it is one of: see struct http_server */
    size_t length;
    char authorization[TRUST_TEXT_MAX];
};

/* The account that this header has let in by the accounts of this number; NULL: that is not known.  In a time that does
 * not tell how much of the header is right. */
const struct account *trust_recall(const struct trust *trust, uint64_t access, struct slice authorization);

/* Keep that it let the account in, unless it is too long. */
void trust_keep(struct trust *trust, uint64_t access, const struct account *account, struct slice authorization);

void trust_forget(struct trust *trust);

#endif
