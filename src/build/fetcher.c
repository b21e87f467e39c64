#include "build/fetcher.h"

void kiln_git_commit_clear(KilnGitCommit *c)
{
    g_free(c->commit);
    g_free(c->object);
    g_free(c->ref);
    *c = (KilnGitCommit){0};
}
