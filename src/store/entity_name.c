#include "store/entity_name.h"

#include <stdint.h>
#include <stdlib.h>

struct entity_name {
    uint16_t lengths[1 + 2 * FIXED_LABELS_MAX]; /* of the name, and of each label's name and value */
    uint16_t labels;
    char text[];
};

static size_t add_up(const struct label *labels, size_t count)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += labels[i].name.length + labels[i].value.length;
    return length;
}

static bool is_kept(struct slice name, const struct label *labels, size_t count)
{
    bool fits = name.length <= ENTITY_NAME_MAX && count <= FIXED_LABELS_MAX;
    for (size_t i = 0; fits && i < count; i++)
        fits = labels[i].name.length <= IDENTITY_LABEL_MAX && labels[i].value.length <= IDENTITY_VALUE_MAX;
    return fits;
}

static char *copy(char *at, struct slice text, uint16_t *length)
{
    *length = (uint16_t)text.length;
    if (text.length > 0)
        memcpy(at, text.at, text.length);
    return at + text.length;
}

struct entity_name *entity_name_create(struct slice name, const struct label *labels, size_t count)
{
    if (!is_kept(name, labels, count))
        return NULL;
    struct entity_name *entity = malloc(sizeof *entity + name.length + add_up(labels, count));
    if (entity == NULL)
        return NULL;
    entity->labels = (uint16_t)count;
    char *at = copy(entity->text, name, &entity->lengths[0]);
    for (size_t i = 0; i < count; i++) {
        at = copy(at, labels[i].name, &entity->lengths[1 + 2 * i]);
        at = copy(at, labels[i].value, &entity->lengths[2 + 2 * i]);
    }
    return entity;
}

size_t entity_name_read(const struct entity_name *entity, struct slice *name, struct label labels[FIXED_LABELS_MAX])
{
    const char *at = entity->text;
    *name = (struct slice){at, entity->lengths[0]};
    at += entity->lengths[0];
    for (size_t i = 0; i < entity->labels; i++) {
        labels[i].name = (struct slice){at, entity->lengths[1 + 2 * i]};
        at += labels[i].name.length;
        labels[i].value = (struct slice){at, entity->lengths[2 + 2 * i]};
        at += labels[i].value.length;
    }
    return entity->labels;
}
