#!/usr/bin/env bats
# The digests of an unchanged context are remembered: a file that was changed is seen whatever its size and time say.

setup() {
    load lib
    fresh_store root
    DIR=$(workdir root)
}

# Everything happens in a mount namespace of its own: there CONTEXT is a directory, or a file system with such inodes.
on() { # KIND SCRIPT
    export DIR KILN_ROOT
    KIND=$1 unshare --mount --propagation private bash -euc '
        load() { :; }
        source "$0"
        mkdir -p "$DIR/context"
        case $KIND in
        fine) ;;
        seconds) # an inode of 128 bytes has no room for nanoseconds
            truncate -s 16M "$DIR/disk"
            mke2fs -q -F -t ext2 -I 128 "$DIR/disk"
            mount -o loop "$DIR/disk" "$DIR/context"
            rmdir "$DIR/context/lost+found" ;;
        esac
        cd "$DIR/context"
        # Builds the context; the image must hold what it holds now.
        seen() {
            rm -rf "$DIR/out" "$DIR/a.tar" && mkdir -p "$DIR/out/root"
            as root kiln build -q -f "$DIR/Dockerfile" -o "type=oci,dest=$DIR/a.tar" . >/dev/null
            tar -C "$DIR/out" -xf "$DIR/a.tar"
            manifest=$(jq -r ".manifests[0].digest" "$DIR/out/index.json")
            layer=$(jq -r ".layers[0].digest" "$DIR/out/blobs/${manifest/://}")
            tar -C "$DIR/out/root" -xf "$DIR/out/blobs/${layer/://}"
            diff -r . "$DIR/out/root"
        }
        printf "FROM scratch\nCOPY . /\n" >"$DIR/Dockerfile"
        '"$2" "$BATS_TEST_DIRNAME/lib.bash"
}

# Long enough for the index to believe what it has read.
AGE='age() { [ "$KIND" = fine ] && sleep 0.1 || sleep 2.2; }'

@test "written again in the same tick of the clock, with the same size" {
    for kind in fine seconds; do
        on $kind 'for i in 1 2 3 4 5; do echo "content $i" >file; seen; done'
        rm -rf "$DIR/context" "$DIR/disk"
    done
}

@test "another content with size and time of before: touch -r, cp -p, rename over" {
    for kind in fine seconds; do
        on $kind "$AGE"'
            echo one >file; touch -d 2001-02-03 file; age; seen; seen
            echo two >file; touch -d 2001-02-03 file; seen
            age; seen
            cp -p file "$DIR/saved"
            echo six >"$DIR/other"; touch -r "$DIR/saved" "$DIR/other"
            cp -p "$DIR/other" file; seen
            age; seen
            echo ten >new; touch -r "$DIR/saved" new; mv new file; seen
            age; seen
            exec 3<>file; printf "z" >&3; touch -d 2001-02-03 file; seen'
        rm -rf "$DIR/context" "$DIR/disk"
    done
}

@test "git checkout of another content with the same size" {
    command -v git
    for kind in fine seconds; do
        on $kind "$AGE"'
            export HOME=$DIR GIT_DIR=$DIR/git GIT_WORK_TREE=$DIR/context
            git init -q
            git config user.email it@example.com && git config user.name it
            echo one >file; git add file; git commit -qm one; git tag one
            echo two >file; git add file; git commit -qm two; git tag two
            for tag in one two one two; do git checkout -q $tag; touch -d 2001-02-03 file; seen; age; seen; done'
        rm -rf "$DIR/context" "$DIR/disk" "$DIR/git"
    done
}

@test "a file of the future, and one that is older than it was" {
    on fine "$AGE"'
        echo one >file; touch -d 2090-01-01 file; age; seen
        echo two >file; touch -d 2090-01-01 file; seen; age; seen
        echo six >file; touch -d 1999-01-01 file; seen'
}
