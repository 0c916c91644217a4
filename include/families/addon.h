/* Metrics lines of other add-ons that write as Heroku's own do: app / heroku-<kind>.
 *
 *     source=KAFKA addon=kafka-curly-12345 sample#load-avg-1m=0.5 ...
 *
 * heroku_<kind, - to _>_<key, - to _>{addon}, see addon_samples.h.  Where that could be the name of a metric of another
 * family (heroku-router), it starts with heroku_addon_<kind>.  An add-on chooses its procid, an app cannot. */
#ifndef FAMILY_ADDON_H
#define FAMILY_ADDON_H

#include "families/family.h"

extern const struct family addon_family;

#endif
