/* resolv.conf(5) of commands: what the host's says, changed by what the user asks for, and for private networks
 * without addresses that they do not reach. */
#pragma once

#include "build/run-settings.h"

typedef struct {
    char *host;                      /* for commands in the host's network, or in none */
    char *private;                   /* for those in a private one; NULL: the same */
    char *dns_server, *dns_address;  /* private names the one for the other, which only the host reaches; or NULL */
} KilnResolv;

/* conf: the text of the host's; NULL or without a server: one on the loopback device is meant, as resolv.conf(5)
 * says. */
void kiln_resolv_make(const char *conf, const KilnRunSettings *settings, KilnResolv *out);
void kiln_resolv_clear(KilnResolv *r);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KilnResolv, kiln_resolv_clear)
