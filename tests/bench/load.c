/* Post one body again and again, as Logplex posts batches: a few connections that stay open, one request at a time on
 * each. Each request has a frame id of its own, since the server drops a batch that it took before.  A body that begins
 * with a message without a count is posted as Cloud Foundry's agents do: they have no ids, so that its first message
 * has a time of its own in each request.
 *
 *     load -p PORT -b BODY [-u PATH] [-H HEADER]... [-c CONNECTIONS] [-n REQUESTS | -s SECONDS] [-r RATE] [-h HOST]
 *          [-a APPS]
 *
 * -r: so many requests a second in all.  Their latency is counted from the time at which they were due, so that a stall
 * of the server is not hidden by requests that were not sent meanwhile.  -a: they are for so many apps in turn, whose
 * names (bench00000, ...) stand at the end of PATH.  Prints one line of JSON.  An answer other than
 * 204, or a lost connection, ends it with status 1. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 4096,
    HEAD_MAX = 4096,
    FRAME_DIGITS = 16,
    TIME_LENGTH = 15, /* of "04:05:06.123456" */
    APP_DIGITS = 5,
    APPS_MAX = 100000,
    ANSWER_MAX = 4096,
    LATENCIES_MAX = 1 << 22
};

/* The latency of a request goes into a table until it is full; quantiles are of those. */
struct run {
    const char *host;
    int port;
    const char *path;
    const char *extra[16];
    unsigned extra_count;
    unsigned connections;
    unsigned apps;  /* 0: the path has the name */
    uint64_t limit; /* requests; 0: none */
    double seconds; /* 0: no limit */
    double rate;    /* requests a second; 0: as fast as they are answered */
    char *body;
    size_t body_length;

    int poll;
    int timer;      /* wakes us for a paced request; -1: not paced */
    uint64_t start; /* nanoseconds */
    uint64_t end;   /* 0: none */
    uint64_t sent;
    uint64_t answered;
    uint64_t frame;      /* the last frame id that was given */
    uint32_t *latencies; /* nanoseconds / 16 */
};

struct connection {
    int fd;
    char head[HEAD_MAX];
    size_t head_length;
    char *app;    /* where the digits of the app's name stand in the head, if there are several */
    char *frame;  /* where the digits of the frame id stand in the head; NULL: it has none */
    char *time;   /* where the time of the first message stands in the head, which then has the beginning of the body */
    size_t ahead; /* bytes of the body that are in the head */
    size_t sent;  /* of head and body */
    uint64_t due; /* when the request was to be sent */
    bool waiting; /* for the answer */
    char answer[ANSWER_MAX];
    size_t answer_length;
};

static struct run run = {.host = "127.0.0.1", .path = "/drain?app_name=bench", .connections = 4, .timer = -1};
static struct connection connections[CONNECTIONS_MAX];

static _Noreturn void fail(const char *what, const char *detail)
{
    fprintf(stderr, "load: %s: %s\n", what, detail);
    exit(1);
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* ---- requests ---- */

/* "Logplex-Frame-Id: 0000000000000000", and what else its sender says. */
static const char *headers_of_sender(void)
{
    return run.body_length > 0 && run.body[0] == '<'
               ? "Content-Type: text/plain\r\nUser-Agent: fasthttp\r\n"
               : "Content-Type: application/logplex-1\r\nUser-Agent: Logplex/v93\r\n"
                 "Logplex-Drain-Token: d.cfcd3264-0000-4000-8000-000000000000\r\n"
                 "Logplex-Frame-Id: 0000000000000000\r\n";
}

/* Put the first message's time, "<14>1 2026-02-03T04:05:06.123456", behind the head, where it can be changed. */
static void take_time_ahead(struct connection *connection)
{
    const char *start = memchr(run.body, 'T', run.body_length < 32 ? run.body_length : 32);
    if (start == NULL || (size_t)(start + 1 - run.body) + TIME_LENGTH > run.body_length)
        fail("body", "its first message has no time");
    connection->ahead = (size_t)(start + 1 - run.body) + TIME_LENGTH;
    if (connection->head_length + connection->ahead >= HEAD_MAX)
        fail("headers", "too long");
    memcpy(connection->head + connection->head_length, run.body, connection->ahead);
    connection->head_length += connection->ahead;
    connection->time = connection->head + connection->head_length - TIME_LENGTH;
}

static void prepare_head(struct connection *connection)
{
    int length = snprintf(
        connection->head, HEAD_MAX, "POST %s%.*s HTTP/1.1\r\nHost: %s:%d\r\nContent-Length: %zu\r\n%s", run.path,
        run.apps > 0 ? APP_DIGITS : 0, "00000", run.host, run.port, run.body_length, headers_of_sender());
    for (unsigned i = 0; i < run.extra_count && length < HEAD_MAX; i++)
        length += snprintf(connection->head + length, (size_t)(HEAD_MAX - length), "%s\r\n", run.extra[i]);
    if (length + 2 >= HEAD_MAX)
        fail("headers", "too long");
    memcpy(connection->head + length, "\r\n", 3);
    connection->head_length = (size_t)length + 2;
    connection->app = connection->head + strlen("POST ") + strlen(run.path);
    connection->frame = strstr(connection->head, "Logplex-Frame-Id: ");
    if (connection->frame != NULL)
        connection->frame += strlen("Logplex-Frame-Id: ");
    else
        take_time_ahead(connection);
}

static void write_digits(char *digits, int count, uint64_t number)
{
    for (int i = count - 1; i >= 0; i--, number /= 10)
        digits[i] = (char)('0' + number % 10);
}

/* "04:05:06.123456", so many microseconds after midnight. */
static void write_time(char *text, uint64_t number)
{
    write_digits(text, 2, number / 3600000000 % 24);
    write_digits(text + 3, 2, number / 60000000 % 60);
    write_digits(text + 6, 2, number / 1000000 % 60);
    write_digits(text + 9, 6, number % 1000000);
}

static void watch(struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    epoll_ctl(run.poll, EPOLL_CTL_MOD, connection->fd, &event);
}

/* Send what the socket takes; the rest when it is writable. */
static void send_more(struct connection *connection)
{
    size_t total = connection->head_length + run.body_length - connection->ahead;
    bool blocked = connection->sent > 0;
    while (connection->sent < total) {
        struct iovec parts[2];
        int count = 0;
        size_t body = connection->ahead;
        if (connection->sent < connection->head_length)
            parts[count++] =
                (struct iovec){connection->head + connection->sent, connection->head_length - connection->sent};
        else
            body += connection->sent - connection->head_length;
        parts[count++] = (struct iovec){run.body + body, run.body_length - body};
        ssize_t sent = writev(connection->fd, parts, count);
        if (sent < 0 && errno == EAGAIN) {
            if (!blocked)
                watch(connection, EPOLLIN | EPOLLOUT);
            return;
        }
        if (sent < 0)
            fail("send", strerror(errno));
        connection->sent += (size_t)sent;
    }
    if (blocked)
        watch(connection, EPOLLIN);
}

static void begin_request(struct connection *connection, uint64_t due)
{
    run.sent++;
    run.frame++;
    if (connection->frame != NULL)
        write_digits(connection->frame, FRAME_DIGITS, run.frame);
    else
        write_time(connection->time, run.frame);
    if (run.apps > 0)
        write_digits(connection->app, APP_DIGITS, run.sent % run.apps);
    connection->due = due;
    connection->sent = 0;
    connection->waiting = true;
    connection->answer_length = 0;
    send_more(connection);
}

static bool is_over(uint64_t time)
{
    return (run.limit > 0 && run.sent >= run.limit) || (run.end > 0 && time >= run.end);
}

/* When the next paced request is due. */
static uint64_t next_due(void)
{
    return run.start + (uint64_t)((double)run.sent * 1e9 / run.rate);
}

static void set_timer(uint64_t due)
{
    struct itimerspec at = {.it_value = {(time_t)(due / 1000000000), (long)(due % 1000000000)}};
    timerfd_settime(run.timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* Give requests that are due to connections that are free. */
static void begin_due(void)
{
    uint64_t time = now();
    for (unsigned i = 0; i < run.connections && !is_over(time); i++) {
        if (connections[i].waiting)
            continue;
        uint64_t due = run.timer >= 0 ? next_due() : time;
        if (due > time) {
            set_timer(due);
            return;
        }
        begin_request(&connections[i], due);
    }
}

/* ---- answers ---- */

static void end_request(struct connection *connection)
{
    uint64_t latency = (now() - connection->due) / 16;
    if (run.answered < LATENCIES_MAX)
        run.latencies[run.answered] = latency < UINT32_MAX ? (uint32_t)latency : UINT32_MAX;
    run.answered++;
    connection->waiting = false;
}

static void receive(struct connection *connection)
{
    ssize_t received = read(connection->fd, connection->answer + connection->answer_length,
                            ANSWER_MAX - 1 - connection->answer_length);
    if (received < 0 && errno == EAGAIN)
        return;
    if (received <= 0)
        fail("receive", received == 0 ? "the server closed the connection" : strerror(errno));
    connection->answer_length += (size_t)received;
    connection->answer[connection->answer_length] = '\0';
    if (strstr(connection->answer, "\r\n\r\n") == NULL)
        return;
    if (strncmp(connection->answer, "HTTP/1.1 204 ", 13) != 0)
        fail("answer", connection->answer);
    end_request(connection);
}

/* ---- the run ---- */

static void open_connection(struct connection *connection)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)run.port)};
    if (inet_pton(AF_INET, run.host, &address.sin_addr) != 1 || ntohl(address.sin_addr.s_addr) >> 24 != 127)
        fail(run.host, "not a loopback address");
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("connect", strerror(errno));
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(run.poll, EPOLL_CTL_ADD, connection->fd, &event);
    prepare_head(connection);
}

static void open_timer(void)
{
    run.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(run.poll, EPOLL_CTL_ADD, run.timer, &event);
}

static void serve_events(void)
{
    struct epoll_event events[64];
    int count = epoll_wait(run.poll, events, 64, 10000);
    if (count == 0)
        fail("wait", "no answer for 10 s");
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        uint64_t expirations;
        if (connection == NULL) {
            if (read(run.timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
                fail("timer", strerror(errno));
            continue;
        }
        if (events[i].events & EPOLLOUT)
            send_more(connection);
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            receive(connection);
    }
}

/* As many files as connections need. */
static void raise_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= run.connections + 16)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static void post_all(void)
{
    raise_files();
    run.poll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < run.connections; i++)
        open_connection(&connections[i]);
    if (run.rate > 0)
        open_timer();
    /* Ids go on from the wall clock, so that no two runs against one server share any. */
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    run.frame = (uint64_t)wall.tv_sec * 1000000 + (uint64_t)wall.tv_nsec / 1000;
    run.start = now();
    run.end = run.seconds > 0 ? run.start + (uint64_t)(run.seconds * 1e9) : 0;
    begin_due();
    while (run.answered < run.sent || !is_over(now())) {
        serve_events();
        begin_due();
    }
}

static int compare_latencies(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double microseconds(uint64_t index)
{
    return (double)run.latencies[index] * 16 / 1e3;
}

static void report(void)
{
    double seconds = (double)(now() - run.start) / 1e9;
    uint64_t count = run.answered < LATENCIES_MAX ? run.answered : LATENCIES_MAX;
    qsort(run.latencies, count, sizeof run.latencies[0], compare_latencies);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"requests\": %" PRIu64 ", \"seconds\": %.6f, \"client_cpu\": %.6f, \"p50\": %.1f, \"p99\": %.1f, "
           "\"p999\": %.1f, \"max\": %.1f}\n",
           run.answered, seconds, cpu, microseconds(count / 2), microseconds(count * 99 / 100),
           microseconds(count * 999 / 1000), microseconds(count - 1));
}

/* ---- arguments ---- */

static void read_body(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        fail(path, strerror(errno));
    run.body_length = (size_t)status.st_size;
    run.body = malloc(run.body_length + 1);
    size_t length = 0;
    while (run.body != NULL && length < run.body_length) {
        ssize_t part = read(fd, run.body + length, run.body_length - length);
        if (part <= 0)
            fail(path, "cannot be read");
        length += (size_t)part;
    }
    close(fd);
}

static void read_arguments(int argc, char **argv)
{
    const char *body = NULL;
    int option;
    while ((option = getopt(argc, argv, "a:h:p:u:b:H:c:n:s:r:")) != -1) {
        switch (option) {
        case 'a':
            run.apps = (unsigned)atoi(optarg);
            break;
        case 'h':
            run.host = optarg;
            break;
        case 'p':
            run.port = atoi(optarg);
            break;
        case 'u':
            run.path = optarg;
            break;
        case 'b':
            body = optarg;
            break;
        case 'H':
            if (run.extra_count == sizeof run.extra / sizeof run.extra[0])
                fail("headers", "too many");
            run.extra[run.extra_count++] = optarg;
            break;
        case 'c':
            run.connections = (unsigned)atoi(optarg);
            break;
        case 'n':
            run.limit = strtoull(optarg, NULL, 10);
            break;
        case 's':
            run.seconds = atof(optarg);
            break;
        case 'r':
            run.rate = atof(optarg);
            break;
        default:
            exit(2);
        }
    }
    if (body == NULL || run.port <= 0 || (run.limit == 0 && run.seconds <= 0) || run.connections == 0 ||
        run.connections > CONNECTIONS_MAX || run.apps > APPS_MAX)
        fail("usage",
             "load -p PORT -b BODY (-n REQUESTS | -s SECONDS) [-c CONNECTIONS] [-r RATE] [-u PATH] [-H HEADER]... "
             "[-a APPS]");
    read_body(body);
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    run.latencies = malloc(LATENCIES_MAX * sizeof run.latencies[0]);
    if (run.body == NULL || run.latencies == NULL)
        fail("memory", "is short");
    post_all();
    report();
    return 0;
}
