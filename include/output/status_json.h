/* The status document as JSON: GET /status.  Its members are documented in docker/STATUS.md, and stay. */
#ifndef STATUS_JSON_H
#define STATUS_JSON_H

#include "output/status.h"

/* Append the document, or one section of it alone (STATUS_SECTIONS: all).  False if memory is short. */
bool status_write_json(const struct status *status, enum status_section section, struct buffer *out);

#endif
