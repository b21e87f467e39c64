/* How commands end, together and one by one. */
#include "sandbox.h"

static void test_kill_ends_everything(Sandbox *s)
{
    const char *argv[] = {"sh", "-c", "sleep 1000 & setsid sleep 1000 & echo up; wait", NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);
    struct kilnrun_result result;
    int output;
    struct kilnrun_step *step = start_spec(s, &spec, &output);
    g_autofree char *line = read_line(output);

    g_assert_cmpstr(line, ==, "up");
    g_assert_cmpint(kilnrun_step_kill(step, SIGKILL), ==, 0);
    /* The end of the pipe: nobody is left who could write. */
    g_autofree char *rest = read_all(output);
    g_assert_cmpstr(rest, ==, "");
    g_assert_cmpint(kilnrun_step_wait(step, &result), ==, 0);
    g_assert_true(result.started);
    g_assert_cmpint(result.signal, ==, SIGKILL);
    g_assert_cmpint(result.exit_code, ==, 128 + SIGKILL);
    kilnrun_result_clear(&result);
}

static void test_signals_reach_the_command(Sandbox *s)
{
    const char *argv[] = {"sh", "-c",
                          "trap 'exit 3' TERM; echo up; while :; do sleep 1000 & wait; done", NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);
    struct kilnrun_result result;
    int output;
    struct kilnrun_step *step = start_spec(s, &spec, &output);
    g_autofree char *line = read_line(output);

    g_assert_cmpstr(line, ==, "up");
    g_assert_cmpint(kilnrun_step_kill(step, SIGTERM), ==, 0);
    g_assert_cmpint(kilnrun_step_wait(step, &result), ==, 0);
    g_assert_cmpint(result.exit_code, ==, 3);
    kilnrun_result_clear(&result);
    close(output);
}

static void test_background_processes_end_with_the_command(Sandbox *s)
{
    /* Would never see the end of its output otherwise. */
    g_auto(Outcome) o = run_sh(s, "setsid sleep 1000 & (setsid sleep 1000 &) ; echo done");

    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, "done\n");
    g_assert_cmpint(o.result.exit_code, ==, 0);
}

static void test_child_killed_by_a_signal(Sandbox *s)
{
    assert_prints(s, "sh -c 'kill -TERM $$' ; echo $?", "Terminated\n143\n");
}

/* What ends the command is told as it was, though process 1 is another one. */
static void test_a_signal_of_its_own_ends_the_command(Sandbox *s)
{
    static const struct {
        const char *name;
        int signal;
    } cases[] = {{"TERM", SIGTERM}, {"KILL", SIGKILL}, {"SEGV", SIGSEGV}, {"USR1", SIGUSR1}};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *script = g_strdup_printf("kill -%s $$; sleep 1000", cases[i].name);
        g_auto(Outcome) o = run_sh(s, script);

        assert_ran(&o);
        g_assert_cmpint(o.result.signal, ==, cases[i].signal);
        g_assert_cmpint(o.result.exit_code, ==, 128 + cases[i].signal);
    }
    g_auto(Outcome) as_if = run_sh(s, "exit 143");
    g_assert_cmpint(as_if.result.signal, ==, 0);
    g_assert_cmpint(as_if.result.exit_code, ==, 143);
}

/* A shell that is process 1 would have to reap them itself, and most programs do not. */
static void test_orphans_are_reaped(Sandbox *s)
{
    /* the end of the fifo's last writer is the end of the orphan; then nothing of it is left */
    assert_prints(s,
                  "cd /tmp; mkfifo f; for i in 1 2 3; do (sh -c 'exec 3>f; sleep 0.1' &); cat f; "
                  "done; while grep -qs '^State:.Z' /proc/[0-9]*/status; do :; done; echo reaped",
                  "reaped\n");
}

/* The init takes no orders of the command, and no process 1 can be killed from inside. */
static void test_the_init_cannot_be_made_to_end(Sandbox *s)
{
    assert_prints(s,
                  "for n in 1 2 3 6 9 10 11 13 14 15 17 19 31 64; do kill -$n 1; done; "
                  "echo still here; cat /proc/1/comm",
                  "still here\nkiln-init\n");
}

/* Over and over, since the kill may cross the news of the end on its way. */
static void test_killing_an_ended_step_is_no_error(Sandbox *s)
{
    const char *argv[] = {"true", NULL};

    for (int i = 0; i < 50; i++) {
        struct kilnrun_spec spec = sandbox_spec(s, argv);
        struct kilnrun_result result;
        int output;
        struct kilnrun_step *step = start_spec(s, &spec, &output);
        g_autofree char *rest = read_all(output);

        g_assert_cmpstr(rest, ==, "");
        for (int n = 0; n < i % 10; n++)
            g_assert_cmpint(kilnrun_step_kill(step, SIGKILL), ==, 0);
        g_assert_cmpint(kilnrun_step_wait(step, &result), ==, 0);
        g_assert_true(result.started);
        kilnrun_result_clear(&result);
    }
}

static gpointer kill_and_forget(gpointer step)
{
    g_assert_cmpint(kilnrun_step_kill(step, SIGKILL), ==, 0);
    kilnrun_step_unref(step);
    return NULL;
}

/* A command that closed its output is not heard of until it ends: who waits for it cannot kill it. */
static void test_killing_while_another_waits(Sandbox *s)
{
    const char *argv[] = {"sh", "-c", "exec >&- 2>&-; exec sleep 1000", NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);
    struct kilnrun_result result;
    int output;
    struct kilnrun_step *step = start_spec(s, &spec, &output), *other = kilnrun_step_ref(step);
    g_autofree char *rest = read_all(output);
    GThread *killer = g_thread_new("killer", kill_and_forget, kilnrun_step_ref(step));

    g_assert_cmpstr(rest, ==, "");
    g_assert_cmpint(kilnrun_step_wait(step, &result), ==, 0);
    g_assert_cmpint(result.signal, ==, SIGKILL);
    kilnrun_result_clear(&result);
    g_thread_join(killer);
    g_assert_cmpint(kilnrun_step_kill(other, SIGKILL), ==, 0);
    kilnrun_step_unref(other);
}

/* The builder dies without a word: launcher and command go with it. */
static void test_death_of_the_builder(Sandbox *s)
{
    const char *argv[] = {"sh", "-c",
                          "trap : TERM HUP INT; setsid sleep 1000 & echo up; wait; wait", NULL};
    int ends[2], status;
    pid_t builder;

    g_assert_no_errno(pipe2(ends, O_CLOEXEC));
    builder = fork();
    g_assert_no_errno(builder);
    if (builder == 0) {
        struct kilnrun_spec spec = sandbox_spec(s, argv);
        struct kilnrun_step *step;

        close(ends[0]);
        sandbox_start(s);
        spec.output_fd = ends[1];
        g_assert_cmpint(kilnrun_step_start(s->k, &spec, &step), ==, 0);
        for (;;)
            pause();
    }
    close(ends[1]);
    g_autofree char *line = read_line(ends[0]);
    g_assert_cmpstr(line, ==, "up");
    g_assert_no_errno(kill(builder, SIGKILL));
    g_autofree char *rest = read_all(ends[0]);
    g_assert_cmpstr(rest, ==, "");
    g_assert_cmpint(waitpid(builder, &status, 0), ==, builder);
}

static pid_t only_child(void)
{
    g_autofree char *path = g_strdup_printf("/proc/self/task/%d/children", (int)getpid());
    g_autofree char *children = NULL;

    if (!g_file_get_contents(path, &children, NULL, NULL))
        return 0; /* a kernel without CONFIG_PROC_CHILDREN */
    return (pid_t)atoi(children);
}

/* The launcher dies: the command goes with it, and who waits hears so. */
static void test_death_of_the_launcher(Sandbox *s)
{
    const char *argv[] = {"sh", "-c", "setsid sleep 1000 & echo up; wait", NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);
    struct kilnrun_result result;
    int output;
    struct kilnrun_step *step = start_spec(s, &spec, &output);
    g_autofree char *line = read_line(output);
    pid_t launcher = only_child();

    g_assert_cmpstr(line, ==, "up");
    if (launcher == 0) {
        g_test_message("no /proc/PID/task/TID/children here: ending by kilnrun_stop()");
        kilnrun_step_kill(step, SIGKILL);
        g_assert_cmpint(kilnrun_step_wait(step, &result), ==, 0);
    } else {
        g_assert_no_errno(kill(launcher, SIGKILL));
        g_autofree char *rest = read_all(output);
        g_assert_cmpstr(rest, ==, "");
        g_assert_cmpint(kilnrun_step_wait(step, &result), ==, -EPIPE);
        /* and so does who comes later */
        spec = sandbox_spec(s, argv);
        spec.output_fd = STDERR_FILENO;
        int rc = kilnrun_step_start(s->k, &spec, &step);
        g_assert_true(rc == -EPIPE || rc == -ECONNRESET);
        close(spec.root.upper_fd);
        close(spec.root.work_fd);
    }
    kilnrun_result_clear(&result);
}

static void test_stop_ends_running_commands(Sandbox *s)
{
    const char *argv[] = {"sh", "-c", "echo up; sleep 1000", NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);
    struct kilnrun_result result;
    int output;
    struct kilnrun_step *step = start_spec(s, &spec, &output);
    g_autofree char *line = read_line(output);

    g_assert_cmpstr(line, ==, "up");
    kilnrun_stop(s->k);
    s->k = NULL;
    g_autofree char *rest = read_all(output);
    g_assert_cmpstr(rest, ==, "");
    g_assert_cmpint(kilnrun_step_wait(step, &result), ==, -EPIPE);
    kilnrun_result_clear(&result);
}

typedef struct {
    Sandbox *s;
    struct kilnrun_spec spec;
    Outcome outcome;
} Concurrent;

static gpointer run_concurrent(gpointer data)
{
    Concurrent *c = data;
    int ends[2];
    struct kilnrun_step *step;

    g_assert_no_errno(pipe2(ends, O_CLOEXEC));
    c->spec.output_fd = ends[1];
    g_assert_cmpint(kilnrun_step_start(c->s->k, &c->spec, &step), ==, 0);
    close(ends[1]);
    c->outcome.output = read_all(ends[0]);
    g_assert_cmpint(kilnrun_step_wait(step, &c->outcome.result), ==, 0);
    return NULL;
}

/* Two commands talk to each other through fifos, so both must be running. */
static void test_two_threads(Sandbox *s)
{
    const char *ping[] = {"sh", "-c", "echo ping > /shared/a; cat /shared/b", NULL};
    const char *pong[] = {"sh", "-c", "cat /shared/a; echo pong > /shared/b", NULL};
    g_autofree char *a = sandbox_path(s, "shared/a");
    g_autofree char *b = sandbox_path(s, "shared/b");

    sandbox_mkdir(s, "shared");
    g_assert_no_errno(mkfifo(a, 0666));
    g_assert_no_errno(mkfifo(b, 0666));
    struct kilnrun_bind bind = {.target = "/shared", .source_fd = sandbox_open(s, "shared")};
    Concurrent first = {s, sandbox_spec(s, ping), {{0}}};
    Concurrent second = {s, sandbox_spec(s, pong), {{0}}};
    first.spec.binds = second.spec.binds = &bind;
    first.spec.n_binds = second.spec.n_binds = 1;
    sandbox_start(s); /* before there is a second thread */
    GThread *one = g_thread_new("first", run_concurrent, &first);
    GThread *two = g_thread_new("second", run_concurrent, &second);
    g_thread_join(one);
    g_thread_join(two);
    assert_ran(&first.outcome);
    assert_ran(&second.outcome);
    g_assert_cmpstr(first.outcome.output, ==, "pong\n");
    g_assert_cmpstr(second.outcome.output, ==, "ping\n");
    outcome_clear(&first.outcome);
    outcome_clear(&second.outcome);
    close(bind.source_fd);
}

static char *mounts_now(void)
{
    char *text = NULL;

    g_assert_true(g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL));
    return text;
}

static void test_no_mount_is_left(Sandbox *s)
{
    g_autofree char *before = mounts_now();
    g_auto(Outcome) o = run_sh(s, "echo x > /f");
    g_autofree char *after = mounts_now();

    assert_ran(&o);
    g_assert_cmpstr(before, ==, after);
}

static void test_many_steps_one_after_another(Sandbox *s)
{
    for (int i = 0; i < 50; i++) {
        g_autofree char *script = g_strdup_printf("exit %d", i);
        g_auto(Outcome) o = run_sh(s, script);
        assert_ran(&o);
        g_assert_cmpint(o.result.exit_code, ==, i);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_builder_test("kill", EVERYWHERE, test_kill_ends_everything);
    add_builder_test("signal", EVERYWHERE, test_signals_reach_the_command);
    add_builder_test("background", EVERYWHERE, test_background_processes_end_with_the_command);
    add_builder_test("child-signal", 1u << SINGLE_ID, test_child_killed_by_a_signal);
    add_builder_test("own-signal", EVERYWHERE, test_a_signal_of_its_own_ends_the_command);
    add_builder_test("orphans", EVERYWHERE, test_orphans_are_reaped);
    add_builder_test("init-stays", EVERYWHERE, test_the_init_cannot_be_made_to_end);
    add_builder_test("kill-ended", 1u << SINGLE_ID, test_killing_an_ended_step_is_no_error);
    add_builder_test("kill-waited-for", 1u << SINGLE_ID, test_killing_while_another_waits);
    add_builder_test("builder-dies", EVERYWHERE, test_death_of_the_builder);
    add_builder_test("launcher-dies", EVERYWHERE, test_death_of_the_launcher);
    add_builder_test("stop", EVERYWHERE, test_stop_ends_running_commands);
    add_builder_test("two-threads", EVERYWHERE, test_two_threads);
    add_builder_test("no-mounts-left", EVERYWHERE, test_no_mount_is_left);
    add_builder_test("many-steps", EVERYWHERE, test_many_steps_one_after_another);
    return g_test_run();
}
