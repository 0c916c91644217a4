/* Read and write JSON with cJSON in memory that is set aside: nothing is allocated for a text, and nothing need be
 * freed.  Pure, but for the memory; one thread at a time for each. */
#ifndef JSON_H
#define JSON_H

#include <cjson/cJSON.h>

#include "base/buffer.h"

struct json;

/* Memory for texts of up to about text_max bytes; NULL if memory is short. */
struct json *json_create(size_t text_max);
void json_free(struct json *json);

/* The document that text is, but for blanks around it; valid until the next call.  NULL if it is none, or one that
 * does not fit in the memory. */
const cJSON *json_read(struct json *json, struct slice text);

/* Between these two, what cJSON creates on this thread is in the memory of json, and valid until the next call: nothing
 * of it need be freed.  What does not fit is NULL; json_stop() returns whether all did. */
void json_start(struct json *json);
bool json_stop(struct json *json);

/* Append a document that cJSON's structures make up, without blanks; a byte of a text that is not UTF-8 becomes "?".
 * They may be of any memory: nothing of them is freed.  False, with nothing appended, if it is longer than max, or
 * memory is short (out->failed). */
bool json_write(const cJSON *document, size_t max, struct buffer *out);

#endif
