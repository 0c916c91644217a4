#include "base/cf_labels.h"

static const char *const names[] = {
    [CF_LABELS_NONE] = "none", [CF_LABELS_NAMES] = "names", [CF_LABELS_PROMFETCHER] = "promfetcher"};

bool cf_labels_read(struct slice text, enum cf_labels *which)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_equals(slice_of(names[i]), text)) {
            *which = (enum cf_labels)i;
            return true;
        }
    return false;
}

const char *cf_labels_name(enum cf_labels which)
{
    return names[which];
}
