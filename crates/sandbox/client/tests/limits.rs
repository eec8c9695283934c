//! Memory, processes, CPU, and what is left of a sandbox: nothing.

mod support;

use std::process::{Command, Stdio};

use lambent_model::Bytes;
use lambent_sandbox_client::{Error, Event, Exit, Spec};
use support::{Running, bare, cgroup_exists, cgroups, launcher, root, shell, spec, until};

#[tokio::test]
async fn lack_of_memory_kills_the_hog_alone() {
    if !root("lack_of_memory_kills_the_hog_alone") {
        return;
    }
    let launcher = launcher().await;
    for kind in [spec(), bare()] {
        let mut sandbox = Running::launch(&launcher, Spec { memory: Bytes::mib(64), ..kind }).await;
        let before = sandbox.control.usage();
        assert_eq!(before.oom_kills, 0);
        assert!(before.memory_peak.unwrap() < Bytes::mib(32), "{before:?}");
        let (_, event) =
            sandbox.run(shell("x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo survived")).await;
        assert_ne!(event, Event::Exited(Exit::Code(0)));
        let usage = sandbox.control.usage();
        assert!(usage.oom_kills >= 1 && usage.memory_peak.unwrap() > Bytes::mib(60), "{usage:?}");
        assert_eq!(sandbox.script("echo alive").await, "alive\n");
        sandbox.control.kill();
        sandbox.gone().await;
        assert!(sandbox.control.usage().oom_kills >= 1, "the last values outlive the cgroup");
    }
}

#[tokio::test]
async fn a_fork_bomb_stays_inside_and_dies_at_the_reset() {
    if !root("a_fork_bomb_stays_inside_and_dies_at_the_reset") {
        return;
    }
    let launcher = launcher().await;
    for kind in [spec(), bare()] {
        let id = kind.id.to_string();
        let mut sandbox = Running::launch(&launcher, Spec { pids: 20, ..kind }).await;
        let full = || {
            let count = |group: &std::path::PathBuf| std::fs::read_to_string(group.join("pids.current"));
            let counts = cgroups(&id).iter().filter_map(|group| count(group).ok()).collect::<Vec<_>>();
            let counts = counts.iter().map(|count| count.trim().parse::<u32>().unwrap()).collect::<Vec<_>>();
            assert!(counts.iter().all(|count| *count <= 21), "20 and init: {counts:?}");
            // Shells that fail to fork end; what they have forked stays.
            counts.iter().any(|count| *count >= 15)
        };
        let bomb = "b() { while :; do setsid sleep 1000 & done; }; for i in 1 2 3; do b & done; b";
        sandbox.control.start(shell(&format!("({bomb}) 2>/dev/null"))).await.unwrap();
        until("the bomb has gone off", full).await;
        sandbox.control.reset().await.unwrap();
        while sandbox.event().await != Event::Reset {}
        assert_eq!(sandbox.script("echo alive").await, "alive\n");
    }
}

#[tokio::test]
async fn the_share_of_cpu_is_set_and_lifted() {
    if !root("the_share_of_cpu_is_set_and_lifted") {
        return;
    }
    let launcher = launcher().await;
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
async fn no_cgroup_outlives_its_sandbox() {
    if !root("no_cgroup_outlives_its_sandbox") {
        return;
    }
    let launcher = launcher().await;
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
    if !root("a_killed_server_leaves_nothing") {
        return;
    }
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "server_to_be_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(server.stdout.take().unwrap()));
    let ids: Vec<String> = lines
        .map(|line| line.unwrap())
        .filter_map(|line| line.split("sandbox ").nth(1).map(str::to_owned))
        .take(2)
        .collect();
    assert!(ids.len() == 2 && ids.iter().all(|id| cgroup_exists(id)), "{ids:?}");
    server.kill().unwrap();
    server.wait().unwrap();
    for id in ids {
        until("its sandbox is gone", || !cgroup_exists(&id)).await;
    }
}

#[tokio::test]
#[ignore = "not a test but the server that a_killed_server_leaves_nothing kills"]
async fn server_to_be_killed() {
    let launcher = launcher().await;
    let mut sandboxes = Vec::new();
    for kind in [spec(), bare()] {
        let id = kind.id;
        let mut sandbox = Running::launch(&launcher, kind).await;
        sandbox.control.start(shell("setsid -f sleep 1000; echo ready; sleep 1000")).await.unwrap();
        sandbox.line("ready").await;
        println!("sandbox {id}");
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
