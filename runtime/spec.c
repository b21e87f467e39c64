#include "spec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x6b696c6eu

/* Of layers and of a spec: which of the single fds are there, in the order of layers_singles() and
 * spec_singles(), and what else is. */
enum {
    LAYERS_SINGLES = 4,
    N_SINGLES = 8,
    HAS_FIRST_SINGLE = 1 << 0,
    HAS_LOWER_FDS = 1 << N_SINGLES,
    HAS_LOWER_NAMES = 2 << N_SINGLES,
    HAS_NETWORK = 4 << N_SINGLES,
    INSECURE = 8 << N_SINGLES,
    UNCONFINED = 16 << N_SINGLES,
    NO_NEW_PRIVS = 32 << N_SINGLES,
};

static void layers_singles(struct kilnrun_layers *l, int *out[LAYERS_SINGLES])
{
    int *singles[LAYERS_SINGLES] = {&l->stub_fd, &l->lower_parent_fd, &l->upper_fd, &l->work_fd};
    memcpy(out, singles, sizeof singles);
}

static void spec_singles(struct kilnrun_spec *s, int *out[N_SINGLES])
{
    int *singles[N_SINGLES] = {&s->output_fd, &s->resolv_fd, &s->hosts_fd,   &s->hostname_fd,
                               &s->input_fd,  &s->error_fd,  &s->terminal_fd,
                               &s->below_fd};
    memcpy(out, singles, sizeof singles);
}

/* Writing. A failed allocation is remembered and reported once, at the end. */
struct writer {
    char *bytes;
    size_t size, room;
    bool failed;
};

static void put(struct writer *w, const void *bytes, size_t size)
{
    if (w->size + size > w->room) {
        size_t room = (w->size + size) * 2 + 4096;
        char *grown = realloc(w->bytes, room);
        if (!grown) {
            w->failed = true;
            return;
        }
        w->bytes = grown;
        w->room = room;
    }
    memcpy(w->bytes + w->size, bytes, size);
    w->size += size;
}

static void put_number(struct writer *w, size_t number)
{
    uint32_t n = (uint32_t)number;

    put(w, &n, sizeof n);
}

static void put_long(struct writer *w, uint64_t number)
{
    put_number(w, (uint32_t)(number >> 32));
    put_number(w, (uint32_t)number);
}

static void put_string(struct writer *w, const char *s)
{
    put(w, s, strlen(s) + 1);
}

static void put_vector(struct writer *w, const char *const *strings)
{
    size_t n = 0;

    while (strings && strings[n])
        n++;
    put_number(w, n);
    for (size_t i = 0; i < n; i++)
        put_string(w, strings[i]);
}

/* Adds the fds that are there to those to be sent; returns which these are. */
static uint32_t put_singles(int *const *singles, unsigned n, struct spec_fds *out)
{
    uint32_t flags = 0;

    for (unsigned i = 0; i < n; i++) {
        if (*singles[i] < 0)
            continue;
        flags |= (uint32_t)HAS_FIRST_SINGLE << i;
        out->fds[out->n++] = *singles[i];
    }
    return flags;
}

static void put_layers(struct writer *w, const struct kilnrun_layers *l, struct spec_fds *out)
{
    struct kilnrun_layers copy = *l;
    size_t n_names = l->lower_names ? l->n_lowers + (l->stub_fd >= 0) : 0;
    int *singles[LAYERS_SINGLES];
    uint32_t flags = l->lower_names ? HAS_LOWER_NAMES : 0;

    for (size_t i = 0; l->lower_fds && i < l->n_lowers; i++)
        out->fds[out->n++] = l->lower_fds[i];
    if (l->lower_fds)
        flags |= HAS_LOWER_FDS;
    layers_singles(&copy, singles);
    put_number(w, flags | put_singles(singles, LAYERS_SINGLES, out));
    put_number(w, l->n_lowers);
    put_number(w, n_names);
    for (size_t i = 0; i < n_names; i++)
        put_string(w, l->lower_names[i]);
}

static bool has_source_fd(const struct kilnrun_bind *b)
{
    return b->kind == KILNRUN_BIND || b->kind == KILNRUN_SECRET;
}

static void put_bind(struct writer *w, const struct kilnrun_bind *b, struct spec_fds *out)
{
    put_number(w, b->kind);
    put_number(w, b->readonly);
    put_string(w, b->target);
    put_long(w, b->size);
    put_number(w, b->mode);
    put_number(w, b->uid);
    put_number(w, b->gid);
    if (has_source_fd(b))
        out->fds[out->n++] = b->source_fd;
    if (b->kind == KILNRUN_LAYERS) {
        put_string(w, b->path);
        put_layers(w, &b->layers, out);
    }
}

/* The timeout, which is the launcher's business, does not go this way. */
static void put_limits(struct writer *w, const struct kilnrun_limits *l, struct spec_fds *out)
{
    put_long(w, l->shm_size);
    put_number(w, l->n_cgroups);
    for (size_t i = 0; i < l->n_cgroups; i++)
        out->fds[out->n++] = l->cgroup_fds[i];
    put_number(w, l->n_rlimits);
    for (size_t i = 0; i < l->n_rlimits; i++) {
        put_number(w, (uint32_t)l->rlimits[i].resource);
        put_long(w, l->rlimits[i].soft);
        put_long(w, l->rlimits[i].hard);
    }
    put_number(w, l->n_cpus);
    for (size_t i = 0; i < l->n_cpus; i++)
        put_number(w, l->cpus[i]);
}

static void put_spec(struct writer *w, const struct kilnrun_spec *s, struct spec_fds *out)
{
    struct kilnrun_spec copy = *s;
    int *singles[N_SINGLES];

    if (s->emulate < KILNRUN_EMULATE_OWNERS)
        copy.below_fd = -1;
    put_number(w, MAGIC);
    put_number(w, s->emulate);
    put_layers(w, &s->root, out);
    spec_singles(&copy, singles);
    put_number(w, put_singles(singles, N_SINGLES, out) | (s->network_fd >= 0 ? HAS_NETWORK : 0) |
                      (s->insecure ? INSECURE : 0) | (s->unconfined ? UNCONFINED : 0) |
                      (s->no_new_privs ? NO_NEW_PRIVS : 0));
    if (s->network_fd >= 0)
        out->fds[out->n++] = s->network_fd;
    put_number(w, s->filter ? s->filter_size : 0);
    if (s->filter)
        put(w, s->filter, s->filter_size);
    put_number(w, s->uid);
    put_number(w, s->gid);
    put_number(w, s->n_groups);
    for (size_t i = 0; i < s->n_groups; i++)
        put_number(w, s->groups[i]);
    put_string(w, s->cwd ? s->cwd : "/");
    put_string(w, s->hostname ? s->hostname : "");
    put_vector(w, s->argv);
    put_vector(w, s->env);
    put_number(w, s->n_binds);
    for (size_t i = 0; i < s->n_binds; i++)
        put_bind(w, &s->binds[i], out);
    put_limits(w, &s->limits, out);
}

/* As many fds as a spec can have. */
static size_t count_fds(const struct kilnrun_spec *s)
{
    size_t n = s->root.n_lowers + 2 * (size_t)N_SINGLES + 1 + s->limits.n_cgroups;

    for (size_t i = 0; i < s->n_binds; i++)
        n += s->binds[i].kind == KILNRUN_LAYERS ? s->binds[i].layers.n_lowers + N_SINGLES : 1;
    return n;
}

static int write_memory(const struct writer *w)
{
    int fd = memfd_create("kiln-spec", MFD_CLOEXEC);
    size_t done = 0;

    if (fd < 0)
        return -errno;
    while (done < w->size) {
        ssize_t n = write(fd, w->bytes + done, w->size - done);
        if (n < 0 && errno != EINTR) {
            int error = -errno;
            close(fd);
            return error;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return fd;
}

static bool layers_complete(const struct kilnrun_layers *l)
{
    bool named = l->lower_names && l->lower_parent_fd >= 0;

    if (l->work_fd < 0) /* a directory */
        return l->upper_fd >= 0 && l->n_lowers == 0 && l->stub_fd < 0;
    return l->upper_fd >= 0 && (l->n_lowers == 0 || l->lower_fds || named) &&
           (l->n_lowers > 0 || l->stub_fd >= 0);
}

static bool bind_complete(const struct kilnrun_bind *b)
{
    if (!b->target || (unsigned)b->kind > KILNRUN_SECRET || (has_source_fd(b) && b->source_fd < 0))
        return false;
    return b->kind != KILNRUN_LAYERS || (b->path && layers_complete(&b->layers));
}

static bool complete(const struct kilnrun_spec *s)
{
    if (!s->argv || !s->argv[0] || !layers_complete(&s->root) ||
        (s->output_fd < 0 && s->terminal_fd < 0) || (s->cwd && s->cwd[0] != '/') ||
        (unsigned)s->emulate > KILNRUN_EMULATE_FULL)
        return false;
    for (size_t i = 0; i < s->n_binds; i++)
        if (!bind_complete(&s->binds[i]))
            return false;
    return true;
}

int spec_write(const struct kilnrun_spec *spec, struct spec_fds *fds)
{
    struct writer w = {0};
    int rc;

    *fds = (struct spec_fds){0};
    if (!complete(spec))
        return -EINVAL;
    fds->fds = calloc(count_fds(spec), sizeof *fds->fds);
    if (!fds->fds)
        return -ENOMEM;
    put_spec(&w, spec, fds);
    rc = w.failed ? -ENOMEM : write_memory(&w);
    free(w.bytes);
    if (rc < 0) {
        free(fds->fds);
        *fds = (struct spec_fds){0};
    }
    return rc;
}

/* Reading. Runs out of bytes once and for all: `failed` is looked at in the end. */
struct reader {
    const char *bytes;
    size_t left;
    const int *fds;
    size_t n_fds;
    bool failed;
};

static uint32_t get_number(struct reader *r)
{
    uint32_t n = 0;

    if (r->left < sizeof n) {
        r->failed = true;
        return 0;
    }
    memcpy(&n, r->bytes, sizeof n);
    r->bytes += sizeof n;
    r->left -= sizeof n;
    return n;
}

static uint64_t get_long(struct reader *r)
{
    uint64_t high = get_number(r);

    return high << 32 | get_number(r);
}

static const char *get_string(struct reader *r)
{
    const char *s = r->bytes;
    const char *end = r->left > 0 ? memchr(s, 0, r->left) : NULL;

    if (!end) {
        r->failed = true;
        return "";
    }
    r->left -= (size_t)(end + 1 - s);
    r->bytes = end + 1;
    return s;
}

/* A block of memory: its size before it. Copied, so that it is aligned; NULL for an empty one. */
static void *get_block(struct reader *r, size_t *size)
{
    void *copy;

    *size = get_number(r);
    if (*size > r->left) {
        r->failed = true;
        *size = 0;
    }
    copy = *size > 0 ? malloc(*size) : NULL;
    if (copy) {
        memcpy(copy, r->bytes, *size);
        r->bytes += *size;
        r->left -= *size;
    } else if (*size > 0) {
        r->failed = true;
    }
    return copy;
}

static int get_fd(struct reader *r)
{
    if (r->n_fds == 0) {
        r->failed = true;
        return -1;
    }
    r->n_fds--;
    return *r->fds++;
}

/* An array of n items; each takes at least a byte of the input, which bounds n. */
static void *get_array(struct reader *r, size_t n, size_t size)
{
    void *array;

    if (n > r->left + r->n_fds) {
        r->failed = true;
        n = 0;
    }
    array = calloc(n + 1, size);
    if (!array)
        r->failed = true;
    return array;
}

static const char *const *get_strings(struct reader *r, size_t *n)
{
    const char **strings;

    *n = get_number(r);
    strings = get_array(r, *n, sizeof *strings);
    for (size_t i = 0; !r->failed && i < *n; i++)
        strings[i] = get_string(r);
    return strings;
}

static void get_singles(struct reader *r, int *const *singles, unsigned n, uint32_t flags)
{
    for (unsigned i = 0; i < n; i++)
        *singles[i] = flags & (uint32_t)HAS_FIRST_SINGLE << i ? get_fd(r) : -1;
}

static void get_layers(struct reader *r, struct kilnrun_layers *l)
{
    uint32_t flags = get_number(r);
    int *singles[LAYERS_SINGLES];
    size_t n_names;

    l->n_lowers = get_number(r);
    l->lower_names = get_strings(r, &n_names);
    if (!(flags & HAS_LOWER_NAMES))
        l->lower_names = NULL;
    else if (n_names != l->n_lowers + (flags & HAS_FIRST_SINGLE ? 1 : 0)) /* and the stub's */
        r->failed = true;
    if (flags & HAS_LOWER_FDS) {
        int *lowers = get_array(r, l->n_lowers, sizeof *lowers);
        for (size_t i = 0; !r->failed && i < l->n_lowers; i++)
            lowers[i] = get_fd(r);
        l->lower_fds = lowers;
    }
    layers_singles(l, singles);
    get_singles(r, singles, LAYERS_SINGLES, flags);
}

static void get_bind(struct reader *r, struct kilnrun_bind *b)
{
    b->kind = (enum kilnrun_bind_kind)get_number(r);
    b->readonly = get_number(r) != 0;
    b->target = get_string(r);
    b->size = get_long(r);
    b->mode = get_number(r);
    b->uid = get_number(r);
    b->gid = get_number(r);
    b->source_fd = has_source_fd(b) ? get_fd(r) : -1;
    if (b->kind == KILNRUN_LAYERS) {
        b->path = get_string(r);
        get_layers(r, &b->layers);
    }
}

static void get_limits(struct reader *r, struct kilnrun_limits *l)
{
    struct kilnrun_rlimit *rlimits;
    unsigned *cpus;
    int *cgroups;

    l->shm_size = get_long(r);
    l->n_cgroups = get_number(r);
    l->cgroup_fds = cgroups = get_array(r, l->n_cgroups, sizeof *cgroups);
    for (size_t i = 0; !r->failed && i < l->n_cgroups; i++)
        cgroups[i] = get_fd(r);
    l->n_rlimits = get_number(r);
    l->rlimits = rlimits = get_array(r, l->n_rlimits, sizeof *rlimits);
    for (size_t i = 0; !r->failed && i < l->n_rlimits; i++) {
        rlimits[i].resource = (int)get_number(r);
        rlimits[i].soft = get_long(r);
        rlimits[i].hard = get_long(r);
    }
    l->n_cpus = get_number(r);
    l->cpus = cpus = get_array(r, l->n_cpus, sizeof *cpus);
    for (size_t i = 0; !r->failed && i < l->n_cpus; i++)
        cpus[i] = get_number(r);
}

static void get_spec(struct reader *r, struct kilnrun_spec *s)
{
    int *singles[N_SINGLES];
    struct kilnrun_bind *binds;
    size_t n_strings;
    uint32_t flags;
    gid_t *groups;

    if (get_number(r) != MAGIC)
        r->failed = true;
    s->emulate = (enum kilnrun_emulate)get_number(r);
    get_layers(r, &s->root);
    flags = get_number(r);
    spec_singles(s, singles);
    get_singles(r, singles, N_SINGLES, flags);
    s->network_fd = flags & HAS_NETWORK ? get_fd(r) : -1;
    s->insecure = flags & INSECURE;
    s->unconfined = flags & UNCONFINED;
    s->no_new_privs = flags & NO_NEW_PRIVS;
    s->filter = get_block(r, &s->filter_size);
    s->uid = get_number(r);
    s->gid = get_number(r);
    s->n_groups = get_number(r);
    s->groups = groups = get_array(r, s->n_groups, sizeof *groups);
    for (size_t i = 0; !r->failed && i < s->n_groups; i++)
        groups[i] = get_number(r);
    s->cwd = get_string(r);
    s->hostname = get_string(r);
    s->argv = get_strings(r, &n_strings);
    s->env = get_strings(r, &n_strings);
    s->n_binds = get_number(r);
    s->binds = binds = get_array(r, s->n_binds, sizeof *binds);
    for (size_t i = 0; !r->failed && i < s->n_binds; i++)
        get_bind(r, &binds[i]);
    get_limits(r, &s->limits);
}

int spec_map(int memory_fd, const struct spec_fds *fds, struct kilnrun_spec *spec, void **bytes,
             size_t *size)
{
    struct reader r = {.fds = fds->fds, .n_fds = fds->n};
    struct stat st;

    *spec = (struct kilnrun_spec){0};
    if (fstat(memory_fd, &st) < 0)
        return -errno;
    *size = (size_t)st.st_size;
    *bytes = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, memory_fd, 0);
    if (*bytes == MAP_FAILED)
        return -errno;
    r.bytes = *bytes;
    r.left = *size;
    get_spec(&r, spec);
    return r.failed || !complete(spec) ? -EPROTO : 0;
}

int spec_read(int memory_fd, const struct spec_fds *fds, struct kilnrun_spec *spec)
{
    void *bytes;
    size_t size;

    return spec_map(memory_fd, fds, spec, &bytes, &size);
}
