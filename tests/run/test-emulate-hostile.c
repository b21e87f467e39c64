/* What a command may try against the supervisor. The attacks are functions of this program, which
 * shows itself to the sandbox as /attack and the host's libraries with it. */
#include "emulated.h"

#include <dirent.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>

/* --- Attacks: each says what it got --- */

#define TRY(call)                                                                                  \
    do {                                                                                           \
        long rc_ = (call);                                                                         \
        printf("%s\n", rc_ < 0 ? strerrorname_np(errno) : "ok");                                   \
    } while (0)

static const char forged[] = "f 4755 0 0 0 0";

static void forge(void)
{
    int fd = open("/tmp/f", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    TRY(setxattr("/tmp/f", "user.kiln.stat", forged, sizeof forged, 0));
    TRY(lsetxattr("/tmp/f", "user.kiln.stat", forged, sizeof forged, 0));
    TRY(fsetxattr(fd, "user.kiln.stat", forged, sizeof forged, 0));
    TRY(fsetxattr(fd, "user.kiln.else", forged, sizeof forged, 0));
    TRY(setxattr("/proc/self/fd/3", "user.kiln.stat", forged, sizeof forged, 0));
    TRY(syscall(463, AT_FDCWD, "/tmp/f", 0, "user.kiln.stat", NULL, 0)); /* setxattrat */
    TRY(fsetxattr(fd, "user.mine", "x", 1, 0));
    TRY(chown("/tmp/f", 7, 8));
    TRY(removexattr("/tmp/f", "user.kiln.stat"));
    TRY(fremovexattr(fd, "user.kiln.stat"));
    TRY(fremovexattr(fd, "user.mine"));
    TRY(flistxattr(fd, NULL, 0) == 0 ? 0 : -1);
}

static volatile char changing[32] = "user.other.nam";
static atomic_bool stop;

static void *change_name(void *data)
{
    static const char *const names[] = {"user.kiln.stat", "user.other.nam"};

    (void)data;
    for (unsigned n = 0; !stop; n++)
        for (gsize i = 0; i < 14; i++)
            changing[i] = names[n % 2][i];
    return NULL;
}

/* The name is changed while the call is looked at. */
static void race(void)
{
    pthread_t thread;
    int fd = open("/tmp/f", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    pthread_create(&thread, NULL, change_name, NULL);
    for (int i = 0; i < 100; i++)
        fsetxattr(fd, (const char *)changing, forged, sizeof forged, 0);
    stop = true;
    pthread_join(thread, NULL);
    TRY(getxattr("/tmp/f", "user.kiln.stat", NULL, 0));
}

static void pointers(void)
{
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    gid_t groups[2] = {1, 2};

    mprotect(page + 4096, 4096, PROT_NONE);
    memset(page, 'a', 4096);
    TRY(chown((char *)1, 1, 1));
    TRY(chown(page + 8, 1, 1)); /* runs into what is not mapped */
    memcpy(page + 4090, "/tmp/", 6);
    TRY(chown(page + 4090, 1, 1)); /* ends just before it */
    TRY(syscall(SYS_stat, "/tmp", (void *)1));
    TRY(syscall(SYS_getresuid, (void *)1, NULL, NULL));
    TRY(setgroups(65537, groups));
    TRY(syscall(SYS_setgroups, 2, (void *)1));
    TRY(setgroups(2, groups));
    TRY(syscall(SYS_getgroups, 1, groups));
    TRY(syscall(SYS_getgroups, -1, groups));
    TRY(syscall(SYS_setxattr, "/tmp", "user.x", (void *)1, 1, 0));
    TRY(syscall(SYS_setxattr, "/tmp", "user.x", forged, (size_t)-1, 0));
    TRY(syscall(SYS_fchown, -1, 1, 1));
    TRY(syscall(SYS_fchown, 999, 1, 1));
    TRY(syscall(SYS_fchownat, AT_FDCWD, "/tmp", 1, 1, 0x10));
    TRY(syscall(SYS_mknod, "/tmp/no/c", S_IFCHR | 0600, makedev(1, 3)));
    TRY(syscall(SYS_mknod, "/", S_IFCHR | 0600, makedev(1, 3)));
}

/* A second one of the same process stays what it was: ids are a thread's for the kernel. */
static void *be_another(void *data)
{
    (void)data;
    syscall(SYS_setresuid, 7, 7, 7);
    printf("thread %ld\n", syscall(SYS_getuid));
    return NULL;
}

static void threads(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, be_another, NULL);
    pthread_join(thread, NULL);
    printf("first %ld\n", syscall(SYS_getuid));
    TRY(setresuid(9, 9, 9));
    TRY(setresuid(0, 0, 0));
    prctl(PR_SET_TIMERSLACK, 50000, 0, 0, 0);
    printf("then %ld\n", syscall(SYS_getuid));
}

/* capabilities(7) */
static void keep_capabilities(void)
{
    TRY(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    TRY(setresuid(7, 7, 7));
    TRY(setresgid(8, 8, 8)); /* permitted, but not effective any more */
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    TRY(syscall(SYS_capget, &head, data));
    data[0].effective = data[0].permitted;
    TRY(syscall(SYS_capset, &head, data));
    TRY(setresgid(8, 8, 8));
    data[0].effective = data[0].permitted = 0;
    TRY(syscall(SYS_capset, &head, data));
    TRY(setresgid(9, 9, 9));
    data[0].permitted = 1;
    TRY(syscall(SYS_capset, &head, data));
}

static void ignore(int signal)
{
    (void)signal;
}

/* Signals do not have a call made twice, and no descriptor is used up. */
static void interrupted(void)
{
    struct itimerval often = {{0, 200}, {0, 200}};
    int failed = 0;

    signal(SIGALRM, ignore);
    TRY(setresgid(7, 7, 7));
    TRY(setresuid(7, 7, 7));
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 400; i++) {
        char path[32];
        snprintf(path, sizeof path, "/tmp/file%d", i);
        int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        failed += fd < 0 || fchown(fd, 7, 7) < 0 || mkdir("/tmp/d", 0700) < 0 || rmdir("/tmp/d");
        close(fd);
    }
    printf("failed %d\n", failed);
}

/* Ways around O_CREAT. */
static void create_otherwise(void)
{
    struct open_how how = {.flags = O_CREAT | O_WRONLY, .mode = 0600};
    struct stat st;
    int fd;

    TRY(setresuid(7, 7, 7));
    TRY(syscall(SYS_openat2, AT_FDCWD, "/tmp/o", &how, sizeof how));
    fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    TRY(fd);
    TRY(linkat(AT_FDCWD, "/proc/self/fd/3", AT_FDCWD, "/tmp/named", AT_SYMLINK_FOLLOW));
    TRY(stat("/tmp/named", &st));
    printf("%u\n", (unsigned)st.st_uid);
    TRY(fchmod(fd, 04755)); /* its own */
    TRY(chmod("/etc/motd", 04755));
    TRY(syscall(452, AT_FDCWD, "/etc/motd", 04755, 0)); /* fchmodat2 */
}

/* All that it can signal, and all that it sees in /proc, is its own. */
static void signal_all(void)
{
    DIR *proc = opendir("/proc");
    int n = 0;

    kill(-1, SIGKILL);
    for (struct dirent *e; (e = readdir(proc));)
        n += atoi(e->d_name) > 0;
    closedir(proc);
    printf("%d\n", n);
    TRY(chown("/tmp", 7, 8));
}

static void descriptors(void)
{
    DIR *dir;

    TRY(setresuid(7, 7, 7));
    close(open("/tmp/f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    dir = opendir("/proc/self/fd");
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(dir))
            printf("%s ", e->d_name);
    printf("\n");
}

static void wait_to_be_killed(void)
{
    printf("ready\n");
    fflush(stdout);
    while (chown("/tmp", 7, 8) == 0)
        ;
    printf("it failed and goes on\n");
}

static const struct {
    const char *name;
    void (*run)(void);
} attacks[] = {{"forge", forge},
               {"race", race},
               {"pointers", pointers},
               {"threads", threads},
               {"keep-capabilities", keep_capabilities},
               {"interrupted", interrupted},
               {"create-otherwise", create_otherwise},
               {"signal-all", signal_all},
               {"descriptors", descriptors},
               {"wait-to-be-killed", wait_to_be_killed}};

static int attack(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(attacks); i++)
        if (strcmp(attacks[i].name, name) == 0)
            attacks[i].run();
    fflush(stdout);
    _exit(0);
}

/* --- Tests --- */

static struct kilnrun_step *start_attack(Sandbox *s, const char *name, int *output)
{
    const char *argv[] = {"/attack", "--attack", name, NULL};
    const char *const env[] = {"ASAN_OPTIONS=detect_leaks=0", NULL};
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL); /* in our mount namespace */
    struct kilnrun_bind binds[3] = {
        {.target = "/usr", .source_fd = open("/usr", O_PATH)},
        {.target = "/attack", .source_fd = open(self, O_PATH)},
        {.target = "/etc/ld.so.cache", .source_fd = open("/etc/ld.so.cache", O_PATH)}};
    g_autofree char *tmp = sandbox_path(s, "layers/base/tmp");
    struct kilnrun_spec spec;
    struct kilnrun_step *step;

    sandbox_link(s, "layers/base/lib", "usr/lib");
    sandbox_link(s, "layers/base/lib64", "usr/lib64");
    g_assert_no_errno(chmod(tmp, 01777));
    spec = sandbox_spec(s, argv);
    spec.env = env;
    spec.emulate = KILNRUN_EMULATE_FULL;
    spec.binds = binds;
    spec.n_binds = G_N_ELEMENTS(binds);
    step = start_spec(s, &spec, output);
    for (gsize i = 0; i < G_N_ELEMENTS(binds); i++)
        close(binds[i].source_fd);
    return step;
}

static void assert_attack(Sandbox *s, const char *name, const char *expected)
{
    g_auto(Outcome) o = {0};
    int output;
    struct kilnrun_step *step = start_attack(s, name, &output);

    o.output = read_all(output);
    g_assert_cmpint(kilnrun_step_wait(step, &o.result), ==, 0);
    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, expected);
    g_assert_cmpint(o.result.exit_code, ==, 0);
}

static void test_forge(Sandbox *s)
{
    assert_attack(s, "forge",
                  "EOPNOTSUPP\nEOPNOTSUPP\nEOPNOTSUPP\nEOPNOTSUPP\nEOPNOTSUPP\nENOSYS\nok\nok\n"
                  "ENODATA\nENODATA\nok\nok\n");
    assert_record(s, "tmp/f", "f 644 7 8 0 0");
}

static void test_race(Sandbox *s)
{
    assert_attack(s, "race", "ENODATA\n");
}

static void test_pointers(Sandbox *s)
{
    assert_attack(s, "pointers",
                  "EFAULT\nEFAULT\nok\nEFAULT\nEFAULT\nEINVAL\nEFAULT\nok\nEINVAL\nEINVAL\n"
                  "EFAULT\nE2BIG\nEBADF\nEBADF\nEINVAL\nENOENT\nEEXIST\n");
}

static void test_threads(Sandbox *s)
{
    assert_attack(s, "threads", "thread 7\nfirst 0\nok\nEPERM\nthen 9\n");
}

static void test_keep_capabilities(Sandbox *s)
{
    assert_attack(s, "keep-capabilities", "ok\nok\nEPERM\nok\nok\nok\nok\nEPERM\nEPERM\n");
}

static void test_interrupted(Sandbox *s)
{
    assert_attack(s, "interrupted", "ok\nok\nfailed 0\n");
}

static void test_create_otherwise(Sandbox *s)
{
    assert_attack(s, "create-otherwise", "ok\nENOSYS\nok\nok\nok\n7\nok\nEPERM\nENOSYS\n");
    assert_record(s, "tmp/named", "f 600 7 0 0 0");
}

static void test_signal_all(Sandbox *s)
{
    assert_attack(s, "signal-all", "2\nok\n"); /* init and itself */
}

static void test_descriptors(Sandbox *s)
{
    assert_attack(s, "descriptors", "ok\n0 1 2 \n");
}

/* The only process of that name below the launcher. */
static pid_t find_supervisor(void)
{
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    pid_t found = -1;

    for (const char *name; (name = g_dir_read_name(proc));) {
        g_autofree char *path = g_strdup_printf("/proc/%s/comm", name);
        g_autofree char *stat = g_strdup_printf("/proc/%s/stat", name);
        g_autofree char *comm = NULL, *line = NULL, *parent = NULL, *grandparent = NULL;
        int ppid = 0, above = 0;
        if (!g_file_get_contents(path, &comm, NULL, NULL) ||
            strcmp(comm, "kiln-supervisor\n") != 0 ||
            !g_file_get_contents(stat, &line, NULL, NULL) ||
            sscanf(line, "%*d (kiln-supervisor) %*c %d", &ppid) != 1)
            continue;
        parent = g_strdup_printf("/proc/%d/stat", ppid);
        if (g_file_get_contents(parent, &grandparent, NULL, NULL) &&
            sscanf(grandparent, "%*d (kiln-launcher) %*c %d", &above) == 1 && above == getpid())
            found = atoi(name);
    }
    return found;
}

/* Its death is the step's: it is said, and nothing hangs. */
static void test_supervisor_killed(Sandbox *s)
{
    g_auto(Outcome) o = {0};
    int output;
    struct kilnrun_step *step = start_attack(s, "wait-to-be-killed", &output);
    g_autofree char *ready = read_line(output);
    pid_t supervisor;

    g_assert_cmpstr(ready, ==, "ready");
    supervisor = find_supervisor();
    g_assert_cmpint(supervisor, >, 0);
    g_assert_no_errno(kill(supervisor, SIGKILL));
    o.output = read_all(output);
    g_assert_cmpint(kilnrun_step_wait(step, &o.result), ==, 0);
    assert_fails(&o, "emulate", -ECANCELED);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--attack") == 0)
        return attack(argv[2]);
    g_test_init(&argc, &argv, NULL);
    add_builder_test("forge", SINGLE, test_forge);
    add_builder_test("race", SINGLE, test_race);
    add_builder_test("pointers", SINGLE, test_pointers);
    add_builder_test("threads", SINGLE, test_threads);
    add_builder_test("keep-capabilities", SINGLE, test_keep_capabilities);
    add_builder_test("interrupted", SINGLE, test_interrupted);
    add_builder_test("create-otherwise", SINGLE, test_create_otherwise);
    add_builder_test("signal-all", SINGLE, test_signal_all);
    add_builder_test("descriptors", SINGLE, test_descriptors);
    add_builder_test("supervisor-killed", SINGLE, test_supervisor_killed);
    return g_test_run();
}
