/* The system calls that owner emulation answers, as a table for two readers: tool-emulate.c makes
 * the seccomp filters of it when kiln is built, supervisor.c finds who answers by it.
 *
 *   CALL(system call, who answers, least mode, when, number of the argument that "when" is about)
 *
 * Every name of every architecture is here: those that end in 32 or 64 are i386's and 32-bit Arm's,
 * where the plain names take ids of 16 bits. */
#pragma once

/* When a call is trapped. BPF sees registers only: what a pointer points to cannot be asked. */
enum emulate_when {
    EMULATE_ALWAYS,
    EMULATE_IF_DEVICE,  /* a mode of S_IFCHR or S_IFBLK */
    EMULATE_IF_CREATES, /* open flags with O_CREAT or O_TMPFILE */
    EMULATE_IF_SET_ID,  /* a mode with S_ISUID or S_ISGID */
    EMULATE_IF_KEEPS,   /* of prctl: keep-capabilities flag and timer slack */
};

#define EMULATE_CALLS(CALL)                                                                        \
    /* nodes.c */                                                                                  \
    CALL(mknod, nodes_mknod, DEVICES, IF_DEVICE, 1)                                                \
    CALL(mknodat, nodes_mknodat, DEVICES, IF_DEVICE, 2)                                            \
    CALL(mknod, nodes_mknod, OWNERS, ALWAYS, 0)                                                    \
    CALL(mknodat, nodes_mknodat, OWNERS, ALWAYS, 0)                                                \
    CALL(mkdir, nodes_mkdir, OWNERS, ALWAYS, 0)                                                    \
    CALL(mkdirat, nodes_mkdirat, OWNERS, ALWAYS, 0)                                                \
    CALL(symlink, nodes_symlink, OWNERS, ALWAYS, 0)                                                \
    CALL(symlinkat, nodes_symlinkat, OWNERS, ALWAYS, 0)                                            \
    /* files.c */                                                                                  \
    CALL(creat, files_creat, OWNERS, ALWAYS, 0)                                                    \
    CALL(open, files_open, OWNERS, IF_CREATES, 1)                                                  \
    CALL(openat, files_openat, OWNERS, IF_CREATES, 2)                                              \
    CALL(openat2, files_openat2, OWNERS, ALWAYS, 0)                                                \
    CALL(chmod, files_chmod, OWNERS, IF_SET_ID, 1)                                                 \
    CALL(fchmod, files_fchmod, OWNERS, IF_SET_ID, 1)                                               \
    CALL(fchmodat, files_fchmodat, OWNERS, IF_SET_ID, 2)                                           \
    /* xattrs.c */                                                                                 \
    CALL(setxattr, xattrs_setxattr, OWNERS, ALWAYS, 0)                                             \
    CALL(lsetxattr, xattrs_lsetxattr, OWNERS, ALWAYS, 0)                                           \
    CALL(fsetxattr, xattrs_fsetxattr, OWNERS, ALWAYS, 0)                                           \
    CALL(removexattr, xattrs_removexattr, OWNERS, ALWAYS, 0)                                       \
    CALL(lremovexattr, xattrs_lremovexattr, OWNERS, ALWAYS, 0)                                     \
    CALL(fremovexattr, xattrs_fremovexattr, OWNERS, ALWAYS, 0)                                     \
    CALL(listxattr, xattrs_listxattr, OWNERS, ALWAYS, 0)                                           \
    CALL(llistxattr, xattrs_llistxattr, OWNERS, ALWAYS, 0)                                         \
    CALL(flistxattr, xattrs_flistxattr, OWNERS, ALWAYS, 0)                                         \
    /* ownership.c */                                                                              \
    CALL(chown, ownership_chown, OWNERS, ALWAYS, 0)                                                \
    CALL(lchown, ownership_lchown, OWNERS, ALWAYS, 0)                                              \
    CALL(fchown, ownership_fchown, OWNERS, ALWAYS, 0)                                              \
    CALL(fchownat, ownership_fchownat, OWNERS, ALWAYS, 0)                                          \
    CALL(chown32, ownership_chown, OWNERS, ALWAYS, 0)                                              \
    CALL(lchown32, ownership_lchown, OWNERS, ALWAYS, 0)                                            \
    CALL(fchown32, ownership_fchown, OWNERS, ALWAYS, 0)                                            \
    /* stats.c */                                                                                  \
    CALL(stat, stats_stat, FULL, ALWAYS, 0)                                                        \
    CALL(lstat, stats_lstat, FULL, ALWAYS, 0)                                                      \
    CALL(fstat, stats_fstat, FULL, ALWAYS, 0)                                                      \
    CALL(newfstatat, stats_fstatat, FULL, ALWAYS, 0)                                               \
    CALL(stat64, stats_stat, FULL, ALWAYS, 0)                                                      \
    CALL(lstat64, stats_lstat, FULL, ALWAYS, 0)                                                    \
    CALL(fstat64, stats_fstat, FULL, ALWAYS, 0)                                                    \
    CALL(fstatat64, stats_fstatat, FULL, ALWAYS, 0)                                                \
    CALL(statx, stats_statx, FULL, ALWAYS, 0)                                                      \
    /* users.c */                                                                                  \
    CALL(setuid, users_setuid, OWNERS, ALWAYS, 0)                                                  \
    CALL(setgid, users_setgid, OWNERS, ALWAYS, 0)                                                  \
    CALL(setreuid, users_setreuid, OWNERS, ALWAYS, 0)                                              \
    CALL(setregid, users_setregid, OWNERS, ALWAYS, 0)                                              \
    CALL(setresuid, users_setresuid, OWNERS, ALWAYS, 0)                                            \
    CALL(setresgid, users_setresgid, OWNERS, ALWAYS, 0)                                            \
    CALL(setfsuid, users_setfsuid, OWNERS, ALWAYS, 0)                                              \
    CALL(setfsgid, users_setfsgid, OWNERS, ALWAYS, 0)                                              \
    CALL(setgroups, users_setgroups, OWNERS, ALWAYS, 0)                                            \
    CALL(getuid, users_getuid, OWNERS, ALWAYS, 0)                                                  \
    CALL(geteuid, users_geteuid, OWNERS, ALWAYS, 0)                                                \
    CALL(getgid, users_getgid, OWNERS, ALWAYS, 0)                                                  \
    CALL(getegid, users_getegid, OWNERS, ALWAYS, 0)                                                \
    CALL(getresuid, users_getresuid, OWNERS, ALWAYS, 0)                                            \
    CALL(getresgid, users_getresgid, OWNERS, ALWAYS, 0)                                            \
    CALL(getgroups, users_getgroups, OWNERS, ALWAYS, 0)                                            \
    CALL(setuid32, users_setuid, OWNERS, ALWAYS, 0)                                                \
    CALL(setgid32, users_setgid, OWNERS, ALWAYS, 0)                                                \
    CALL(setreuid32, users_setreuid, OWNERS, ALWAYS, 0)                                            \
    CALL(setregid32, users_setregid, OWNERS, ALWAYS, 0)                                            \
    CALL(setresuid32, users_setresuid, OWNERS, ALWAYS, 0)                                          \
    CALL(setresgid32, users_setresgid, OWNERS, ALWAYS, 0)                                          \
    CALL(setfsuid32, users_setfsuid, OWNERS, ALWAYS, 0)                                            \
    CALL(setfsgid32, users_setfsgid, OWNERS, ALWAYS, 0)                                            \
    CALL(setgroups32, users_setgroups, OWNERS, ALWAYS, 0)                                          \
    CALL(getuid32, users_getuid, OWNERS, ALWAYS, 0)                                                \
    CALL(geteuid32, users_geteuid, OWNERS, ALWAYS, 0)                                              \
    CALL(getgid32, users_getgid, OWNERS, ALWAYS, 0)                                                \
    CALL(getegid32, users_getegid, OWNERS, ALWAYS, 0)                                              \
    CALL(getresuid32, users_getresuid, OWNERS, ALWAYS, 0)                                          \
    CALL(getresgid32, users_getresgid, OWNERS, ALWAYS, 0)                                          \
    CALL(getgroups32, users_getgroups, OWNERS, ALWAYS, 0)                                          \
    CALL(capget, users_capget, OWNERS, ALWAYS, 0)                                                  \
    CALL(capset, users_capset, OWNERS, ALWAYS, 0)                                                  \
    CALL(prctl, users_prctl, OWNERS, IF_KEEPS, 0)                                                  \
    /* programs.c */                                                                               \
    CALL(execve, programs_execve, OWNERS, ALWAYS, 0)                                               \
    CALL(execveat, programs_execveat, OWNERS, ALWAYS, 0)                                           \
    CALL(chroot, programs_chroot, OWNERS, ALWAYS, 0)

/* Calls by number, newer than some libseccomp, with the same numbers everywhere: as if the kernel
 * did not have them, so that what they do is asked for by a call of the table. */
#define EMULATE_ABSENT                                                                             \
    {                                                                                              \
        452 /* fchmodat2 */, 463 /* setxattrat */, 465 /* listxattrat */, 466 /* removexattrat */  \
    }
