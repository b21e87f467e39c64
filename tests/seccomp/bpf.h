/* Runs a seccomp filter as the kernel would (Documentation/networking/filter.rst), on data of our
 * choice: so are judged numbers, arguments and architectures that this host does not have. */
#pragma once

#include <glib.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>

static inline guint32 bpf_load(const struct seccomp_data *data, guint32 offset)
{
    guint32 word;
    g_assert_cmpuint(offset, <=, sizeof *data - sizeof word);
    memcpy(&word, (const char *)data + offset, sizeof word);
    return word;
}

static inline gboolean bpf_jumps(const struct sock_filter *f, guint32 a)
{
    switch (BPF_OP(f->code)) {
    case BPF_JEQ:
        return a == f->k;
    case BPF_JGT:
        return a > f->k;
    case BPF_JGE:
        return a >= f->k;
    case BPF_JSET:
        return (a & f->k) != 0;
    default:
        g_assert_not_reached();
    }
}

/* The SECCOMP_RET_* that the program comes to. */
static inline guint32 bpf_run(const struct sock_filter *program, gsize n,
                              const struct seccomp_data *data)
{
    guint32 a = 0;
    for (gsize pc = 0; pc < n; pc++) {
        const struct sock_filter *f = &program[pc];
        switch (BPF_CLASS(f->code)) {
        case BPF_LD:
            g_assert_cmpuint(f->code, ==, BPF_LD | BPF_W | BPF_ABS);
            a = bpf_load(data, f->k);
            break;
        case BPF_ALU:
            g_assert_cmpuint(f->code, ==, BPF_ALU | BPF_AND | BPF_K);
            a &= f->k;
            break;
        case BPF_JMP:
            if (BPF_OP(f->code) == BPF_JA)
                pc += f->k;
            else
                pc += bpf_jumps(f, a) ? f->jt : f->jf;
            break;
        case BPF_RET:
            g_assert_cmpuint(f->code, ==, BPF_RET | BPF_K);
            return f->k;
        default:
            g_assert_not_reached();
        }
    }
    g_assert_not_reached(); /* past the end of the program */
}
