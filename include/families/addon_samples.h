/* What the families of add-ons share: the sample# pairs of a line, as gauges.
 *
 *     source=DATABASE addon=postgresql-curly-12345 sample#db_size=26219348792bytes sample#tables=13 ...
 *
 * <namespace>_<key, - to _>{addon}: a gauge for each pair, in base units, whether its key is known or not.  Where a
 * line has no addon, the labels are app and source: each app calls its database DATABASE. */
#ifndef FAMILY_ADDON_SAMPLES_H
#define FAMILY_ADDON_SAMPLES_H

#include "families/family.h"

/* A key that we can say more about. */
struct addon_key {
    struct slice key;
    struct metric metric; /* its help and type */
    struct slice name;    /* what it is called after the namespace; empty: as the key */
    double divisor;       /* what makes base units of a number without a unit; 0: it is in base units */
};

struct addon {
    struct slice namespace;
    const struct addon_key *keys; /* in the order in which lines have them: they are found faster then */
    size_t key_count;
    const struct metric *unknown; /* of all other keys */
};

#define ADDON_KEY(text, meaning) .key = {text, sizeof text - 1}, .metric = {.help = meaning, .type = METRIC_GAUGE}

/* Record a line's pairs.  One with a value that cannot be read costs itself.  NOT_A_METRIC where the line has none. */
enum verdict addon_samples_read(const struct line *line, const struct family_context *context,
                                const struct addon *addon, struct sample_output *output);

#endif
