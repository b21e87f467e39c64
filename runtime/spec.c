#include "spec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x6b696c6eu

/* Which of the single fds are there; their order is that of single_fds(). */
enum {
    HAS_LOWER_FDS = 1 << 0,
    HAS_LOWER_NAMES = 1 << 1,
    HAS_FIRST_SINGLE = 1 << 2,
    N_SINGLES = 8,
};

static void single_fds(struct kilnrun_spec *s, int *out[N_SINGLES])
{
    int *singles[N_SINGLES] = {&s->stub_fd,   &s->lower_parent_fd, &s->upper_fd, &s->work_fd,
                               &s->output_fd, &s->resolv_fd,       &s->hosts_fd, &s->hostname_fd};
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

static void put_spec(struct writer *w, const struct kilnrun_spec *s, uint32_t flags)
{
    size_t n_names = s->lower_names ? s->n_lowers + (s->stub_fd >= 0) : 0;

    put_number(w, MAGIC);
    put_number(w, flags);
    put_number(w, s->n_lowers);
    put_number(w, n_names);
    for (size_t i = 0; i < n_names; i++)
        put_string(w, s->lower_names[i]);
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
    for (size_t i = 0; i < s->n_binds; i++) {
        put_number(w, s->binds[i].readonly);
        put_string(w, s->binds[i].target);
    }
}

/* Lists the fds in the order of sending; returns which are there. */
static uint32_t list_fds(struct kilnrun_spec *s, struct spec_fds *out)
{
    int *singles[N_SINGLES];
    uint32_t flags = 0;

    if (s->lower_fds) {
        flags |= HAS_LOWER_FDS;
        for (size_t i = 0; i < s->n_lowers; i++)
            out->fds[out->n++] = s->lower_fds[i];
    }
    if (s->lower_names)
        flags |= HAS_LOWER_NAMES;
    single_fds(s, singles);
    for (unsigned i = 0; i < N_SINGLES; i++) {
        if (*singles[i] < 0)
            continue;
        flags |= (uint32_t)HAS_FIRST_SINGLE << i;
        out->fds[out->n++] = *singles[i];
    }
    for (size_t i = 0; i < s->n_binds; i++)
        out->fds[out->n++] = s->binds[i].source_fd;
    return flags;
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

static bool complete(const struct kilnrun_spec *s)
{
    bool named = s->lower_names && s->lower_parent_fd >= 0;

    if (!s->argv || !s->argv[0] || s->upper_fd < 0 || s->work_fd < 0 || s->output_fd < 0 ||
        (s->cwd && s->cwd[0] != '/') || (s->n_lowers > 0 && !s->lower_fds && !named) ||
        (s->n_lowers == 0 && s->stub_fd < 0))
        return false;
    for (size_t i = 0; i < s->n_binds; i++)
        if (s->binds[i].source_fd < 0 || !s->binds[i].target)
            return false;
    return true;
}

int spec_write(const struct kilnrun_spec *spec, struct spec_fds *fds)
{
    struct kilnrun_spec copy = *spec;
    struct writer w = {0};
    int rc;

    *fds = (struct spec_fds){0};
    if (!complete(spec))
        return -EINVAL;
    fds->fds = calloc(spec->n_lowers + N_SINGLES + spec->n_binds, sizeof *fds->fds);
    if (!fds->fds)
        return -ENOMEM;
    put_spec(&w, spec, list_fds(&copy, fds));
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

static const char *const *get_strings(struct reader *r)
{
    size_t n = get_number(r);
    const char **strings = get_array(r, n, sizeof *strings);

    for (size_t i = 0; !r->failed && i < n; i++)
        strings[i] = get_string(r);
    return strings;
}

static void get_fds(struct reader *r, struct kilnrun_spec *s, uint32_t flags,
                    struct kilnrun_bind *binds)
{
    int *singles[N_SINGLES];

    if (flags & HAS_LOWER_FDS) {
        int *lowers = get_array(r, s->n_lowers, sizeof *lowers);
        for (size_t i = 0; !r->failed && i < s->n_lowers; i++)
            lowers[i] = get_fd(r);
        s->lower_fds = lowers;
    }
    single_fds(s, singles);
    for (unsigned i = 0; i < N_SINGLES; i++)
        *singles[i] = flags & (uint32_t)HAS_FIRST_SINGLE << i ? get_fd(r) : -1;
    for (size_t i = 0; !r->failed && i < s->n_binds; i++)
        binds[i].source_fd = get_fd(r);
}

static void get_spec(struct reader *r, struct kilnrun_spec *s)
{
    uint32_t magic = get_number(r), flags = get_number(r);
    struct kilnrun_bind *binds;
    gid_t *groups;

    if (magic != MAGIC)
        r->failed = true;
    s->n_lowers = get_number(r);
    s->lower_names = get_strings(r);
    if (!(flags & HAS_LOWER_NAMES))
        s->lower_names = NULL;
    s->uid = get_number(r);
    s->gid = get_number(r);
    s->n_groups = get_number(r);
    s->groups = groups = get_array(r, s->n_groups, sizeof *groups);
    for (size_t i = 0; !r->failed && i < s->n_groups; i++)
        groups[i] = get_number(r);
    s->cwd = get_string(r);
    s->hostname = get_string(r);
    s->argv = get_strings(r);
    s->env = get_strings(r);
    s->n_binds = get_number(r);
    s->binds = binds = get_array(r, s->n_binds, sizeof *binds);
    for (size_t i = 0; !r->failed && i < s->n_binds; i++) {
        binds[i].readonly = get_number(r) != 0;
        binds[i].target = get_string(r);
    }
    if (!r->failed)
        get_fds(r, s, flags, binds);
}

int spec_read(int memory_fd, const struct spec_fds *fds, struct kilnrun_spec *spec)
{
    struct reader r = {.fds = fds->fds, .n_fds = fds->n};
    struct stat st;

    *spec = (struct kilnrun_spec){0};
    if (fstat(memory_fd, &st) < 0)
        return -errno;
    r.left = (size_t)st.st_size;
    r.bytes = mmap(NULL, r.left, PROT_READ, MAP_PRIVATE, memory_fd, 0);
    if (r.bytes == MAP_FAILED)
        return -errno;
    get_spec(&r, spec);
    return r.failed || !complete(spec) ? -EPROTO : 0;
}
