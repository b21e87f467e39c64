/* The document of a cache, as a directory, an image or a registry gives it. */
#include "cache/format.h"
#include "fuzz.h"
#include "image/document.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    enum { BLOBS = 4 };
    g_autoptr(GError) error = NULL;
    json_object *document = kiln_document_parse((const char *)data, size, false, "the cache", &error);
    g_autoptr(KilnCacheConfig) config = document ? kiln_cache_config_from_json(document, BLOBS, &error) : NULL;
    json_object_put(document);
    fuzz_result(config != NULL, error);
    if (config) /* what was believed can be written */
        json_object_put(kiln_cache_config_to_json(config));
    return 0;
}
