#include "intake/procids.h"

void procids_start(struct procids *procids)
{
    procids->count = 0;
    memset(procids->slots, 0, sizeof procids->slots);
}

unsigned procids_add(struct procids *procids, struct slice appname, struct slice procid, uint8_t *slot)
{
    if (procids->count == PROCIDS_MAX)
        return PROCIDS_MAX;
    procids->list[procids->count] = (struct procid){appname, procid, false, 0};
    *slot = (uint8_t)(procids->count + 1);
    return procids->count++;
}
