/* `kiln-remote git-commit` and `kiln-remote git`: a git repository at one commit, by the git program. What
 * of it is taken and how is as in BuildKit's source/git. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "remote/events.h"

/*   git-commit [--ref R] [--checksum C] [--fetch-by-commit] URL
 *
 * Finds what commit a ref (else the default branch) is now. URL, R and C are as in a KilnGitReference. A
 * commit that does not begin with C is an error; with --fetch-by-commit C itself is the answer. Ends with
 *
 *   {"event":"done","ref":"refs/tags/v1","commit":HEX,"object":HEX}
 *
 * `ref` is full, and left out where none is known; `object` is what the ref names: that of an annotated tag,
 * else the commit.
 *
 *   git --commit HEX [--ref FULL] [--subdir S] [--keep-git-dir] [--skip-submodules] [--mtime-commit] URL DEST
 *
 * Makes the directory DEST and in it "tree": the files at that commit, with submodules, of the directory S if
 * one is given; modes 0644 and 0755; with .git only if asked for, and then only of the whole. Whatever else
 * lies in DEST is rubbish. Large files of git-lfs are not resolved. Ends with {"event":"done","commit":HEX}. */
bool remote_git_commit_run(int argc, char **argv, RemoteEvents *events, gint *cancelled, GError **error);
bool remote_git_run(int argc, char **argv, RemoteEvents *events, gint *cancelled, GError **error);
