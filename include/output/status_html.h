/* The status document as one HTML page: nothing is loaded from elsewhere, and it needs no script.
 *
 * SAFETY  What comes from logs is escaped by html_put(), and nothing is written around it.  Besides, the page's policy
 *         lets the browser run the one script and use the one style sheet whose digests it has, and load nothing. */
#ifndef STATUS_HTML_H
#define STATUS_HTML_H

#include "output/status.h"

/* Append the page.  Ask out->failed afterwards. */
void status_write_html(const struct status *status, struct buffer *out);

/* The value of the header Content-Security-Policy. */
enum { STATUS_POLICY_MAX = 512 };
void status_policy(char policy[STATUS_POLICY_MAX]);

#endif
