#!/usr/bin/env bats
# Many steps, many layers: what a step costs does not depend on how many there are. System calls are counted, not
# seconds: they are the same on a busy machine.

load lib

setup() {
    command -v strace >/dev/null || { echo "strace is missing: scripts/install-deps" >&2; return 1; }
}

# A context with a Dockerfile of so many cheap steps.
write_steps() { # DIRECTORY STEPS
    local i
    mkdir -p "$1"
    echo "FROM scratch" >"$1/Dockerfile"
    for ((i = 0; i < $2; i += 2)); do
        echo "$i" >"$1/f$i"
        printf 'COPY f%s /d/f%s\nWORKDIR /w%s\n' "$i" "$i" "$i" >>"$1/Dockerfile"
    done
}

# Builds, and prints the system calls on files, sockets and descriptors of all three processes. Those for memory and
# threads are left out: the sanitizers make some. What looks at the whole store when the build is over is no part of it.
calls_of_build() { # ROLE CONTEXT
    local counts
    counts=$(workdir "$1")/counts
    as "$1" strace -f -c -e trace=%file,%desc,%network -o "$counts" kiln build -q --keep-storage unlimited "$2" >&2
    awk '$NF == "total" { print $4 }' "$counts"
}

check_steps() { # ROLE
    local role=$1 n dir cold=() cached=()
    fresh_store "$role"
    dir=$(workdir "$role")
    for n in 100 300 500; do
        write_steps "$dir/$n" "$n"
        own "$role" "$dir/$n"
    done
    for n in 100 300 500; do
        export KILN_ROOT=$dir/store-$n # else the first steps would be those of the build before
        cold+=("$(calls_of_build "$role" "$dir/$n")")
        cached+=("$(calls_of_build "$role" "$dir/$n")")
    done
    echo "cold: ${cold[*]}; cached: ${cached[*]}"
    local first last
    first=$(((cached[1] - cached[0]) / 200))
    last=$(((cached[2] - cached[1]) / 200))
    ((last <= first + 1 && last <= 11)) # 5 of them are the look whether the layer is whole
    first=$(((cold[1] - cold[0]) / 200))
    last=$(((cold[2] - cold[1]) / 200))
    ((last <= first + first / 10 + 1))
}

@test "a step of a long Dockerfile costs as much as one of a short one [single]" {
    check_steps single
}

@test "a step of a long Dockerfile costs as much as one of a short one [root]" {
    check_steps root
}

@test "a rebuild of which all is cached waits for no disk" {
    local dir
    fresh_store root
    dir=$(workdir root)
    write_steps "$dir/context" 4
    as root kiln build -q "$dir/context"
    as root kiln build -q "$dir/context" # writes through what the first one has left in the log
    as root strace -f -e trace=fsync,fdatasync,syncfs,sync,sync_file_range -o "$dir/calls" kiln build -q "$dir/context"
    ! grep sync "$dir/calls"
    as root strace -f -e trace=syncfs -o "$dir/calls" kiln build -q --no-cache "$dir/context"
    grep -q syncfs "$dir/calls"
}

@test "a store of many layers is as fast as an empty one" {
    local dir before after
    fresh_store root
    dir=$(workdir root)
    write_steps "$dir/context" 20
    write_steps "$dir/other" 22
    before="$(calls_of_build root "$dir/context") $(calls_of_build root "$dir/context")"
    as root fill-store "$KILN_ROOT" 3000
    [ "$(find "$KILN_ROOT/layers" -mindepth 1 -maxdepth 1 | wc -l)" -ge 3000 ]
    after="$(calls_of_build root "$dir/context")"
    echo "before: $before; after: $after"
    # the tables have become some pages larger: far from a call for each of the 3000
    ((after <= ${before#* } * 11 / 10))
    run build root --no-cache "$dir/other"
    [ "$status" -eq 0 ]
}

@test "an image of more layers than the kernel mounts can be saved, loaded, cached elsewhere and built on" {
    local dir
    fresh_store root
    dir=$(workdir root)
    write_steps "$dir/context" 1100
    as root kiln build -q -t many --cache-to "type=local,dest=$dir/cache" "$dir/context"
    as root kiln save -o "$dir/many.tar" many
    export KILN_ROOT=$dir/store-load
    as root kiln load -i "$dir/many.tar"
    printf 'FROM many\nRUN ["/no/such/program"]\n' >"$dir/Dockerfile" # it is mounted
    run build root -f "$dir/Dockerfile" "$dir/context"
    [ "$status" -eq 1 ]
    [[ $output == *"/no/such/program"* ]]
    export KILN_ROOT=$dir/store-cache
    run build root --cache-from "type=local,src=$dir/cache" "$dir/context"
    [ "$status" -eq 0 ]
    [ "$(cached)" -eq 1100 ]
}
