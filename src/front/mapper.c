#include "front/mapper.h"

#include <glib.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

static KilnHostProblem problem(char *cause, char *remedy)
{
    return (KilnHostProblem){.cause = cause, .remedy = remedy};
}

/* Whether all of the range is mapped in the caller's own user namespace; user_namespaces(7). */
static bool is_mapped(const char *proc, KilnIdRange range, bool groups)
{
    g_autofree char *path = g_build_filename(proc, groups ? "self/gid_map" : "self/uid_map", NULL);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return true;
    }
    uint64_t next = range.start, end = (uint64_t)range.start + range.count;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] && next < end; i++) { /* in the order of the ids, as a rule */
        uint64_t inside, outside, count;
        if (sscanf(lines[i], "%" SCNu64 " %" SCNu64 " %" SCNu64, &inside, &outside, &count) == 3 &&
            inside <= next && next < inside + count) {
            next = inside + count;
        }
    }
    return next >= end;
}

static bool has_no_new_privs(const char *proc)
{
    g_autofree char *path = g_build_filename(proc, "self/status", NULL);
    g_autofree char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) && strstr(text, "\nNoNewPrivs:\t1");
}

KilnHostProblem kiln_mapper_problem(const char *proc, const char *path, KilnIdRange range,
                                    bool groups)
{
    const char *capability = groups ? "cap_setgid" : "cap_setuid";
    struct stat st;
    struct statvfs fs;
    if (!path) {
        return problem(
            g_strdup_printf("%s is not installed", groups ? "newgidmap" : "newuidmap"),
            g_strdup("sudo apt-get install uidmap (Debian, Ubuntu); shadow-utils (Fedora)"));
    }
    if (has_no_new_privs(proc)) {
        return problem(
            g_strdup_printf("no_new_privs is set, under which %s has no power", path),
            g_strdup("start without it: no --security-opt no-new-privileges (Docker), "
                     "allowPrivilegeEscalation: true (Kubernetes), NoNewPrivileges=no (systemd)"));
    }
    if (stat(path, &st) == 0 && !((st.st_mode & S_ISUID) && st.st_uid == 0) &&
        getxattr(path, "security.capability", NULL, 0) <= 0) {
        return problem(
            g_strdup_printf("%s is neither set-user-ID root nor has file capabilities: they are "
                            "lost when it is copied, or unpacked without extended attributes",
                            path),
            g_strdup_printf("sudo setcap %s+ep %s", capability, path));
    }
    if (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOSUID)) {
        return problem(g_strdup_printf("%s lies on a file system that is mounted nosuid", path),
                       g_strdup("mount it without nosuid"));
    }
    if (range.count > 0 && !is_mapped(proc, range, groups)) {
        return problem(
            g_strdup_printf(
                "this is a user namespace (a container) that does not have all of the ids %u to %u",
                range.start, range.start + (range.count - 1)),
            g_strdup_printf(
                "give a range in /etc/sub%cid that it has, as /proc/self/%cid_map shows",
                groups ? 'g' : 'u', groups ? 'g' : 'u'));
    }
    return problem(NULL, NULL);
}
