/* The configuration with passwords in it: each byte 1 of the input stands for "password: <secret>".  Whatever is wrong
 * with the document, the mistakes do not show the secret. */
#include <yaml.h>

#include "config/configuration.h"
#include "fuzz.h"

#define SECRET SLICE("kQ7vZ2mXw9")
#define MEMBER SLICE("password: kQ7vZ2mXw9")

static bool holds(struct slice text, struct slice part)
{
    return text.length > 0 && memmem(text.at, text.length, part.at, part.length) != NULL;
}

/* Does the secret stand elsewhere than as a password, such as in a quoted name?  Names are shown. */
static bool is_misplaced(struct slice text)
{
    yaml_parser_t parser;
    yaml_event_t event;
    bool misplaced = false, is_password = false, ended = false;
    REQUIRE(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.at, text.length);
    while (!ended && yaml_parser_parse(&parser, &event)) {
        struct slice value = {NULL, 0};
        if (event.type == YAML_SCALAR_EVENT)
            value = (struct slice){(const char *)event.data.scalar.value, event.data.scalar.length};
        misplaced |= holds(value, SECRET) && !(is_password && slice_equals(value, SECRET));
        is_password = slice_equals(value, SLICE("password"));
        ended = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return misplaced;
}

static void write_document(struct buffer *document, struct slice text)
{
    while (text.length > 0) {
        size_t mark = slice_index(text, '\1');
        buffer_append(document, (struct slice){text.at, mark});
        if (mark == text.length)
            return;
        buffer_append(document, MEMBER);
        text = slice_after(text, mark + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer document = {0}, mistakes = {0};
    write_document(&document, (struct slice){(const char *)data, size});
    struct slice text = {size > 0 ? document.at : "", document.length};
    struct configuration *file = configuration_parse(text, "CONFIG", PASSWORDS_WITH_SHARED, &mistakes);
    REQUIRE((file == NULL) == (mistakes.length > 0));
    if (holds((struct slice){mistakes.at, mistakes.length}, SECRET))
        REQUIRE(is_misplaced(text));
    configuration_free(file);
    buffer_free(&mistakes);
    buffer_free(&document);
    return 0;
}
