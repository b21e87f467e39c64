#!/usr/bin/env bash
# The Debian package: what is in it, that its AppArmor profile parses where the parser is new enough, and that its
# maintainer scripts leave a host with an older one in peace. Installs nothing. As root: package.sh BUILD_DIRECTORY
set -euo pipefail

build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "package: $*" >&2
    exit 1
}

(cd "$build" && cpack -G DEB -B "$work/deb") >"$work/log" 2>&1 || fail "$(cat "$work/log")"
deb=$(echo "$work"/deb/*.deb)
dpkg-deb -x "$deb" "$work/tree"
dpkg-deb -e "$deb" "$work/control"
for file in usr/bin/kiln usr/libexec/kiln/kiln-builder usr/libexec/kiln/kiln-remote etc/apparmor.d/kiln; do
    [ -f "$work/tree/$file" ] || fail "no $file"
done
[ "$(cat "$work/control/conffiles")" = /etc/apparmor.d/kiln ] || fail "the profile is no conffile"

# --- The profile ---
profile=$work/tree/etc/apparmor.d/kiln
grep -q '/usr/{,local/}{bin/kiln,libexec/kiln/kiln-builder}' "$profile" || fail "paths of the profile"
parses() { # FILE
    apparmor_parser --skip-kernel-load --skip-cache --quiet "$1" >"$work/log" 2>&1
}
major=$(apparmor_parser --version | grep -oE '[0-9]+' | head -1)
if [ "$major" -ge 4 ]; then
    parses "$profile" || fail "$(cat "$work/log")"
else # what is new in it apart, it must parse here as well
    refuse=0
    parses "$profile" && refuse=1
    [ "$refuse" = 0 ] || fail "apparmor_parser $major takes userns; then the package may rely on it"
    sed -e '/^abi /d' -e '/^ *userns,$/d' "$profile" >"$work/old"
    parses "$work/old" || fail "$(cat "$work/log")"
fi

# --- The maintainer scripts, over an /etc/apparmor.d of their own ---
script() { # NAME ARGUMENT… (PARSER: a directory before the others in PATH)
    unshare -m bash -c 'mount --bind "$1" /etc/apparmor.d && shift && exec "$@"' - "$work/etc" \
        env PATH="${PARSER:+$PARSER:}$PATH" "$work/control/$1" "${@:2}"
}
link=$work/etc/disable/kiln
cp -r "$work/tree/etc/apparmor.d" "$work/etc"
mkdir "$work/old-parser" "$work/new-parser"
printf '#!/bin/sh\nexit 1\n' >"$work/old-parser/apparmor_parser"
printf '#!/bin/sh\necho "$@" >>%s\n' "$work/calls" >"$work/new-parser/apparmor_parser"
chmod 755 "$work"/*-parser/apparmor_parser
chmod 755 "$work"

PARSER=$work/old-parser script postinst configure
PARSER=$work/old-parser script postinst configure 0.1.0
[ "$(readlink "$link")" = /etc/apparmor.d/kiln ] || fail "an old parser: the profile is not disabled"
PARSER=$work/new-parser script postinst configure 0.1.0
[ ! -L "$link" ] || fail "a new parser: the profile is still disabled"
grep -q -- '--skip-kernel-load.*/etc/apparmor.d/kiln' "$work/calls" || fail "the new parser was not asked"
ln -s /dev/null "$link" # the administrator's own
PARSER=$work/new-parser script postinst configure 0.1.0
[ "$(readlink "$link")" = /dev/null ] || fail "the administrator's choice was undone"
rm "$link"
PARSER=$work/old-parser script postinst configure
script prerm remove
script postrm remove
[ ! -L "$link" ] || fail "a link is left behind"
script postrm purge
echo "package: good"
