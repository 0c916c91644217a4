/* By which names apps are asked for, and which processes they have: what a page of one app and the list of all need,
 * beside entity.h, which knows hashes of names alone.
 *
 *     name    my-shop, or acme/prod/shop of Cloud Foundry
 *     GUID    6460bea4-c300-46a2-a6c2-3aa2fb271c86: one after a blue-green deploy, and the one before it
 *     route   shop.example.com: the host of a router's line
 *
 * LEARN   While lines are read: any thread, and cheap for what is known: a hash, and one look without a lock.
 * LOOK UP Any thread; a lock for a moment.  What is over (entities_is_over()) is not found.
 * BOUNDS  As many apps as entities has slots for, with DIRECTORY_PROCESSES_MAX processes, DIRECTORY_GUIDS_MAX GUIDs and
 *         DIRECTORY_ROUTES_MAX routes each; beyond that a new GUID or route takes the place of the app's oldest one.  A
 *         route or GUID is that of the app that has shown it last, of those of an organization or space.  If memory is
 *         short, what is new is not learned. */
#ifndef DIRECTORY_H
#define DIRECTORY_H

#include "store/store.h"

enum {
    DIRECTORY_NAME_MAX = 256, /* bytes of an app's name; a longer one is not learned */
    DIRECTORY_GUID_MAX = 36,
    DIRECTORY_HOST_MAX = 253,
    DIRECTORY_PROCESSES_MAX = 4096,
    DIRECTORY_GUIDS_MAX = 2,
    DIRECTORY_ROUTES_MAX = 16,
};

struct directory;

/* entities must outlive it.  NULL if memory is short. */
struct directory *directory_create(const struct entities *entities);
void directory_free(struct directory *directory); /* NULL is harmless */

/* The app has this name.  Of the others, what is said of an app without a name is not learned. */
void directory_learn_app(struct directory *directory, entity_id app, struct slice name, uint64_t now);
void directory_learn_process(struct directory *directory, entity_id app, entity_id process, struct slice name,
                             uint64_t now);

/* *deserted (may be NULL): the entities of the app that had this GUID, if that has no other one.  So it has another
 * name now. */
void directory_learn_guid(struct directory *directory, entity_id app, struct slice guid, uint64_t now,
                          struct store_scope *deserted);

/* host: as a client may have written it, "Shop.example.com:443". */
void directory_learn_route(struct directory *directory, entity_id app, struct slice host, uint64_t now);

/* An app that lives. */
struct directory_app {
    char name[DIRECTORY_NAME_MAX + 1];
    char guid[DIRECTORY_GUID_MAX + 1]; /* empty: unknown */
    struct store_scope scope;          /* its entities that live, at least one */
    size_t position;                   /* the directory's */
};

enum directory_key { DIRECTORY_NAME, DIRECTORY_GUID, DIRECTORY_ROUTE };

/* Who asks, if that is somebody who may not see all apps. */
struct directory_viewer {
    bool (*sees)(const void *who, const struct directory_app *app);
    const void *who;
};

/* The app that is asked for by a name, a GUID or a route (host, maybe with a port).  False if there is none.  Apps of
 * several spaces may claim one GUID, and of several organizations one route: the newest of those that the viewer sees
 * is found; NULL sees all.
 */
bool directory_find(struct directory *directory, enum directory_key key, struct slice text, uint64_t now,
                    const struct directory_viewer *viewer, struct directory_app *app);

/* The process of this name, for each entity of the app; NONE: that has none that lives.  False if no entity has. */
bool directory_find_process(struct directory *directory, const struct directory_app *app, struct slice name,
                            uint64_t now, entity_id processes[STORE_SCOPE_MAX]);

/* The GUIDs and routes of an app, the oldest first: to be learned again at the next start of the program.  Returns how
 * many. */
struct directory_text {
    enum directory_key kind;
    char text[DIRECTORY_HOST_MAX + 1];
};
enum { DIRECTORY_TEXTS_MAX = DIRECTORY_GUIDS_MAX + DIRECTORY_ROUTES_MAX };
size_t directory_texts(struct directory *directory, const struct directory_app *app,
                       struct directory_text texts[DIRECTORY_TEXTS_MAX]);

/* One after the other: start with *position 0.  False at the end.  What comes or goes meanwhile may be missed. */
bool directory_next_app(struct directory *directory, size_t *position, uint64_t now, struct directory_app *app);
bool directory_next_process(struct directory *directory, const struct directory_app *app, size_t *position,
                            uint64_t now, char name[PROCESS_NAME_MAX + 1]);

#endif
