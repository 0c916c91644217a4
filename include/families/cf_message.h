/* What the structured data of a Cloud Foundry message says: whose it is, and which metric it carries.
 *
 *     <14>1 2026-02-03T04:05:06Z acme.prod.shop 3517892b-... [0] - [gauge@47450 name="memory" value="77" unit="bytes"]
 *         [tags@47450 app_name="shop" instance_id="0" organization_name="acme" process_type="web" space_name="prod"]
 *
 * Pure: no I/O, no allocation. */
#ifndef CF_MESSAGE_H
#define CF_MESSAGE_H

#include "base/line.h"

enum cf_kind { CF_LOG, CF_GAUGE, CF_COUNTER, CF_TIMER, CF_EVENT };

/* All slices are parts of the message, or constants, and are valid as long as it is.  Values of tags are as they are
 * written, with their escapes.  What the message does not tell is empty. */
struct cf_message {
    enum cf_kind kind;
    struct slice metric; /* the parameters of the metric's element, behind its id: name="memory" value="77" */
    struct slice tags;   /* the parameters of tags@47450 */
    struct slice organization, space, name;         /* names, of tags only */
    struct slice organization_id, space_id, app_id; /* GUIDs; app_id: of tags, else APPNAME */
    struct slice process_type;                      /* of tags, else of [APP/PROC/WEB/0], in small letters: "web" */
    struct slice instance;                          /* index of the instance that it is about: "0" */
    struct slice process_instance_id;               /* one run of it */
    struct slice source;                            /* of PROCID: "APP", "RTR", "CELL", "API", "LGR"; empty for "[0]" */
    char process_type_text[64];                     /* what process_type is kept in, if it is not a part */
};

/* Read it from a line.  False if the line is none of Cloud Foundry's: PROCID is not in brackets. */
bool cf_message_read(const struct line *line, struct cf_message *message);

#endif
