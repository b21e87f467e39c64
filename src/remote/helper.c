#include "remote/helper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote/error.h"
#include "remote/json.h"

#define ANSWER_MAX (1024 * 1024)
#define PATIENCE_SECONDS 120 /* a helper may ask the user to unlock a key ring */

/* What helpers print when they know nothing about a server. */
#define NOT_FOUND_ANSWER "credentials not found"

/* A file to be read from its start, holding `text`: unlike a pipe it cannot break. */
static int file_of(const char *text)
{
    int fd = memfd_create("server", MFD_CLOEXEC);
    gsize size = strlen(text);
    if (fd >= 0 && (write(fd, text, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Reads until end of file, ANSWER_MAX or the deadline; false if the end was not reached. */
static bool read_answer(int fd, GString *answer)
{
    gint64 deadline = g_get_monotonic_time() + PATIENCE_SECONDS * G_USEC_PER_SEC;
    for (;;) {
        gint64 left = deadline - g_get_monotonic_time();
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = left > 0 ? poll(&wait, 1, (int)(left / 1000) + 1) : 0;
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0) {
            return false;
        }
        char chunk[4096];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            explicit_bzero(chunk, sizeof chunk);
            return n == 0;
        }
        g_string_append_len(answer, chunk, n);
        if (answer->len > ANSWER_MAX) {
            return false;
        }
    }
}

static bool fails(GError **error, const char *name, const char *why)
{
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_AUTH,
                "the credential helper docker-credential-%s %s", name, why);
    return false;
}

static bool run(const char *name, const char *server, GString *answer, int *status, GError **error)
{
    g_autofree char *program = g_strconcat("docker-credential-", name, NULL);
    const char *argv[] = {program, "get", NULL};
    int input = file_of(server);
    if (input < 0) {
        return fails(error, name, "cannot be started: no memory file");
    }
    GPid pid = 0;
    int output = -1;
    g_autoptr(GError) why = NULL;
    bool started = g_spawn_async_with_pipes_and_fds(
        NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, input, -1,
        -1, NULL, NULL, 0, &pid, NULL, &output, NULL, &why);
    close(input);
    if (!started) {
        return fails(error, name, "cannot be run; is it installed and in PATH?");
    }
    bool complete = read_answer(output, answer);
    if (!complete) {
        kill(pid, SIGTERM);
    }
    close(output);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR) {
    }
    g_spawn_close_pid(pid);
    return complete || fails(error, name, "does not come to an end");
}

bool remote_helper_get(const char *name, const char *server, char **username, char **secret,
                       GError **error)
{
    /* The name becomes part of a program's name, and must not become a path. */
    if (*name == '\0' ||
        strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_.-") != strlen(name)) {
        g_autofree char *shown = remote_printable(name, 60);
        return fails(error, shown, "has an impossible name");
    }
    g_autoptr(GString) answer = g_string_new(NULL);
    int status = 0;
    if (!run(name, server, answer, &status, error)) {
        return false;
    }
    if (status != 0) {
        g_strstrip(answer->str);
        if (g_str_has_prefix(answer->str, NOT_FOUND_ANSWER)) {
            return false;
        }
        g_autofree char *said = remote_printable(answer->str, 200);
        g_autofree char *why = g_strconcat("failed", *said ? ": " : "", said, NULL);
        return fails(error, name, why);
    }
    g_autoptr(json_object) json = remote_json_parse(answer->str, answer->len, "its answer", NULL);
    explicit_bzero(answer->str, answer->len);
    const char *found_name = remote_json_string(json, "Username");
    const char *found_secret = remote_json_string(json, "Secret");
    if (!found_name || !found_secret) {
        return fails(error, name, "answered without a user name and a secret");
    }
    if (*found_secret == '\0') {
        return false;
    }
    *username = g_strdup(found_name);
    *secret = g_strdup(found_secret);
    return true;
}
