#!/bin/sh
# backup.sh DATA BACKUPS: a consistent copy of Azurite's folder DATA as one archive, stemworks-TIME.tar, in the folder BACKUPS.
#
# Azurite holds its databases in memory and writes them down every five seconds, and when it is told to stop. So it is stopped;
# then its files get second names in a snapshot beside DATA (hard links: seconds, whatever their size), and it is started again.
# The archive is made from the snapshot: a started Azurite replaces its databases and begins new files, it changes no old one.
#
#   STEMWORKS_STOP, STEMWORKS_START   commands that stop and start Azurite; they return once that has happened
#   STEMWORKS_KEEP                    how many archives stay (7)
set -eu

data=${1:?usage: backup.sh DATA BACKUPS}
backups=${2:?usage: backup.sh DATA BACKUPS}
stop=${STEMWORKS_STOP:?the command that stops Azurite}
start=${STEMWORKS_START:?the command that starts Azurite}
keep=${STEMWORKS_KEEP:-7}

data=$(cd "$data" && pwd)
[ -f "$data/__azurite_db_table__.json" ] || { echo "backup: $data is not a folder of Azurite's" >&2; exit 1; }
mkdir -p "$backups"
backups=$(cd "$backups" && pwd)
snapshot=$data.snapshot
archive=$backups/stemworks-$(date -u +%Y%m%dT%H%M%SZ).tar

is_stopped=no
clean_up() {
    status=$?
    trap - EXIT INT TERM
    [ "$is_stopped" = no ] || sh -c "$start" || status=1
    rm -rf "$snapshot" "$archive.partial"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

rm -rf "$snapshot"
is_stopped=yes
sh -c "$stop"
cp -al "$data" "$snapshot"
sh -c "$start"
is_stopped=no

tar -C "$snapshot" -cf "$archive.partial" .
(cd "$backups" && sha256sum <"$archive.partial" | sed "s/-\$/$(basename "$archive")/") >"$archive.sha256"
sync "$archive.partial" "$archive.sha256"
mv "$archive.partial" "$archive"

# The names sort by time. An archive goes with its checksum.
ls "$backups" | grep '^stemworks-[0-9TZ]*\.tar$' | sort -r | tail -n "+$((keep + 1))" | while read -r old; do
    rm -f "$backups/$old" "$backups/$old.sha256"
done
echo "$archive"
