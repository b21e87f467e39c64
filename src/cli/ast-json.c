#include "cli/ast-json.h"

#include "cli/json-writer.h"

static void put_place(KilnJsonWriter *w, const KilnPlace *place)
{
    kiln_json_number(w, "line", place->line);
    kiln_json_number(w, "column", place->column);
    kiln_json_number(w, "end_line", place->end_line);
    kiln_json_number(w, "end_column", place->end_column);
}

static void put_flags(KilnJsonWriter *w, const KilnInstruction *i)
{
    kiln_json_open(w, "flags", '[');
    for (guint n = 0; n < i->flags->len; n++) {
        const KilnFlag *flag = g_ptr_array_index(i->flags, n);
        kiln_json_open(w, NULL, '{');
        kiln_json_string(w, "name", flag->name);
        kiln_json_string(w, "value", flag->value);
        put_place(w, &flag->place);
        kiln_json_close(w, '}');
    }
    kiln_json_close(w, ']');
}

static void put_arguments(KilnJsonWriter *w, const KilnInstruction *i)
{
    kiln_json_open(w, "arguments", '[');
    for (guint n = 0; n < i->args->len; n++) {
        kiln_json_open(w, NULL, '{');
        kiln_json_string(w, "value", g_ptr_array_index(i->args, n));
        put_place(w, &i->arg_places[n]);
        kiln_json_close(w, '}');
    }
    kiln_json_close(w, ']');
}

static void put_heredocs(KilnJsonWriter *w, const KilnInstruction *i)
{
    kiln_json_open(w, "heredocs", '[');
    for (guint n = 0; n < i->heredocs->len; n++) {
        const KilnHeredoc *heredoc = g_ptr_array_index(i->heredocs, n);
        kiln_json_open(w, NULL, '{');
        kiln_json_string(w, "name", heredoc->name);
        kiln_json_bool(w, "expand", heredoc->expand);
        kiln_json_bool(w, "chomp", heredoc->chomp);
        kiln_json_string(w, "content", heredoc->content);
        put_place(w, &heredoc->place);
        kiln_json_close(w, '}');
    }
    kiln_json_close(w, ']');
}

static void put_stage(KilnJsonWriter *w, const KilnInstruction *from, guint index)
{
    const char *name = from->args->len > 1 ? g_ptr_array_index(from->args, 1) : NULL;
    kiln_json_open(w, "stage", '{');
    kiln_json_number(w, "index", index);
    kiln_json_string(w, "base", g_ptr_array_index(from->args, 0));
    kiln_json_string(w, "name", name);
    kiln_json_string(w, "platform", kiln_instruction_flag(from, "platform"));
    kiln_json_close(w, '}');
}

static void put_instruction(KilnJsonWriter *w, const char *key, const KilnInstruction *i,
                            guint stage)
{
    kiln_json_open(w, key, '{');
    kiln_json_string(w, "name", kiln_instruction_keyword(i->kind));
    kiln_json_string(w, "keyword", i->keyword);
    put_place(w, &i->place);
    put_flags(w, i);
    kiln_json_bool(w, "json", i->json);
    put_arguments(w, i);
    put_heredocs(w, i);
    kiln_json_string(w, "original", i->original);
    if (i->kind == KILN_INST_FROM)
        put_stage(w, i, stage);
    if (i->trigger)
        put_instruction(w, "trigger", i->trigger, stage);
    kiln_json_close(w, '}');
}

static void put_instructions(KilnJsonWriter *w, const GPtrArray *instructions)
{
    guint stage = 0;
    kiln_json_open(w, "instructions", '[');
    for (guint n = 0; n < instructions->len; n++) {
        const KilnInstruction *i = g_ptr_array_index(instructions, n);
        kiln_json_line(w, 2);
        put_instruction(w, NULL, i, stage);
        stage += i->kind == KILN_INST_FROM;
    }
    kiln_json_close(w, ']');
}

static void put_directives(KilnJsonWriter *w, const KilnDockerfile *d)
{
    const char escape[] = {d->escape, '\0'};
    kiln_json_open(w, "directives", '{');
    kiln_json_string(w, "syntax", d->syntax);
    kiln_json_string(w, "escape", escape);
    kiln_json_string(w, "check", d->check);
    kiln_json_close(w, '}');
}

static void put_note(KilnJsonWriter *w, const char *rule, const char *text, const KilnPlace *place)
{
    kiln_json_line(w, 2);
    kiln_json_open(w, NULL, '{');
    if (rule)
        kiln_json_string(w, "rule", rule);
    kiln_json_string(w, "text", text);
    put_place(w, place);
    kiln_json_close(w, '}');
}

static void put_warnings(KilnJsonWriter *w, const GPtrArray *warnings)
{
    kiln_json_open(w, "warnings", '[');
    for (guint n = 0; n < warnings->len; n++) {
        const KilnDockerfileWarning *warning = g_ptr_array_index(warnings, n);
        put_note(w, warning->rule, warning->text, &warning->place);
    }
    kiln_json_close(w, ']');
}

static void put_errors(KilnJsonWriter *w, const GPtrArray *errors)
{
    kiln_json_open(w, "errors", '[');
    for (guint n = 0; n < errors->len; n++) {
        KilnPlace place;
        const char *text = kiln_dockerfile_error_text(g_ptr_array_index(errors, n), &place);
        put_note(w, NULL, text, &place);
    }
    kiln_json_close(w, ']');
}

void kiln_ast_json(const KilnDockerfile *d, const GPtrArray *errors, FILE *to)
{
    g_autoptr(KilnJsonWriter) w = kiln_json_writer_new(to);
    kiln_json_open(w, NULL, '{');
    kiln_json_line(w, 1);
    kiln_json_string(w, "file", d->name);
    kiln_json_line(w, 1);
    put_directives(w, d);
    kiln_json_line(w, 1);
    put_instructions(w, d->instructions);
    kiln_json_line(w, 1);
    put_warnings(w, d->warnings);
    kiln_json_line(w, 1);
    put_errors(w, errors);
    kiln_json_close(w, '}');
    kiln_json_end(w);
}
