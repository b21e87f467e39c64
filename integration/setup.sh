#!/usr/bin/env bash
# Prepares the integration tests, as root: users, base file systems, the programs where all users reach them,
# and for each role a store with the bases. Run by ctest before the .bats files: setup.sh BUILD_DIRECTORY
set -euo pipefail

build=$1
here=$(cd "$(dirname "$0")" && pwd)
export KILN_IT=${KILN_IT:-/var/tmp/kiln-integration}
fixtures=${KILN_FIXTURES:-/var/cache/kiln-fixtures}

make_user() { # NAME [FIRST SUBORDINATE ID]
    id "$1" >/dev/null 2>&1 || useradd --no-create-home --home-dir "$KILN_IT/home-${1#kiln-}" --shell /bin/sh "$1"
    local file line=${2:+$1:$2:65536}
    for file in /etc/subuid /etc/subgid; do
        # tests of another checkout may be using what is right already
        [ -z "$line" ] || [ "$(grep "^$1:" "$file")" != "$line" ] || continue
        sed -i "/^$1:/d" "$file"
        [ -z "$line" ] || echo "$line" >>"$file"
    done
}

# A store of another run may belong to subordinate ids: only root can remove it without kiln.
rm -rf "$KILN_IT"
mkdir -p "$KILN_IT/bin"
chmod 755 "$KILN_IT" "$KILN_IT/bin"
touch /etc/subuid /etc/subgid
make_user kiln-ranged 1000000
make_user kiln-single
[ "$(stat -c %a /dev/net/tun 2>/dev/null)" = 666 ] || [ ! -e /dev/net/tun ] || mknod -m 666 "$KILN_IT/tun" c 10 200
cp "$build/kiln" "$build/kiln-builder" "$build/kiln-remote" "$build/refuse" "$build"/kiln-escape{,-interpreter} \
    "$build/fill-store" \
    "$KILN_IT/bin/"
for role in ranged single; do
    mkdir -p "$KILN_IT/home-$role"
    chown "kiln-$role:" "$KILN_IT/home-$role"
done

"$here/fixtures.sh"

# shellcheck source=integration/lib.bash
. "$here/lib.bash"
for role in ranged single root stranger; do
    mkdir -p "$KILN_IT/store-$role"
    own "$role" "$KILN_IT/store-$role"
    chmod 700 "$KILN_IT/store-$role"
    as "$role" kiln import "$fixtures/busybox.tar" busybox:latest >/dev/null
    as "$role" kiln import "$fixtures/debian.tar" debian:bookworm-slim >/dev/null
done
# The stand-ins for the bases that the lessons name.
for role in ranged single; do
    for name in ubuntu:latest alpine:latest; do
        as "$role" kiln tag debian:bookworm-slim "$name"
    done
    as "$role" kiln import --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' \
        --change 'CMD ["node"]' "$fixtures/node.tar" node:14 >/dev/null
    as "$role" kiln tag node:14 node:alpine
    as "$role" kiln import --change 'EXPOSE 80' --change 'CMD ["nginx", "-g", "daemon off;"]' \
        "$fixtures/nginx.tar" nginx:alpine >/dev/null
    as "$role" kiln import --change 'CMD ["python3"]' "$fixtures/python.tar" python:3.12-slim >/dev/null
    for name in python:3.7-alpine python:3.10.2-slim; do
        as "$role" kiln tag python:3.12-slim "$name"
    done
done
