/* Fills in the status document (output/status.h): from how the apps fare, what the configuration says and what was set.
 * In steps, so that neither a scrape nor a batch waits, however many apps there are.  No sockets, no requests.
 *
 * Of all apps the worst are kept, STATUS_APPS_MAX of them; the others are counted.  One thread at a time. */
#ifndef SURVEY_H
#define SURVEY_H

#include "config/loads.h"
#include "intake/app_status.h"
#include "intake/unmatched.h"
#include "output/status.h"
#include "server/accounts.h"

/* Where it looks. */
struct survey_sources {
    struct app_statuses *statuses;
    struct unmatched *unmatched; /* NULL: the settings want none */
    struct directory *directory;
    const struct store *store;
    struct loads *loads;
    const struct status_setting *settings; /* survey_list_settings() */
    size_t setting_count;
    int64_t started; /* seconds since 1970 */
};

/* Who asks for what. */
struct survey_question {
    struct accounts *accounts;          /* the survey takes a reference */
    const struct config_scrape *scrape; /* an entry of theirs: its apps alone; NULL: everything */
    struct slice only;                  /* the one app that is asked for; empty: all */
};

struct survey;

/* sources must outlive it.  NULL if memory is short. */
struct survey *survey_begin(const struct survey_sources *sources, const struct survey_question *question);

/* Go on, for a fraction of a millisecond; whether there is more to do.  now: milliseconds of the monotonic clock. */
bool survey_step(struct survey *survey, uint64_t now);

/* The document; what it is about besides apps, rules, loads and settings is still empty. */
struct status *survey_status(struct survey *survey);

/* Free it, with the document; NULL is harmless. */
void survey_end(struct survey *survey);

/* All settings, as they are now, in memory of their own: free() it.  NULL if memory is short. */
struct status_setting *survey_list_settings(const struct settings *settings, size_t *count);

#endif
