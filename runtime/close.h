/* Closes what a process has inherited. */
#pragma once

/* All descriptors from `first` on: by close_range(2), or one by one where that is missing
 * (Linux 5.9) or refused, as seccomp filters older than it do. proc: an fd of a proc file system
 * that shows the caller; -1: /proc. 0 or a negative errno. */
int close_from(int first, int proc);
