/* Who sends a batch, as the configuration may say in place of what the request shows. */
#ifndef PLATFORM_H
#define PLATFORM_H

enum platform { PLATFORM_BY_REQUEST, PLATFORM_HEROKU, PLATFORM_CLOUD_FOUNDRY };

#endif
