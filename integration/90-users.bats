#!/usr/bin/env bats
# The same Dockerfile for everyone who may run kiln: with subordinate ids, without, root, and a uid that has
# neither passwd entry nor HOME.

setup() {
    load lib
}

@test "a build that changes no owners gives the same tree for every user" {
    for role in ranged single root stranger; do
        dir=$(workdir "$role")
        mkdir "$dir/context"
        printf 'FROM debian:bookworm-slim\nWORKDIR /app\nCOPY --chown=33:44 file /app/owned\nRUN echo new > /app/new && chmod 2755 /app && rm /etc/motd && cp /etc/shadow /app/shadow\n' \
            >"$dir/context/Dockerfile"
        echo x >"$dir/context/file"
        chmod 644 "$dir/context/file"
        own "$role" "$dir/context"
        run build "$role" -o "type=oci,dest=$dir/context/a.tar" "$dir/context"
        [ "$status" -eq 0 ]
        listing "$(unpack "$dir/context/a.tar")" >"$BATS_TEST_TMPDIR/list-$role"
    done
    for role in single root stranger; do
        diff "$BATS_TEST_TMPDIR/list-ranged" "$BATS_TEST_TMPDIR/list-$role"
    done
    # owners of the base survive a user who cannot chown
    grep -q '^etc/shadow f 640 0:42 $' "$BATS_TEST_TMPDIR/list-single"
    grep -q '^app/owned f 644 33:44 $' "$BATS_TEST_TMPDIR/list-single"
}

@test "owners of a base survive a RUN that touches its files, without subordinate ids" {
    dir=$(workdir single)
    mkdir "$dir/context"
    printf 'FROM debian:bookworm-slim\nRUN touch /etc/shadow && chmod 600 /etc/shadow && echo >> /etc/gshadow\n' >"$dir/context/Dockerfile"
    own single "$dir/context"
    run build single -o "type=oci,dest=$dir/context/a.tar" "$dir/context"
    [ "$status" -eq 0 ]
    rootfs=$(unpack "$dir/context/a.tar")
    [ "$(stat -c %a:%u:%g "$rootfs/etc/shadow")" = 600:0:42 ]
    [ "$(stat -c %a:%u:%g "$rootfs/etc/gshadow")" = 640:0:42 ]
}

@test "devices of a base survive in every mode" {
    dir=$(workdir root)
    mkdir -p "$dir/rootfs/dev2"
    mknod "$dir/rootfs/dev2/null" c 1 3
    mknod -m 640 "$dir/rootfs/dev2/disk" b 8 1
    tar -C "$dir/rootfs" -cf "$dir/devices.tar" .
    chmod 644 "$dir/devices.tar"
    for role in ranged single root; do
        d=$(workdir "$role")
        fresh_store "$role"
        as "$role" kiln import "$dir/devices.tar" devices
        as "$role" kiln save -o "$d/out.tar" devices
        rootfs=$(unpack "$d/out.tar")
        [ "$(stat -c '%F %t:%T' "$rootfs/dev2/null")" = "character special file 1:3" ]
        [ "$(stat -c '%F %t:%T %a' "$rootfs/dev2/disk")" = "block special file 8:1 640" ]
        # and through a layer of kiln's own
        mkdir -p "$d/ctx"
        printf 'FROM devices AS d\nFROM scratch\nCOPY --from=d /dev2 /copied\n' >"$d/ctx/Dockerfile"
        own "$role" "$d/ctx"
        build "$role" -o "type=oci,dest=$d/ctx/a.tar" "$d/ctx"
        rootfs=$(unpack "$d/ctx/a.tar")
        [ "$(stat -c '%F %t:%T' "$rootfs/copied/null")" = "character special file 1:3" ]
    done
}

@test "a stranger without HOME: the default store is found, and the build runs" {
    dir=$(workdir stranger)
    mkdir "$dir/context"
    printf 'FROM scratch\nCOPY f /f\n' >"$dir/context/Dockerfile"
    touch "$dir/context/f"
    own stranger "$dir/context"
    run setpriv --reuid 54321 --regid 54321 --clear-groups env -i PATH="$PATH" KILN_LIBEXEC="$KILN_IT/bin" \
        kiln build --progress plain "$dir/context"
    [ "$status" -eq 0 ]
    setpriv --reuid 54321 --regid 54321 --clear-groups env -i PATH="$PATH" KILN_LIBEXEC="$KILN_IT/bin" kiln reset -f
    [ ! -e /var/tmp/kiln-54321 ]
}

@test "kiln reset removes a store whose files belong to subordinate ids" {
    fresh_store ranged debian=debian
    [ -n "$(find "$KILN_ROOT" -uid +999999 | head -1)" ]
    as ranged kiln reset -f
    [ ! -e "$KILN_ROOT" ]
}

@test "kiln reset refuses a directory that is no store" {
    dir=$(workdir ranged)
    mkdir "$dir/precious"
    touch "$dir/precious/file"
    own ranged "$dir/precious"
    run as ranged kiln reset -f --root "$dir/precious"
    [ "$status" -ne 0 ]
    [ -e "$dir/precious/file" ]
}

@test "kiln doctor: what there is, for each user" {
    for role in ranged single root; do
        run as "$role" kiln doctor
        [ "$status" -eq 0 ]
        [[ $output == *overlay* ]]
        run as "$role" kiln doctor --format json
        [ "$status" -eq 0 ]
        jq -e . <<<"$output"
    done
    run as single kiln doctor
    [[ $output == *subuid* ]]
}

@test "settings: config.json, the environment before it, flags before both" {
    dir=$(workdir ranged)
    mkdir -p "$dir/config/kiln" "$dir/context"
    printf 'FROM scratch\nCOPY f /f\n' >"$dir/context/Dockerfile"
    touch "$dir/context/f"
    echo "{\"root\": \"$dir/from-config\"}" >"$dir/config/kiln/config.json"
    own ranged "$dir/config"
    own ranged "$dir/context"
    as ranged env -u KILN_ROOT XDG_CONFIG_HOME="$dir/config" kiln build -q "$dir/context"
    [ -d "$dir/from-config" ]
    as ranged env KILN_ROOT="$dir/from-env" XDG_CONFIG_HOME="$dir/config" kiln build -q "$dir/context"
    [ -d "$dir/from-env" ]
    as ranged env KILN_ROOT="$dir/from-env" kiln build -q --root "$dir/from-flag" "$dir/context"
    [ -d "$dir/from-flag" ]
    echo '{"rot": "x"}' >"$dir/config/kiln/config.json"
    run as ranged env XDG_CONFIG_HOME="$dir/config" kiln build -q "$dir/context"
    [ "$status" -eq 2 ]
    [[ $output == *config.json* && $output == *rot* ]]
}
