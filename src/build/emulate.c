#include "build/emulate.h"

#include "build/isolation.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum kilnrun_emulate kiln_emulation(const KilnEngine *e)
{
    static const enum kilnrun_emulate modes[] = {[KILN_EMULATE_DEFAULT] = KILNRUN_EMULATE_FULL,
                                                 [KILN_EMULATE_OFF] = KILNRUN_EMULATE_OFF,
                                                 [KILN_EMULATE_OWNERS] = KILNRUN_EMULATE_OWNERS,
                                                 [KILN_EMULATE_FULL] = KILNRUN_EMULATE_FULL};
    if (kiln_isolation_is_bare(e))
        return KILNRUN_EMULATE_OFF;
    enum kilnrun_emulate mode = modes[e->options->run_settings.emulate];
    const KilnStore *store = e->options->store; /* kiln plan may have none */
    bool real = !store || kiln_store_owners(store) == KILN_OWNERS_REAL;
    return real && mode != KILNRUN_EMULATE_OFF ? KILNRUN_EMULATE_DEVICES : mode;
}

void kiln_emulation_feed(const KilnEngine *e, KilnKey *key)
{
    enum kilnrun_emulate mode = kiln_emulation(e);
    if (mode == KILNRUN_EMULATE_OFF || mode == KILNRUN_EMULATE_OWNERS)
        kiln_key_text(key, "--emulate", NULL, mode == KILNRUN_EMULATE_OFF ? "off" : "owners");
}

/* --- The layers below ---------------------------------------------------------------------------------- */

/* Entries of a layer whose owner no xattr tells: symlinks and fifos that are not root's. Mostly there are none.
 * They are the manifest's, which the store keeps. */
static GPtrArray *odd_owners(KilnEngine *e, gint64 layer, GError **error)
{
    g_mutex_lock(&e->lock);
    GPtrArray *odd = e->odd_owners ? g_hash_table_lookup(e->odd_owners, &layer) : NULL;
    g_mutex_unlock(&e->lock);
    if (odd)
        return odd;
    g_autoptr(KilnManifest) m = kiln_layer_manifest(e->options->store, layer, error);
    if (!m)
        return NULL;
    odd = g_ptr_array_new();
    for (guint i = 0; i < kiln_manifest_length(m); i++) {
        KilnEntry *entry = kiln_manifest_get(m, i);
        if ((entry->type == KILN_TYPE_SYMLINK || entry->type == KILN_TYPE_FIFO) && (entry->uid || entry->gid))
            g_ptr_array_add(odd, entry);
    }
    g_mutex_lock(&e->lock);
    if (!e->odd_owners)
        e->odd_owners =
            g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    GPtrArray *other = g_hash_table_lookup(e->odd_owners, &layer);
    if (other) { /* another step was faster */
        g_ptr_array_unref(odd);
        odd = other;
    } else {
        g_hash_table_insert(e->odd_owners, g_memdup2(&layer, sizeof layer), odd);
    }
    g_mutex_unlock(&e->lock);
    return odd;
}

static bool list_below(KilnEngine *e, const KilnStep *parent, const KilnView *view, GByteArray *list, GError **error)
{
    g_autoptr(GArray) chain = kiln_state_chain(kiln_step_state(parent));
    for (guint i = 0; i < chain->len; i++) {
        const GPtrArray *odd = odd_owners(e, g_array_index(chain, gint64, i), error);
        if (!odd)
            return false;
        for (guint k = 0; k < odd->len; k++) {
            const KilnEntry *entry = odd->pdata[k];
            if (kiln_view_lookup(view, entry->path, NULL) != entry)
                continue; /* a layer above hides it */
            g_autofree char *record = kiln_stat_record_format(entry);
            g_byte_array_append(list, (const guint8 *)record, (guint)strlen(record));
            g_byte_array_append(list, (const guint8 *)" ", 1);
            g_byte_array_append(list, (const guint8 *)entry->path, (guint)strlen(entry->path) + 1);
        }
    }
    return true;
}

bool kiln_emulation_below(KilnEngine *e, const KilnStep *parent, const KilnView *view, int *fd, GError **error)
{
    g_autoptr(GByteArray) list = g_byte_array_new();
    *fd = -1;
    if (!list_below(e, parent, view, list, error))
        return false;
    if (list->len == 0)
        return true;
    *fd = memfd_create("owners", MFD_CLOEXEC);
    if (*fd >= 0 && write(*fd, list->data, list->len) == (ssize_t)list->len)
        return true;
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "the list of owners for the sandbox: %s",
                g_strerror(errno));
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return false;
}

/* --- What was recorded --------------------------------------------------------------------------------- */

struct KilnRecorded {
    KilnDiffRecords records;
    GHashTable *by_identity; /* the result's records */
};

static guint identity_hash(gconstpointer p)
{
    const struct kilnrun_identity *id = p;
    guint hash = 5381;
    for (gsize i = 0; i < sizeof id->bytes; i++)
        hash = hash * 33 + id->bytes[i];
    return hash;
}

static gboolean identity_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(struct kilnrun_identity)) == 0;
}

static bool find(int fd, KilnEntry *out, void *data)
{
    const KilnRecorded *r = data;
    struct kilnrun_identity id;
    const struct kilnrun_record *record =
        kilnrun_identify(fd, &id) == 0 ? g_hash_table_lookup(r->by_identity, &id) : NULL;
    if (!record)
        return false;
    *out = (KilnEntry){.type = S_ISCHR(record->mode)   ? KILN_TYPE_CHAR
                               : S_ISBLK(record->mode) ? KILN_TYPE_BLOCK
                               : S_ISLNK(record->mode) ? KILN_TYPE_SYMLINK
                                                       : KILN_TYPE_FIFO,
                       .uid = record->uid,
                       .gid = record->gid,
                       .major = record->major,
                       .minor = record->minor};
    return true;
}

KilnRecorded *kiln_recorded_new(enum kilnrun_emulate emulate, const struct kilnrun_result *result)
{
    KilnRecorded *r = g_new0(KilnRecorded, 1);
    r->by_identity = g_hash_table_new(identity_hash, identity_equal);
    r->records = (KilnDiffRecords){.xattrs_are_true = emulate >= KILNRUN_EMULATE_OWNERS, .data = r};
    for (size_t i = 0; i < result->n_records; i++)
        g_hash_table_insert(r->by_identity, &result->records[i].identity, &result->records[i]);
    if (result->n_records) /* so that nothing is asked of files where there is nothing */
        r->records.find = find;
    return r;
}

const KilnDiffRecords *kiln_recorded_records(const KilnRecorded *r)
{
    return &r->records;
}

void kiln_recorded_free(KilnRecorded *r)
{
    if (!r)
        return;
    g_hash_table_unref(r->by_identity);
    g_free(r);
}
