#include "intake/syslog.h"

#include "base/scan.h"
#include "base/structured_data.h"

/* "<PRI>1 ": the priority has one to three digits; Cloud Foundry writes "<-1>" for an unknown type. */
static bool skip_priority(struct slice *text)
{
    size_t i = 0;
    if (i == text->length || text->at[i++] != '<')
        return false;
    if (i < text->length && text->at[i] == '-')
        i++;
    size_t first = i;
    while (i < text->length && i - first < 3 && slice_is_digit(text->at[i]))
        i++;
    if (i == first || text->length - i < 3 || memcmp(text->at + i, ">1 ", 3) != 0)
        return false;
    *text = slice_after(*text, i + 3);
    return true;
}

/* RFC 5424, 6.3: SD-ELEMENT = "[" SD-ID *(SP PARAM-NAME "=" %d34 PARAM-VALUE %d34) "]".  Only an SD-ID that carries an
 * enterprise number ("name@32473") is taken: "[GIN] ..." is text. */
static bool skip_element(struct slice *text)
{
    if (text->length == 0 || text->at[0] != '[')
        return false;
    size_t i = 1;
    bool enterprise = false;
    while (i < text->length && text->at[i] != ' ' && text->at[i] != ']') {
        if (text->at[i] == '@')
            enterprise = i + 1 < text->length && slice_is_digit(text->at[i + 1]);
        i++;
    }
    if (!enterprise)
        return false;
    struct slice parameters = slice_after(*text, i);
    size_t length = structured_data_length(parameters);
    if (length == parameters.length)
        return false;
    *text = slice_after(parameters, length + 1);
    return true;
}

/* Cut STRUCTURED-DATA and the space behind it off text, and return it without the nil value "-".  What only looks like
 * it stays: it is the beginning of a message. */
static struct slice cut_structured_data(struct slice *text)
{
    struct slice rest = *text;
    if (rest.length > 0 && rest.at[0] == '-')
        rest = slice_after(rest, 1);
    else
        while (skip_element(&rest))
            ;
    struct slice data = {text->at, text->length - rest.length};
    bool ends_here = rest.length == 0 || (data.length > 1 && rest.at[0] == '\n'); /* there is no message behind it */
    if (data.length == 0 || (!ends_here && rest.at[0] != ' '))
        return (struct slice){"", 0};
    *text = ends_here ? rest : slice_after(rest, 1);
    /* RFC 5424, 6.4: a message in UTF-8 may start with a byte order mark. */
    if (slice_starts_with(*text, SLICE("\xEF\xBB\xBF")))
        *text = slice_after(*text, 3);
    return data.at[0] == '-' ? (struct slice){"", 0} : data;
}

enum { TIMESTAMP, HOSTNAME, APPNAME, PROCID, MSGID, FIELD_COUNT };

static struct slice between(const char *from, const char *to)
{
    return (struct slice){from, (size_t)(to - from)};
}

/* The fields of a header that ends[] bounds: each at a blank, the last one maybe at the end of the text. */
static void set_fields(const char *begin, const char *const ends[FIELD_COUNT], const char *end, struct line *line)
{
    line->timestamp = between(begin, ends[TIMESTAMP]);
    line->hostname = between(ends[TIMESTAMP] + 1, ends[HOSTNAME]);
    line->appname = between(ends[HOSTNAME] + 1, ends[APPNAME]);
    line->procid = between(ends[APPNAME] + 1, ends[PROCID]);
    line->message = between(ends[MSGID] + (ends[MSGID] < end), end);
}

/* Read the fields that text starts with; false if one is missing. */
static bool read_fields(struct slice text, struct line *line)
{
    const char *ends[FIELD_COUNT] = {NULL}, *end = text.at + text.length, *block = text.at;
    uint64_t blanks = scan_block(text.at, block, end, ' ');
    for (int i = 0; i < FIELD_COUNT; i++) {
        while (blanks == 0 && block < end) {
            block += SCAN_BLOCK;
            blanks = block < end ? scan_block(text.at, block, end, ' ') : 0;
        }
        if (blanks == 0 && (i != MSGID || end <= ends[PROCID] + 1))
            return false;
        ends[i] = blanks == 0 ? end : block + __builtin_ctzll(blanks);
        blanks &= blanks - 1;
    }
    set_fields(text.at, ends, end, line);
    return true;
}

/* Any message.  Not inlined: Logplex's would pay for registers and the check of the stack. */
__attribute__((noinline)) static bool parse(struct slice text, enum syslog_shape shape, struct line *line)
{
    struct slice rest = text;
    if (!skip_priority(&rest) || !read_fields(rest, line)) {
        *line = (struct line){.message = text};
        return false;
    }
    if (line->procid.length == 1 && line->procid.at[0] == '-')
        line->procid.length = 0;
    line->structured_data = (struct slice){"", 0};
    if (shape == SYSLOG_RFC5424)
        line->structured_data = cut_structured_data(&line->message);
    return true;
}

/* The length of "<190>1 ", or of one with a digit less, at the start of at least so many bytes; else 0. */
enum { USUAL_PRIORITY = 7 };
static inline size_t usual_priority(const char *text)
{
    if (text[0] != '<' || !slice_is_digit(text[1]) || !slice_is_digit(text[2]))
        return 0;
    size_t digits = 2 + slice_is_digit(text[3]);
    return memcmp(text + 1 + digits, ">1 ", 3) == 0 ? 1 + digits + 3 : 0;
}

/* A message of Logplex whose five fields are among its first bytes, and whose procid is not "-": nearly all, with half
 * the instructions.  False, with nothing said, if it is another. */
static inline bool parse_usual(struct slice text, struct line *line)
{
    if (text.length < USUAL_PRIORITY + SCAN_BLOCK)
        return false;
    size_t prefix = usual_priority(text.at);
    const char *begin = text.at + prefix, *ends[FIELD_COUNT];
    uint64_t blanks = scan_whole_block(begin, ' '), last = blanks;
    for (int i = TIMESTAMP; i < MSGID; i++)
        last &= last - 1; /* 0 stays 0 */
    if (prefix == 0 || last == 0)
        return false;
    for (int i = TIMESTAMP; i <= MSGID; i++) {
        ends[i] = begin + __builtin_ctzll(blanks);
        blanks &= blanks - 1;
    }
    set_fields(begin, ends, text.at + text.length, line);
    line->structured_data = (struct slice){"", 0};
    return line->procid.length != 1 || line->procid.at[0] != '-';
}

bool syslog_parse(struct slice text, enum syslog_shape shape, struct line *line)
{
    return (shape == SYSLOG_LOGPLEX && parse_usual(text, line)) || parse(text, shape, line);
}

/* The number spelled by exactly count digits at text, or -1.  Not by number.h: each line has seven of them, of a known
 * length. */
static int read_digits(const char *text, int count)
{
    int number = 0;
    for (int i = 0; i < count; i++) {
        if (!slice_is_digit(text[i]))
            return -1;
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar.  Years are counted from March, so that the leap day is the
 * last one of its year; 719468 days lie between 0000-03-01 and 1970-01-01. */
static int64_t days_since_1970(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

/* Seconds east of UTC of "Z", "+hh:mm" or "-hh:mm".  Old Logplex documents have "Z+00:00" too. */
static bool read_offset(struct slice text, int *seconds)
{
    *seconds = 0;
    if (slice_equals(text, SLICE("Z")) || slice_equals(text, SLICE("Z+00:00")))
        return true;
    if (text.length != 6 || (text.at[0] != '+' && text.at[0] != '-') || text.at[3] != ':')
        return false;
    int hours = read_digits(text.at + 1, 2);
    int minutes = read_digits(text.at + 4, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    *seconds = (text.at[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

/* Where the parts of a timestamp stand: "2022-12-07T15:54:" "57" ".123456" "+00:00". */
enum { MINUTE_LENGTH = 17, SECOND_END = 19, FRACTION_DIGITS = 6, FRACTION_DIGITS_MAX = 9 };
_Static_assert(sizeof((struct syslog_minute *)0)->text == MINUTE_LENGTH, "a minute's text");

/* Microseconds of the fraction that may stand at *at, which is put behind it; false if it has too many digits. */
static bool read_fraction(struct slice timestamp, size_t *at, int64_t *microseconds)
{
    static const int scales[FRACTION_DIGITS + 1] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    *microseconds = 0;
    if (*at == timestamp.length || timestamp.at[*at] != '.')
        return true;
    size_t first = *at + 1, end = first;
    int64_t number = 0;
    if (timestamp.length > first + FRACTION_DIGITS && !slice_is_digit(timestamp.at[first + FRACTION_DIGITS])) {
        number = read_digits(timestamp.at + first, FRACTION_DIGITS);
        if (number >= 0) { /* what nearly all senders write */
            *at = first + FRACTION_DIGITS;
            *microseconds = number;
            return true;
        }
        number = 0;
    }
    for (; end < timestamp.length && slice_is_digit(timestamp.at[end]); end++)
        if (end < first + FRACTION_DIGITS)
            number = number * 10 + (timestamp.at[end] - '0');
    size_t digits = end - first;
    *at = end;
    *microseconds = number * scales[digits < FRACTION_DIGITS ? digits : FRACTION_DIGITS];
    return digits <= FRACTION_DIGITS_MAX;
}

/* Microseconds since 1970 at which a minute begins, as long as its text is right, whatever the offset is. */
static bool read_minute(const char *t, int64_t *microseconds)
{
    if (t[4] != '-' || t[7] != '-' || t[10] != 'T' || t[13] != ':' || t[16] != ':')
        return false;
    int year = read_digits(t, 4);
    int month = read_digits(t + 5, 2);
    int day = read_digits(t + 8, 2);
    int hour = read_digits(t + 11, 2);
    int minute = read_digits(t + 14, 2);
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59)
        return false;
    *microseconds = (days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60) * 1000000;
    return true;
}

bool syslog_time_near(struct slice timestamp, struct syslog_minute *near, int64_t *microseconds)
{
    if (timestamp.length < SECOND_END + 1)
        return false;
    size_t at = SECOND_END;
    int64_t fraction;
    int second = read_digits(timestamp.at + MINUTE_LENGTH, 2); /* 60 is a leap second */
    if (second < 0 || second > 60 || !read_fraction(timestamp, &at, &fraction))
        return false;
    struct slice offset = slice_after(timestamp, at);
    if (near->offset_length == 0 || memcmp(near->text, timestamp.at, MINUTE_LENGTH) != 0 ||
        !slice_equals(offset, (struct slice){near->offset, near->offset_length})) {
        int east;
        int64_t begin;
        if (!read_minute(timestamp.at, &begin) || !read_offset(offset, &east))
            return false;
        near->microseconds = begin - east * INT64_C(1000000);
        memcpy(near->text, timestamp.at, MINUTE_LENGTH);
        memcpy(near->offset, offset.at, offset.length);
        near->offset_length = offset.length;
    }
    *microseconds = near->microseconds + second * INT64_C(1000000) + fraction;
    return true;
}

bool syslog_time(struct slice timestamp, int64_t *microseconds)
{
    struct syslog_minute none = {0};
    return syslog_time_near(timestamp, &none, microseconds);
}
