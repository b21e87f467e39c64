/* What file system something lies on. */
#pragma once

/* "ext4", "overlay", "nfs" …; "other" if it is none that kiln has a word for. Static. */
const char *kiln_file_system_name(int fd);
