/* Whose the series of a Cloud Foundry message are: their labels, and the process that they end with.
 *
 *     app="acme/prod/shop", process_type="web", instance_index="0"; they end with the process "web.0"
 *
 * A process has one entity for each index, under the app's name, whatever the GUID of the app is: so the app of a
 * blue-green deploy takes over the series of the one before it.
 *
 * ROLLBACK  The app before it takes them back once the newer one has another name, or has said nothing under this one
 *           for a minute, by the times of lines.  Until then the gauges of its instances are not used.  Why not at
 *           once, or when the newer one is stopped?  An app that was renamed may keep its old name on the messages of
 *           instances that run.  So two apps speak under one name for a while.  If each took the place of the other
 *           when it speaks or starts an instance, their numbers would mix, and each change would end all series.
 *           "cf rollback" is none of this: the app stays the same.
 *
 * ENDS      What ends takes no place: the last lines of an old instance may come minutes after the start of the new
 *           one, which need not have spoken meanwhile. */
#ifndef CF_SERIES_H
#define CF_SERIES_H

#include "families/cf_message.h"
#include "families/family.h"

/* Is a line what an app prints?  By its author alone: an app can choose neither. */
static inline bool cf_is_printed(const struct line *line)
{
    return slice_starts_with(line->procid, SLICE("[APP/"));
}

/* May a line be of Cloud Foundry? */
static inline bool cf_is_author(const struct line *line)
{
    return line->procid.length > 0 && line->procid.at[0] == '[';
}

enum { CF_LABELS_TEXT = 4096 }; /* bytes of labels of one message that had escapes */

/* Labels of one sample, with the values that had to be freed of their escapes.  It is not moved while it is used. */
struct cf_labels {
    struct label list[IDENTITY_LABELS_MAX];
    size_t count;
    size_t text_length;
    char text[CF_LABELS_TEXT];
};

/* Begin with app and process_type, and, of one instance, instance_index (also index and instance_id, if the context
 * says so).  They stand there always, some of them empty: see sample.h. */
void cf_labels_of_app(struct cf_labels *labels, const struct family_context *context);
void cf_labels_of_instance(struct cf_labels *labels, const struct family_context *context);

/* Add one more; the value is taken as it is.  False if there are too many. */
bool cf_labels_add(struct cf_labels *labels, struct slice name, struct slice value);

/* Add one more whose value is of structured data, with its escapes.  False if there are too many, or they are too
 * long. */
bool cf_labels_add_escaped(struct cf_labels *labels, struct slice name, struct slice value);

/* The process that a line is about.  Both are valid until the next batch begins. */
struct cf_process {
    struct slice name; /* "web.0"; empty: of none that is known by itself, such as a task */
    struct slice type; /* "web"; empty: the message does not tell */
};
struct cf_process cf_process_of(const struct line *line, const struct family_context *context);

/* A line that an app prints, with the process as its PROCID ("web.0"), as families of what apps print read it; the copy
 * is kept by the caller.  Any other line is returned as it is. */
const struct line *cf_line_of_process(const struct line *line, const struct family_context *context, struct line *copy);

/* The name of a process of a type; empty if it cannot have one, or memory for names is short. */
struct slice cf_process_name(const struct family_context *context, struct slice type, struct slice index);

/* Is this message's app the one that a process is of now?  False for one that a blue-green deploy has replaced under
 * its name, and that still runs.  If it takes over, all processes of the type end.  process: not empty. */
bool cf_app_speaks(struct slice process, const struct family_context *context, struct sample_output *output);

/* The same for the instance of a process with this GUID.  Without one, the app alone decides. */
bool cf_instance_speaks(struct slice process, struct slice instance, const struct family_context *context,
                        struct sample_output *output);

/* A line tells that this message's app, or the instance of a process with this GUID, has ended: is that the one that
 * the process is of now?  Nothing is taken over.  GUID: empty if the message does not tell. */
bool cf_app_ends(struct slice process, const struct family_context *context, struct sample_output *output);
bool cf_instance_ends(struct slice process, struct slice instance, const struct family_context *context,
                      struct sample_output *output);

/* Promfetcher's labels of an instance, index and instance_id, which are two. */
enum { CF_PROMFETCHER_LABELS = 2 };
static inline void cf_promfetcher_labels(struct slice instance, struct label labels[CF_PROMFETCHER_LABELS])
{
    labels[0] = (struct label){SLICE("index"), instance};
    labels[1] = (struct label){SLICE("instance_id"), instance};
}

/* All processes of a type from this index on have ended. */
void cf_end_from(struct slice type, unsigned index, const struct family_context *context, struct sample_output *output);

/* What a thread keeps names in, the state of cf_instance. */
void *cf_names_create(void);
void cf_names_begin(struct family_context *context);

#endif
