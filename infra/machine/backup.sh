#!/bin/sh
# backup.sh DATA BACKUPS: a consistent copy of Azurite's folder DATA as one archive, stemworks-TIME.tar, in the folder BACKUPS.
#
# Azurite holds its databases in memory and writes them down every five seconds, and when it is told to stop. So it is stopped;
# then its files get second names in a snapshot beside DATA (hard links: seconds, whatever their size), and it is started again.
# The archive is made from the snapshot: a started Azurite replaces its databases and begins new files, it changes no old one.
# DATA.lock keeps two backups, or a backup and a restore, from working at once.
#
#   STEMWORKS_STOP, STEMWORKS_START   commands that stop and start Azurite; they return once that has happened
#   STEMWORKS_KEEP                    how many archives stay (7)
set -eu

data=${1:?usage: backup.sh DATA BACKUPS}
backups=${2:?usage: backup.sh DATA BACKUPS}
stop=${STEMWORKS_STOP:?the command that stops Azurite}
start=${STEMWORKS_START:?the command that starts Azurite}
keep=${STEMWORKS_KEEP:-7}

fail() {
    echo "backup: $1" >&2
    exit 1
}

[ "$keep" -ge 1 ] 2>/dev/null || fail "STEMWORKS_KEEP is $keep, not 1 or more"
data=$(cd "$data" && pwd -P) # a link to the folder would be copied as a link
[ -f "$data/__azurite_db_table__.json" ] || fail "$data is not a folder of Azurite's"
mkdir -p "$backups"
backups=$(cd "$backups" && pwd -P)
case $backups/ in "$data"/*) fail "$backups lies inside $data: each archive would hold all before it" ;; esac
exec 9>"$data.lock"
flock -n 9 || fail "another backup or restore of $data is at work"
snapshot=$data.snapshot
archive=$backups/stemworks-$(date -u +%Y%m%dT%H%M%SZ).tar

is_stopped=no
clean_up() {
    status=$?
    trap - EXIT INT TERM
    [ "$is_stopped" = no ] || sh -c "$start" 9>&- || status=1
    rm -rf "$snapshot" "$archive.partial"
    [ -e "$archive" ] || rm -f "$archive.sha256"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

rm -rf "$snapshot" "$backups"/stemworks-*.tar.partial # of one that the power cut off
is_stopped=yes
sh -c "$stop" 9>&-
cp -al "$data" "$snapshot"
sh -c "$start" 9>&-
is_stopped=no

(umask 077 && tar -C "$snapshot" -cf "$archive.partial" .)
checksum=$(sha256sum <"$archive.partial")
echo "${checksum%-}$(basename "$archive")" >"$archive.sha256"
sync "$archive.partial" "$archive.sha256"
mv "$archive.partial" "$archive"

# The names sort by time. An archive goes with its checksum.
ls "$backups" | grep '^stemworks-[0-9TZ]*\.tar$' | sort -r | tail -n "+$((keep + 1))" | while read -r old; do
    rm -f "$backups/$old" "$backups/$old.sha256"
done
echo "$archive"
