/* kiln unshare: a command of the host's in the namespaces that a builder has, to look at a store whose files belong
 * to subordinate ids, as podman unshare does. */
#include "cli/command.h"

#include "front/spawn.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_CANNOT_EXECUTE 126
#define EXIT_NOT_FOUND 127

/* What a signal handler can reach must be global. */
static volatile pid_t running;

static void pass_on(int number)
{
    if (running > 0) {
        kill(running, number);
    }
}

/* The terminal's signals reach the command by themselves, and are its business, as under a shell. */
static int wait_for(pid_t pid)
{
    int status;
    running = pid;
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGTERM, pass_on);
    signal(SIGHUP, pass_on);
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return 1;
        }
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* 0, or the exit code of a shell that cannot execute it; *path is where it is. */
static int find_program(const char *name, char **path)
{
    *path = strchr(name, '/') ? g_strdup(name) : g_find_program_in_path(name);
    int problem = !*path ? ENOENT : access(*path, X_OK) < 0 ? errno : 0;
    if (problem == 0 && g_file_test(*path, G_FILE_TEST_IS_DIR)) {
        problem = EISDIR;
    }
    if (problem == 0) {
        return 0;
    }
    fprintf(stderr, "ERROR: cannot execute \"%s\": %s\n", name, g_strerror(problem));
    return problem == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
}

static void set_root(const KilnCall *call)
{
    const char *chosen = kiln_setting_choose(call->root, "KILN_ROOT", call->settings.root);
    g_autofree char *root = chosen ? kiln_path_absolute(chosen) : kiln_default_root();
    g_setenv("KILN_ROOT", root, TRUE);
}

int kiln_command_unshare(KilnCall *call, GError **error)
{
    if (!kiln_call_parse(call, NULL, 0, error)) {
        return 0;
    }
    const char *shell = g_getenv("SHELL");
    if (call->arguments->len == 0) {
        g_ptr_array_add(call->arguments, (char *)(shell && *shell ? shell : "/bin/sh"));
    }
    g_autofree char *program = NULL;
    int code = find_program(g_ptr_array_index(call->arguments, 0), &program);
    if (code != 0) {
        return code;
    }
    set_root(call);
    g_ptr_array_add(call->arguments, NULL);
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    KilnSpawn spawn = {.wire = -1,
                       .program = program,
                       .argv = (char *const *)call->arguments->pdata,
                       .attached = true,
                       .warnings = warnings};
    KilnIds ids;
    pid_t pid = kiln_spawn_builder(&spawn, &ids, error);
    for (guint i = 0; i < warnings->len; i++) {
        fprintf(stderr, "WARNING: %s\n", (char *)g_ptr_array_index(warnings, i));
    }
    return pid < 0 ? 0 : wait_for(pid);
}
