#include "plan/scope.h"

#include <string.h>

/* The name of "NAME=value", and of "NAME". As g_str_hash(). */
static guint hash_name(const void *entry)
{
    guint hash = 5381;
    for (const char *c = entry; *c && *c != '='; c++)
        hash = hash * 33 + (guchar)*c;
    return hash;
}

static gboolean same_name(const void *a, const void *b)
{
    gsize length = strcspn(a, "=");
    return strcspn(b, "=") == length && memcmp(a, b, length) == 0;
}

KilnScope *kiln_scope_new(void)
{
    KilnScope *s = g_new0(KilnScope, 1);
    s->variables = g_ptr_array_new_with_free_func(g_free);
    s->arguments = g_ptr_array_new_with_free_func(g_free);
    s->by_name = g_hash_table_new(hash_name, same_name);
    s->declared = g_hash_table_new(hash_name, same_name);
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
    for (guint i = 0; i < copy->variables->len; i++)
        g_hash_table_add(copy->by_name, copy->variables->pdata[i]);
    for (guint i = 0; i < copy->arguments->len; i++)
        g_hash_table_add(copy->declared, copy->arguments->pdata[i]);
    return copy;
}

void kiln_scope_free(KilnScope *s)
{
    if (!s)
        return;
    g_hash_table_unref(s->by_name);
    g_hash_table_unref(s->declared);
    g_ptr_array_unref(s->variables);
    g_ptr_array_unref(s->arguments);
    g_free(s);
}

const char *kiln_scope_get(const KilnScope *s, const char *name)
{
    const char *entry = g_hash_table_lookup(s->by_name, name);
    return entry ? strchr(entry, '=') + 1 : NULL;
}

void kiln_scope_set(KilnScope *s, const char *name, const char *value)
{
    char *entry =
        g_strconcat(name, "=", value, NULL); /* first: value may be the one being replaced */
    kiln_scope_unset(s, entry);
    g_ptr_array_add(s->variables, entry);
    g_hash_table_add(s->by_name, entry);
}

void kiln_scope_unset(KilnScope *s, const char *name)
{
    char *entry = g_hash_table_lookup(s->by_name, name);
    if (!entry)
        return;
    g_hash_table_remove(s->by_name, entry);
    g_ptr_array_remove(s->variables, entry);
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
    char *old = g_hash_table_lookup(s->declared, name);
    guint index;
    if (old && g_ptr_array_find(s->arguments, old, &index)) {
        g_hash_table_remove(s->declared, old);
        g_free(old);
        s->arguments->pdata[index] = entry;
    } else {
        g_ptr_array_add(s->arguments, entry);
    }
    g_hash_table_add(s->declared, entry);
}

bool kiln_scope_declares(const KilnScope *s, const char *name)
{
    return g_hash_table_contains(s->declared, name);
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
