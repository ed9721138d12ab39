#!/bin/sh
# Runs Mosquitto, and has it read the files that Keyseed writes again within a second of every change to them, which
# also ends the sessions of devices that may no longer sign in.
#
# It stands in Mosquitto's own container because no other one can send it the signal: a container sees its own
# processes only, so Mosquitto's pid file means nothing to the jobs worker. Sharing the process ids instead
# (`pid: "service:mosquitto"`) would let the part that faces the devices look into the one that holds the keys.
set -eu
config=${1:-/mosquitto/config/mosquitto.conf}
files=$(awk '$1 ~ /^(password_file|acl_file|cafile|crlfile)$/ { print $2 }' "$config")

# Keyseed puts a new file in the old one's place, so the inode changes, and the time in nanoseconds.
# shellcheck disable=SC2086
state() { stat -c '%i %y' $files 2>/dev/null || true; }

seen=$(state)
mosquitto -c "$config" &
broker=$!
trap 'kill -TERM "$broker"' TERM INT
trap 'kill -HUP "$broker"' HUP

while sleep 0.5 && kill -0 "$broker" 2>/dev/null; do
    now=$(state)
    if [ "$now" != "$seen" ]; then
        seen=$now
        kill -HUP "$broker"
    fi
done
wait "$broker"
