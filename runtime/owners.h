/* Whose a file is: the records that say what the disk does not (see kilnrun.h), and those that last
 * as long as the step: of symlinks, pipes, sockets, files in memory. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "kilnrun.h"

#define OWNERS_XATTR "user.kiln.stat"

struct supervisor;

/* A file as it should be. */
struct owned {
    mode_t mode; /* with its type: of a device's placeholder, the device's */
    uid_t uid;
    gid_t gid;
    uint32_t major, minor;
    bool recorded; /* it is not just as on the disk */
};

struct owners {
    struct owners_entry *entries; /* a hash table */
    size_t n, room;
    struct owners_below *below; /* sorted by path */
    size_t n_below;
};

/* Reads the list of what the layers below hold. Negative errno. */
int owners_init(struct owners *o, int below_fd);

/* Whether no more than the xattr needs to be asked: nothing without one has an owner. */
bool owners_only_xattrs(const struct owners *o);

/* fd: O_PATH, of the caller's view; st: of it. Negative errno. */
int owners_get(struct supervisor *s, int fd, const struct stat *st, struct owned *out);
/* Of `owned` the ids count, and the device of a placeholder. */
int owners_set(struct supervisor *s, int fd, const struct stat *st, const struct owned *owned);
/* In the table alone: a placeholder, in the mode that emulates devices only. */
int owners_set_record(struct supervisor *s, int fd, const struct stat *st,
                      const struct owned *owned);

/* Writes the table's part that is about the upper directory, struct kilnrun_record by record. */
int owners_save(const struct owners *o, int file);
