#include "fuzz.h"
#include "intake/syslog.h"

static void check(struct slice text, enum syslog_shape shape)
{
    struct line line;
    int64_t time;
    bool has_header = syslog_parse(text, shape, &line);
    REQUIRE(line.message.length <= text.length);
    REQUIRE(has_header || (line.message.length == text.length && line.procid.length == 0));
    if (line.message.length > 0)
        REQUIRE(line.message.at + line.message.length == text.at + text.length);
    syslog_time(line.timestamp, &time);
    syslog_time(text, &time);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    check(text, SYSLOG_LOGPLEX);
    check(text, SYSLOG_RFC5424);
    return 0;
}
