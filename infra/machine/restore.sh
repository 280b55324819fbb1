#!/bin/sh
# restore.sh ARCHIVE DATA: puts an archive of backup.sh in the place of Azurite's folder DATA.
#
# The checksum is looked at first, and the archive is unpacked beside DATA before Azurite is stopped. What was there stays as
# DATA.before-restore: remove it once you have seen that all is well. If it fails half way, what was there is put back.
#
#   STEMWORKS_STOP, STEMWORKS_START   commands that stop and start Azurite; they return once that has happened
set -eu

archive=${1:?usage: restore.sh ARCHIVE DATA}
data=${2:?usage: restore.sh ARCHIVE DATA}
stop=${STEMWORKS_STOP:?the command that stops Azurite}
start=${STEMWORKS_START:?the command that starts Azurite}

fail() {
    echo "restore: $1" >&2
    exit 1
}

data=${data%/}
[ ! -d "$data" ] || data=$(cd "$data" && pwd -P) # behind a link, the folder is replaced, not the link
fresh=$data.restoring
old=$data.before-restore
mkdir -p "$(dirname "$data")"
exec 9>"$data.lock"
flock -n 9 || fail "another backup or restore of $data is at work"
[ ! -e "$old" ] || fail "$old is there from an earlier restore; move it away"
(cd "$(dirname "$archive")" && sha256sum --check --quiet "$(basename "$archive").sha256")

is_stopped=no
clean_up() {
    status=$?
    trap - EXIT INT TERM
    [ -e "$data" ] || [ ! -e "$old" ] || mv "$old" "$data" || status=1
    [ "$is_stopped" = no ] || sh -c "$start" 9>&- || status=1
    rm -rf "$fresh"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

rm -rf "$fresh"
mkdir "$fresh"
tar -C "$fresh" -xpf "$archive"
[ -f "$fresh/__azurite_db_table__.json" ] || fail "$archive holds no folder of Azurite's"

is_stopped=yes
sh -c "$stop" 9>&-
[ ! -e "$data" ] || mv "$data" "$old"
mv "$fresh" "$data"
sh -c "$start" 9>&-
is_stopped=no
echo "restored $archive"
