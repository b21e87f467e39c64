#!/usr/bin/env bats
# The system call filter of RUN: the default one as `kiln doctor --seccomp` shows it, profiles of the user's
# (--security-opt seccomp=FILE), none, and no_new_privs.

setup() {
    load lib
    DIR=$(workdir ranged)
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT"
    PROFILE=$DIR/profile.json
}

# Builds one RUN on busybox, as a role, with further arguments.
run_with() { # ROLE COMMAND ARGUMENTS…
    local role=$1 command=$2 dir
    shift 2
    dir=$(workdir "$role")/context
    mkdir -p "$dir"
    printf 'FROM busybox\nRUN %s\n' "$command" >"$dir/Dockerfile"
    own "$role" "$dir"
    run build "$role" "$@" "$dir"
}

# All is allowed but one call, which answers with an errno.
refuse_in_profile() { # CALL ERRNO
    printf '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["%s"],"action":"SCMP_ACT_ERRNO","errnoRet":%s}]}\n' \
        "$1" "$2" >"$PROFILE"
    chmod 644 "$PROFILE"
}

@test "doctor --seccomp: every call with its verdict, as a table and as JSON" {
    run kiln doctor --seccomp
    [ "$status" -eq 0 ]
    grep -qE '^read +allowed +x86_64' <<<"$output"
    grep -qE '^mount +EPERM .*sys_admin' <<<"$output"
    grep -qE '^clone3 +ENOSYS' <<<"$output"
    grep -qE '^socket +conditional .*a0 < 38' <<<"$output"
    run kiln doctor --seccomp --format json
    [ "$status" -eq 0 ]
    [ "$(jq -r '.calls[] | select(.name == "mount") | .verdict' <<<"$output")" = EPERM ]
    [ "$(jq -r '.calls | length > 400' <<<"$output")" = true ]
    run kiln doctor --seccomp --format yaml
    [ "$status" -eq 2 ]
}

@test "a profile takes the place of the default filter, for each user" {
    refuse_in_profile mkdir 111
    for role in ranged single root; do
        run_with "$role" 'mkdir /made' --no-cache --security-opt "seccomp=$PROFILE"
        [ "$status" -eq 1 ]
        [[ $output == *"Connection refused"* ]]
        run_with "$role" 'mkdir /made && grep ^Seccomp: /proc/self/status' --no-cache
        [ "$status" -eq 0 ]
        [[ $output == *"Seccomp:	2"* ]]
    done
}

@test "unconfined: no filter; builtin: the default one; the last one counts" {
    # owners and devices are emulated by a filter, too
    run_with ranged 'grep ^Seccomp: /proc/self/status' --no-cache --emulate=off --security-opt seccomp=unconfined
    [ "$status" -eq 0 ]
    [[ $output == *"Seccomp:	0"* ]]
    # what the filter refuses is still nothing that gives power over the host
    run_with ranged 'unshare -r mount -t tmpfs none /mnt && echo allowed' --no-cache --security-opt seccomp=unconfined
    [[ $output == *allowed* ]]
    run_with ranged 'grep ^Seccomp: /proc/self/status' --no-cache --security-opt seccomp=unconfined \
        --security-opt seccomp=builtin
    [[ $output == *"Seccomp:	2"* ]]
}

@test "no-new-privileges: set-user-ID programs give nothing" {
    printf 'FROM debian:bookworm-slim\nRUN cp /usr/bin/id /suid && chmod 4755 /suid\nUSER 1000\nRUN echo got-$(/suid -u); grep NoNewPrivs /proc/self/status\n' \
        >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    run build ranged --no-cache "$CONTEXT"
    [[ $output == *got-0* && $output == *"NoNewPrivs:	0"* ]]
    run build ranged --no-cache --security-opt no-new-privileges "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output == *got-1000* && $output == *"NoNewPrivs:	1"* ]]
    run build ranged --no-cache --security-opt no-new-privileges=false "$CONTEXT"
    [[ $output == *"NoNewPrivs:	0"* ]]
}

@test "what the filter is, is in the key of a step, and kiln plan knows it" {
    refuse_in_profile chroot 1
    fresh_store ranged busybox=busybox
    run_with ranged 'echo once'
    run_with ranged 'echo once'
    [ "$(cached)" -eq 1 ]
    run_with ranged 'echo once' --security-opt "seccomp=$PROFILE"
    [ "$(cached)" -eq 0 ]
    run_with ranged 'echo once' --security-opt "seccomp=$PROFILE"
    [ "$(cached)" -eq 1 ]
    run_with ranged 'echo once' --security-opt no-new-privileges
    [ "$(cached)" -eq 0 ]
    run as ranged kiln plan --security-opt "seccomp=$PROFILE" "$CONTEXT"
    [[ $output == *cached* ]]
    refuse_in_profile chroot 13
    run_with ranged 'echo once' --security-opt "seccomp=$PROFILE"
    [ "$(cached)" -eq 0 ]
}

@test "Docker's and Podman's own profiles can be used as they are" {
    profile=/usr/share/containers/seccomp.json # package golang-github-containers-common, which podman needs
    [ -r "$profile" ]
    run_with ranged 'touch /made && chmod 600 /made && mkdir /d && echo good' --no-cache \
        --security-opt "seccomp=$profile"
    [ "$status" -eq 0 ]
    [[ $output == *good* ]]
    # with newer programs: apt and its threads, and what they call first
    printf 'FROM debian:bookworm-slim\nRUN dpkg --configure -a && perl -e "print qq(perl\\n)" && cp -a /etc /copy\n' \
        >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    run build ranged --no-cache --security-opt "seccomp=$profile" "$CONTEXT"
    [ "$status" -eq 0 ]
}

@test "names that nobody knows are told of" {
    echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["flyaway"],"action":"SCMP_ACT_ERRNO"}]}' >"$PROFILE"
    chmod 644 "$PROFILE"
    run_with ranged true --no-cache --security-opt "seccomp=$PROFILE"
    [ "$status" -eq 0 ]
    [[ $output == *flyaway* ]]
}

@test "bad options and profiles are usage errors that say what is wrong" {
    expect() { # TEXT OPTION
        run_with ranged true --security-opt "$2"
        [ "$status" -eq 2 ] || { echo "$2: status $status: $output"; return 1; }
        [[ $output == *"$1"* ]] || { echo "no \"$1\" in: $output"; return 1; }
    }
    expect "No such file" seccomp=/no/such/file
    expect "unknown option" seccomp=
    expect "unknown option" everything=off
    expect "no AppArmor profile" apparmor=unconfined
    expect "no SELinux label" label=disable
    expect "neither true nor false" no-new-privileges=maybe
    echo '{' >"$PROFILE"
    chmod 644 "$PROFILE"
    expect "profile.json: line" "seccomp=$PROFILE"
    echo '{"defaultAction":"SCMP_ACT_NOTIFY"}' >"$PROFILE"
    expect "no agent" "seccomp=$PROFILE"
    echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_TRACE"}]}' >"$PROFILE"
    expect "syscalls[0]: SCMP_ACT_TRACE" "seccomp=$PROFILE"
    expect "not a regular file" "seccomp=$CONTEXT"
    head -c 2000000 /dev/zero | tr '\0' ' ' >"$PROFILE"
    expect "larger than 1 MB" "seccomp=$PROFILE"
    # a profile that lets nothing run is the user's, and the build's failure
    echo '{"defaultAction":"SCMP_ACT_KILL_PROCESS"}' >"$PROFILE"
    run_with ranged true --no-cache --security-opt "seccomp=$PROFILE"
    [ "$status" -eq 1 ]
}
