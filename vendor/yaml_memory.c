/* libyaml asks these for all its memory, and grows a text by copying it to a larger place.  Passwords stand in what it
 * reads, so ours wipe what is given back.  Definitions in the executable take the place of the shared library's. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

void *yaml_malloc(size_t size);
void *yaml_realloc(void *memory, size_t size);
void yaml_free(void *memory);
yaml_char_t *yaml_strdup(const yaml_char_t *text);

/* Stands before what libyaml gets. */
struct block {
    size_t size;
    max_align_t memory[];
};

static struct block *block_of(void *memory)
{
    return (struct block *)((char *)memory - offsetof(struct block, memory));
}

void *yaml_malloc(size_t size)
{
    struct block *block = size > SIZE_MAX / 2 ? NULL : malloc(sizeof *block + (size > 0 ? size : 1));
    if (block == NULL)
        return NULL;
    block->size = size;
    return block->memory;
}

void yaml_free(void *memory)
{
    if (memory == NULL)
        return;
    explicit_bzero(memory, block_of(memory)->size);
    free(block_of(memory));
}

void *yaml_realloc(void *memory, size_t size)
{
    void *larger = yaml_malloc(size);
    if (larger == NULL || memory == NULL)
        return larger;
    size_t old = block_of(memory)->size;
    memcpy(larger, memory, old < size ? old : size);
    yaml_free(memory);
    return larger;
}

yaml_char_t *yaml_strdup(const yaml_char_t *text)
{
    if (text == NULL)
        return NULL;
    size_t size = strlen((const char *)text) + 1;
    yaml_char_t *copy = yaml_malloc(size);
    return copy == NULL ? NULL : memcpy(copy, text, size);
}
