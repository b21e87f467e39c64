/* kiln history: the builds that were made, one of them with its steps, and what those wrote. */
#include "cli/command.h"
#include "cli/names.h"
#include "cli/table.h"

#include "report/render.h"
#include "report/wire.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    char *format, *progress;
    GPtrArray *filters;
    bool quiet, all;
} Flags;

static gint64 number_of(json_object *o, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(o, key, &value) && value ? json_object_get_int64(value) : -1;
}

static const char *text_of(json_object *o, const char *key)
{
    const char *text = kiln_result_string(o, key);
    return text ? text : "";
}

/* "0.4s", "1m 5s", "2h 0m". g_free(). */
static char *duration_text(gint64 microseconds)
{
    double seconds = (double)microseconds / G_USEC_PER_SEC;
    gint64 whole = microseconds / G_USEC_PER_SEC;
    if (whole < 60)
        return g_strdup_printf("%.1fs", seconds);
    if (whole < 3600)
        return g_strdup_printf("%" G_GINT64_FORMAT "m %" G_GINT64_FORMAT "s", whole / 60, whole % 60);
    return g_strdup_printf("%" G_GINT64_FORMAT "h %" G_GINT64_FORMAT "m", whole / 3600, whole / 60 % 60);
}

/* In buildx's words. */
static const char *status_text(json_object *build)
{
    const char *status = text_of(build, "status");
    return strcmp(status, "built") == 0 ? "completed" : strcmp(status, "failed") == 0 ? "error" : status;
}

/* The first name of the image, else that of the context. g_free(). */
static char *name_text(json_object *build)
{
    json_object *names = kiln_result_array(build, "names");
    if (kiln_array_length(names) > 0)
        return g_strdup(json_object_get_string(json_object_array_get_idx(names, 0)));
    g_autofree char *base = g_path_get_basename(text_of(build, "context"));
    const char *target = text_of(build, "target");
    return *target ? g_strdup_printf("%s (%s)", base, target) : g_steal_pointer(&base);
}

/* "2026-11-28T01:22:33Z". g_free(). */
static char *time_text(gint64 microseconds)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(microseconds / G_USEC_PER_SEC);
    return time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : g_strdup("");
}

/* --- ls --------------------------------------------------------------------------------------- */

static const char *const filter_keys[] = {"status", "name", "context", "target", NULL};

static bool check_filters(const GPtrArray *filters, GError **error)
{
    static const char *const statuses[] = {"completed", "error", "canceled", NULL};
    for (guint i = 0; i < filters->len; i++) {
        const char *text = filters->pdata[i], *equals = strchr(text, '=');
        g_autofree char *key = equals ? g_strndup(text, (gsize)(equals - text)) : NULL;
        if (!key || !g_strv_contains(filter_keys, key))
            return kiln_usage_error(
                error, "--filter \"%s\" is not status=, name=, context= or target= with a value", text);
        if (strcmp(key, "status") == 0 && !g_strv_contains(statuses, equals + 1))
            return kiln_usage_error(error, "--filter \"%s\": there are completed, error and canceled", text);
    }
    return true;
}

static bool has_name(json_object *build, const char *wanted)
{
    json_object *names = kiln_result_array(build, "names");
    bool has = false;
    for (guint i = 0; i < kiln_array_length(names) && !has; i++)
        has = strcmp(json_object_get_string(json_object_array_get_idx(names, i)), wanted) == 0;
    return has;
}

/* A build is listed that has one of the values of each key, as in Docker. */
static bool passes(json_object *build, const GPtrArray *filters)
{
    for (const char *const *key = filter_keys; *key; key++) {
        gsize n = strlen(*key);
        bool asked = false, has = false;
        for (guint i = 0; i < filters->len; i++) {
            const char *text = filters->pdata[i];
            if (strncmp(text, *key, n) != 0 || text[n] != '=')
                continue;
            const char *wanted = text + n + 1;
            asked = true;
            has = has || (strcmp(*key, "name") == 0     ? has_name(build, wanted)
                          : strcmp(*key, "status") == 0 ? strcmp(status_text(build), wanted) == 0
                                                        : strcmp(text_of(build, *key), wanted) == 0);
        }
        if (asked && !has)
            return false;
    }
    return true;
}

static json_object *seconds_new(gint64 microseconds)
{
    double seconds = (double)microseconds / G_USEC_PER_SEC;
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    return json_object_new_double_s(seconds, g_ascii_formatd(text, sizeof text, "%.6f", seconds));
}

/* What only the store wants to know becomes what people and programs do. */
static void make_readable(json_object *build)
{
    gint64 started = number_of(build, "started"), duration = number_of(build, "duration");
    g_autofree char *name = name_text(build), *created = time_text(started);
    json_object_object_add(build, "name", json_object_new_string(name));
    json_object_object_add(build, "status", json_object_new_string(status_text(build)));
    json_object_object_add(build, "created_at", json_object_new_string(created));
    json_object_object_add(build, "seconds", seconds_new(duration));
    json_object_object_del(build, "started");
    json_object_object_del(build, "duration");
}

static void print_json(json_object *o, bool pretty)
{
    puts(json_object_to_json_string_ext(o, (pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED
                                                   : JSON_C_TO_STRING_PLAIN) |
                                               JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void add_line(KilnTable *table, json_object *build, const char *id)
{
    gint64 age = g_get_real_time() - number_of(build, "started");
    g_autofree char *since = kiln_human_duration(MAX(age, 0) / G_USEC_PER_SEC);
    g_autofree char *created = g_strconcat(since, " ago", NULL);
    g_autofree char *duration = duration_text(number_of(build, "duration"));
    g_autofree char *name = name_text(build), *status = g_strdup(status_text(build));
    status[0] = g_ascii_toupper(status[0]);
    kiln_table_add(table, (const char *const[]){id, name, status, created, duration});
}

static void print_list(const Flags *f, json_object *result)
{
    static const char *const headings[] = {"BUILD ID", "NAME", "STATUS", "CREATED AT", "DURATION", NULL};
    g_autoptr(KilnTable) table = kiln_table_new(headings);
    json_object *builds = kiln_result_array(result, "builds");
    for (guint i = 0; i < kiln_array_length(builds); i++) {
        json_object *build = json_object_array_get_idx(builds, i);
        g_autofree char *id = g_strdup_printf("%" G_GINT64_FORMAT, number_of(build, "id"));
        if (!passes(build, f->filters))
            continue;
        if (f->quiet) {
            puts(id);
        } else if (g_strcmp0(f->format, "json") == 0) {
            make_readable(build);
            print_json(build, false);
        } else {
            add_line(table, build, id);
        }
    }
    g_autofree char *text = kiln_table_text(table);
    if (!f->quiet && g_strcmp0(f->format, "json") != 0)
        fputs(text, stdout);
}

/* --- inspect ---------------------------------------------------------------------------------- */

static void print_field(const char *label, const char *value)
{
    g_autofree char *line = kiln_printable(value);
    if (*line)
        printf("%-12s%s\n", label, line);
}

static void print_build(json_object *build)
{
    g_autofree char *name = name_text(build), *started = time_text(number_of(build, "started"));
    g_autofree char *duration = duration_text(number_of(build, "duration"));
    print_field("Name:", name);
    print_field("Context:", text_of(build, "context"));
    print_field("Dockerfile:", text_of(build, "dockerfile"));
    print_field("Target:", text_of(build, "target"));
    print_field("Image:", text_of(build, "image"));
    print_field("Status:", status_text(build));
    print_field("Started:", started);
    print_field("Duration:", duration);
}

/* What was executed, in sum. */
typedef struct {
    guint cached, executed;
    gint64 duration, size;
} Totals;

static void add_step(KilnTable *table, json_object *step, Totals *totals)
{
    const char *verdict = text_of(step, "verdict");
    gint64 size = number_of(step, "size"), line = number_of(step, "line");
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, number_of(step, "index"));
    g_autofree char *at = line > 0 ? g_strdup_printf("%" G_GINT64_FORMAT, line) : g_strdup("-");
    g_autofree char *bytes = size < 0 ? g_strdup("-") : kiln_human_size(size);
    bool cached = strcmp(verdict, "cached") == 0;
    g_autofree char *time = cached ? g_strdup("-") : duration_text(number_of(step, "duration"));
    totals->cached += cached;
    totals->executed += !cached;
    totals->duration += cached ? 0 : number_of(step, "duration");
    totals->size += cached ? 0 : MAX(size, 0);
    /* a table takes as many cells as it has headings */
    const char *cells[] = {number, at, verdict, time, bytes, text_of(step, "name"), text_of(step, "cause")};
    kiln_table_add(table, cells);
}

static void print_steps(json_object *build)
{
    const char *headings[] = {"STEP", "LINE", "VERDICT", "TIME", "SIZE", "NAME", "CAUSE", NULL};
    json_object *steps = kiln_result_array(build, "steps");
    guint n = kiln_array_length(steps);
    bool causes = false;
    for (guint i = 0; i < n; i++)
        causes = causes || *text_of(json_object_array_get_idx(steps, i), "cause");
    if (!causes)
        headings[6] = NULL;
    g_autoptr(KilnTable) table = kiln_table_new(headings);
    Totals totals = {0};
    for (guint i = 0; i < n; i++)
        add_step(table, json_object_array_get_idx(steps, i), &totals);
    g_autofree char *time = duration_text(totals.duration), *size = kiln_human_size(totals.size);
    if (n > 0)
        printf("%-12s%u of %u cached; the others took %s and made %s\n", "Steps:", totals.cached, n, time, size);
    g_autofree char *text = kiln_table_text(table);
    if (n > 0)
        printf("\n%s", text);
    if (*text_of(build, "error"))
        printf("\nERROR: %s\n", text_of(build, "error"));
}

static void inspect(const Flags *f, json_object *build)
{
    if (g_strcmp0(f->format, "json") == 0) {
        json_object *steps = kiln_result_array(build, "steps");
        for (guint i = 0; i < kiln_array_length(steps); i++) {
            json_object *step = json_object_array_get_idx(steps, i);
            static const char *const times[] = {"started", "duration"};
            for (guint k = 0; k < G_N_ELEMENTS(times); k++)
                json_object_object_add(step, times[k], seconds_new(number_of(step, times[k])));
        }
        make_readable(build);
        print_json(build, true);
        return;
    }
    print_build(build);
    print_steps(build);
}

/* --- logs ------------------------------------------------------------------------------------- */

static void print_log(const Flags *f, json_object *build)
{
    KilnRenderer *r = kiln_renderer_new(f->progress ? f->progress : "plain", stdout, false);
    json_object *events = kiln_result_array(build, "log");
    KilnEvent event;
    for (guint i = 0; i < kiln_array_length(events); i++)
        if (kiln_event_from_json(json_object_array_get_idx(events, i), &event))
            kiln_renderer_event(r, &event);
    if (*text_of(build, "error"))
        kiln_renderer_event(
            r, &(KilnEvent){.type = KILN_EVENT_ERROR, .text = text_of(build, "error"), .exit_code = 1});
    kiln_renderer_free(r);
    if (kiln_array_length(events) == 0)
        fputs("kiln history: of this build no output is kept\n", stderr);
}

/* --- Command ---------------------------------------------------------------------------------- */

typedef enum { LIST, INSPECT, LOGS, REMOVE } Verb;

/* Takes the verb off the arguments; a build alone is inspected. */
static Verb find_verb(GPtrArray *arguments)
{
    static const char *const verbs[] = {"ls", "inspect", "logs", "rm"};
    for (guint i = 0; arguments->len > 0 && i < G_N_ELEMENTS(verbs); i++)
        if (strcmp(arguments->pdata[0], verbs[i]) == 0) {
            g_ptr_array_remove_index(arguments, 0);
            return (Verb)i;
        }
    return arguments->len > 0 ? INSPECT : LIST;
}

static bool check(const Flags *f, Verb verb, guint n, GError **error)
{
    static const char *const formats[] = {"table", "json", NULL};
    static const char *const modes[] = {"plain", "rawjson", NULL};
    if (f->format && !g_strv_contains(formats, f->format))
        return kiln_usage_error(error, "--format %s is not supported; there are table and json", f->format);
    if (f->progress && !g_strv_contains(modes, f->progress))
        return kiln_usage_error(error, "--progress %s is not supported; there are plain and rawjson", f->progress);
    if (verb == LIST && n > 0)
        return kiln_usage_error(error, "ls takes no arguments");
    if ((verb == INSPECT || verb == LOGS) && n > 1)
        return kiln_usage_error(error, "takes one build, not %u", n);
    if (verb == REMOVE && f->all == (n > 0))
        return kiln_usage_error(error, "rm takes builds, or --all");
    if (verb != REMOVE && f->all)
        return kiln_usage_error(error, "--all is for rm");
    if (verb != LIST && (f->quiet || f->filters->len > 0))
        return kiln_usage_error(error, "--quiet and --filter are for ls");
    return check_filters(f->filters, error);
}

static KilnRequest *make_request(const KilnCall *call, const Flags *f, Verb verb)
{
    KilnRequest *r = kiln_request_new(verb == REMOVE ? "history-rm" : "history");
    GPtrArray *builds = call->arguments;
    for (guint i = 0; verb == REMOVE && i < builds->len; i++)
        kiln_request_add(r, "builds", builds->pdata[i]);
    if (verb == INSPECT || verb == LOGS)
        kiln_request_set(r, "build", builds->len > 0 ? builds->pdata[0] : "last");
    kiln_request_set(r, "log", verb == LOGS ? "true" : NULL);
    kiln_request_set(r, "all", f->all ? "true" : NULL);
    return r;
}

static int history(KilnCall *call, const Flags *f, GError **error)
{
    Verb verb = find_verb(call->arguments);
    if (!check(f, verb, call->arguments->len, error))
        return 0;
    g_autoptr(KilnRequest) request = make_request(call, f, verb);
    json_object *result;
    int code = kiln_call_run(call, request, "brief", "Reading", &result, error);
    if (result && verb == LIST)
        print_list(f, result);
    else if (result && verb == INSPECT)
        inspect(f, result);
    else if (result && verb == LOGS)
        print_log(f, result);
    json_object_put(result);
    return code;
}

int kiln_command_history(KilnCall *call, GError **error)
{
    Flags f = {.filters = g_ptr_array_new_with_free_func(g_free)};
    const KilnFlag flags[] = {
        {0, "filter", KILN_FLAG_LIST, &f.filters, "KEY=VALUE",
         "ls: builds of this status (completed, error, canceled), name, context or target alone"},
        {0, "format", KILN_FLAG_STRING, &f.format, "table|json", "ls, inspect: for people, or JSON"},
        {'q', "quiet", KILN_FLAG_SWITCH, &f.quiet, NULL, "ls: show the builds' numbers alone"},
        {0, "progress", KILN_FLAG_STRING, &f.progress, "plain|rawjson", "logs: how to show them"},
        {0, "all", KILN_FLAG_SWITCH, &f.all, NULL, "rm: remove all"},
        {0, "no-trunc", KILN_FLAG_IGNORED_SWITCH},
    };
    int code = kiln_call_parse(call, flags, G_N_ELEMENTS(flags), error) ? history(call, &f, error) : 0;
    g_ptr_array_unref(f.filters);
    g_free(f.format);
    g_free(f.progress);
    return code;
}
