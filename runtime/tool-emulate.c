/* Makes the seccomp filters of owner emulation out of emulate-calls.h, one for each mode, and a
 * table from numbers of system calls to who answers them, as C arrays. Runs when kiln is built. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emulate-calls.h"

enum mode { DEVICES, OWNERS, FULL, N_MODES };

static const struct call {
    const char *name, *handler;
    enum mode mode;
    enum emulate_when when;
    unsigned arg;
} calls[] = {
#define CALL(name, handler, mode, when, arg) {#name, #handler, mode, EMULATE_##when, arg},
    EMULATE_CALLS(CALL)
#undef CALL
};

static const unsigned absent[] = EMULATE_ABSENT;

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define X32_BIT 0x40000000u
#define TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)

/* The architecture whose 32-bit programs run here, too. */
#if defined(__x86_64__)
#define COMPAT SCMP_ARCH_X86
#elif defined(__aarch64__)
#define COMPAT SCMP_ARCH_ARM
#elif defined(__s390x__)
#define COMPAT SCMP_ARCH_S390
#endif

static void check(int rc, const char *what)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "tool-emulate: %s: %s\n", what, strerror(-rc));
    exit(1);
}

static void trap(scmp_filter_ctx filter, const struct call *call, int number, uint64_t mask,
                 uint64_t equal)
{
    struct scmp_arg_cmp c = {call->arg, SCMP_CMP_MASKED_EQ, mask, equal};
    int rc = seccomp_rule_add_array(filter, SCMP_ACT_NOTIFY, number, 1, &c);

    check(rc == -EEXIST ? 0 : rc, call->name);
}

static void add_call(scmp_filter_ctx filter, const struct call *call)
{
    static const unsigned options[] = {PR_SET_KEEPCAPS, PR_GET_KEEPCAPS, PR_SET_TIMERSLACK,
                                       PR_GET_TIMERSLACK};
    int rc, number = seccomp_syscall_resolve_name(call->name);

    if (number == __NR_SCMP_ERROR)
        check(-EINVAL, call->name);
    switch (call->when) {
    case EMULATE_ALWAYS:
        rc = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, number, 0);
        check(rc == -EEXIST ? 0 : rc, call->name);
        break;
    case EMULATE_IF_DEVICE:
        trap(filter, call, number, S_IFMT, S_IFCHR);
        trap(filter, call, number, S_IFMT, S_IFBLK);
        break;
    case EMULATE_IF_CREATES:
        trap(filter, call, number, O_CREAT, O_CREAT);
        trap(filter, call, number, TMPFILE_BIT, TMPFILE_BIT);
        break;
    case EMULATE_IF_SET_ID:
        trap(filter, call, number, S_ISUID, S_ISUID);
        trap(filter, call, number, S_ISGID, S_ISGID);
        break;
    case EMULATE_IF_KEEPS:
        for (size_t i = 0; i < COUNT(options); i++)
            trap(filter, call, number, UINT32_MAX, options[i]);
        break;
    }
}

static void print(FILE *f, const struct sock_filter *program, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fprintf(f, "    {0x%02x, %u, %u, 0x%08x},\n", program[i].code, program[i].jt, program[i].jf,
                program[i].k);
}

/* What libseccomp cannot say: calls that it may not know, and x32, which has the architecture of
 * x86-64: its calls are as if absent, all of them. */
static void print_prologue(FILE *f)
{
    const struct sock_filter load =
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    const struct sock_filter refuse = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    const struct sock_filter x32 = BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);

    print(f, &load, 1);
    print(f, &x32, 1);
    print(f, &refuse, 1);
    for (size_t i = 0; i < COUNT(absent); i++) {
        const struct sock_filter jump = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, absent[i], 0, 1);
        print(f, &jump, 1);
        print(f, &refuse, 1);
    }
}

static void print_filter(FILE *f, const char *name, enum mode mode)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int fd = memfd_create("bpf", MFD_CLOEXEC);
    struct sock_filter program[BPF_MAXINSNS];
    ssize_t size;

    if (!filter || fd < 0)
        check(-ENOMEM, "seccomp_init");
    check(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), "optimize");
    check(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "badarch");
#ifdef COMPAT
    check(seccomp_arch_add(filter, COMPAT), "add an architecture");
#endif
    /* A mode has the calls of those before it; what it traps whole is not asked for arguments. */
    for (size_t i = COUNT(calls); i-- > 0;)
        if (calls[i].mode <= mode && !(mode > DEVICES && calls[i].mode == DEVICES))
            add_call(filter, &calls[i]);
    check(seccomp_export_bpf(filter, fd), "export");
    size = pread(fd, program, sizeof program, 0);
    if (size <= 0)
        check(-EIO, "read the exported filter");
    fprintf(f, "static const struct sock_filter emulate_%s[] = {\n", name);
    if (mode > DEVICES)
        print_prologue(f);
    print(f, program, (size_t)size / sizeof *program);
    fprintf(f, "};\n");
    close(fd);
    seccomp_release(filter);
}

/* Each name once: the rows of DEVICES come again. */
static void print_numbers(FILE *f, const char *table, uint32_t architecture)
{
    fprintf(f, "static const struct emulate_answer %s[] = {\n", table);
    for (size_t i = 0; i < COUNT(calls); i++) {
        int number = seccomp_syscall_resolve_name_arch(architecture, calls[i].name);
        size_t length = strlen(calls[i].name);
        const char *end = calls[i].name + (length > 2 ? length - 2 : 0);
        int wide = strcmp(end, "32") == 0 || strcmp(end, "64") == 0;
        if (number >= 0 && calls[i].when != EMULATE_IF_DEVICE)
            fprintf(f, "    [%d] = {%s, %d},\n", number, calls[i].handler, wide);
    }
    fprintf(f, "};\n");
}

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "we") : NULL;

    if (!f) {
        fprintf(stderr, "kiln-tool-emulate OUTPUT.h\n");
        return 1;
    }
    fprintf(f, "/* Made by tool-emulate.c; do not edit. */\n#ifdef EMULATE_FILTERS\n");
    print_filter(f, "devices", DEVICES);
    print_filter(f, "owners", OWNERS);
    print_filter(f, "full", FULL);
    fprintf(f, "#else\n");
    print_numbers(f, "native_answers", seccomp_arch_native());
#ifdef COMPAT
    print_numbers(f, "compat_answers", COMPAT);
#else
    fprintf(f, "static const struct emulate_answer compat_answers[1];\n");
#endif
    fprintf(f, "#endif\n");
    if (fclose(f) != 0)
        check(-errno, argv[1]);
    return 0;
}
