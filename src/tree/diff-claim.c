#include "tree/diff-claim.h"

#include <string.h>

typedef struct {
    const GArray *claims;
    const KilnManifest *out;
    KilnOwners owners;
} Settling;

void kiln_claim_take_device(KilnEntry *e, const KilnEntry *device)
{
    e->type = device->type;
    e->major = device->major;
    e->minor = device->minor;
    e->size = 0;
}

static bool is_same_device(const KilnEntry *a, const KilnEntry *b)
{
    return a->type == b->type && a->major == b->major && a->minor == b->minor;
}

static bool is_same_file(const KilnEntry *a, const KilnEntry *b)
{
    return a->type == b->type && a->mtime == b->mtime && a->mtime_nsec == b->mtime_nsec &&
           g_strcmp0(a->target, b->target) == 0;
}

/* A rename, and the copy-up before it, keep the time of a symlink or fifo, and the owner of a device
 * where that is on disk: nobody but root can make one of another owner. */
static bool is_moved(const KilnClaim *c, const KilnEntry *b, KilnOwners owners)
{
    const KilnEntry *r = &c->record;
    if (kiln_type_is_device(r->type))
        return is_same_device(r, b) &&
               (owners == KILN_OWNERS_RECORDED || c->entry->uid == 0 || c->entry->uid == b->uid);
    return is_same_file(r, b);
}

static void meet(KilnEntry *e, const KilnEntry *b)
{
    if (kiln_type_is_device(b->type)) {
        kiln_claim_take_device(e, b);
    } else {
        e->uid = b->uid;
        e->gid = b->gid;
    }
}

static bool is_odd(const KilnEntry *e)
{
    return kiln_type_is_device(e->type) ||
           ((e->type == KILN_TYPE_SYMLINK || e->type == KILN_TYPE_FIFO) && (e->uid || e->gid));
}

/* Whether the layer shows something else, or nothing, where the entry was. */
static bool is_hidden(const KilnManifest *out, const KilnEntry *b)
{
    const KilnEntry *there = kiln_manifest_lookup(out, b->path);
    if (there)
        return kiln_type_is_device(b->type) ? !is_same_device(there, b) : !is_same_file(there, b);
    g_autofree char *parent = g_strdup(b->path);
    for (char *slash; (slash = strrchr(parent, '/'));) {
        *slash = '\0';
        there = kiln_manifest_lookup(out, parent);
        if (there && (there->type != KILN_TYPE_DIR || there->opaque))
            return true;
    }
    return false;
}

static bool consider(const KilnEntry *b, guint layer, void *data)
{
    const Settling *s = data;
    (void)layer;
    for (guint i = 0; is_odd(b) && i < s->claims->len; i++) {
        const KilnClaim *c = &g_array_index(s->claims, KilnClaim, i);
        if (is_moved(c, b, s->owners) && is_hidden(s->out, b))
            meet(c->entry, b);
    }
    return true;
}

/* Another name of the same file. */
static void follow_link(const Settling *s, const KilnClaim *c)
{
    for (guint i = 0; c->entry->link_group && i < kiln_manifest_length(s->out); i++) {
        const KilnEntry *e = kiln_manifest_get(s->out, i);
        if (e->link_group == c->entry->link_group && e->type == c->record.type && is_odd(e))
            meet(c->entry, e);
    }
}

void kiln_claims_settle(const GArray *claims, const KilnManifest *out, const KilnView *below,
                        KilnOwners owners)
{
    Settling s = {claims, out, owners};
    if (claims->len == 0)
        return;
    kiln_view_foreach(below, "", consider, &s);
    for (guint i = 0; i < claims->len; i++)
        follow_link(&s, &g_array_index(claims, KilnClaim, i));
}
