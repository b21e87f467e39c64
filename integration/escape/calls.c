/* System calls that Docker's default profile refuses to a container without more capabilities.
 * Arguments are such that a kernel without the filter finds them wrong, but only after it has asked
 * for permission. */
#include "escape.h"

#include <errno.h>
#include <stdlib.h>
#include <linux/keyctl.h>
#include <linux/reboot.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define P(pointer) ((long)(uintptr_t)(pointer))

static const char zeros[256];
static const struct {
    long seconds, rest;
} no_time = {0, -1};

static const struct {
    const char *name;
    long number, arguments[6];
} calls[] = {
    {"keyctl", SYS_keyctl, {KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1}},
    {"keyctl-user", SYS_keyctl, {KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1}},
    {"add_key", SYS_add_key, {P("user"), P("escape"), P("x"), 1, KEY_SPEC_PROCESS_KEYRING}},
    {"request_key", SYS_request_key, {P("user"), P("escape"), 0, 0}},
    {"bpf", SYS_bpf, {0, P(zeros), sizeof zeros}},
    {"userfaultfd", SYS_userfaultfd, {0}},
    {"perf_event_open", SYS_perf_event_open, {P(zeros), 0, -1, -1, 0}},
    {"io_uring_setup", SYS_io_uring_setup, {0, P(zeros)}},
    {"io_uring_enter", SYS_io_uring_enter, {-1, 0, 0, 0, 0}},
    {"kexec_load", SYS_kexec_load, {0, 0, 0, -1}},
    {"kexec_file_load", SYS_kexec_file_load, {-1, -1, 0, 0, -1}},
    {"init_module", SYS_init_module, {P(zeros), 0, P("")}},
    {"finit_module", SYS_finit_module, {-1, P(""), 0}},
    {"delete_module", SYS_delete_module, {P("kiln_escape"), 0}},
    {"swapon", SYS_swapon, {P("/escape-nowhere"), 0}},
    {"swapoff", SYS_swapoff, {P("/escape-nowhere"), 0}},
    {"reboot", SYS_reboot, {LINUX_REBOOT_MAGIC1, 0, 0, 0}},
    {"settimeofday", SYS_settimeofday, {P(&no_time), 0}},
    {"clock_settime", SYS_clock_settime, {0, P(&no_time)}},
    {"acct", SYS_acct, {P("/escape-nowhere")}},
    {"quotactl", SYS_quotactl, {0, P("/escape-nowhere"), 0, 0}},
    {"quotactl_fd", SYS_quotactl_fd, {-1, 0, 0, 0}},
    {"nfsservctl", 180, {0, 0, 0}},
    {"syslog", SYS_syslog, {3, P(zeros), 0}},
    {"personality", SYS_personality, {0x0040000 /* ADDR_NO_RANDOMIZE */}},
    {"fanotify_init", SYS_fanotify_init, {0, 0}},
    {"move_pages", SYS_move_pages, {0, 0, 0, 0, 0, 0}},
    {"setdomainname", SYS_setdomainname, {P("escape"), -1}},
    {"vsock", SYS_socket, {AF_VSOCK, SOCK_STREAM, 0}},
#ifdef __x86_64__
    {"iopl", SYS_iopl, {3}},
    {"ioperm", SYS_ioperm, {0x80, 1, 1}},
    {"modify_ldt-x32", 0x40000000 | SYS_modify_ldt, {0}},
    {"mount-x32", 0x40000000 | SYS_mount, {0}},
#endif
};

static struct verdict call(const char *name)
{
    const long *a;

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (strcmp(calls[i].name, name) == 0) {
            a = calls[i].arguments;
            return judge_gate(syscall(calls[i].number, a[0], a[1], a[2], a[3], a[4], a[5]));
        }
    return refused(ENOSYS);
}

#ifdef __x86_64__
/* By the gate for 32-bit programs, with its numbers: a filter that looks at the number alone lets
 * them pass. */
static const struct {
    const char *name;
    int number, first;
} calls32[] = {{"mount", 21, 0},        {"umount2", 52, 0},         {"unshare", 310, 0x10000000},
               {"setns", 346, -1},      {"keyctl", 288, 0},         {"bpf", 357, 0},
               {"init_module", 128, 0}, {"vm86", 166, 0},           {"stime", 25, 0},
               {"swapon", 87, 0},       {"io_uring_setup", 425, 0}, {"perf_event_open", 336, 0},
               {"reboot", 88, 0},       {"syslog", 103, 3},         {"open_by_handle_at", 342, -1},
               {"clone3", 435, 0}};

static struct verdict call32(const char *name)
{
    long result = -ENOSYS;

    for (size_t i = 0; i < sizeof calls32 / sizeof calls32[0]; i++)
        if (strcmp(calls32[i].name, name) == 0)
            __asm__ volatile("int $0x80"
                             : "=a"(result)
                             : "a"((long)calls32[i].number), "b"((long)calls32[i].first), "c"(0L),
                               "d"(0L), "S"(0L), "D"(0L)
                             : "memory", "r8", "r9", "r10", "r11");
    result = (int)result;
    errno = result < 0 ? (int)-result : 0;
    return judge_gate(result < 0 ? -1 : result);
}
#endif

#define CALL(name)                                                                                 \
    {                                                                                              \
        "call", call, name                                                                         \
    }
#define CALL32(name)                                                                               \
    {                                                                                              \
        "call32", call32, name                                                                     \
    }

const struct attack call_attacks[] = {
    CALL("keyctl"),
    CALL("keyctl-user"),
    CALL("add_key"),
    CALL("request_key"),
    CALL("bpf"),
    CALL("userfaultfd"),
    CALL("perf_event_open"),
    CALL("io_uring_setup"),
    CALL("io_uring_enter"),
    CALL("kexec_load"),
    CALL("kexec_file_load"),
    CALL("init_module"),
    CALL("finit_module"),
    CALL("delete_module"),
    CALL("swapon"),
    CALL("swapoff"),
    CALL("reboot"),
    CALL("settimeofday"),
    CALL("clock_settime"),
    CALL("acct"),
    CALL("quotactl"),
    CALL("quotactl_fd"),
    CALL("nfsservctl"),
    CALL("syslog"),
    CALL("personality"),
    CALL("fanotify_init"),
    CALL("move_pages"),
    CALL("setdomainname"),
    CALL("vsock"),
#ifdef __x86_64__
    CALL("iopl"),
    CALL("ioperm"),
    CALL("modify_ldt-x32"),
    CALL("mount-x32"),
    CALL32("mount"),
    CALL32("umount2"),
    CALL32("unshare"),
    CALL32("setns"),
    CALL32("keyctl"),
    CALL32("bpf"),
    CALL32("init_module"),
    CALL32("vm86"),
    CALL32("stime"),
    CALL32("swapon"),
    CALL32("io_uring_setup"),
    CALL32("perf_event_open"),
    CALL32("reboot"),
    CALL32("syslog"),
    CALL32("open_by_handle_at"),
    CALL32("clone3"),
#endif
    {NULL, NULL, NULL},
};
