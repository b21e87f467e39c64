#include "builder/remote.h"

#include <string.h>

G_DEFINE_QUARK(kiln-remote-error-quark, kiln_remote_error)

typedef struct {
    GAsyncQueue *lines; /* json_object*: messages as they came */
} Call;

struct KilnRemote {
    KilnWire *wire;
    GMutex lock;
    GHashTable *calls; /* id → Call */
    int last_id;
    bool abandoned;
};

static void put_message(gpointer message)
{
    json_object_put(message);
}

static void call_free(gpointer data)
{
    Call *call = data;
    g_async_queue_unref(call->lines);
    g_free(call);
}

KilnRemote *kiln_remote_new(KilnWire *wire)
{
    KilnRemote *r = g_new0(KilnRemote, 1);
    r->wire = wire;
    g_mutex_init(&r->lock);
    r->calls = g_hash_table_new_full(NULL, NULL, NULL, call_free);
    return r;
}

void kiln_remote_free(KilnRemote *r)
{
    g_hash_table_unref(r->calls);
    g_mutex_clear(&r->lock);
    g_free(r);
}

static json_object *gone(void)
{
    json_object *message = json_object_new_object();
    json_object_object_add(message, "exit", json_object_new_int(-1));
    return message;
}

void kiln_remote_message(KilnRemote *r, json_object *message)
{
    json_object *id;
    if (!json_object_object_get_ex(message, "id", &id))
        return;
    g_mutex_lock(&r->lock);
    Call *call = g_hash_table_lookup(r->calls, GINT_TO_POINTER(json_object_get_int(id)));
    if (call)
        g_async_queue_push(call->lines, json_object_get(message));
    g_mutex_unlock(&r->lock);
}

void kiln_remote_abandon(KilnRemote *r)
{
    g_mutex_lock(&r->lock);
    r->abandoned = true;
    GHashTableIter iter;
    gpointer call;
    g_hash_table_iter_init(&iter, r->calls);
    while (g_hash_table_iter_next(&iter, NULL, &call))
        g_async_queue_push(((Call *)call)->lines, gone());
    g_mutex_unlock(&r->lock);
}

static Call *start(KilnRemote *r, const char *const *argv, int *id)
{
    Call *call = g_new0(Call, 1);
    call->lines = g_async_queue_new_full(put_message);
    json_object *message = json_object_new_object();
    json_object *list = json_object_new_array();
    for (; *argv; argv++)
        json_object_array_add(list, json_object_new_string(*argv));
    g_mutex_lock(&r->lock);
    *id = ++r->last_id;
    g_hash_table_insert(r->calls, GINT_TO_POINTER(*id), call);
    if (r->abandoned)
        g_async_queue_push(call->lines, gone());
    g_mutex_unlock(&r->lock);
    json_object_object_add(message, "message", json_object_new_string("remote"));
    json_object_object_add(message, "id", json_object_new_int(*id));
    json_object_object_add(message, "argv", list);
    kiln_wire_send(r->wire, message);
    json_object_put(message);
    return call;
}

static const char *text_of(json_object *object, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value) : NULL;
}

static gint64 number_of(json_object *object, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(object, key, &value) ? json_object_get_int64(value) : 0;
}

json_object *kiln_remote_run(KilnRemote *r, const char *const *argv, KilnRemoteProgress progress,
                             void *data, GError **error)
{
    int id;
    Call *call = start(r, argv, &id);
    json_object *done = NULL;
    g_autofree char *failure = NULL;
    for (bool running = true; running;) {
        json_object *message = g_async_queue_pop(call->lines);
        json_object *line, *status;
        if (json_object_object_get_ex(message, "exit", &status)) {
            running = false;
            if (json_object_get_int(status) != 0 && !failure)
                failure = g_strdup_printf("kiln-remote ended with status %d", json_object_get_int(status));
        } else if (json_object_object_get_ex(message, "line", &line)) {
            const char *event = text_of(line, "event");
            if (event && strcmp(event, "progress") == 0) {
                if (progress)
                    progress(text_of(line, "what"), number_of(line, "done"), number_of(line, "total"), data);
            } else if (event && strcmp(event, "error") == 0) {
                g_free(failure);
                failure = g_strdup(text_of(line, "message"));
            } else {
                json_object_put(done);
                done = json_object_get(line);
            }
        }
        json_object_put(message);
    }
    g_mutex_lock(&r->lock);
    g_hash_table_remove(r->calls, GINT_TO_POINTER(id));
    g_mutex_unlock(&r->lock);
    if (failure || !done) {
        g_set_error(error, KILN_REMOTE_ERROR, 0, "%s", failure ? failure : "kiln-remote said nothing");
        json_object_put(done);
        return NULL;
    }
    return done;
}
