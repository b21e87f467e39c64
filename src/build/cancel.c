#include "build/cancel.h"

#include <signal.h>

G_DEFINE_QUARK(kiln-cancel-error-quark, kiln_cancel_error)

struct KilnCancel {
    GMutex lock;
    GCond changed;
    bool set, stopped;
    GHashTable *steps; /* struct kilnrun_step*, each with a reference */
};

static void forget_step(gpointer step)
{
    kilnrun_step_unref(step);
}

KilnCancel *kiln_cancel_new(void)
{
    KilnCancel *c = g_new0(KilnCancel, 1);
    g_mutex_init(&c->lock);
    g_cond_init(&c->changed);
    c->steps = g_hash_table_new_full(NULL, NULL, forget_step, NULL);
    return c;
}

void kiln_cancel_free(KilnCancel *c)
{
    g_hash_table_unref(c->steps);
    g_cond_clear(&c->changed);
    g_mutex_clear(&c->lock);
    g_free(c);
}

/* Sets one of the two. */
static void set_and_kill(KilnCancel *c, bool *which)
{
    g_mutex_lock(&c->lock);
    *which = true;
    g_cond_broadcast(&c->changed);
    GHashTableIter iter;
    gpointer step;
    g_hash_table_iter_init(&iter, c->steps);
    while (g_hash_table_iter_next(&iter, &step, NULL))
        kilnrun_step_kill(step, SIGKILL);
    g_mutex_unlock(&c->lock);
}

void kiln_cancel_trigger(KilnCancel *c)
{
    set_and_kill(c, &c->set);
}

void kiln_cancel_stop(KilnCancel *c)
{
    set_and_kill(c, &c->stopped);
}

void kiln_cancel_resume(KilnCancel *c)
{
    g_mutex_lock(&c->lock);
    c->stopped = false;
    g_mutex_unlock(&c->lock);
}

bool kiln_cancel_check(KilnCancel *c, GError **error)
{
    g_mutex_lock(&c->lock);
    bool set = c->set || c->stopped;
    g_mutex_unlock(&c->lock);
    if (set)
        g_set_error_literal(error, KILN_CANCEL_ERROR, 0, "canceled");
    return set;
}

bool kiln_cancel_wait(KilnCancel *c, gint64 microseconds, GError **error)
{
    gint64 until = g_get_monotonic_time() + microseconds;
    g_mutex_lock(&c->lock);
    while (!c->set && !c->stopped && g_cond_wait_until(&c->changed, &c->lock, until))
        ;
    g_mutex_unlock(&c->lock);
    return kiln_cancel_check(c, error);
}

KilnVerdict kiln_verdict_of(const GError *failure)
{
    if (!failure)
        return KILN_VERDICT_DONE;
    return failure->domain == KILN_CANCEL_ERROR ? KILN_VERDICT_CANCELED : KILN_VERDICT_ERROR;
}

void kiln_cancel_watch(KilnCancel *c, struct kilnrun_step *step)
{
    g_mutex_lock(&c->lock);
    g_hash_table_add(c->steps, kilnrun_step_ref(step));
    if (c->set || c->stopped)
        kilnrun_step_kill(step, SIGKILL);
    g_mutex_unlock(&c->lock);
}

void kiln_cancel_unwatch(KilnCancel *c, struct kilnrun_step *step)
{
    g_mutex_lock(&c->lock);
    g_hash_table_remove(c->steps, step);
    g_mutex_unlock(&c->lock);
}
