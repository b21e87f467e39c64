/* What a command is given and what is heard of it. */
#include "sandbox.h"

static void test_exit_codes(Sandbox *s)
{
    g_auto(Outcome) zero = run_sh(s, "true");
    g_auto(Outcome) three = run_sh(s, "exit 3");

    assert_ran(&zero);
    g_assert_cmpint(zero.result.exit_code, ==, 0);
    g_assert_cmpint(zero.result.signal, ==, 0);
    assert_ran(&three);
    g_assert_cmpint(three.result.exit_code, ==, 3);
}

static void test_output_of_both_streams(Sandbox *s)
{
    assert_prints(s, "echo out; echo err >&2", "out\nerr\n");
}

static void test_stdin_is_empty(Sandbox *s)
{
    assert_prints(s, "cat; readlink /proc/self/fd/0", "/dev/null\n");
}

static void test_only_three_files_are_open(Sandbox *s)
{
    /* ls itself opens the directory as 3. */
    assert_prints(s, "ls /proc/self/fd", "0\n1\n2\n3\n");
}

static void test_environment_is_exactly_as_given(Sandbox *s)
{
    const char *argv[] = {"env", NULL};
    const char *env[] = {"PATH=/bin", "A=b=c", "SPACE= x ", NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    spec.env = env;
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, "PATH=/bin\nA=b=c\nSPACE= x \n");
}

static void test_no_path_means_the_default(Sandbox *s)
{
    const char *argv[] = {"echo", "found", NULL};
    const char *env[] = {NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    spec.env = env;
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, "found\n");
}

static void test_cwd(Sandbox *s)
{
    const char *argv[] = {"pwd", NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv), missing = sandbox_spec(s, argv),
                        file = sandbox_spec(s, argv);

    spec.cwd = "/etc";
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, "/etc\n");

    missing.cwd = "/no/such";
    g_auto(Outcome) m = run_spec(s, &missing);
    assert_fails(&m, "cwd", -ENOENT);
    g_assert_cmpstr(m.result.failure.detail, ==, "/no/such");

    file.cwd = "/etc/motd";
    g_auto(Outcome) f = run_spec(s, &file);
    assert_fails(&f, "cwd", -ENOTDIR);
}

/* While a command is prepared, the host's directories are open: no name may lead to them. */
static void test_host_directories_are_out_of_reach(Sandbox *s)
{
    for (int fd = 0; fd < 32; fd++) {
        g_autofree char *cwd = g_strdup_printf("/proc/self/fd/%d", fd);
        g_autofree char *program = g_strdup_printf("/proc/self/fd/%d/bin/busybox", fd);
        g_autofree char *path = g_strdup_printf("PATH=/proc/self/fd/%d/bin", fd);
        const char *sh[] = {"busybox", "pwd", NULL}, *direct[] = {program, "pwd", NULL};
        const char *env[] = {path, NULL};
        struct kilnrun_spec in = sandbox_spec(s, sh), by_name = sandbox_spec(s, direct),
                            by_path = sandbox_spec(s, sh);

        in.cwd = cwd;
        g_auto(Outcome) a = run_spec(s, &in);
        g_assert_false(a.result.started);
        g_assert_cmpstr(a.result.failure.stage, ==, "cwd");
        g_auto(Outcome) b = run_spec(s, &by_name);
        g_assert_cmpstr(b.result.failure.stage, ==, "exec");
        by_path.env = env;
        g_auto(Outcome) c = run_spec(s, &by_path);
        g_assert_cmpstr(c.result.failure.stage, ==, "exec");
    }
}

static void test_command_not_found(Sandbox *s)
{
    const char *argv[] = {"no-such-command", NULL};
    const char *path[] = {"/bin/no-such", NULL};
    const char *directory[] = {"/etc", NULL};
    const char *empty[] = {"", NULL};

    g_auto(Outcome) a = run_argv(s, argv);
    assert_fails(&a, "exec", -ENOENT);
    g_assert_nonnull(strstr(a.result.failure.detail, "no-such-command"));
    g_auto(Outcome) b = run_argv(s, path);
    assert_fails(&b, "exec", -ENOENT);
    g_auto(Outcome) c = run_argv(s, directory);
    assert_fails(&c, "exec", -EACCES);
    g_auto(Outcome) d = run_argv(s, empty);
    assert_fails(&d, "exec", -ENOENT);
}

static void test_missing_interpreter_is_told_apart(Sandbox *s)
{
    const char *argv[] = {"script", NULL};

    sandbox_write(s, "layers/base/bin/script", "#!/bin/bash\n");
    g_autofree char *path = sandbox_path(s, "layers/base/bin/script");
    g_assert_no_errno(chmod(path, 0755));
    g_auto(Outcome) o = run_argv(s, argv);
    assert_fails(&o, "exec", -ENOENT);
    g_assert_nonnull(strstr(o.result.failure.detail, "interpreter"));
}

static void test_command_is_the_child_of_an_init_and_session_leader(Sandbox *s)
{
    assert_prints(s,
                  "cat /proc/1/comm; echo $$; set -- $(cat /proc/$$/stat); echo parent $4 pgrp $5 "
                  "session $6 tty $7; echo /proc/[0-9]*",
                  "kiln-init\n2\nparent 1 pgrp 2 session 2 tty 0\n/proc/1 /proc/2\n");
}

static void test_there_is_no_terminal(Sandbox *s)
{
    g_auto(Outcome) o = run_sh(s, "tty; : < /dev/tty");

    assert_ran(&o);
    g_assert_nonnull(strstr(o.output, "not a tty"));
    g_assert_nonnull(strstr(o.output, "No such device or address")); /* ENXIO: tty(4) */
    g_assert_cmpint(o.result.exit_code, !=, 0);
}

static void test_signals_and_umask_are_default(Sandbox *s)
{
    sigset_t all;

    /* A builder with everything blocked and SIGPIPE ignored must not hand that on. */
    sigfillset(&all);
    g_assert_no_errno(sigprocmask(SIG_SETMASK, &all, NULL));
    signal(SIGPIPE, SIG_IGN);
    umask(077);
    const char *argv[] = {"grep", "-E", "^(SigBlk|SigIgn|SigCgt)", "/proc/self/status", NULL};
    g_auto(Outcome) o = run_argv(s, argv);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==,
                    "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
                    "SigCgt:\t0000000000000000\n");
    assert_prints(s, "umask", "0022\n");
}

static void test_hostname(Sandbox *s)
{
    assert_prints(s, "hostname", "kiln\n");
}

static void test_bad_specs_are_refused(Sandbox *s)
{
    const char *argv[] = {"true", NULL}, *nothing[] = {NULL};
    struct kilnrun_spec good = sandbox_spec(s, argv), bad;
    struct kilnrun_step *step = NULL;

    sandbox_start(s);
    good.output_fd = STDERR_FILENO;
    bad = good;
    bad.argv = nothing;
    g_assert_cmpint(kilnrun_step_start(s->k, &bad, &step), ==, -EINVAL);
    bad = good;
    bad.cwd = "relative";
    g_assert_cmpint(kilnrun_step_start(s->k, &bad, &step), ==, -EINVAL);
    bad = good;
    bad.root.upper_fd = -1;
    g_assert_cmpint(kilnrun_step_start(s->k, &bad, &step), ==, -EINVAL);
    bad = good;
    bad.root.upper_fd = 9999;
    g_assert_cmpint(kilnrun_step_start(s->k, &bad, &step), ==, -EBADF);
    g_assert_null(step);
    close(good.root.upper_fd);
    close(good.root.work_fd);
}

static void test_long_command_lines(Sandbox *s)
{
    g_autofree char *word = g_strnfill(100 * 1024, 'x');
    const char *argv[] = {"sh", "-c", "echo -n \"$1$2$3\" | wc -c", "sh", word, word, word, NULL};

    g_auto(Outcome) o = run_argv(s, argv);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, "307200\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_builder_test("exit-codes", EVERYWHERE, test_exit_codes);
    add_builder_test("output", EVERYWHERE, test_output_of_both_streams);
    add_builder_test("stdin", 1u << SINGLE_ID, test_stdin_is_empty);
    add_builder_test("files", EVERYWHERE, test_only_three_files_are_open);
    add_builder_test("environment", 1u << SINGLE_ID, test_environment_is_exactly_as_given);
    add_builder_test("default-path", 1u << SINGLE_ID, test_no_path_means_the_default);
    add_builder_test("cwd", EVERYWHERE, test_cwd);
    add_builder_test("host-directories", EVERYWHERE, test_host_directories_are_out_of_reach);
    add_builder_test("not-found", EVERYWHERE, test_command_not_found);
    add_builder_test("interpreter", 1u << SINGLE_ID, test_missing_interpreter_is_told_apart);
    add_builder_test("init", EVERYWHERE, test_command_is_the_child_of_an_init_and_session_leader);
    add_builder_test("terminal", EVERYWHERE, test_there_is_no_terminal);
    add_builder_test("signals", 1u << SINGLE_ID, test_signals_and_umask_are_default);
    add_builder_test("hostname", EVERYWHERE, test_hostname);
    add_builder_test("bad-specs", 1u << SINGLE_ID, test_bad_specs_are_refused);
    add_builder_test("long-command-line", 1u << SINGLE_ID, test_long_command_lines);
    return g_test_run();
}
