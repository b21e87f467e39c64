#!/usr/bin/env bats
# Every kind of bad input gives one clear error with its place and a non-zero exit; nothing half-made is left,
# and the store goes on working.

setup() {
    load lib
    DIR=$(workdir ranged)
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT"
}

# Builds the text as a Dockerfile; expects failure, and that the output holds all the words.
refuses() { # DOCKERFILE WORD…
    printf '%b' "$1" >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    shift
    run build ranged -t refused -o "type=oci,dest=$DIR/refused.tar" "$CONTEXT"
    [ "$status" -eq 1 ] || { echo "status $status: $output"; return 1; }
    local word
    for word; do
        [[ $output == *"$word"* ]] || { echo "no \"$word\" in: $output"; return 1; }
    done
    [ ! -e "$DIR/refused.tar" ]
    [ -z "$(find "$DIR" -maxdepth 1 -name 'refused*')" ]
    assert_clean "$KILN_IT/store-ranged"
}

still_works() {
    printf 'FROM busybox\nRUN echo works\n' >"$CONTEXT/Dockerfile"
    build ranged --no-cache "$CONTEXT"
}

@test "Dockerfiles: unknown instruction, unknown flag, missing arguments, no FROM, empty" {
    refuses 'FROM busybox\nRUM echo\n' "Dockerfile:2:1" RUM "RUN"
    refuses 'FROM busybox\nCOPY --form=x a b\n' "Dockerfile:2:" form
    refuses 'FROM busybox\nCOPY a\n' "Dockerfile:2:" COPY
    refuses 'RUN true\n' "Dockerfile:1:" FROM
    refuses '' Dockerfile
    refuses 'FROM busybox\nENV\n' "Dockerfile:2:" ENV
    refuses '# syntax=example.com/other:1\nFROM busybox\n' "example.com/other"
    still_works
}

@test "stages: missing stage, missing base, target that is not there" {
    refuses 'FROM busybox AS a\nFROM busybox\nCOPY --from=5 /x /y\n' "Dockerfile:3:" 5
    refuses 'FROM 127.0.0.1:9/nobody/there:1\n' "127.0.0.1:9"
}

@test "COPY of what is not there is named at its column" {
    refuses 'FROM busybox\nCOPY nothing /x\n' "Dockerfile:2:6" nothing
    refuses 'FROM busybox AS a\nFROM busybox\nCOPY --from=a /nothing /x\n' "Dockerfile:3:" /nothing
    refuses 'FROM busybox\nCOPY --chown=ghost Dockerfile /x\n' "Dockerfile:2:" ghost
    refuses 'FROM busybox\nRUN mkdir /d\nCOPY Dockerfile /d/f\nCOPY Dockerfile /d/f/g\n' "Dockerfile:4:"
}

@test "a device in a context is refused by name" {
    mknod "$CONTEXT/device" c 1 3
    refuses 'FROM busybox\nCOPY . /x\n' device
    rm "$CONTEXT/device"
    still_works
}

@test "archives: truncated, corrupt, not an archive" {
    head -c 100000 "$FIXTURES/busybox.tar" >"$DIR/truncated.tar"
    head -c 4096 /dev/urandom >"$DIR/garbage.tar"
    gzip -c "$FIXTURES/busybox.tar" | head -c 50000 >"$DIR/truncated.tar.gz"
    : >"$DIR/empty.tar"
    for f in truncated.tar garbage.tar truncated.tar.gz empty.tar missing.tar; do
        run as ranged kiln import "$DIR/$f" broken
        [ "$status" -eq 1 ]
        [[ $output == *"$f"* ]]
        run as ranged kiln load -i "$DIR/$f"
        [ "$status" -eq 1 ]
        [[ $output == *"$f"* ]]
    done
    run as ranged kiln inspect broken
    [ "$status" -ne 0 ]
    assert_clean "$KILN_IT/store-ranged"
    still_works
}

@test "a blob that is not what its digest says" {
    printf 'FROM busybox\nRUN echo x > /x\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    build ranged -o "type=oci,dest=$DIR/good.tar" "$CONTEXT"
    mkdir "$DIR/layout"
    tar -C "$DIR/layout" -xf "$DIR/good.tar"
    blob=$(find "$DIR/layout/blobs/sha256" -size +100k | head -1)
    printf 'X' | dd of="$blob" bs=1 seek=5000 conv=notrunc status=none
    fresh_store ranged
    run as ranged kiln load -i "$DIR/layout"
    [ "$status" -eq 1 ]
    [[ $output == *"$(basename "$blob")"* || $output == *digest* ]]
    run as ranged kiln images -q
    [ -z "$output" ]
    rm "$blob"
    run as ranged kiln load -i "$DIR/layout"
    [ "$status" -eq 1 ]
}

# One layer with the entries that the Python code gives it, as a rootfs tar.
hostile_tar() { # CODE
    python3 - "$DIR/hostile.tar" <<END
import io, sys, tarfile
t = tarfile.open(sys.argv[1], "w")
def add(name, kind=tarfile.REGTYPE, link="", data=b"x"):
    i = tarfile.TarInfo(name); i.type = kind; i.linkname = link
    i.size = len(data) if kind == tarfile.REGTYPE else 0
    t.addfile(i, io.BytesIO(data) if kind == tarfile.REGTYPE else None)
$1
t.close()
END
}

@test "layers: ../ is refused, absolute names and links stay inside, a device is accepted" {
    fresh_store ranged
    rm -f /tmp/kiln-escaped
    hostile_tar 'add("../../../../../../tmp/kiln-escaped")'
    run as ranged kiln import "$DIR/hostile.tar" hostile
    [ "$status" -eq 1 ]
    [[ $output == *".."* ]]
    hostile_tar 'add("link", tarfile.SYMTYPE, "/tmp"); add("link/kiln-escaped"); add("up", tarfile.SYMTYPE, "../../../../tmp"); add("up/kiln-escaped2"); add("/abs/file"); add("null", tarfile.CHRTYPE)'
    run as ranged kiln import "$DIR/hostile.tar" hostile
    [ "$status" -eq 0 ]
    [ ! -e /tmp/kiln-escaped ]
    [ ! -e /tmp/kiln-escaped2 ]
    hostile_tar 'add("hard", tarfile.LNKTYPE, "../../../../../../etc/passwd")'
    run as ranged kiln import "$DIR/hostile.tar" hostile2
    [ "$status" -eq 1 ]
}

@test "a full disk: one error, and what was there still works" {
    mkdir "$DIR/small"
    mount -t tmpfs -o size=24m none "$DIR/small"
    own ranged "$DIR/small"
    chmod 700 "$DIR/small"
    KILN_ROOT=$DIR/small/store
    export KILN_ROOT
    as ranged kiln import "$FIXTURES/busybox.tar" busybox
    printf 'FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=64\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    run build ranged "$CONTEXT"
    first=$status
    first_output=$output
    truncate -s 64M "$CONTEXT/big"
    head -c 40000000 /dev/urandom >"$CONTEXT/big"
    own ranged "$CONTEXT"
    printf 'FROM busybox\nCOPY big /big\n' >"$CONTEXT/Dockerfile"
    run build ranged "$CONTEXT"
    second=$status
    second_output=$output
    rm "$CONTEXT/big"
    printf 'FROM busybox\nRUN echo works\n' >"$CONTEXT/Dockerfile"
    run build ranged "$CONTEXT"
    third=$status
    umount "$DIR/small"
    [ "$first" -eq 1 ]
    [[ $first_output == *"No space left"* ]]
    [ "$second" -eq 1 ]
    [[ $second_output == *"o space left"* || $second_output == *"full"* ]]
    [ "$third" -eq 0 ]
}

@test "no permission on the store, or on the output" {
    mkdir -p "$DIR/readonly"
    chown root: "$DIR/readonly"
    chmod 755 "$DIR/readonly"
    printf 'FROM busybox\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    run as ranged kiln build --root "$DIR/readonly/store" "$CONTEXT"
    [ "$status" -eq 3 ]
    [[ $output == *"$DIR/readonly"* ]]
    run build ranged -o "type=oci,dest=$DIR/readonly/a.tar" "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *"$DIR/readonly/a.tar"* ]]
}

@test "a store of another user or id map is refused" {
    chmod 755 "$KILN_IT/store-root" 2>/dev/null || true
    fresh_store ranged busybox=busybox
    run as root env KILN_ROOT="$KILN_ROOT" kiln images
    [ "$status" -eq 3 ]
    [[ $output == *"$KILN_ROOT"* ]]
    chmod 700 "$KILN_IT/store-root"
}

@test "a host without user namespaces: exit 3, the reason, and what mends it" {
    printf 'FROM busybox\nRUN true\n' >"$CONTEXT/Dockerfile"
    own single "$CONTEXT"
    DIR=$(workdir single)
    confined=(python3 "$BATS_TEST_DIRNAME/fixtures/no-user-namespaces.py" "$(id -u kiln-single)" "$(id -g kiln-single)"
        env HOME="$DIR" KILN_ROOT="$DIR/store" KILN_LIBEXEC="$KILN_IT/bin")
    run "${confined[@]}" kiln build --isolation=userns "$CONTEXT"
    [ "$status" -eq 3 ]
    [[ $output == *max_user_namespaces* ]]
    [ ! -e "$DIR/store" ]
    run "${confined[@]}" kiln doctor
    [ "$status" -eq 0 ] || [ "$status" -eq 3 ] # whether proot stands in
    [[ $output == *max_user_namespaces* ]]
}

@test "usage: unknown flags and commands, exit 2" {
    run as ranged kiln build --no-cash .
    [ "$status" -eq 2 ]
    [[ $output == *"no-cash"* ]]
    run as ranged kiln bild
    [ "$status" -eq 2 ]
    run as ranged kiln build -t 'Not A Name' "$CONTEXT"
    [ "$status" -eq 2 ]
    run as ranged kiln build "$DIR/nowhere"
    [ "$status" -eq 2 ]
    [[ $output == *nowhere* ]]
    run as ranged kiln build -o type=zip,dest=x "$CONTEXT"
    [ "$status" -eq 2 ]
}
