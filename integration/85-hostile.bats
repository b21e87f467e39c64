#!/usr/bin/env bats
# Dockerfiles, images, contexts and commands that try to reach what is not theirs.

setup() {
    load lib
    OUTSIDE=/var/tmp/kiln-hostile # what integration/fixtures/hostile.py aims at
}

teardown() {
    rm -rf "$OUTSIDE"
}

context_for() { # ROLE: makes $CONTEXT, to be filled from standard input's Dockerfile
    CONTEXT=$(workdir "$1")/context
    rm -rf "$CONTEXT"
    mkdir -p "$CONTEXT"
    cat >"$CONTEXT/Dockerfile"
    own "$1" "$CONTEXT"
}

archives() {
    python3 "$BATS_TEST_DIRNAME/fixtures/hostile.py" "$BATS_TEST_TMPDIR/archives"
    chmod -R a+rX "$BATS_TEST_TMPDIR/archives"
    rm -rf "$OUTSIDE"
    mkdir -m 777 "$OUTSIDE"
}

@test "no working directory or program leads to what the builder has open" {
    for role in ranged single root; do
        for fd in 3 4 5 6 7 8 9 10 11 12; do
            context_for $role < <(printf 'FROM busybox\nWORKDIR /proc/self/fd/%s\nRUN echo reached\n' $fd)
            run build $role --no-cache "$CONTEXT"
            [ "$status" -eq 1 ]
            [[ $output == *"failed at cwd (/proc/self/fd/$fd)"* ]]
        done
        context_for $role < <(printf 'FROM busybox\nRUN ["/proc/self/fd/9/../stub/../layers/1/bin/busybox", "echo", "reached"]\n')
        run build $role --no-cache "$CONTEXT"
        [ "$status" -eq 1 ]
    done
}

@test "nothing of the user's or the builder's is inherited: variables, groups, umask, files, terminal" {
    for role in ranged single root; do
        context_for $role <<'END'
FROM busybox
RUN env | cut -d= -f1 | sort | tr '\n' ' ' | sed 's/^/env: /'; echo; echo groups: $(id -G); umask; ls /proc/self/fd | wc -l; (: </dev/tty) || echo no-tty
END
        umask 077
        SECRET=s KILN_TEST_TOKEN=t run build $role --no-cache -o "type=oci,dest=$CONTEXT/o.tar" "$CONTEXT"
        umask 022
        [ "$status" -eq 0 ]
        [[ $output == *"env: HOME PATH PWD SHLVL "* ]]
        [[ $output == *"groups: 0"$'\n'* ]]
        [[ $output == *" 0022"* && $output == *no-tty* ]]
        [[ $output == *" 4"$'\n'* ]] # 0, 1, 2 and the directory that ls reads
        [ "$(config_of "$CONTEXT/o.tar" | jq -c '.config.Env')" = '["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]' ]
    done
}

@test "a command cannot change the host's devices, nor use one that a layer holds" {
    archives
    mode=$(stat -c %a /dev/full)
    for role in ranged root; do
        fresh_store $role
        as $role kiln load -i "$BATS_TEST_TMPDIR/archives/device.tar"
        context_for $role < <(printf 'FROM hostile:1\nRUN chmod 600 /dev/full; echo bytes=$(head -c 1 /zero | wc -c)\n')
        run build $role "$CONTEXT"
        now=$(stat -c %a /dev/full)
        chmod "$mode" /dev/full
        [ "$now" = "$mode" ]
        [[ $output == *" bytes=0"* ]]
    done
}

@test "archives that point out of themselves are refused, or stay inside" {
    archives
    for role in ranged root; do
        fresh_store $role
        for name in layer-path layer-absolute layer-symlink outer-symlink outer-hardlink outer-dotdot dotdot hardlink \
            hardlink-symlink whiteout-dot owner size images layers document; do
            run as $role kiln load -i "$BATS_TEST_TMPDIR/archives/$name.tar"
            [ "$status" -eq 1 ]
            [ "$(wc -l <<<"$output")" -eq 1 ]
        done
        [ "$(as $role kiln images -q | wc -l)" -eq 0 ]
        for name in symlink symlink-up replaced marks workdir proc-link dev-link etc-link hosts-link; do
            as $role kiln load -i "$BATS_TEST_TMPDIR/archives/$name.tar"
            context_for $role < <(printf 'FROM hostile:1\nRUN echo inside > /d/file; echo inside >> /etc/hosts; cat /f; exit 0\n')
            run build $role --no-cache "$CONTEXT" # the sandbox may refuse such an image
            [ "$status" -le 1 ]
            [ "$name" != marks ] || [[ $output == *content* ]]
        done
        [ -z "$(ls -A "$OUTSIDE")" ]
        assert_clean "$KILN_ROOT"
    done
}

@test "an archive's names are taken only if they are names" {
    archives
    fresh_store ranged
    run as ranged kiln load -i "$BATS_TEST_TMPDIR/archives/names.tar"
    [ "$status" -eq 0 ]
    [ "$output" = "Loaded image: good:1" ]
    [ "$(as ranged kiln images | wc -l)" -eq 2 ]
}

@test "a Dockerfile or .dockerignore is never a file outside the context, nor one without end" {
    echo "hunter2 is secret" >"$BATS_TEST_TMPDIR/secret"
    chmod 644 "$BATS_TEST_TMPDIR/secret"
    for name in Dockerfile .dockerignore; do
        for target in "$BATS_TEST_TMPDIR/secret" ../../secret /dev/zero /dev/null; do
            context_for ranged < <(printf 'FROM scratch\nCOPY Dockerfile /\n')
            ln -sf "$target" "$CONTEXT/$name"
            run build ranged "$CONTEXT"
            [ "$status" -eq 1 ]
            [[ $output != *hunter2* ]]
        done
        rm "$CONTEXT/$name"
        mkfifo "$CONTEXT/$name"
        own ranged "$CONTEXT"
        run timeout 20 bash -c ". $BATS_TEST_DIRNAME/lib.bash; build ranged $CONTEXT"
        [ "$status" -eq 1 ]
        [[ $output == *"not a regular file"* ]]
    done
    context_for ranged < <(printf 'FROM scratch\nCOPY real /\n')
    mv "$CONTEXT/Dockerfile" "$CONTEXT/real"
    ln -s /real "$CONTEXT/Dockerfile" # inside, as COPY reads it
    build ranged "$CONTEXT"
}

@test "names that would delete files of an image are refused where they are made" {
    context_for ranged < <(printf 'FROM busybox\nRUN touch /etc/.wh.passwd\n')
    run build ranged "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *"etc/.wh.passwd"* && $output == *"Dockerfile:2:1"* ]]
    context_for ranged < <(printf 'FROM busybox\nCOPY .wh.bin /\n')
    touch "$CONTEXT/.wh.bin"
    run build ranged "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *.wh.bin* ]]
}

@test "a command cannot mark files as overlayfs or kiln do" {
    for role in ranged single; do
        context_for $role <<'END'
FROM python:3.12-slim
RUN mkdir /d && touch /d/kept /f
RUN <<EOF
python3 -c 'import os
for path in ("/d", "/f"):
    for name in ("user.overlay.opaque", "user.overlay.whiteout", "user.overlay.redirect", "user.kiln.stat"):
        try: os.setxattr(path, name, b"b 666 0 0 8 0" if "kiln" in name else b"y")
        except OSError: pass
os.setxattr("/f", "user.mine", b"1")'
! mknod /whiteout c 0 0
EOF
RUN ls /d/kept && ls -la /f
END
        run build $role --no-cache -o "type=oci,dest=$CONTEXT/o.tar" "$CONTEXT"
        [ "$status" -eq 0 ]
        rootfs=$(unpack "$CONTEXT/o.tar")
        [ -e "$rootfs/d/kept" ]
        [ -f "$rootfs/f" ]
        [ "$(getfattr -d -m - --absolute-names "$rootfs/f" "$rootfs/d" | grep -v '^#' | tr -d '\n')" = 'user.mine="1"' ]
    done
}

# The commands' own view of the tree, but for what is mounted and for link counts, which overlayfs gets wrong.
tree_of() { # ROOT [WITH OWNERS]
    (cd "$1" && find . -mindepth 1 \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./tree -o -path ./etc/hosts \
        -o -path ./etc/hostname -o -path ./etc/resolv.conf \) -prune -o -printf '%P %y %m %U:%G %l %T@ ' \
        -type f -printf '%s ' -exec sha256sum -b {} \; -o -printf '%P\n') | sed -E 's/\.[0-9]{10}//; s# \*\./# *#'
}

@test "the image is what the commands saw, for every kind of user" {
    for role in ranged single root; do
        {
            cat <<'END'
FROM debian:bookworm-slim
RUN mkdir -p /t/gone /t/opaque/sub /t/moved/deep /t/target /t/dir-file /t/dir-link /t/white/a/b && cd /t && \
    for f in touched moded owned written file-dir deleted back opaque/old opaque/sub/old moved/x moved/deep/y \
        dir-file/z dir-link/z white/a/b/c linked shared; do echo $f > $f; done && \
    ln linked linked2 && ln linked linked3 && ln -s target link-dir && ln -s nowhere dangling && mkfifo fifo && \
    chmod 4755 written && chmod 1777 moved && touch -d 2001-02-03 touched && truncate -s 3M sparse && echo end >> sparse
RUN chown 7:8 /t/linked /t/moved/deep || true
RUN cd /t && rm -rf gone opaque && mkdir opaque && echo new > opaque/new && mv moved renamed && touch -d 2002-03-04 touched && \
    chmod 600 moded && echo more >> written && rm file-dir deleted back && mkdir file-dir && echo in > file-dir/in && \
    rm -rf dir-file dir-link white/a && echo file > dir-file && ln -s target dir-link && rm link-dir && mkdir link-dir && \
    echo x > link-dir/x && echo changed >> linked2 && ln shared shared2 && mkfifo fifo2
RUN cd /t && echo back > back && mkdir -p white/a && echo c > white/a/c && rm linked3 && mv renamed/deep deeper && \
    echo again >> written && rm opaque/new dir-link fifo && mkdir dir-link && chmod 700 /t && rm -rf /usr/share/doc && mkdir /usr/share/doc
RUN chown 9:9 /t/owned; touch -h -d 2003-03-03 /t/dangling; chmod 750 /t/white
END
            echo "RUN <<'EOF'"
            declare -f tree_of
            echo 'tree_of / > /tree'
            echo EOF
        } | sed 's/^SHELL.*//' >"$BATS_TEST_TMPDIR/model"
        sed -i "s/^RUN <<'EOF'/SHELL [\"\/bin\/bash\", \"-c\"]\n&/" "$BATS_TEST_TMPDIR/model"
        context_for $role <"$BATS_TEST_TMPDIR/model"
        build $role --no-cache -o "type=oci,dest=$CONTEXT/o.tar" "$CONTEXT"
        rootfs=$(unpack "$CONTEXT/o.tar")
        # Without subordinate ids a command sees everything as its own.
        owners=cat
        [ $role != single ] || owners='sed -E s/[0-9]+:[0-9]+/-/'
        LC_ALL=C sort "$rootfs/tree" | $owners >"$BATS_TEST_TMPDIR/seen"
        tree_of "$rootfs" | LC_ALL=C sort | $owners >"$BATS_TEST_TMPDIR/exported"
        [ "$(wc -l <"$BATS_TEST_TMPDIR/seen")" -gt 1000 ]
        diff "$BATS_TEST_TMPDIR/seen" "$BATS_TEST_TMPDIR/exported"
        [ "$(stat -c %h "$rootfs/t/shared2")" -eq 2 ]
        [ "$role" = single ] || [ "$(stat -c %u:%g "$rootfs/t/owned")" = 9:9 ]
    done
}

@test "a context that changes while it is copied never becomes the cache of another" {
    context_for ranged < <(printf 'FROM scratch\nCOPY f /f\n')
    for x in A B; do head -c 500000 /dev/zero | tr '\0' $x >"$BATS_TEST_TMPDIR/$x"; done
    put() { # A|B, as if it had never been touched
        dd if="$BATS_TEST_TMPDIR/$1" of="$CONTEXT/f" bs=50k conv=notrunc status=none
        touch -d 2001-01-01 "$CONTEXT/f"
    }
    put A
    own ranged "$CONTEXT"
    while [ ! -e "$BATS_TEST_TMPDIR/stop" ]; do put B && put A; done &
    for _ in $(seq 20); do build ranged "$CONTEXT" || true; done
    touch "$BATS_TEST_TMPDIR/stop"
    wait
    for x in A B; do
        put $x
        build ranged -o "type=oci,dest=$BATS_TEST_TMPDIR/ranged/o.tar" "$CONTEXT"
        cmp "$BATS_TEST_TMPDIR/$x" "$(unpack "$BATS_TEST_TMPDIR/ranged/o.tar")/f"
    done
}

@test "kiln reset removes a store, caches and all, and nothing that is reached by a symlink" {
    fresh_store ranged busybox=busybox:latest
    mkdir -p "$(workdir ranged)/other"
    touch "$(workdir ranged)/other/file"
    context_for ranged < <(printf 'FROM busybox\nRUN --mount=type=cache,target=/c touch /c/f && chown 5:5 /c /c/f && chmod 0 /c\n')
    build ranged "$CONTEXT"
    rm -rf "$KILN_ROOT/index"
    ln -s "$(workdir ranged)/other" "$KILN_ROOT/index"
    run as ranged kiln reset --force --root "$(workdir ranged)/other"
    [ "$status" -ne 0 ]
    as ranged kiln reset --force
    [ ! -e "$KILN_ROOT" ]
    [ -e "$(workdir ranged)/other/file" ]
}

@test "in a directory for all, another user's directory is not taken for the store" {
    mkdir -m 1777 "$BATS_TEST_TMPDIR/tmp"
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" 2>/dev/null || true
    mkdir -m 777 "$BATS_TEST_TMPDIR/tmp/store"
    export KILN_ROOT=$BATS_TEST_TMPDIR/tmp/store
    run as ranged kiln images
    [ "$status" -eq 3 ]
    [[ $output == *"another user"* ]]
    [ -z "$(ls -A "$KILN_ROOT")" ]
}
