#!/bin/sh
# Makes the image that everything else is built on here: Debian bookworm with Python, from Debian's own packages.
# It trusts whom this machine trusts, so that pip and apt work in it wherever they work here.
# usage: base.sh IMAGE FOLDER
set -eu
image=$1
folder=$2

if podman image exists "$image"; then exit 0; fi
rm -rf "$folder"
mirror=$(sed -n 's/^URIs: *\([^ ]*\/debian\) *$/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$folder" \
    ${mirror:+"$mirror"} > "$folder.log" 2>&1 || { tail -n 20 "$folder.log" >&2; exit 1; }
rm -rf "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/*
cp /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/ca-certificates.crt"
printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' > "$folder/etc/pip.conf"
cp /etc/apt/apt.conf.d/99* "$folder/etc/apt/apt.conf.d/" 2>/dev/null || true
tar -C "$folder" -c . | podman import --quiet - "$image" > /dev/null
rm -rf "$folder"
