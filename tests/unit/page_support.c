#include "page_support.h"

#include <stdio.h>

#include "output/encoder.h"
#include "output/page.h"
#include "support.h"

char page_text[8 << 20];

void page_take(struct store *store, unsigned slot, uint64_t now)
{
    struct buffer buffer = {0};
    store_enter(store, slot);
    page_write(
        &(struct page_terms){.store = store, .slot = slot, .now = now, .all_saw = UINT64_MAX, .encoder = &text_encoder},
        &buffer);
    store_leave(store, slot);
    assert_true(buffer.length < sizeof page_text);
    if (buffer.length > 0)
        memcpy(page_text, buffer.at, buffer.length);
    page_text[buffer.length] = '\0';
    buffer_free(&buffer);
}

/* The lines of the page that contain text. */
static const char *lines_with(const char *text)
{
    static char found[900]; /* cmocka shows no more */
    found[0] = '\0';
    for (char *line = page_text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (strstr(line, text) != NULL && strlen(found) + strlen(line) + 2 < sizeof found)
            strcat(strcat(found, line), "\n");
        *end = '\n';
    }
    return found;
}

void page_has(const char *line)
{
    char text[512] = "\n";
    strcat(text, line);
    strcat(text, "\n");
    if (strstr(page_text, text) == NULL) {
        text[strcspn(text, "{")] = '\0';
        fail_msg("no line %s but\n%s", line, lines_with(text + 1));
    }
}

void page_has_not(const char *text)
{
    if (strstr(page_text, text) != NULL)
        fail_msg("%s stands in\n%s", text, lines_with(text));
}

unsigned page_count(const char *text)
{
    unsigned count = 0;
    for (const char *at = page_text; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}
