/* What listens outside: an abstract socket (ESCAPE_SOCKET) and a port of the host's loopback device
 * (ESCAPE_PORT). */
#include "escape.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char *given(const char *variable)
{
    const char *value = getenv(variable);

    if (!value) {
        fprintf(stderr, "escape: %s is not set\n", variable);
        exit(2);
    }
    return value;
}

static struct verdict abstract(const char *unused)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t size = strlen(given("ESCAPE_SOCKET"));

    (void)unused;
    memcpy(address.sun_path + 1, given("ESCAPE_SOCKET"), size);
    return judge(
        connect(fd, (struct sockaddr *)&address, (socklen_t)(sizeof(sa_family_t) + 1 + size)),
        "connected");
}

static struct verdict loopback(const char *host)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((in_port_t)atoi(given("ESCAPE_PORT")))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, host, &address.sin_addr);
    return judge(connect(fd, (struct sockaddr *)&address, sizeof address), "connected");
}

/* Sets the flags that it has: with them, any. */
static struct verdict set_link(const char *unused)
{
    struct ifreq lo = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)unused;
    if (ioctl(fd, SIOCGIFFLAGS, &lo) < 0)
        return refused(errno);
    return judge(ioctl(fd, SIOCSIFFLAGS, &lo), "set");
}

const struct attack network_attacks[] = {
    {"abstract-socket", abstract, NULL},
    {"loopback", loopback, "127.0.0.1"},
    {"loopback", loopback, "0.0.0.0"},
    {"set-link", set_link, NULL},
    {NULL, NULL, NULL},
};
