/* A command's streams: apart, or a terminal of its own. */
#include "sandbox.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

static void test_streams_apart(Sandbox *s)
{
    const char *argv[] = {"sh", "-c", "cat; echo problem >&2", NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);
    struct kilnrun_result result;
    int input[2], errors[2], output;

    g_assert_no_errno(pipe2(input, O_CLOEXEC));
    g_assert_no_errno(pipe2(errors, O_CLOEXEC));
    spec.input_fd = input[0];
    spec.error_fd = errors[1];
    struct kilnrun_step *step = start_spec(s, &spec, &output);
    close(input[0]);
    close(errors[1]);
    g_assert_cmpint(write(input[1], "word\n", 5), ==, 5);
    close(input[1]);
    g_autofree char *out = read_all(output), *err = read_all(errors[0]);
    g_assert_cmpint(kilnrun_step_wait(step, &result), ==, 0);
    g_assert_cmpint(result.exit_code, ==, 0);
    g_assert_cmpstr(out, ==, "word\n");
    g_assert_cmpstr(err, ==, "problem\n");
    kilnrun_result_clear(&result);
}

/* Starts it with a terminal of 33 rows and 101 columns; *master is that. */
static struct kilnrun_step *start_with_terminal(Sandbox *s, const char *const *argv, int *master)
{
    struct kilnrun_spec spec = sandbox_spec(s, argv);
    struct kilnrun_step *step = NULL;
    struct winsize size = {.ws_row = 33, .ws_col = 101};
    char bytes[64], control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof control};
    int ends[2];

    sandbox_start(s);
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
    spec.terminal_fd = ends[1];
    g_assert_cmpint(kilnrun_step_start(s->k, &spec, &step), ==, 0);
    close(ends[1]);
    close(spec.root.upper_fd);
    close(spec.root.work_fd);
    g_assert_cmpint(recvmsg(ends[0], &m, MSG_CMSG_CLOEXEC), >, 0);
    g_assert_nonnull(CMSG_FIRSTHDR(&m));
    memcpy(master, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof *master);
    g_assert_no_errno(ioctl(*master, TIOCSWINSZ, &size));
    g_assert_cmpint(send(ends[0], "", 1, MSG_NOSIGNAL), ==, 1);
    close(ends[0]);
    return step;
}

/* Until the hangup: EIO. */
static char *read_terminal(int master)
{
    GString *text = g_string_new(NULL);
    char buffer[4096];
    ssize_t n;

    while ((n = read(master, buffer, sizeof buffer)) > 0)
        g_string_append_len(text, buffer, n);
    g_assert_cmpint(errno, ==, EIO);
    close(master);
    return g_string_free(text, FALSE);
}

/* Sized before the command starts, in its own /dev/pts, controlling, and the only file that is open. */
static void test_terminal(Sandbox *s)
{
    const char *argv[] = {"sh", "-c",
                          "busybox stty size; busybox tty; echo direct > /dev/tty; "
                          "ls /proc/self/fd | wc -l",
                          NULL};
    struct kilnrun_result result;
    int master;
    struct kilnrun_step *step = start_with_terminal(s, argv, &master);
    g_autofree char *text = read_terminal(master);

    g_assert_cmpint(kilnrun_step_wait(step, &result), ==, 0);
    g_assert_cmpstr(text, ==, "33 101\r\n/dev/pts/0\r\ndirect\r\n4\r\n"); /* ls has the directory open */
    g_assert_cmpint(result.exit_code, ==, 0);
    kilnrun_result_clear(&result);
}

static void test_interrupt_key(Sandbox *s)
{
    const char *argv[] = {"sh", "-c",
                          "trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done", NULL};
    struct kilnrun_result result;
    int master;
    struct kilnrun_step *step = start_with_terminal(s, argv, &master);
    g_autofree char *line = read_line(master);

    g_assert_cmpstr(line, ==, "ready\r");
    g_assert_cmpint(write(master, "\003", 1), ==, 1);
    g_autofree char *rest = read_terminal(master);
    g_assert_cmpint(kilnrun_step_wait(step, &result), ==, 0);
    g_assert_cmpint(result.exit_code, ==, 9);
    kilnrun_result_clear(&result);
}

/* Whoever wanted the terminal is gone: the command does not start. */
static void test_nobody_at_the_other_end(Sandbox *s)
{
    const char *argv[] = {"true", NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);
    struct kilnrun_step *step = NULL;
    struct kilnrun_result result;
    int ends[2];

    sandbox_start(s);
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
    close(ends[0]);
    spec.terminal_fd = ends[1];
    g_assert_cmpint(kilnrun_step_start(s->k, &spec, &step), ==, 0);
    close(ends[1]);
    close(spec.root.upper_fd);
    close(spec.root.work_fd);
    g_assert_cmpint(kilnrun_step_wait(step, &result), ==, 0);
    g_assert_false(result.started);
    g_assert_cmpstr(result.failure.stage, ==, "terminal");
    kilnrun_result_clear(&result);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_builder_test("streams", EVERYWHERE, test_streams_apart);
    add_builder_test("terminal", EVERYWHERE, test_terminal);
    add_builder_test("interrupt", EVERYWHERE, test_interrupt_key);
    add_builder_test("nobody", 1u << SINGLE_ID, test_nobody_at_the_other_end);
    return g_test_run();
}
