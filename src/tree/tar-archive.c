#include "tree/tar-archive.h"

#include <archive_entry.h>
#include <errno.h>
#include <unistd.h>

#include "tree/tar.h"

G_DEFINE_QUARK(kiln - tar - error - quark, kiln_tar_error)

void kiln_tar_locale_enter(KilnTarLocale *l, const char *name)
{
    l->own = newlocale(LC_CTYPE_MASK, name, (locale_t)0);
    if (!l->own)
        l->own = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
    l->outer = uselocale(l->own);
}

void kiln_tar_locale_leave(KilnTarLocale *l)
{
    uselocale(l->outer);
    freelocale(l->own);
}

char *kiln_tar_shown(const char *name)
{
    char *text = g_utf8_make_valid(name, -1);
    for (char *p = text; *p; p++)
        if (g_ascii_iscntrl(*p))
            *p = '?';
    return text;
}

struct archive *kiln_tar_reader(bool compressed)
{
    struct archive *a = archive_read_new();
    if (!a)
        g_error("out of memory");
    archive_read_support_format_tar(a);
    if (compressed) {
        archive_read_support_filter_gzip(a);
        archive_read_support_filter_bzip2(a);
        archive_read_support_filter_xz(a);
        archive_read_support_filter_zstd(a);
    }
    return a;
}

bool kiln_tar_is_good(struct archive *a, int result)
{
    /* EILSEQ is what libarchive calls ARCHIVE_ERRNO_FILE_FORMAT on Linux, in a private header. */
    return result == ARCHIVE_OK || (result == ARCHIVE_WARN && archive_errno(a) == EILSEQ);
}

typedef struct {
    int fd;
    off_t offset;
    char buffer[32 * 1024];
} Probe;

static la_ssize_t read_probe(struct archive *a, void *data, const void **buffer)
{
    Probe *p = data;
    ssize_t n;
    do {
        n = pread(p->fd, p->buffer, sizeof(p->buffer), p->offset);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        archive_set_error(a, errno, "read error");
        return ARCHIVE_FATAL;
    }
    p->offset += n;
    *buffer = p->buffer;
    return n;
}

bool kiln_tar_detect(int fd)
{
    g_autofree Probe *probe = g_new(Probe, 1);
    probe->fd = fd;
    probe->offset = 0;
    KilnTarLocale locale;
    kiln_tar_locale_enter(&locale, "C");
    struct archive *a = kiln_tar_reader(true);
    struct archive_entry *ae;
    bool found = archive_read_open(a, probe, NULL, read_probe, NULL) == ARCHIVE_OK &&
                 kiln_tar_is_good(a, archive_read_next_header(a, &ae));
    archive_read_free(a);
    kiln_tar_locale_leave(&locale);
    (void)lseek(fd, 0, SEEK_SET);
    return found;
}
