/* The document of a cache, as kiln writes it and as others may. */
#include "cache/format.h"
#include "image/document.h"

#include <string.h>

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define MOUNT "{\"name\":\"" NAME "\",\"id\":\"x\",\"layers\":[{\"diffID\":\"" A "\",\"blob\":1}]," \
              "\"entries\":0,\"mode\":448,\"uid\":1,\"gid\":2}"

static KilnCacheConfig *parse(const char *text, GError **error)
{
    json_object *o = kiln_document_parse(text, strlen(text), false, "it", error);
    g_assert_nonnull(o);
    KilnCacheConfig *c = kiln_cache_config_from_json(o, 2, error);
    json_object_put(o);
    return c;
}

static void test_round(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnCacheConfig) c = kiln_cache_config_new();
    KilnCacheNode *base = kiln_cache_config_add_node(c), *step = kiln_cache_config_add_node(c);
    base->diff_ids = g_strsplit(A " " A, " ", -1);
    step->operation = g_strdup(A);
    step->inputs = g_new0(gint, 2);
    step->inputs[1] = -1;
    step->n_inputs = 2;
    step->has_layer = true;
    step->layer = (KilnCacheLayer){g_strdup(A), 1};
    step->clamp = 77;
    step->created = 5;
    step->duration = 6;
    step->name = g_strdup("RUN \xff");
    KilnCacheMount *m = kiln_cache_config_add_mount(c);
    m->name = g_strdup(NAME);
    m->id = g_strdup("/root/.npm");
    m->mode = 01770;
    kiln_cache_mount_add_layer(m, A, 1);
    json_object *o = kiln_cache_config_to_json(c);
    g_autoptr(KilnCacheConfig) back = kiln_cache_config_from_json(o, 2, &error);
    json_object_put(o);
    g_assert_no_error(error);
    g_assert_cmpuint(back->nodes->len, ==, 2);
    const KilnCacheNode *n = back->nodes->pdata[1];
    g_assert_cmpstr(((KilnCacheNode *)back->nodes->pdata[0])->diff_ids[1], ==, A);
    g_assert_cmpint(n->inputs[1], ==, -1);
    g_assert_cmpuint(n->layer.blob, ==, 1);
    g_assert_cmpint(n->clamp, ==, 77);
    g_assert_cmpint(n->duration, ==, 6);
    g_assert_true(g_utf8_validate(n->name, -1, NULL));
    g_assert_cmpint(kiln_cache_config_mount(back, NAME)->mode, ==, 01770);
    g_assert_null(kiln_cache_config_mount(back, "x"));
}

static void test_refused(void)
{
    static const char *const nodes[] = {
        "3",
        "{}",
        "{\"base\":[\"x\"]}",
        "{\"base\":[3]}",
        "{\"base\":[]},{\"operation\":\"" A "\"}",
        "{\"base\":[]},{\"operation\":\"x\",\"inputs\":[0],\"created\":5,\"duration\":6}",
        "{\"operation\":\"" A "\",\"inputs\":[0],\"created\":5,\"duration\":6}", /* itself */
        "{\"operation\":\"" A "\",\"inputs\":[-2],\"created\":5,\"duration\":6}",
        "{\"operation\":\"" A "\",\"inputs\":[\"0\"],\"created\":5,\"duration\":6}",
        "{\"operation\":\"" A "\",\"inputs\":[],\"created\":-5,\"duration\":6}",
        "{\"operation\":\"" A "\",\"inputs\":[],\"created\":5,\"duration\":9223372036854775807}",
        "{\"operation\":\"" A "\",\"inputs\":[],\"created\":5,\"duration\":6,\"clamp\":\"x\"}",
        "{\"operation\":\"" A "\",\"inputs\":[],\"created\":5,\"duration\":6,\"layer\":{}}",
        "{\"operation\":\"" A "\",\"inputs\":[],\"created\":5,\"duration\":6,"
        "\"layer\":{\"diffID\":\"" A "\",\"blob\":2}}",
    };
    for (guint i = 0; i < G_N_ELEMENTS(nodes); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strdup_printf("{\"version\":1,\"nodes\":[%s]}", nodes[i]);
        g_assert_null(parse(text, &error));
        g_assert_error(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_FORMAT);
    }
    static const char *const changes[][2] = {
        {NAME, "../" NAME}, {NAME, "aa"}, {":448", ":4096"}, {"\"uid\":1", "\"uid\":-1"}, {"\"blob\":1", "\"blob\":2"},
        {"\"entries\":0", "\"entries\":2"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) parts = g_strsplit(MOUNT, changes[i][0], 2);
        g_autofree char *mount = g_strjoinv(changes[i][1], parts);
        g_autofree char *text = g_strdup_printf("{\"version\":1,\"nodes\":[],\"mounts\":[%s]}", mount);
        g_assert_null(parse(text, &error));
        g_assert_error(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_FORMAT);
    }
    g_autoptr(GError) twice = NULL;
    g_assert_null(parse("{\"version\":1,\"nodes\":[],\"mounts\":[" MOUNT "," MOUNT "]}", &twice));
    g_assert_error(twice, KILN_CACHE_ERROR, KILN_CACHE_ERROR_FORMAT);
}

static void test_versions(void)
{
    g_autoptr(GError) newer = NULL, none = NULL, error = NULL;
    g_assert_null(parse("{\"version\":2,\"nodes\":\"of another kind\"}", &newer));
    g_assert_error(newer, KILN_CACHE_ERROR, KILN_CACHE_ERROR_VERSION);
    g_assert_null(parse("{\"nodes\":[]}", &none));
    g_assert_error(none, KILN_CACHE_ERROR, KILN_CACHE_ERROR_FORMAT);
    /* what is not known is passed over */
    g_autoptr(KilnCacheConfig) c =
        parse("{\"version\":1,\"new\":3,\"nodes\":[{\"base\":[],\"new\":[]}],\"mounts\":[" MOUNT "]}", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(c->nodes->len + c->mounts->len, ==, 2);
}

static void test_sizes(void)
{
    g_autoptr(GString) text = g_string_new("{\"version\":1,\"nodes\":[{\"base\":[]}");
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < 30000; i++)
        g_string_append(text, ",{\"base\":[]}");
    g_string_append(text, "]}");
    g_assert_null(parse(text->str, &error));
    g_assert_error(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_FORMAT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cache/format/round", test_round);
    g_test_add_func("/cache/format/refused", test_refused);
    g_test_add_func("/cache/format/versions", test_versions);
    g_test_add_func("/cache/format/sizes", test_sizes);
    return g_test_run();
}
