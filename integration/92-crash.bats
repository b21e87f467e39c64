#!/usr/bin/env bats
# What goes wrong in the middle: kills, full disks, power cuts, damaged disks. The next build is right, nothing is
# left, and nothing has to be repaired; what was damaged is never used silently.

setup() {
    load lib
    CRASH=$BATS_TEST_DIRNAME/../scripts/crash
}

crash() { # ARGUMENTS…: as all three roles in turn
    export KILN_FIXTURES=$FIXTURES
    run "$CRASH" --bin "$KILN_IT/bin" --user kiln-ranged --user kiln-single --user root "$@"
    echo "$output"
    [ "$status" -eq 0 ]
}

# A store in which the image "made" was built: one layer of a COPY, one of a RUN, one of a RUN on top.
made_store() { # ROLE
    DIR=$(workdir "$1")
    fresh_store "$1" busybox=busybox:latest
    rm -rf "$DIR/context"
    mkdir "$DIR/context"
    echo first >"$DIR/context/file"
    echo gone >"$DIR/context/gone"
    ln -s file "$DIR/context/link"
    cat >"$DIR/Dockerfile" <<'END_OF_FILE'
FROM busybox
COPY . /copied/
RUN echo run >/made; chmod 640 /made; ln /made /linked; mkfifo /fifo; rm /copied/gone
RUN echo top >/top
END_OF_FILE
    own "$1" "$DIR/context"
    # unlimited: nothing opens the store once more when the build is over, and takes what a test does to it for a crash
    build "$1" -t made -f "$DIR/Dockerfile" --keep-storage unlimited "$DIR/context"
}

rebuild() { # ROLE
    run build "$1" -t made -f "$DIR/Dockerfile" -o "type=oci,dest=$DIR/image.tar" "$DIR/context"
    [ "$status" -eq 0 ] || { echo "$output"; return 1; }
}

# The layer directory that holds this path.
layer_with() { # PATH
    local dir
    for dir in "$KILN_ROOT"/layers/*; do
        [ ! -e "$dir/$1" ] || echo "$dir"
    done | sort -V | tail -1
}

# Makes something of the file without changing its length or times.
scribble() { # FILE
    touch -r "$1" "$BATS_TEST_TMPDIR/times"
    printf X | dd of="$1" bs=1 seek="${2:-0}" conv=notrunc status=none
    touch -r "$BATS_TEST_TMPDIR/times" "$1"
}

# fsck finds it, says so and changes nothing; repairs it; and the next build is right.
assert_found() { # ROLE TEXT
    run as "$1" kiln fsck
    echo "$output"
    [ "$status" -eq 1 ]
    [[ $output == *"$2"* ]]
    run as "$1" kiln fsck --repair
    [ "$status" -eq 0 ]
    [[ $output == *"$2"*repaired* ]]
    run as "$1" kiln fsck
    [ "$status" -eq 0 ]
    [[ $output == *"all is well"* ]]
}

assert_image() {
    local rootfs
    rootfs=$(unpack "$DIR/image.tar")
    [ "$(cat "$rootfs/copied/file" "$rootfs/made" "$rootfs/top")" = $'first\nrun\ntop' ]
    [ "$rootfs/made" -ef "$rootfs/linked" ]
    [ -p "$rootfs/fifo" ]
    rm -f "$DIR/image.tar"
}

# --- Kills and full disks ------------------------------------------------------------------------------

@test "SIGKILL at random instants: the next build is right, nothing is left" {
    crash 24
}

@test "no space left at random places: one clear error, the store is unharmed" {
    crash --fault space 12
    [[ $output =~ "ended it "[1-9] ]]
}

@test "no inodes left at random places: one clear error, the store is unharmed" {
    crash --fault inodes 12
    [[ $output =~ "ended it "[1-9] ]]
}

# --- fsck ----------------------------------------------------------------------------------------------

@test "no inodes left, at each place of a RUN in turn: one error that says so" {
    DIR=$(workdir root)
    mkdir "$DIR/disk" "$DIR/context"
    DIR=$DIR run unshare --mount --propagation private bash -euc '
        . "$1"
        mount -t tmpfs -o nr_inodes=100000 disk "$DIR/disk"
        export KILN_ROOT=$DIR/disk/store
        as root kiln import "$FIXTURES/busybox.tar" busybox >/dev/null
        for ((n = 0; n < 100; n++)); do # so many more than there are
            printf "FROM busybox\nRUN echo %s >/a\n" "$n" >"$DIR/context/Dockerfile"
            mount -o "remount,nr_inodes=$(($(df --output=iused "$DIR/disk" | tail -1) + n))" "$DIR/disk"
            as root kiln build --network=host --keep-storage unlimited "$DIR/context" >"$DIR/out" 2>&1 && break
            mount -o remount,nr_inodes=100000 "$DIR/disk"
            grep -q "^ERROR: .*No space left on device" "$DIR/out" && [ "$(grep -c ^ERROR: "$DIR/out")" -eq 1 ] ||
                { cat "$DIR/out"; exit 1; }
        done
        echo "$n"' - "$BATS_TEST_DIRNAME/lib.bash"
    echo "$output"
    [ "$status" -eq 0 ]
    ((output > 8 && output < 100))
}

@test "fsck: a store as it should be, as everybody" {
    for role in ranged single root; do
        made_store "$role"
        run as "$role" kiln fsck
        echo "$output"
        [ "$status" -eq 0 ]
        [[ $output == *"4 layers, "*" 2 images, 3 step records: all is well"* ]]
        as "$role" kiln reset -f
        rm -r "$DIR/context"
    done
}

@test "fsck finds what was changed in a layer's directory, and --repair lets it be built again" {
    for role in ranged single root; do
        made_store "$role"
        local damage=(
            'scribble "$(layer_with copied/file)/copied/file"|/copied/file has another content'
            'scribble "$(layer_with made)/made"|the content of a file has changed'
            'echo more >>"$(layer_with made)/made"|/made has 9 bytes in place of 4'
            'chmod 600 "$(layer_with made)/made"|/made has mode 0600 in place of 0640'
            'rm "$(layer_with top)/top"|/top is missing'
            'echo >"$(layer_with top)/extra"|/extra was not in the layer'
            'ln -sfn other "$(layer_with copied/link)/copied/link"|/copied/link links to another path'
            'rm "$(layer_with fifo)/fifo"; mkdir "$(layer_with made)/fifo"|/fifo is a file of another type'
            'setfattr -n user.mark -v x "$(layer_with top)/top"|/top has the extended attribute user.mark'
            'cp -p --remove-destination "$(layer_with made)/made" "$(layer_with made)/linked"|is no longer a hard link'
            'rm -r "$(layer_with top)"|cannot be opened'
        )
        [ "$role" = ranged ] || damage=("${damage[@]:0:3}") # takes long enough
        for case in "${damage[@]}"; do
            eval "${case%|*}"
            assert_found "$role" "${case##*|}"
            rebuild "$role"
            assert_image
        done
        as "$role" kiln reset -f
        rm -r "$DIR/context"
    done
}

@test "fsck finds damaged blobs and manifests, and what belongs to nothing" {
    made_store ranged
    rebuild ranged
    blob=$(find "$KILN_ROOT/blobs/sha256" -size +100k | head -1)
    scribble "$blob" 1000
    assert_found ranged "${blob##*/} has another content"
    rm "$(find "$KILN_ROOT/blobs/sha256" -type f | head -1)"
    assert_found ranged "is missing"
    as ranged kiln import "$FIXTURES/busybox.tar" busybox:latest
    rebuild ranged
    scribble "$(ls -d "$KILN_ROOT"/manifests/* | sort -V | tail -1)" 40
    assert_found ranged "layer "
    mkdir "$KILN_ROOT/layers/99"
    echo >"$KILN_ROOT/blobs/sha256/$(printf '0%.0s' {1..64})"
    run as ranged kiln fsck
    [ "$status" -eq 1 ]
    [[ $output == *"layers/99 belongs to nothing"*"blobs/sha256/000"*"belongs to nothing"* ]]
    assert_found ranged "layers/99 belongs to nothing"
    as ranged kiln import "$FIXTURES/busybox.tar" busybox:latest
    rebuild ranged
    assert_image
}

@test "fsck: damaged base images go, and the error says what to do" {
    made_store ranged
    rm "$KILN_ROOT/layers/1/bin/busybox"
    run as ranged kiln fsck
    [ "$status" -eq 1 ]
    echo "$output"
    [[ $output == *"layer 1 (image docker.io/library/busybox:latest): /bin/busybox is missing"* ]]
    as ranged kiln fsck --repair
    run build ranged --pull=never -f "$DIR/Dockerfile" "$DIR/context"
    [ "$status" -eq 1 ]
    [[ $output == *"docker.io/library/busybox:latest is not in the store"* ]]
    as ranged kiln import "$FIXTURES/busybox.tar" busybox:latest
    rebuild ranged
    assert_image
}

@test "fsck of what it cannot look at: a torn database, another kiln at work, a bad flag" {
    made_store ranged
    run as ranged kiln fsck --mend
    [ "$status" -eq 2 ]
    run as ranged kiln fsck store
    [ "$status" -eq 2 ]
    printf 'FROM busybox\nRUN touch /up; sleep 30\n' >"$DIR/slow"
    as ranged kiln build -f "$DIR/slow" "$DIR/context" 3>&- >/dev/null 2>&1 &
    job=$!
    until compgen -G "$KILN_ROOT/tmp/*/*/upper/up" >/dev/null; do sleep 0.05; done
    run as ranged kiln fsck # beside a build
    [ "$status" -eq 0 ]
    run as ranged kiln fsck --repair
    [ "$status" -eq 1 ]
    [[ $output == *"another kiln is using the store"* ]]
    kill -INT "$(pgrep -P "$job" -x kiln || echo "$job")" || true
    wait "$job" || true
    until as ranged kiln fsck --repair; do sleep 0.1; done
    head -c 100000 /dev/urandom | dd of="$KILN_ROOT/store.db" conv=notrunc status=none
    run as ranged kiln fsck
    [ "$status" -eq 1 ]
    [[ $output == *"store.db"*"kiln reset"* ]]
}

# --- Damage that is met in a build -----------------------------------------------------------------------

@test "a torn manifest, one of another machine's disk, a layer that is gone: the step is built again" {
    made_store ranged
    local damage=(
        ': >"$KILN_ROOT/manifests/$N"'
        'truncate -s -1 "$KILN_ROOT/manifests/$N"'
        'head -c "$(stat -c %s "$KILN_ROOT/manifests/$N")" /dev/zero >"$KILN_ROOT/manifests/$N"'
        'rm "$KILN_ROOT/manifests/$N"'
        'rm -r "$KILN_ROOT/layers/$N"'
        'scribble "$KILN_ROOT/manifests/$N" 45' # is seen when it is read: then there is a second try
    )
    for case in "${damage[@]}"; do
        N=$(layer_with made)
        N=${N##*/}
        eval "$case"
        echo "RUN echo $RANDOM$RANDOM >/more" >>"$DIR/Dockerfile" # needs what is below
        rebuild ranged
        echo "$case: $output"
        is_cached "COPY . /copied/"
        [ "$(grep -cF "RUN echo run >/made" <<<"$output")" -eq 2 ] || refute is_cached "RUN echo run >/made"
        assert_image
        as ranged kiln fsck --repair
    done
}

@test "a file of a layer was altered: its image is not made of that" {
    made_store ranged
    scribble "$(layer_with top)/top"
    rebuild ranged # makes the blob, for which the tar is written once more
    [[ $output == *"is damaged and is made again"* ]]
    assert_image
}

@test "a damaged base is an error that says what to do, and can be had again" {
    made_store ranged
    : >"$KILN_ROOT/manifests/1"
    run build ranged --pull=never -f "$DIR/Dockerfile" "$DIR/context"
    [ "$status" -eq 1 ]
    [ "$(grep -c '^ERROR: .*busybox:latest is damaged in the store.*pull, load or import' <<<"$output")" -eq 1 ]
    as ranged kiln import "$FIXTURES/busybox.tar" busybox:latest
    rebuild ranged
    assert_image
}

# --- The machine went down -----------------------------------------------------------------------------

# As a build of another boot that never came to its syncfs leaves them: layers after N, and what was made with them.
unconfirm() { # ROLE N
    as "$1" /usr/bin/python3 - "$KILN_ROOT/store.db" "$2" <<'END'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
while db.execute("SELECT 1 FROM images WHERE boot <> 0").fetchone():
    pass  # the build is confirming them
boot = db.execute("INSERT INTO boots (boot) VALUES ('before')").lastrowid
n = int(sys.argv[2])
db.execute("UPDATE layers SET boot = ? WHERE id > ?", (boot, n))
db.execute("UPDATE records SET boot = ? WHERE layer > ?", (boot, n))
db.execute("UPDATE images SET boot = ? WHERE id IN (SELECT image FROM image_layers WHERE layer > ?)", (boot, n))
db.execute("UPDATE blobs SET boot = ? WHERE digest NOT IN (SELECT id FROM images WHERE boot = 0)", (boot,))
db.commit()
END
}

@test "power fails before the disk has it all: what may be torn is built again, the rest is cached" {
    for role in ranged single root; do
        made_store "$role"
        unconfirm "$role" 2
        for n in 3 4; do # as ext4's delayed allocation leaves what it had not written
            : >"$KILN_ROOT/manifests/$n"
            find "$KILN_ROOT/layers/$n" -type f -exec truncate -s 0 {} +
        done
        rebuild "$role"
        is_cached "COPY . /copied/"
        refute is_cached "RUN echo run >/made"
        assert_image
        run as "$role" kiln fsck
        echo "$output"
        [ "$status" -eq 0 ]
        as "$role" kiln reset -f
        rm -r "$DIR/context"
    done
}

@test "power fails and nothing was confirmed: the store is empty, and works" {
    made_store ranged
    unconfirm ranged 0
    for n in 1 2 3 4; do
        : >"$KILN_ROOT/manifests/$n"
    done
    run as ranged kiln fsck
    [ "$status" -eq 0 ]
    [[ $output == *"0 layers, 0 blobs"* ]]
    as ranged kiln import "$FIXTURES/busybox.tar" busybox:latest
    rebuild ranged
    assert_image
}

# --- Clocks and read-only disks --------------------------------------------------------------------------

@test "the clock was set back: records of the future count, and a changed file is seen" {
    made_store ranged
    as ranged /usr/bin/python3 - "$KILN_ROOT/store.db" <<'END'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for table in "layers", "images", "records":
    db.execute(f"UPDATE {table} SET created = created + 864000")
db.commit()
END
    find "$KILN_ROOT/index" "$DIR/context" -exec touch -h -d '+10 days' {} +
    rebuild ranged
    is_cached "COPY . /copied/"
    is_cached "RUN echo top >/top"
    assert_image
    echo other >"$DIR/context/file"
    rebuild ranged
    refute is_cached "COPY . /copied/"
    echo fresh >"$DIR/context/file" # as long as before
    touch -r "$DIR/context/gone" "$DIR/context/file"
    rebuild ranged
    refute is_cached "COPY . /copied/"
    [ "$(cat "$(unpack "$DIR/image.tar")/copied/file")" = fresh ]
}

@test "a store that cannot be written: one clear error, exit code 3, and nothing is harmed" {
    made_store ranged
    echo changed >"$DIR/context/file"
    run unshare --mount bash -c 'mount --bind "$KILN_ROOT" "$KILN_ROOT" && mount -o remount,ro,bind "$KILN_ROOT" &&
        . "$0" && build ranged -f "$1/Dockerfile" "$1/context"' "$BATS_TEST_DIRNAME/lib.bash" "$DIR"
    echo "$output"
    [ "$status" -eq 3 ]
    [ "$(grep -c '^ERROR: ' <<<"$output")" -eq 1 ]
    [[ $output == *"$KILN_ROOT"*"Read-only file system"*"--root or KILN_ROOT"* ]]
    chown -R root: "$KILN_ROOT"
    run build ranged -f "$DIR/Dockerfile" "$DIR/context"
    echo "$output"
    [ "$status" -eq 3 ]
    [ "$(grep -c '^ERROR: ' <<<"$output")" -eq 1 ]
    [[ $output == *"Permission denied"*"--root or KILN_ROOT"* ]]
    chown -R kiln-ranged: "$KILN_ROOT"
    rebuild ranged
}

# --- Other versions --------------------------------------------------------------------------------------

@test "a store of a newer kiln is refused with a clear error, and stays as it is" {
    made_store ranged
    cp "$KILN_ROOT/version" "$DIR/version"
    sed -i 's/^kiln-store .*/kiln-store 99/' "$KILN_ROOT/version"
    for command in images fsck "build -f $DIR/Dockerfile $DIR/context"; do
        run as ranged kiln $command
        [ "$status" -eq 3 ]
        [[ $output == *"was made by a newer kiln (format 99, this one knows 1); upgrade kiln, or use another --root"* ]]
    done
    [ "$(head -1 "$KILN_ROOT/version")" = "kiln-store 99" ]
    cat "$DIR/version" >"$KILN_ROOT/version"
    as ranged /usr/bin/python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("PRAGMA user_version = 99")
db.commit()' "$KILN_ROOT/store.db"
    run as ranged kiln images
    echo "$output"
    [ "$status" -eq 3 ]
    [[ $output == *"store.db was made by a newer kiln (schema 99, this one knows "*"upgrade kiln, or use another --root"* ]]
}
