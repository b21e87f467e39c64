/* The file tree a command sees, and what it leaves in the upper directory. */
#include "sandbox.h"

#include <sys/sysmacros.h>

static void test_writes_land_in_the_upper_directory(Sandbox *s)
{
    struct stat st;
    g_autofree char *text = NULL;

    assert_prints(s, "echo hi > /new; rm /etc/motd; ls /etc", "hostname\nhosts\nresolv.conf\n");
    g_autofree char *new_file = g_build_filename(s->upper, "new", NULL);
    g_autofree char *removed = g_build_filename(s->upper, "etc/motd", NULL);
    g_autofree char *base = sandbox_path(s, "layers/base/etc/motd");
    g_assert_true(g_file_get_contents(new_file, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "hi\n");
    g_assert_no_errno(lstat(removed, &st));
    g_assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0)); /* a whiteout */
    g_assert_true(g_file_test(base, G_FILE_TEST_EXISTS));
}

static void test_nothing_is_left_when_nothing_is_written(Sandbox *s)
{
    assert_prints(s, "ls -d /proc/self /sys/kernel /dev/null",
                  "/dev/null\n/proc/self\n/sys/kernel\n");
    g_autoptr(GDir) upper = g_dir_open(s->upper, 0, NULL);
    g_assert_null(g_dir_read_name(upper));
}

static void test_no_stubs_when_the_stub_layer_has_all(Sandbox *s)
{
    g_auto(Outcome) o = run_sh(s, "true");

    assert_ran(&o);
    g_assert_null(o.result.stubs);
}

static void test_missing_mount_points_are_made_and_reported(Sandbox *s)
{
    const char *argv[] = {"cat", "/etc/hosts", NULL};
    int hosts = sandbox_open(s, "layers/base/etc/motd"); /* any file */
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    spec.root.stub_fd = -1;
    spec.hosts_fd = hosts;
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, "welcome\n");
    g_autofree char *stubs = g_strjoinv(" ", o.result.stubs);
    g_assert_cmpstr(stubs, ==, "proc sys dev etc/hosts");
    g_autofree char *made = g_build_filename(s->upper, "etc/hosts", NULL);
    g_assert_true(g_file_test(made, G_FILE_TEST_IS_REGULAR));
    close(hosts);
}

static void test_files_of_the_builder_are_readonly(Sandbox *s)
{
    const char *argv[] = {"sh", "-c",
                          "cat /etc/resolv.conf /etc/hostname; echo x >> /etc/resolv.conf", NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    sandbox_write(s, "resolv", "nameserver 1.2.3.4\n");
    sandbox_write(s, "name", "kiln\n");
    spec.resolv_fd = sandbox_open(s, "resolv");
    spec.hostname_fd = sandbox_open(s, "name");
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_assert_true(g_str_has_prefix(o.output, "nameserver 1.2.3.4\nkiln\n"));
    g_assert_nonnull(strstr(o.output, "Read-only"));
    g_assert_cmpint(o.result.exit_code, ==, 1);
    close(spec.resolv_fd);
    close(spec.hostname_fd);
}

static void test_binds(Sandbox *s)
{
    const char *argv[] = {"sh", "-c",
                          "cat /in/a; echo new > /cache/deep/b; echo x 2>&1 > /in/c || true", NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    sandbox_write(s, "input/a", "from outside\n");
    sandbox_mkdir(s, "cache");
    struct kilnrun_bind binds[] = {
        {.target = "/in", .source_fd = sandbox_open(s, "input"), .readonly = true},
        {.target = "/cache/deep", .source_fd = sandbox_open(s, "cache")}};
    spec.binds = binds;
    spec.n_binds = 2;
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_assert_true(g_str_has_prefix(o.output, "from outside\n"));
    g_assert_nonnull(strstr(o.output, "Read-only"));
    g_autofree char *written = sandbox_path(s, "cache/b");
    g_assert_true(g_file_test(written, G_FILE_TEST_EXISTS));
    g_autofree char *stubs = g_strjoinv(" ", o.result.stubs);
    g_assert_cmpstr(stubs, ==, "in cache cache/deep");
    close(binds[0].source_fd);
    close(binds[1].source_fd);
}

/* The path is a link inside the layers; every way of mounting an overlay. What is mounted for it is
 * not left over the root, nor is what lies below that: the host. */
static void test_bind_layers(Sandbox *s)
{
    const char *argv[] = {"sh", "-c",
                          "[ /.. -ef / ] || echo escaped; cat /in/a; echo x > /in/new && cat /in/new; ls /stage; cat /file; "
                          "echo y 2>/dev/null > /file || echo read-only", NULL};
    static const char *const names[] = {"stage", "stub"};

    sandbox_write(s, "layers/stage/d/a", "from a stage\n");
    sandbox_link(s, "layers/stage/link", "/d");
    for (int method = KILNRUN_OVERLAY_AUTO; method <= KILNRUN_OVERLAY_MOUNT; method++) {
        struct kilnrun_bind binds[] = {
            {.target = "/in", .kind = KILNRUN_LAYERS, .path = "/../link"},
            {.target = "/file", .kind = KILNRUN_LAYERS, .path = "d/a", .readonly = true}};
        struct kilnrun_spec spec = sandbox_spec(s, argv);

        for (unsigned i = 0; i < 2; i++) {
            g_autofree char *upper = g_strdup_printf("bind-upper-%d-%u", method, i);
            g_autofree char *work = g_strdup_printf("bind-work-%d-%u", method, i);
            sandbox_mkdir(s, upper);
            sandbox_mkdir(s, work);
            binds[i].layers = (struct kilnrun_layers){.n_lowers = 1,
                                                      .stub_fd = s->stub_fd,
                                                      .lower_parent_fd = s->layers_fd,
                                                      .lower_names = names,
                                                      .upper_fd = sandbox_open(s, upper),
                                                      .work_fd = sandbox_open(s, work)};
        }
        kilnrun_stop(s->k);
        s->k = NULL;
        s->options.overlay = (enum kilnrun_overlay)method;
        spec.binds = binds;
        spec.n_binds = 2;
        g_auto(Outcome) o = run_spec(s, &spec);
        if (method == KILNRUN_OVERLAY_AUTO || method == KILNRUN_OVERLAY_MOUNT || o.result.started) {
            assert_ran(&o);
            g_assert_true(g_str_has_prefix(o.output, "from a stage\nx\n"));
            g_assert_true(g_str_has_suffix(o.output, "from a stage\nread-only\n"));
        }
        for (unsigned i = 0; i < 2; i++) {
            close(binds[i].layers.upper_fd);
            close(binds[i].layers.work_fd);
        }
    }
    g_autofree char *written = sandbox_path(s, "layers/stage/d/new");
    g_assert_false(g_file_test(written, G_FILE_TEST_EXISTS));
}

static void test_bind_missing(Sandbox *s)
{
    const char *argv[] = {"true", NULL};
    static const char *const names[] = {"stage"};
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    sandbox_write(s, "layers/stage/a", "");
    sandbox_mkdir(s, "bind-upper");
    sandbox_mkdir(s, "bind-work");
    struct kilnrun_bind bind = {.target = "/in",
                                .kind = KILNRUN_LAYERS,
                                .path = "/b",
                                .layers = {.n_lowers = 1,
                                           .stub_fd = -1,
                                           .lower_parent_fd = s->layers_fd,
                                           .lower_names = names,
                                           .upper_fd = sandbox_open(s, "bind-upper"),
                                           .work_fd = sandbox_open(s, "bind-work")}};
    spec.binds = &bind;
    spec.n_binds = 1;
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_fails(&o, "bind", -ENOENT);
    close(bind.layers.upper_fd);
    close(bind.layers.work_fd);
}

static void test_tmpfs_and_secret(Sandbox *s)
{
    const char *argv[] = {"sh", "-c",
                          "stat -c '%a %F' /t; stat -c '%a %u:%g' /s; cat /s; "
                          "rm /s 2>/dev/null || echo kept; grep -c ' /s ramfs ro,' /proc/mounts",
                          NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    sandbox_write(s, "secret", "of mine\n");
    g_autofree char *path = sandbox_path(s, "secret");
    struct kilnrun_bind binds[] = {
        {.target = "/t", .kind = KILNRUN_TMPFS, .size = 4096},
        {.target = "/s",
         .kind = KILNRUN_SECRET,
         .source_fd = open(path, O_RDONLY | O_CLOEXEC),
         .mode = 0440,
         .uid = 7,
         .gid = 8}};
    spec.binds = binds;
    spec.n_binds = 2;
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==,
                    s->setup == SINGLE_ID ? "1777 directory\n440 0:0\nof mine\nkept\n1\n"
                                          : "1777 directory\n440 7:8\nof mine\nkept\n1\n");
    close(binds[1].source_fd);
}

static void test_insecure(Sandbox *s)
{
    const char *argv[] = {"sh", "-c",
                          "grep Seccomp: /proc/self/status; mount -t tmpfs none /tmp && echo mounted",
                          NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    spec.insecure = true;
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, "Seccomp:\t0\nmounted\n");
}

static void test_dev(Sandbox *s)
{
    assert_prints(s,
                  "ls /dev; readlink /dev/ptmx; echo x > /dev/null; "
                  "test -c /dev/pts/ptmx && stat -c %a /dev/shm && touch /dev/shm/f",
                  "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\n"
                  "urandom\nzero\npts/ptmx\n1777\n");
}

/* A layer that root unpacked may hold a node of the host's disk; only /dev has nodes that work. */
static void test_device_nodes_of_layers_are_dead(Sandbox *s)
{
    g_autofree char *node = sandbox_path(s, "layers/base/null");

    g_assert_no_errno(mknod(node, S_IFCHR | 0666, makedev(1, 3)));
    assert_prints(s, "cat /null || echo refused; cat /dev/null",
                  "cat: can't open '/null': Permission denied\nrefused\n");
}

static void test_host_is_hidden(Sandbox *s)
{
    g_autofree char *look = g_strdup_printf("ls %s 2>/dev/null | wc -l", s->dir);

    assert_prints(s, look, "0\n");
    /* of /proc and /sys */
    assert_prints(s, "cat /proc/keys /proc/timer_list | wc -c", "0\n");
    assert_prints(s, "ls /sys/fs/cgroup /sys/firmware | grep -v : | grep . | wc -l", "0\n");
    assert_prints(s, "grep -c upperdir /proc/self/mountinfo", "1\n");
    g_auto(Outcome) sysctl = run_sh(s, "echo 1 > /proc/sys/vm/drop_caches");
    g_assert_cmpint(sysctl.result.exit_code, !=, 0);
    g_auto(Outcome) sys = run_sh(s, "mkdir /sys/fs/cgroup/x || echo x > /sys/power/state");
    g_assert_cmpint(sys.result.exit_code, !=, 0);
}

static void test_symlinked_proc_is_refused(Sandbox *s)
{
    sandbox_link(s, "layers/base/proc", "/etc");
    g_auto(Outcome) o = run_sh(s, "true");
    assert_fails(&o, "proc", -ELOOP);
    g_assert_nonnull(strstr(o.result.failure.detail, "symbolic link"));
}

static void test_symlinked_dev_stays_inside(Sandbox *s)
{
    struct stat before, after;

    /* A link to a path of the host means the same path in the rootfs, made if need be. */
    g_autofree char *host = sandbox_path(s, "host-dir");
    g_autofree char *climbing = g_strconcat("../../../..", host, NULL);
    g_assert_no_errno(mkdir(host, 0755));
    sandbox_link(s, "layers/base/dev", climbing);
    g_assert_no_errno(stat(host, &before));
    g_auto(Outcome) o = run_sh(s, "ls /dev/null; readlink /dev");
    assert_ran(&o);
    g_autofree char *expected = g_strdup_printf("/dev/null\n%s\n", climbing);
    g_assert_cmpstr(o.output, ==, expected);
    g_assert_no_errno(stat(host, &after));
    g_assert_cmpint(before.st_mtim.tv_nsec, ==, after.st_mtim.tv_nsec);
    g_autoptr(GDir) dir = g_dir_open(host, 0, NULL);
    g_assert_null(g_dir_read_name(dir));
    g_assert_nonnull(o.result.stubs);
}

static void test_dev_that_is_the_root_is_refused(Sandbox *s)
{
    sandbox_link(s, "layers/base/dev", "/tmp/..");
    g_auto(Outcome) o = run_sh(s, "true");
    assert_fails(&o, "dev", -EBUSY);
}

static void test_symlinked_resolv_conf_stays_inside(Sandbox *s)
{
    const char *argv[] = {"sh", "-c", "cat /etc/resolv.conf; readlink /etc/resolv.conf", NULL};
    g_autofree char *victim = sandbox_path(s, "victim");
    g_autofree char *text = NULL;
    struct kilnrun_spec spec;

    sandbox_write(s, "victim", "untouched\n");
    sandbox_write(s, "resolv", "nameserver 1.2.3.4\n");
    sandbox_link(s, "layers/base/etc/resolv.conf", victim);
    spec = sandbox_spec(s, argv);
    spec.resolv_fd = sandbox_open(s, "resolv");
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_autofree char *expected = g_strdup_printf("nameserver 1.2.3.4\n%s\n", victim);
    g_assert_cmpstr(o.output, ==, expected);
    g_assert_true(g_file_get_contents(victim, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "untouched\n");
    close(spec.resolv_fd);
}

static void test_systemd_resolved_link(Sandbox *s)
{
    const char *argv[] = {"cat", "/etc/resolv.conf", NULL};
    struct kilnrun_spec spec;

    sandbox_write(s, "resolv", "nameserver 1.2.3.4\n");
    sandbox_link(s, "layers/base/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");
    spec = sandbox_spec(s, argv);
    spec.resolv_fd = sandbox_open(s, "resolv");
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, "nameserver 1.2.3.4\n");
    g_autofree char *stubs = g_strjoinv(" ", o.result.stubs);
    g_assert_cmpstr(stubs, ==,
                    "run run/systemd run/systemd/resolve run/systemd/resolve/stub-resolv.conf");
    close(spec.resolv_fd);
}

static void test_symlink_loop_is_an_error(Sandbox *s)
{
    const char *argv[] = {"true", NULL};
    struct kilnrun_spec spec;

    sandbox_link(s, "layers/base/etc/resolv.conf", "/etc/resolv.conf");
    spec = sandbox_spec(s, argv);
    spec.resolv_fd = s->base_fd;
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_fails(&o, "resolv.conf", -ELOOP);
}

/* n layers, each with a file of its own and one that all have. */
static void many_layers(Sandbox *s, enum kilnrun_overlay method, bool by_fd, int n)
{
    const char *argv[] = {"sh", "-c", "ls / | grep -c ^f; cat /f0 /same", NULL};
    const char *names[402];
    int fds[402];
    struct kilnrun_spec spec;

    s->options.overlay = method;
    for (int i = 0; i < n; i++) {
        g_autofree char *file = g_strdup_printf("layers/%d/f%d", 1000 + i, i);
        g_autofree char *same = g_strdup_printf("layers/%d/same", 1000 + i);
        g_autofree char *dir = g_path_get_dirname(file);
        g_autofree char *text = g_strdup_printf("%d\n", i);

        sandbox_write(s, file, text);
        sandbox_write(s, same, text);
        fds[i] = by_fd ? sandbox_open(s, dir) : -1;
        names[i] = g_strdup_printf("%d", 1000 + i);
    }
    names[n] = "base";
    names[n + 1] = "stub";
    fds[n] = s->base_fd;
    spec = sandbox_spec(s, argv);
    spec.root.lower_fds = by_fd ? fds : NULL;
    spec.root.lower_names = names;
    spec.root.n_lowers = (size_t)n + 1;
    g_auto(Outcome) o = run_spec(s, &spec);
    if (o.result.failure.error == -ENOSYS) {
        g_test_message("this kernel has no such mount: %s", o.result.failure.detail);
    } else {
        assert_ran(&o);
        g_autofree char *expected = g_strdup_printf("%d\n0\n0\n", n); /* the first is on top */
        g_assert_cmpstr(o.output, ==, expected);
    }
    for (int i = 0; i < n; i++) {
        g_free((char *)names[i]);
        if (by_fd)
            close(fds[i]);
    }
}

static void test_many_layers(Sandbox *s)
{
    many_layers(s, KILNRUN_OVERLAY_AUTO, true, 400);
}

static void test_many_layers_by_name(Sandbox *s)
{
    many_layers(s, KILNRUN_OVERLAY_AUTO, false, 400);
}

static void test_many_layers_by_file_descriptor(Sandbox *s)
{
    many_layers(s, KILNRUN_OVERLAY_FDS, true, 10);
}

static void test_many_layers_by_path(Sandbox *s)
{
    many_layers(s, KILNRUN_OVERLAY_PATHS, true, 10);
}

static void test_many_layers_by_mount(Sandbox *s)
{
    many_layers(s, KILNRUN_OVERLAY_MOUNT, false, 400);
}

static void test_few_layers_by_mount(Sandbox *s)
{
    many_layers(s, KILNRUN_OVERLAY_MOUNT, true, 10);
}

static void test_mount_without_names(Sandbox *s)
{
    const char *argv[] = {"cat", "/etc/motd", NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    s->options.overlay = KILNRUN_OVERLAY_MOUNT;
    spec.root.lower_names = NULL;
    spec.root.lower_parent_fd = -1;
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, "welcome\n");
}

static void test_mount_refuses_names_it_cannot_spell(Sandbox *s)
{
    const char *argv[] = {"true", NULL}, *names[] = {"base:stub", "stub"};
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    s->options.overlay = KILNRUN_OVERLAY_MOUNT;
    spec.root.lower_names = names;
    g_auto(Outcome) o = run_spec(s, &spec);
    assert_fails(&o, "overlay", -EINVAL);
}

static void test_used_work_directory_is_an_error(Sandbox *s)
{
    const char *argv[] = {"true", NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);
    int upper = dup(spec.root.upper_fd), work = dup(spec.root.work_fd);

    g_auto(Outcome) first = run_spec(s, &spec);
    assert_ran(&first);
    spec.root.upper_fd = upper;
    spec.root.work_fd = work;
    g_auto(Outcome) again = run_spec(s, &spec);
    g_assert_cmpstr(again.result.failure.stage, ==, "overlay");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_builder_test("upper", EVERYWHERE, test_writes_land_in_the_upper_directory);
    add_builder_test("upper-empty", EVERYWHERE, test_nothing_is_left_when_nothing_is_written);
    add_builder_test("stubs-none", EVERYWHERE, test_no_stubs_when_the_stub_layer_has_all);
    add_builder_test("stubs", EVERYWHERE, test_missing_mount_points_are_made_and_reported);
    add_builder_test("files-readonly", EVERYWHERE, test_files_of_the_builder_are_readonly);
    add_builder_test("binds", EVERYWHERE, test_binds);
    add_builder_test("bind-layers", EVERYWHERE, test_bind_layers);
    add_builder_test("bind-missing", EVERYWHERE, test_bind_missing);
    add_builder_test("tmpfs-and-secret", EVERYWHERE, test_tmpfs_and_secret);
    add_builder_test("insecure", EVERYWHERE, test_insecure);
    add_builder_test("dev", EVERYWHERE, test_dev);
    add_builder_test("nodev", 1u << REAL_ROOT, test_device_nodes_of_layers_are_dead);
    add_builder_test("host-hidden", EVERYWHERE, test_host_is_hidden);
    add_builder_test("link-proc", EVERYWHERE, test_symlinked_proc_is_refused);
    add_builder_test("link-dev", EVERYWHERE, test_symlinked_dev_stays_inside);
    add_builder_test("link-dev-root", 1u << SINGLE_ID, test_dev_that_is_the_root_is_refused);
    add_builder_test("link-resolv", EVERYWHERE, test_symlinked_resolv_conf_stays_inside);
    add_builder_test("link-resolved", 1u << SINGLE_ID, test_systemd_resolved_link);
    add_builder_test("link-loop", 1u << SINGLE_ID, test_symlink_loop_is_an_error);
    add_builder_test("layers", MANY_IDS, test_many_layers);
    add_builder_test("layers-by-name", 1u << SINGLE_ID, test_many_layers_by_name);
    add_builder_test("layers-by-fd", EVERYWHERE, test_many_layers_by_file_descriptor);
    add_builder_test("layers-by-path", EVERYWHERE, test_many_layers_by_path);
    add_builder_test("layers-by-mount", 1u << SINGLE_ID, test_many_layers_by_mount);
    add_builder_test("few-layers-by-mount", EVERYWHERE, test_few_layers_by_mount);
    add_builder_test("mount-without-names", EVERYWHERE, test_mount_without_names);
    add_builder_test("mount-names", 1u << SINGLE_ID, test_mount_refuses_names_it_cannot_spell);
    add_builder_test("work-used", 1u << SINGLE_ID, test_used_work_directory_is_an_error);
    return g_test_run();
}
