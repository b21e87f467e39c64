/* Makes layers, OCI layouts and docker-archives for the tests of src/image/. */
#pragma once

#include "image/compress.h"
#include "image/config.h"
#include "image/export.h"
#include "image/load.h"
#include "tree/digest.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

typedef struct {
    char *top;   /* a directory of the test's own */
    char *input; /* top/input: an empty directory for a layout */
    KilnStore *store;
} Place;

static inline void set_up(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    p->top = g_dir_make_tmp("kiln-image-XXXXXX", NULL);
    p->input = g_build_filename(p->top, "input", NULL);
    g_assert_cmpint(g_mkdir(p->input, 0755), ==, 0);
    g_autofree char *root = g_build_filename(p->top, "store", NULL);
    p->store = kiln_store_open(root, KILN_STORE_SHARED, &error);
    g_assert_no_error(error);
}

static inline void tear_down(Place *p, gconstpointer data)
{
    (void)data;
    kiln_store_close(p->store);
    g_autofree char *parent = g_path_get_dirname(p->top), *name = g_path_get_basename(p->top);
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_true(kiln_remove_tree(fd, name, NULL));
    close(fd);
    g_free(p->top);
    g_free(p->input);
}

/* --- tars
 * ---------------------------------------------------------------------------------------------- */

typedef struct {
    GByteArray *bytes;
    struct archive *archive;
} Tar;

static inline la_ssize_t tar_take(struct archive *a, void *data, const void *bytes, size_t size)
{
    (void)a;
    g_byte_array_append(data, bytes, (guint)size);
    return (la_ssize_t)size;
}

static inline Tar *tar_new(void)
{
    Tar *t = g_new0(Tar, 1);
    t->bytes = g_byte_array_new();
    t->archive = archive_write_new();
    archive_write_set_format_ustar(t->archive);
    archive_write_set_bytes_in_last_block(t->archive, 512);
    archive_write_open(t->archive, t->bytes, NULL, tar_take, NULL);
    return t;
}

static inline void tar_add(Tar *t, const char *path, int type, int mode, const void *content,
                           gsize size)
{
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, path);
    archive_entry_set_filetype(e, (unsigned)type);
    archive_entry_set_perm(e, (mode_t)mode);
    archive_entry_set_mtime(e, 1600000000, 0);
    if (type == AE_IFLNK)
        archive_entry_set_symlink(e, content);
    else
        archive_entry_set_size(e, (la_int64_t)size);
    g_assert_cmpint(archive_write_header(t->archive, e), ==, ARCHIVE_OK);
    if (type == AE_IFREG)
        g_assert_cmpint(archive_write_data(t->archive, content, size), ==, (la_ssize_t)size);
    archive_entry_free(e);
}

static inline void tar_file(Tar *t, const char *path, const char *text)
{
    tar_add(t, path, AE_IFREG, 0644, text, strlen(text));
}

static inline void tar_dir(Tar *t, const char *path, int mode)
{
    tar_add(t, path, AE_IFDIR, mode, NULL, 0);
}

static inline GBytes *tar_end(Tar *t)
{
    archive_write_close(t->archive);
    archive_write_free(t->archive);
    GBytes *bytes = g_byte_array_free_to_bytes(t->bytes);
    g_free(t);
    return bytes;
}

static inline char *digest_of(GBytes *b)
{
    gsize size;
    const void *bytes = g_bytes_get_data(b, &size);
    return kiln_digest_of_bytes(bytes, size);
}

static inline bool append_bytes(void *array, const void *bytes, size_t size, GError **error)
{
    (void)error;
    g_byte_array_append(array, bytes, (guint)size);
    return true;
}

static inline GBytes *compressed(GBytes *b, KilnCompression kind)
{
    gsize size;
    const void *bytes = g_bytes_get_data(b, &size);
    if (kind == KILN_COMPRESSION_NONE)
        return g_bytes_ref(b);
    if (kind == KILN_COMPRESSION_ZSTD) {
        size_t room = ZSTD_compressBound(size);
        void *out = g_malloc(room);
        return g_bytes_new_take(out, ZSTD_compress(out, room, bytes, size, 3));
    }
    GByteArray *out = g_byte_array_new();
    g_autoptr(KilnGzip) z = kiln_gzip_new(append_bytes, out);
    g_assert_true(kiln_gzip_write(z, bytes, size, NULL));
    g_assert_true(kiln_gzip_finish(z, NULL));
    return g_byte_array_free_to_bytes(out);
}

/* --- layouts
 * ------------------------------------------------------------------------------------------- */

static inline void write_bytes(const char *dir, const char *name, GBytes *b)
{
    g_autofree char *path = g_build_filename(dir, name, NULL), *parent = g_path_get_dirname(path);
    gsize size;
    const char *bytes = g_bytes_get_data(b, &size);
    g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
    g_assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
}

static inline void write_text(const char *dir, const char *name, const char *text)
{
    g_autoptr(GBytes) b = g_bytes_new(text, strlen(text));
    write_bytes(dir, name, b);
}

/* Returns a descriptor as JSON, with `more` (", …" or "") in it. */
static inline char *put_blob(const char *dir, const char *media_type, GBytes *b, const char *more)
{
    g_autofree char *digest = digest_of(b), *path = g_strconcat("blobs/sha256/", digest + 7, NULL);
    write_bytes(dir, path, b);
    return g_strdup_printf("{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%" G_GSIZE_FORMAT
                           "%s}",
                           media_type, digest, g_bytes_get_size(b), more);
}

static inline char *put_blob_text(const char *dir, const char *media_type, const char *text,
                                  const char *more)
{
    g_autoptr(GBytes) b = g_bytes_new(text, strlen(text));
    return put_blob(dir, media_type, b, more);
}

#define LAYER_TAR "application/vnd.oci.image.layer.v1.tar"
#define LAYER_GZIP LAYER_TAR "+gzip"
#define LAYER_ZSTD LAYER_TAR "+zstd"
#define MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define INDEX "application/vnd.oci.image.index.v1+json"
#define CONFIG "application/vnd.oci.image.config.v1+json"

/* A config for these layers (uncompressed tars). */
static inline char *make_config(const char *architecture, GBytes **tars, guint n)
{
    g_autoptr(GString) ids = g_string_new(NULL), history = g_string_new(NULL);
    for (guint i = 0; i < n; i++) {
        g_autofree char *digest = digest_of(tars[i]);
        g_string_append_printf(ids, "%s\"%s\"", i > 0 ? "," : "", digest);
        g_string_append_printf(history, "%s{\"created_by\":\"layer %u\"}", i > 0 ? "," : "", i);
    }
    return g_strdup_printf(
        "{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":{\"Env\":[\"A=b\"]},"
        "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[%s]},\"history\":[%s]}",
        architecture, ids->str, history->str);
}

/* Puts an image into an OCI layout; returns the descriptor of its manifest. */
static inline char *put_image(const char *dir, const char *architecture, GBytes **tars, guint n,
                              KilnCompression kind, const char *more)
{
    static const char *const types[] = {LAYER_TAR, LAYER_GZIP, LAYER_ZSTD};
    g_autofree char *config = make_config(architecture, tars, n);
    g_autofree char *config_descriptor = put_blob_text(dir, CONFIG, config, "");
    g_autoptr(GString) layers = g_string_new(NULL);
    for (guint i = 0; i < n; i++) {
        g_autoptr(GBytes) blob = compressed(tars[i], kind);
        g_autofree char *descriptor = put_blob(dir, types[kind], blob, "");
        g_string_append_printf(layers, "%s%s", i > 0 ? "," : "", descriptor);
    }
    g_autofree char *manifest = g_strdup_printf("{\"schemaVersion\":2,\"mediaType\":\"" MANIFEST
                                                "\",\"config\":%s,\"layers\":[%s]}",
                                                config_descriptor, layers->str);
    return put_blob_text(dir, MANIFEST, manifest, more);
}

static inline void put_index(const char *dir, const char *descriptors)
{
    g_autofree char *index = g_strdup_printf(
        "{\"schemaVersion\":2,\"mediaType\":\"" INDEX "\",\"manifests\":[%s]}", descriptors);
    write_text(dir, "index.json", index);
    write_text(dir, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
}

/* Two layers: a base, and one that adds, replaces and deletes, and lists no parents. */
static inline void two_layers(GBytes *tars[2])
{
    Tar *t = tar_new();
    tar_dir(t, "etc", 0750);
    tar_file(t, "etc/motd", "old\n");
    tar_file(t, "etc/gone", "deleted above\n");
    tars[0] = tar_end(t);
    t = tar_new();
    tar_file(t, "etc/motd", "new\n");
    tar_file(t, "etc/.wh.gone", "");
    tar_file(t, "opt/app/run", "#!/bin/sh\n");
    tars[1] = tar_end(t);
}

static inline void free_layers(GBytes *tars[2])
{
    g_bytes_unref(tars[0]);
    g_bytes_unref(tars[1]);
}

/* The layout directory as a tar file; compressed so. */
static inline char *archive_of(Place *p, const char *const *members, KilnCompression kind)
{
    Tar *t = tar_new();
    for (; *members != NULL; members++) {
        g_autofree char *path = g_build_filename(p->input, *members, NULL), *text = NULL;
        gsize size;
        if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
            g_autoptr(GDir) d = g_dir_open(path, 0, NULL);
            const char *name;
            while ((name = g_dir_read_name(d)) != NULL) {
                g_autofree char *file = g_build_filename(path, name, NULL), *bytes = NULL;
                g_autofree char *member = g_build_filename(*members, name, NULL);
                g_assert_true(g_file_get_contents(file, &bytes, &size, NULL));
                tar_add(t, member, AE_IFREG, 0644, bytes, size);
            }
            continue;
        }
        g_assert_true(g_file_get_contents(path, &text, &size, NULL));
        tar_add(t, *members, AE_IFREG, 0644, text, size);
    }
    g_autoptr(GBytes) tar = tar_end(t), out = compressed(tar, kind);
    write_bytes(p->top, "image.tar", out);
    return g_build_filename(p->top, "image.tar", NULL);
}

/* --- looking at results
 * -------------------------------------------------------------------------------- */

static inline guint entries_of(Place *p, const char *name)
{
    g_autofree char *path = g_build_filename(kiln_store_root(p->store), name, NULL);
    g_autoptr(GDir) d = g_dir_open(path, 0, NULL);
    guint n = 0;
    while (g_dir_read_name(d) != NULL)
        n++;
    return n;
}

static inline char *text_in_layer(Place *p, gint64 layer, const char *path)
{
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, layer);
    g_autofree char *file =
        g_build_filename(kiln_store_root(p->store), "layers", number, path, NULL);
    char *text = NULL;
    g_file_get_contents(file, &text, NULL, NULL);
    return text;
}

static inline KilnImage *load_one(Place *p, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) loaded = kiln_load(p->store, path, NULL, NULL, NULL, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(loaded->len, ==, 1);
    KilnLoaded *l = loaded->pdata[0];
    KilnImage *image = kiln_image_lookup(p->store, l->id, &error);
    g_assert_no_error(error);
    return image;
}

/* Loading must fail so, and leave the store as it was. */
static inline void expect_failure(Place *p, const char *path, GQuark domain, int code,
                                  const char *words)
{
    guint layers = entries_of(p, "layers"), blobs = entries_of(p, "blobs/sha256");
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnPlatform) platform = kiln_platform_parse("linux/amd64", NULL);
    g_assert_null(kiln_load(p->store, path, NULL, NULL, platform, NULL, &error));
    if (!g_error_matches(error, domain, code) || strstr(error->message, words) == NULL)
        g_error("expected %s %d with \"%s\", got %s %d: %s", g_quark_to_string(domain), code, words,
                g_quark_to_string(error->domain), error->code, error->message);
    g_assert_cmpuint(entries_of(p, "layers"), ==, layers);
    g_assert_cmpuint(entries_of(p, "blobs/sha256"), ==, blobs);
    g_autoptr(GPtrArray) images = kiln_image_list(p->store, NULL);
    g_assert_cmpuint(images->len, ==, 0);
}
