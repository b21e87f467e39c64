/* The operations "outline" and "targets": what can be given to a build of a target, and which targets there are.
 * The documents have the keys of BuildKit's subrequests of these names, without a copy of the Dockerfile; "used"
 * is ours. */
#include "builder/definition.h"
#include "plan/outline.h"

/* Keys without a value are left out, as there. */
static void add_string(json_object *to, const char *key, const char *value)
{
    g_autofree char *valid = value && *value ? g_utf8_make_valid(value, -1) : NULL;
    if (valid)
        json_object_object_add(to, key, json_object_new_string(valid));
}

static json_object *position_new(guint line)
{
    json_object *o = json_object_new_object();
    json_object_object_add(o, "line", json_object_new_int64(line));
    return o;
}

static void add_location(json_object *to, const KilnPlace *place)
{
    json_object *location = json_object_new_object(), *ranges = json_object_new_array();
    json_object *range = json_object_new_object();
    json_object_object_add(range, "start", position_new(place->line));
    json_object_object_add(range, "end", position_new(place->end_line));
    json_object_array_add(ranges, range);
    json_object_object_add(location, "ranges", ranges);
    json_object_object_add(to, "location", location);
}

static void add_used(json_object *to, const GArray *used)
{
    json_object *lines = json_object_new_array();
    for (guint n = 0; n < used->len; n++)
        json_object_array_add(lines, json_object_new_int64(g_array_index(used, guint, n)));
    json_object_object_add(to, "used", lines);
}

static void add_items(json_object *to, const char *key, const char *name, const GPtrArray *items,
                      bool arguments)
{
    if (items->len == 0)
        return;
    json_object *list = json_object_new_array();
    for (guint n = 0; n < items->len; n++) {
        const KilnOutlineItem *item = g_ptr_array_index(items, n);
        json_object *o = json_object_new_object();
        add_string(o, name, item->name);
        add_string(o, "description", item->description);
        add_string(o, "value", item->value);
        if (item->required)
            json_object_object_add(o, "required", json_object_new_boolean(true));
        add_location(o, &item->place);
        if (arguments)
            add_used(o, item->used);
        json_object_array_add(list, o);
    }
    json_object_object_add(to, key, list);
}

static const char *stage_name(const KilnInstruction *from)
{
    return from->args->len > 1 ? g_ptr_array_index(from->args, 1) : NULL;
}

static void add_stage(json_object *to, const KilnDockerfile *file, const KilnInstruction *from)
{
    g_autofree char *description = kiln_outline_description(file, from, stage_name(from));
    add_string(to, "name", stage_name(from));
    add_string(to, "description", description);
}

json_object *kiln_operation_outline(KilnOperation *op, GError **error)
{
    g_autoptr(KilnOutline) outline = kiln_outline_new();
    g_autoptr(KilnDefinition) d = kiln_definition_read(op, error);
    if (!d)
        return NULL;
    d->outline = outline;
    g_autoptr(KilnPlan) plan = kiln_definition_plan(d, error);
    if (!plan)
        return NULL;
    json_object *result = json_object_new_object();
    add_stage(result, d->dockerfile, outline->from);
    add_items(result, "args", "name", outline->arguments, true);
    add_items(result, "secrets", "name", outline->secrets, false);
    add_items(result, "ssh", "name", outline->ssh, false);
    add_items(result, "cache", "ID", outline->caches, false);
    return result;
}

static json_object *target_new(const KilnDockerfile *file, const KilnInstruction *from)
{
    json_object *o = json_object_new_object();
    add_stage(o, file, from);
    add_string(o, "base", g_ptr_array_index(from->args, 0));
    add_string(o, "platform", kiln_instruction_flag(from, "platform"));
    add_location(o, &from->place);
    return o;
}

json_object *kiln_operation_targets(KilnOperation *op, GError **error)
{
    g_autoptr(KilnDefinition) d = kiln_definition_read(op, error);
    if (!d)
        return NULL;
    json_object *result = json_object_new_object(), *list = json_object_new_array(), *last = NULL;
    for (guint n = 0; n < d->dockerfile->instructions->len; n++) {
        const KilnInstruction *i = g_ptr_array_index(d->dockerfile->instructions, n);
        if (i->kind == KILN_INST_FROM)
            json_object_array_add(list, last = target_new(d->dockerfile, i));
    }
    json_object_object_add(last, "default", json_object_new_boolean(true)); /* there is a FROM */
    json_object_object_add(result, "targets", list);
    return result;
}
