/* Rules that are proposed for lines: the input's messages, each ended by a byte that is as the first one of the input.
 * Whatever they hold, what is written are comments, and with any of the rules uncommented a configuration; all of them
 * take as many of the lines as is said. */
#include "base/buffer.h"
#include "base/log.h"
#include "base/utf8.h"
#include "config/configuration.h"
#include "config/proposals.h"
#include "config/suggestion.h"
#include "fuzz.h"

enum { DOCUMENT_MAX = 128 * 1024 };

static void check_comments(struct slice text)
{
    static const char *const breaks[] = {"\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xEF\xBB\xBF"};
    REQUIRE(text.length < DOCUMENT_MAX);
    REQUIRE(text.length == 0 || text.at[text.length - 1] == '\n');
    for (size_t i = 0; i < 4; i++)
        REQUIRE(text.length == 0 || memmem(text.at, text.length, breaks[i], strlen(breaks[i])) == NULL);
    while (text.length > 0) {
        struct slice line = slice_cut_line(&text);
        REQUIRE(line.length > 0 && line.at[0] == '#');
        for (size_t at = 0, length; at < line.length; at += length) {
            unsigned char byte = (unsigned char)line.at[at];
            length = utf8_length(slice_after(line, at));
            REQUIRE(length > 0 && byte >= ' ' && byte != 0x7F);
        }
    }
}

/* The document with one rule uncommented, and the line "rules:"; 0: with all rules. */
static struct configuration *uncommented(struct slice text, size_t rule)
{
    struct buffer document = {0}, mistakes = {0};
    size_t number = 0;
    bool is_wanted = true;
    buffer_append(&document, SLICE("drains: []\n"));
    while (text.length > 0) {
        struct slice line = slice_cut_line(&text);
        if (slice_starts_with(line, SLICE("#   - name: suggestion-")))
            is_wanted = ++number == rule || rule == 0;
        bool is_plain = line.length > 2 && is_wanted;
        buffer_append(&document, is_plain ? slice_after(line, 2) : line);
        buffer_append(&document, SLICE("\n"));
        is_wanted &= line.length > 1; /* behind a rule there is an empty comment */
    }
    struct configuration *configuration =
        configuration_parse((struct slice){document.at, document.length}, "CONFIG", PASSWORDS_UNKNOWN, &mistakes);
    REQUIRE(configuration != NULL && rules_count(configuration->rules) == (rule == 0 ? number : 1));
    buffer_free(&document);
    buffer_free(&mistakes);
    return configuration;
}

static struct slice next_message(struct slice *rest, char end)
{
    struct slice message = {rest->at, slice_index(*rest, end)};
    *rest = slice_after(*rest, message.length < rest->length ? message.length + 1 : message.length);
    return message;
}

static void check_rules(struct slice text, size_t count, uint64_t taken, struct slice messages, char end)
{
    for (size_t rule = 1; rule <= count; rule++)
        configuration_free(uncommented(text, rule));
    struct configuration *all = uncommented(text, 0);
    REQUIRE(rules_count(all->rules) == count);
    while (messages.length > 0)
        taken -= suggestion_takes(all->rules, next_message(&messages, end), NULL) && taken > 0;
    REQUIRE(taken == 0);
    configuration_free(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const procids[] = {"web.1", "worker.12", "[APP/PROC/WEB/0]", ""};
    struct proposals *proposals = proposals_create(32);
    struct slice input = {(const char *)data, size}, rest = {"", 0};
    struct buffer out = {0};
    uint64_t lines = 0;
    log_set_level(LOG_ERROR);
    if (size > 0)
        rest = slice_after(input, 1);
    while (rest.length > 0) {
        struct line line = {.appname = SLICE("app"), .procid = slice_of(procids[lines++ % 4])};
        line.message = next_message(&rest, input.at[0]);
        proposals_add(proposals, &line);
    }
    proposals_make(proposals);
    struct proposals_total total = proposals_total(proposals);
    REQUIRE(total.lines == lines && total.taken + total.without_rule <= lines && total.rules <= PROPOSALS_MAX);
    proposals_write(proposals, &out);
    struct slice text = {out.at, out.length};
    check_comments(text);
    if (total.rules > 0)
        check_rules(text, total.rules, total.taken, slice_after(input, 1), input.at[0]);
    buffer_free(&out);
    proposals_free(proposals);
    return 0;
}
