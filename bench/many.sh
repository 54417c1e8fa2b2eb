#!/bin/sh
# A thousand containers on wharfd and on Debian's dockerd, one engine after the other: bench/many.sh [COUNT [dockerd's COUNT]]
# Both keep containers over a restart (--live-restore). Then attached clients, in turns. All of it in mount, network and
# process namespaces of its own, which end with it.
set -eu
if [ "${WHARF_BENCH_NAMESPACE:-}" != 1 ]; then
  export WHARF_BENCH_NAMESPACE=1
  status=0
  unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private -- "$0" "$@" || status=$?
  # What ended with the namespace could not remove its control groups.
  for parent in /sys/fs/cgroup/*/wharf-bench /sys/fs/cgroup/wharf-bench /sys/fs/cgroup/*/docker-bench /sys/fs/cgroup/docker-bench; do
    [ -d "$parent" ] && find "$parent" -depth -type d -exec rmdir {} +
  done
  exit $status
fi
ip link set lo up
here=$(dirname "$(readlink -f -- "$0")")/..
count=${1:-1000}
docker_count=${2:-$count}
work=$(mktemp -d /var/tmp/wharf-bench-XXXXXX)
node="$here/node_modules/.bin/node --disable-warning=ExperimentalWarning"
$node "$here/scripts/build-daemon.ts"
mkdir "$work/docker" "$work/wharf"
cat >"$work/docker/up" <<EOF
exec dockerd --live-restore -H unix://$work/docker/s --data-root $work/docker/data --exec-root $work/docker/run --pidfile $work/docker/pid --cgroup-parent /docker-bench
EOF
cat >"$work/wharf/up" <<EOF
exec $here/bin/wharfd --live-restore -H unix://$work/wharf/s --data-root $work/wharf/data --exec-root $work/wharf/run --pidfile $work/wharf/pid --bridge wharfbench --cgroup-parent /wharf-bench
EOF
up() {
  setsid sh "$work/$1/up" >>"$work/$1/log" 2>&1 </dev/null &
  for _ in $(seq 600); do
    curl -sf --unix-socket "$work/$1/s" http://localhost/_ping >/dev/null && return
    sleep 0.1
  done
  echo "$1 does not answer; its log ends so:" >&2
  tail "$work/$1/log" >&2
  exit 1
}
finish() {
  for mount in $(awk -v work="$work/" 'index($5, work) == 1 { print $5 }' /proc/self/mountinfo | sort -r); do umount -l "$mount"; done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM
mkdir -p "$work/image/bin"
cp /bin/busybox "$work/image/bin/busybox"
for applet in sh cat head sleep; do ln -s busybox "$work/image/bin/$applet"; done
tar -C "$work/image" -c bin >"$work/image.tar"
for engine in docker wharf; do
  up $engine
  own=$work/$engine
  curl -sf --unix-socket "$own/s" -H 'content-type: application/x-tar' --data-binary "@$work/image.tar" \
    "http://localhost/images/create?fromSrc=-&repo=bench&tag=latest" >/dev/null
  many=$count
  [ $engine = docker ] && many=$docker_count
  echo "== $engine, $many containers"
  $node "$here/bench/scale.ts" --socket "$own/s" --image bench --count "$many" --pidfile "$own/pid" \
    --restart "kill -9 \$(cat $own/pid); while kill -0 \$(cat $own/pid) 2>/dev/null; do sleep 0.01; done; rm -f $own/pid; setsid sh $own/up >>$own/log 2>&1 </dev/null &"
done
echo "== attach"
$node "$here/bench/attach.ts" --image bench --engine "docker=$work/docker/s" --engine "wharf=$work/wharf/s"
