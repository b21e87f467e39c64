/* Sessions with a builder made of shell: it reads the request from fd 3 and answers there. */
#include <kiln/kiln.h>

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    char *libexec;
    char *notes; /* a file that the scripts write to: $NOTES */
} Fixture;

static void write_script(const Fixture *f, const char *name, const char *body)
{
    g_autofree char *path = g_build_filename(f->libexec, name, NULL);
    g_autofree char *text = g_strconcat("#!/bin/sh\n", body, "\n", NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_cmpint(g_chmod(path, 0755), ==, 0);
}

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    f->libexec = g_dir_make_tmp("kiln-session-XXXXXX", NULL);
    f->notes = g_build_filename(f->libexec, "notes", NULL);
    g_setenv("NOTES", f->notes, TRUE);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    static const char *const names[] = {"kiln-builder", "kiln-remote", "notes"};
    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(f->libexec, names[i], NULL);
        g_remove(path);
    }
    g_assert_cmpint(g_rmdir(f->libexec), ==, 0);
    g_free(f->libexec);
    g_free(f->notes);
}

/* NULL if this host has no user namespaces: the test is skipped. */
static KilnSession *start_with(const Fixture *f, const char *builder, const char *ssh)
{
    g_autoptr(GError) error = NULL;
    write_script(f, "kiln-builder", builder);
    g_autoptr(KilnRequest) r = kiln_request_new("probe");
    kiln_request_set(r, "libexec", f->libexec);
    kiln_request_set(r, "root", "/nonexistent/store");
    if (ssh) {
        kiln_request_add(r, "ssh", ssh);
    }
    KilnSession *s = kiln_session_start(r, &error);
    if (!s && g_error_matches(error, KILN_ERROR, KILN_ERROR_HOST)) {
        g_test_skip(error->message);
        return NULL;
    }
    g_assert_no_error(error);
    return s;
}

static KilnSession *start(const Fixture *f, const char *builder)
{
    return start_with(f, builder, NULL);
}

/* The next event that is no warning about id maps, which depend on who runs the test. */
static const KilnEvent *next(KilnSession *s)
{
    const KilnEvent *e;
    do {
        e = kiln_session_next(s);
    } while (e && e->type == KILN_EVENT_WARNING);
    return e;
}

static char *read_notes(const Fixture *f)
{
    char *text = NULL;
    g_assert_true(g_file_get_contents(f->notes, &text, NULL, NULL));
    return text;
}

#define SAY(json) "echo '" json "' >&3\n"
#define READ_REQUEST "read -r request <&3\n"

static void test_events(Fixture *f, gconstpointer data)
{
    (void)data;
    KilnSession *s = start(f, READ_REQUEST "echo \"$request\" > $NOTES\n" SAY(
                                  "{\"event\":\"step_start\",\"step\":1,\"name\":\"one\"}")
                                  SAY("{\"event\":\"result\",\"data\":{\"a\":1}}"));
    if (!s) {
        return;
    }
    const KilnEvent *e = next(s);
    g_assert_cmpint(e->type, ==, KILN_EVENT_STEP_START);
    g_assert_cmpstr(e->name, ==, "one");
    e = next(s);
    g_assert_cmpint(e->type, ==, KILN_EVENT_RESULT);
    g_assert_cmpstr(e->data, ==, "{\"a\":1}");
    g_assert_null(next(s));
    g_assert_null(next(s));
    g_assert_cmpint(kiln_session_finish(s), ==, 0);
    g_autofree char *request = read_notes(f);
    g_assert_true(g_str_has_prefix(request, "{\"op\":\"probe\",\"root\":\"/nonexistent/store\""));
}

/* finish() alone waits for the end too. */
static void test_error(Fixture *f, gconstpointer data)
{
    (void)data;
    KilnSession *s = start(f, READ_REQUEST SAY("{\"event\":\"step_start\",\"step\":1}")
                                  SAY("{\"event\":\"error\",\"text\":\"no\",\"exit_code\":3}"));
    if (s) {
        g_assert_cmpint(kiln_session_finish(s), ==, 3);
    }
}

static void test_death(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *script, *says;
    } cases[] = {
        {READ_REQUEST "exit 7", "status 7"},
        {"exit 0", "status 0"},
        {READ_REQUEST "kill -SEGV $$", "signal 11"},
        {READ_REQUEST "kill -KILL $$", "memory"},
        /* What is no JSON is not waited for: the wire is closed. */
        {READ_REQUEST "echo 'no json' >&3; read -r line <&3; exit 6", "status 6"},
        /* A child that outlives it and holds the wire does not keep the session. */
        {READ_REQUEST "read line <&3 & exit 5", "status 5"},
    };
    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        KilnSession *s = start(f, cases[i].script);
        if (!s) {
            return;
        }
        const KilnEvent *e = next(s);
        g_assert_cmpint(e->type, ==, KILN_EVENT_ERROR);
        g_assert_nonnull(strstr(e->text, cases[i].says));
        g_assert_cmpint(kiln_session_finish(s), ==, 1);
    }
}

/* In the namespaces it is root, has a session of its own, and no terminal on standard input. */
static void test_surroundings(Fixture *f, gconstpointer data)
{
    (void)data;
    KilnSession *s =
        start(f, READ_REQUEST
              "id -u > $NOTES\n"
              "set -- $(cat /proc/$$/stat); [ $6 = $$ ] && echo leader >> $NOTES\n"
              "[ /proc/$$/fd/0 -ef /dev/null ] && echo null >> $NOTES\n"
              "for n in 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && echo $n >> $NOTES; done\n" SAY(
                  "{\"event\":\"result\"}"));
    if (!s) {
        return;
    }
    g_assert_cmpint(kiln_session_finish(s), ==, 0);
    g_autofree char *notes = read_notes(f);
    g_assert_cmpstr(notes, ==, "0\nleader\nnull\n");
}

static void test_cancel(Fixture *f, gconstpointer data)
{
    (void)data;
    KilnSession *s =
        start(f, READ_REQUEST "read -r line <&3\necho \"$line\" > $NOTES\n" SAY(
                     "{\"event\":\"error\",\"text\":\"interrupted\",\"exit_code\":130}"));
    if (!s) {
        return;
    }
    while (kiln_session_wait(s, 1)) {
        g_assert_cmpint(kiln_session_next(s)->type, ==, KILN_EVENT_WARNING);
    }
    kiln_session_cancel(s);
    g_assert_cmpint(next(s)->exit_code, ==, 130);
    g_assert_cmpint(kiln_session_finish(s), ==, 130);
    g_autofree char *notes = read_notes(f);
    g_assert_cmpstr(notes, ==, "{\"message\":\"cancel\"}\n");
}

/* A builder that does not listen is killed by the third wish. */
static void test_cancel_hung(Fixture *f, gconstpointer data)
{
    (void)data;
    KilnSession *s = start(f, "kill -STOP $$");
    if (!s) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        kiln_session_cancel(s);
    }
    const KilnEvent *e = next(s);
    g_assert_cmpint(e->type, ==, KILN_EVENT_ERROR);
    g_assert_cmpstr(e->text, ==, "interrupted");
    g_assert_cmpint(kiln_session_finish(s), ==, 130);
}

#define ASK_REMOTE SAY("{\"message\":\"remote\",\"id\":5,\"argv\":[\"pull\",\"a b\"]}")
#define NOTE_LINE "read -r line <&3\necho \"$line\" >> $NOTES\n"

static void test_remote(Fixture *f, gconstpointer data)
{
    (void)data;
    write_script(f, "kiln-remote",
                 "echo '{\"event\":\"progress\",\"done\":1}'\necho not json\n"
                 "printf '{\"args\":\"%s,%s\"}\\n' \"$1\" \"$2\"\nexit 3");
    KilnSession *s = start(
        f, READ_REQUEST ASK_REMOTE NOTE_LINE NOTE_LINE NOTE_LINE SAY("{\"event\":\"result\"}"));
    if (!s) {
        return;
    }
    g_assert_cmpint(kiln_session_finish(s), ==, 0);
    g_autofree char *notes = read_notes(f);
    g_assert_cmpstr(
        notes, ==,
        "{\"message\":\"remote\",\"id\":5,\"line\":{\"event\":\"progress\",\"done\":1}}\n"
        "{\"message\":\"remote\",\"id\":5,\"line\":{\"args\":\"pull,a b\"}}\n"
        "{\"message\":\"remote\",\"id\":5,\"exit\":3}\n");
}

/* An agent of the environment is not for what a Dockerfile names; one that was given is. */
static void test_remote_agent(Fixture *f, gconstpointer data)
{
    static const char *const given[] = {NULL, "other", "default"};
    (void)data;
    g_autofree char *own = g_build_filename(f->libexec, "own", NULL);
    g_assert_true(g_file_set_contents(own, "", 0, NULL));
    g_setenv("SSH_AUTH_SOCK", own, TRUE);
    write_script(f, "kiln-remote", "echo \"<$SSH_AUTH_SOCK>\" >> $NOTES\necho '{}'");
    for (guint i = 0; i < G_N_ELEMENTS(given); i++) {
        KilnSession *s =
            start_with(f, READ_REQUEST ASK_REMOTE "read -r line <&3\nread -r line <&3\n" SAY(
                              "{\"event\":\"result\"}"), given[i]);
        if (!s) {
            g_remove(own);
            return;
        }
        g_assert_cmpint(kiln_session_finish(s), ==, 0);
    }
    g_unsetenv("SSH_AUTH_SOCK");
    g_remove(own);
    g_autofree char *notes = read_notes(f);
    g_autofree char *expected = g_strdup_printf("<>\n<>\n<%s>\n", own);
    g_assert_cmpstr(notes, ==, expected);
}

static void test_remote_missing(Fixture *f, gconstpointer data)
{
    (void)data;
    KilnSession *s =
        start(f, READ_REQUEST ASK_REMOTE NOTE_LINE NOTE_LINE SAY("{\"event\":\"result\"}"));
    if (!s) {
        return;
    }
    g_assert_cmpint(kiln_session_finish(s), ==, 0);
    g_autofree char *notes = read_notes(f);
    g_assert_nonnull(strstr(notes, "\"event\":\"error\",\"message\":\"kiln-remote, "));
    g_assert_nonnull(strstr(notes, "{\"message\":\"remote\",\"id\":5,\"exit\":127}\n"));
}

/* One that still runs when the operation ends does not outlive it. */
static void test_remote_left(Fixture *f, gconstpointer data)
{
    (void)data;
    write_script(f, "kiln-remote", "echo $$ > $NOTES\necho '{}'\nkill -STOP $$");
    KilnSession *s =
        start(f, READ_REQUEST ASK_REMOTE "read -r line <&3\n" SAY("{\"event\":\"result\"}"));
    if (!s) {
        return;
    }
    g_assert_cmpint(kiln_session_finish(s), ==, 0);
    g_autofree char *notes = read_notes(f);
    g_assert_cmpint(kill((pid_t)g_ascii_strtoll(notes, NULL, 10), 0), ==, -1);
}

static void test_not_installed(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnRequest) r = kiln_request_new("images");
    kiln_request_set(r, "libexec", f->libexec);
    g_assert_null(kiln_session_start(r, &error));
    g_assert_error(error, KILN_ERROR, KILN_ERROR_HOST);
    g_assert_nonnull(strstr(error->message, "kiln-builder is not installed"));
}

/* In a directory for all, a link is not taken for one's store. */
static void test_foreign_root(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autofree char *link = g_build_filename(f->libexec, "notes", NULL);
    g_assert_cmpint(symlink("/somewhere", link), ==, 0);
    g_assert_cmpint(g_chmod(f->libexec, 01777), ==, 0);
    write_script(f, "kiln-builder", "exit 0");
    g_autoptr(KilnRequest) r = kiln_request_new("images");
    kiln_request_set(r, "libexec", f->libexec);
    kiln_request_set(r, "root", link);
    g_assert_null(kiln_session_start(r, &error));
    g_assert_error(error, KILN_ERROR, KILN_ERROR_HOST);
    g_assert_nonnull(strstr(error->message, "belongs to another user"));
}

/* What the builder starts can find it as /proc/self/exe. */
static void test_program_is_readonly(Fixture *f, gconstpointer data)
{
    (void)data;
    KilnSession *s =
        start(f, READ_REQUEST "{ echo '# more' >>\"$0\"; } 2>/dev/null && echo written >$NOTES "
                              "|| echo refused >$NOTES\n" SAY("{\"event\":\"result\"}"));
    if (!s) {
        return;
    }
    g_assert_cmpint(kiln_session_finish(s), ==, 0);
    g_autofree char *notes = read_notes(f);
    g_assert_cmpstr(notes, ==, "refused\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add(name, Fixture, NULL, set_up, function, tear_down)
    ADD("/front/session/events", test_events);
    ADD("/front/session/error", test_error);
    ADD("/front/session/death", test_death);
    ADD("/front/session/surroundings", test_surroundings);
    ADD("/front/session/cancel", test_cancel);
    ADD("/front/session/cancel-hung", test_cancel_hung);
    ADD("/front/session/remote", test_remote);
    ADD("/front/session/remote-agent", test_remote_agent);
    ADD("/front/session/remote-missing", test_remote_missing);
    ADD("/front/session/remote-left", test_remote_left);
    ADD("/front/session/not-installed", test_not_installed);
    ADD("/front/session/program-readonly", test_program_is_readonly);
    ADD("/front/session/foreign-root", test_foreign_root);
    return g_test_run();
}
