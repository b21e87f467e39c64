/* escape: tries to get out of the sandbox that it runs in, one attack after the other, and says of
 * each whether it was refused. integration/87-escapes.bats runs it in RUNs, where each attack must
 * be refused, and outside of any sandbox, where each must work: so that none is refused only
 * because it is made wrongly.
 *
 * Statically linked, libc alone: it runs in busybox. An attack that works changes nothing: it stops
 * where the kernel's permission checks are behind it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct verdict {
    bool escaped;
    int error;       /* why it was refused, an errno; 0: see how */
    const char *how; /* how it escaped, or what was met instead */
};

struct attack {
    const char *name; /* one word, and the argument */
    struct verdict (*attempt)(const char *argument);
    const char *argument;
};

/* A family of attacks, ended by one without a name. */
struct group {
    const char *name;
    const struct attack *attacks;
};

extern const struct attack path_attacks[], mount_attacks[], namespace_attacks[], process_attacks[],
    file_attacks[], device_attacks[], call_attacks[], network_attacks[];

struct verdict escaped(const char *format, ...) __attribute__((format(printf, 1, 2)));
struct verdict refused(int error);
/* Refused without an error: what is met is harmless. */
struct verdict harmless(const char *how);
/* A result of a system call: negative means refused, with errno. */
struct verdict judge(long result, const char *how);
/* The same where the call is made so that it fails, but only behind the permission check: what
 * tells is the error. */
struct verdict judge_gate(long result);

/* Whether the fd lies on a mount that this process cannot see: a file that is not the sandbox's.
 * False for pipes, sockets and the like, which lie nowhere. */
bool is_foreign(int fd);
