/* The default filter judged by what Docker's comes to: every number of every architecture of the
 * filters for x86-64 (with its 32-bit side and x32) and aarch64 (with arm), each with arguments
 * that matter. */
#include "bpf.h"
#include "facts.h"

#include <seccomp.h>

#include "runtime/calls.h"
#include "runtime/seccomp.h"

#define default_filter x86_64_filter
#include "x86_64.bpf.h"
#undef default_filter
#define default_filter aarch64_filter
#include "aarch64.bpf.h"
#undef default_filter

#define X32_BIT 0x40000000u
#define NEWEST 466
#define OTHERWISE (SECCOMP_RET_ERRNO | 1)
#define UNKNOWN (SECCOMP_RET_ERRNO | 38)

typedef struct {
    const char *profile; /* architecture that the filter is for */
    const struct sock_filter *program;
    gsize n;
    guint32 arch;    /* of the call: SCMP_ARCH_*, which for x32 is not what the kernel says */
    guint32 first;   /* number */
    gboolean narrow; /* arguments have 32 bits, or libseccomp looks at no more */
} Side;

static const Side sides[] = {
    {"x86_64", x86_64_filter, G_N_ELEMENTS(x86_64_filter), SCMP_ARCH_X86_64, 0},
    {"x86_64", x86_64_filter, G_N_ELEMENTS(x86_64_filter), SCMP_ARCH_X86, 0, TRUE},
    {"x86_64", x86_64_filter, G_N_ELEMENTS(x86_64_filter), SCMP_ARCH_X32, X32_BIT, TRUE},
    {"aarch64", aarch64_filter, G_N_ELEMENTS(aarch64_filter), SCMP_ARCH_AARCH64, 0},
    {"aarch64", aarch64_filter, G_N_ELEMENTS(aarch64_filter), SCMP_ARCH_ARM, 0, TRUE},
    {"aarch64", aarch64_filter, G_N_ELEMENTS(aarch64_filter), SCMP_ARCH_ARM, 0x0f0000, TRUE},
};

static const guint64 arguments[][2] = {
    {0, 0},           {1, 0},          {2, 0},          {8, 0},          {16, 9},
    {37, 0},          {38, 0},         {39, 0},         {40, 0},         {41, 0},
    {0x11, 0},        {0x20000, 0},    {0x20008, 0},    {0xffffffff, 0}, {1ull << 32, 0},
    {0x10000011, 0},  {0x20000011, 0}, {0x02000000, 0}, {0x04000000, 0}, {0x08000000, 0},
    {0x40000000, 0},  {0x80, 0},       {0x00010f00, 0}, {0x3d0f00, 0},   {G_MAXUINT64, 0},
    {0, G_MAXUINT64},
};

/* A call that libseccomp does not know is found by the number in the facts: the same on all but x32
 * from 424 on, below that the profile's own. */
static gboolean is_call(const Fact *f, const Side *side, guint32 number, const char *name)
{
    if (name)
        return strcmp(f->call, name) == 0;
    return f->number >= 0 && (guint32)f->number == number &&
           (f->number >= 424 ||
            side->arch ==
                (strcmp(side->profile, "x86_64") == 0 ? SCMP_ARCH_X86_64 : SCMP_ARCH_AARCH64));
}

/* Rules that allow come before the one that says how else a call is refused. */
static guint32 expected(const GArray *facts, const Side *side, guint32 number, const char *name,
                        const guint64 args[6])
{
    g_autofree char *place = g_strdup_printf(" %s ", side->profile);
    if (number > NEWEST && number < 0x0f0000)
        return UNKNOWN;
    for (guint i = 0; i < facts->len; i++) {
        const Fact *f = &g_array_index(facts, Fact, i);
        if (is_call(f, side, number, name) && fact_holds(f, args) &&
            (!f->architectures || strstr(f->architectures, place)))
            return f->error ? SECCOMP_RET_ERRNO | f->error : SECCOMP_RET_ALLOW;
    }
    return OTHERWISE;
}

static guint check_number(const GArray *facts, const Side *side, guint32 number)
{
    g_autofree char *name = seccomp_syscall_resolve_num_arch(side->arch, (int)number);
    guint differences = 0;
    const guint64 bits = side->narrow ? G_MAXUINT32 : G_MAXUINT64;
    for (guint i = 0; i < G_N_ELEMENTS(arguments); i++) {
        const guint64 args[6] = {arguments[i][0] & bits, arguments[i][1] & bits};
        struct seccomp_data data = {
            .nr = (int)number,
            .arch = side->arch == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64 : side->arch,
            .args = {args[0], args[1]},
        };
        guint32 got = bpf_run(side->program, side->n, &data);
        guint32 want = expected(facts, side, number, name, args);
        if (got != want) {
            g_test_message("%s, %08x: %u (%s) with 0x%llx: %08x, not %08x", side->profile,
                           side->arch, number, name ? name : "no name", (unsigned long long)args[0],
                           got, want);
            differences++;
        }
    }
    return differences;
}

static void test_every_number(void)
{
    g_autoptr(GArray) facts = facts_read(KILN_SECCOMP_FACTS);
    guint differences = 0;
    for (guint i = 0; i < G_N_ELEMENTS(sides); i++)
        for (guint32 n = 0; n < 1024; n++)
            differences += check_number(facts, &sides[i], sides[i].first + n);
    g_assert_cmpuint(differences, ==, 0);
}

static void test_unknown_architecture_is_killed(void)
{
    struct seccomp_data data = {.nr = 0, .arch = SCMP_ARCH_MIPS};
    g_assert_cmphex(bpf_run(x86_64_filter, G_N_ELEMENTS(x86_64_filter), &data), ==,
                    SECCOMP_RET_KILL_PROCESS);
}

/* What is judged above is what commands get. */
static void test_installed_is_judged(void)
{
    gsize n;
    const struct sock_filter *own = seccomp_default(&n);
    for (guint i = 0; i < G_N_ELEMENTS(sides); i++) {
        if (strcmp(sides[i].profile, kilnrun_native_arch()) == 0) {
            g_assert_cmpmem(own, n * sizeof *own, sides[i].program, sides[i].n * sizeof *own);
            return;
        }
    }
    g_test_skip("this architecture's filter is not judged");
}

/* `kiln doctor --seccomp` says of each call what the filter does. */
static void test_table_is_true(void)
{
    static const char *const names[] = {"ALLOWED", "CONDITIONAL", "EPERM", "ENOSYS"};
    gsize n_calls, n;
    const struct kilnrun_call *calls = kilnrun_calls(&n_calls);
    const struct sock_filter *program = seccomp_default(&n);
    g_assert_cmpuint(n_calls, >, 400);
    for (gsize i = 0; i < n_calls; i++) {
        int number = seccomp_syscall_resolve_name(calls[i].name);
        guint allowed = 0, refused = 0, unknown = 0;
        if (number == __NR_SCMP_ERROR)
            number = kilnrun_new_call(calls[i].name);
        if (number < 0)
            continue; /* of another architecture; judged above */
        for (guint k = 0; k < G_N_ELEMENTS(arguments); k++) {
            struct seccomp_data data = {.nr = number,
                                        .arch = seccomp_arch_native(),
                                        .args = {arguments[k][0], arguments[k][1]}};
            guint32 verdict = bpf_run(program, n, &data);
            allowed += verdict == SECCOMP_RET_ALLOW;
            refused += verdict == OTHERWISE;
            unknown += verdict == UNKNOWN;
        }
        enum kilnrun_verdict verdict = allowed && refused ? KILNRUN_CALL_CONDITIONAL
                                       : allowed          ? KILNRUN_CALL_ALLOWED
                                       : unknown          ? KILNRUN_CALL_ENOSYS
                                                          : KILNRUN_CALL_EPERM;
        if (verdict != calls[i].verdict)
            g_error("%s: the table says %s, the filter %s", calls[i].name, names[calls[i].verdict],
                    names[verdict]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/seccomp/default/every-number", test_every_number);
    g_test_add_func("/seccomp/default/unknown-architecture", test_unknown_architecture_is_killed);
    g_test_add_func("/seccomp/default/installed", test_installed_is_judged);
    g_test_add_func("/seccomp/default/table", test_table_is_true);
    return g_test_run();
}
