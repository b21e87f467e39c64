/* An image's config, as archives and registries give it. */
#include "fuzz.h"
#include "image/config.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnConfig) config = kiln_config_parse((const char *)data, size, &error);
    fuzz_result(config != NULL, error);
    return 0;
}
