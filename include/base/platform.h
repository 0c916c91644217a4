/* The two platforms whose drains we are, and what of a Cloud Foundry app's identity becomes labels. */
#ifndef PLATFORM_H
#define PLATFORM_H

#include "base/slice.h"

enum platform {
    PLATFORM_BY_REQUEST, /* what a request is decides */
    PLATFORM_HEROKU,
    PLATFORM_CLOUD_FOUNDRY,
};

/* The labels of all series of a Cloud Foundry app, beside app. */
enum app_labels {
    APP_LABELS_NAMES, /* organization_name, space_name, app_name */
    APP_LABELS_NONE,
    APP_LABELS_PROMFETCHER, /* these three and organization_id, space_id, app_id; of an instance, its number as well */
};

/* The word for a kind of labels in settings, "names"; and the kind that a word means, false if it means none. */
static inline const char *app_labels_word(enum app_labels labels)
{
    static const char *const words[] = {
        [APP_LABELS_NAMES] = "names", [APP_LABELS_NONE] = "none", [APP_LABELS_PROMFETCHER] = "promfetcher"};
    return words[labels];
}

static inline bool app_labels_read(struct slice word, enum app_labels *labels)
{
    for (int i = APP_LABELS_NAMES; i <= APP_LABELS_PROMFETCHER; i++) {
        if (!slice_equals(word, slice_of(app_labels_word((enum app_labels)i))))
            continue;
        *labels = (enum app_labels)i;
        return true;
    }
    return false;
}

#endif
