/* The two platforms whose drains we are, and what of a Cloud Foundry app's identity becomes labels. */
#ifndef PLATFORM_H
#define PLATFORM_H

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

#endif
