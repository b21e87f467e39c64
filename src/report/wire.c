#include "report/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_MAX_BYTES (16u << 20)
#define READ_SIZE (64u << 10)
/* How long a line of kiln_wire_send_soon() may wait, and how much of them. */
#define SOON_US 10000
#define SOON_BYTES (32u << 10)
/* Nesting of documents: an image's configuration needs about six. */
#define DEPTH_MAX 32

struct KilnWire {
    int fd;
    bool ended;
    GMutex sending;
    GString *soon;   /* lines that wait for company */
    GThread *sender; /* of those; made for the first */
    GCond wanted;    /* tells it that there are some, or that the wire is to be freed */
    bool closing;
    json_tokener *tokener;
    GString *input;  /* received */
    gsize start;     /* so much of it has been given out */
    gsize scanned;   /* from start up to here there is no newline */
    gsize line_size; /* of the first whole line with its newline; 0: none yet */
};

static bool send_all(int fd, const char *bytes, gsize size)
{
    while (size > 0) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return false;
        }
        bytes += n;
        size -= (gsize)n;
    }
    return true;
}

/* Sends what waits; the lock is held, so that senders wait for a slow reader. */
static bool flush(KilnWire *w)
{
    bool sent = send_all(w->fd, w->soon->str, w->soon->len);
    g_string_truncate(w->soon, 0);
    return sent;
}

KilnWire *kiln_wire_new(int fd)
{
    KilnWire *w = g_new0(KilnWire, 1);
    w->fd = fd;
    w->input = g_string_new(NULL);
    w->tokener = json_tokener_new_ex(DEPTH_MAX);
    g_mutex_init(&w->sending);
    g_cond_init(&w->wanted);
    w->soon = g_string_new(NULL);
    return w;
}

void kiln_wire_free(KilnWire *w)
{
    if (!w) {
        return;
    }
    g_mutex_lock(&w->sending);
    w->closing = true;
    g_cond_signal(&w->wanted);
    g_mutex_unlock(&w->sending);
    if (w->sender) {
        g_thread_join(w->sender);
    }
    flush(w);
    close(w->fd);
    g_mutex_clear(&w->sending);
    g_cond_clear(&w->wanted);
    g_string_free(w->soon, TRUE);
    g_string_free(w->input, TRUE);
    json_tokener_free(w->tokener);
    g_free(w);
}

int kiln_wire_fd(const KilnWire *w)
{
    return w->fd;
}

/* One send for all that there is: the reader then wakes once. */
static void add_line(KilnWire *w, const char *text, gsize length)
{
    g_string_append_len(w->soon, text, (gssize)length);
    g_string_append_c(w->soon, '\n');
}

const char *kiln_wire_text(json_object *object, gsize *length)
{
    return json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, length);
}

bool kiln_wire_send(KilnWire *w, json_object *object)
{
    gsize length;
    const char *text = kiln_wire_text(object, &length);
    return kiln_wire_send_text(w, text, length);
}

bool kiln_wire_send_text(KilnWire *w, const char *text, gsize length)
{
    g_mutex_lock(&w->sending);
    add_line(w, text, length);
    bool sent = flush(w);
    g_mutex_unlock(&w->sending);
    return sent;
}

/* Woken once for the first line of many; what was sent meanwhile is not sent again. */
static gpointer send_later(gpointer wire)
{
    KilnWire *w = wire;
    g_mutex_lock(&w->sending);
    while (!w->closing) {
        while (!w->closing && !w->soon->len) {
            g_cond_wait(&w->wanted, &w->sending);
        }
        gint64 until = g_get_monotonic_time() + SOON_US;
        while (!w->closing && g_cond_wait_until(&w->wanted, &w->sending, until)) {
        }
        flush(w);
    }
    g_mutex_unlock(&w->sending);
    return NULL;
}

void kiln_wire_send_soon(KilnWire *w, const char *text, gsize length)
{
    g_mutex_lock(&w->sending);
    if (!w->sender) {
        w->sender = g_thread_new("wire", send_later, w);
    }
    bool first = !w->soon->len;
    add_line(w, text, length);
    if (w->soon->len > SOON_BYTES) {
        flush(w);
    } else if (first) {
        g_cond_signal(&w->wanted);
    }
    g_mutex_unlock(&w->sending);
}

bool kiln_wire_send_line(KilnWire *w, const char *line)
{
    g_mutex_lock(&w->sending);
    bool sent = flush(w) && send_all(w->fd, line, strlen(line)) && send_all(w->fd, "\n", 1);
    g_mutex_unlock(&w->sending);
    return sent;
}

bool kiln_wire_pending(KilnWire *w)
{
    if (w->line_size == 0 && w->input->len > w->scanned) {
        const char *start = w->input->str + w->scanned;
        const char *newline = memchr(start, '\n', w->input->len - w->scanned);
        if (newline) {
            w->line_size = (gsize)(newline - w->input->str) + 1 - w->start;
        } else {
            w->scanned = w->input->len;
        }
    }
    return w->line_size > 0;
}

static bool fill(KilnWire *w, int flags)
{
    g_string_erase(w->input, 0, (gssize)w->start);
    w->scanned -= w->start;
    w->start = 0;
    if (w->ended || w->input->len > LINE_MAX_BYTES) {
        return false;
    }
    gsize had = w->input->len;
    g_string_set_size(w->input, had + READ_SIZE);
    ssize_t n;
    do {
        n = recv(w->fd, w->input->str + had, READ_SIZE, flags);
    } while (n < 0 && errno == EINTR);
    int failure = errno;
    g_string_set_size(w->input, had + (gsize)MAX(n, 0));
    if (n > 0) {
        return true;
    }
    if (n < 0 && (failure == EAGAIN || failure == EWOULDBLOCK)) {
        return true;
    }
    w->ended = true;
    return false;
}

bool kiln_wire_fill(KilnWire *w)
{
    return fill(w, MSG_DONTWAIT);
}

json_object *kiln_wire_receive(KilnWire *w)
{
    while (!kiln_wire_pending(w)) {
        if (!fill(w, 0)) {
            return NULL;
        }
    }
    gsize size = w->line_size;
    json_tokener_reset(w->tokener);
    json_object *object =
        size > LINE_MAX_BYTES
            ? NULL
            : json_tokener_parse_ex(w->tokener, w->input->str + w->start, (int)size);
    if (object && json_tokener_get_parse_end(w->tokener) + 1 < size) {
        json_object_put(object); /* more than one document on the line */
        object = NULL;
    }
    if (object && !json_object_is_type(object, json_type_object)) {
        json_object_put(object);
        object = NULL;
    }
    w->start += size;
    w->scanned = w->start;
    w->line_size = 0;
    if (!object) {
        /* What follows cannot be trusted to be in step. */
        w->ended = true;
        w->scanned = w->start = w->input->len;
    }
    return object;
}
