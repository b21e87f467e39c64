#include "dockerfile/fields.h"

#include <string.h>

#include "dockerfile/excerpt.h"
#include "dockerfile/suggest.h"

/* Reads the field at *p up to its end. False for a quote that is not closed or out of place. */
static bool read_field(const char **p, GString *field)
{
    if (**p != '"') {
        gsize length = strcspn(*p, ",");
        g_string_append_len(field, *p, (gssize)length);
        *p += length;
        return !strchr(field->str, '"');
    }
    for ((*p)++; **p && (**p != '"' || (*p)[1] == '"'); (*p)++) {
        if (**p == '"')
            (*p)++;
        g_string_append_c(field, **p);
    }
    if (**p != '"' || ((*p)[1] && (*p)[1] != ','))
        return false;
    (*p)++;
    return true;
}

char **kiln_fields_split(const char *text)
{
    if (!*text)
        return NULL;
    g_autoptr(GStrvBuilder) fields = g_strv_builder_new();
    for (const char *p = text;; p++) {
        g_autoptr(GString) field = g_string_new(NULL);
        if (!read_field(&p, field))
            return NULL;
        g_strv_builder_add(fields, field->str);
        if (!*p)
            return g_strv_builder_end(fields);
    }
}

typedef struct {
    const KilnDockerfile *d;
    const KilnFlag *flag;
    GError **error;
} Check;

G_GNUC_PRINTF(3, 4)
static bool fail(const Check *c, const char *part, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    KilnPlace place = kiln_flag_place(c->flag, part);
    kiln_dockerfile_error(c->error, c->d, &place, KILN_DOCKERFILE_ERROR_FLAG, "%s", message);
    return false;
}

static bool check_mount(const Check *c, char **fields)
{
    for (char **field = fields; *field; field++) {
        if (g_ascii_strncasecmp(*field, "from=", strlen("from=")) != 0)
            continue;
        const char *value = *field + strlen("from=");
        const char *dollar = strchr(value, '$');
        if (!dollar || !dollar[1])
            continue;
        g_autofree char *shown = kiln_excerpt_text(value, strlen(value));
        return fail(
            c, *field,
            "the from of a --mount cannot have variables; begin a stage \"FROM %s AS NAME\" "
            "and write from=NAME",
            shown);
    }
    return true;
}

/* As Go's strconv.ParseBool. */
static bool is_bool(const char *value)
{
    static const char *const values[] = {"1", "t", "T",     "TRUE",  "true",  "True", "0",
                                         "f", "F", "FALSE", "false", "False", NULL};
    return g_strv_contains(values, value);
}

static bool check_device(const Check *c, char **fields)
{
    static const char *const keys[] = {"name", "required", NULL};
    bool named = false;
    for (char **field = fields; *field; field++) {
        const char *equals = strchr(*field, '=');
        gsize length = equals ? (gsize)(equals - *field) : strlen(*field);
        g_autofree char *key = g_ascii_strdown(*field, (gssize)length);
        g_autofree char *shown = kiln_excerpt_text(*field, strlen(*field));
        if (strcmp(key, "required") == 0) {
            if (equals && !is_bool(equals + 1))
                return fail(c, *field, "%s is neither true nor false", shown);
        } else if (named && equals && strcmp(key, "name") == 0) {
            return fail(c, *field, "a --device names one device, and %s is another", shown);
        } else if (named) {
            const char *near = kiln_suggest(key, keys, true);
            return fail(c, *field, "unknown key in --device: %s%s%s%s", shown,
                        near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
        } else {
            named = **field != '\0';
        }
    }
    return true;
}

bool kiln_fields_check(const KilnDockerfile *d, const KilnInstruction *run, GError **error)
{
    for (guint n = 0; n < run->flags->len; n++) {
        Check c = {d, g_ptr_array_index(run->flags, n), error};
        bool mount = strcmp(c.flag->name, "mount") == 0;
        if (!mount && strcmp(c.flag->name, "device") != 0)
            continue;
        g_auto(GStrv) fields = kiln_fields_split(c.flag->value);
        if (!fields && !*c.flag->value)
            return fail(&c, NULL, "--%s= is empty; %s", c.flag->name,
                        mount ? "it takes type=TYPE,target=PATH and more" : "it takes a device");
        if (!fields)
            return fail(&c, NULL, "--%s: a quote is not closed, or stands inside a field",
                        c.flag->name);
        if (!(mount ? check_mount(&c, fields) : check_device(&c, fields)))
            return false;
    }
    return true;
}
