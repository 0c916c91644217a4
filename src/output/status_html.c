#include "output/status_html.h"

#include <math.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/digest.h"
#include "base/metric.h"
#include "output/html.h"
#include "output/sparkline.h"
#include "output/status_text.h"

/* ---- words ---- */

static const struct {
    const char *class;
    const char *mark; /* beside the colour, for who cannot tell colours apart */
    const char *word;
} levels[] = {
    [STATUS_WELL] = {"well", "\xE2\x9C\x93", "Well"},
    [STATUS_TICKET] = {"ticket", "\xE2\x96\xB2", "Look at it"},
    [STATUS_PAGE] = {"page", "\xE2\x9C\x96", "Wrong"},
};

static const struct {
    const char *title;
} titles[STATUS_SECTIONS] = {
    [STATUS_WORKING] = {"Is it working?"}, [STATUS_SEES] = {"What does it see?"}, [STATUS_RATES] = {"The last hour"},
    [STATUS_SPEAKERS] = {"Who speaks?"},   [STATUS_SETTINGS] = {"What is set?"},
};

static void put_state(struct buffer *out, enum status_level level)
{
    html_put(out, "<span class=\"state @\"><span aria-hidden=\"true\">@</span> @</span>", levels[level].class,
             levels[level].mark, levels[level].word);
}

/* "5 messages", "1 message" */
static void put_amount(struct buffer *out, double count, const char *one, const char *many)
{
    char number[STATUS_TEXT_MAX];
    status_number(count, number);
    html_put(out, "@ @", number, count == 1 ? one : many);
}

static void put_ago(struct buffer *out, double now, double time, const char *never)
{
    char duration[STATUS_TEXT_MAX], text[STATUS_TEXT_MAX];
    if (!(time > 0)) {
        html_put(out, "@", never);
        return;
    }
    status_duration(now - time, duration);
    status_time(time, text);
    html_put(out, "<time datetime=\"@\" title=\"@\">@ ago</time>", text, text, duration);
}

/* A list that was cut says so. */
static void put_cut(struct buffer *out, size_t shown, size_t count, const char *what)
{
    char texts[2][STATUS_TEXT_MAX];
    if (shown >= count)
        return;
    status_number((double)shown, texts[0]);
    status_number((double)count, texts[1]);
    html_put(out, "<p class=\"quiet\">These are @ of @ @, the worst first.</p>\n", texts[0], texts[1], what);
}

/* "json 10, header 2" */
static void put_counts(struct buffer *out, const struct status_counts *counts)
{
    char number[STATUS_TEXT_MAX];
    for (size_t i = 0; i < counts->count; i++) {
        status_number(counts->list[i].count, number);
        html_put(out, i == 0 ? "@ @" : ", @ @", counts->list[i].name, number);
    }
}

/* ---- tables ---- */

static void start_section(struct buffer *out, enum status_section section)
{
    const char *name = status_section_name(section);
    html_put(out,
             "<section id=\"@\" aria-labelledby=\"@-title\" data-live>\n<h2 id=\"@-title\" tabindex=\"-1\">@</h2>\n",
             name, name, name, titles[section].title);
}

static void end_section(struct buffer *out)
{
    html_put(out, "</section>\n");
}

/* Roles are said again: what a narrow screen shows as blocks would be no table any more for a screen reader. */
static void start_table(struct buffer *out, const char *caption, const char *const *columns, size_t count)
{
    html_put(out, "<table class=\"@\" role=\"table\"><caption>@</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">",
             count > 2 ? "stack" : "narrow", caption);
    for (size_t i = 0; i < count; i++)
        html_put(out, "<th scope=\"col\" role=\"columnheader\">@</th>", columns[i]);
    html_put(out, "</tr></thead>\n<tbody role=\"rowgroup\">\n");
}

static void end_table(struct buffer *out)
{
    html_put(out, "</tbody></table>\n");
}

static void start_row(struct buffer *out, const char *name)
{
    html_put(out, "<tr role=\"row\"><th scope=\"row\" role=\"rowheader\"><bdi>@</bdi></th>", name);
}

static void end_row(struct buffer *out)
{
    html_put(out, "</tr>\n");
}

static void start_cell(struct buffer *out, const char *label)
{
    html_put(out, "<td role=\"cell\" data-label=\"@\">", label);
}

static void end_cell(struct buffer *out)
{
    html_put(out, "</td>");
}

static void put_cell(struct buffer *out, const char *label, const char *text)
{
    start_cell(out, label);
    html_put(out, "@", text);
    end_cell(out);
}

static void put_number_cell(struct buffer *out, const char *label, double number)
{
    char text[STATUS_TEXT_MAX];
    status_number(number, text);
    put_cell(out, label, text);
}

/* A sum, and below it what it is made of. */
static void put_counts_cell(struct buffer *out, const char *label, double sum, const struct status_counts *counts)
{
    char text[STATUS_TEXT_MAX];
    start_cell(out, label);
    status_number(sum, text);
    html_put(out, "@", text);
    if (counts->count > 0) {
        html_put(out, "<span class=\"why\">");
        put_counts(out, counts);
        html_put(out, "</span>");
    }
    end_cell(out);
}

/* ---- is it working? ---- */

static void put_verdict(const struct status *status, struct buffer *out)
{
    size_t wrong = 0;
    html_put(out, "<p class=\"verdict @\" id=\"verdict\"><span aria-hidden=\"true\">@</span> ",
             levels[status->level].class, levels[status->level].mark);
    for (size_t i = 0; i < status->problems_shown; i++)
        wrong += status->problems[i].level == STATUS_PAGE;
    if (wrong > 0)
        put_amount(out, (double)wrong, "thing is wrong", "things are wrong");
    if (wrong > 0 && status->problem_count > wrong)
        html_put(out, ", ");
    if (status->problem_count > wrong)
        put_amount(out, (double)(status->problem_count - wrong), "thing to look at", "things to look at");
    if (status->problem_count == 0)
        html_put(out, status->app_count == 0 ? "No app has sent anything yet." : "All is well.");
    html_put(out, "</p>\n");
}

static void put_problem(const struct status_problem *problem, struct buffer *out)
{
    struct buffer text = {0};
    html_put(out, "<li class=\"@\"><span aria-hidden=\"true\">@</span> <span class=\"heard\">@: </span>",
             levels[problem->level].class, levels[problem->level].mark, levels[problem->level].word);
    if (problem->app != NULL)
        html_put(out, "<strong><bdi>@</bdi></strong>: ", problem->app);
    status_problem_text(problem, &text);
    out->failed |= text.failed;
    html_escape(out, (struct slice){text.at, text.length});
    buffer_free(&text);
    html_put(out, "</li>\n");
}

static void put_fact(struct buffer *out, const char *name, const char *text)
{
    html_put(out, "<div><dt>@</dt><dd>@</dd></div>\n", name, text);
}

static void put_canary(const struct status *status, struct buffer *out)
{
    char ago[STATUS_TEXT_MAX], text[2 * STATUS_TEXT_MAX];
    const struct status_canary *canary = &status->canary;
    if (!canary->is_set)
        return;
    status_duration(status->now - canary->last_success, ago);
    snprintf(text, sizeof text, "back %s ago, after %.2f s", ago, canary->latency);
    put_fact(out, "Canary", canary->last_success > 0 ? text : "none has come back yet");
}

static void put_facts(const struct status *status, struct buffer *out)
{
    char text[STATUS_TEXT_MAX], limit[STATUS_TEXT_MAX], both[2 * STATUS_TEXT_MAX + 4];
    html_put(out, "<dl class=\"facts\">\n");
    status_number((double)status->app_count, text);
    put_fact(out, "Apps", text);
    status_rate(status->messages_per_second, text);
    put_fact(out, "Messages a second", text);
    status_number(status->received, text);
    put_fact(out, "Messages since the start", text);
    if (status->sees_all) {
        status_number(status->series, text);
        status_number(status->series_limit, limit);
        snprintf(both, sizeof both, "%s of %s", text, limit);
        put_fact(out, "Series, of MAX_SERIES", both);
        status_number(status->connections, text);
        put_fact(out, "Open connections", text);
        put_canary(status, out);
    }
    html_put(out, "</dl>\n");
}

static void spell_lag(double lag, char out[STATUS_TEXT_MAX])
{
    if (lag >= 60 || isnan(lag))
        status_duration(lag, out);
    else
        snprintf(out, STATUS_TEXT_MAX, lag < 10 ? "%.1f s" : "%.0f s", lag);
}

static void put_app(const struct status *status, const struct status_app *app, struct buffer *out)
{
    char text[STATUS_TEXT_MAX], label[STATUS_TEXT_MAX + 64];
    start_row(out, app->name);
    start_cell(out, "State");
    put_state(out, app->level);
    end_cell(out);
    start_cell(out, "Last batch");
    put_ago(out, status->now, app->last_batch, "none yet");
    end_cell(out);
    status_rate(app->messages_per_second, text);
    start_cell(out, "Messages a second");
    html_put(out, "@", text);
    if (app->messages.known) {
        snprintf(label, sizeof label, "messages in each minute of the last hour, now %s a second", text);
        sparkline_write(app->messages.values, STATUS_MINUTES, label, out);
    }
    end_cell(out);
    spell_lag(app->lag, text);
    put_cell(out, "Lag", text);
    put_counts_cell(out, "Lost upstream", app->lost.total, &app->lost);
    put_counts_cell(out, "Unreadable", app->malformed.total, &app->malformed);
    struct status_counts refused = app->refused;
    put_counts_cell(out, "Turned away", refused.total + app->foreign, &refused);
    start_cell(out, "Series");
    status_number(app->series, text);
    html_put(out, "@", text);
    if (app->series_limit > 0) {
        status_number(app->series_limit, text);
        html_put(out, "<span class=\"why\">of @</span>", text);
    }
    if (app->series_refused > 0) {
        status_number(app->series_refused, text);
        html_put(out, "<span class=\"why\">@ samples refused</span>", text);
    }
    end_cell(out);
    end_row(out);
}

static void put_working(const struct status *status, struct buffer *out)
{
    static const char *const columns[] = {"App",          "State",         "Last batch", "Messages a second",
                                          "Lag, seconds", "Lost upstream", "Unreadable", "Turned away",
                                          "Series"};
    start_section(out, STATUS_WORKING);
    put_verdict(status, out);
    if (status->problems_shown > 0) {
        html_put(out, "<ul class=\"problems\" aria-label=\"What is wrong\">\n");
        for (size_t i = 0; i < status->problems_shown; i++)
            put_problem(&status->problems[i], out);
        html_put(out, "</ul>\n");
        put_cut(out, status->problems_shown, status->problem_count, "problems");
    }
    put_facts(status, out);
    if (status->apps_shown > 0) {
        start_table(out, "Each app; counts are since the exporter started", columns, COUNT(columns));
        for (size_t i = 0; i < status->apps_shown; i++)
            put_app(status, &status->apps[i], out);
        end_table(out);
        put_cut(out, status->apps_shown, status->app_count, "apps");
    }
    if (status->sees_all && status->refused_clients.count > 0) {
        html_put(out, "<p>Requests and connections refused because of where they come from: ");
        put_counts(out, &status->refused_clients);
        html_put(out, ".</p>\n");
    }
    end_section(out);
}

/* ---- what does it see? ---- */

static void put_families(const struct status_app *app, struct buffer *out)
{
    static const char *const columns[] = {"Family", "Messages"};
    start_table(out, "Messages that gave metrics, by family", columns, COUNT(columns));
    for (size_t i = 0; i < app->families.count; i++) {
        start_row(out, app->families.list[i].name);
        put_number_cell(out, "Messages", app->families.list[i].count);
        end_row(out);
    }
    end_table(out);
}

static void put_shapes(const struct status_app *app, struct buffer *out)
{
    html_put(out, "<h3>The commonest lines that gave no metric</h3>\n<ul class=\"shapes\">\n");
    for (size_t i = 0; i < app->shape_count; i++) {
        const struct status_shape *shape = &app->shapes[i];
        html_put(out, "<li>about ");
        put_amount(out, shape->lines, "line", "lines");
        html_put(out, ": <code>@</code><span class=\"why\">such as <code>@</code></span>", shape->shape,
                 shape->example);
        if (shape->rule != NULL)
            html_put(out, "\n<pre tabindex=\"0\" aria-label=\"a rule to start from\">@</pre>", shape->rule);
        html_put(out, "</li>\n");
    }
    html_put(out, "</ul>\n");
}

static void put_processes(const struct status_app *app, struct buffer *out)
{
    if (app->process_count == 0)
        return;
    html_put(out, "<p>");
    put_amount(out, (double)app->process_count, "process is", "processes are");
    html_put(out, " alive: ");
    for (size_t i = 0; i < app->processes_shown; i++)
        html_put(out, i == 0 ? "<bdi>@</bdi>" : ", <bdi>@</bdi>", app->processes[i]);
    html_put(out, app->processes_shown < app->process_count ? ", and more.</p>\n" : ".</p>\n");
}

static void put_sight(const struct status *status, const struct status_app *app, struct buffer *out)
{
    html_put(out, "<details data-key=\"@\"@>\n<summary><bdi>@</bdi> <span class=\"quiet\">", app->name,
             status->apps_shown == 1 ? " open" : "", app->name);
    put_amount(out, (double)app->families.count, "family", "families");
    html_put(out, ", ");
    put_amount(out, (double)app->process_count, "process", "processes");
    html_put(out, ", ");
    put_amount(out, app->ignored, "message", "messages");
    html_put(out, " without a metric</span></summary>\n");
    put_processes(app, out);
    if (app->families.count > 0)
        put_families(app, out);
    if (app->rejected.count > 0) {
        html_put(out, "<p>Samples that could not be used, by reason: ");
        put_counts(out, &app->rejected);
        html_put(out, ".</p>\n");
    }
    if (app->shape_count > 0)
        put_shapes(app, out);
    else if (!status->has_shapes)
        html_put(out, "<p class=\"quiet\">Lines that gave no metric are not shown: SHOW_UNMATCHED is false.</p>\n");
    html_put(out, "</details>\n");
}

static void put_rules(const struct status *status, struct buffer *out)
{
    static const char *const columns[] = {"Rule", "State", "Lines taken", "Given up", "Values not read"};
    html_put(out, "<h3>Rules</h3>\n");
    start_table(out, "Rules of the configuration; counts are since the exporter started", columns, COUNT(columns));
    for (size_t i = 0; i < status->rules_shown; i++) {
        const struct status_rule *rule = &status->rules[i];
        start_row(out, rule->name);
        put_cell(out, "State", rule->off ? "switched off" : "on");
        put_number_cell(out, "Lines taken", rule->lines);
        put_number_cell(out, "Given up", rule->errors);
        put_number_cell(out, "Values not read", rule->unread);
        end_row(out);
    }
    end_table(out);
    put_cut(out, status->rules_shown, status->rule_count, "rules");
}

static void put_sees(const struct status *status, struct buffer *out)
{
    start_section(out, STATUS_SEES);
    if (status->apps_shown == 0)
        html_put(out, "<p>Nothing yet.</p>\n");
    for (size_t i = 0; i < status->apps_shown; i++)
        put_sight(status, &status->apps[i], out);
    put_cut(out, status->apps_shown, status->app_count, "apps");
    if (status->sees_all && status->rules_shown > 0)
        put_rules(status, out);
    end_section(out);
}

/* ---- the last hour ---- */

static void put_chart(struct buffer *out, const char *title, const struct status_minutes *minutes)
{
    char now[STATUS_TEXT_MAX] = "-", most[STATUS_TEXT_MAX], label[2 * STATUS_TEXT_MAX + 128];
    double largest = 0;
    for (size_t i = 0; i < STATUS_MINUTES; i++)
        largest = fmax(largest, minutes->values[i]); /* not NAN, of two */
    status_rate(largest, most);
    status_rate(minutes->values[STATUS_MINUTES - 2], now);
    snprintf(label, sizeof label, "%s over the last hour: %s in the last whole minute, at most %s", title, now, most);
    html_put(out, "<figure><figcaption>@ <span class=\"quiet\">@ in the last minute, at most @</span></figcaption>",
             title, now, most);
    sparkline_write(minutes->values, STATUS_MINUTES, label, out);
    html_put(out, "</figure>\n");
}

static void put_rates(const struct status *status, struct buffer *out)
{
    bool known = false;
    start_section(out, STATUS_RATES);
    for (size_t i = 0; i < status->apps_shown; i++) {
        const struct status_app *app = &status->apps[i];
        if (!app->messages.known)
            continue;
        known = true;
        html_put(out, "<h3><bdi>@</bdi></h3>\n<div class=\"charts\">\n", app->name);
        put_chart(out, "Messages a minute", &app->messages);
        put_chart(out, "Errors a minute", &app->errors);
        put_chart(out, "Lag, seconds", &app->lags);
        html_put(out, "</div>\n");
    }
    if (!known)
        html_put(out, "<p>Nothing yet.</p>\n");
    put_cut(out, status->apps_shown, status->app_count, "apps");
    end_section(out);
}

/* ---- who speaks? ---- */

static void put_credentials(const struct status *status, struct buffer *out)
{
    static const char *const columns[] = {"Name", "May", "Password", "Last used"};
    start_table(out, "Passwords and tokens that are let in", columns, COUNT(columns));
    for (size_t i = 0; i < status->credentials_shown; i++) {
        const struct status_credential *credential = &status->credentials[i];
        start_row(out, credential->name);
        put_cell(out, "May", strcmp(credential->role, "drain") == 0 ? "post" : "read");
        put_cell(out, "Password", credential->slot);
        start_cell(out, "Last used");
        put_ago(out, status->now, credential->last_used, "not since the start");
        end_cell(out);
        end_row(out);
    }
    end_table(out);
    put_cut(out, status->credentials_shown, status->credential_count, "credentials");
}

static const char *user_in_words(const char *user)
{
    static const struct {
        const char *user, *words;
    } words[] = {
        {"__other__", "users that are not configured"},
        {"__none__", "nobody: no credentials"},
        {"__token__", "bearer tokens"},
    };
    for (size_t i = 0; i < COUNT(words); i++)
        if (strcmp(user, words[i].user) == 0)
            return words[i].words;
    return user;
}

static void put_logins(const struct status *status, struct buffer *out)
{
    static const char *const columns[] = {"User", "Wanted to", "Failures", "Last"};
    start_table(out, "Log-ins that failed since the exporter started", columns, COUNT(columns));
    for (size_t i = 0; i < status->logins_shown; i++) {
        const struct status_login *login = &status->logins[i];
        start_row(out, user_in_words(login->user));
        put_cell(out, "Wanted to", strcmp(login->role, "drain") == 0 ? "post" : "read");
        put_number_cell(out, "Failures", login->failures);
        start_cell(out, "Last");
        put_ago(out, status->now, login->last, "-");
        end_cell(out);
        end_row(out);
    }
    end_table(out);
    put_cut(out, status->logins_shown, status->login_count, "users");
}

static void put_speakers(const struct status *status, struct buffer *out)
{
    char left[STATUS_TEXT_MAX], time[STATUS_TEXT_MAX];
    start_section(out, STATUS_SPEAKERS);
    if (status->credentials_shown > 0)
        put_credentials(status, out);
    if (status->logins_shown > 0)
        put_logins(status, out);
    else
        html_put(out, "<p>No log-in has failed since the exporter started.</p>\n");
    if (status->has_tls) {
        status_duration(status->certificate_expiry - status->now, left);
        status_time(status->certificate_expiry, time);
        html_put(out, "<p>The TLS certificate expires in @, on <time>@</time>.</p>\n", left, time);
    } else
        html_put(out, "<p>There is no TLS certificate: it speaks HTTP, or a balancer in front speaks TLS.</p>\n");
    end_section(out);
}

/* ---- what is set? ---- */

static void put_load(const struct status *status, struct buffer *out)
{
    const struct status_load *load = &status->load, *failed = &status->failed_load;
    html_put(out, "<h3>Configuration</h3>\n<p>");
    if (load->source == NULL)
        html_put(out, "There is none: neither CONFIG_FILE nor CONFIG is set. Settings were read ");
    else
        html_put(out, "<code>@</code> was read ", load->source);
    put_ago(out, status->now, load->time, "at the start");
    html_put(out, ".");
    if (load->digest != NULL)
        html_put(out, " Its SHA-256 is <code>@</code>.", load->digest);
    html_put(out, "</p>\n");
    if (!(failed->time > 0))
        return;
    html_put(out, "<p>It could not be read ");
    put_ago(out, status->now, failed->time, "");
    html_put(out,
             ": nothing was changed, because there were mistakes.</p>\n<pre tabindex=\"0\" "
             "aria-label=\"mistakes\">@</pre>\n",
             failed->messages);
}

static void put_settings(const struct status *status, struct buffer *out)
{
    static const char *const columns[] = {"Setting", "Value", "From"};
    start_section(out, STATUS_SETTINGS);
    put_load(status, out);
    html_put(out, "<h3>Settings</h3>\n");
    start_table(out, "All settings; of secrets only whether they are set", columns, COUNT(columns));
    for (size_t i = 0; i < status->setting_count; i++) {
        const struct status_setting *setting = &status->settings[i];
        start_row(out, setting->name);
        start_cell(out, "Value");
        html_put(out, setting->secret || setting->value == NULL ? "@" : "<code>@</code>",
                 setting->value == NULL ? "not set" : setting->value);
        end_cell(out);
        put_cell(out, "From", setting->origin);
        end_row(out);
    }
    end_table(out);
    end_section(out);
}

/* ---- the page ---- */

static void (*const writers[STATUS_SECTIONS])(const struct status *, struct buffer *) = {
    [STATUS_WORKING] = put_working,   [STATUS_SEES] = put_sees,         [STATUS_RATES] = put_rates,
    [STATUS_SPEAKERS] = put_speakers, [STATUS_SETTINGS] = put_settings,
};

static bool is_shown(const struct status *status, unsigned section)
{
    return status->sees_all || !status_section_is_private((enum status_section)section);
}

static void put_title(const struct status *status, struct buffer *out)
{
    html_put(out, "<title>");
    if (status->problem_count > 0) {
        put_amount(out, (double)status->problem_count, "problem", "problems");
        html_put(out, " - ");
    }
    html_put(out, "drain_exporter</title>\n");
}

static void put_head(const struct status *status, struct buffer *out)
{
    html_put(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n"
                  "<link rel=\"icon\" href=\"data:,\">\n");
    put_title(status, out);
    html_put(out, "<style>");
    buffer_append(out, status_text_style());
    html_put(out, "</style>\n</head>\n");
}

static void put_header(const struct status *status, struct buffer *out)
{
    char up[STATUS_TEXT_MAX], now[STATUS_TEXT_MAX], clock[STATUS_TEXT_MAX] = "";
    status_duration(status->now - status->started, up);
    status_time(status->now, now);
    if (strlen(now) > 19)
        snprintf(clock, sizeof clock, "%.8s", now + 11);
    html_put(out,
             "<body>\n<a class=\"skip\" href=\"#working-title\">Skip to what is wrong</a>\n<header>\n"
             "<h1>drain_exporter</h1>\n<p class=\"quiet\" id=\"clock\" data-live>@, up for @, as of <time "
             "datetime=\"@\">@ UTC</time></p>\n"
             "<p><span id=\"refresh\"></span></p>\n<p class=\"heard\" id=\"heard\" role=\"status\"></p>\n"
             "<nav aria-label=\"Sections\"><ul>\n",
             status->version, up, now, clock);
    for (unsigned i = 0; i < STATUS_SECTIONS; i++)
        if (is_shown(status, i))
            html_put(out, "<li><a href=\"#@-title\">@</a></li>\n", status_section_name((enum status_section)i),
                     titles[i].title);
    html_put(out,
             "</ul></nav>\n<form role=\"search\" aria-label=\"Apps\"><label for=\"app\">Only the app</label>\n"
             "<input id=\"app\" name=\"app\" value=\"@\" autocapitalize=\"none\" autocomplete=\"off\" "
             "spellcheck=\"false\">\n"
             "<button>Show</button></form>\n",
             status->only);
    if (status->only != NULL)
        html_put(out, "<p><a href=\"?\">Show all apps</a></p>\n");
    html_put(out, "</header>\n");
}

void status_write_html(const struct status *status, struct buffer *out)
{
    put_head(status, out);
    put_header(status, out);
    html_put(out, "<main>\n");
    for (unsigned i = 0; i < STATUS_SECTIONS; i++)
        if (is_shown(status, i))
            writers[i](status, out);
    html_put(out, "</main>\n<footer><p>The same as JSON: <a href=\"status\">status</a>. The metrics: "
                  "<a href=\"metrics\">metrics</a>.</p></footer>\n<script>");
    buffer_append(out, status_text_script());
    html_put(out, "</script>\n</body>\n</html>\n");
}

static void digest_of(struct slice text, char out[64])
{
    unsigned char digest[DIGEST_SIZE];
    digest_make(text, digest);
    base64_encode((struct slice){(const char *)digest, sizeof digest}, out);
}

void status_policy(char policy[STATUS_POLICY_MAX])
{
    char style[64], script[64];
    digest_of(status_text_style(), style);
    digest_of(status_text_script(), script);
    snprintf(policy, STATUS_POLICY_MAX,
             "default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; connect-src 'self'; img-src data:; "
             "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
             style, script);
}
