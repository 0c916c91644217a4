#include "base/canary_token.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/digest.h"

enum { DIGITS = 16 /* of a word */ };

static const struct slice start = {"canary=", 7};

bool canary_token_send(struct canary_token *token, char message[CANARY_LINE_MAX])
{
    uint64_t words[CANARY_WORDS];
    if (!digest_random(words, sizeof words))
        return false;
    for (unsigned i = 0; i < CANARY_WORDS; i++)
        atomic_store_explicit(&token->words[i], words[i], memory_order_relaxed);
    atomic_store_explicit(&token->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&token->is_out, true, memory_order_release);
    snprintf(message, CANARY_LINE_MAX, "%s%016" PRIx64 "%016" PRIx64, start.at, words[0], words[1]);
    return true;
}

uint64_t canary_token_end(struct canary_token *token)
{
    atomic_store_explicit(&token->is_out, false, memory_order_relaxed);
    return atomic_load_explicit(&token->arrived, memory_order_acquire);
}

static bool read_word(const char *at, uint64_t *word)
{
    *word = 0;
    for (unsigned i = 0; i < DIGITS; i++) {
        unsigned char byte = (unsigned char)at[i];
        bool is_digit = slice_is_digit(at[i]), is_letter = byte >= 'a' && byte <= 'f';
        if (!is_digit && !is_letter)
            return false;
        *word = *word << 4 | (uint64_t)(is_digit ? byte - '0' : byte - 'a' + 10);
    }
    return true;
}

bool canary_token_arrive(struct canary_token *token, struct slice message)
{
    uint64_t words[CANARY_WORDS], differences = 0;
    if (message.length != start.length + CANARY_WORDS * DIGITS || !slice_starts_with(message, start))
        return false;
    for (unsigned i = 0; i < CANARY_WORDS; i++)
        if (!read_word(message.at + start.length + i * DIGITS, &words[i]))
            return false;
    if (token == NULL)
        return true;
    bool is_out = atomic_load_explicit(&token->is_out, memory_order_acquire);
    for (unsigned i = 0; i < CANARY_WORDS; i++)
        differences |= words[i] ^ atomic_load_explicit(&token->words[i], memory_order_relaxed);
    uint64_t not_yet = 0;
    if (!is_out || differences != 0)
        atomic_fetch_add_explicit(&token->others, 1, memory_order_relaxed);
    else
        atomic_compare_exchange_strong(&token->arrived, &not_yet, clock_monotonic_micros());
    return true;
}
