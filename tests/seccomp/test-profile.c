/* Profiles in Docker's form: what they come to, and what is wrong with bad ones. */
#include "bpf.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/syscall.h>

#include "seccomp/profile.h"

static guint32 verdict(GBytes *program, guint32 arch, int number, guint64 a0, guint64 a1)
{
    gsize size;
    const struct sock_filter *f = g_bytes_get_data(program, &size);
    struct seccomp_data data = {.nr = number, .arch = arch, .args = {a0, a1}};
    return bpf_run(f, size / sizeof *f, &data);
}

static GBytes *compile_for(const char *arch, const char *json)
{
    const KilnSeccompHost host = {.arch = arch, .kernel_major = 6, .kernel_minor = 1};
    g_autoptr(GError) error = NULL;
    GBytes *program = kiln_seccomp_compile(json, &host, NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(program);
    return program;
}

static guint32 on_x86_64(const char *json, const char *call, guint64 a0, guint64 a1)
{
    g_autoptr(GBytes) program = compile_for("x86_64", json);
    return verdict(program, SCMP_ARCH_X86_64,
                   seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, call), a0, a1);
}

#define ERRNO(n) (SECCOMP_RET_ERRNO | (n))
/* Numbers above the highest named one answer ENOSYS; that of pkey_free is 331. */
#define PROFILE(rules)                                                                             \
    "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[" rules                                   \
    ",{\"names\":[\"pkey_free\"],\"action\":\"SCMP_ACT_ALLOW\"}]}"

static void test_actions(void)
{
    static const struct {
        const char *action;
        guint32 verdict;
    } cases[] = {
        {"\"SCMP_ACT_ALLOW\"", SECCOMP_RET_ALLOW},
        {"\"SCMP_ACT_ERRNO\"", ERRNO(EPERM)},
        {"\"SCMP_ACT_ERRNO\",\"errnoRet\":38", ERRNO(38)},
        {"\"SCMP_ACT_KILL\"", SECCOMP_RET_KILL_THREAD},
        {"\"SCMP_ACT_KILL_PROCESS\"", SECCOMP_RET_KILL_PROCESS},
        {"\"SCMP_ACT_TRAP\"", SECCOMP_RET_TRAP},
        {"\"SCMP_ACT_LOG\"", SECCOMP_RET_LOG},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *json =
            g_strdup_printf(PROFILE("{\"names\":[\"mkdir\"],\"action\":%s}"), cases[i].action);
        g_assert_cmphex(on_x86_64(json, "mkdir", 0, 0), ==, cases[i].verdict);
        g_assert_cmphex(on_x86_64(json, "rmdir", 0, 0), ==, ERRNO(EPERM));
    }
    g_assert_cmphex(
        on_x86_64("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":13}", "mkdir", 0, 0),
        ==, ERRNO(13));
    g_assert_cmphex(
        on_x86_64("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"name\":\"mkdir\","
                  "\"action\":\"SCMP_ACT_ERRNO\"}]}",
                  "mkdir", 0, 0),
        ==, ERRNO(EPERM));
}

static void test_arguments(void)
{
    static const struct {
        const char *args;
        guint64 a0, a1;
        gboolean allowed;
    } cases[] = {
        {"{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":5}", 5, 0, TRUE},
        {"{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":5}", 6, 0, FALSE},
        {"{\"index\":0,\"op\":\"SCMP_CMP_NE\",\"value\":5}", 6, 0, TRUE},
        {"{\"index\":0,\"op\":\"SCMP_CMP_LE\",\"value\":5}", 5, 0, TRUE},
        {"{\"index\":0,\"op\":\"SCMP_CMP_LT\",\"value\":5}", 5, 0, FALSE},
        {"{\"index\":0,\"op\":\"SCMP_CMP_GE\",\"value\":5}", 5, 0, TRUE},
        {"{\"index\":0,\"op\":\"SCMP_CMP_GT\",\"value\":5}", 5, 0, FALSE},
        {"{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":18446744073709551615}", G_MAXUINT64, 0,
         TRUE},
        {"{\"index\":0,\"op\":\"SCMP_CMP_MASKED_EQ\",\"value\":12,\"valueTwo\":4}", 7, 0, TRUE},
        {"{\"index\":0,\"op\":\"SCMP_CMP_MASKED_EQ\",\"value\":12,\"valueTwo\":4}", 8, 0, FALSE},
        /* all of one rule must hold … */
        {"{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":1},{\"index\":1,\"op\":\"SCMP_CMP_EQ\","
         "\"value\":2}",
         1, 2, TRUE},
        {"{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":1},{\"index\":1,\"op\":\"SCMP_CMP_EQ\","
         "\"value\":2}",
         1, 3, FALSE},
        /* … but on one argument any, as in runc */
        {"{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":1},{\"index\":0,\"op\":\"SCMP_CMP_EQ\","
         "\"value\":2}",
         2, 0, TRUE},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *json = g_strdup_printf(
            PROFILE("{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[%s]}"),
            cases[i].args);
        guint32 want = cases[i].allowed ? SECCOMP_RET_ALLOW : ERRNO(EPERM);
        g_assert_cmphex(on_x86_64(json, "personality", cases[i].a0, cases[i].a1), ==, want);
    }
}

static void test_conditions(void)
{
    static const struct {
        const char *conditions;
        gboolean applies;
    } cases[] = {
        {"\"includes\":{\"caps\":[\"CAP_CHOWN\",\"CAP_KILL\"]}", TRUE},
        {"\"includes\":{\"caps\":[\"CAP_CHOWN\",\"CAP_SYS_ADMIN\"]}", FALSE},
        {"\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\",\"CAP_CHOWN\"]}", FALSE},
        {"\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}", TRUE},
        {"\"includes\":{\"arches\":[\"arm64\",\"amd64\"]}", TRUE},
        {"\"includes\":{\"arches\":[\"arm64\"]}", FALSE},
        {"\"excludes\":{\"arches\":[\"amd64\"]}", FALSE},
        {"\"includes\":{\"minKernel\":\"6.1\"}", TRUE},
        {"\"includes\":{\"minKernel\":\"6.2\"}", FALSE},
        {"\"excludes\":{\"minKernel\":\"5.19\"}", FALSE},
        {"\"includes\":{},\"excludes\":null", TRUE},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *json =
            g_strdup_printf(PROFILE("{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_ALLOW\",%s}"),
                            cases[i].conditions);
        g_assert_cmphex(on_x86_64(json, "mkdir", 0, 0), ==,
                        cases[i].applies ? SECCOMP_RET_ALLOW : ERRNO(EPERM));
    }
}

static void test_architectures(void)
{
    const char *json =
        "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"archMap\":[{\"architecture\":"
        "\"SCMP_ARCH_X86_64\",\"subArchitectures\":[\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"]},"
        "{\"architecture\":\"SCMP_ARCH_AARCH64\",\"subArchitectures\":[\"SCMP_ARCH_ARM\"]}],"
        "\"syscalls\":[{\"names\":[\"mkdir\",\"statx\"],\"action\":\"SCMP_ACT_ALLOW\"}]}";
    g_autoptr(GBytes) x86 = compile_for("x86_64", json);
    g_autoptr(GBytes) arm = compile_for("aarch64", json);
    g_assert_cmphex(verdict(x86, SCMP_ARCH_X86, 39, 0, 0), ==,
                    SECCOMP_RET_ALLOW); /* mkdir of i386 */
    g_assert_cmphex(verdict(x86, SCMP_ARCH_X86_64, 0x40000000 | 83, 0, 0), ==, SECCOMP_RET_ALLOW);
    g_assert_cmphex(verdict(x86, SCMP_ARCH_ARM, 39, 0, 0), ==, SECCOMP_RET_KILL_PROCESS);
    g_assert_cmphex(verdict(arm, SCMP_ARCH_ARM, 39, 0, 0), ==, SECCOMP_RET_ALLOW);
    g_assert_cmphex(verdict(arm, SCMP_ARCH_AARCH64, 291, 0, 0), ==, SECCOMP_RET_ALLOW); /* statx */
    g_assert_cmphex(verdict(arm, SCMP_ARCH_X86_64, 83, 0, 0), ==, SECCOMP_RET_KILL_PROCESS);
    /* without a map: this architecture alone */
    g_autoptr(GBytes) alone =
        compile_for("x86_64", PROFILE("{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_ALLOW\"}"));
    g_assert_cmphex(verdict(alone, SCMP_ARCH_X86, 39, 0, 0), ==, SECCOMP_RET_KILL_PROCESS);
}

/* Names that libseccomp may not know are taken by number; what is newer than all of the profile's
 * is ENOSYS, so that a C library tries the older call. */
static void test_new_calls(void)
{
    g_autoptr(GBytes) p =
        compile_for("x86_64", PROFILE("{\"names\":[\"fchmodat2\"],\"action\":\"SCMP_ACT_ALLOW\"}"));
    g_assert_cmphex(verdict(p, SCMP_ARCH_X86_64, 452, 0, 0), ==, SECCOMP_RET_ALLOW);
    g_assert_cmphex(verdict(p, SCMP_ARCH_X86_64, 451, 0, 0), ==, ERRNO(EPERM));
    g_assert_cmphex(verdict(p, SCMP_ARCH_X86_64, 453, 0, 0), ==, ERRNO(ENOSYS));
    g_autoptr(GBytes) open = compile_for("x86_64", "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}");
    g_assert_cmphex(verdict(open, SCMP_ARCH_X86_64, 600, 0, 0), ==, SECCOMP_RET_ALLOW);
}

static void test_unknown_names_are_told(void)
{
    const KilnSeccompHost host = {.arch = "x86_64", .kernel_major = 6};
    g_autofree char *unknown = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) program = kiln_seccomp_compile(
        PROFILE("{\"names\":[\"mkdir\",\"flyaway\",\"mkdri\"],\"action\":\"SCMP_ACT_ALLOW\"}"),
        &host, &unknown, &error);
    g_assert_no_error(error);
    g_assert_nonnull(program);
    g_assert_cmpstr(unknown, ==, "flyaway, mkdri");
}

static void test_bad_profiles(void)
{
    static const struct {
        const char *json, *message;
    } cases[] = {
        {"", "line 1"},
        {"{\n\"defaultAction\": ALLOW\n}", "line 2"},
        {"[]", "not a JSON object"},
        {"{}", "no \"defaultAction\""},
        {"{\"defaultAction\":7}", "no \"defaultAction\""},
        {"{\"defaultAction\":\"ALLOW\"}", "unknown action \"ALLOW\""},
        {"{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "no agent"},
        {"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":5000}", "from 0 to 4095"},
        {"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":\"EPERM\"}", "from 0 to 4095"},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_Z80\"]}",
         "SCMP_ARCH_Z80"},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[7]}", "architecture"},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":{}}", "must be lists"},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\"],\"archMap\":["
         "{}]}",
         "both"},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"archMap\":[7]}", "archMap"},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":{}}", "not a list"},
        {PROFILE("7"), "syscalls[0] is not an object"},
        {PROFILE("{\"names\":[\"read\"]}"), "syscalls[0] has no \"action\""},
        {PROFILE("{\"action\":\"SCMP_ACT_ALLOW\"}"), "names no system call"},
        {PROFILE("{\"names\":[7],\"action\":\"SCMP_ACT_ALLOW\"}"), "not a string"},
        {PROFILE("{\"name\":\"read\",\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"}"), "both"},
        {PROFILE("{\"names\":[\"read\"],\"action\":\"SCMP_ACT_TRACE\"}"), "no tracer"},
        {PROFILE("{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":6,"
                 "\"op\":\"SCMP_CMP_EQ\"}]}"),
         "six"},
        {PROFILE("{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":-1,"
                 "\"op\":\"SCMP_CMP_EQ\"}]}"),
         "not a number"},
        {PROFILE("{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,"
                 "\"op\":\"==\"}]}"),
         "unknown comparison \"==\""},
        {PROFILE("{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[7]}"),
         "not an object"},
        {PROFILE("{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":"
                 "\"new\"}}"),
         "minKernel"},
        {PROFILE("{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":[]}"),
         "not an object"},
        {PROFILE("{\"names\":[\"fchmodat2\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,"
                 "\"op\":\"SCMP_CMP_EQ\"}]}"),
         NULL}, /* depends on libseccomp's age */
    };
    const KilnSeccompHost host = {.arch = "x86_64", .kernel_major = 6};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) program = kiln_seccomp_compile(cases[i].json, &host, NULL, &error);
        if (!cases[i].message) {
            g_assert_true((program == NULL) == (error != NULL));
            continue;
        }
        g_assert_null(program);
        g_assert_nonnull(error);
        if (!strstr(error->message, cases[i].message))
            g_error("%s: \"%s\" does not say \"%s\"", cases[i].json, error->message,
                    cases[i].message);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/seccomp/profile/actions", test_actions);
    g_test_add_func("/seccomp/profile/arguments", test_arguments);
    g_test_add_func("/seccomp/profile/conditions", test_conditions);
    g_test_add_func("/seccomp/profile/architectures", test_architectures);
    g_test_add_func("/seccomp/profile/new-calls", test_new_calls);
    g_test_add_func("/seccomp/profile/unknown-names", test_unknown_names_are_told);
    g_test_add_func("/seccomp/profile/bad", test_bad_profiles);
    return g_test_run();
}
