//! Memory, processes, CPU, and what is left of a sandbox: nothing.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::process::{Command, Stdio};

use lambent_model::Bytes;
use lambent_sandbox_client::{Error, Event, Exit, Isolation, Spec};
use support::{
    Running, bare, cgroup_exists, cgroups, inhabitants, is_root, launcher, namespaces, program, root, shell,
    spec, until,
};

#[test]
fn all_of_it_holds_for_an_ordinary_user() {
    support::again_as_an_ordinary_user("all_of_it_holds_for_an_ordinary_user");
}

/// What systemd does for a unit with `Delegate=yes`, done by hand: a cgroup that belongs to an ordinary user.
#[test]
fn limits_are_kept_in_a_delegated_cgroup() {
    if !root("limits_are_kept_in_a_delegated_cgroup") {
        return;
    }
    let mount = std::path::Path::new("/sys/fs/cgroup");
    let controllers = std::fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default();
    if !["memory", "cpu", "pids"].iter().all(|name| controllers.split_whitespace().any(|c| c == *name)) {
        eprintln!("skipped limits_are_kept_in_a_delegated_cgroup: cgroup version 2 has no controllers here");
        return;
    }
    let scope = mount.join(format!("lambent-test-{}.scope", std::process::id()));
    std::fs::write(mount.join("cgroup.subtree_control"), "+memory +cpu +pids").unwrap();
    std::fs::create_dir(&scope).unwrap();
    for name in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
        let user = Some(support::ORDINARY_USER);
        std::os::unix::fs::chown(scope.join(name), user, user).unwrap();
    }
    // One after the other, as there is one server in a unit.
    let skipped = ["limits_are_kept_in", "all_of_it_holds"].map(|name| ["--skip", name]).concat();
    let arguments = [&["--test-threads=1", "--nocapture"][..], &skipped[..]].concat();
    support::as_an_ordinary_user(&arguments, |pid| {
        std::fs::write(scope.join("cgroup.procs"), pid.to_string()).unwrap();
    });
    for directory in ["lambent", "lambent-server", ""] {
        std::fs::remove_dir(scope.join(directory)).expect("nothing is left of the sandboxes but this");
    }
}

#[tokio::test]
async fn a_delegated_cgroup_is_used() {
    if is_root() || !std::fs::read_to_string("/proc/self/cgroup").unwrap().contains("lambent-test-") {
        eprintln!("skipped a_delegated_cgroup_is_used: nothing is delegated to whoever runs this");
        return;
    }
    let launcher = launcher().await;
    let missing = launcher.host().controllers.iter().find(|controller| controller.missing.is_some());
    assert_eq!(missing, None);
    let spec = spec();
    let id = spec.id.to_string();
    let mut sandbox = Running::launch(&launcher, Spec { memory: Bytes::mib(64), ..spec }).await;
    sandbox.script("true").await;
    let group = cgroups(&id).into_iter().next().expect("it has one");
    let limit: u64 = std::fs::read_to_string(group.join("memory.max")).unwrap().trim().parse().unwrap();
    assert_eq!(limit, (64 + 64) << 20, "and its /tmp, which is in memory");
}

/// The kinds of sandbox whose memory and processes are limited here.
async fn limited(test: &str) -> Vec<Spec> {
    let mut kinds = Vec::new();
    if namespaces(test).await {
        kinds.push(spec());
    }
    if root(&format!("{test} without isolation")) {
        kinds.push(bare());
    }
    kinds
}

/// A program that would be larger than 200 MB, and stays until it is killed.
const HOG: &str = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo survived; sleep 1000";

#[tokio::test]
async fn lack_of_memory_kills_the_hog_alone() {
    let launcher = launcher().await;
    for kind in limited("lack_of_memory_kills_the_hog_alone").await {
        let mut sandbox = Running::launch(&launcher, Spec { memory: Bytes::mib(64), ..kind }).await;
        let before = sandbox.control.usage();
        assert_eq!(before.oom_kills, 0);
        assert!(before.memory_peak.unwrap() < Bytes::mib(32), "{before:?}");
        let (_, event) = sandbox.run(shell(HOG)).await;
        assert_ne!(event, Event::Exited(Exit::Code(0)));
        let usage = sandbox.control.usage();
        assert!(usage.oom_kills >= 1 && usage.memory_peak.unwrap() > Bytes::mib(60), "{usage:?}");
        assert_eq!(sandbox.script("echo alive").await, "alive\n");
        sandbox.control.kill();
        sandbox.gone().await;
        assert!(sandbox.control.usage().oom_kills >= 1, "the last values outlive the sandbox");
    }
}

/// Python programs that take memory in other ways, by argument; each stays until it is killed.
const HOGS: &str = r#"
import mmap, os, sys, time
def shared(): m = mmap.mmap(-1, 200 << 20); m.write(b"x" * (200 << 20)); return m
def many():
    for _ in range(8):
        if os.fork() == 0: x = bytearray(b"x" * (25 << 20)); time.sleep(1000)
def file():
    with open("/tmp/file", "wb") as f: [f.write(b"x" * (1 << 20)) for _ in range(50)]
    f = open("/tmp/file", "r+b"); m = mmap.mmap(f.fileno(), 0); sum(m[::4096]); return m
def family():
    x = bytearray(30 << 20); x[::4096] = bytes(len(x[::4096]))
    for _ in range(8):
        if os.fork() == 0: time.sleep(1000)
kept = globals()[sys.argv[1]](); print("done", flush=True); time.sleep(1000)
"#;

#[tokio::test]
async fn memory_is_counted_however_it_is_taken_and_only_once() {
    let test = "memory_is_counted_however_it_is_taken_and_only_once";
    let python = "/usr/bin/python3";
    if !namespaces(test).await || !std::path::Path::new(python).exists() {
        eprintln!("skipped {test}: it needs {python}");
        return;
    }
    let launcher = launcher().await;
    let start = async |what: &str, memory: u64| {
        let sandbox = Running::launch(&launcher, Spec { memory: Bytes::mib(memory), ..spec() }).await;
        sandbox.control.start(program(&[python, "-c", HOGS, what])).await.unwrap();
        (sandbox.control.clone(), sandbox)
    };
    for what in ["shared", "many"] {
        let (control, _sandbox) = start(what, 128).await;
        until(&format!("{what} is killed"), || control.usage().oom_kills > 0).await;
    }
    // What is in a mapped file of /tmp is not the function's memory, and what is shared after a fork counts once.
    for what in ["file", "family"] {
        let (control, mut sandbox) = start(what, 64).await;
        // The output stays open when the program is killed.
        tokio::time::timeout(PATIENCE, sandbox.line("done")).await.expect(what);
        let _still_there = tokio::time::timeout(LOOKS, sandbox.events.recv()).await.unwrap_err();
        assert_eq!(control.usage().oom_kills, 0, "{what}");
    }
}

/// The point at which waiting has become pointless.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(15);

/// Several times what lies between two looks at the memory of a sandbox: in it something would have happened.
const LOOKS: std::time::Duration = std::time::Duration::from_millis(400);

#[tokio::test]
async fn a_fork_bomb_stays_inside_and_dies_at_the_reset() {
    let launcher = launcher().await;
    let bomb = "b() { while :; do setsid sleep 1000 & done; }; for i in 1 2 3; do b & done; b";
    let bomb = shell(&format!("({bomb}) 2>/dev/null"));
    for kind in limited("a_fork_bomb_stays_inside_and_dies_at_the_reset").await {
        let confined = kind.isolation == Isolation::Namespaces;
        // Two of the same user outside, where there is one user: neither may live at the other's expense.
        let (mut sandboxes, mut counts): (Vec<_>, Vec<Box<dyn Fn() -> usize>>) = Default::default();
        for _ in 0..2 {
            let kind = Spec { id: spec().id, pids: 20, ..kind.clone() };
            let id = kind.id.to_string();
            let mut sandbox = Running::launch(&launcher, kind).await;
            let namespace = sandbox.namespace().await;
            counts.push(if confined {
                Box::new(move || inhabitants(&namespace).len())
            } else {
                Box::new(move || processes_in_cgroup(&id))
            });
            sandboxes.push(sandbox);
        }
        for sandbox in &sandboxes {
            sandbox.control.start(bomb.clone()).await.unwrap();
        }
        for count in &counts {
            until("the bomb has gone off", || {
                let count = count();
                assert!(count <= 21, "20 and init: {count}");
                // Shells that fail to fork end; what they have forked stays.
                count >= 15
            })
            .await;
        }
        let mut neighbour = Running::launch(&launcher, Spec { id: spec().id, ..kind }).await;
        assert_eq!(neighbour.script("for i in 1 2 3 4 5; do (true); done; echo ok").await, "ok\n");
        for sandbox in &mut sandboxes {
            sandbox.control.reset().await.unwrap();
            while sandbox.event().await != Event::Reset {}
            assert_eq!(sandbox.script("echo alive").await, "alive\n");
        }
    }
}

/// What the cgroup of a sandbox counts.
fn processes_in_cgroup(id: &str) -> usize {
    let count = |group: &std::path::PathBuf| std::fs::read_to_string(group.join("pids.current")).ok();
    let counts = cgroups(id);
    counts.iter().filter_map(count).map(|count| count.trim().parse().unwrap()).max().unwrap_or(0)
}

#[tokio::test]
async fn the_share_of_cpu_is_set_and_lifted() {
    let launcher = launcher().await;
    if let Some(error) = &launcher.host().controllers.iter().find_map(|controller| controller.missing.clone())
    {
        eprintln!("skipped the_share_of_cpu_is_set_and_lifted: {error}");
        return;
    }
    let spec = spec();
    let id = spec.id.to_string();
    let sandbox = Running::launch(&launcher, spec).await;
    let quota = || -> Vec<String> {
        let read = |name: &str| {
            cgroups(&id)
                .iter()
                .filter_map(|group| std::fs::read_to_string(group.join(name)).ok())
                .collect::<Vec<_>>()
        };
        [read("cpu.cfs_quota_us"), read("cpu.cfs_period_us"), read("cpu.max")].concat()
    };
    sandbox.control.set_cpu(Some(72)).await.unwrap();
    let limited = quota().concat();
    assert!(limited.contains("1440") && limited.contains("20000"), "{limited}");
    sandbox.control.set_cpu(None).await.unwrap();
    let lifted = quota().concat();
    assert!(lifted.contains("-1") || lifted.contains("max"), "{lifted}");
    assert!(matches!(sandbox.control.set_cpu(Some(0)).await, Err(Error::Setup(_))));
}

#[tokio::test]
async fn every_limit_of_a_process_is_as_on_aws() {
    let launcher = launcher().await;
    let mut sandbox = Running::launch(&launcher, Spec { pids: 1024, ..spec() }).await;
    let limits = sandbox.script("cat /proc/self/limits").await;
    for (name, expected) in [
        ("Max open files", "1024"),
        // And init.
        ("Max processes", "1025"),
        ("Max pending signals", "1025"),
        ("Max core file size", "0"),
        ("Max locked memory", "65536"),
        ("Max stack size", "8388608"),
        ("Max msgqueue size", "819200"),
        ("Max nice priority", "0"),
        ("Max realtime priority", "0"),
        ("Max file size", "unlimited"),
        ("Max cpu time", "unlimited"),
        ("Max file locks", "unlimited"),
    ] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let words: Vec<&str> = line[name.len()..].split_whitespace().collect();
        assert_eq!(words[..2], [expected, expected], "{name}: soft and hard");
    }
}

/// Each of these holds memory of the kernel and none of the process.
#[tokio::test]
async fn what_the_kernel_keeps_for_a_function_counts_as_its_memory() {
    const PYTHON: &str = "/usr/bin/python3";
    if !root("what_the_kernel_keeps_for_a_function_counts_as_its_memory") {
        return;
    }
    if !std::path::Path::new(PYTHON).exists() {
        eprintln!(
            "skipped what_the_kernel_keeps_for_a_function_counts_as_its_memory: the host has no {PYTHON}"
        );
        return;
    }
    let launcher = launcher().await;
    for hoard in [
        "s = libc.shmget(0, 96 << 20, 0o1600); m = libc.shmat(s, None, 0); libc.memset(ctypes.c_void_p(m), 1, 96 << 20)",
        "q = [libc.msgget(0, 0o1600) for i in range(8000)]\nfor i in q: libc.msgsnd(i, b'x' * 8192, 8000, 0o4000)",
        "import fcntl\nfor i in range(500):\n r, w = os.pipe(); keep.append((r, w)); os.set_blocking(w, False)\n \
         try: fcntl.fcntl(w, 1031, 1 << 20)\n except OSError: pass\n \
         try: os.write(w, b'x' * (1 << 20))\n except OSError: pass",
        "import socket\nfor i in range(400):\n a, b = socket.socketpair(); keep.append((a, b)); a.setblocking(False)\n \
         try: a.send(b'x' * (1 << 20))\n except OSError: pass",
        "f = os.memfd_create('x'); os.truncate(f, 96 << 20); m = __import__('mmap').mmap(f, 96 << 20); m[:] = b'x' * (96 << 20)",
    ] {
        let mut sandbox = Running::launch(&launcher, Spec { memory: Bytes::mib(64), ..spec() }).await;
        let preface =
            "import ctypes, os\nlibc = ctypes.CDLL(None); libc.shmat.restype = ctypes.c_void_p\nkeep = []";
        let (output, _) = sandbox.run(program(&[PYTHON, "-c", &format!("{preface}\n{hoard}")])).await;
        let usage = sandbox.control.usage();
        assert!(usage.memory_peak.unwrap() > Bytes::mib(40), "{hoard}: {usage:?} {output}");
        assert!(usage.memory_peak.unwrap() <= Bytes::mib(65), "{hoard}: {usage:?} {output}");
    }
}

#[tokio::test]
async fn no_cgroup_outlives_its_sandbox() {
    let launcher = launcher().await;
    if let Some(error) = &launcher.host().controllers.iter().find_map(|controller| controller.missing.clone())
    {
        eprintln!("skipped no_cgroup_outlives_its_sandbox: {error}");
        return;
    }
    for kind in [spec(), bare()] {
        let id = kind.id.to_string();
        let mut sandbox = Running::launch(&launcher, kind).await;
        sandbox.control.start(shell("setsid -f sleep 1000; sleep 1000")).await.unwrap();
        assert!(cgroup_exists(&id));
        sandbox.control.kill();
        sandbox.gone().await;
        assert!(!cgroup_exists(&id), "gone means gone");
    }
}

/// A server that is killed has no time for anything: this one is a copy of this test binary.
#[tokio::test]
async fn a_killed_server_leaves_nothing() {
    let kinds = limited("a_killed_server_leaves_nothing").await.len();
    if kinds == 0 {
        return;
    }
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "server_to_be_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(server.stdout.take().unwrap()));
    let sandboxes: Vec<(String, String)> = lines
        .map(|line| line.unwrap())
        .filter_map(|line| {
            let (id, namespace) = line.split("sandbox ").nth(1)?.split_once(' ')?;
            Some((id.to_owned(), namespace.to_owned()))
        })
        .take(kinds)
        .collect();
    // Without isolation the namespace is that of the host.
    let host = std::fs::read_link("/proc/self/ns/pid").unwrap();
    let there = |(id, namespace): &(String, String)| {
        cgroup_exists(id) || host.to_str() != Some(namespace) && !inhabitants(namespace).is_empty()
    };
    assert!(sandboxes.len() == kinds && sandboxes.iter().all(there), "{sandboxes:?}");
    server.kill().unwrap();
    server.wait().unwrap();
    for sandbox in sandboxes {
        until("its sandbox is gone", || !there(&sandbox)).await;
    }
}

#[tokio::test]
#[ignore = "not a test but the server that a_killed_server_leaves_nothing kills"]
async fn server_to_be_killed() {
    let launcher = launcher().await;
    let mut sandboxes = Vec::new();
    for kind in limited("server_to_be_killed").await {
        let id = kind.id;
        let mut sandbox = Running::launch(&launcher, kind).await;
        let namespace = sandbox.namespace().await;
        sandbox.control.start(shell("setsid -f sleep 1000; echo ready; sleep 1000")).await.unwrap();
        sandbox.line("ready").await;
        println!("sandbox {id} {namespace}");
        sandboxes.push(sandbox);
    }
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn the_next_launcher_sweeps_up_after_a_dead_one() {
    if !root("the_next_launcher_sweeps_up_after_a_dead_one") {
        return;
    }
    // What a launcher that was killed together with its server leaves: a directory with its name, a process inside.
    let mut process = Command::new("sleep").arg("1000").spawn().unwrap();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap();
    let number = namespace.to_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).to_owned();
    let owner = format!("sweeptest.{number}.{}.1", i32::MAX);
    let mut left = Vec::new();
    for root in support::hierarchies() {
        let directory = root.join("lambent").join(&owner).join("sandbox");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("cgroup.procs"), process.id().to_string()).unwrap();
        left.push(directory);
    }
    assert!(!left.is_empty());
    let reaper = std::thread::spawn(move || process.wait().unwrap());
    let _launcher = launcher().await;
    assert!(left.iter().all(|directory| !directory.parent().unwrap().exists()), "{left:?}");
    assert!(!reaper.join().unwrap().success());
}
