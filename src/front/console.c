#include "front/console.h"

#include <kiln/kiln.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

/* Above the numbers that descriptors get in the builder (spawn.c). */
#define FIRST_FD 10
/* How long the end of a pty is waited for once its command has ended. */
#define HANGUP_MS 1000

/* Bytes on their way. */
typedef struct {
    int from, to; /* from -1: there is nothing more to read, or nothing yet */
    char buffer[16 * 1024];
    size_t start, size;
} Stream;

enum { INPUT, OUTPUT, ERRORS, N_STREAMS };

struct KilnConsole {
    int socket[2]; /* ours; the builder's */
    int pipes[N_STREAMS]; /* the builder's ends */
    bool terminal, input, open;
    int user[N_STREAMS]; /* where bytes come from and go to: the user's, not ours to close */
    int tty;             /* opened here, or -1 */
    int master;          /* of the command's pty, or -1 */
    Stream streams[N_STREAMS];
    struct winsize size;
    struct termios saved;
    volatile sig_atomic_t raw; /* the user's terminal is; `saved` is how it was */
};

/* --- Making --------------------------------------------------------------------------------------------- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static bool raise_fd(int *fd)
{
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_FD);
    close(*fd);
    *fd = high;
    return high >= 0;
}

/* The builder's end is as any program expects it; ours never blocks. */
static bool make_pipe(KilnConsole *c, int stream)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    int ours = stream == INPUT ? 1 : 0;
    c->pipes[stream] = ends[1 - ours];
    bool ok = raise_fd(&ends[ours]) && fcntl(ends[ours], F_SETFL, O_NONBLOCK) == 0;
    *(stream == INPUT ? &c->streams[stream].to : &c->streams[stream].from) = ends[ours];
    return raise_fd(&c->pipes[stream]) && ok;
}

static KilnConsole *console_new(bool terminal, bool input)
{
    KilnConsole *c = g_new0(KilnConsole, 1);
    c->socket[0] = c->socket[1] = c->tty = c->master = -1;
    c->terminal = terminal;
    c->input = input;
    for (int i = 0; i < N_STREAMS; i++) {
        c->user[i] = i;
        c->pipes[i] = c->streams[i].from = c->streams[i].to = -1;
    }
    return c;
}

static KilnConsole *connect_console(KilnConsole *c, GError **error)
{
    bool ok = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, c->socket) == 0 &&
              raise_fd(&c->socket[1]);
    for (int i = 0; ok && !c->terminal && i < N_STREAMS; i++)
        ok = make_pipe(c, i);
    if (ok)
        return c;
    g_set_error(error, KILN_ERROR, KILN_ERROR_HOST, "cannot make pipes for the command: %s",
                g_strerror(errno));
    kiln_console_free(c);
    return NULL;
}

KilnConsole *kiln_console_new(bool terminal, bool input, GError **error)
{
    return connect_console(console_new(terminal, input), error);
}

KilnConsole *kiln_console_new_terminal(GError **error)
{
    int tty = isatty(STDERR_FILENO) ? open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
    if (tty < 0 || tcgetpgrp(tty) != getpgrp()) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_HOST,
                    tty >= 0                  ? "kiln runs in the background"
                    : isatty(STDERR_FILENO) ? "kiln has no controlling terminal"
                                            : "standard error is not a terminal");
        close_fd(&tty);
        return NULL;
    }
    KilnConsole *c = console_new(true, true);
    c->tty = c->user[INPUT] = c->user[OUTPUT] = tty;
    return connect_console(c, error);
}

void kiln_console_free(KilnConsole *c)
{
    if (!c)
        return;
    kiln_console_restore(c);
    for (int i = 0; i < N_STREAMS; i++) {
        close_fd(&c->pipes[i]);
        if (!c->terminal)
            close_fd(i == INPUT ? &c->streams[i].to : &c->streams[i].from);
    }
    close_fd(&c->socket[0]);
    close_fd(&c->socket[1]);
    close_fd(&c->master);
    close_fd(&c->tty);
    g_free(c);
}

int kiln_console_socket(const KilnConsole *c)
{
    return c->socket[1];
}

const int *kiln_console_streams(const KilnConsole *c)
{
    return c->terminal ? NULL : c->pipes;
}

void kiln_console_started(KilnConsole *c)
{
    close_fd(&c->socket[1]);
    for (int i = 0; i < N_STREAMS; i++)
        close_fd(&c->pipes[i]);
}

void kiln_console_open(KilnConsole *c)
{
    c->open = true;
    if (c->terminal)
        return;
    c->streams[OUTPUT].to = c->user[OUTPUT];
    c->streams[ERRORS].to = c->user[ERRORS];
    if (c->input)
        c->streams[INPUT].from = c->user[INPUT];
    else
        close_fd(&c->streams[INPUT].to);
}

/* --- The terminal --------------------------------------------------------------------------------------- */

void kiln_console_restore(KilnConsole *c)
{
    if (c->raw) {
        c->raw = 0;
        tcsetattr(c->user[INPUT], TCSADRAIN, &c->saved);
    }
}

/* The command's terminal is as large as the user's. */
static void pass_size(KilnConsole *c)
{
    struct winsize now;
    if (c->master < 0 || (ioctl(c->user[INPUT], TIOCGWINSZ, &now) < 0 &&
                          ioctl(c->user[OUTPUT], TIOCGWINSZ, &now) < 0))
        return;
    if (memcmp(&now, &c->size, sizeof now) != 0 && ioctl(c->master, TIOCSWINSZ, &now) == 0)
        c->size = now;
}

/* The command's terminal gets the user's ways (which key erases, UTF-8), his own none: every key is the
 * command's. */
static void make_raw(KilnConsole *c)
{
    if (!c->input || tcgetattr(c->user[INPUT], &c->saved) < 0)
        return;
    struct termios raw = c->saved;
    cfmakeraw(&raw);
    tcsetattr(c->master, TCSANOW, &c->saved);
    c->raw = 1;
    if (tcsetattr(c->user[INPUT], TCSADRAIN, &raw) < 0)
        c->raw = 0;
}

static int receive_fd(int socket)
{
    char bytes[64];
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) <= 0)
        return -1;
    struct cmsghdr *head = CMSG_FIRSTHDR(&m);
    int fd = -1;
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
        head->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

/* The command's process waits for the answer. */
static void take_master(KilnConsole *c)
{
    int fd = receive_fd(c->socket[0]);
    if (fd < 0 || c->master >= 0 || !c->terminal) {
        close_fd(&fd);
        close_fd(&c->socket[0]); /* the other end is closed */
        return;
    }
    c->master = fd;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    make_raw(c);
    pass_size(c);
    c->streams[OUTPUT].from = fd;
    c->streams[OUTPUT].to = c->user[OUTPUT];
    if (c->input) {
        c->streams[INPUT].from = c->user[INPUT];
        c->streams[INPUT].to = fd;
    }
    (void)!send(c->socket[0], "", 1, MSG_NOSIGNAL);
}

/* --- Passing on ----------------------------------------------------------------------------------------- */

static void end_stream(KilnConsole *c, Stream *s)
{
    bool input = s == &c->streams[INPUT];
    if (!c->terminal)
        close_fd(input ? &s->to : &s->from); /* the end of the input is for the command to see */
    s->from = -1;
    s->size = 0;
    if (c->terminal && !input) { /* nothing has the other end of the pty open */
        c->streams[INPUT].from = -1;
        kiln_console_restore(c);
    }
}

static void fill_stream(KilnConsole *c, Stream *s)
{
    ssize_t n = read(s->from, s->buffer, sizeof s->buffer);
    if (n > 0) {
        s->start = 0;
        s->size = (size_t)n;
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        end_stream(c, s); /* a pty says EIO when it is hung up */
    }
}

static void empty_stream(KilnConsole *c, Stream *s)
{
    ssize_t n = write(s->to, s->buffer + s->start, s->size);
    if (n >= 0) {
        s->start += (size_t)n;
        s->size -= (size_t)n;
    } else if (errno != EINTR && errno != EAGAIN) {
        end_stream(c, s);
    }
}

static struct pollfd poll_of(const Stream *s)
{
    if (s->size > 0)
        return (struct pollfd){.fd = s->to, .events = POLLOUT};
    return (struct pollfd){.fd = s->to < 0 ? -1 : s->from, .events = POLLIN};
}

/* A write to what nobody reads any more is left out, where it would be the end of this process. */
static void turn_stream(KilnConsole *c, Stream *s, short events)
{
    bool lost = s->size > 0 && (events & (POLLERR | POLLNVAL)) && s == &c->streams[INPUT];
    if (!events)
        return;
    if (lost || (events & POLLNVAL))
        end_stream(c, s);
    else if (s->size > 0)
        empty_stream(c, s);
    else
        fill_stream(c, s);
}

void kiln_console_poll(KilnConsole *c, struct pollfd *fds)
{
    for (int i = 0; i < N_STREAMS; i++)
        fds[i] = c->open ? poll_of(&c->streams[i]) : (struct pollfd){.fd = -1};
    fds[N_STREAMS] = (struct pollfd){.fd = c->open ? c->socket[0] : -1, .events = POLLIN};
}

void kiln_console_turn(KilnConsole *c, const struct pollfd *fds)
{
    for (int i = 0; i < N_STREAMS; i++)
        turn_stream(c, &c->streams[i], fds[i].fd < 0 ? 0 : fds[i].revents);
    if (fds[N_STREAMS].fd >= 0 && fds[N_STREAMS].revents)
        take_master(c);
    pass_size(c);
}

/* Pipes hold no more than what is in them now, since whoever wrote to them has ended; the end of a pty's
 * output is its hangup. What was read is written, however long its reader takes. */
void kiln_console_close(KilnConsole *c)
{
    const Stream *output = &c->streams[OUTPUT], *errors = &c->streams[ERRORS];
    struct pollfd fds[KILN_CONSOLE_FDS];
    int n = 1;
    c->streams[INPUT].from = -1;
    c->streams[INPUT].size = 0;
    while (c->open && n != 0) {
        kiln_console_poll(c, fds);
        bool held = output->size > 0 || errors->size > 0;
        n = poll(fds, KILN_CONSOLE_FDS, held ? -1 : c->terminal && output->from >= 0 ? HANGUP_MS : 0);
        if (n > 0)
            kiln_console_turn(c, fds);
    }
    c->open = false;
    kiln_console_restore(c);
}
