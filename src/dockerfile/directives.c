#include "dockerfile/directives.h"

#include <string.h>

#include "dockerfile/excerpt.h"
#include "dockerfile/lines.h"
#include "dockerfile/lint.h"
#include "dockerfile/words.h"

typedef struct {
    char *name, *value;
    KilnPlace place; /* of the value */
} Directive;

static void directive_clear(Directive *directive)
{
    g_free(directive->name);
    g_free(directive->value);
    *directive = (Directive){0};
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Directive, directive_clear)

/* "prefix name = value". False if the line is no directive that is known. */
static bool read_directive(const char *line, gsize length, guint number, const char *prefix,
                           Directive *out)
{
    if (length < strlen(prefix) || memcmp(line, prefix, strlen(prefix)) != 0)
        return false;
    KilnSpan rest = kiln_span_trim(line, (KilnSpan){strlen(prefix), length});
    KilnSpan name = {rest.start, rest.start};
    while (name.end < rest.end && g_ascii_isalnum(line[name.end]))
        name.end++;
    KilnSpan value = kiln_span_trim(line, (KilnSpan){name.end, rest.end});
    if (value.start == value.end || line[value.start] != '=')
        return false;
    value.start++;
    value = kiln_span_trim(line, value);
    if (value.start == value.end)
        return false;

    g_autofree char *lower = g_ascii_strdown(line + name.start, (gssize)(name.end - name.start));
    if (strcmp(lower, "syntax") != 0 && strcmp(lower, "escape") != 0 && strcmp(lower, "check") != 0)
        return false;
    *out = (Directive){
        .name = g_steal_pointer(&lower),
        .value = g_strndup(line + value.start, value.end - value.start),
        .place = {number, (guint)value.start + 1, number, (guint)value.end},
    };
    return true;
}

/* The value of a directive that is found by itself, before the file is parsed: syntax and check.
 * Its line must begin with the prefix; a shebang line before it is passed over. */
static char *find_directive(const char *text, gsize size, const char *prefix, const char *name,
                            KilnPlace *place)
{
    KilnLineReader reader = {text, text + size, 0, '\\'};
    const char *line;
    gsize length;
    while (kiln_reader_physical(&reader, &line, &length)) {
        length = kiln_line_chomp(line, length);
        if (reader.line == 1 && length > 1 && memcmp(line, "#!", 2) == 0)
            continue;
        g_auto(Directive) directive = {0};
        if (!read_directive(line, length, reader.line, prefix, &directive))
            return NULL;
        if (strcmp(directive.name, name) == 0) {
            *place = directive.place;
            return g_steal_pointer(&directive.value);
        }
    }
    return NULL;
}

static bool is_builtin_frontend(const char *reference)
{
    static const char *const hosts[] = {"docker.io/", "index.docker.io/", "registry-1.docker.io/"};
    static const char *const names[] = {"docker/dockerfile-upstream", "docker/dockerfile"};
    for (gsize n = 0; n < G_N_ELEMENTS(hosts); n++) {
        if (g_str_has_prefix(reference, hosts[n])) {
            reference += strlen(hosts[n]);
            break;
        }
    }
    for (gsize n = 0; n < G_N_ELEMENTS(names); n++) {
        gsize length = strlen(names[n]);
        if (strncmp(reference, names[n], length) == 0 && strchr(":@", reference[length]))
            return true; /* strchr() finds the end of the string, too */
    }
    return false;
}

static bool read_syntax(KilnDockerfile *d, const char *text, gsize size, GError **error)
{
    KilnPlace place;
    char *value = find_directive(text, size, "#", "syntax", &place);
    /* BuildKit also looks for it as "// syntax=" of other frontends' languages. */
    if (!value)
        value = find_directive(text, size, "//", "syntax", &place);
    if (!value)
        return true;
    d->syntax = value;
    g_autofree char *reference = g_strndup(value, strcspn(value, " "));
    if (is_builtin_frontend(reference))
        return true;
    g_autofree char *shown = kiln_excerpt_text(reference, strlen(reference));
    kiln_dockerfile_error(
        error, d, &place, KILN_DOCKERFILE_ERROR_FRONTEND,
        "the file asks for the frontend %s, and only docker/dockerfile is built in; "
        "remove the line if the file is an ordinary Dockerfile",
        shown);
    return false;
}

bool kiln_directives_read(KilnDockerfile *d, const char *text, gsize size, GError **error)
{
    if (!read_syntax(d, text, size, error))
        return false;
    KilnPlace place = {1, 1, 1, 1};
    if (!d->check)
        d->check = find_directive(text, size, "#", "check", &place);
    g_autofree char *fault = kiln_lint_fault(d->check);
    if (fault) {
        kiln_dockerfile_error(error, d, &place, KILN_DOCKERFILE_ERROR_SYNTAX, "%s", fault);
        return false;
    }

    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    KilnLineReader reader = {text, text + size, 0, '\\'};
    const char *line;
    gsize length;
    while (kiln_reader_physical(&reader, &line, &length)) {
        length = kiln_line_chomp(line, length);
        gsize indent = kiln_span_trim(line, (KilnSpan){0, length}).start;
        g_auto(Directive) directive = {0};
        if (!read_directive(line + indent, length - indent, reader.line, "#", &directive))
            return true;
        directive.place.column += (guint)indent;
        directive.place.end_column += (guint)indent;
        if (!g_hash_table_add(seen, g_strdup(directive.name))) {
            kiln_dockerfile_error(error, d, &directive.place, KILN_DOCKERFILE_ERROR_SYNTAX,
                                  "the parser directive %s is given twice; keep one of them",
                                  directive.name);
            return false;
        }
        d->directives = reader.line;
        if (strcmp(directive.name, "escape") != 0)
            continue;
        if (strcmp(directive.value, "\\") != 0 && strcmp(directive.value, "`") != 0) {
            g_autofree char *shown = kiln_excerpt_text(directive.value, strlen(directive.value));
            kiln_dockerfile_error(error, d, &directive.place, KILN_DOCKERFILE_ERROR_SYNTAX,
                                  "the escape character cannot be %s, only \\ or `", shown);
            return false;
        }
        d->escape = directive.value[0];
    }
    return true;
}
