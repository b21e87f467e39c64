/* Stands in an image as the dynamic loader: the kernel runs it in the place of any dynamically
 * linked program that is executed there, and so in that of kiln's own, if a command can get it
 * executed as /proc/self/exe (runc's CVE-2019-5736). Then its /proc/self/exe is the host's file.
 * Freestanding: there is no libc to start up. */
#include <asm/unistd.h>
#include <fcntl.h>

static long call3(long number, long a, long b, long c)
{
    long result;
#if defined(__x86_64__)
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b,
                     x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    result = x0;
#else
#error "the system call instruction of this processor"
#endif
    return result;
}

static long open_at(const char *path, long flags)
{
#if defined(__x86_64__)
    return call3(__NR_open, (long)path, flags, 0);
#else
    return call3(__NR_openat, AT_FDCWD, (long)path, flags);
#endif
}

static void say(const char *text)
{
    long size = 0;

    while (text[size])
        size++;
    call3(__NR_write, 1, (long)text, size);
}

/* Never returns, and is entered with no return address: nothing that needs an aligned stack happens
 * here. */
void _start(void);
void _start(void)
{
    /* ETXTBSY (26) passes with the last process that runs the program; EROFS (30) stays, and with
     * O_TRUNC comes first */
    long fd = open_at("/proc/self/exe", O_WRONLY | O_TRUNC);

    say("the interpreter runs\n");
    if (fd >= 0)
        say("ESCAPED: the program is open for writing\n");
    else if (fd == -26)
        say("ESCAPED: the program can be written as soon as nobody runs it\n");
    else
        say(fd == -30 ? "refused: EROFS\n" : "refused: another error\n");
    call3(__NR_exit_group, 0, 0, 0);
}
