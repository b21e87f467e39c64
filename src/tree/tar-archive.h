/* What tar-read.c and tar-write.c share about libarchive. Private to them. */
#pragma once

#include <archive.h>
#include <glib.h>
#include <locale.h>
#include <stdbool.h>

/* libarchive converts names between UTF-8 (what PAX headers hold) and the charset of the thread's
 * locale, and composes (NFC) what it reads into UTF-8. In the C locale it finds that it cannot
 * convert, warns, and keeps the bytes as they are, which is what file
 * names need. So archives are read in the C locale, whatever the program's. */
typedef struct {
    locale_t own, outer;
} KilnTarLocale;

/* Sets the calling thread's locale until kiln_tar_locale_leave(). If the host does not have `name`,
 * "C". */
void kiln_tar_locale_enter(KilnTarLocale *l, const char *name);
void kiln_tar_locale_leave(KilnTarLocale *l);

/* A reader of tars and nothing else, also compressed ones if `compressed`. Free with
 * archive_read_free(). */
struct archive *kiln_tar_reader(bool compressed);

/* Whether archive_read_next_header() gave an entry that can be trusted: of libarchive's warnings
 * only the one about names that were not converted may be passed over; all others mean that it
 * understood the header in part. */
bool kiln_tar_is_good(struct archive *a, int result);
