/* The style sheet and the script of the status page: src/output/status.css and status.js, as they are compiled in. */
#ifndef STATUS_TEXT_H
#define STATUS_TEXT_H

#include "base/slice.h"

struct slice status_text_style(void);
struct slice status_text_script(void);

#endif
