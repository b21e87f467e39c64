/* A spec on its way to the launcher: everything but the fds in a memory file, the fds in a list. */
#pragma once

#include "kilnrun.h"

/* The fds of a spec in the order in which they are sent; those that are -1 or absent are left out.
 */
struct spec_fds {
    int *fds;
    size_t n;
};

/* Writes a spec to a new memory file (close-on-exec), which is returned, and lists its fds
 * (borrowed; free fds->fds). Negative errno: -EINVAL if the spec lacks something, -ENOMEM, of
 * memfd_create(2). */
int spec_write(const struct kilnrun_spec *spec, struct spec_fds *fds);

/* The spec again, from the memory file and the received fds. Its arrays are never freed: the
 * process that reads it becomes the command, or its init. */
int spec_read(int memory_fd, const struct spec_fds *fds, struct kilnrun_spec *spec);
/* The same, and says where the spec's strings lie, among them the environment: in a mapping. */
int spec_map(int memory_fd, const struct spec_fds *fds, struct kilnrun_spec *spec, void **bytes,
             size_t *size);
