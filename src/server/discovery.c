/* GET /discovery: what there is to scrape, for http_sd_configs of Prometheus.  An element, as Promregator has it:
 *
 *     {"targets": ["drain.example.com:443"],
 *      "labels": {"__meta_promregator_target_path": "/singleTargetMetrics/6460bea4-c300-46a2-a6c2-3aa2fb271c86/0",
 *                 "__metrics_path__": "/singleTargetMetrics/6460bea4-c300-46a2-a6c2-3aa2fb271c86/0",
 *                 "__meta_promregator_target_orgName": "acme", "__meta_promregator_target_spaceName": "prod",
 *                 "__meta_promregator_target_applicationName": "shop",
 *                 "__meta_promregator_target_applicationId": "6460bea4-c300-46a2-a6c2-3aa2fb271c86",
 *                 "__meta_promregator_target_instanceNumber": "0",
 *                 "__meta_promregator_target_instanceId": "6460bea4-c300-46a2-a6c2-3aa2fb271c86:0"}}
 *
 * A dyno of Heroku has the names that Heroku gives it: applicationName and applicationId are my-shop, instanceNumber is
 * 1, and instanceId my-shop:web.1. */
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/percent.h"
#include "server/http_internal.h"
#include "server/query.h"

static const char name[] = "discovery";

enum {
    ADDRESS_MAX = 300,       /* bytes of a host with its port */
    PATH_MAX_LENGTH = 1200,  /* three times as long as an app's name and a process's, and some */
    ELEMENT_MAX = 24 * 1024, /* bytes: each of a name's may be written as six */
    LABELS_MAX = 8,
    ID_MAX = DIRECTORY_NAME_MAX + PROCESS_NAME_MAX + 2,
};

/* An element, made of cJSON's structures in place. */
struct element {
    cJSON element, targets, target, labels, all[LABELS_MAX];
    size_t label_count;
};

static void make_text(cJSON *item, const char *key, const char *text)
{
    *item = (cJSON){.type = cJSON_String | cJSON_IsReference, .valuestring = (char *)text, .string = (char *)key};
}

static void add_label(struct element *element, const char *key, const char *text)
{
    if (text[0] == '\0')
        return; /* Prometheus makes no difference between an empty label and none */
    cJSON *label = &element->all[element->label_count];
    make_text(label, key, text);
    if (element->label_count++ > 0)
        label[-1].next = label;
}

static void start_element(struct element *element, const char *address)
{
    memset(element, 0, sizeof *element);
    make_text(&element->target, NULL, address);
    element->targets = (cJSON){.type = cJSON_Array, .string = (char *)"targets", .child = &element->target};
    element->labels = (cJSON){.type = cJSON_Object, .string = (char *)"labels", .child = &element->all[0]};
    element->targets.next = &element->labels;
    element->element = (cJSON){.type = cJSON_Object, .child = &element->targets};
}

static void add_path(struct element *element, const char *path)
{
    add_label(element, "__meta_promregator_target_path", path);
    add_label(element, "__metrics_path__", path);
}

static void write_element(struct element *element, struct buffer *list)
{
    buffer_append(list, list->length == 0 ? SLICE("[") : SLICE(",\n"));
    if (!json_write(&element->element, ELEMENT_MAX, list))
        list->failed = true;
}

/* An app, and how it is named here. */
struct described {
    const struct directory_app *app;
    const char *id; /* its GUID, else its name */
    char organization[DIRECTORY_NAME_MAX + 1], space[DIRECTORY_NAME_MAX + 1];
    const char *short_name;
};

static void describe(const struct directory_app *app, struct described *described)
{
    described->app = app;
    described->id = app->guid[0] != '\0' ? app->guid : app->name;
    described->organization[0] = described->space[0] = '\0';
    described->short_name = app->name;
    const char *first = strchr(app->name, '/');
    const char *second = first == NULL ? NULL : strchr(first + 1, '/');
    if (second == NULL)
        return;
    snprintf(described->organization, sizeof described->organization, "%.*s", (int)(first - app->name), app->name);
    snprintf(described->space, sizeof described->space, "%.*s", (int)(second - first - 1), first + 1);
    described->short_name = second + 1;
}

static void add_names(struct element *element, const struct described *described)
{
    add_label(element, "__meta_promregator_target_orgName", described->organization);
    add_label(element, "__meta_promregator_target_spaceName", described->space);
    add_label(element, "__meta_promregator_target_applicationName", described->short_name);
    add_label(element, "__meta_promregator_target_applicationId", described->id);
}

static size_t append_encoded(char *path, size_t length, const char *text)
{
    return length + percent_encode(slice_of(text), path + length, PATH_MAX_LENGTH - 1 - length);
}

static void write_app(struct element *element, const char *address, const struct described *described,
                      struct buffer *list)
{
    char path[PATH_MAX_LENGTH + sizeof "/metrics"] = "/v1/apps/";
    size_t length = append_encoded(path, strlen(path), described->id);
    strcpy(path + length, "/metrics");
    start_element(element, address);
    add_path(element, path);
    add_names(element, described);
    write_element(element, list);
}

/* What an instance is called: "0" for web.0 of Cloud Foundry, where the GUID is that of the process; else its name. */
static const char *instance_of(const struct described *described, const char *process)
{
    bool is_web = described->app->guid[0] != '\0' && strncmp(process, "web.", 4) == 0;
    return is_web ? process + 4 : process;
}

static void write_process(struct element *element, const char *address, const struct described *described,
                          const char *process, struct buffer *list)
{
    char path[PATH_MAX_LENGTH] = "/singleTargetMetrics/", id[ID_MAX];
    const char *instance = instance_of(described, process);
    size_t length = append_encoded(path, strlen(path), described->id);
    path[length++] = '/';
    path[append_encoded(path, length, instance)] = '\0';
    snprintf(id, sizeof id, "%s:%s", described->id, instance);
    start_element(element, address);
    add_path(element, path);
    add_names(element, described);
    add_label(element, "__meta_promregator_target_instanceNumber", strrchr(process, '.') + 1);
    add_label(element, "__meta_promregator_target_instanceId", id);
    write_element(element, list);
}

/* Ourselves, as the last one. */
static void write_self(struct element *element, const char *address, struct buffer *list)
{
    start_element(element, address);
    add_path(element, "/promregatorMetrics");
    write_element(element, list);
}

static void write_targets(struct directory *directory, const struct page_access *access, const char *address,
                          bool by_app, struct buffer *list)
{
    struct element element;
    struct directory_app app;
    struct described described;
    char process[PROCESS_NAME_MAX + 1];
    uint64_t now = clock_monotonic();
    for (size_t position = 0; directory_next_app(directory, &position, now, &app);) {
        if (!page_access_sees(access, &app))
            continue;
        describe(&app, &described);
        if (by_app)
            write_app(&element, address, &described, list);
        for (size_t at = 0; !by_app && directory_next_process(directory, &app, &at, now, process);)
            write_process(&element, address, &described, process, list);
    }
    if (access->scrape == NULL)
        write_self(&element, address, list);
    buffer_append(list, list->length == 0 ? SLICE("[]\n") : SLICE("]\n"));
    buffer_append(list, (struct slice){"", 1});
}

/* The Host of a request with a port.  False if there is none, or it is none that anybody has. */
static bool read_address(h2o_req_t *request, char address[ADDRESS_MAX])
{
    struct slice host = request_host(request);
    if (host.length == 0 || host.length > DIRECTORY_HOST_MAX)
        return false;
    for (size_t i = 0; i < host.length; i++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]", host.at[i]) == NULL)
            return false;
    struct slice scheme = request_header_named(request, SLICE("x-forwarded-proto"));
    bool is_secure = connection_of(request)->tls != NULL || slice_equals(scheme, SLICE("https"));
    size_t bracket = slice_index(host, ']');
    struct slice behind = bracket < host.length ? slice_after(host, bracket) : host;
    bool has_port = slice_index(behind, ':') < behind.length;
    snprintf(address, ADDRESS_MAX, "%.*s%s", (int)host.length, host.at, has_port ? "" : is_secure ? ":443" : ":80");
    return true;
}

static void respond(h2o_req_t *request, struct slice query, const struct page_access *access)
{
    char address[ADDRESS_MAX], by_text[8];
    if (!read_address(request, address)) {
        response_send_text(request, name, 400, "Bad Request", "the header Host has no name that targets could have\n");
        return;
    }
    struct slice by = query_value(query, SLICE("by"), by_text, sizeof by_text);
    struct buffer list = {0};
    write_targets(worker_of(request)->server->modules.directory, access, address, slice_equals(by, SLICE("app")),
                  &list);
    if (list.failed)
        response_send_text(request, name, 503, "Service Unavailable", "out of memory\n");
    else
        response_send(request, &(struct response){name, 200, "OK", "application/json", list.at, NULL, NULL});
    buffer_free(&list);
}

void get_discovery(h2o_req_t *request, struct slice query)
{
    page_access_check(request, query, name, respond);
}
