/* Text of HTML, appended to a buffer.  Whatever comes from elsewhere is escaped here, and nowhere else.  Pure. */
#ifndef HTML_H
#define HTML_H

#include "base/buffer.h"

/* Append a template; each "@" of it becomes the next argument, a const char *, escaped: for an element's text, or for
 * an attribute's value in double quotes.
 *
 *     html_put(out, "<td title=\"@\">@</td>", "a & b", "<c>")    <td title="a &amp; b">&lt;c&gt;</td>
 *
 * What is not UTF-8, control characters, and the characters that change the direction of text become U+FFFD. */
void html_put(struct buffer *out, const char *template, ...);

/* Append a text, escaped likewise. */
void html_escape(struct buffer *out, struct slice text);

#endif
