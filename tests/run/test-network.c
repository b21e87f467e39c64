/* Networks of commands: what they show, and how a pasta that does not start is told of. What a real
 * one does is tested with the whole program (integration/33-network.bats). */
#include "sandbox.h"

#define EVERYWHERE (1u << REAL_ROOT | 1u << SINGLE_ID | 1u << RANGED)

static struct kilnrun_network *start(Sandbox *s, const char *pasta)
{
    const struct kilnrun_network_spec spec = {.pasta = pasta};
    struct kilnrun_network *n = NULL;

    sandbox_start(s);
    g_assert_cmpint(kilnrun_network_start(s->k, &spec, &n), ==, 0);
    return n;
}

static Outcome run_in(Sandbox *s, const struct kilnrun_network *n, const char *script)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    spec.network_fd = kilnrun_network_fd(n);
    return run_spec(s, &spec);
}

/* Only the loopback device, up; also in /sys, which is read-only; and for one step after another. */
static void test_loopback(Sandbox *s)
{
    struct kilnrun_network *n = start(s, NULL);
    struct kilnrun_failure failure;

    g_assert_cmpint(kilnrun_network_wait(n, &failure), ==, 0);
    for (unsigned i = 0; i < 2; i++) {
        g_auto(Outcome) o = run_in(s, n,
                                   "wc -l < /proc/net/dev; grep -c lo: /proc/net/dev; ls /sys/class/net;"
                                   "cat /sys/class/net/lo/carrier; echo x > /sys/class/net/lo/mtu");
        assert_ran(&o);
        g_assert_true(g_str_has_prefix(o.output, "3\n1\nlo\n1\n"));
        g_assert_nonnull(strstr(o.output, "Read-only"));
    }
    g_assert_true(kilnrun_network_alive(n));
    kilnrun_network_stop(n);
}

static char *make_program(Sandbox *s, const char *text)
{
    char *path = sandbox_path(s, "pasta");

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_no_errno(chmod(path, 0755));
    return path;
}

static void assert_refused(Sandbox *s, const char *pasta, const char *detail)
{
    struct kilnrun_network *n = start(s, pasta);
    struct kilnrun_failure failure;

    g_assert_cmpint(kilnrun_network_wait(n, &failure), ==, -ENETDOWN);
    g_assert_cmpstr(failure.stage, ==, "network");
    g_assert_nonnull(strstr(failure.detail, detail));
    kilnrun_network_stop(n);
}

static void test_failures(Sandbox *s)
{
    g_autofree char *fails =
        make_program(s, "#!/bin/sh\necho chatter >&2\necho 'no such luck' >&2\nexit 1\n");

    assert_refused(s, fails, "no such luck");
    assert_refused(s, "/no/such/pasta", "No such file or directory");
}

/* Its pasta is gone with the network, and a network whose pasta is gone is known to be useless. */
static void test_ends(Sandbox *s)
{
    g_autofree char *log = sandbox_path(s, "fifo");
    g_autofree char *text = g_strdup_printf("#!/bin/sh\n(echo up; exec sleep 1000) >%s 2>&1 &\n", log);
    g_autofree char *pasta = make_program(s, text);
    struct kilnrun_failure failure;
    struct kilnrun_network *n;
    int fifo;

    g_assert_no_errno(mkfifo(log, 0666));
    g_assert_no_errno(chmod(log, 0666));
    fifo = open(log, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    g_assert_no_errno(fifo);
    n = start(s, pasta);
    g_assert_cmpint(kilnrun_network_wait(n, &failure), ==, 0);
    g_assert_true(kilnrun_network_alive(n));
    g_assert_no_errno(fcntl(fifo, F_SETFL, 0));
    g_autofree char *line = read_line(fifo);
    g_assert_cmpstr(line, ==, "up");
    kilnrun_network_stop(n);
    g_autofree char *rest = read_all(fifo); /* until the last writer has ended */
    g_assert_cmpstr(rest, ==, "");

    g_autofree char *ending = make_program(s, "#!/bin/sh\nexit 0\n");
    n = start(s, ending);
    g_assert_cmpint(kilnrun_network_wait(n, &failure), ==, 0);
    while (kilnrun_network_alive(n)) /* as soon as the keeper has seen it */
        g_usleep(1000);
    kilnrun_network_stop(n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_builder_test("network-loopback", EVERYWHERE, test_loopback);
    add_builder_test("network-failures", EVERYWHERE, test_failures);
    add_builder_test("network-ends", EVERYWHERE, test_ends);
    return g_test_run();
}
