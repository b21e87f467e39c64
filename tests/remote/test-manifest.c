/* Manifests and indexes: reading them, refusing what is wrong, choosing a platform. */
#include <glib.h>
#include <string.h>

#include "remote/digest.h"
#include "remote/error.h"
#include "remote/manifest.h"

#define X4(c) c c c c
#define D(c) "sha256:" X4(X4(X4(c)))
#define OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define CONFIG(digest)                                                                             \
    "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"size\":3,"           \
    "\"digest\":\"" digest "\"}"
#define LAYERS(digest)                                                                             \
    "\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"size\":9,"       \
    "\"digest\":\"" digest "\"}]"

static RemoteManifest *parse(const char *json, const char *type, GError **error)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(json, strlen(json));
    return remote_manifest_parse(bytes, type, "reg.example/app:1", error);
}

static void test_image(void)
{
    static const char json[] = "{\"schemaVersion\":2," CONFIG(D("a")) "," LAYERS(D("b")) "}";
    static const char *const types[] = {OCI_MANIFEST, OCI_MANIFEST "; charset=utf-8",
                                        DOCKER_MANIFEST, "application/json", NULL};
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(RemoteManifest) m = parse(json, types[i], &error);
        g_assert_no_error(error);
        g_assert_null(m->manifests);
        g_assert_cmpstr(m->config->digest, ==, D("a"));
        g_assert_cmpint(m->config->size, ==, 3);
        g_assert_cmpuint(m->layers->len, ==, 1);
        g_autofree char *digest = remote_digest_of(json, strlen(json));
        g_assert_cmpstr(m->self->digest, ==, digest);
        g_assert_cmpint(m->self->size, ==, strlen(json));
        const char *type = types[i] && strstr(types[i], "docker") ? DOCKER_MANIFEST : OCI_MANIFEST;
        g_assert_cmpstr(m->self->media_type, ==, type);
    }
}

static void test_refused(void)
{
    static const struct {
        const char *json, *type, *because;
    } cases[] = {
        {"", NULL, "JSON"},
        {"{\"schemaVersion\":2", NULL, "too early"},
        {"[]", NULL, "object"},
        {"{} {}", NULL, "JSON"},
        {"{}", OCI_MANIFEST, "no config"},
        {"{}", OCI_INDEX, "list of manifests"},
        {"{\"schemaVersion\":1,\"fsLayers\":[]}", NULL, "schema 1"},
        {"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1"},
        {"{}", "application/vnd.example.thing", "does not know"},
        {"{\"mediaType\":\"" OCI_INDEX "\",\"manifests\":[]}", OCI_MANIFEST, "another type"},
        {"{\"manifests\":[]," CONFIG(D("a")) "," LAYERS(D("b")) "}", OCI_MANIFEST, "at once"},
        {"{" CONFIG("sha256:../../../etc/passwd") "," LAYERS(D("b")) "}", NULL, "not a digest"},
        {"{" CONFIG(D("a")) "," LAYERS("sha512:00") "}", NULL, "not SHA-256"},
        {"{" CONFIG(D("a")) ",\"layers\":[{\"digest\":\"" D("b") "\",\"size\":-1}]}", NULL,
         "no size"},
        {"{" CONFIG(D("a")) ",\"layers\":[{\"digest\":\"" D("b") "\",\"size\":\"9\"}]}", NULL,
         "no size"},
        {"{" CONFIG(D("a")) ",\"layers\":[null]}", NULL, "no digest"},
        {"{\"config\":{\"mediaType\":\"application/vnd.cncf.helm.config.v1+json\",\"size\":3,"
         "\"digest\":\"" D("a") "\"}," LAYERS(D("b")) "}",
         NULL, "helm"},
        {"{\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
         "\"size\":99999999,\"digest\":\"" D("a") "\"}," LAYERS(D("b")) "}",
         NULL, "8 MiB"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(parse(cases[i].json, cases[i].type, &error));
        g_assert_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT);
        if (!strstr(error->message, cases[i].because)) {
            g_error("\"%s\" lacks \"%s\"", error->message, cases[i].because);
        }
    }
}

#define ENTRY(digest, platform)                                                                    \
    "{\"mediaType\":\"" OCI_MANIFEST "\",\"size\":5,\"digest\":\"" digest "\"" platform "}"
#define ON(os, arch) ",\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch "\"}"
#define ON3(os, arch, variant)                                                                     \
    ",\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch "\",\"variant\":\"" variant "\"}"

static void assert_choice(const char *json, const char *platform, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(RemoteManifest) index = parse(json, DOCKER_LIST, &error);
    g_assert_no_error(error);
    g_autoptr(RemotePlatform) wanted = remote_platform_parse(platform, NULL);
    const RemoteDescriptor *d = remote_manifest_choose(index, wanted, "reg.example/app:1", &error);
    if (expected) {
        g_assert_no_error(error);
        g_assert_cmpstr(d->digest, ==, expected);
    } else {
        g_assert_null(d);
        g_assert_error(error, REMOTE_ERROR, REMOTE_ERROR_PLATFORM);
    }
}

static void test_choose(void)
{
    static const char *const entries[] = {
        ENTRY(D("0"), ON("windows", "amd64")),    ENTRY(D("1"), ON3("linux", "arm", "v6")),
        ENTRY(D("2"), ON3("linux", "arm", "v7")), ENTRY(D("3"), ON("linux", "386")),
        ENTRY(D("4"), ON("linux", "amd64")),      ENTRY(D("5"), ON("linux", "amd64")),
        ENTRY(D("6"), ON("unknown", "unknown")),  NULL,
    };
    g_autofree char *list = g_strjoinv(",", (char **)entries);
    g_autofree char *index = g_strconcat("{\"manifests\":[", list, "]}", NULL);
    assert_choice(index, "linux/amd64", D("4")); /* not 386; the first of two */
    assert_choice(index, "linux/386", D("3"));
    assert_choice(index, "linux/arm/v7", D("2"));
    assert_choice(index, "linux/arm/v6", D("1"));
    assert_choice(index, "linux/arm/v5", NULL);
    assert_choice(index, "linux/arm64", D("2")); /* 32-bit is better than none */
    assert_choice(index, "windows/amd64", D("0"));
    assert_choice(index, "linux/riscv64", NULL);
    assert_choice(index, "unknown/unknown", NULL);
}

static void test_choose_without_platforms(void)
{
    assert_choice("{\"manifests\":[" ENTRY(D("1"), "") "]}", "linux/amd64", D("1"));
    assert_choice("{\"manifests\":[" ENTRY(D("1"), "") "," ENTRY(D("2"), "") "]}", "linux/amd64",
                  NULL);
    /* An attestation beside the image does not make it two. */
    assert_choice("{\"manifests\":[" ENTRY(D("1"), "") "," ENTRY(
                      D("2"), ",\"annotations\":{\"vnd.docker.reference.type\":\"attestation-"
                              "manifest\"}") "]}",
                  "linux/amd64", D("1"));
    assert_choice("{\"manifests\":[]}", "linux/amd64", NULL);
}

static void test_platform_error(void)
{
    static const char index[] = "{\"manifests\":[" ENTRY(
        D("1"), ON("linux", "s390x\\u001b[31m")) "," ENTRY(D("2"), ON3("linux", "arm", "v7")) "]}";
    g_autoptr(RemoteManifest) m = parse(index, OCI_INDEX, NULL);
    g_autoptr(RemotePlatform) wanted = remote_platform_parse("linux/amd64", NULL);
    g_autoptr(GError) error = NULL;
    g_assert_null(remote_manifest_choose(m, wanted, "reg.example/app:1", &error));
    g_assert_nonnull(strstr(error->message, "linux/amd64"));
    g_assert_nonnull(strstr(error->message, "linux/arm/v7"));
    g_assert_nonnull(strstr(error->message, "--platform"));
    g_assert_null(strchr(error->message, '\x1b')); /* the registry chose these names */
}

static void test_digest(void)
{
    g_autofree char *empty = remote_digest_of("", 0);
    g_assert_cmpstr(empty, ==,
                    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    g_autoptr(RemoteHash) hash = remote_hash_new();
    remote_hash_update(hash, "wrong", 5);
    remote_hash_restart(hash);
    remote_hash_update(hash, "ab", 2);
    remote_hash_update(hash, "c", 1);
    g_autofree char *abc = remote_hash_finish(hash);
    g_assert_cmpstr(abc, ==,
                    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");

    static const char *const bad[] = {"", "sha256:", "sha256:../../x", D("A"), D("a") "0", "md5:0"};
    g_assert_true(remote_digest_check(abc, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(remote_digest_check(bad[i], NULL));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/manifest/image", test_image);
    g_test_add_func("/manifest/refused", test_refused);
    g_test_add_func("/manifest/choose", test_choose);
    g_test_add_func("/manifest/choose-without-platforms", test_choose_without_platforms);
    g_test_add_func("/manifest/platform-error", test_platform_error);
    g_test_add_func("/manifest/digest", test_digest);
    return g_test_run();
}
