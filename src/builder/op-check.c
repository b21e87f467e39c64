/* The operation "check": what is wrong, or could be better, in a Dockerfile and its context. */
#include "builder/definition.h"

json_object *kiln_operation_check(KilnOperation *op, GError **error)
{
    g_autoptr(KilnDefinition) d = kiln_definition_read(op, error);
    if (!d)
        return NULL;
    d->all_stages = !kiln_request_text(op->request, "target");
    g_autoptr(KilnPlan) plan = kiln_definition_plan(d, error);
    return plan ? json_object_new_object() : NULL;
}
