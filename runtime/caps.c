#include "caps.h"

#include <errno.h>
#include <sys/capability.h>

static const cap_value_t defaults[] = {
    CAP_AUDIT_WRITE, CAP_CHOWN,   CAP_DAC_OVERRIDE,     CAP_FOWNER,     CAP_FSETID,
    CAP_KILL,        CAP_MKNOD,   CAP_NET_BIND_SERVICE, CAP_NET_RAW,    CAP_SETFCAP,
    CAP_SETGID,      CAP_SETPCAP, CAP_SETUID,           CAP_SYS_CHROOT,
};

#define N_DEFAULTS ((int)(sizeof defaults / sizeof defaults[0]))

static int is_default(cap_value_t cap)
{
    for (int i = 0; i < N_DEFAULTS; i++)
        if (defaults[i] == cap)
            return 1;
    return 0;
}

int caps_cut_bounding(void)
{
    /* Beyond the kernel's last capability it is EINVAL (prctl(2)). */
    for (cap_value_t cap = 0;; cap++)
        if (!is_default(cap) && cap_drop_bound(cap) < 0)
            return errno == EINVAL && cap > CAP_AUDIT_WRITE ? 0 : -errno;
}

int caps_set(uid_t uid)
{
    cap_t caps = cap_init(); /* all clear */
    int rc = 0;

    if (!caps)
        return -ENOMEM;
    if (uid == 0 && (cap_set_flag(caps, CAP_PERMITTED, N_DEFAULTS, defaults, CAP_SET) < 0 ||
                     cap_set_flag(caps, CAP_EFFECTIVE, N_DEFAULTS, defaults, CAP_SET) < 0))
        rc = -errno;
    /* With inheritable empty the kernel keeps nothing in ambient either (capabilities(7)). */
    if (rc == 0 && cap_set_proc(caps) < 0)
        rc = -errno;
    cap_free(caps);
    return rc;
}

int caps_limit(uid_t uid)
{
    cap_t caps = cap_get_proc();
    cap_flag_value_t held;
    int rc = caps ? 0 : -errno;

    /* EPERM: no CAP_SETPCAP. Then the sets below are as much as is left to be done. */
    for (cap_value_t cap = 0; rc == 0 && cap_get_bound(cap) >= 0; cap++)
        if (!is_default(cap) && cap_get_bound(cap) > 0 && cap_drop_bound(cap) < 0 && errno != EPERM)
            rc = -errno;
    for (cap_value_t cap = 0; rc == 0 && cap_get_flag(caps, cap, CAP_PERMITTED, &held) == 0;
         cap++) {
        if (uid == 0 && is_default(cap))
            continue;
        if (cap_set_flag(caps, CAP_PERMITTED, 1, &cap, CAP_CLEAR) < 0 ||
            cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, CAP_CLEAR) < 0)
            rc = -errno;
    }
    if (rc == 0 && (cap_clear_flag(caps, CAP_INHERITABLE) < 0 || cap_set_proc(caps) < 0))
        rc = -errno;
    cap_free(caps);
    return rc;
}
