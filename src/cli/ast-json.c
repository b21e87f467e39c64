#include "cli/ast-json.h"

#include <json-c/json.h>
#include <string.h>

/* Keys are literals, and each is added once to a new object: json-c need not copy or look for it. */
static void add(json_object *to, const char *key, json_object *value)
{
    json_object_object_add_ex(to, key, value,
                              JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY);
}

static json_object *string_new(const char *text)
{
    if (!text)
        return NULL;
    gsize length = strlen(text);
    if (g_utf8_validate(text, (gssize)length, NULL))
        return json_object_new_string_len(text, (int)length);
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)length);
    return json_object_new_string(valid);
}

static void add_place(json_object *to, const KilnPlace *place)
{
    add(to, "line", json_object_new_int64(place->line));
    add(to, "column", json_object_new_int64(place->column));
    add(to, "end_line", json_object_new_int64(place->end_line));
    add(to, "end_column", json_object_new_int64(place->end_column));
}

static json_object *flags_new(const KilnInstruction *i)
{
    json_object *list = json_object_new_array_ext((int)i->flags->len);
    for (guint n = 0; n < i->flags->len; n++) {
        const KilnFlag *flag = g_ptr_array_index(i->flags, n);
        json_object *o = json_object_new_object();
        add(o, "name", string_new(flag->name));
        add(o, "value", string_new(flag->value));
        add_place(o, &flag->place);
        json_object_array_add(list, o);
    }
    return list;
}

static json_object *arguments_new(const KilnInstruction *i)
{
    json_object *list = json_object_new_array_ext((int)i->args->len);
    for (guint n = 0; n < i->args->len; n++) {
        json_object *o = json_object_new_object();
        add(o, "value", string_new(g_ptr_array_index(i->args, n)));
        add_place(o, &g_array_index(i->arg_places, KilnPlace, n));
        json_object_array_add(list, o);
    }
    return list;
}

static json_object *heredocs_new(const KilnInstruction *i)
{
    json_object *list = json_object_new_array_ext((int)i->heredocs->len);
    for (guint n = 0; n < i->heredocs->len; n++) {
        const KilnHeredoc *heredoc = g_ptr_array_index(i->heredocs, n);
        json_object *o = json_object_new_object();
        add(o, "name", string_new(heredoc->name));
        add(o, "expand", json_object_new_boolean(heredoc->expand));
        add(o, "chomp", json_object_new_boolean(heredoc->chomp));
        add(o, "content", string_new(heredoc->content));
        add_place(o, &heredoc->place);
        json_object_array_add(list, o);
    }
    return list;
}

static json_object *stage_new(const KilnInstruction *from, guint index)
{
    json_object *o = json_object_new_object();
    add(o, "index", json_object_new_int64(index));
    add(o, "base", string_new(g_ptr_array_index(from->args, 0)));
    add(o, "name",
        from->args->len > 1 ? string_new(g_ptr_array_index(from->args, 1)) : NULL);
    add(o, "platform", string_new(kiln_instruction_flag(from, "platform")));
    return o;
}

static json_object *instruction_new(const KilnInstruction *i, guint stage)
{
    json_object *o = json_object_new_object();
    add(o, "name", json_object_new_string(kiln_instruction_keyword(i->kind)));
    add(o, "keyword", string_new(i->keyword));
    add_place(o, &i->place);
    add(o, "flags", flags_new(i));
    add(o, "json", json_object_new_boolean(i->json));
    add(o, "arguments", arguments_new(i));
    add(o, "heredocs", heredocs_new(i));
    add(o, "original", string_new(i->original));
    if (i->kind == KILN_INST_FROM)
        add(o, "stage", stage_new(i, stage));
    if (i->trigger)
        add(o, "trigger", instruction_new(i->trigger, stage));
    return o;
}

static json_object *note_new(const char *rule, const char *text, const KilnPlace *place)
{
    json_object *o = json_object_new_object();
    if (rule)
        add(o, "rule", json_object_new_string(rule));
    add(o, "text", string_new(text));
    add_place(o, place);
    return o;
}

static void print_value(json_object *value, FILE *to)
{
    size_t length;
    const char *text = json_object_to_json_string_length(
        value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
    fwrite(text, 1, length, to);
    json_object_put(value);
}

static void print_item(json_object *value, guint index, FILE *to)
{
    fputs(index > 0 ? ",\n  " : "\n  ", to);
    print_value(value, to);
}

static void print_key(const char *key, json_object *value, FILE *to)
{
    fprintf(to, " \"%s\":", key);
    print_value(value, to);
    fputs(",\n", to);
}

static json_object *directives_new(const KilnDockerfile *d)
{
    const char escape[] = {d->escape, '\0'};
    json_object *o = json_object_new_object();
    add(o, "syntax", string_new(d->syntax));
    add(o, "escape", json_object_new_string(escape));
    add(o, "check", string_new(d->check));
    return o;
}

/* In pieces: the document of a large file as one tree would take a hundred times its size. */
void kiln_ast_json(const KilnDockerfile *d, const GPtrArray *errors, FILE *to)
{
    fputs("{\n", to);
    print_key("file", string_new(d->name), to);
    print_key("directives", directives_new(d), to);

    fputs(" \"instructions\":[", to);
    guint stage = 0;
    for (guint n = 0; n < d->instructions->len; n++) {
        const KilnInstruction *i = g_ptr_array_index(d->instructions, n);
        print_item(instruction_new(i, stage), n, to);
        stage += i->kind == KILN_INST_FROM;
    }
    fputs("],\n \"warnings\":[", to);
    for (guint n = 0; n < d->warnings->len; n++) {
        const KilnDockerfileWarning *w = g_ptr_array_index(d->warnings, n);
        print_item(note_new(w->rule, w->text, &w->place), n, to);
    }
    fputs("],\n \"errors\":[", to);
    for (guint n = 0; n < errors->len; n++) {
        KilnPlace place;
        const char *text = kiln_dockerfile_error_text(g_ptr_array_index(errors, n), &place);
        print_item(note_new(NULL, text, &place), n, to);
    }
    fputs("]\n}\n", to);
}
