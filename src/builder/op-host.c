/* Operations about the host and the store as a whole: reset, probe. */
#include "build/network.h"
#include "build/snapshotter.h"
#include "builder/operation.h"
#include "host/file-system.h"
#include "host/kernel.h"
#include "runtime/kilnrun.h"

#include <errno.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/xattr.h>

json_object *kiln_operation_reset(KilnOperation *op, GError **error)
{
    if (!kiln_store_reset(kiln_request_text(op->request, "root"), error))
        return NULL;
    return json_object_new_object();
}

/* A user extended attribute, which overlay mounts of users and recorded owners need: 0 or a negative errno. */
static int try_xattr(int fd)
{
    if (fsetxattr(fd, "user.kiln.probe", "", 0, 0) < 0)
        return -errno;
    fremovexattr(fd, "user.kiln.probe");
    return 0;
}

static json_object *describe_store(KilnStore *store)
{
    json_object *o = json_object_new_object();
    int fd = kiln_store_fd(store);
    struct statvfs st;
    json_object_object_add(o, "root", json_object_new_string(kiln_store_root(store)));
    json_object_object_add(o, "fs", json_object_new_string(kiln_file_system_name(fd)));
    json_object_object_add(
        o, "owners",
        json_object_new_string(kiln_store_owners(store) == KILN_OWNERS_REAL ? "real" : "recorded"));
    json_object_object_add(o, "xattrs", json_object_new_int(try_xattr(fd)));
    if (fstatvfs(fd, &st) == 0)
        json_object_object_add(o, "free_bytes",
                               json_object_new_int64((gint64)st.f_bavail * (gint64)st.f_frsize));
    return o;
}

static json_object *describe_network(KilnOperation *op)
{
    json_object *o = json_object_new_object();
    g_autofree char *program = NULL;
    g_autofree char *problem = kiln_network_try(op->run, &program);
    json_object_object_add(o, "pasta", program ? json_object_new_string(program) : NULL);
    json_object_object_add(o, "problem", problem ? json_object_new_string(problem) : NULL);
    return o;
}

/* The one that a build takes, and what speaks against those before it. */
static void describe_snapshotter(json_object *o, KilnStore *store, bool bare)
{
    json_object *refused = json_object_new_object();
    KilnSnapshotter s = KILN_SNAPSHOTTER_OVERLAY;
    for (; s < KILN_SNAPSHOTTER_COPY; s++) {
        g_autofree char *problem = bare ? g_strdup("nothing can be mounted here") : kiln_snapshotter_try(s, store);
        if (!problem)
            break;
        json_object_object_add(refused, kiln_snapshotter_name(s), json_object_new_string(problem));
    }
    json_object_object_add(o, "snapshotter", json_object_new_string(kiln_snapshotter_name(s)));
    json_object_object_add(o, "snapshotters_refused", refused);
}

static bool try_out(KilnOperation *op, struct kilnrun_probe *probe, GError **error)
{
    g_autoptr(KilnWork) work = kiln_work_new(op->store, error);
    int r = work ? kilnrun_probe(kiln_work_fd(work), probe) : 0;
    if (r < 0)
        g_set_error(error, KILN_OPERATION_ERROR, 3, "trying out what this host allows: %s", g_strerror(-r));
    return work && r == 0;
}

json_object *kiln_operation_probe(KilnOperation *op, GError **error)
{
    bool bare = op->isolation >= KILNRUN_CHROOT; /* there is nothing to try */
    struct kilnrun_probe probe;
    if (!bare && !try_out(op, &probe, error))
        return NULL;
    struct utsname uts;
    uname(&uts);
    g_autofree char *missing = bare ? NULL : kiln_kernel_missing(KILN_KERNEL_MOUNTS);
    json_object *o = json_object_new_object();
    json_object_object_add(o, "kernel", json_object_new_string(uts.release));
    json_object_object_add(o, "missing", missing ? json_object_new_string(missing) : NULL);
    json_object_object_add(o, "store", describe_store(op->store));
    describe_snapshotter(o, op->store, bare);
    if (bare)
        return o;
    json_object_object_add(o, "lowerdir_plus", json_object_new_int(probe.lowerdir_plus));
    json_object_object_add(o, "fresh_proc", json_object_new_int(probe.fresh_proc));
    json_object_object_add(o, "nested_userns", json_object_new_int(probe.nested_userns));
    json_object_object_add(o, "seccomp", json_object_new_int(probe.seccomp));
    json_object_object_add(o, "network", describe_network(op));
    return o;
}
