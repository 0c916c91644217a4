/* What Cloud Foundry's log system says it lost of an app's messages, [LGR/n]:
 *
 *     42 messages lost for application fea3e980-... in user provided syslog drain with url https://...
 *     Log message output is too high. 100 messages dropped (Total 100 messages dropped) to ...     until 2019
 *     Log message output too high. We've dropped 100 messages                                      until 2015
 *
 * It goes to the ledger, as code LGR. */
#ifndef FAMILY_CF_LOG_LOSS_H
#define FAMILY_CF_LOG_LOSS_H

#include "families/family.h"

extern const struct family cf_log_loss_family;

#endif
