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

# tests SETTING PROGRAM [COMMAND…]: runs one test program by means of a command. Where root starts the same again as an
# ordinary user, that is left out: it is a setting of its own here.
tests() {
    setting=$1 program=$2
    shift 2
    echo "== $setting $program"
    # shellcheck disable=SC2046 # each filter is a word
    "$@" "/tests/$program" --test-threads=2 --color never --nocapture \
        --skip all_of_it_holds_for_an_ordinary_user $(cat /filters) 2>&1
    echo "== ended $?"
}

# enter CGROUP COMMAND…: runs a command in a cgroup.
enter() { sh -c 'echo $$ > "$0/cgroup.procs" && exec "$@"' "$@"; }

# fresh CGROUP: makes it anew, as the service manager does for each start. What dies with the tests before takes a moment, in
# which its cgroups stay.
fresh() {
    tries=0
    while [ -d "$1" ] && [ $tries -lt 300 ]; do
        find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.2
        tries=$((tries + 1))
    done
    mkdir -p "$1"
}

# A service with Delegate=yes: its cgroup is the server's, and it begins as a process of that very cgroup.
service=$cgroups/system.slice/lambent.service
fresh $service
echo "+cpu +memory +pids" > $cgroups/system.slice/cgroup.subtree_control
for program in lifecycle limits; do
    fresh $service
    setfattr -n trusted.delegate -v 1 $service
    tests "service" $program enter $service
done

# A container: a cgroup namespace, whose root is neither the kernel's nor empty.
container=$cgroups/system.slice/container.scope
mkdir -p $container
cat > /run/container <<'END'
umount /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"
END
tests "container" limits enter $container unshare --cgroup --mount sh /run/container

# An ordinary user with a cgroup of its own, as a user's service manager has.
user=$cgroups/user.slice
mkdir -p $user
echo "+cpu +memory +pids" > $user/cgroup.subtree_control
own=$user/user-1000.slice
mkdir -p /run/user/1000
chown 1000:1000 /run/user/1000
export XDG_RUNTIME_DIR=/run/user/1000
chmod 777 /tmp
for program in isolation lifecycle limits; do
    # A launcher leaves controllers handed down, and such a cgroup takes no process any more.
    fresh $own
    chown 1000:1000 $own $own/cgroup.procs $own/cgroup.subtree_control $own/cgroup.threads
    tests "user" $program enter $own setpriv --reuid 1000 --regid 1000 --clear-groups
done

# Root without anything around it, as on the hosts of most tests.
for program in isolation lifecycle limits tmp; do tests "root" $program env; done

echo "== end"
sync
busybox poweroff -f
