#include "family/router.h"

#include "keyvalue.h"
#include "scan.h"

/* Heroku's error codes, 2021 to 2025; H16 is retired, more may come (see other_code). */
/* clang-format off */
#define CODES(X)                                                                                                   \
    X(H10) X(H11) X(H12) X(H13) X(H14) X(H15) X(H16) X(H17) X(H18) X(H19) X(H20) X(H21) X(H22) X(H23) X(H24) X(H25) \
    X(H26) X(H27) X(H28) X(H31) X(H80) X(H81) X(H82) X(H99)
/* clang-format on */

static const char *const codes[] = {
#define X(code) #code,
    CODES(X)
#undef X
};
enum { CODE_COUNT = sizeof codes / sizeof codes[0] };

#define NAME "heroku_router_errors"
#define HELP "Router log lines with an H error code, by code."

static const struct metric router_errors = {
    .name = NAME, .help = HELP, .type = METRIC_COUNTER, .cells = CODE_COUNT, .label = "code", .label_values = codes};

/* The same for a code that is not in the table: it is a label as any other. */
static const struct metric other_code = {.name = NAME, .help = HELP, .type = METRIC_COUNTER, .cells = 1};

static bool owns(const struct line *line, const struct family_context *context)
{
    (void)context;
    return slice_equals(line->procid, SLICE("router")) && slice_equals(line->appname, SLICE("heroku"));
}

/* What this family wants of a line. */
struct router_line {
    struct slice at;
    struct slice code;
    struct slice dyno;
    bool read; /* at least one of the router's own fields is there */
};

/* "web.1": letters, digits, "_" and "-", a dot, a number. */
static bool is_dyno(struct slice text)
{
    size_t digits = 0;
    while (digits < text.length && slice_is_digit(text.at[text.length - 1 - digits]))
        digits++;
    if (digits == 0 || digits + 2 > text.length || text.at[text.length - 1 - digits] != '.' || text.length > 64)
        return false;
    for (size_t i = 0; i < text.length - 1 - digits; i++) {
        char byte = text.at[i];
        if (!slice_is_digit(byte) && !(byte >= 'a' && byte <= 'z') && !(byte >= 'A' && byte <= 'Z') && byte != '_' &&
            byte != '-')
            return false;
    }
    return true;
}

static bool is_code(struct slice text)
{
    if (text.length < 3 || text.length > 4 || text.at[0] != 'H')
        return false;
    for (size_t i = 1; i < text.length; i++)
        if (!slice_is_digit(text.at[i]))
            return false;
    return true;
}

/* Take a pair; false where it starts the part of the line that the client chose. */
static bool read_head(const struct keyvalue *pair, struct router_line *line)
{
    if (slice_equals(pair->key, SLICE("at")))
        line->at = pair->value;
    else if (slice_equals(pair->key, SLICE("code")))
        line->code = pair->value;
    else if (slice_equals(pair->key, SLICE("method"))) {
        line->read = true;
        return false;
    }
    return !slice_equals(pair->key, SLICE("path")) && !slice_equals(pair->key, SLICE("dyno"));
}

/* The last dyno= of the text. */
static void read_dyno(struct slice text, struct router_line *line)
{
    struct keyvalue_reader reader;
    struct keyvalue pair;
    keyvalue_start(&reader, text);
    while (keyvalue_next(&reader, &pair)) {
        if (slice_equals(pair.key, SLICE("dyno"))) {
            line->dyno = pair.value;
            line->read = true;
        }
    }
}

/* Heroku writes its own words first (at, code), then what the client chose (path, host, fwd), then its own again, from
 * dyno on.  The middle part is long and, should a quote of the client's ever get through, a place for forged words: so
 * it is not read at all.  Only lines that end in a quote (agent, on H31) or have no dyno near their end are read as a
 * whole. */
static struct router_line read_fields(struct slice text)
{
    enum { TAIL = 320 };
    struct router_line line = {0};
    struct keyvalue_reader reader;
    struct keyvalue pair;
    keyvalue_start(&reader, text);
    while (keyvalue_next(&reader, &pair) && read_head(&pair, &line))
        ;
    const char *tail =
        text.length > 0 && text.at[text.length - 1] == '"' ? NULL : scan_last(text, SLICE(" dyno="), TAIL);
    if (tail != NULL) {
        const char *value = tail + sizeof " dyno=" - 1;
        struct slice rest = slice_after(text, (size_t)(value - text.at));
        line.dyno = (struct slice){value, slice_index(rest, ' ')};
        line.read = true;
    } else
        read_dyno(text, &line);
    line.read = line.read || line.at.length > 0 || line.code.length > 0;
    return line;
}

static void count_code(struct sample *sample, struct slice code, bool informative, struct sample_output *output)
{
    for (unsigned i = 0; i < CODE_COUNT; i++) {
        if (slice_equals(slice_of(codes[i]), code)) {
            sample->cell = i;
            sample->amount = !informative || codes[i][1] == '8' ? 1 : 0;
            output->record(output, sample);
            return;
        }
    }
    output->record(output, sample);
    if (informative)
        return;
    struct label labels[3] = {sample->labels[0], {SLICE("code"), is_code(code) ? code : SLICE("other")}};
    size_t count = 2;
    if (sample->label_count > 1)
        labels[count++] = sample->labels[1];
    struct sample other = {
        .metric = &other_code, .name = sample->name, .labels = labels, .label_count = count, .amount = 1};
    output->record(output, &other);
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    struct router_line fields = read_fields(line->message);
    if (!fields.read)
        return verdict_malformed(MALFORMED_PAIRS);
    bool has_dyno = is_dyno(fields.dyno);
    struct label labels[] = {{SLICE("app"), context->app}, {SLICE("process"), fields.dyno}};
    struct sample sample = {.metric = &router_errors, .name = SLICE(NAME), .labels = labels};

    /* The app's own zeros come with its first line, so that its first H14, which has no dyno, is a rise. */
    sample.label_count = 1;
    if (has_dyno) {
        if (!context->router_zeros)
            output->record(output, &sample);
        context->router_zeros = true;
        sample.label_count = 2;
    }
    if (fields.code.length > 0)
        count_code(&sample, fields.code, slice_equals(fields.at, SLICE("info")), output);
    else
        output->record(output, &sample);
    return VERDICT_RECOGNISED;
}

const struct family router_family = {.owns = owns, .read = read_line};
