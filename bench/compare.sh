#!/bin/sh
# Measures wharfd and Debian's dockerd side by side in one run: bench/compare.sh path/to/engines.mjs [its options]
# Both start on roots, sockets and bridges of their own in a fresh directory; both are ended by their pids.
set -eu
here=$(dirname "$(readlink -f -- "$0")")/..
bench=$1
shift
work=$(mktemp -d /var/tmp/wharf-bench-XXXXXX)
"$here/node_modules/.bin/node" --disable-warning=ExperimentalWarning "$here/scripts/build-daemon.ts"
dockerd -H "unix://$work/docker.sock" --data-root "$work/docker" --exec-root "$work/docker-run" \
  --pidfile "$work/docker.pid" >"$work/dockerd.log" 2>&1 &
"$here/bin/wharfd" -H "unix://$work/wharf.sock" --data-root "$work/wharf" --exec-root "$work/wharf-run" \
  --pidfile "$work/wharf.pid" --bridge wharfbench --cgroup-parent /wharf-bench >"$work/wharfd.log" 2>&1 &
finish() {
  for engine in docker wharf; do
    pid=$(cat "$work/$engine.pid" 2>/dev/null) && kill "$pid" && while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  done
  rm -rf "$work"
  rmdir /sys/fs/cgroup/*/wharf-bench /sys/fs/cgroup/wharf-bench 2>/dev/null || true
  ip link delete wharfbench 2>/dev/null || true
}
trap finish EXIT
trap 'exit 130' INT TERM
for engine in docker wharf; do
  for _ in $(seq 100); do
    curl -sf --unix-socket "$work/$engine.sock" http://localhost/_ping >/dev/null && break
    sleep 0.1
  done
done
"$here/node_modules/.bin/node" "$bench" --engine "docker=unix://$work/docker.sock" --engine "wharf=unix://$work/wharf.sock" "$@"
