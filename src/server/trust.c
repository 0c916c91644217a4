#include "server/trust.h"

#include "base/digest.h"

const struct account *trust_recall(const struct trust *trust, uint64_t access, struct slice authorization)
{
    bool same = trust->account != NULL && trust->access == access && trust->length == authorization.length &&
                digest_equals(trust->authorization, authorization.at, authorization.length);
    return same ? trust->account : NULL;
}

void trust_keep(struct trust *trust, uint64_t access, const struct account *account, struct slice authorization)
{
    trust_forget(trust);
    if (authorization.length == 0 || authorization.length > TRUST_TEXT_MAX)
        return;
    trust->account = account;
    trust->access = access;
    trust->length = authorization.length;
    memcpy(trust->authorization, authorization.at, authorization.length);
}

void trust_forget(struct trust *trust)
{
    explicit_bzero(trust, sizeof *trust);
}
