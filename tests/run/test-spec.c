/* The spec's form on the wire: what goes in comes out, and a broken one is refused. */
#include <glib.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/spec.h"

/* spec_read() never frees, since its process becomes the command: it is tested in children. */
static void in_child(void (*run)(void))
{
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    g_assert_no_errno(pid);
    if (pid == 0) {
        run();
        _exit(0);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
}

static const int lowers[] = {11, 12, 13};
static const char *const names[] = {"1", "2", "3", "0"};
static const char *const command[] = {"sh", "-c", "", "x y", NULL};
static const char *const environment[] = {"A=1", NULL};
static const gid_t groups[] = {5, 6};
static const uint64_t filter[] = {0x0123456789abcdef, 42};
static const struct kilnrun_bind binds[] = {
    {.target = "/a", .source_fd = 31, .readonly = true},
    {.target = "/b", .source_fd = 32},
    {.target = "/c",
     .kind = KILNRUN_LAYERS,
     .path = "/p",
     .layers = {.n_lowers = 1,
                .stub_fd = -1,
                .lower_parent_fd = 33,
                .lower_names = names,
                .upper_fd = 34,
                .work_fd = 35}},
    {.target = "/d", .kind = KILNRUN_TMPFS, .size = 5ULL << 32 | 7},
    {.target = "/e", .kind = KILNRUN_SECRET, .source_fd = 36, .mode = 0400, .uid = 7, .gid = 8}};

static const int cgroups[] = {41, 42};
static const struct kilnrun_rlimit rlimits[] = {{7, 9ULL << 32 | 8, UINT64_MAX}};
static const unsigned cpus[] = {0, 70};

static const struct kilnrun_spec full = {.root.lower_fds = lowers,
                                         .root.n_lowers = 3,
                                         .root.stub_fd = 14,
                                         .root.lower_parent_fd = 15,
                                         .root.lower_names = names,
                                         .root.upper_fd = 16,
                                         .root.work_fd = 17,
                                         .argv = command,
                                         .env = environment,
                                         .cwd = "/w",
                                         .uid = 1,
                                         .gid = 4294967294u,
                                         .groups = groups,
                                         .n_groups = 2,
                                         .hostname = "h",
                                         .input_fd = 37,
                                         .output_fd = 18,
                                         .error_fd = 38,
                                         .terminal_fd = -1,
                                         .resolv_fd = 19,
                                         .hosts_fd = -1,
                                         .hostname_fd = 20,
                                         .binds = binds,
                                         .n_binds = 5,
                                         .filter = filter,
                                         .filter_size = sizeof filter,
                                         .no_new_privs = true,
                                         .emulate = KILNRUN_EMULATE_FULL,
                                         .below_fd = 21,
                                         .network_fd = 37,
                                         .limits = {.shm_size = 3ULL << 32 | 1,
                                                    .cgroup_fds = cgroups,
                                                    .n_cgroups = 2,
                                                    .rlimits = rlimits,
                                                    .n_rlimits = 1,
                                                    .cpus = cpus,
                                                    .n_cpus = 2}};

static const struct kilnrun_spec by_name = {.root.n_lowers = 3,
                                            .root.stub_fd = 14,
                                            .root.lower_parent_fd = 15,
                                            .root.lower_names = names,
                                            .root.upper_fd = 16,
                                            .root.work_fd = 17,
                                            .argv = command,
                                            .input_fd = 37,
                                         .output_fd = 18,
                                         .error_fd = 38,
                                         .terminal_fd = -1,
                                            .resolv_fd = -1,
                                            .hosts_fd = -1,
                                            .hostname_fd = -1,
                                            .network_fd = -1};

static void round_trip(void)
{
    struct kilnrun_spec s;
    struct spec_fds fds;
    int memory = spec_write(&full, &fds);

    g_assert_cmpint(memory, >=, 0);
    g_assert_cmpuint(fds.n, ==, 22);
    g_assert_cmpint(spec_read(memory, &fds, &s), ==, 0);
    g_assert_cmpmem(s.root.lower_fds, s.root.n_lowers * sizeof(int), lowers, sizeof lowers);
    g_assert_cmpstr(s.root.lower_names[3], ==, "0");
    g_assert_cmpint(s.root.stub_fd, ==, 14);
    g_assert_cmpint(s.root.lower_parent_fd, ==, 15);
    g_assert_cmpint(s.root.upper_fd, ==, 16);
    g_assert_cmpint(s.root.work_fd, ==, 17);
    g_assert_cmpint(s.input_fd, ==, 37);
    g_assert_cmpint(s.output_fd, ==, 18);
    g_assert_cmpint(s.error_fd, ==, 38);
    g_assert_cmpint(s.terminal_fd, ==, -1);
    g_assert_cmpint(s.resolv_fd, ==, 19);
    g_assert_cmpint(s.hosts_fd, ==, -1);
    g_assert_cmpint(s.hostname_fd, ==, 20);
    g_assert_true(g_strv_equal((const char *const *)s.argv, command));
    g_assert_true(g_strv_equal((const char *const *)s.env, environment));
    g_assert_cmpstr(s.cwd, ==, "/w");
    g_assert_cmpstr(s.hostname, ==, "h");
    g_assert_cmpuint(s.uid, ==, 1);
    g_assert_cmpuint(s.gid, ==, 4294967294u);
    g_assert_cmpmem(s.groups, s.n_groups * sizeof(gid_t), groups, sizeof groups);
    g_assert_cmpuint(s.n_binds, ==, 5);
    g_assert_cmpstr(s.binds[1].target, ==, "/b");
    g_assert_cmpint(s.binds[1].source_fd, ==, 32);
    g_assert_true(s.binds[0].readonly);
    g_assert_false(s.binds[1].readonly);
    g_assert_null(s.binds[2].layers.lower_fds);
    g_assert_cmpstr(s.binds[2].layers.lower_names[0], ==, "1");
    g_assert_cmpint(s.binds[2].layers.stub_fd, ==, -1);
    g_assert_cmpint(s.binds[2].layers.lower_parent_fd, ==, 33);
    g_assert_cmpint(s.binds[2].layers.work_fd, ==, 35);
    g_assert_cmpstr(s.binds[2].path, ==, "/p");
    g_assert_cmpuint(s.binds[3].size, ==, 5ULL << 32 | 7);
    g_assert_cmpint(s.binds[4].source_fd, ==, 36);
    g_assert_cmpuint(s.binds[4].mode, ==, 0400);
    g_assert_cmpuint(s.binds[4].uid, ==, 7);
    g_assert_cmpuint(s.binds[4].gid, ==, 8);
    g_assert_cmpint(s.network_fd, ==, 37);
    g_assert_cmpint(s.emulate, ==, KILNRUN_EMULATE_FULL);
    g_assert_cmpint(s.below_fd, ==, 21);
    g_assert_false(s.insecure);
    g_assert_false(s.unconfined);
    g_assert_true(s.no_new_privs);
    g_assert_cmpmem(s.filter, s.filter_size, filter, sizeof filter);
    g_assert_cmpuint(s.limits.shm_size, ==, 3ULL << 32 | 1);
    g_assert_cmpmem(s.limits.cgroup_fds, s.limits.n_cgroups * sizeof(int), cgroups, sizeof cgroups);
    g_assert_cmpuint(s.limits.n_rlimits, ==, 1);
    g_assert_cmpint(s.limits.rlimits[0].resource, ==, 7);
    g_assert_cmpuint(s.limits.rlimits[0].soft, ==, 9ULL << 32 | 8);
    g_assert_cmpuint(s.limits.rlimits[0].hard, ==, UINT64_MAX);
    g_assert_cmpmem(s.limits.cpus, s.limits.n_cpus * sizeof(unsigned), cpus, sizeof cpus);
}

static void truncated(void)
{
    struct kilnrun_spec s;
    struct spec_fds fds;
    struct stat st;
    int memory = spec_write(&full, &fds);

    g_assert_no_errno(fstat(memory, &st));
    for (off_t size = st.st_size - 1; size >= 0; size--) {
        g_assert_no_errno(ftruncate(memory, size));
        g_assert_cmpint(spec_read(memory, &fds, &s), <, 0);
    }
}

/* A list of names that is shorter than the layers it is for: offset 12 is the number of layers. */
static void missing_names(void)
{
    struct kilnrun_spec s;
    struct spec_fds fds;
    int memory = spec_write(&by_name, &fds);
    uint32_t n;

    g_assert_cmpint(memory, >=, 0);
    g_assert_cmpint(spec_read(memory, &fds, &s), ==, 0);
    g_assert_cmpint((int)pread(memory, &n, sizeof n, 12), ==, sizeof n);
    g_assert_cmpuint(n, ==, 3);
    n = 400;
    g_assert_cmpint((int)pwrite(memory, &n, sizeof n, 12), ==, sizeof n);
    g_assert_cmpint(spec_read(memory, &fds, &s), ==, -EPROTO);
}

static void missing_fds(void)
{
    struct kilnrun_spec s;
    struct spec_fds fds;
    int memory = spec_write(&full, &fds);

    while (fds.n-- > 0)
        g_assert_cmpint(spec_read(memory, &fds, &s), ==, -EPROTO);
}

/* Every byte replaced by others: never a crash, whatever comes out. */
static void corrupt(void)
{
    struct kilnrun_spec s;
    struct spec_fds fds;
    struct stat st;
    int memory = spec_write(&full, &fds), refused = 0;

    g_assert_no_errno(fstat(memory, &st));
    for (off_t at = 0; at < st.st_size; at++) {
        char old, with[] = {0, 1, 0x7f, (char)0xff};

        g_assert_cmpint((int)pread(memory, &old, 1, at), ==, 1);
        for (size_t i = 0; i < sizeof with; i++) {
            g_assert_cmpint((int)pwrite(memory, &with[i], 1, at), ==, 1);
            refused += spec_read(memory, &fds, &s) < 0;
        }
        g_assert_cmpint((int)pwrite(memory, &old, 1, at), ==, 1);
    }
    g_assert_cmpint(refused, >, 0);
}

static void test_round_trip(void)
{
    in_child(round_trip);
}

static void test_truncated(void)
{
    in_child(truncated);
}

static void test_missing_fds(void)
{
    in_child(missing_fds);
}

static void test_missing_names(void)
{
    in_child(missing_names);
}

static void test_corrupt(void)
{
    in_child(corrupt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/run/spec/round-trip", test_round_trip);
    g_test_add_func("/run/spec/truncated", test_truncated);
    g_test_add_func("/run/spec/missing-fds", test_missing_fds);
    g_test_add_func("/run/spec/missing-names", test_missing_names);
    g_test_add_func("/run/spec/corrupt", test_corrupt);
    return g_test_run();
}
