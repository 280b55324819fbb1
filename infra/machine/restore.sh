#!/bin/sh
# restore.sh ARCHIVE DATA: puts an archive of backup.sh in the place of Azurite's folder DATA.
#
# The checksum is looked at first, and the archive is unpacked beside DATA before Azurite is stopped. What was there stays as
# DATA.before-restore: remove it once you have seen that all is well.
#
#   STEMWORKS_STOP, STEMWORKS_START   commands that stop and start Azurite; they return once that has happened
set -eu

archive=${1:?usage: restore.sh ARCHIVE DATA}
data=${2:?usage: restore.sh ARCHIVE DATA}
stop=${STEMWORKS_STOP:?the command that stops Azurite}
start=${STEMWORKS_START:?the command that starts Azurite}

data=${data%/}
fresh=$data.restoring
old=$data.before-restore
[ ! -e "$old" ] || { echo "restore: $old is there from an earlier restore; move it away" >&2; exit 1; }
(cd "$(dirname "$archive")" && sha256sum --check --quiet "$(basename "$archive").sha256")

rm -rf "$fresh"
mkdir -p "$fresh"
trap 'rm -rf "$fresh"' EXIT
tar -C "$fresh" -xpf "$archive"
[ -f "$fresh/__azurite_db_table__.json" ] || { echo "restore: $archive holds no folder of Azurite's" >&2; exit 1; }

sh -c "$stop"
[ ! -e "$data" ] || mv "$data" "$old"
mv "$fresh" "$data"
sh -c "$start"
echo "restored $archive"
