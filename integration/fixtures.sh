#!/usr/bin/env bash
# Makes the root file systems that the integration tests and the benchmark use as base images, in
# $KILN_FIXTURES (default /var/cache/kiln-fixtures), as plain tars. What is there already is kept. Needs root,
# busybox-static, mmdebstrap and a Debian mirror.
#
#   busybox.tar   one static binary and its links
#   debian.tar    Debian 12, minbase, with apt; /sbin/apk installs the Debian package of the same name
#   node.tar      Debian with nodejs and npm
#   nginx.tar     Debian with nginx, and nothing of node
#   python.tar    Debian with python3, pip and venv; pip installs from /opt/wheels alone
#   debs.tar      no root file system: .debs with system users and what they need beside debian.tar, and one of i386
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${KILN_FIXTURES:-/var/cache/kiln-fixtures}
mkdir -p "$out"
chmod 755 "$out"

make_busybox() {
    local tree
    tree=$(mktemp -d)
    mkdir -p "$tree"/{bin,etc,root,tmp,usr/bin,var}
    chmod 755 "$tree"
    chmod 1777 "$tree/tmp"
    chmod 700 "$tree/root"
    cp /bin/busybox "$tree/bin/busybox"
    local applet
    for applet in $(/bin/busybox --list); do
        [ "$applet" = busybox ] || ln -sf busybox "$tree/bin/$applet"
    done
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\napp:x:1000:1000::/home/app:/bin/sh\n' \
        >"$tree/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\napp:x:1000:\nextra:x:2000:app\n' >"$tree/etc/group"
    tar -C "$tree" --sort=name --mtime=@1700000000 --owner=0 --group=0 --numeric-owner -cf "$1" .
    rm -rf "$tree"
}

# The host's certificates, for registries behind a host-specific authority.
certificates=(--customize-hook='mkdir -p "$1/etc/ssl/certs"'
    --customize-hook='if [ -e /etc/ssl/certs/ca-certificates.crt ]; then cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"; fi')

bootstrap() { # TAR PACKAGES [mmdebstrap options …]
    local tar=$1 packages=$2
    shift 2
    mmdebstrap --quiet --variant=minbase --include="ca-certificates${packages:+,$packages}" \
        --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        "${certificates[@]}" "$@" bookworm "$tar" \
        'deb http://deb.debian.org/debian bookworm main' \
        'deb http://deb.debian.org/debian-security bookworm-security main'
}

make_debian() {
    bootstrap "$1" '' --customize-hook="upload $here/fixtures/apk /sbin/apk" \
        --customize-hook='chmod 755 "$1/sbin/apk"'
}

make_node() {
    bootstrap "$1" nodejs,npm \
        --customize-hook='echo "cafile=/etc/ssl/certs/ca-certificates.crt" > "$1/etc/npmrc"'
}

make_nginx() {
    bootstrap "$1" nginx-light
}

make_python() {
    local wheels
    wheels=$(mktemp -d)
    chmod 755 "$wheels"
    python3 "$here/fixtures/wheels.py" "$wheels"
    bootstrap "$1" python3,python3-pip,python3-venv \
        --customize-hook='rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED' \
        --customize-hook='ln -s python3 "$1/usr/bin/python"' \
        --customize-hook="copy-in $wheels /opt" \
        --customize-hook="mv \"\$1/opt/$(basename "$wheels")\" \"\$1/opt/wheels\"" \
        --customize-hook='printf "[global]\nno-index = true\nfind-links = /opt/wheels\nroot-user-action = ignore\n" > "$1/etc/pip.conf"'
    rm -rf "$wheels"
}

make_debs() { # from debian.tar, which must be there
    local tree
    tree=$(mktemp -d)
    tar -C "$tree" -xf "$out/debian.tar"
    cp /etc/resolv.conf "$tree/etc/resolv.conf"
    chroot "$tree" sh -ec '
        apt-get update -qq
        apt-get install -y -qq --download-only --no-install-recommends nginx-light postgresql openssh-server dbus cron \
            iputils-ping sudo adduser libcap2-bin
        dpkg --add-architecture i386
        apt-get update -qq || echo "going on with the lists that came"
        cd /var/cache/apt/archives
        apt-get download -qq busybox-static:i386' >/dev/null
    tar -C "$tree/var/cache/apt/archives" --sort=name --mtime=@1700000000 --owner=0 --group=0 --numeric-owner \
        --exclude=./partial --exclude=./lock -cf "$1" .
    rm -rf "$tree"
}

exec 9>"$out/lock"
flock 9 # another run may be making them

for name in ${*:-busybox debian node nginx python debs}; do
    [ -e "$out/$name.tar" ] && continue
    echo "fixture $name …"
    rm -f "$out/$name.tmp.tar"
    "make_$name" "$out/$name.tmp.tar"
    chmod 644 "$out/$name.tmp.tar"
    mv "$out/$name.tmp.tar" "$out/$name.tar"
done
