/* What an app or a process is called, in one piece of memory: entity.h finds entities by hashes, which the next start
 * of the program cannot know. */
#ifndef ENTITY_NAME_H
#define ENTITY_NAME_H

#include "base/identity.h"

enum { ENTITY_NAME_MAX = 1024 /* bytes of a name; a longer one is not kept, nor labels longer than others may be */ };

struct entity_name;

/* With the fixed labels of an app, at most FIXED_LABELS_MAX.  Owned by the caller: free().  NULL if it is not kept, or
 * memory is short. */
struct entity_name *entity_name_create(struct slice name, const struct label *labels, size_t count);

/* Returns how many labels; all are parts of the name. */
size_t entity_name_read(const struct entity_name *entity, struct slice *name, struct label labels[FIXED_LABELS_MAX]);

#endif
