#include "build/shell.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct KilnShell {
    const KilnStep *step;
    KilnWork *work;
    KilnCommand command;
    int exit_code;
};

bool kiln_shell_keep(KilnEngine *e, const KilnStep *step, KilnWork *work, KilnCommand *c,
                     const struct kilnrun_result *result)
{
    if (e->options->console <= 0)
        return false;
    g_mutex_lock(&e->lock);
    bool first = !e->shell && !e->error;
    if (first) {
        e->shell = g_new0(KilnShell, 1);
        *e->shell = (KilnShell){step, work, *c, result->exit_code};
        *c = (KilnCommand){0};
    }
    g_mutex_unlock(&e->lock);
    return first;
}

bool kiln_shell_keeps(KilnEngine *e, const KilnWork *work)
{
    g_mutex_lock(&e->lock);
    bool kept = e->shell && e->shell->work == work;
    g_mutex_unlock(&e->lock);
    return kept;
}

/* An overlay mounted "volatile" leaves a mark against mounting it again, since after a crash of the host its
 * files could be lost: Documentation/filesystems/overlayfs.rst. This host has not crashed meanwhile. */
static void allow_again(const struct kilnrun_layers *layers)
{
    unlinkat(layers->work_fd, "work/incompat/volatile/dirty", 0);
    unlinkat(layers->work_fd, "work/incompat/volatile", AT_REMOVEDIR);
    unlinkat(layers->work_fd, "work/incompat", AT_REMOVEDIR);
}

static void announce(KilnEngine *e, const KilnShell *s, const char *shell)
{
    g_autofree char *command = g_strjoinv(" ", s->step->argv);
    g_autofree char *text =
        g_strdup_printf("\n%s\nfailed with exit code %d: %s\n"
                        "This is a shell (%s) in its sandbox, with the files as it left them. "
                        "The build fails when you leave it.",
                        s->step->name, s->exit_code, command, shell);
    kiln_emit_console(e->options->emitter, text);
}

static void run(KilnEngine *e, KilnShell *s)
{
    const char *shell = s->step->shell_name ? s->step->shell_name : "/bin/sh";
    const char *argv[] = {shell, NULL};
    KilnCommand *c = &s->command;
    struct kilnrun_result result = {0};
    g_autoptr(GError) error = NULL;

    allow_again(&c->spec.root);
    for (size_t i = 0; i < c->spec.n_binds; i++)
        if (c->spec.binds[i].kind == KILNRUN_LAYERS)
            allow_again(&c->spec.binds[i].layers);
    kiln_command_set_terminal(c, e->options->console, e->options->term);
    c->spec.argv = argv;
    c->spec.limits.timeout = 0; /* nobody is to be hurried */
    announce(e, s, shell);
    bool ran = kiln_command_run(e, c, NULL, &result, &error);
    if (!ran || (!result.started && result.failure.error)) {
        g_autofree char *text = g_strdup_printf(
            "no shell could be opened: %s: %s", ran ? result.failure.detail : "kiln-launcher",
            ran ? g_strerror(-result.failure.error) : error->message);
        kiln_emit_warning(e->options->emitter, NULL, text);
    }
    kilnrun_result_clear(&result);
}

void kiln_shell_run(KilnEngine *e)
{
    kiln_cancel_resume(e->options->cancel); /* not the user's wish: that holds for the shell, too */
    if (e->shell && !kiln_cancel_check(e->options->cancel, NULL))
        run(e, e->shell);
}

void kiln_shell_free(KilnShell *s)
{
    if (!s)
        return;
    kiln_command_clear(&s->command);
    kiln_work_free(s->work);
    g_free(s);
}
