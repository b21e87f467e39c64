/* RUN --mount: its fields, and what the plan makes of them. */
#include "fuzz.h"
#include "plan/plan-private.h"

static KilnResolved *no_bases(const char *name, const KilnPlatform *platform, void *data,
                              GError **error)
{
    (void)platform;
    (void)data;
    g_set_error(error, KILN_PLAN_ERROR, KILN_PLAN_ERROR_STAGE, "no image %s", name);
    return NULL;
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    g_autofree char *text = fuzz_string(data, size);
    g_strfreev(kiln_mount_fields(text));
    g_autoptr(GString) file =
        g_string_new("FROM scratch AS a\nFROM scratch\nARG V=1\nRUN --mount=");
    g_string_append(file, text);
    g_string_append(file, " x\n");
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnDockerfile) d = kiln_dockerfile_parse(file->str, file->len, "Dockerfile", &error);
    fuzz_result(d != NULL, error);
    if (!d)
        return 0;
    KilnPlanOptions options = {.resolve = no_bases};
    g_autoptr(KilnPlan) plan = kiln_plan_new(d, &options, &error);
    fuzz_result(plan != NULL, error);
    return 0;
}
