//! A process that commits is killed; what it had been told is committed has to be there.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lambent_store::{Expect, Key, Store, Write};

const DIR: &str = "LAMBENT_TEST_STORE_DIR";

fn key(name: String) -> Key {
    Key { kind: "thing", partition: "p".into(), name }
}

/// Not a test by itself: the process that [`acknowledged_commits_survive_kill`] kills.
#[test]
#[ignore = "the child of acknowledged_commits_survive_kill, which starts it"]
fn committing_process() {
    let dir = std::env::var_os(DIR).expect("the parent test sets the directory");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store = Store::open(Path::new(&dir)).unwrap();
        let start = std::process::id();
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8 {
            let store = store.clone();
            tasks.spawn(async move {
                for n in 0.. {
                    let name = format!("{start}-{task}-{n}");
                    let left = key(format!("left-{name}"));
                    let right = key(format!("right-{name}"));
                    let pair = [left, right].map(|key| Write::Put {
                        key,
                        expect: Expect::Absent,
                        body: vec![b'1'; 300],
                    });
                    store.commit(pair.to_vec()).await.unwrap();
                    // One write call a line, so that a line is whole or absent. A closed pipe is the parent's end.
                    if std::io::stdout().write_all(format!("ack {name}\n").as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    });
}

fn committing(dir: &Path) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--ignored", "--exact", "committing_process", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped());
    child
}

/// Collects what the child acknowledges, ends it after so many commits, and answers how many there were.
fn hear(mut child: Child, kill_after: usize, acknowledged: &mut BTreeSet<String>) -> usize {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    for line in lines {
        // What was written before the kill is still in the pipe and counts as acknowledged.
        let line = line.unwrap();
        let Some(name) = line.split("ack ").nth(1) else { continue };
        acknowledged.insert(name.to_owned());
        seen += 1;
        if seen == kill_after {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success());
    seen
}

async fn check(dir: &Path, acknowledged: &BTreeSet<String>) {
    let store = Store::open(dir).unwrap();
    let stored = store.all("thing").await.unwrap();
    let with = |prefix: &str| -> BTreeSet<String> {
        stored.iter().filter_map(|r| r.key.name.strip_prefix(prefix).map(str::to_owned)).collect()
    };
    let (left, right) = (with("left-"), with("right-"));
    assert_eq!(left, right, "a commit is whole or absent");
    assert!(acknowledged.is_subset(&left), "lost: {:?}", acknowledged.difference(&left).collect::<Vec<_>>());
    store.close().await.unwrap();
}

#[tokio::test]
async fn acknowledged_commits_survive_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    // The counts vary where in a group commit and in a checkpoint of the log the process dies.
    for kill_after in [1, 2, 13, 100, 377, 1500, 4000] {
        let child = committing(dir.path()).spawn().unwrap();
        let seen = hear(child, kill_after, &mut acknowledged);
        assert!(seen >= kill_after, "the child ended by itself after {seen} commits");
        check(dir.path(), &acknowledged).await;
    }
}

/// While the log is copied into the database, by the thread that is there for it and by the writer.
#[cfg(debug_assertions)]
#[tokio::test]
async fn acknowledged_commits_survive_a_crash_while_the_log_is_copied() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    for site in ["log/pass/before", "log/pass/written", "log/pass/after", "log/rest/before", "log/rest/after"]
    {
        let mut child = committing(dir.path());
        child.env("LAMBENT_CRASH_AT", site).env("LAMBENT_STORE_STEP", "40");
        hear(child.spawn().unwrap(), usize::MAX, &mut acknowledged);
        check(dir.path(), &acknowledged).await;
    }
}
