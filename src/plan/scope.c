#include "plan/scope.h"

#include <string.h>

KilnScope *kiln_scope_new(void)
{
    KilnScope *s = g_new0(KilnScope, 1);
    s->variables = g_ptr_array_new_with_free_func(g_free);
    s->arguments = g_ptr_array_new_with_free_func(g_free);
    return s;
}

static void *copy_string(const void *text, void *data)
{
    (void)data;
    return g_strdup(text);
}

KilnScope *kiln_scope_copy(const KilnScope *s)
{
    KilnScope *copy = kiln_scope_new();
    copy->open = s->open;
    g_ptr_array_extend(copy->variables, s->variables, copy_string, NULL);
    g_ptr_array_extend(copy->arguments, s->arguments, copy_string, NULL);
    return copy;
}

void kiln_scope_free(KilnScope *s)
{
    if (!s)
        return;
    g_ptr_array_unref(s->variables);
    g_ptr_array_unref(s->arguments);
    g_free(s);
}

static bool find(const GPtrArray *list, const char *name, guint *index)
{
    gsize length = strlen(name);
    for (guint i = 0; i < list->len; i++) {
        const char *entry = g_ptr_array_index(list, i);
        if (strncmp(entry, name, length) == 0 && (entry[length] == '=' || entry[length] == '\0')) {
            *index = i;
            return true;
        }
    }
    return false;
}

const char *kiln_scope_get(const KilnScope *s, const char *name)
{
    guint index;
    if (!find(s->variables, name, &index))
        return NULL;
    return (const char *)g_ptr_array_index(s->variables, index) + strlen(name) + 1;
}

void kiln_scope_set(KilnScope *s, const char *name, const char *value)
{
    char *entry =
        g_strconcat(name, "=", value, NULL); /* first: value may be the one being replaced */
    guint index;
    if (find(s->variables, name, &index))
        g_ptr_array_remove_index(s->variables, index);
    g_ptr_array_add(s->variables, entry);
}

void kiln_scope_unset(KilnScope *s, const char *name)
{
    guint index;
    if (find(s->variables, name, &index))
        g_ptr_array_remove_index(s->variables, index);
}

void kiln_scope_set_all(KilnScope *s, char *const *list)
{
    for (; list && *list; list++) {
        const char *equals = strchr(*list, '=');
        g_autofree char *name =
            equals ? g_strndup(*list, (gsize)(equals - *list)) : g_strdup(*list);
        kiln_scope_set(s, name, equals ? equals + 1 : "");
    }
}

void kiln_scope_declare(KilnScope *s, const char *name, const char *value)
{
    char *entry = value ? g_strconcat(name, "=", value, NULL) : g_strdup(name);
    guint index;
    if (find(s->arguments, name, &index)) {
        g_free(s->arguments->pdata[index]);
        s->arguments->pdata[index] = entry;
    } else {
        g_ptr_array_add(s->arguments, entry);
    }
}

bool kiln_scope_declares(const KilnScope *s, const char *name)
{
    guint index;
    return find(s->arguments, name, &index);
}

char **kiln_scope_environ(const KilnScope *s)
{
    char **list = g_new0(char *, s->variables->len + 1);
    for (guint i = 0; i < s->variables->len; i++)
        list[i] = g_strdup(g_ptr_array_index(s->variables, i));
    return list;
}

char *kiln_scope_prefix(const KilnScope *s)
{
    GString *text = g_string_new(NULL);
    if (s->arguments->len > 0)
        g_string_append_printf(text, "|%u ", s->arguments->len);
    for (guint i = 0; i < s->arguments->len; i++) {
        const char *entry = g_ptr_array_index(s->arguments, i);
        const char *equals = strchr(entry, '=');
        g_autofree char *name =
            equals ? g_strndup(entry, (gsize)(equals - entry)) : g_strdup(entry);
        const char *value = kiln_scope_get(s, name);
        if (!value)
            value = equals ? equals + 1 : "";
        g_string_append_printf(text, "%s=%s ", name, value);
    }
    return g_string_free(text, FALSE);
}

GPtrArray *kiln_scope_names(const KilnScope *s)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < s->variables->len; i++) {
        const char *entry = g_ptr_array_index(s->variables, i);
        g_ptr_array_add(names, g_strndup(entry, strcspn(entry, "=")));
    }
    return names;
}
