#!/bin/sh
# The first process of the emulated machine: sets it up as systemd would, runs the tests in each setting in which a
# server may find itself, and turns the machine off.
export PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C
cgroups=/sys/fs/cgroup

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mount -t cgroup2 -o nsdelegate cgroup2 $cgroups
busybox depmod -a
for module in loop veth bridge nf_tables tun; do busybox modprobe $module; done
busybox ip link set lo up
echo "Linux $(uname -r), cgroup2 with $(cat $cgroups/cgroup.controllers)"

# As systemd does: no process stays in the root, and its controllers are handed down where units need them.
mkdir $cgroups/init.scope $cgroups/system.slice
for process in $(cat $cgroups/cgroup.procs); do echo "$process" > $cgroups/init.scope/cgroup.procs; done 2>/dev/null
echo "+cpu +memory +pids" > $cgroups/cgroup.subtree_control

# tests SETTING PROGRAM [COMMAND…]: runs one test program by means of a command.
tests() {
    setting=$1 program=$2
    shift 2
    echo "== $setting $program"
    # shellcheck disable=SC2046 # each filter is a word
    "$@" "/tests/$program" --test-threads=2 --color never --nocapture $(cat /filters) 2>&1
    echo "== ended $?"
}

for program in isolation lifecycle limits tmp; do tests "root" $program env; done

echo "== end"
sync
busybox poweroff -f
