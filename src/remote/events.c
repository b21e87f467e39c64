#include "remote/events.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "remote/error.h"
#include "remote/json.h"

struct RemoteEvents {
    GMutex lock;
    int fd;
    gint *cancelled;
};

RemoteEvents *remote_events_new(int fd, gint *cancelled)
{
    RemoteEvents *e = g_new0(RemoteEvents, 1);
    g_mutex_init(&e->lock);
    e->fd = fd;
    e->cancelled = cancelled;
    return e;
}

void remote_events_free(RemoteEvents *e)
{
    g_mutex_clear(&e->lock);
    g_free(e);
}

static void add_string(json_object *event, const char *key, const char *value)
{
    g_autofree char *valid = g_utf8_make_valid(value, -1);
    json_object_object_add(event, key, json_object_new_string(valid));
}

static void add_number(json_object *event, const char *key, gint64 value)
{
    json_object_object_add(event, key, json_object_new_int64(value));
}

/* Writes the line in one piece, and frees the event. */
static void emit(RemoteEvents *e, json_object *event)
{
    g_autofree char *line = g_strconcat(remote_json_text(event), "\n", NULL);
    json_object_put(event);
    g_mutex_lock(&e->lock);
    const char *p = line;
    gsize left = strlen(line);
    while (left > 0) {
        ssize_t n = write(e->fd, p, left);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            g_atomic_int_set(e->cancelled, 1); /* nobody is left to download for */
            break;
        }
        p += n;
        left -= (gsize)n;
    }
    g_mutex_unlock(&e->lock);
}

void remote_events_send(RemoteEvents *e, json_object *event)
{
    emit(e, event);
}

void remote_events_progress(RemoteEvents *e, const char *digest, gint64 done, gint64 total)
{
    json_object *event = json_object_new_object();
    add_string(event, "event", "progress");
    add_string(event, "what", digest);
    add_number(event, "done", done);
    add_number(event, "total", total);
    emit(e, event);
}

void remote_events_done(RemoteEvents *e, const char *digest, const char *manifest)
{
    json_object *event = json_object_new_object();
    add_string(event, "event", "done");
    add_string(event, "digest", digest);
    add_string(event, "manifest", manifest);
    emit(e, event);
}

void remote_events_warning(RemoteEvents *e, const char *message)
{
    json_object *event = json_object_new_object();
    add_string(event, "event", "warning");
    add_string(event, "message", message);
    emit(e, event);
}

void remote_events_error(RemoteEvents *e, const GError *error)
{
    json_object *event = json_object_new_object();
    add_string(event, "event", "error");
    add_string(event, "kind", remote_error_kind(error));
    add_string(event, "message", error->message);
    emit(e, event);
}

void remote_events_resolved(RemoteEvents *e, const char *digest, const char *media_type,
                            gint64 size)
{
    json_object *event = json_object_new_object();
    add_string(event, "digest", digest);
    add_string(event, "mediaType", media_type);
    add_number(event, "size", size);
    emit(e, event);
}
