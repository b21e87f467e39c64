#include "front/remote-env.h"

#include "front/secret.h"

#include <stdbool.h>
#include <string.h>

#define PREFIX "KILN_"
/* A variable can have 128 kB (execve(2), MAX_ARG_STRLEN); nobody's token has. */
#define LOGIN_MAX (16u * 1024)

/* BuildKit's ids (client/llb/source.go), alone or with ".HOST". */
static bool is_login(const char *id)
{
    static const char *const names[] = {"GIT_AUTH_TOKEN", "GIT_AUTH_HEADER"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *rest = g_str_has_prefix(id, names[i]) ? id + strlen(names[i]) : NULL;
        if (rest && (*rest == '\0' || *rest == '.')) {
            return true;
        }
    }
    return false;
}

/* One line, without the end that an editor gives it: it becomes a header. */
static gsize line_length(const char *bytes, gsize size, const char *id, char **problem)
{
    while (size > 0 && strchr("\r\n", bytes[size - 1])) {
        size--;
    }
    for (gsize i = 0; i < size && !*problem; i++) {
        if (g_ascii_iscntrl(bytes[i])) {
            *problem = g_strdup_printf("the secret %s is more than one line of text", id);
        }
    }
    if (!*problem && (size == 0 || size > LOGIN_MAX)) {
        *problem = g_strdup_printf("the secret %s is %s", id, size ? "larger than 16 kB" : "empty");
    }
    return size;
}

static char **add_login(char **env, const GPtrArray *secrets, const char *id, char **problem)
{
    gsize size = 0;
    char *bytes = kiln_secret_read(secrets, id, &size, problem);
    gsize length = bytes ? line_length(bytes, size, id, problem) : 0;
    if (bytes && !*problem) {
        guint n = g_strv_length(env);
        env = g_renew(char *, env, n + 2);
        env[n] = g_strdup_printf(PREFIX "%s=%.*s", id, (int)length, bytes);
        env[n + 1] = NULL;
    }
    kiln_secret_free(bytes, size);
    return env;
}

/* A login in the environment is none that was given to this build. */
static char **without_logins(char **env)
{
    g_auto(GStrv) names = g_listenv();
    for (char **name = names; *name; name++) {
        if (g_str_has_prefix(*name, PREFIX) && is_login(*name + strlen(PREFIX))) {
            env = g_environ_unsetenv(env, *name);
        }
    }
    return env;
}

char **kiln_remote_env_new(const char *agent, const GPtrArray *secrets, char **problem)
{
    char **env = without_logins(g_environ_unsetenv(g_get_environ(), "SSH_AUTH_SOCK"));
    if (agent) {
        env = g_environ_setenv(env, "SSH_AUTH_SOCK", agent, TRUE);
    }
    for (guint i = 0; secrets && i < secrets->len && !*problem; i++) {
        const char *text = g_ptr_array_index(secrets, i);
        g_autofree char *id = g_strndup(text, strcspn(text, "="));
        g_autofree char *name = g_strconcat(PREFIX, id, NULL);
        if (is_login(id) && !g_environ_getenv(env, name)) { /* of several of an id the last is read */
            env = add_login(env, secrets, id, problem);
        }
    }
    if (*problem) {
        g_clear_pointer(&env, kiln_remote_env_free);
    }
    return env;
}

void kiln_remote_env_free(char **env)
{
    for (char **pair = env; pair && *pair; pair++) {
        explicit_bzero(*pair, strlen(*pair));
    }
    g_strfreev(env);
}
