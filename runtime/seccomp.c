#include "seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "default.bpf.h"
#include "sys.h"

const struct sock_filter *seccomp_default(size_t *n)
{
    *n = sizeof default_filter / sizeof default_filter[0];
    return default_filter;
}

int seccomp_install(const struct sock_filter *filter, size_t size)
{
    size_t n = size / sizeof *filter;
    struct sock_fprog program;

    if (!filter)
        filter = seccomp_default(&n);
    program = (struct sock_fprog){.len = (unsigned short)n, .filter = (struct sock_filter *)filter};

    /* SPEC_ALLOW as runc: kernels before 5.16 would otherwise slow the command down. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) < 0)
        return -errno;
    return 0;
}
