#!/usr/bin/env bats
# Hosts that refuse: the refusals that users meet most, each provoked for real, and what `kiln doctor` and a
# build say of it. Where another way is found, the build works; else it ends with code 3 and the same cause and
# remedy. (Ubuntu's restriction, and profiles of AppArmor, are in tests/front/test-host.c: they need a kernel with it.)

setup() {
    load lib
    HERE=$BATS_TEST_DIRNAME
    for role in ranged single root; do
        dir=$(workdir "$role")/context
        mkdir -p "$dir"
        printf 'FROM busybox\nRUN echo built\n' >"$dir/Dockerfile"
        own "$role" "$dir"
    done
    DIR=$(workdir ranged)
    export KILN_TUN=/nonexistent # the host's own: as() would need unshare and /dev/net for another
}

# Runs a shell text after lib.bash in another setting, which the words before "--" make.
within() { # COMMAND… -- TEXT
    local setting=()
    while [ "$1" != -- ]; do
        setting+=("$1")
        shift
    done
    run "${setting[@]}" bash -c '. "$0/lib.bash"; eval "$1"' "$HERE" "$2"
}

says() { # WORD…
    local word
    for word; do
        [[ $output == *"$word"* ]] || { echo "no \"$word\" in ($status): $output"; return 1; }
    done
}

# The build is refused with the words.
refused() { # WORD…
    [ "$status" -eq 3 ] || { echo "status $status: $output"; return 1; }
    says "$@" "kiln doctor"
}

# It has found another way, and says so.
built() { # WORD…
    [ "$status" -eq 0 ] || { echo "status $status: $output"; return 1; }
    says "$@"
}

BUILD='build $ROLE --no-cache "$BATS_TEST_TMPDIR/$ROLE/context"'

@test "unshare is refused by a seccomp filter" {
    export ROLE=ranged
    within refuse EPERM unshare -- 'as ranged kiln doctor'
    says "user namespaces" "seccomp filter" "--security-opt seccomp=unconfined"
    # a store of namespaces does not fit what would stand in for them
    within refuse EPERM unshare -- "$BUILD"
    refused "cannot make a user namespace"
    within refuse EPERM unshare -- "${BUILD/--no-cache/--no-cache --isolation=userns}"
    refused "cannot make a user namespace" "seccomp filter" "--security-opt seccomp=unconfined"
}

@test "no user namespaces are left: user.max_user_namespaces" {
    # in a user namespace of its own, whose limit is 0; without capabilities, as a user
    run unshare -U --map-root-user bash -c 'echo 0 >/proc/sys/user/max_user_namespaces
        . "$0/lib.bash"
        exec setpriv --bounding-set -all --inh-caps -all env KILN_ROOT="$1/store" KILN_LIBEXEC="$KILN_IT/bin" kiln doctor' \
        "$HERE" "$(workdir root)"
    [ "$status" -eq 0 ] || [ "$status" -eq 3 ] # whether proot is there
    says "user namespaces" "max_user_namespaces" "sysctl -w user.max_user_namespaces=15000"
    run unshare -U --map-root-user bash -c 'echo 0 >/proc/sys/user/max_user_namespaces
        . "$0/lib.bash"
        exec setpriv --bounding-set -all --inh-caps -all env KILN_ROOT="$1/store" KILN_LIBEXEC="$KILN_IT/bin" \
            kiln build --isolation=userns --progress plain "$1/context"' "$HERE" "$(workdir root)"
    refused "user namespace" "sysctl -w user.max_user_namespaces=15000"
}

@test "newuidmap without power: copied, with no_new_privs, not installed" {
    mkdir "$DIR/bin"
    cp /usr/bin/newuidmap /usr/bin/newgidmap "$DIR/bin/"
    chmod 755 "$DIR/bin"/*
    run as ranged env PATH="$DIR/bin:$PATH" kiln doctor
    says "WARN  newuidmap" "neither set-user-ID root nor has file capabilities" "setcap cap_setuid+ep $DIR/bin/newuidmap" \
        "setcap cap_setgid+ep $DIR/bin/newgidmap"
    run as ranged env PATH="$DIR/bin:$PATH" KILN_ROOT="$DIR/store-copied" kiln build --progress plain "$DIR/context"
    says "going on with one id" "setcap cap_setuid+ep"

    run as ranged setpriv --no-new-privs kiln doctor
    says "no_new_privs is set" "allowPrivilegeEscalation"
    run as ranged setpriv --no-new-privs env KILN_ROOT="$DIR/store-nnp" kiln build --progress plain "$DIR/context"
    says "going on with one id" "no_new_privs is set"

    mkdir "$DIR/empty"
    kiln=$(command -v kiln)
    run as ranged env PATH="$DIR/empty" "$kiln" doctor
    says "newuidmap is not installed" "apt-get install uidmap"
}

@test "no subordinate ids" {
    run as single kiln doctor
    [ "$status" -eq 0 ]
    says "WARN  subordinate ids" "usermod --add-subuids"
}

@test "a masked /proc" {
    # as container engines do; whoever has mounted over a part of /proc may not mount another
    within unshare -m -p -f --mount-proc -- 'mount -t tmpfs none /proc/acpi 2>/dev/null || mount -t tmpfs none /proc/scsi ||
        mount --bind /dev/null /proc/kcore; as ranged kiln doctor'
    says "fresh /proc" "masked" "systempaths=unconfined" "procMount: Unmasked"
    ROLE=ranged within unshare -m -p -f --mount-proc -- "mount --bind /dev/null /proc/interrupts; $BUILD"
    built "parts of /proc are covered here"
}

@test "the store on an overlay" {
    root=$(workdir root)
    mkdir "$root"/{lower,upper,work,merged}
    export root ROLE=root
    within unshare -m -- 'mount -t overlay -o "lowerdir=$root/lower,upperdir=$root/upper,workdir=$root/work" o "$root/merged"
        KILN_ROOT=$root/merged/store as root kiln doctor'
    says "store" "(overlay)" "snapshotter" "overlay's upper directory" "put the store on ext4"
    within unshare -m -- 'mount -t overlay -o "lowerdir=$root/lower,upperdir=$root/upper,workdir=$root/work" o "$root/merged"
        export KILN_ROOT=$root/merged/store2; as root kiln import "$FIXTURES/busybox.tar" busybox >/dev/null; '"$BUILD"
    built "built"
}

@test "the store on a file system without extended attributes" {
    root=$(workdir root)
    mkdir "$root/ram"
    export root ROLE=root
    within unshare -m -- 'mount -t ramfs none "$root/ram"; KILN_ROOT=$root/ram/store as root kiln doctor'
    says "store" "snapshotter" "overlay: mounting one here" "put the store on ext4"
}

@test "devices: absent, without a driver, not permitted" {
    within unshare -m -- 'mount -t tmpfs none /dev/net; as root kiln doctor'
    says "WARN  /dev/net/tun" "is not there" "--device /dev/net/tun"
    within unshare -m -- 'touch "$BATS_TEST_TMPDIR/none"; mount --bind "$BATS_TEST_TMPDIR/none" /dev/net/tun; as root kiln doctor'
    says "WARN  /dev/net/tun" "no driver"
    within unshare -m -- 'mount -t tmpfs none /dev/net; mknod -m 600 /dev/net/tun c 10 200; as single kiln doctor'
    says "WARN  /dev/net/tun" "Permission denied" "chmod 666 /dev/net/tun"
    says "/dev/fuse"
}

@test "a program for another processor, and no handler" {
    run as ranged kiln doctor
    says "other platforms"
    # the head of an ELF program for a processor that nobody has: e_machine 0x7777
    printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\x77\x77\1\0\0\0' >"$DIR/context/foreign"
    head -c 200 /dev/zero >>"$DIR/context/foreign"
    printf 'FROM scratch\nCOPY --chmod=755 foreign /bin/sh\nRUN echo never\n' >"$DIR/context/Dockerfile"
    run build ranged --no-cache "$DIR/context"
    [ "$status" -eq 3 ]
    says "Dockerfile:3:1" "for another processor" "qemu-user-static"
    # a script without "#!" is the image's own fault
    printf 'FROM busybox\nCOPY --chmod=755 Dockerfile /script\nRUN ["/script"]\n' >"$DIR/context/Dockerfile"
    run build ranged --no-cache "$DIR/context"
    [ "$status" -eq 1 ]
    says "Exec format error"
    [[ $output != *qemu* ]]
}
