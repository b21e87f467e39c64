#!/usr/bin/env bats
# Sizes, names and kinds of files that real contexts and images have.

setup() {
    load lib
    DIR=$(workdir ranged)
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT"
}

@test "200 RUN steps in one stage" {
    {
        echo FROM busybox
        for n in $(seq 200); do
            echo "RUN echo $n > /f$n"
        done
    } >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    run build ranged --no-cache -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    [ "$(config_of "$DIR/a.tar" | jq '.rootfs.diff_ids | length')" -eq 201 ]
    run build ranged "$CONTEXT"
    [ "$(cached)" -eq 200 ]
}

@test "more layers under a RUN than the kernel mounts: what they deleted stays deleted" {
    {
        echo FROM busybox
        echo 'RUN mkdir /gone && touch /gone/a /kept && echo base > /changed'
        for n in $(seq 520); do
            echo "COPY file /f$n"
            case $n in
            100) echo 'RUN rm -r /gone /f50' ;;
            200) echo 'RUN mkdir /gone && touch /gone/b && echo 200 > /changed' ;;
            esac
        done
        echo 'RUN ls /gone && cat /changed && ls / | grep -c "^f[0-9]" && rm /f60 /kept'
        echo 'RUN ls -d /f60 /kept 2>&1 | wc -l && ls / | grep -c "^f[0-9]"'
        echo 'RUN --mount=type=bind,from=0,target=/mnt ls /mnt/gone && ls /mnt | grep -c "^f[0-9]"'
        echo 'RUN --mount=type=bind,from=deep,target=/mnt ls /mnt/gone && ls /mnt | grep -c "^f[0-9]"'
    } | sed '1s/$/ AS deep/; /from=0/d; $s/^/FROM busybox\n/' >"$CONTEXT/Dockerfile"
    echo hello >"$CONTEXT/file"
    for role in ranged single root; do
        own "$role" "$CONTEXT"
        run build "$role" --no-cache "$CONTEXT"
        echo "$role: $(tail -5 <<<"$output")"
        [ "$status" -eq 0 ]
        lines=$(grep -oE '^#[0-9]+ [0-9.]+ .*' <<<"$output" | cut -d' ' -f3- | grep -Ev 'ing (layers|image)' | paste -sd' ')
        echo "$lines"
        [ "$lines" = "b 200 519 2 518 b 518" ]
    done
}

@test "a context of 20,000 files" {
    python3 - "$CONTEXT" <<'END'
import os, sys
for d in range(200):
    os.makedirs(f"{sys.argv[1]}/d{d}")
    for f in range(100):
        with open(f"{sys.argv[1]}/d{d}/f{f}", "w") as out:
            out.write(f"{d} {f}\n" * (f + 1))
END
    printf 'FROM busybox\nCOPY . /all/\nRUN find /all -type f | wc -l > /count\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    run build ranged --no-cache -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    [ "$(tar -xOf "$DIR/a.tar" --wildcards 'blobs/*' 2>/dev/null | head -c 1 | wc -c)" -eq 1 ]
    rootfs=$(unpack "$DIR/a.tar")
    [ "$(cat "$rootfs/count")" -eq 20001 ]
    diff -r "$CONTEXT/d17" "$rootfs/all/d17"
    run build ranged "$CONTEXT"
    [ "$(cached)" -eq 2 ]
}

@test "names with spaces, newlines, UTF-8 and bytes that are not UTF-8; very long paths" {
    mkdir -p "$CONTEXT/t"
    printf a >"$CONTEXT/t/with space"
    printf b >"$CONTEXT/t/"$'new\nline'
    printf c >"$CONTEXT/t/grüße-日本"
    printf d >"$CONTEXT/t/"$'latin1-\xe9'
    long=$CONTEXT/t
    for _ in 1 2 3 4; do
        long=$long/$(printf 'x%.0s' $(seq 200))
    done
    mkdir -p "$long"
    printf e >"$long/end"
    ln -s "$(printf 'y%.0s' $(seq 150))" "$CONTEXT/t/long-target"
    printf 'FROM busybox\nCOPY t /t\nCOPY ["t/with space", "/to/with space"]\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    run build ranged --no-cache -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    rootfs=$(unpack "$DIR/a.tar")
    [ "$(cd "$CONTEXT/t" && find . | LC_ALL=C sort | sha256sum)" = "$(cd "$rootfs/t" && find . | LC_ALL=C sort | sha256sum)" ]
    diff -r --no-dereference "$CONTEXT/t" "$rootfs/t"
    [ "$(cat "$rootfs/to/with space")" = a ]
}

@test "empty files, a sparse file of 5 GB, set-id modes, fifos; a socket is left out" {
    mkdir "$CONTEXT/t"
    touch "$CONTEXT/t/empty"
    truncate -s 5G "$CONTEXT/t/sparse"
    touch "$CONTEXT/t/suid"
    mkfifo "$CONTEXT/t/fifo"
    python3 -c "import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])" "$CONTEXT/t/socket"
    own ranged "$CONTEXT"
    chmod 4755 "$CONTEXT/t/suid"
    printf 'FROM busybox\nCOPY t /t\nRUN stat -c %%s /t/sparse; du -k /t/sparse\n' >"$CONTEXT/Dockerfile"
    run build ranged --no-cache -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output == *5368709120* ]]
    [ "$(stat -c %s "$DIR/a.tar")" -lt 200000000 ]
    [ "$(du -sm "$KILN_IT/store-ranged/layers" | cut -f1)" -lt 5000 ]
    skopeo copy --quiet "oci-archive:$DIR/a.tar" "oci:$DIR/layout:it"
    digest=$(skopeo inspect "oci:$DIR/layout:it" | jq -r '.Layers[1]')
    tar -tvzf "$DIR/layout/blobs/sha256/${digest#sha256:}" >"$DIR/list"
    grep -q '^p.* t/fifo$' "$DIR/list"
    grep -q '^-rwsr-xr-x.* t/suid$' "$DIR/list"
    grep -q ' 5368709120 .* t/sparse$' "$DIR/list"
    grep -q ' 0 .* t/empty$' "$DIR/list"
    refute grep -q socket "$DIR/list"
}

@test "symlinks in the destination are followed inside the image" {
    printf 'FROM busybox\nRUN mkdir -p /run /real && ln -s ../run /var/run && ln -s /real /alias && ln -s ../../../../../../tmp /escape\nCOPY f /var/run/x/\nCOPY f /alias/\nCOPY f /escape/landed\n' \
        >"$CONTEXT/Dockerfile"
    touch "$CONTEXT/f"
    own ranged "$CONTEXT"
    rm -f /tmp/landed
    run build ranged --no-cache -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    rootfs=$(unpack "$DIR/a.tar")
    [ -L "$rootfs/var/run" ]
    [ -e "$rootfs/run/x/f" ]
    [ -e "$rootfs/real/f" ]
    [ -e "$rootfs/tmp/landed" ]
    [ ! -e /tmp/landed ]
}

@test "symlinks of the context do not lead out of it" {
    echo secret >"$DIR/secret"
    ln -s ../secret "$CONTEXT/out"
    ln -s /etc/passwd "$CONTEXT/absolute"
    ln -s / "$CONTEXT/root"
    own ranged "$CONTEXT"
    for source in out absolute root/etc/passwd ../secret; do
        printf 'FROM busybox\nCOPY %s /x\n' "$source" >"$CONTEXT/Dockerfile"
        run build ranged "$CONTEXT"
        [ "$status" -eq 1 ]
        [[ $output == *"$(basename "$source")"* ]]
    done
}

@test "a symlink inside the context is copied as what it points to, and as itself within a directory" {
    mkdir "$CONTEXT/d"
    echo content >"$CONTEXT/file"
    ln -s file "$CONTEXT/link"
    ln -s ../file "$CONTEXT/d/inner"
    printf 'FROM busybox\nCOPY link /copied\nCOPY d /d\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    build ranged --no-cache -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    rootfs=$(unpack "$DIR/a.tar")
    [ -f "$rootfs/copied" ]
    [ ! -L "$rootfs/copied" ]
    [ "$(readlink "$rootfs/d/inner")" = ../file ]
}
