/* Lines of the log system itself, about lines that it lost before we could see them: procid logplex or log-shuttle.
 *
 *     Error L10 (output buffer overflow): 13 messages dropped since 2016-10-11T09:43:26+00:00.
 *     Error L10 (output buffer overflow): drain 'd.cfcd3264-…' dropped 1 messages since 2020-06-12T14:40:59+00:00.
 *     Error L12: 222 messages dropped since 2013-11-04T21:31:32.125756+00:00.
 *
 * The numbers are added up in the context; there are no samples.  An L10 may name the drain that lost them: then it
 * counts only if that is this drain. */
#ifndef FAMILY_LOGPLEX_H
#define FAMILY_LOGPLEX_H

#include "families/family.h"

extern const struct family logplex_family;

#endif
