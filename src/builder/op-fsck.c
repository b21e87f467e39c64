/* The operation "fsck": whether the store is as it was made. */
#include "builder/operation.h"
#include "store/fsck.h"

typedef struct {
    KilnOperation *op;
    KilnTask *task;
    json_object *problems;
} Fsck;

static void add_problem(const char *problem, void *data)
{
    Fsck *f = data;
    json_object_array_add(f->problems, json_object_new_string(problem));
}

static bool show_progress(guint64 done, guint64 total, void *data)
{
    Fsck *f = data;
    kiln_task_progress(f->task, "blobs and layers", (gint64)done, (gint64)total);
    return !kiln_cancel_check(f->op->cancel, NULL);
}

static json_object *describe(const Fsck *f, const KilnFsck *found)
{
    const struct {
        const char *key;
        guint64 value;
    } numbers[] = {{"layers", found->layers}, {"blobs", found->blobs}, {"images", found->images},
                   {"records", found->records}, {"bytes", found->bytes}, {"found", found->problems}};
    json_object *result = json_object_new_object();
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
        json_object_object_add(result, numbers[i].key, json_object_new_int64((gint64)numbers[i].value));
    json_object_object_add(result, "problems", json_object_get(f->problems));
    json_object_object_add(result, "repaired", json_object_new_boolean(found->repaired));
    return result;
}

json_object *kiln_operation_fsck(KilnOperation *op, GError **error)
{
    bool repair = kiln_request_flag(op->request, "repair");
    const char *root = kiln_request_text(op->request, "root");
    op->store = kiln_store_open(root, repair ? KILN_STORE_EXCLUSIVE : KILN_STORE_SHARED, error);
    if (!op->store)
        return NULL;
    Fsck f = {op, kiln_task_start(op->emitter, "checking the store"), json_object_new_array()};
    KilnFsck found;
    GError *failure = NULL;
    bool ok = kiln_store_fsck(op->store, repair, add_problem, show_progress, &f, &found, &failure);
    kiln_task_end(f.task, ok ? KILN_VERDICT_DONE : KILN_VERDICT_ERROR, failure ? failure->message : NULL);
    json_object *result = ok ? describe(&f, &found) : NULL;
    json_object_put(f.problems);
    if (failure)
        g_propagate_error(error, failure);
    return result;
}
