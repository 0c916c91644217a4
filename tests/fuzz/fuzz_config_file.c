/* The configuration.  Either it is good, or there are mistakes, each on a line of its own and of printable text. */
#include "config/configuration.h"
#include "fuzz.h"

static void check_mistakes(struct slice mistakes)
{
    while (mistakes.length > 0) {
        size_t end = slice_index(mistakes, '\n');
        REQUIRE(end < mistakes.length);
        REQUIRE(slice_starts_with(mistakes, SLICE("CONFIG:")));
        for (size_t i = 0; i < end; i++)
            REQUIRE((unsigned char)mistakes.at[i] >= ' ' && mistakes.at[i] != 0x7F);
        mistakes = slice_after(mistakes, end + 1);
    }
}

static void check_drain(const struct config_drain *drain)
{
    REQUIRE(drain->name != NULL && drain->name[0] != '\0' && strchr(drain->name, ':') == NULL);
    REQUIRE(drain->password == NULL || drain->password_hash == NULL);
    REQUIRE(drain->app != NULL || (config_drain_has_password(drain) && drain->token_count == 0));
    REQUIRE(drain->label_count <= FIXED_LABELS_MAX);
    struct identity identity;
    REQUIRE(identity_build(&identity, SLICE(""), SLICE("x"), drain->labels, drain->label_count) == IDENTITY_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer mistakes = {0};
    struct configuration *file =
        configuration_parse((struct slice){(const char *)data, size}, "CONFIG", true, &mistakes);
    REQUIRE((file == NULL) == (mistakes.length > 0));
    check_mistakes((struct slice){mistakes.at, mistakes.length});
    for (size_t i = 0; file != NULL && i < file->drain_count; i++)
        check_drain(&file->drains[i]);
    configuration_free(file);
    buffer_free(&mistakes);
    return 0;
}
