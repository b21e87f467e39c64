#!/usr/bin/env bats
# Kernels that lack a call, and filters of older container engines that refuse it: a build goes on by the older
# way, or ends with code 3 and one message that names the call and the kernel that has it. The calls are refused
# with seccomp; by ENOSYS as the kernel would, by EPERM as Docker did before it knew better.

setup() {
    load lib
    HERE=$BATS_TEST_DIRNAME
}

# Builds a RUN as a role while calls are refused.
build_without() { # ERRNO CALLS ROLE
    local dir
    dir=$(workdir "$3")/context
    mkdir -p "$dir"
    printf 'FROM busybox\nCOPY f /f\nRUN cat /f && echo pid-$$ && ls /proc/self/fd | wc -l && touch /made\n' >"$dir/Dockerfile"
    echo content >"$dir/f"
    own "$3" "$dir"
    rm -f "$dir/out.tar"
    KILN_IT=$KILN_IT run refuse "$1" "$2" bash -c '. "$0/lib.bash"; build "$@"' "$HERE" "$3" --no-cache \
        -o "type=oci,dest=$dir/out.tar" "$dir"
}

works_without() { # ERRNO CALLS [ROLE…]
    local error=$1 calls=$2 role
    shift 2
    for role in "${@:-ranged}"; do
        build_without "$error" "$calls" "$role"
        [ "$status" -eq 0 ] || { echo "$error $calls $role: status $status: $output"; return 1; }
        [[ $output == *" pid-"[0-9]* ]]
        [ -e "$(workdir "$role")/context/out.tar" ]
    done
}

names_the_kernel() { # ERRNO CALL VERSION [ROLE…]
    local error=$1 call=$2 version=$3 role
    shift 3
    for role in "${@:-ranged}"; do
        build_without "$error" "$call" "$role"
        [ "$status" -eq 3 ] || { echo "$error $call $role: status $status: $output"; return 1; }
        [[ $output == *"$call(2)"* && $output == *"Linux $version"* ]] || { echo "$error $call: $output"; return 1; }
        [ ! -e "$(workdir "$role")/context/out.tar" ]
    done
}

@test "refuse refuses" {
    run refuse ENOSYS mkdirat,mkdir mkdir "$BATS_TEST_TMPDIR/x"
    [[ $output == *"not implemented"* ]]
    run refuse EPERM mkdirat,mkdir mkdir "$BATS_TEST_TMPDIR/x"
    [[ $output == *"not permitted"* ]]
    run refuse ENOSYS nonsense true
    [ "$status" -eq 125 ]
}

@test "clone3 (5.3): clone instead; where it is EPERM the C library itself has no threads" {
    works_without ENOSYS clone3 ranged single root
    names_the_kernel EPERM clone3 5.3 ranged single root
}

@test "close_range (5.9): descriptors are closed one by one, and none is left to the command" {
    for role in ranged single root; do
        works_without ENOSYS close_range "$role"
        fds=$(grep -oE '[0-9.]+ [0-9]+$' <<<"$output" | tail -1 | cut -d' ' -f2)
        works_without EPERM close_range "$role"
        [ "$fds" = "$(grep -oE '[0-9.]+ [0-9]+$' <<<"$output" | tail -1 | cut -d' ' -f2)" ]
        [ "$fds" -eq 4 ] # 0, 1, 2 and the one that ls reads with
    done
}

@test "pidfd_open (5.3), pidfd_send_signal (5.1), faccessat2 (5.8), copy_file_range: not needed" {
    for call in pidfd_open pidfd_send_signal faccessat2 copy_file_range; do
        works_without ENOSYS "$call" ranged root
        works_without EPERM "$call" ranged root
    done
    works_without ENOSYS clone3,close_range,pidfd_open,pidfd_send_signal,faccessat2,copy_file_range ranged single root
}

@test "openat2 (5.6): nothing is read without it, so nothing is built" {
    names_the_kernel ENOSYS openat2 5.6 ranged single root
    names_the_kernel EPERM openat2 5.6
}

@test "the mount API (5.2) and mount_setattr (5.12): no sandbox without them" {
    for call in open_tree fsopen fsconfig fsmount move_mount; do
        names_the_kernel ENOSYS "$call" 5.2 ranged single root
        names_the_kernel EPERM "$call" 5.2
    done
    names_the_kernel ENOSYS mount_setattr 5.12 ranged single root
    names_the_kernel EPERM mount_setattr 5.12
}

@test "kiln doctor says which call is missing" {
    for call in clone3 close_range openat2 mount_setattr fsopen; do
        run refuse ENOSYS "$call" bash -c '. "$0/lib.bash"; as ranged kiln doctor' "$HERE"
        case $call in
        clone3 | close_range) [ "$status" -eq 0 ] ;;
        *)
            [ "$status" -eq 3 ]
            [[ $output == *"$call(2)"* && $output == *"Linux 5."* ]]
            ;;
        esac
    done
}

@test "kiln check and kiln ast build nothing, and need no namespaces" {
    dir=$(workdir ranged)/context
    mkdir -p "$dir"
    printf 'FROM busybox\n' >"$dir/Dockerfile"
    own ranged "$dir"
    run refuse ENOSYS mount_setattr,fsopen,clone3 bash -c '. "$0/lib.bash"; as ranged kiln check "$1"' "$HERE" "$dir"
    [ "$status" -eq 0 ]
}
