/* The JSON of an ingest line, past its base64. */
#include <math.h>
#include <openssl/evp.h>

#include "families/ingest.h"
#include "fuzz.h"

static void record(struct sample_output *output, const struct sample *sample)
{
    (void)output;
    static struct identity identity;
    REQUIRE(sample->label_count <= IDENTITY_LABELS_MAX);
    const struct value *value = sample->value;
    REQUIRE(isfinite(value->number) && value->size <= VALUE_SIZE_MAX);
    if (value->type != VALUE_SET)
        for (size_t i = 0; i < value_word_count(value->type, value->size); i++)
            REQUIRE(isfinite(value->words[i].number));
    if (value->type == VALUE_HISTOGRAM)
        for (uint32_t i = 1; i < value->size; i++)
            REQUIRE(value->words[i].number < value->words[i + 1].number);
    identity_build(&identity, sample->namespace, sample->name, sample->labels, sample->label_count);
}

static void reject(struct sample_output *output, enum sample_rejection reason)
{
    (void)output;
    REQUIRE(reason < REJECTED_REASONS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void *states[FAMILY_COUNT];
    if (states[FAMILY_INGEST] == NULL)
        REQUIRE(families_open(states));
    if (size > 40000)
        return 0;
    struct family_context context = {.app = SLICE("a"), .ingest_prefix = SLICE("p "), .states = states};
    char *text = malloc(size * 2 + 64);
    memcpy(text, "p ", 2);
    int length = EVP_EncodeBlock((unsigned char *)text + 2, data, (int)size);
    struct line line = {.procid = SLICE("web.1"), .message = {text, (size_t)length + 2}};
    struct sample_output output = {.record = record, .reject = reject};
    REQUIRE(ingest_family.owns(&line, &context));
    ingest_family.read(&line, &context, &output);
    free(text);
    return 0;
}
