#include "seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "default.bpf.h"
#include "sys.h"

int seccomp_install(void)
{
    struct sock_fprog program = {.len = sizeof default_filter / sizeof default_filter[0],
                                 .filter = (struct sock_filter *)default_filter};

    /* SPEC_ALLOW as runc: kernels before 5.16 would otherwise slow the command down. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) < 0)
        return -errno;
    return 0;
}
