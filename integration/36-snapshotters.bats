#!/usr/bin/env bats
# The snapshotters: all make the same image, and the one that fits where the store lies is chosen.

setup() {
    load lib.bash
}

# What a RUN can do to files: change, replace, link, delete, move, and leave alone.
write_context() { # DIRECTORY
    mkdir -p "$1"
    echo file >"$1/file"
    cat >"$1/Dockerfile" <<'END'
FROM busybox AS main
COPY file /etc/one
RUN echo hello >/etc/two && echo more >>/etc/one && rm /bin/vi && mkdir -p /a/b /z/y/x && \
    ln /etc/two /a/link && mkfifo /a/fifo && ln -s nowhere /a/symlink && chmod 4755 /bin/busybox
WORKDIR /w
COPY file three
RUN rm /etc/two && mv /a/b /a/c && touch /a/c/x && rm three && echo same >>/etc/one
COPY file /z/y/x/w
RUN rm -rf /a && mkdir /a && touch /a/new && rm -rf /z/y && ln -s /a /z/y && grep -q more /etc/one
RUN mkdir -m 700 /closed && touch /closed/file && chmod 0 /closed/file && touch -d @1000000000 /etc/one
FROM busybox AS other
RUN --mount=type=bind,from=main,target=/from --mount=type=cache,target=/cache \
    cp -a /from/etc/one /from/a /cache && mkdir /stage && cp -a /cache/* /stage
FROM main
COPY --from=other /stage /stage
RUN cat /stage/one >/all
END
}

same_tree() { # ARCHIVE ARCHIVE
    diff <(listing "$(unpack "$1")") <(listing "$(unpack "$2")")
}

# Runs a command of the role in a mount namespace in which /store lies on an overlay.
on_overlay() { # ROLE COMMAND…
    local role=$1 base
    shift
    base=$(workdir "$role")/overlay
    mkdir -p "$base"
    # shellcheck disable=SC2016
    unshare -m bash -c '
        set -e
        role=$1 base=$2; shift 2
        mount -t tmpfs tmpfs "$base"
        mkdir -p "$base"/{lower,upper,work,store}
        mount -t overlay -o "lowerdir=$base/lower,upperdir=$base/upper,workdir=$base/work" overlay "$base/store"
        [ "$role" = root ] || chown "kiln-$role:" "$base" "$base/store"
        mknod "$base/fuse" c 10 229; chmod 666 "$base/fuse"
        [ -z "${NO_FUSE:-}" ] || { rm "$base/fuse"; touch "$base/fuse"; chmod 0 "$base/fuse"; }
        mount --bind "$base/fuse" /dev/fuse
        . "'"$BATS_TEST_DIRNAME"'/lib.bash"
        export KILN_ROOT=$base/store/kiln
        as "$role" kiln import "$FIXTURES/busybox.tar" busybox >/dev/null
        "$@"
    ' bash "$role" "$base" "$@"
}

@test "copy makes the same image as overlay, for each kind of user" {
    for role in ranged single root; do
        dir=$(workdir "$role")
        write_context "$dir/context"
        own "$role" "$dir"
        for snapshotter in overlay copy; do
            run build "$role" --no-cache --snapshotter "$snapshotter" -o "type=oci,dest=$dir/$snapshotter.tar" "$dir/context"
            [ "$status" -eq 0 ] || { echo "$output"; false; }
        done
        same_tree "$dir/overlay.tar" "$dir/copy.tar"
        assert_clean "$KILN_IT/store-$role"
    done
}

@test "copy: a layer that was committed does not change when a later RUN writes to its files" {
    dir=$(workdir ranged)
    printf 'FROM busybox\nRUN echo one >/file; echo once >/other\nRUN echo two >>/file\nRUN echo 3333 >/file\n' >"$dir/Dockerfile"
    own ranged "$dir"
    fresh_store ranged busybox=busybox
    build ranged --snapshotter copy -o "type=oci,dest=$dir/image.tar" "$dir"
    grep -qx one "$KILN_ROOT"/layers/*/file
    grep -qx two "$KILN_ROOT"/layers/*/file
    [ "$(cat "$(unpack "$dir/image.tar")/file")" = 3333 ]
}

@test "copy: a file that a command changes at once and in place is seen, size and mtime being the same" {
    dir=$(workdir ranged)
    { echo FROM busybox; for i in 1 2 3 4 5 6 7 8 9; do
        echo "COPY --chmod=644 file$i /file"
        # shellcheck disable=SC2016
        echo 'RUN t=$(stat -c %Y /file); printf x | dd of=/file conv=notrunc 2>/dev/null; touch -d @$t /file'
        echo "RUN cp -p /file /kept$i"
    done; } >"$dir/Dockerfile"
    for i in 1 2 3 4 5 6 7 8 9; do echo "$i" >"$dir/file$i"; done
    own ranged "$dir"
    build ranged --no-cache --snapshotter copy -o "type=oci,dest=$dir/image.tar" "$dir"
    [ "$(cat "$(unpack "$dir/image.tar")"/kept* | sort -u)" = x ]
}

@test "copy: owners and devices that are recorded get into the image, and to later steps, as with overlay" {
    for role in ranged single; do
        dir=$(workdir "$role")
        cat >"$dir/Dockerfile" <<'END'
FROM busybox
RUN ln -s x /l && chown -h 12:34 /l && mkfifo /p && chown 5:6 /p && mknod /c c 1 3 && mknod /b b 7 1 && \
    touch /f && chown 7:8 /f && chmod 4755 /f && mkdir /d && chown 9:10 /d && ln -s y /d/l && chown -h 1:2 /d/l
RUN mv /l /moved && chown -h 3:4 /d/l && echo more >>/f && rm /b
END
        own "$role" "$dir"
        for snapshotter in overlay copy; do
            run build "$role" --no-cache --snapshotter "$snapshotter" -o "type=oci,dest=$dir/$snapshotter.tar" "$dir"
            [ "$status" -eq 0 ] || { echo "$output"; false; }
        done
        listing "$(unpack "$dir/copy.tar")" >"$dir/copy"
        diff <(listing "$(unpack "$dir/overlay.tar")") "$dir/copy"
        grep -qx 'moved l 777 12:34 x' "$dir/copy"
        grep -qx 'p p 644 5:6 ' "$dir/copy"
        grep -qx 'c c 644 0:0 ' "$dir/copy"
        grep -qx 'd/l l 777 3:4 y' "$dir/copy"
    done
}

@test "copy: what a command makes for whiteouts is refused as with overlay" {
    dir=$(workdir ranged)
    printf 'FROM busybox\nRUN touch /etc/.wh.passwd\n' >"$dir/Dockerfile"
    own ranged "$dir"
    for snapshotter in overlay copy; do
        run build ranged --no-cache --snapshotter "$snapshotter" "$dir"
        [ "$status" -eq 1 ]
        [[ $output == *'etc/.wh.passwd'*'stand for deleted files'* ]]
    done
}

@test "a store on an overlay gets fuse-overlayfs, or copy where /dev/fuse cannot be used; the images are equal" {
    for role in ranged root; do
        dir=$(workdir "$role")
        write_context "$dir/context"
        own "$role" "$dir"
        build "$role" --no-cache -o "type=oci,dest=$dir/expected.tar" "$dir/context"
        run on_overlay "$role" build "$role" -o "type=oci,dest=$dir/fuse.tar" "$dir/context"
        [ "$status" -eq 0 ] || { echo "$output"; false; }
        NO_FUSE=1 run on_overlay "$role" build "$role" -o "type=oci,dest=$dir/copy.tar" "$dir/context"
        [ "$status" -eq 0 ] || { echo "$output"; false; }
        same_tree "$dir/expected.tar" "$dir/fuse.tar"
        same_tree "$dir/expected.tar" "$dir/copy.tar"
    done
}

# Runs a command of the role with its store on a file system of a kind that is made for it in memory.
on_file_system() { # KIND ROLE COMMAND…
    local base
    base=$(workdir "$2")/$1
    mkdir -p "$base"
    # shellcheck disable=SC2016
    unshare -m bash -c '
        set -e
        kind=$1 base=$2 role=$3; shift 3
        mount -t "$kind" "$kind" "$base"
        mkdir "$base/store"
        chmod 755 "$base"
        own "$role" "$base/store"
        export KILN_ROOT=$base/store/kiln
        as "$role" kiln import "$FIXTURES/busybox.tar" busybox >/dev/null
        "$@"
    ' bash "$1" "$base" "${@:2}"
}

@test "a store on tmpfs, and on a file system without xattrs, gives the same image or a clear error" {
    export -f own as build
    export KILN_IT FIXTURES
    for role in ranged single; do
        dir=$(workdir "$role")
        write_context "$dir/context"
        echo 'RUN touch /owned && chown 5:6 /owned' >>"$dir/context/Dockerfile"
        own "$role" "$dir"
        build "$role" --no-cache -o "type=oci,dest=$dir/expected.tar" "$dir/context"
        run on_file_system tmpfs "$role" build "$role" -o "type=oci,dest=$dir/tmpfs.tar" "$dir/context"
        [ "$status" -eq 0 ] || { echo "$output"; false; }
        same_tree "$dir/expected.tar" "$dir/tmpfs.tar"
        # ramfs has no xattrs
        run on_file_system ramfs "$role" build "$role" -o "type=oci,dest=$dir/ramfs.tar" "$dir/context"
        if [ "$role" = single ]; then
            [ "$status" -eq 3 ]
            [[ $output == *'the owners of files cannot be recorded: the file system of the store has no user'* ]]
        else
            [ "$status" -eq 0 ] || { echo "$output"; false; }
            same_tree "$dir/expected.tar" "$dir/ramfs.tar"
        fi
    done
}

@test "kiln doctor tells which snapshotter a build takes, and why none of the others" {
    run as ranged kiln doctor
    [[ $output == *snapshotter*overlay* ]]
    run on_overlay ranged as ranged kiln doctor
    [[ $output == *snapshotter*fuse-overlayfs*"overlay: "* ]]
    NO_FUSE=1 run on_overlay ranged as ranged kiln doctor
    [[ $output == *snapshotter*copy*"overlay: "*"fuse-overlayfs: /dev/fuse: Permission denied"* ]]
}

@test "a snapshotter that there is not, or not here, is refused by name" {
    dir=$(workdir ranged)
    printf 'FROM busybox\nRUN true\n' >"$dir/Dockerfile"
    own ranged "$dir"
    run build ranged --snapshotter zfs "$dir"
    [ "$status" -eq 2 ]
    [[ $output == *'--snapshotter zfs: unknown snapshotter (auto, overlay, fuse-overlayfs, copy)'* ]]
    run as ranged env KILN_SNAPSHOTTER=zfs kiln build "$dir"
    [ "$status" -eq 2 ]
    [[ $output == *'KILN_SNAPSHOTTER=zfs'* ]]
    NO_FUSE=1 run on_overlay ranged build ranged --no-cache --snapshotter fuse-overlayfs "$dir"
    [ "$status" -eq 3 ]
    [[ $output == *'--snapshotter fuse-overlayfs: /dev/fuse: Permission denied'* ]]
}
