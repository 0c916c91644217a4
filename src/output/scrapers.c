#include "output/scrapers.h"

static bool is_forgotten(const struct scrapers *scrapers, const struct scraper *scraper, uint64_t now)
{
    return scraper->last_page == 0 || scraper->last_page + SCRAPERS_PATIENCE * scrapers->interval / 2 < now;
}

void scrapers_note(struct scrapers *scrapers, uint64_t key, uint64_t now)
{
    if (key == 0)
        return;
    struct scraper *scraper = &scrapers->all[0];
    for (unsigned i = 0; i < SCRAPERS_MAX && scraper->key != key; i++)
        if (scrapers->all[i].key == key || scrapers->all[i].last_page < scraper->last_page)
            scraper = &scrapers->all[i];
    if (scraper->key == key && scraper->last_page >= now)
        return;
    bool known = scraper->key == key && !is_forgotten(scrapers, scraper, now);
    bool again = known && scraper->last_page + scrapers->interval / 2 <= now;
    *scraper = (struct scraper){key, now, again || (known && scraper->regular)};
}

uint64_t scrapers_all_saw(const struct scrapers *scrapers, uint64_t now)
{
    uint64_t interval = scrapers->interval - scrapers->interval / SCRAPERS_PUNCTUALITY;
    uint64_t seen = now > interval ? now - interval : 0;
    for (unsigned i = 0; i < SCRAPERS_MAX; i++) {
        const struct scraper *scraper = &scrapers->all[i];
        if (scraper->regular && !is_forgotten(scrapers, scraper, now) && scraper->last_page < seen)
            seen = scraper->last_page;
    }
    return seen;
}

void scrapers_restore(struct scrapers *scrapers, const struct scrapers *known)
{
    for (unsigned i = 0; i < SCRAPERS_MAX; i++)
        scrapers->all[i] = known->all[i];
}
