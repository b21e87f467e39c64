/* What the tests of the runtime share: each test runs in a process of its own that has become a
 * builder (real root, or uid 0 of a user namespace, with a private mount namespace), with a
 * launcher and a rootfs made of busybox. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/kilnrun.h"

typedef enum { REAL_ROOT, SINGLE_ID, RANGED, N_SETUPS } Setup;

#define SKIPPED 77 /* exit status of a builder that this host does not allow */

typedef struct {
    Setup setup;
    struct kilnrun_options options;
    struct kilnrun *k; /* NULL until sandbox_start() */
    char *dir;         /* layers/base, layers/stub, upper-N, work-N … lie here */
    int layers_fd;
    int base_fd, stub_fd;
    unsigned n_uppers;
    char *upper; /* path of the upper directory of the latest spec */
} Sandbox;

typedef struct {
    struct kilnrun_result result;
    char *output;
} Outcome;

static inline void outcome_clear(Outcome *o)
{
    kilnrun_result_clear(&o->result);
    g_free(o->output);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Outcome, outcome_clear)

static inline char *sandbox_path(Sandbox *s, const char *name)
{
    return g_build_filename(s->dir, name, NULL);
}

static inline void sandbox_mkdir(Sandbox *s, const char *name)
{
    g_autofree char *path = sandbox_path(s, name);

    g_assert_no_errno(g_mkdir_with_parents(path, 0755));
}

static inline void sandbox_write(Sandbox *s, const char *name, const char *text)
{
    g_autofree char *path = sandbox_path(s, name);
    g_autofree char *dir = g_path_get_dirname(path);

    g_assert_no_errno(g_mkdir_with_parents(dir, 0755));
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_no_errno(chmod(path, 0644));
}

static inline void sandbox_link(Sandbox *s, const char *name, const char *target)
{
    g_autofree char *path = sandbox_path(s, name);
    g_autofree char *dir = g_path_get_dirname(path);

    g_assert_no_errno(g_mkdir_with_parents(dir, 0755));
    g_assert_no_errno(symlink(target, path));
}

static inline int sandbox_open(Sandbox *s, const char *name)
{
    g_autofree char *path = sandbox_path(s, name);
    int fd = open(path, O_PATH | O_CLOEXEC);

    g_assert_no_errno(fd);
    return fd;
}

static inline void make_base(Sandbox *s)
{
    static const char *const applets[] = {
        "cat",   "chown", "echo",  "false", "grep",     "hostname", "id",      "kill", "ls",
        "mkdir", "mkfifo", "mknod", "mount", "pwd",   "readlink", "rm",       "setsid",  "sh",   "sleep",
        "stat",  "su",    "test",  "touch", "true",     "tty",      "umount",  "unshare", "wc",
        "env",   "chmod", "chroot", "cp",   "ln",       "mv"};
    g_autofree char *from = g_find_program_in_path("busybox");
    g_autofree char *to = sandbox_path(s, "layers/base/bin/busybox");
    g_autofree char *bytes = NULL;
    gsize size;

    sandbox_mkdir(s, "layers/base/bin");
    sandbox_mkdir(s, "layers/base/tmp");
    sandbox_write(s, "layers/base/etc/motd", "welcome\n");
    g_assert_true(g_file_get_contents(from, &bytes, &size, NULL));
    g_assert_true(g_file_set_contents(to, bytes, (gssize)size, NULL));
    g_assert_no_errno(chmod(to, 0755));
    for (gsize i = 0; i < G_N_ELEMENTS(applets); i++) {
        g_autofree char *name = g_strdup_printf("layers/base/bin/%s", applets[i]);
        sandbox_link(s, name, "busybox");
    }
}

static inline void make_stub(Sandbox *s)
{
    sandbox_mkdir(s, "layers/stub/proc");
    sandbox_mkdir(s, "layers/stub/sys");
    sandbox_mkdir(s, "layers/stub/dev");
    sandbox_write(s, "layers/stub/etc/resolv.conf", "");
    sandbox_write(s, "layers/stub/etc/hosts", "");
    sandbox_write(s, "layers/stub/etc/hostname", "");
}

static inline void sandbox_init(Sandbox *s, Setup setup)
{
    *s = (Sandbox){.setup = setup, .options.single_id = setup == SINGLE_ID};
    umask(022);
    s->dir = g_dir_make_tmp("kiln-run-XXXXXX", NULL);
    g_assert_nonnull(s->dir);
    g_assert_no_errno(chmod(s->dir, 0755));
    make_base(s);
    make_stub(s);
    s->layers_fd = sandbox_open(s, "layers");
    s->base_fd = sandbox_open(s, "layers/base");
    s->stub_fd = sandbox_open(s, "layers/stub");
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline void sandbox_clear(Sandbox *s)
{
    kilnrun_stop(s->k);
    close(s->layers_fd);
    close(s->base_fd);
    close(s->stub_fd);
    g_assert_no_errno(nftw(s->dir, remove_entry, 32, FTW_DEPTH | FTW_PHYS));
    g_free(s->upper);
    g_free(s->dir);
}

static inline void sandbox_start(Sandbox *s)
{
    if (!s->k)
        g_assert_cmpint(kilnrun_start(&s->options, &s->k), ==, 0);
}

/* A spec that runs argv on base over stub in a new upper directory. Its fds that belong to it
 * (upper, work) are closed by spec_close(). */
static inline struct kilnrun_spec sandbox_spec(Sandbox *s, const char *const *argv)
{
    static const char *const env[] = {"PATH=/bin", "HOME=/root", NULL};
    static const char *const names[] = {"base", "stub"};
    g_autofree char *upper = g_strdup_printf("upper-%u", s->n_uppers);
    g_autofree char *work = g_strdup_printf("work-%u", s->n_uppers++);

    sandbox_mkdir(s, upper);
    sandbox_mkdir(s, work);
    g_free(s->upper);
    s->upper = sandbox_path(s, upper);
    return (struct kilnrun_spec){.root.lower_fds = &s->base_fd,
                                 .root.n_lowers = 1,
                                 .root.stub_fd = s->stub_fd,
                                 .root.lower_parent_fd = s->layers_fd,
                                 .root.lower_names = names,
                                 .root.upper_fd = sandbox_open(s, upper),
                                 .root.work_fd = sandbox_open(s, work),
                                 .argv = argv,
                                 .env = env,
                                 .cwd = "/",
                                 .hostname = "kiln",
                                 .output_fd = -1,
                                 .input_fd = -1,
                                 .error_fd = -1,
                                 .terminal_fd = -1,
                                 .resolv_fd = -1,
                                 .hosts_fd = -1,
                                 .hostname_fd = -1,
                                 .network_fd = -1,
                                 .below_fd = -1};
}

/* Starts it with a new pipe as output; *output gets the read end. */
static inline struct kilnrun_step *start_spec(Sandbox *s, struct kilnrun_spec *spec, int *output)
{
    struct kilnrun_step *step = NULL;
    int ends[2];

    sandbox_start(s);
    g_assert_no_errno(pipe2(ends, O_CLOEXEC));
    spec->output_fd = ends[1];
    g_assert_cmpint(kilnrun_step_start(s->k, spec, &step), ==, 0);
    close(ends[1]);
    close(spec->root.upper_fd);
    close(spec->root.work_fd);
    *output = ends[0];
    return step;
}

static inline char *read_all(int fd)
{
    GString *text = g_string_new(NULL);
    char buffer[4096];
    ssize_t n;

    while ((n = read(fd, buffer, sizeof buffer)) > 0)
        g_string_append_len(text, buffer, n);
    g_assert_no_errno((int)n);
    close(fd);
    return g_string_free(text, FALSE);
}

/* Reads one line, without its end. */
static inline char *read_line(int fd)
{
    GString *line = g_string_new(NULL);
    char c;

    while (read(fd, &c, 1) == 1 && c != '\n')
        g_string_append_c(line, c);
    return g_string_free(line, FALSE);
}

static inline Outcome run_spec(Sandbox *s, struct kilnrun_spec *spec)
{
    Outcome o = {0};
    int output;
    struct kilnrun_step *step = start_spec(s, spec, &output);

    o.output = read_all(output);
    g_assert_cmpint(kilnrun_step_wait(step, &o.result), ==, 0);
    return o;
}

static inline Outcome run_argv(Sandbox *s, const char *const *argv)
{
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    return run_spec(s, &spec);
}

static inline Outcome run_sh(Sandbox *s, const char *script)
{
    const char *argv[] = {"sh", "-c", script, NULL};

    return run_argv(s, argv);
}

/* Asserts that it ran; prints why it did not. */
static inline void assert_ran(const Outcome *o)
{
    if (!o->result.started)
        g_test_message("not started: %s: %s: %s", o->result.failure.stage, o->result.failure.detail,
                       g_strerror(-o->result.failure.error));
    g_assert_true(o->result.started);
}

static inline void assert_prints(Sandbox *s, const char *script, const char *expected)
{
    g_auto(Outcome) o = run_sh(s, script);

    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, expected);
    g_assert_cmpint(o.result.exit_code, ==, 0);
}

static inline void assert_fails(const Outcome *o, const char *stage, int error)
{
    g_assert_false(o->result.started);
    g_assert_cmpstr(o->result.failure.stage, ==, stage);
    g_assert_cmpint(o->result.failure.error, ==, error);
    g_assert_cmpint(o->result.exit_code, ==, -1);
}

/* How a process becomes a builder. */

static inline void write_proc(pid_t pid, const char *name, const char *text)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    g_assert_no_errno(fd);
    g_assert_cmpint((int)write(fd, text, strlen(text)), ==, (int)strlen(text));
    close(fd);
}

/* Real root writes the map of a user with subordinate ids: two extents. */
static inline void become_ranged(void)
{
    pid_t child = getpid(), writer;
    int ready[2], status;
    char c;

    g_assert_no_errno(pipe2(ready, O_CLOEXEC));
    writer = fork();
    g_assert_no_errno(writer);
    if (writer == 0) {
        g_assert_cmpint((int)read(ready[0], &c, 1), ==, 1);
        write_proc(child, "uid_map", "0 1000 1\n1 100000 65536\n");
        write_proc(child, "gid_map", "0 1000 1\n1 100000 65536\n");
        _exit(0);
    }
    g_assert_no_errno(unshare(CLONE_NEWUSER));
    g_assert_cmpint((int)write(ready[1], "x", 1), ==, 1);
    g_assert_cmpint(waitpid(writer, &status, 0), ==, writer);
    g_assert_cmpint(status, ==, 0);
    g_assert_no_errno(setgroups(0, NULL));
    g_assert_no_errno(setresgid(0, 0, 0));
    g_assert_no_errno(setresuid(0, 0, 0));
    g_assert_no_errno(unshare(CLONE_NEWNS));
    close(ready[0]);
    close(ready[1]);
}

static inline void become_single(void)
{
    g_autofree char *uid_map = g_strdup_printf("0 %u 1", (unsigned)geteuid());
    g_autofree char *gid_map = g_strdup_printf("0 %u 1", (unsigned)getegid());

    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        _exit(SKIPPED);
    write_proc(getpid(), "setgroups", "deny");
    write_proc(getpid(), "uid_map", uid_map);
    write_proc(getpid(), "gid_map", gid_map);
}

static inline void become_builder(Setup setup)
{
    if (setup == REAL_ROOT)
        g_assert_no_errno(unshare(CLONE_NEWNS));
    else if (setup == RANGED)
        become_ranged();
    else
        become_single();
    g_assert_no_errno(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

/* Of LeakSanitizer, if it is linked: looks for leaks now, since _exit() does not. */
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

typedef struct {
    Setup setup;
    void (*run)(Sandbox *s);
} BuilderTest;

static inline void run_as_builder(gconstpointer data)
{
    const BuilderTest *test = data;
    g_autofree char *busybox = g_find_program_in_path("busybox");
    int status;
    pid_t pid;

    if (!busybox) {
        g_test_skip("busybox (package busybox-static) is not installed");
        return;
    }
    fflush(NULL);
    pid = fork();
    g_assert_no_errno(pid);
    if (pid == 0) {
        Sandbox s;

        become_builder(test->setup);
        sandbox_init(&s, test->setup);
        test->run(&s);
        sandbox_clear(&s);
        fflush(NULL);
        _exit(__lsan_do_recoverable_leak_check ? __lsan_do_recoverable_leak_check() : 0);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
        g_test_skip("this host has no user namespaces for this user");
    else
        g_assert_cmpint(status, ==, 0);
}

/* Adds a test in the given kinds of builder, as far as this user can make them. */
static inline void add_builder_test(const char *name, unsigned setups, void (*run)(Sandbox *s))
{
    static const char *const setup_names[] = {"root", "single", "ranged"};

    for (Setup setup = REAL_ROOT; setup < N_SETUPS; setup++) {
        g_autofree char *path = g_strdup_printf("/run/%s/%s", setup_names[setup], name);
        BuilderTest *test;

        if (!(setups & 1u << setup) || (setup != SINGLE_ID && geteuid() != 0))
            continue;
        test = g_new(BuilderTest, 1);
        *test = (BuilderTest){setup, run};
        g_test_add_data_func_full(path, test, run_as_builder, g_free);
    }
}

#define EVERYWHERE (1u << REAL_ROOT | 1u << SINGLE_ID | 1u << RANGED)
#define MANY_IDS (1u << REAL_ROOT | 1u << RANGED)
