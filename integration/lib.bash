# Loaded by every .bats file: who runs kiln, where, and how images are looked at.
#
# Roles: ranged (a user with subordinate ids), single (a user without), root, and stranger (a uid without
# passwd entry or HOME). Each has a store of its own in which setup.sh has put the bases.

export KILN_IT=${KILN_IT:-/var/tmp/kiln-integration}
FIXTURES=${KILN_FIXTURES:-/var/cache/kiln-fixtures}
export PATH="$KILN_IT/bin:$PATH"

# Runs a command as a role, with its store and a clean environment.
as() { # ROLE COMMAND…
    local role=$1
    shift
    local env=(env -u XDG_DATA_HOME -u XDG_CONFIG_HOME -u DOCKER_CONFIG -u SOURCE_DATE_EPOCH
        KILN_ROOT="${KILN_ROOT:-$KILN_IT/store-$role}" KILN_LIBEXEC="$KILN_IT/bin"
        ASAN_OPTIONS=detect_leaks=0 G_SLICE=always-malloc PATH="$PATH") # a GLib with slices hides them from the sanitizer
    # everybody may open it where there is udev
    local tun=${KILN_TUN:-$KILN_IT/tun}
    [ ! -e "$tun" ] || env=(unshare --mount sh -c 'mount --bind "$0" /dev/net/tun && exec "$@"' "$tun" "${env[@]}")
    case $role in
    root) "${env[@]}" HOME=/root "$@" ;;
    stranger) "${env[@]}" setpriv --reuid 54321 --regid 54321 --clear-groups env -u HOME "$@" ;;
    *) "${env[@]}" HOME="$KILN_IT/home-$role" \
        setpriv --reuid "kiln-$role" --regid "kiln-$role" --init-groups "$@" ;;
    esac
}

# A directory that the role can write, gone with the test.
workdir() { # ROLE
    local dir=$BATS_TEST_TMPDIR/$1
    mkdir -p "$dir"
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$dir" 2>/dev/null || true
    case $1 in
    root) ;;
    stranger) chown 54321:54321 "$dir" ;;
    *) chown "kiln-$1:" "$dir" ;;
    esac
    echo "$dir"
}

# A fresh, empty store for the test; the bases that are named are imported.
fresh_store() { # ROLE [FIXTURE=NAME …]
    local role=$1
    shift
    KILN_ROOT=$(workdir "$role")/store
    export KILN_ROOT
    local pair
    for pair; do
        as "$role" kiln import "$FIXTURES/${pair%%=*}.tar" "${pair#*=}" >/dev/null
    done
}

# Gives a context to its role after files were put there as root.
own() { # ROLE PATH
    case $1 in
    root) ;;
    stranger) chown -R 54321:54321 "$2" ;;
    *) chown -R "kiln-$1:" "$2" ;;
    esac
}

build() { # ROLE ARGUMENTS…: plain output on standard output and error alike
    local role=$1
    shift
    as "$role" kiln build --progress plain "$@" 2>&1
}

# How many steps of a plain output were cached, not counting FROM (a base in the store always is).
cached() {
    local from
    from=$(grep -oE '^#[0-9]+ \[[^]]*\] FROM ' <<<"$output" | cut -d' ' -f1)
    grep -E '^#[0-9]+ CACHED$' <<<"$output" | cut -d' ' -f1 | grep -cvxF -- "${from:-none}" || true
}

# Whether the step whose name holds the text was cached in $output.
is_cached() { # TEXT
    local number
    number=$(grep -F -- "$1" <<<"$output" | grep -oE '^#[0-9]+' | head -1)
    [ -n "$number" ] && grep -qxF "$number CACHED" <<<"$output"
}

# Fails when the command succeeds (bash's own "!" never fails a test).
refute() {
    ! "$@"
}

# Unpacks an OCI archive with umoci, as root, so that owners and modes are real: prints the rootfs.
unpack() { # ARCHIVE
    local layout=$BATS_TEST_TMPDIR/layout.$RANDOM
    skopeo copy --quiet "oci-archive:$1" "oci:$layout:it" >&2
    umoci unpack --image "$layout:it" "$layout.bundle" >&2
    echo "$layout.bundle/rootfs"
}

# The image's config as JSON.
config_of() { # ARCHIVE
    skopeo inspect --config --raw "oci-archive:$1"
}

# A listing of a tree: path, type, mode, owner, link target: what must be the same for every user.
listing() { # ROOT
    (cd "$1" && find . -printf '%P %y %m %U:%G %l\n' | LC_ALL=C sort)
}

# Nothing of kiln is left: no process, no mount, no work in progress.
assert_clean() { # STORE
    local left
    left=$(find "$1/tmp" -mindepth 1 2>/dev/null | head -3)
    [ -z "$left" ] || { echo "left in tmp: $left"; return 1; }
    ! grep -q "$1" /proc/self/mountinfo
}
