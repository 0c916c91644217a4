/* What the libraries under us cost alone, on the same bytes: the least that the program can cost with them.
 *
 *     floors INGEST_BODY PAGE
 *
 * Prints one line of JSON, each figure the least of ROUNDS: "ingest", CPU nanoseconds of a line of the body, libb64 and
 * cJSON (in memory that is set aside) on its payload; "number", those of a number of the page, number_spell() on it;
 * "copy", those of a memcpy of the page. */
#include <b64/cdecode.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/number.h"
#include "intake/frame.h"

enum { ROUNDS = 15, TEXT_MAX = 64 * 1024, NUMBERS_MAX = 1000000 };

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "floors: %s\n", what);
    exit(1);
}

static struct slice read_file(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0)
        fail(path);
    char *text = malloc((size_t)status.st_size + 1);
    if (text == NULL || read(fd, text, (size_t)status.st_size) != status.st_size)
        fail(path);
    close(fd);
    return (struct slice){text, (size_t)status.st_size};
}

static double cpu(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* What is measured must not be left out by the compiler. */
static void use(const void *memory)
{
    __asm__ volatile("" : : "r"(memory) : "memory");
}

/* The nanoseconds of the quickest of ROUNDS calls. */
static double least(void (*call)(void))
{
    double best = 1e18;
    for (int i = 0; i < ROUNDS; i++) {
        double begin = cpu();
        call();
        double taken = cpu() - begin;
        best = taken < best ? taken : best;
    }
    return best;
}

/* ---- ingest lines ---- */

static struct slice body;
static struct json *json;
static unsigned lines;

static void read_payload(struct slice payload)
{
    static char decoded[TEXT_MAX];
    base64_decodestate state;
    base64_init_decodestate(&state);
    int length = base64_decode_block(payload.at, (int)payload.length, decoded, &state);
    const cJSON *document = json_read(json, (struct slice){decoded, (size_t)length});
    if (document == NULL)
        fail("a payload is not JSON");
    use(document);
}

static void read_lines(void)
{
    struct slice rest = body, message, mark = SLICE(":ingest ");
    for (lines = 0; frame_next(&rest, &message) != FRAME_END; lines++) {
        const char *payload = memmem(message.at, message.length, mark.at, mark.length);
        if (payload == NULL || message.length > TEXT_MAX)
            fail("a line is none of ingest");
        payload += mark.length;
        size_t length = (size_t)(message.at + message.length - payload);
        length -= length > 0 && payload[length - 1] == '\n';
        read_payload((struct slice){payload, length});
    }
}

/* ---- the page ---- */

static struct slice page;
static double numbers[NUMBERS_MAX];
static size_t number_count;
static char *copy;

static void collect_numbers(void)
{
    struct slice rest = page;
    while (rest.length > 0 && number_count < NUMBERS_MAX) {
        struct slice line = slice_cut_line(&rest);
        size_t blank = line.length;
        while (blank > 0 && line.at[blank - 1] != ' ')
            blank--;
        if (line.length > 0 && line.at[0] != '#' && blank > 0)
            numbers[number_count++] = strtod(line.at + blank, NULL);
    }
    if (number_count == 0)
        fail("the page has no numbers");
}

static void spell_numbers(void)
{
    char text[NUMBER_TEXT_MAX];
    for (size_t i = 0; i < number_count; i++) {
        number_spell(numbers[i], text);
        use(text);
    }
}

static void copy_page(void)
{
    memcpy(copy, page.at, page.length);
    use(copy);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: floors INGEST_BODY PAGE\n");
        return 2;
    }
    body = read_file(argv[1]);
    page = read_file(argv[2]);
    json = json_create(TEXT_MAX);
    copy = malloc(page.length + 1);
    if (json == NULL || copy == NULL)
        fail("memory is short");
    collect_numbers();
    double ingest = least(read_lines), spelling = least(spell_numbers), copying = least(copy_page);
    printf("{\"ingest\": %.1f, \"number\": %.2f, \"numbers\": %zu, \"copy\": %.0f, \"bytes\": %zu}\n", ingest / lines,
           spelling / (double)number_count, number_count, copying, page.length);
    json_free(json);
    free(copy);
    free((char *)(uintptr_t)body.at);
    free((char *)(uintptr_t)page.at);
    return 0;
}
