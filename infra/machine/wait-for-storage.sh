#!/bin/sh
# wait-for-storage.sh PORT…: returns once something listens on each of these ports of this machine, or fails after 60 s.
set -eu
for port; do
    left=240
    until python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)' "$port" 2>/dev/null; do
        left=$((left - 1))
        if [ "$left" -le 0 ]; then
            echo "nothing listens on port $port" >&2
            exit 1
        fi
        sleep 0.25
    done
done
