#!/bin/sh
# Puts the files of this client kit in place. Run it as root, and again after each renewal.
#
#   sh install.sh                     on this machine
#   DESTDIR=/target sh install.sh     into another tree, such as an image
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
dest=${DESTDIR:-}

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

# apt fetches as user _apt, without any other group, so the key has to be that user's own.
# In another tree the number of the user can be another than here.
apt_user() {
    if [ -z "$dest" ]; then
        id -u _apt 2>/dev/null || true
    elif [ -r "$dest/etc/passwd" ]; then
        sed -n 's/^_apt:[^:]*:\([0-9][0-9]*\):.*/\1/p' "$dest/etc/passwd"
    fi
}

# stage MODE FILE: a complete copy beside the place of FILE, under a name that apt passes over.
stage() {
    install -m "$1" "$here/$2" "$dest/$(dirname "$2")/.$(basename "$2").new"
}

# place FILE...: a rename each, so that apt sees the old file or the new one.
place() {
    for file in "$@"; do
        mv -f "$dest/$(dirname "$file")/.$(basename "$file").new" "$dest/$file"
    done
}

root=yes
[ "$(id -u)" = 0 ] || root=no
[ "$root" = yes ] || [ -n "$dest" ] || fail "run this as root, or with DESTDIR for another tree"

key=etc/aptmirror/client.key
[ -e "$here/$key" ] || [ -e "$dest/$key" ] || fail "this kit has no key: put the one that the certificate was made for into $dest/$key"

install -d -m 0755 "$dest/etc/aptmirror" "$dest/etc/apt/apt.conf.d" "$dest/etc/apt/sources.list.d" "$dest/usr/share/keyrings"

# A keyring that a package of its repository has brought is newer than ours, or the same.
for keyring in "$here"/usr/share/keyrings/*.gpg; do
    name=usr/share/keyrings/$(basename "$keyring")
    if dpkg-query --admindir="$dest/var/lib/dpkg" -S "/$name" >/dev/null 2>&1; then
        continue
    fi
    stage 0644 "$name"
    place "$name"
done

stage 0644 etc/aptmirror/ca.pem
stage 0644 etc/aptmirror/client.pem
if [ -e "$here/$key" ]; then
    stage 0400 "$key"
    fresh=$dest/etc/aptmirror/.client.key.new
else
    fresh=$dest/$key
fi
user=$(apt_user)
if [ "$root" = yes ] && [ -n "$user" ]; then
    chown "$user:0" "$fresh"
    chmod 0400 "$fresh"
else
    echo "install.sh: $dest/$key is not the user _apt's yet: chown _apt:root it, mode 0400" >&2
fi
# Certificate and key change together, as nearly as two renames can.
place etc/aptmirror/ca.pem etc/aptmirror/client.pem
[ ! -e "$here/$key" ] || place "$key"

stage 0644 etc/apt/apt.conf.d/50aptmirror.conf
stage 0644 etc/apt/sources.list.d/aptmirror.sources
place etc/apt/apt.conf.d/50aptmirror.conf etc/apt/sources.list.d/aptmirror.sources

if [ -z "$dest" ]; then
    echo "Done. Next: apt-get update"
fi
