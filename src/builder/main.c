/* kiln-builder: started by libkiln inside the namespaces that it needs (uid 0 of a user namespace, or real
 * root, with a mount namespace of its own), or without any for an operation that only reads. The wire is fd 3: the request comes first, events go back.
 *
 * The launcher of the sandbox is forked before anything else, while there is one thread. */
#include "builder/listener.h"
#include "builder/operation.h"
#include "builder/run-operation.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WIRE_FD 3

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], KILN_LISTENER_TIDY) == 0)
        return kiln_listener_tidy(argv[2]);
    if (argc > 1 || fcntl(WIRE_FD, F_SETFD, FD_CLOEXEC) < 0) {
        fprintf(stderr, "%s is started by kiln, not by hand\n", argv[0]);
        return 2;
    }
    setlocale(LC_CTYPE, "C.UTF-8"); /* libarchive decodes PAX names by it */
    mallopt(M_ARENA_MAX, 1);        /* arenas a thread cost memory and page faults, and gain nothing here */
    /* Lists of files come and go: memory that was freed is kept for the next one, since each page that is got anew
     * costs a fault. */
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 128 << 20);
    mode_t user_umask = umask(022);
    signal(SIGPIPE, SIG_IGN);
    return kiln_run_operation(WIRE_FD, user_umask);
}
