#include "output/html.h"

#include <stdarg.h>

#include "base/metric.h"
#include "base/utf8.h"

#define REPLACEMENT SLICE("\xEF\xBF\xBD") /* U+FFFD */

/* What a byte of ASCII becomes; NULL: itself. */
static const char *const entities[128] = {
    ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;",
};

static bool is_control(unsigned char byte)
{
    return (byte < ' ' && byte != '\n' && byte != '\t') || byte == 0x7F;
}

/* U+0080 to U+009F are controls; U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069 and U+061C make text look as if it
 * stood elsewhere. */
static bool is_harmful(struct slice character)
{
    const unsigned char *t = (const unsigned char *)character.at;
    if (character.length == 2)
        return (t[0] == 0xC2 && t[1] < 0xA0) || (t[0] == 0xD8 && t[1] == 0x9C);
    if (character.length != 3 || t[0] != 0xE2)
        return false;
    return (t[1] == 0x80 && (t[2] == 0x8E || t[2] == 0x8F || (t[2] >= 0xAA && t[2] <= 0xAE))) ||
           (t[1] == 0x81 && t[2] >= 0xA6 && t[2] <= 0xA9);
}

void html_escape(struct buffer *out, struct slice text)
{
    while (text.length > 0) {
        size_t plain = 0, length = 0;
        struct slice instead = {NULL, 0};
        for (; plain < text.length; plain += length) {
            struct slice rest = slice_after(text, plain);
            unsigned char byte = (unsigned char)rest.at[0];
            length = utf8_length(rest);
            if (length == 0 || is_control(byte) || is_harmful((struct slice){rest.at, length}))
                instead = REPLACEMENT;
            else if (length == 1 && entities[byte] != NULL)
                instead = slice_of(entities[byte]);
            if (instead.length > 0)
                break;
        }
        buffer_append(out, (struct slice){text.at, plain});
        buffer_append(out, instead);
        size_t used = instead.length == 0 ? plain : plain + (length == 0 ? 1 : length);
        text = slice_after(text, used);
    }
}

void html_put(struct buffer *out, const char *template, ...)
{
    va_list texts;
    va_start(texts, template);
    for (struct slice rest = slice_of(template); rest.length > 0;) {
        struct slice part = {rest.at, slice_index(rest, '@')};
        buffer_append(out, part);
        rest = slice_after(rest, part.length);
        if (rest.length == 0)
            break;
        const char *text = va_arg(texts, const char *);
        html_escape(out, slice_of(text == NULL ? "" : text));
        rest = slice_after(rest, 1);
    }
    va_end(texts);
}
