#include "build/agent-proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "build/build.h"

/* draft-ietf-sshm-ssh-agent, section 3: a message is a length of four bytes and so many bytes, the first of
 * which is its type. */
#define HEADER_SIZE 4
#define MESSAGE_MAX (256u * 1024)
#define REQUEST_IDENTITIES 11
#define SIGN_REQUEST 13

#define CONNECTIONS_MAX 64
/* A client that does not take its answer must not keep the others waiting. */
#define SEND_SECONDS 5

typedef struct {
    int client, agent; /* agent: -1 before the first request */
    GByteArray *input;
} Connection;

struct KilnAgentProxy {
    int listener, stop;
    int agent; /* O_PATH */
    GThread *thread;
    GPtrArray *connections; /* the thread's alone */
};

/* The path of a socket may be longer than an address can be. */
static bool address_of(struct sockaddr_un *address, int fd, const char *name)
{
    address->sun_family = AF_UNIX;
    int n = g_snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d%s%s", fd,
                       *name ? "/" : "", name);
    return n < (int)sizeof address->sun_path;
}

static void connection_free(gpointer data)
{
    Connection *c = data;
    close(c->client);
    if (c->agent >= 0)
        close(c->agent);
    g_byte_array_unref(c->input);
    g_free(c);
}

static bool send_all(int fd, const uint8_t *bytes, gsize size)
{
    while (size > 0) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        size -= (gsize)n;
    }
    return true;
}

static guint32 message_size(const uint8_t *header)
{
    return (guint32)header[0] << 24 | (guint32)header[1] << 16 | (guint32)header[2] << 8 | header[3];
}

/* From the agent, which may ask its user; false at the end, too. */
static bool receive_all(KilnAgentProxy *p, int fd, uint8_t *bytes, gsize size)
{
    while (size > 0) {
        struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = p->stop, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return false;
        if (fds[1].revents)
            return false;
        ssize_t n = fds[0].revents ? recv(fd, bytes, size, MSG_DONTWAIT) : -1;
        if (n == 0 || (n < 0 && fds[0].revents && errno != EINTR && errno != EAGAIN))
            return false;
        bytes += MAX(n, 0);
        size -= (gsize)MAX(n, 0);
    }
    return true;
}

static int connect_agent(const KilnAgentProxy *p)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (!address_of(&address, p->agent, "") ||
                    connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool answer_failure(const Connection *c)
{
    static const uint8_t failure[] = {0, 0, 0, 1, 5 /* SSH_AGENT_FAILURE */};
    return send_all(c->client, failure, sizeof failure);
}

static bool pass_on(KilnAgentProxy *p, Connection *c, const uint8_t *request, gsize size)
{
    uint8_t header[HEADER_SIZE];
    if (c->agent < 0 && (c->agent = connect_agent(p)) < 0)
        return answer_failure(c);
    if (!send_all(c->agent, request, size) || !receive_all(p, c->agent, header, sizeof header))
        return false;
    gsize length = message_size(header);
    if (length > MESSAGE_MAX)
        return false;
    g_autofree uint8_t *answer = g_malloc(HEADER_SIZE + length);
    memcpy(answer, header, HEADER_SIZE);
    return receive_all(p, c->agent, answer + HEADER_SIZE, length) &&
           send_all(c->client, answer, HEADER_SIZE + length);
}

/* Deals with the requests that are there as a whole; false if the connection is to be closed. */
static bool serve(KilnAgentProxy *p, Connection *c)
{
    while (c->input->len >= HEADER_SIZE) {
        gsize length = message_size(c->input->data);
        if (length == 0 || length > MESSAGE_MAX)
            return false;
        if (c->input->len < HEADER_SIZE + length)
            return true;
        uint8_t type = c->input->data[HEADER_SIZE];
        bool harmless = type == REQUEST_IDENTITIES || type == SIGN_REQUEST;
        if (!(harmless ? pass_on(p, c, c->input->data, HEADER_SIZE + length) : answer_failure(c)))
            return false;
        g_byte_array_remove_range(c->input, 0, (guint)(HEADER_SIZE + length));
    }
    return true;
}

static bool read_client(KilnAgentProxy *p, Connection *c)
{
    uint8_t buffer[4096];
    ssize_t n = recv(c->client, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n <= 0)
        return n < 0 && (errno == EINTR || errno == EAGAIN);
    g_byte_array_append(c->input, buffer, (guint)n);
    return serve(p, c);
}

static void accept_client(KilnAgentProxy *p)
{
    const struct timeval patience = {.tv_sec = SEND_SECONDS};
    int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    Connection *c = g_new0(Connection, 1);
    *c = (Connection){.client = fd, .agent = -1, .input = g_byte_array_new()};
    g_ptr_array_add(p->connections, c);
}

static gpointer run(gpointer data)
{
    KilnAgentProxy *p = data;
    struct pollfd fds[2 + CONNECTIONS_MAX];
    for (;;) {
        guint n = p->connections->len;
        fds[0] = (struct pollfd){.fd = p->stop, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = n < CONNECTIONS_MAX ? p->listener : -1, .events = POLLIN};
        for (guint i = 0; i < n; i++)
            fds[2 + i] = (struct pollfd){.fd = ((Connection *)p->connections->pdata[i])->client,
                                         .events = POLLIN};
        if (poll(fds, 2 + n, -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[0].revents)
            return NULL;
        for (guint i = n; i-- > 0;)
            if (fds[2 + i].revents && !read_client(p, p->connections->pdata[i]))
                g_ptr_array_remove_index(p->connections, i);
        if (fds[1].revents)
            accept_client(p);
    }
}

static bool open_sockets(KilnAgentProxy *p, int dirfd, const char *name, const char *agent)
{
    struct sockaddr_un address;
    p->agent = open(agent, O_PATH | O_CLOEXEC);
    p->stop = eventfd(0, EFD_CLOEXEC);
    p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return p->agent >= 0 && p->stop >= 0 && p->listener >= 0 && address_of(&address, dirfd, name) &&
           bind(p->listener, (const struct sockaddr *)&address, sizeof address) == 0 &&
           listen(p->listener, CONNECTIONS_MAX) == 0;
}

KilnAgentProxy *kiln_agent_proxy_new(int dirfd, const char *name, const char *agent, GError **error)
{
    KilnAgentProxy *p = g_new0(KilnAgentProxy, 1);
    p->agent = p->stop = p->listener = -1;
    p->connections = g_ptr_array_new_with_free_func(connection_free);
    if (!open_sockets(p, dirfd, name, agent)) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "passing on the SSH agent %s: %s", agent,
                    g_strerror(errno));
        kiln_agent_proxy_free(p);
        return NULL;
    }
    p->thread = g_thread_new("ssh-agent", run, p);
    return p;
}

void kiln_agent_proxy_free(gpointer data)
{
    KilnAgentProxy *p = data;
    if (p->thread) {
        const uint64_t one = 1;
        (void)!write(p->stop, &one, sizeof one);
        g_thread_join(p->thread);
    }
    int fds[] = {p->listener, p->stop, p->agent};
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    g_ptr_array_unref(p->connections);
    g_free(p);
}
