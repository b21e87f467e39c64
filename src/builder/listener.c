#include "builder/listener.h"
#include "store/store.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_US G_USEC_PER_SEC
#define EXIT_INTERRUPTED 130

struct KilnListener {
    KilnWire *wire;
    KilnCancel *cancel;
    KilnRemote *remote;
    KilnSecrets *secrets;
    const char *root;
    GThread *thread;
    GMutex lock; /* of what follows; held for good when the process ends by force */
    GCond changed;
    bool over;
    guint wishes;
    gint64 deadline; /* monotonic; 0: nobody has asked to end */
};

/* Executing a program ends all other threads at once, wherever they are, and closes their files:
 * locks are free, files without a name are gone, and the launcher, whose parent thread ends, is
 * killed by the kernel. */
static void end_by_force(KilnListener *l)
{
    g_mutex_lock(&l->lock);
    if (!l->over) {
        if (l->root)
            execl("/proc/self/exe", "kiln-builder", KILN_LISTENER_TIDY, l->root, NULL);
        _exit(EXIT_INTERRUPTED);
    }
    l->deadline = 0;
    g_mutex_unlock(&l->lock);
}

static void ask_to_end(KilnListener *l)
{
    g_mutex_lock(&l->lock);
    bool again = l->wishes++ > 0;
    if (!again)
        l->deadline = g_get_monotonic_time() + GRACE_US;
    g_mutex_unlock(&l->lock);
    kiln_cancel_trigger(l->cancel);
    if (again)
        end_by_force(l);
}

/* Waits until there is something to read, or until the time is over. */
static void wait_for_wire(KilnListener *l)
{
    gint64 left = l->deadline ? MAX(l->deadline - g_get_monotonic_time(), 0) : 0;
    struct pollfd fd = {.fd = kiln_wire_fd(l->wire), .events = POLLIN};
    int n = poll(&fd, 1, l->deadline ? (int)((left + 999) / 1000) : -1);
    if (n == 0)
        end_by_force(l);
}

static json_object *next_message(KilnListener *l)
{
    while (!kiln_wire_pending(l->wire)) {
        wait_for_wire(l);
        if (!kiln_wire_fill(l->wire) && !kiln_wire_pending(l->wire))
            return NULL;
    }
    return kiln_wire_receive(l->wire);
}

static void take_message(KilnListener *l, json_object *message)
{
    json_object *value;
    const char *kind = json_object_object_get_ex(message, "message", &value)
                           ? json_object_get_string(value)
                           : NULL;
    if (g_strcmp0(kind, "cancel") == 0)
        ask_to_end(l);
    else if (g_strcmp0(kind, "remote") == 0)
        kiln_remote_message(l->remote, message);
    else if (g_strcmp0(kind, "secret") == 0)
        kiln_secrets_message(l->secrets, message);
}

/* The front is gone, or has all it wanted: nobody waits for what is still being done. */
static void take_end(KilnListener *l)
{
    kiln_remote_abandon(l->remote);
    kiln_secrets_abandon(l->secrets);
    g_mutex_lock(&l->lock);
    bool over = l->over;
    g_mutex_unlock(&l->lock);
    if (over)
        return;
    kiln_cancel_trigger(l->cancel);
    g_mutex_lock(&l->lock);
    l->wishes++;
    gint64 until = g_get_monotonic_time() + GRACE_US;
    while (!l->over && g_cond_wait_until(&l->changed, &l->lock, until))
        ;
    g_mutex_unlock(&l->lock);
    end_by_force(l);
}

static gpointer listen_to_front(gpointer listener)
{
    KilnListener *l = listener;
    json_object *message;
    while ((message = next_message(l))) {
        take_message(l, message);
        json_object_put(message);
    }
    take_end(l);
    return NULL;
}

KilnListener *kiln_listener_new(KilnWire *wire, KilnCancel *cancel, KilnRemote *remote,
                                KilnSecrets *secrets, const char *root)
{
    KilnListener *l = g_new0(KilnListener, 1);
    l->wire = wire;
    l->cancel = cancel;
    l->remote = remote;
    l->secrets = secrets;
    l->root = root;
    g_mutex_init(&l->lock);
    g_cond_init(&l->changed);
    l->thread = g_thread_new("wire", listen_to_front, l);
    return l;
}

bool kiln_listener_over(KilnListener *l)
{
    g_mutex_lock(&l->lock);
    l->over = true;
    bool asked = l->wishes > 0;
    g_cond_broadcast(&l->changed);
    g_mutex_unlock(&l->lock);
    return asked;
}

void kiln_listener_free(KilnListener *l)
{
    g_thread_join(l->thread);
    g_cond_clear(&l->changed);
    g_mutex_clear(&l->lock);
    g_free(l);
}

int kiln_listener_tidy(const char *root)
{
    prctl(PR_SET_NAME, "kiln-builder"); /* else it would be called "exe" */
    while (wait(NULL) >= 0 || errno == EINTR)
        ;
    kiln_store_close(kiln_store_open(root, KILN_STORE_SHARED, NULL)); /* opening cleans up */
    return EXIT_INTERRUPTED;
}
