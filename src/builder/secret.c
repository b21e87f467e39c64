#include "builder/secret.h"

#include <sys/prctl.h>

G_DEFINE_QUARK(kiln-secret-error-quark, kiln_secret_error)

struct KilnSecrets {
    KilnWire *wire;
    GMutex asking; /* one question at a time */
    GMutex lock;   /* of what follows */
    GCond changed;
    json_object *answer;
    bool abandoned;
};

KilnSecrets *kiln_secrets_new(KilnWire *wire)
{
    KilnSecrets *s = g_new0(KilnSecrets, 1);
    s->wire = wire;
    g_mutex_init(&s->asking);
    g_mutex_init(&s->lock);
    g_cond_init(&s->changed);
    return s;
}

void kiln_secrets_free(KilnSecrets *s)
{
    json_object_put(s->answer);
    g_cond_clear(&s->changed);
    g_mutex_clear(&s->lock);
    g_mutex_clear(&s->asking);
    g_free(s);
}

void kiln_secrets_message(KilnSecrets *s, json_object *message)
{
    g_mutex_lock(&s->lock);
    json_object_put(s->answer);
    s->answer = json_object_get(message);
    g_cond_broadcast(&s->changed);
    g_mutex_unlock(&s->lock);
}

void kiln_secrets_abandon(KilnSecrets *s)
{
    g_mutex_lock(&s->lock);
    s->abandoned = true;
    g_cond_broadcast(&s->changed);
    g_mutex_unlock(&s->lock);
}

/* NULL if the front is gone. */
static json_object *ask(KilnSecrets *s, const char *id)
{
    json_object *question = json_object_new_object();
    json_object_object_add(question, "message", json_object_new_string("secret"));
    json_object_object_add(question, "id", json_object_new_string(id));
    g_mutex_lock(&s->asking);
    kiln_wire_send(s->wire, question);
    json_object_put(question);
    g_mutex_lock(&s->lock);
    while (!s->answer && !s->abandoned)
        g_cond_wait(&s->changed, &s->lock);
    json_object *answer = g_steal_pointer(&s->answer);
    g_mutex_unlock(&s->lock);
    g_mutex_unlock(&s->asking);
    return answer;
}

static GBytes *read_answer(json_object *answer, const char *id, GError **error)
{
    json_object *value;
    if (!answer || json_object_object_get_ex(answer, "error", &value)) {
        g_set_error(error, KILN_SECRET_ERROR, 0, "the secret \"%s\": %s", id,
                    answer ? json_object_get_string(value) : "kiln has gone");
        return NULL;
    }
    if (!json_object_object_get_ex(answer, "data", &value))
        return NULL;
    gsize size;
    guchar *bytes = g_base64_decode(json_object_get_string(value), &size);
    return g_bytes_new_take(bytes, size);
}

GBytes *kiln_secrets_get(const char *id, void *data, GError **error)
{
    KilnSecrets *s = data;
    prctl(PR_SET_DUMPABLE, 0);
    json_object *answer = ask(s, id);
    GBytes *secret = read_answer(answer, id, error);
    json_object_put(answer);
    return secret;
}
