/* RUN --mount=type=ssh: the socket of an agent. */
#include "build/agent-proxy.h"
#include "build/mounts-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Without subordinate ids there is no other user who could be given the socket. */
static bool set_attributes(const KilnStepMounts *s, const KilnMount *m, const char *name)
{
    int dir = kiln_work_fd(s->work);
    bool owned = fchownat(dir, name, m->uid >= 0 ? (uid_t)m->uid : 0, m->gid >= 0 ? (gid_t)m->gid : 0,
                          AT_SYMLINK_NOFOLLOW) == 0 ||
                 kiln_store_owners(s->engine->options->store) == KILN_OWNERS_RECORDED;
    return owned && fchmodat(dir, name, (mode_t)m->mode & 0777, 0) == 0;
}

static bool add_socket(KilnStepMounts *s, const KilnMount *m, const char *agent, GError **error)
{
    g_autofree char *name = kiln_mounts_name(s, m, "agent");
    KilnAgentProxy *proxy = kiln_agent_proxy_new(kiln_work_fd(s->work), name, agent, error);
    if (!proxy)
        return false;
    g_ptr_array_add(s->agents, proxy);
    struct kilnrun_bind bind = {.target = m->target, .source_fd = -1};
    if (set_attributes(s, m, name))
        bind.source_fd = openat(kiln_work_fd(s->work), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (bind.source_fd < 0) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "making the socket of an SSH agent: %s",
                    g_strerror(errno));
        return false;
    }
    g_array_append_val(s->binds, bind);
    return true;
}

bool kiln_ssh_mount_add(KilnStepMounts *s, const KilnMount *m, GError **error)
{
    GHashTable *agents = s->engine->options->run_settings.agents;
    const char *agent = agents ? g_hash_table_lookup(agents, m->id) : NULL;
    if (agent)
        return add_socket(s, m, agent, error);
    if (!m->required)
        return true;
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP,
                "the SSH agent \"%s\" is required here, and was not given: add --ssh %s (the agent of "
                "SSH_AUTH_SOCK) or --ssh %s=KEYFILE",
                m->id, m->id, m->id);
    return false;
}
