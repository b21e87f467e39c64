/* WORKDIR: a layer with the directory, empty if it exists already. */
#include "build/engine.h"
#include "build/layer-writer.h"
#include "build/user.h"

static bool feed(KilnEngine *e, KilnStep *step, gpointer prepared, KilnKey *key, GError **error)
{
    (void)e;
    (void)prepared;
    (void)error;
    kiln_key_text(key, "directory", NULL, step->workdir);
    kiln_key_text(key, "user", NULL, step->user);
    return true;
}

static KilnManifest *make(KilnEngine *e, KilnStep *step, int upperfd, GError **error)
{
    g_autoptr(KilnView) below = kiln_step_view(e, step->parent, error);
    if (!below)
        return NULL;
    g_autofree char *path = kiln_view_resolve(below, step->workdir, true, error);
    if (!path)
        return NULL;
    KilnUser user;
    if (!kiln_user_lookup(e, step->parent, below, step->user, false, &user, error)) {
        kiln_user_clear(&user);
        return NULL;
    }
    gint64 now = e->options->epoch >= 0 ? e->options->epoch : g_get_real_time() / G_USEC_PER_SEC;
    g_autoptr(KilnLayerWriter) w = kiln_layer_writer_new(
        below, upperfd, kiln_store_owners(e->options->store), user.uid, user.gid, now);
    kiln_user_clear(&user);
    const KilnEntry *there = kiln_view_lookup(below, path, NULL);
    if (!(there && there->type == KILN_TYPE_DIR) && !kiln_layer_writer_directory(w, path, error))
        return NULL;
    return kiln_layer_writer_finish(w, error);
}

static KilnManifest *execute(KilnEngine *e, KilnStep *step, gpointer prepared, KilnWork *work,
                             int upperfd, KilnTask *task, GError **error)
{
    (void)prepared;
    (void)work;
    (void)task;
    KilnManifest *m = make(e, step, upperfd, error);
    if (!m)
        kiln_step_prefix_error(step, &step->place, error);
    return m;
}

const KilnStepKindOps kiln_step_workdir = {.feed = feed, .execute = execute};
