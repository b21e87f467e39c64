#include "cli/command.h"

#include "report/render.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TICK_MS 100

/* --- Command line ----------------------------------------------------------------------------- */

char *kiln_command_help(const KilnCommand *command, const KilnFlag *flags, guint n)
{
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "Usage: kiln %s %s\n\n%s\n\nOptions:\n", command->name,
                           command->usage, command->summary);
    kiln_flags_help(flags, n, text);
    return g_string_free(text, FALSE);
}

static bool check_arguments(const KilnCall *call, GError **error)
{
    const KilnCommand *c = call->command;
    guint n = call->arguments->len;
    if (n >= c->arguments_min && n <= c->arguments_max) {
        return true;
    }
    const char *quantity = c->arguments_min == c->arguments_max ? ""
                           : n < c->arguments_min               ? "at least "
                                                                : "at most ";
    guint wanted = n < c->arguments_min ? c->arguments_min : c->arguments_max;
    if (wanted == 0) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE, "takes no arguments, but \"%s\" was given",
                    (char *)g_ptr_array_index(call->arguments, 0));
    } else {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE, "takes %s%u argument%s (%s), not %u",
                    quantity, wanted, wanted == 1 ? "" : "s", c->usage, n);
    }
    return false;
}

bool kiln_call_parse(KilnCall *call, const KilnFlag *flags, guint n, GError **error)
{
    const KilnFlag common[] = {
        {0, "root", KILN_FLAG_STRING, &call->root, "DIR", "Directory of the store"},
        {0, "libexec", KILN_FLAG_STRING, &call->libexec, "DIR",
         "Where kiln-builder and kiln-remote are"},
        {'h', "help", KILN_FLAG_SWITCH, &call->help, NULL, "Show this text"},
    };
    g_autofree KilnFlag *all = g_new(KilnFlag, n + G_N_ELEMENTS(common));
    for (guint i = 0; i < n; i++) {
        all[i] = flags[i];
    }
    memcpy(all + n, common, sizeof common);
    n += G_N_ELEMENTS(common);
    bool (*parse)(const KilnFlag *, guint, int, char **, GPtrArray *, GError **) =
        call->command->failure_code ? kiln_flags_parse_leading : kiln_flags_parse;
    if (!parse(all, n, call->argc, call->argv, call->arguments, error)) {
        return false;
    }
    if (call->help) {
        g_autofree char *text = kiln_command_help(call->command, all, n);
        fputs(text, stdout);
        return false;
    }
    return check_arguments(call, error);
}

char *kiln_path_absolute(const char *path)
{
    if (g_path_is_absolute(path)) {
        return g_strdup(path);
    }
    /* Not g_canonicalize_filename(): "link/.." is not where the text says. */
    g_autofree char *directory = g_get_current_dir();
    return strcmp(path, ".") == 0 ? g_steal_pointer(&directory)
                                  : g_build_filename(directory, path, NULL);
}

void kiln_request_set_path(KilnRequest *r, const char *key, const char *path)
{
    g_autofree char *absolute = strcmp(path, "-") == 0 ? g_strdup(path) : kiln_path_absolute(path);
    kiln_request_set(r, key, absolute);
}

/* --- Operation -------------------------------------------------------------------------------- */

/* What a signal handler can reach must be global. Set while an operation runs. */
static KilnSession *volatile running_session;
static volatile sig_atomic_t received_signal, signals;

static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP};

/* Whoever sends a fourth one does not want to wait for a terminal or pipe that takes no output either. */
static void handle_signal(int number)
{
    received_signal = number;
    signals = signals + 1;
    if (signals > 3) {
        if (running_session) {
            kiln_session_restore_terminal(running_session);
        }
        _exit(128 + number);
    }
    if (running_session) {
        kiln_session_cancel(running_session);
    }
}

/* A terminal in raw mode would be of no use to whoever comes next. */
static void handle_death(int number)
{
    if (running_session) {
        kiln_session_restore_terminal(running_session);
    }
    raise(number); /* SA_RESETHAND: now it is what it would have been */
}

/* That it came is all: the session looks at the size of its terminal whenever it is woken. */
static void handle_resize(int number)
{
    (void)number;
}

static void install_handlers(void)
{
    static const int deaths[] = {SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (guint i = 0; i < G_N_ELEMENTS(deaths); i++) {
        struct sigaction before, action = {.sa_handler = handle_death, .sa_flags = SA_RESETHAND};
        if (sigaction(deaths[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL) {
            sigaction(deaths[i], &action, NULL);
        }
    }
    sigaction(SIGWINCH, &(struct sigaction){.sa_handler = handle_resize}, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(ending_signals); i++) {
        struct sigaction before, action = {.sa_handler = handle_signal, .sa_flags = SA_RESTART};
        /* What nohup or a shell without job control ignores stays ignored. */
        if (sigaction(ending_signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
            sigaction(ending_signals[i], &action, NULL);
        }
    }
}

/* The session is freed next, so no handler may find it. From here the builder only has to exit: a
 * signal ends this process at once. */
static void release_session(void)
{
    sigset_t ending, before;
    sigemptyset(&ending);
    for (guint i = 0; i < G_N_ELEMENTS(ending_signals); i++) {
        sigaddset(&ending, ending_signals[i]);
    }
    sigprocmask(SIG_BLOCK, &ending, &before);
    running_session = NULL;
    for (guint i = 0; i < G_N_ELEMENTS(ending_signals); i++) {
        struct sigaction action;
        if (sigaction(ending_signals[i], NULL, &action) == 0 &&
            action.sa_handler == handle_signal) {
            signal(ending_signals[i], SIG_DFL);
        }
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static KilnRenderer *make_renderer(const char *progress, const char *title)
{
    const char *no_color = g_getenv("NO_COLOR"); /* no-color.org: set and not empty */
    KilnRenderer *renderer = kiln_renderer_new(progress, stderr, !(no_color && *no_color));
    kiln_renderer_set_title(renderer, title);
    return renderer;
}

static json_object *show_events(KilnSession *session, KilnRenderer *renderer)
{
    json_object *result = NULL;
    for (;;) {
        while (!kiln_session_wait(session, TICK_MS)) {
            kiln_renderer_tick(renderer);
        }
        const KilnEvent *event = kiln_session_next(session);
        if (!event) {
            return result;
        }
        kiln_renderer_event(renderer, event);
        if (event->type == KILN_EVENT_RESULT && event->data) {
            json_object_put(result);
            result = json_tokener_parse(event->data);
        }
    }
}

int kiln_call_run(KilnCall *call, KilnRequest *r, const char *progress, const char *title,
                  json_object **result, GError **error)
{
    *result = NULL;
    const char *root = kiln_setting_choose(call->root, "KILN_ROOT", call->settings.root);
    const char *libexec =
        kiln_setting_choose(call->libexec, "KILN_LIBEXEC", call->settings.libexec);
    if (root) {
        kiln_request_set_path(r, "root", root);
    }
    if (libexec) {
        kiln_request_set_path(r, "libexec", libexec);
    }
    received_signal = signals = 0;
    install_handlers();
    KilnSession *session = kiln_session_start(r, error);
    if (!session && received_signal) { /* it may have ended newuidmap too */
        g_clear_error(error);
        fputs("ERROR: interrupted\n", stderr);
        return 128 + received_signal;
    }
    if (!session) {
        return KILN_ERROR_HOST;
    }
    running_session = session;
    if (received_signal) {
        kiln_session_cancel(session); /* it came while the builder was being started */
    }
    KilnRenderer *renderer = make_renderer(progress, title);
    *result = show_events(session, renderer);
    kiln_renderer_free(renderer);
    release_session();
    int code = kiln_session_finish(session);
    return code != 0 && received_signal ? 128 + received_signal : code;
}

/* --- Results ---------------------------------------------------------------------------------- */

const char *kiln_result_string(json_object *o, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(o, key, &value) && json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : NULL;
}

json_object *kiln_result_array(json_object *o, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(o, key, &value) && json_object_is_type(value, json_type_array)
               ? value
               : NULL;
}

guint kiln_array_length(json_object *array)
{
    return array ? (guint)json_object_array_length(array) : 0;
}
