#include "front/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* BuildKit's limit (session/secrets/secretsprovider). */
#define SIZE_MAX_BYTES (500u * 1024)

void kiln_secret_free(char *bytes, gsize size)
{
    if (bytes) {
        explicit_bzero(bytes, size);
        g_free(bytes);
    }
}

/* "ID=file:PATH" or "ID=env:NAME" of the last secret of that id: what follows the "=". NULL: none. */
static const char *find(const GPtrArray *secrets, const char *id)
{
    gsize length = strlen(id);
    for (guint i = secrets->len; i-- > 0;) {
        const char *text = g_ptr_array_index(secrets, i);
        if (strncmp(text, id, length) == 0 &&
            (g_str_has_prefix(text + length, "=file:") || g_str_has_prefix(text + length, "=env:")))
            return text + length + 1;
    }
    return NULL;
}

/* One byte more than may be, to see whether there is more. NULL with *problem. */
static char *read_file(const char *path, gsize *size, char **problem)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *bytes = g_malloc(SIZE_MAX_BYTES + 1);
    ssize_t n = fd < 0 ? -1 : 1;
    *size = 0;
    while (n > 0 && *size <= SIZE_MAX_BYTES) {
        n = read(fd, bytes + *size, SIZE_MAX_BYTES + 1 - *size);
        *size += n > 0 ? (gsize)n : 0;
        n = n < 0 && errno == EINTR ? 1 : n;
    }
    if (n < 0)
        *problem = g_strdup_printf("cannot read %s: %s", path, g_strerror(errno));
    else if (*size > SIZE_MAX_BYTES)
        *problem = g_strdup_printf("%s is larger than 500 kB", path);
    if (fd >= 0)
        close(fd);
    if (!*problem)
        return bytes;
    kiln_secret_free(bytes, SIZE_MAX_BYTES + 1);
    return NULL;
}

static char *read_variable(const char *name, gsize *size, char **problem)
{
    const char *value = g_getenv(name);
    *size = value ? strlen(value) : 0; /* as os.Getenv: what is not set is empty */
    if (*size <= SIZE_MAX_BYTES)
        return g_strdup(value ? value : "");
    *problem = g_strdup_printf("the variable %s is larger than 500 kB", name);
    return NULL;
}

char *kiln_secret_read(const GPtrArray *secrets, const char *id, gsize *size, char **problem)
{
    const char *source = find(secrets, id);
    if (!source)
        return NULL;
    return g_str_has_prefix(source, "file:") ? read_file(source + strlen("file:"), size, problem)
                                             : read_variable(source + strlen("env:"), size, problem);
}

static void send_answer(KilnWire *wire, const char *key, const char *value)
{
    json_object *answer = json_object_new_object();
    json_object_object_add(answer, "message", json_object_new_string("secret"));
    if (key)
        json_object_object_add(answer, key, json_object_new_string(value));
    kiln_wire_send(wire, answer);
    json_object_put(answer);
}

/* Not by json-c, which would leave copies behind. */
static void send_bytes(KilnWire *wire, const char *bytes, gsize size)
{
    char *data = g_base64_encode((const guchar *)bytes, size);
    char *line = g_strconcat("{\"message\":\"secret\",\"data\":\"", data, "\"}", NULL);
    kiln_wire_send_line(wire, line);
    kiln_secret_free(data, strlen(data));
    kiln_secret_free(line, strlen(line));
}

void kiln_secret_answer(const GPtrArray *secrets, json_object *message, KilnWire *wire)
{
    json_object *id;
    gsize size = 0;
    g_autofree char *problem = NULL;
    char *bytes = json_object_object_get_ex(message, "id", &id)
                      ? kiln_secret_read(secrets, json_object_get_string(id), &size, &problem)
                      : NULL;
    if (bytes)
        send_bytes(wire, bytes, size);
    else
        send_answer(wire, problem ? "error" : NULL, problem);
    kiln_secret_free(bytes, size);
}
