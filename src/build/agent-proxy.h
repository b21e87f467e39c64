/* An SSH agent as a RUN sees it: a socket that passes on what asks for keys and signatures, and nothing that
 * would change the agent, as BuildKit's read-only agent (session/sshforward/sshprovider). The user's agent
 * is spoken to as the user, whoever the command runs as. */
#pragma once

#include <glib.h>

typedef struct KilnAgentProxy KilnAgentProxy;

/* Listens on a new socket `name` in a directory, and passes on to the agent at a path, from a thread of its
 * own. */
KilnAgentProxy *kiln_agent_proxy_new(int dirfd, const char *name, const char *agent, GError **error);
/* Ends the thread and every connection. A GDestroyNotify. */
void kiln_agent_proxy_free(gpointer proxy);
