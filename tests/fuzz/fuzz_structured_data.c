/* Structured data, and what a Cloud Foundry message says by it.  The first line of the input is PROCID. */
#include "base/structured_data.h"

#include "families/cf_message.h"
#include "fuzz.h"

static bool is_part(struct slice part, struct slice text)
{
    return part.length == 0 || (part.at >= text.at && part.at + part.length <= text.at + text.length);
}

static void check_value(struct slice value, struct slice text)
{
    char out[64];
    REQUIRE(is_part(value, text));
    for (size_t size = 0; size <= sizeof out; size += 16) {
        struct slice plain = structured_data_unescape(value, out, size);
        REQUIRE(plain.length <= size && plain.length <= value.length);
        REQUIRE(is_part(plain, value) || plain.at == out);
    }
}

static void check_elements(struct slice text)
{
    struct slice rest = text, id, parameters, name, value;
    while (structured_data_next(&rest, &id, &parameters)) {
        REQUIRE(is_part(id, text) && is_part(parameters, text) && is_part(rest, text));
        struct slice all = parameters;
        while (structured_data_parameter(&parameters, &name, &value)) {
            REQUIRE(is_part(name, text));
            check_value(value, text);
            struct slice first = structured_data_find(all, name);
            REQUIRE(is_part(first, text));
        }
    }
}

static void check_message(struct slice procid, struct slice data)
{
    struct line line = {.appname = SLICE("guid"), .procid = procid, .structured_data = data};
    struct cf_message message;
    if (!cf_message_read(&line, &message))
        return;
    const struct slice of_tags[] = {message.organization,    message.space,    message.name,
                                    message.organization_id, message.space_id, message.process_instance_id,
                                    message.metric,          message.tags};
    for (size_t i = 0; i < sizeof of_tags / sizeof of_tags[0]; i++)
        REQUIRE(is_part(of_tags[i], data));
    REQUIRE(is_part(message.source, procid));
    REQUIRE(is_part(message.instance, procid) || is_part(message.instance, data));
    REQUIRE(is_part(message.app_id, data) || is_part(message.app_id, line.appname));
    REQUIRE(message.kind != CF_LOG || message.metric.length == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    check_elements(text);
    if (size == 0)
        return 0;
    struct slice procid = slice_cut_line(&text);
    check_elements(text);
    check_message(procid, text);
    return 0;
}
