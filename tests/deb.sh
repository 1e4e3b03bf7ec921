#!/bin/sh
# Builds the Debian package from what is built. usage: deb.sh BUILD VERSION; prints the file's name.
set -eu
build=$1
version=$2
root=$build/deb/root
rm -rf "$build/deb"
make --no-print-directory -s install BUILD="$build" DESTDIR="$root" prefix=/usr >&2
mkdir -p "$root/DEBIAN"
# The packages of the libraries that the programs link.
libraries=$(ldd "$build/paidand" "$build/paidan" | awk '$3 ~ /^\// {print $3}' | sort -u | xargs -r -n1 readlink -f | sort -u |
    xargs dpkg-query -S 2>/dev/null | cut -d: -f1 | sort -u | paste -sd, | sed 's/,/, /g')
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$(dpkg --print-architecture)/" -e "s/@LIBRARIES@/$libraries/" \
    conf/debian/control >"$root/DEBIAN/control"
cp conf/debian/conffiles conf/debian/postinst conf/debian/prerm conf/debian/postrm "$root/DEBIAN/"
file=$build/paidan_${version}_$(dpkg --print-architecture).deb
dpkg-deb --root-owner-group --build "$root" "$file" >&2
echo "$file"
