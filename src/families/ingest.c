#include "families/ingest.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/number.h"
#include "base/process.h"
#include "families/cf_series.h"

enum { QUANTILES_MAX = 256 };

/* The bounds that a distribution is sorted into, as Vector does by default. */
static const double distribution_bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
enum { DISTRIBUTION_BOUNDS = sizeof distribution_bounds / sizeof distribution_bounds[0] };

/* What a message decodes to, and an eighth more: two quotes for each integer of at least 16 digits. */
#define JSON_CAPACITY (base64_capacity(FAMILY_MESSAGE_MAX) * 9 / 8 + 16)

/* A number and what goes with it: bound and count, quantile and value, key and number. */
struct pair {
    double key;
    double amount;
};

struct ingest {
    struct json *reader;
    char *json; /* JSON_CAPACITY bytes, as quoted; the two change places */
    char *quoted;
    struct value *value; /* capacity for VALUE_WORDS_MAX words */
    struct pair pairs[VALUE_SIZE_MAX];
};

static void free_state(void *state)
{
    struct ingest *ingest = state;
    json_free(ingest->reader);
    free(ingest->json);
    free(ingest->quoted);
    free(ingest->value);
    free(ingest);
}

static void *create_state(void)
{
    struct ingest *ingest = calloc(1, sizeof *ingest);
    if (ingest == NULL)
        return NULL;
    ingest->reader = json_create(FAMILY_MESSAGE_MAX);
    ingest->json = malloc(JSON_CAPACITY);
    ingest->quoted = malloc(JSON_CAPACITY);
    ingest->value = malloc(sizeof *ingest->value + VALUE_WORDS_MAX * sizeof ingest->value->words[0]);
    if (ingest->reader != NULL && ingest->json != NULL && ingest->quoted != NULL && ingest->value != NULL)
        return ingest;
    free_state(ingest);
    return NULL;
}

/* ---- numbers ---- */

/* A finite number, or a string that spells one as Lua would convert it ("1.5", " 5 ", "0x10"). */
static bool read_number(const cJSON *item, double *number)
{
    if (cJSON_IsNumber(item))
        *number = item->valuedouble;
    else if (cJSON_IsString(item)) {
        const char *text = item->valuestring;
        text += strspn(text, " \t\n\v\f\r");
        size_t digits = strspn(text, "0123456789abcdefABCDEF.xXpP+-");
        if (digits == 0 || text[digits + strspn(text + digits, " \t\n\v\f\r")] != '\0')
            return false;
        char *end;
        *number = strtod(text, &end);
        if (end != text + digits)
            return false;
    } else
        return false;
    return isfinite(*number);
}

/* A number that counts something: not negative, its fraction cut off. */
static bool read_count(const cJSON *item, double *count)
{
    if (!read_number(item, count) || *count < 0)
        return false;
    *count = trunc(*count);
    return true;
}

/* ---- the members of an object ---- */

static bool is_present(const cJSON *item)
{
    return item != NULL && !cJSON_IsNull(item);
}

/* Find members by their exact names; of several with one name the last counts.  found[i] is NULL if names[i] is
 * missing. */
static void find_members(const cJSON *object, const char *const *names, const cJSON **found, size_t count)
{
    for (size_t i = 0; i < count; i++)
        found[i] = NULL;
    for (const cJSON *child = object->child; child != NULL; child = child->next) {
        for (size_t i = 0; i < count; i++) {
            if (child->string[0] == names[i][0] && strcmp(child->string, names[i]) == 0) {
                found[i] = child;
                break;
            }
        }
    }
}

static const cJSON *member(const cJSON *object, const char *name)
{
    const cJSON *found;
    if (!cJSON_IsObject(object))
        return NULL;
    find_members(object, &name, &found, 1);
    return found;
}

/* ---- lists of pairs, in both spellings ---- */

/* A list's spelling: keys in one list and amounts in another, or one list of objects with both. */
struct pair_names {
    const char *keys;    /* also the name of the list of objects */
    const char *amounts; /* NULL: there is only the spelling with objects */
    const char *key;     /* the names in these objects; NULL: there is only the other spelling */
    const char *amount;
    bool amounts_count; /* the amounts count something */
    bool open_end;      /* the last key may be null: the infinity that JSON has no number for */
};

static bool read_amount(const cJSON *item, bool counts, double *amount)
{
    return counts ? read_count(item, amount) : read_number(item, amount);
}

/* A key; Vector writes infinite bounds as "inf" and "-inf". */
static bool read_key(const cJSON *item, bool may_be_null, double *key)
{
    if (may_be_null && item != NULL && cJSON_IsNull(item))
        *key = INFINITY;
    else if (cJSON_IsString(item) && (strcmp(item->valuestring, "inf") == 0 || strcmp(item->valuestring, "+inf") == 0))
        *key = INFINITY;
    else if (cJSON_IsString(item) && strcmp(item->valuestring, "-inf") == 0)
        *key = -INFINITY;
    else
        return read_number(item, key);
    return true;
}

/* Read a list into pairs, at most VALUE_SIZE_MAX; parallel lists are cut to the shorter.  Its length, or -1 if
 * something in it is no number, or -2 if it is too long. */
static int read_pairs(const cJSON *object, const struct pair_names *names, struct pair *pairs)
{
    const cJSON *list = member(object, names->keys);
    if (!cJSON_IsArray(list))
        return -1;
    if (list->child == NULL)
        return 0; /* an empty list has no spelling */
    int count = 0;
    bool objects = cJSON_IsObject(list->child);
    if ((objects ? names->key : names->amounts) == NULL)
        return -1;
    const cJSON *other = objects ? NULL : member(object, names->amounts);
    if (!objects && !cJSON_IsArray(other))
        return -1;
    const cJSON *amount = objects ? NULL : other->child;
    for (const cJSON *entry = list->child; entry != NULL; entry = entry->next) {
        if (!objects && amount == NULL)
            break;
        if (count == VALUE_SIZE_MAX)
            return -2;
        struct pair *pair = &pairs[count++];
        bool may_be_null = names->open_end && entry->next == NULL;
        if (objects) {
            if (!read_key(member(entry, names->key), may_be_null, &pair->key) ||
                !read_amount(member(entry, names->amount), names->amounts_count, &pair->amount))
                return -1;
        } else {
            if (!read_key(entry, may_be_null, &pair->key) || !read_amount(amount, names->amounts_count, &pair->amount))
                return -1;
            amount = amount->next;
        }
    }
    return count;
}

static int compare_keys(const void *a, const void *b)
{
    double x = ((const struct pair *)a)->key;
    double y = ((const struct pair *)b)->key;
    return (x > y) - (x < y);
}

static void sort_pairs(struct pair *pairs, int count)
{
    for (int i = 1; i < count; i++) {
        if (pairs[i - 1].key > pairs[i].key) {
            qsort(pairs, (size_t)count, sizeof *pairs, compare_keys);
            return;
        }
    }
}

/* Put pairs behind the first words of value: all keys, then all amounts. */
static void store_pairs(struct value *value, size_t first, const struct pair *pairs, int count)
{
    value->size = (uint32_t)count;
    for (int i = 0; i < count; i++) {
        value->words[first + (size_t)i].number = pairs[i].key;
        value->words[first + (size_t)count + (size_t)i].number = pairs[i].amount;
    }
}

/* ---- values: each reader fills ingest->value, or says with a reason (or REJECTED_REASONS: none) why it cannot ---- */

typedef enum sample_rejection reader(struct ingest *ingest, const cJSON *object);

#define ACCEPTED REJECTED_REASONS

static enum sample_rejection rejection_of(int pairs)
{
    return pairs == -2 ? REJECTED_TOO_LARGE : REJECTED_VALUE;
}

static enum sample_rejection read_simple(struct ingest *ingest, const cJSON *object, enum value_type type)
{
    ingest->value->type = (uint16_t)type;
    ingest->value->size = 0;
    return read_number(member(object, "value"), &ingest->value->number) ? ACCEPTED : REJECTED_VALUE;
}

static enum sample_rejection read_counter(struct ingest *ingest, const cJSON *object)
{
    return read_simple(ingest, object, VALUE_COUNTER);
}

static enum sample_rejection read_gauge(struct ingest *ingest, const cJSON *object)
{
    return read_simple(ingest, object, VALUE_GAUGE);
}

static int compare_members(const void *a, const void *b)
{
    uint64_t x = ((const union value_word *)a)->member;
    uint64_t y = ((const union value_word *)b)->member;
    return (x > y) - (x < y);
}

/* Only how many members there are is ever shown, so a member is kept as its hash. */
static enum sample_rejection read_set(struct ingest *ingest, const cJSON *object)
{
    const cJSON *list = member(object, "values");
    if (!cJSON_IsArray(list))
        return REJECTED_VALUE;
    struct value *value = ingest->value;
    size_t count = 0;
    for (const cJSON *entry = list->child; entry != NULL; entry = entry->next) {
        if (count == VALUE_SIZE_MAX)
            return REJECTED_TOO_LARGE;
        char digits[NUMBER_TEXT_MAX];
        struct slice text;
        if (cJSON_IsString(entry))
            text = slice_of(entry->valuestring);
        else if (cJSON_IsNumber(entry) && isfinite(entry->valuedouble))
            text = (struct slice){digits, number_spell(entry->valuedouble, digits)};
        else
            return REJECTED_VALUE;
        value->words[count++].member = XXH3_64bits(text.at, text.length);
    }
    qsort(value->words, count, sizeof value->words[0], compare_members);
    size_t unique = 0;
    for (size_t i = 0; i < count; i++)
        if (unique == 0 || value->words[unique - 1].member != value->words[i].member)
            value->words[unique++] = value->words[i];
    value->type = VALUE_SET;
    value->size = (uint32_t)unique;
    value->number = (double)unique;
    return ACCEPTED;
}

static enum sample_rejection read_distribution(struct ingest *ingest, const cJSON *object)
{
    static const struct pair_names lists = {"values", "sample_rates", NULL, NULL, true, false};
    static const struct pair_names objects = {"samples", NULL, "value", "rate", true, false};
    const cJSON *statistic = member(object, "statistic");
    if (!cJSON_IsString(statistic) ||
        (strcmp(statistic->valuestring, "histogram") != 0 && strcmp(statistic->valuestring, "summary") != 0))
        return REJECTED_VALUE;
    bool is_objects = cJSON_IsArray(member(object, "samples"));
    int count = read_pairs(object, is_objects ? &objects : &lists, ingest->pairs);
    if (count < 0)
        return rejection_of(count);

    struct value *value = ingest->value;
    struct pair buckets[DISTRIBUTION_BOUNDS];
    for (int i = 0; i < DISTRIBUTION_BOUNDS; i++)
        buckets[i] = (struct pair){distribution_bounds[i], 0};
    value->type = VALUE_HISTOGRAM;
    value->number = 0;
    double sum = 0;
    for (int i = 0; i < count; i++) {
        const struct pair *sample = &ingest->pairs[i];
        if (!isfinite(sample->key))
            return REJECTED_VALUE;
        int bucket = 0;
        while (bucket < DISTRIBUTION_BOUNDS && sample->key > distribution_bounds[bucket])
            bucket++;
        if (bucket < DISTRIBUTION_BOUNDS)
            buckets[bucket].amount += sample->amount;
        value->number += sample->amount;
        sum += sample->key * sample->amount;
    }
    if (!isfinite(sum) || !isfinite(value->number)) /* of numbers that are finite */
        return REJECTED_VALUE;
    value->words[0].number = sum;
    store_pairs(value, 1, buckets, DISTRIBUTION_BOUNDS);
    return ACCEPTED;
}

/* What the entries of a list behind its first ones count together; false if one of them counts nothing. */
static bool add_rest(const cJSON *list, int first, double *sum)
{
    double count;
    for (const cJSON *entry = cJSON_IsArray(list) ? list->child : NULL; entry != NULL; entry = entry->next) {
        if (first-- > 0)
            continue;
        if (!read_count(entry, &count))
            return false;
        *sum += count;
    }
    return true;
}

static enum sample_rejection read_histogram(struct ingest *ingest, const cJSON *object)
{
    static const struct pair_names names = {"buckets", "counts", "upper_limit", "count", true, true};
    struct pair *pairs = ingest->pairs;
    int count = read_pairs(object, &names, pairs);
    if (count < 0)
        return rejection_of(count);
    double total = 0; /* of all counts; there may be one more than bounds, for what lies above the last */
    if (!add_rest(member(object, names.amounts), count, &total))
        return REJECTED_VALUE;
    struct value *value = ingest->value;
    if (!read_number(member(object, "sum"), &value->words[0].number))
        return REJECTED_VALUE;
    sort_pairs(pairs, count);

    /* Infinite bounds have no line of their own (+Inf is printed from the count), and two buckets with one bound are
     * one. */
    int kept = 0;
    for (int i = 0; i < count; i++) {
        total += pairs[i].amount;
        if (isinf(pairs[i].key))
            continue;
        if (kept > 0 && pairs[kept - 1].key == pairs[i].key)
            pairs[kept - 1].amount += pairs[i].amount;
        else
            pairs[kept++] = pairs[i];
    }
    /* The sender's own count knows of observations above the last bound; if it is less than the buckets hold, they
     * win. */
    double told = 0;
    const cJSON *sent = member(object, "count");
    if (is_present(sent) && !read_count(sent, &told))
        return REJECTED_VALUE;
    value->number = is_present(sent) && told > total ? told : total;
    if (!isfinite(value->number))
        return REJECTED_VALUE;
    value->type = VALUE_HISTOGRAM;
    store_pairs(value, 1, pairs, kept);
    return ACCEPTED;
}

static enum sample_rejection read_summary(struct ingest *ingest, const cJSON *object)
{
    static const struct pair_names names = {"quantiles", "values", "quantile", "value", false, false};
    struct pair *pairs = ingest->pairs;
    int count = read_pairs(object, &names, pairs);
    if (count < 0)
        return rejection_of(count);
    if (count > QUANTILES_MAX)
        return REJECTED_TOO_LARGE;
    struct value *value = ingest->value;
    if (!read_number(member(object, "sum"), &value->words[0].number) ||
        !read_count(member(object, "count"), &value->number))
        return REJECTED_VALUE;
    /* One quantile twice would be one series twice: the last one counts. */
    int kept = 0;
    for (int i = 0; i < count; i++) {
        if (!isfinite(pairs[i].key))
            return REJECTED_VALUE;
        int at = 0;
        while (at < kept && pairs[at].key != pairs[i].key)
            at++;
        pairs[at] = pairs[i];
        kept += at == kept;
    }
    value->type = VALUE_SUMMARY;
    store_pairs(value, 1, pairs, kept);
    return ACCEPTED;
}

/* Three spellings: that of the Lua transform, {"type":"ddsketch","k":[...],"n":[...],...}; that of native_json,
 * {"sketch":{"AgentDDSketch":{"bins":{"k":[...],"n":[...]},...}}}; and the latter without its outer "sketch". */
static enum sample_rejection read_sketch(struct ingest *ingest, const cJSON *object)
{
    static const struct pair_names names = {"k", "n", NULL, NULL, true, false};
    const cJSON *inner = member(object, "sketch");
    const cJSON *agent = member(is_present(inner) ? inner : object, "AgentDDSketch");
    const cJSON *bins = object;
    if (agent != NULL) {
        object = agent;
        bins = member(object, "bins");
    } else {
        const cJSON *type = member(object, "type");
        if (!cJSON_IsString(type) || strcmp(type->valuestring, "ddsketch") != 0)
            return REJECTED_VALUE;
    }
    struct pair *pairs = ingest->pairs;
    int count = read_pairs(bins, &names, pairs);
    if (count < 0)
        return rejection_of(count);
    struct value *value = ingest->value;
    if (!read_count(member(object, "count"), &value->number) ||
        !read_number(member(object, "sum"), &value->words[0].number) ||
        !read_number(member(object, "min"), &value->words[1].number) ||
        !read_number(member(object, "max"), &value->words[2].number))
        return REJECTED_VALUE;
    /* The sketch of no values has the greatest number as its minimum, and the least as its maximum. */
    if (value->number == 0)
        value->words[1].number = value->words[2].number = 0;
    if (value->words[1].number > value->words[2].number)
        return REJECTED_VALUE;
    for (int i = 0; i < count; i++)
        if (pairs[i].key != trunc(pairs[i].key) || fabs(pairs[i].key) > 32767)
            return REJECTED_VALUE;
    sort_pairs(pairs, count);
    value->type = VALUE_SKETCH;
    store_pairs(value, 3, pairs, count);
    return ACCEPTED;
}

/* ---- labels ---- */

struct labels {
    struct label list[IDENTITY_LABELS_MAX];
    size_t count;
    char digits[IDENTITY_LABELS_MAX][32]; /* values that were numbers */
};

/* The text of a tag's value; false if it has none.  Of a list, the last value that is not null. */
static bool read_tag(const cJSON *item, char digits[32], struct slice *text)
{
    *text = (struct slice){"", 0};
    if (cJSON_IsString(item))
        *text = slice_of(item->valuestring);
    else if (cJSON_IsNumber(item) && isfinite(item->valuedouble)) {
        /* As Lua spells numbers: integers with all their digits, others with 14. */
        bool integer = fabs(item->valuedouble) < 9007199254740992.0 && item->valuedouble == trunc(item->valuedouble);
        int length = snprintf(digits, 32, integer ? "%.0f" : "%.14g", item->valuedouble);
        *text = (struct slice){digits, (size_t)length};
    } else if (cJSON_IsBool(item))
        *text = cJSON_IsTrue(item) ? SLICE("true") : SLICE("false");
    else if (cJSON_IsArray(item)) {
        for (const cJSON *entry = item->child; entry != NULL; entry = entry->next) {
            if (cJSON_IsString(entry))
                *text = slice_of(entry->valuestring);
            else if (!cJSON_IsNull(entry))
                return false;
        }
    } else if (!cJSON_IsNull(item))
        return false;
    return true;
}

/* On Cloud Foundry, first what else tells its instance: the app's own tags win. */
static void add_instance(const struct cf_message *cf, struct labels *labels)
{
    labels->list[labels->count++] = (struct label){SLICE("process_type"), cf->process_type};
    labels->list[labels->count++] = (struct label){SLICE("instance_index"), cf->instance};
}

/* The tags and behind them, so that they win, app and process; and, as with it, Promfetcher's labels. */
static bool read_labels(const cJSON *tags, const struct line *line, const struct family_context *context,
                        struct labels *labels)
{
    bool has_promfetchers = context->cf_instance_labels && context->cf->instance.length > 0;
    size_t most = IDENTITY_LABELS_MAX - 2 - (has_promfetchers ? CF_PROMFETCHER_LABELS : 0);
    labels->count = 0;
    if (is_present(tags) && !cJSON_IsObject(tags) && !(cJSON_IsArray(tags) && tags->child == NULL))
        return false;
    if (context->cf != NULL)
        add_instance(context->cf, labels);
    for (const cJSON *tag = is_present(tags) ? tags->child : NULL; tag != NULL; tag = tag->next) {
        struct slice name = slice_of(tag->string);
        /* Also if we do not know the app: a tag must not name another one. */
        if (identity_label_becomes(name, SLICE("app")) || identity_label_becomes(name, SLICE("process")))
            continue;
        if (labels->count == most)
            return false;
        struct label *label = &labels->list[labels->count];
        label->name = name;
        if (!read_tag(tag, labels->digits[labels->count], &label->value))
            return false;
        labels->count++;
    }
    labels->list[labels->count++] = (struct label){SLICE("app"), context->app};
    labels->list[labels->count++] = (struct label){SLICE("process"), line->procid};
    if (has_promfetchers) {
        cf_promfetcher_labels(context->cf->instance, labels->list + labels->count);
        labels->count += CF_PROMFETCHER_LABELS;
    }
    return true;
}

/* ---- metrics ---- */

/* Members of a metric; the values, of which the first that is present counts, stand from FIRST_VALUE on. */
static const char *const metric_members[] = {
    "name",
    "namespace",
    "kind",
    "tags",
    "counter",
    "gauge",
    "set",
    "distribution",
    "aggregated_histogram",
    "aggregated_summary",
    "sketch",
};
enum {
    NAME,
    NAMESPACE,
    KIND,
    TAGS,
    FIRST_VALUE,
    MEMBER_COUNT = sizeof metric_members / sizeof metric_members[0],
};
static reader *const readers[MEMBER_COUNT - FIRST_VALUE] = {
    read_counter, read_gauge, read_set, read_distribution, read_histogram, read_summary, read_sketch,
};

/* "kind": absent is absolute. */
static bool read_kind(const cJSON *item, bool *incremental)
{
    *incremental = false;
    if (!is_present(item))
        return true;
    *incremental = cJSON_IsString(item) && strcmp(item->valuestring, "incremental") == 0;
    return *incremental || (cJSON_IsString(item) && strcmp(item->valuestring, "absolute") == 0);
}

static enum sample_rejection read_value(struct ingest *ingest, const cJSON **members)
{
    for (size_t i = FIRST_VALUE; i < MEMBER_COUNT; i++)
        if (is_present(members[i]))
            return readers[i - FIRST_VALUE](ingest, members[i]);
    return REJECTED_VALUE;
}

static enum sample_rejection read_metric(const cJSON *element, const struct line *line, struct family_context *context,
                                         struct sample_output *output)
{
    struct ingest *ingest = context->states[FAMILY_INGEST];
    const cJSON *metric = member(element, "metric");
    if (!cJSON_IsObject(metric))
        return REJECTED_ELEMENT;
    const cJSON *members[MEMBER_COUNT];
    find_members(metric, metric_members, members, MEMBER_COUNT);
    if (!cJSON_IsString(members[NAME]) || (is_present(members[NAMESPACE]) && !cJSON_IsString(members[NAMESPACE])))
        return REJECTED_NAME;

    struct labels labels;
    struct sample sample = {
        .name = slice_of(members[NAME]->valuestring), .labels = labels.list, .value = ingest->value};
    struct process process;
    if (process_read(line->procid, &process))
        sample.process = line->procid;
    if (is_present(members[NAMESPACE]))
        sample.namespace = slice_of(members[NAMESPACE]->valuestring);
    if (!read_kind(members[KIND], &sample.incremental))
        return REJECTED_KIND;
    if (!read_labels(members[TAGS], line, context, &labels))
        return REJECTED_LABELS;
    sample.label_count = labels.count;
    enum sample_rejection rejection = read_value(ingest, members);
    if (rejection == ACCEPTED)
        output->record(output, &sample);
    return rejection;
}

/* ---- lines ---- */

/* cJSON ends a string at an escaped NUL.  Replace the escape by that of U+FFFD, which is as long. */
static void replace_nul_escapes(char *json, size_t length)
{
    char *end = json + length;
    for (char *at = json; (at = memchr(at, '\\', (size_t)(end - at))) != NULL && end - at >= 6; at += 2)
        if (memcmp(at + 1, "u0000", 5) == 0)
            memcpy(at + 1, "ufffd", 5);
}

enum { EXACT_DIGITS = 15 }; /* an integer of more may not be a double */

/* Are all eight bytes at text digits? */
static bool is_eight_digits(const char *text)
{
    uint64_t word;
    memcpy(&word, text, sizeof word);
    word ^= 0x3030303030303030; /* digits become 0 to 9: 0x76 more has no high bit */
    return (((word + 0x7676767676767676) | word) & 0x8080808080808080) == 0;
}

/* Where 16 digits stand in a row, eight of them fill one of the words that text consists of.  A word is rarely all
 * digits, so that the processor foretells the branch. */
static bool has_long_integer(const char *json, size_t length)
{
    for (size_t i = 0; i + 8 <= length; i += 8) {
        if (!is_eight_digits(json + i))
            continue;
        size_t first = i, last = i + 7;
        while (first > 0 && slice_is_digit(json[first - 1]))
            first--;
        while (last + 1 < length && slice_is_digit(json[last + 1]))
            last++;
        if (last - first >= EXACT_DIGITS)
            return true;
    }
    return false;
}

/* cJSON makes a double of each number, so that three ids of twenty digits may become one.  Put such integers in quotes:
 * if a number is wanted, a string that spells one will do.  Returns the new length. */
static size_t quote_long_integers(struct ingest *ingest, size_t length)
{
    if (!has_long_integer(ingest->json, length))
        return length;
    const char *json = ingest->json;
    char *out = ingest->quoted;
    bool string = false;
    for (size_t i = 0; i < length;) {
        size_t digits = 0;
        while (!string && i + digits < length && slice_is_digit(json[i + digits]))
            digits++;
        if (digits > EXACT_DIGITS && strchr(",]} \t\r\n", json[i + digits]) != NULL && i > 0 &&
            strchr(",[: \t\r\n", json[i - 1]) != NULL) {
            *out++ = '"';
            memcpy(out, json + i, digits);
            out += digits;
            *out++ = '"';
            i += digits;
        } else if (digits > 0) {
            memcpy(out, json + i, digits);
            out += digits;
            i += digits;
        } else {
            if (json[i] == '"')
                string = !string;
            else if (json[i] == '\\' && string && i + 1 < length)
                *out++ = json[i++];
            *out++ = json[i++];
        }
    }
    char *old = ingest->json;
    length = (size_t)(out - ingest->quoted);
    ingest->json = ingest->quoted;
    ingest->quoted = old;
    return length;
}

static enum verdict read_line(const struct line *line, struct family_context *context, struct sample_output *output)
{
    struct ingest *ingest = context->states[FAMILY_INGEST];
    struct slice payload = slice_after(line->message, context->ingest_prefix.length);
    while (payload.length > 0 && payload.at[payload.length - 1] == ' ')
        payload.length--;
    size_t length;
    if (payload.length > FAMILY_MESSAGE_MAX || !base64_decode(payload, ingest->json, &length))
        return verdict_malformed(MALFORMED_BASE64);
    if (memchr(ingest->json, '\0', length) != NULL)
        return verdict_malformed(MALFORMED_JSON);
    replace_nul_escapes(ingest->json, length);
    length = quote_long_integers(ingest, length);

    const cJSON *document = json_read(ingest->reader, (struct slice){ingest->json, length});
    if (document == NULL)
        return verdict_malformed(MALFORMED_JSON);

    /* native_json writes a single metric without a list around it. */
    const cJSON *element = cJSON_IsArray(document) ? document->child : document;
    struct line copy;
    line = cf_line_of_process(line, context, &copy);
    for (; element != NULL; element = element->next) {
        enum sample_rejection rejection = read_metric(element, line, context, output);
        if (rejection != ACCEPTED)
            output->reject(output, rejection);
    }
    return VERDICT_RECOGNISED;
}

const struct family ingest_family = {.rules_after = true,
                                     .create_state = create_state,
                                     .free_state = free_state,
                                     .owns = ingest_owns,
                                     .read = read_line};
