#!/bin/sh
# A PostgreSQL of our own on a private socket. usage: postgis.sh FOLDER start|stop
set -eu
folder=$1
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
as=
[ "$(id -u)" != 0 ] || as='setpriv --reuid=postgres --regid=postgres --clear-groups'
if [ "$2" = stop ]; then
    $as "$bin/pg_ctl" -D "$folder/data" -m fast -w stop >/dev/null
    exit
fi
chmod 755 "$(dirname "$folder")"
mkdir -p "$folder"
[ -z "$as" ] || chown postgres "$folder"
cd "$folder"
$as "$bin/initdb" -D "$folder/data" -A trust -U postgres >/dev/null
$as "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w -o "-c listen_addresses='' -k $folder -c shared_buffers=1GB -c jit=off -c random_page_cost=1.1" start >/dev/null
