/* `kiln doctor --seccomp`: what the default filter does, call by call. */
#include "cli/checks.h"
#include "cli/table.h"

#include "runtime/calls.h"

#include <string.h>

static const char *const words[] = {
    [KILNRUN_CALL_ALLOWED] = "allowed",
    [KILNRUN_CALL_CONDITIONAL] = "conditional",
    [KILNRUN_CALL_EPERM] = "EPERM",
    [KILNRUN_CALL_ENOSYS] = "ENOSYS",
};

static char *make_json(const struct kilnrun_call *calls, gsize n)
{
    json_object *document = json_object_new_object(), *list = json_object_new_array();
    json_object_object_add(document, "architecture", json_object_new_string(kilnrun_native_arch()));
    json_object_object_add(document, "otherwise", json_object_new_string("EPERM"));
    json_object_object_add(document, "newest", json_object_new_int((int)kilnrun_newest_call()));
    json_object_object_add(document, "newer", json_object_new_string("ENOSYS"));
    json_object_object_add(document, "calls", list);
    for (gsize i = 0; i < n; i++) {
        const struct kilnrun_call *c = &calls[i];
        json_object *o = json_object_new_object();
        json_object_object_add(o, "name", json_object_new_string(c->name));
        json_object_object_add(o, "verdict", json_object_new_string(words[c->verdict]));
        json_object_object_add(o, "condition",
                               c->condition ? json_object_new_string(c->condition) : NULL);
        json_object_object_add(o, "why", c->why ? json_object_new_string(c->why) : NULL);
        json_object_object_add(o, "architectures", json_object_new_string(c->architectures));
        json_object_array_add(list, o);
    }
    char *text = g_strdup(json_object_to_json_string_ext(
        document, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(document);
    return text;
}

static char *make_text(const struct kilnrun_call *calls, gsize n)
{
    static const char *const headings[] = {"CALL", "VERDICT", "WHERE", "CONDITION", NULL};
    g_autoptr(KilnTable) table = kiln_table_new(headings);
    for (gsize i = 0; i < n; i++) {
        const struct kilnrun_call *c = &calls[i];
        const char *parts[] = {c->condition, c->why};
        g_autofree char *condition = parts[0] && parts[1]
                                         ? g_strconcat(parts[0], "   ", parts[1], NULL)
                                         : g_strdup(parts[0]   ? parts[0]
                                                    : parts[1] ? parts[1]
                                                               : "");
        const char *cells[] = {c->name, words[c->verdict], c->architectures, condition};
        kiln_table_add(table, cells);
    }
    g_autofree char *rows = kiln_table_text(table);
    return g_strdup_printf(
        "%sOther calls answer EPERM, numbers above %u (Docker's profile is older) ENOSYS.\n", rows,
        kilnrun_newest_call());
}

char *kiln_seccomp_shown(bool json)
{
    gsize n;
    const struct kilnrun_call *calls = kilnrun_calls(&n);
    return json ? make_json(calls, n) : make_text(calls, n);
}
