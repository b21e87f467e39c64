#include "builder/run-operation.h"
#include "arena/heap.h"
#include "build/build.h"
#include "image/load.h"
#include "builder/listener.h"
#include "builder/operation.h"
#include "plan/plan.h"
#include "store/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HEAP_SIZE (640 * 1024) /* of any build */
#define CONSOLE_FD 4 /* as src/front/spawn.c has it */
#define EXIT_INTERRUPTED 130
#define KILN_KEEP_EVERYTHING "unlimited" /* as src/cli/settings.c has it */

G_DEFINE_QUARK(kiln-operation-error-quark, kiln_operation_error)

typedef struct {
    const char *name;
    KilnOperationFunc run;
    bool sandbox; /* needs the launcher */
    bool no_store;
    bool collects; /* removes what is too much afterwards */
    bool reads; /* runs without namespaces; the store is read-only, or missing */
} Entry;

static const Entry operations[] = {
    {"advise", kiln_operation_advise, .reads = true},
    {"build", kiln_operation_build, .sandbox = true, .collects = true},
    {"check", kiln_operation_check, .reads = true},
    {"fsck", kiln_operation_fsck, .no_store = true}, /* opens it itself */
    {"history", kiln_operation_history, .reads = true},
    {"history-rm", kiln_operation_history_rm},
    {"import", kiln_operation_import},
    {"load", kiln_operation_load},
    {"outline", kiln_operation_outline, .reads = true},
    {"plan", kiln_operation_plan, .reads = true},
    {"pull", kiln_operation_pull},
    {"save", kiln_operation_save},
    {"images", kiln_operation_images},
    {"inspect", kiln_operation_inspect},
    {"tag", kiln_operation_tag},
    {"targets", kiln_operation_targets, .reads = true},
    {"run", kiln_operation_run, .sandbox = true},
    {"rmi", kiln_operation_rmi},
    {"du", kiln_operation_du},
    {"prune", kiln_operation_prune},
    {"reset", kiln_operation_reset, .no_store = true},
    {"why", kiln_operation_why, .reads = true},
    {"probe", kiln_operation_probe, .sandbox = true},
};

static const Entry *find_operation(const char *name)
{
    for (gsize i = 0; name && i < G_N_ELEMENTS(operations); i++)
        if (strcmp(operations[i].name, name) == 0)
            return &operations[i];
    return NULL;
}

/* Whether the id map holds one id only (a user without subordinate ids): user_namespaces(7). */
static bool is_single_id(void)
{
    g_autofree char *map = NULL;
    guint64 inside, outside, count;
    return g_file_get_contents("/proc/self/uid_map", &map, NULL, NULL) &&
           sscanf(map, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, &inside, &outside,
                  &count) == 3 &&
           count == 1 && !strchr(g_strchomp(map), '\n');
}

/* As the front started this process, and as far as the kernel lets it mount. */
static enum kilnrun_isolation find_isolation(const Entry *entry, json_object *request)
{
    const char *name = kiln_request_text(request, "isolation");
    bool chroot = g_strcmp0(name, "chroot") == 0, proot = g_strcmp0(name, "proot") == 0;
    if (chroot || proot) {
        /* Commands could otherwise read its memory, and the launcher's: ptrace(2). */
        prctl(PR_SET_DUMPABLE, 0);
        return chroot ? KILNRUN_CHROOT : KILNRUN_PROOT;
    }
    return entry->sandbox && kilnrun_proc_is_covered() ? KILNRUN_OUTER_PROC : KILNRUN_NAMESPACES;
}

/* Design, exit codes: 1 the build failed, 2 usage, 3 a host that cannot run it. */
static int exit_code_of(const GError *error)
{
    if (error->domain == KILN_OPERATION_ERROR)
        return error->code;
    if (error->domain == KILN_CANCEL_ERROR)
        return EXIT_INTERRUPTED;
    if (g_error_matches(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_HOST) ||
        g_error_matches(error, KILN_STORE_ERROR, KILN_STORE_ERROR_PERMISSION) ||
        g_error_matches(error, KILN_STORE_ERROR, KILN_STORE_ERROR_MISMATCH) ||
        g_error_matches(error, KILN_STORE_ERROR, KILN_STORE_ERROR_VERSION))
        return 3;
    return 1;
}

/* What only reads does without a store that it cannot have; a store that is there and is not used is told of. */
static KilnStore *open_to_read(const KilnOperation *op, const char *root)
{
    g_autoptr(GError) error = NULL;
    KilnStore *store = kiln_store_open(root, KILN_STORE_READ, &error);
    if (!store && !g_error_matches(error, KILN_STORE_ERROR, KILN_STORE_ERROR_NOT_FOUND)) {
        g_autofree char *text = g_strdup_printf("the store is not looked at: %s", error->message);
        kiln_emit_warning(op->emitter, NULL, text);
    }
    return store;
}

/* What the user lets archives unpack to; the front has checked it. */
static void set_limits(KilnStore *store, json_object *request)
{
    KilnTarLimits limits = kiln_store_limits(store);
    const char *size = kiln_request_text(request, "max_layer_size");
    const char *entries = kiln_request_text(request, "max_layer_entries");
    if (size)
        limits.size = g_ascii_strtoull(size, NULL, 10);
    if (entries)
        limits.entries = g_ascii_strtoull(entries, NULL, 10);
    kiln_store_set_limits(store, limits);
}

/* A store that namespaces made does not fit what stands in for them: then their refusal is what to look at. */
static KilnStore *open_to_write(const KilnOperation *op, const char *root, GError **error)
{
    KilnStore *store = kiln_store_open(root, KILN_STORE_SHARED, error);
    const char *reason = kiln_request_text(op->request, "isolation_reason");
    if (!store && reason && g_error_matches(*error, KILN_STORE_ERROR, KILN_STORE_ERROR_MISMATCH))
        g_prefix_error(error, "isolation \"%s\" stands in for namespaces (%s; \"kiln doctor\" tells more), and ",
                       kiln_request_text(op->request, "isolation"), reason);
    return store;
}

/* The last event comes when nothing is left in tmp/. Returns whether the operation was asked to end. */
static bool perform(const Entry *entry, KilnOperation *op, const char *root, KilnListener *listener)
{
    g_autoptr(GError) error = NULL;
    json_object *result = NULL;
    if (entry->reads)
        op->store = open_to_read(op, root);
    else if (!entry->no_store)
        op->store = open_to_write(op, root, &error);
    if (op->store)
        set_limits(op->store, op->request);
    if (op->store && !entry->reads)
        kiln_store_set_provider(op->store, kiln_layer_unpack, NULL);
    if (op->store || entry->no_store || entry->reads)
        result = entry->run(op, &error);
    bool asked = kiln_listener_over(listener);
    if (op->store)
        kiln_store_tidy(op->store);
    if (result)
        kiln_emit_result(op->emitter, result);
    else if (asked)
        kiln_emit_error(op->emitter, EXIT_INTERRUPTED, "interrupted");
    else
        kiln_emit_error(op->emitter, exit_code_of(error), error->message);
    json_object_put(result);
    return asked;
}

/* In what is left of this process: nobody waits for it, and it may be killed at any time. Nothing else is to be
 * slowed down by it. */
static void collect(json_object *request, const char *root)
{
    const char *keep = kiln_request_text(request, "keep_storage");
    guint64 bytes = !keep                                 ? 0
                    : strcmp(keep, KILN_KEEP_EVERYTHING) == 0 ? G_MAXUINT64
                                                          : MAX(g_ascii_strtoull(keep, NULL, 10), 1);
    setpriority(PRIO_PROCESS, 0, 19);
    (void)syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, 3 << 13 /* IOPRIO_CLASS_IDLE */);
    kiln_store_collect(root, bytes, NULL);
}

int kiln_run_operation(int wire_fd, mode_t user_umask)
{
    KilnWire *wire = kiln_wire_new(wire_fd);
    g_autoptr(KilnEmitter) emitter = kiln_emitter_new(wire);
    json_object *request = kiln_wire_receive(wire);
    const Entry *entry = request ? find_operation(kiln_request_text(request, "op")) : NULL;
    const char *root = request ? kiln_request_text(request, "root") : NULL;
    if (!entry || !root) {
        kiln_emit_error(emitter, 2, "kiln-builder: unknown operation: kiln and kiln-builder must be of one version");
        return 2;
    }

    /* Nothing that is mounted here is to be seen outside. What only reads has no mount namespace of its own. */
    if (!entry->reads)
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    KilnOperation op = {
        .request = request, .emitter = emitter, .umask = user_umask, .only_reads = entry->reads, .console = -1};
    if (kiln_request_flag(request, "console") && fcntl(CONSOLE_FD, F_SETFD, FD_CLOEXEC) == 0)
        op.console = CONSOLE_FD;
    op.isolation = find_isolation(entry, request);
    if (entry->sandbox) { /* before the first thread */
        struct kilnrun_options options = {.single_id = is_single_id(),
                                          .isolation = op.isolation,
                                          .proot = kiln_request_text(request, "proot")};
        int r = kilnrun_start(&options, &op.run);
        if (r < 0) {
            g_autofree char *text = g_strdup_printf("starting the sandbox's launcher: %s", g_strerror(-r));
            kiln_emit_error(emitter, 3, text);
            return 3;
        }
        kiln_heap_expect(HEAP_SIZE); /* not before: what the launcher shares is copied when it is written */
    }
    op.cancel = kiln_cancel_new();
    op.remote = kiln_remote_new(wire);
    op.secrets = kiln_secrets_new(wire);
    KilnListener *listener =
        kiln_listener_new(wire, op.cancel, op.remote, op.secrets,
                          entry->no_store || entry->reads ? NULL : root);

    bool asked_to_end = perform(entry, &op, root, listener);

    /* What follows needs no front: records are confirmed once the disk has what they speak of. Whoever asked
     * for the end does not want to wait for the disk: the next build confirms these too. */
    if (op.store && entry->sandbox && !asked_to_end)
        kiln_store_touch(op.store, NULL);
    if (op.store && !entry->reads && !asked_to_end && (!entry->sandbox || kiln_store_needs_confirming(op.store)))
        kiln_store_confirm(op.store, NULL);
    if (op.run)
        kilnrun_stop(op.run);
    bool collects = op.store && entry->collects && !asked_to_end && kiln_store_has_written(op.store);
    g_clear_pointer(&op.store, kiln_store_close);
    if (collects)
        collect(request, root);
    kiln_listener_free(listener);
    kiln_remote_free(op.remote);
    kiln_secrets_free(op.secrets);
    kiln_cancel_free(op.cancel);
    kiln_wire_free(wire);
    json_object_put(request);
    return 0;
}
