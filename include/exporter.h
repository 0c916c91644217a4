/* The rooms between a batch and a page, made as the settings say.  Whoever takes batches makes them here, so that the
 * same batch means the same to all. */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "config/settings.h"
#include "intake/batch.h"

struct pipeline {
    struct entities *entities;
    struct store *store;
    struct intake *intake;
    unsigned maintenance_slot; /* of the store; those below are the workers' */
};

/* False where memory is short: then there is nothing to close.  config must live until pipeline_close(). */
bool pipeline_open(struct pipeline *pipeline, const struct settings *config);

/* Free all; no thread may use them any more. */
void pipeline_close(struct pipeline *pipeline);

#endif
