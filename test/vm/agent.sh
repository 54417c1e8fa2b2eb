#!/bin/bash
# Runs scripts for the host: reads lines `number seconds script`, answers `number status output errors`, the texts in
# base64. The first line it sends tells which boot this is.
exec 3<>/dev/virtio-ports/agent
echo "ready $(cat /proc/sys/kernel/random/boot_id)" >&3
directory=$(mktemp -d /tmp/vm-agent.XXXXXX)
while read -r number seconds script <&3; do
  base64 -d <<<"$script" >"$directory/script"
  # In a session of its own, away from our descriptor.
  setsid -w timeout -s KILL "$seconds" bash "$directory/script" </dev/null >"$directory/out" 2>"$directory/err" 3>&-
  status=$?
  echo "$number $status $(base64 -w0 "$directory/out")= $(base64 -w0 "$directory/err")=" >&3
done
