/* What the tests of emulation share. */
#pragma once

#include "sandbox.h"

#include <sys/mman.h>
#include <sys/xattr.h>

#define SINGLE (1u << SINGLE_ID)

static inline Outcome run_emulated(Sandbox *s, enum kilnrun_emulate mode, uid_t uid,
                                   const char *script)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct kilnrun_spec spec = sandbox_spec(s, argv);

    spec.emulate = mode;
    spec.uid = uid;
    spec.gid = uid;
    return run_spec(s, &spec);
}

static inline void assert_emulates(Sandbox *s, enum kilnrun_emulate mode, uid_t uid,
                                   const char *script, const char *expected)
{
    g_auto(Outcome) o = run_emulated(s, mode, uid, script);

    assert_ran(&o);
    g_assert_cmpstr(o.output, ==, expected);
    g_assert_cmpint(o.result.exit_code, ==, 0);
}

/* What the upper directory records of a file or directory. */
static inline void assert_record(Sandbox *s, const char *path, const char *expected)
{
    g_autofree char *full = g_build_filename(s->upper, path, NULL);
    char text[128];
    ssize_t n = lgetxattr(full, "user.kiln.stat", text, sizeof text - 1);

    text[n < 0 ? 0 : n] = 0;
    g_assert_cmpstr(n < 0 ? g_strerror(errno) : text, ==, expected);
}

/* What the result records of another file. */
static inline const struct kilnrun_record *find_record(Sandbox *s, const Outcome *o,
                                                       const char *path)
{
    g_autofree char *full = g_build_filename(s->upper, path, NULL);
    struct kilnrun_identity identity;
    int fd = open(full, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    g_assert_no_errno(fd);
    g_assert_cmpint(kilnrun_identify(fd, &identity), ==, 0);
    close(fd);
    for (size_t i = 0; i < o->result.n_records; i++)
        if (memcmp(&o->result.records[i].identity, &identity, sizeof identity) == 0)
            return &o->result.records[i];
    return NULL;
}
