/* Read JSON with cJSON in memory that is set aside: nothing is allocated for a text, and nothing need be freed.  Pure,
 * but for the memory; one thread at a time for each. */
#ifndef JSON_H
#define JSON_H

#include <cjson/cJSON.h>

#include "base/slice.h"

struct json;

/* Memory for texts of up to about text_max bytes; NULL where memory is short. */
struct json *json_create(size_t text_max);
void json_free(struct json *json);

/* The document that text is, but for blanks around it; valid until the next call.  NULL where it is none, or one that
 * the memory has no room for. */
const cJSON *json_read(struct json *json, struct slice text);

#endif
