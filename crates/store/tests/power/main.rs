//! The power is cut while the store works: what it said is on the disk has to be there, and every commit whole or absent.
//!
//! A process commits under a library that writes down what it does to its files (`tests/powercut`). Out of that journal
//! come the disks that a cut at any moment may leave, and the store is opened on each of them. A store that does not sync has
//! to fail here, which shows that the cuts are real. `cargo xtask prove power` makes thousands.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod disk;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use disk::{Disk, Step};
use lambent_model::Timestamp;
use lambent_store::{Expect, Key, Store, Write};

const DIR: &str = "LAMBENT_TEST_STORE_DIR";
/// Cuts of one recording, and of all.
const OF_ONE: u64 = 40;

fn put(name: String) -> Write {
    let key = Key { kind: "thing", partition: "p".into(), name };
    Write::Put { key, expect: Expect::Absent, body: vec![b'1'; 300] }
}

fn enqueue(queue: &str, name: &str) -> Write {
    let body = format!("{name} {}", "x".repeat(900)).into_bytes();
    Write::Enqueue { queue: queue.into(), due: Timestamp::from_millis(0), state: b"0".to_vec(), body }
}

/// One write call a line, so that it is noted between what came before and what comes after it.
fn acknowledge(text: &str) {
    use std::io::Write as _;
    std::io::stdout().write_all(format!("ack {text}\n").as_bytes()).unwrap();
}

/// Not a test by itself: the process under whose hands the power is cut. Each event is accepted with a pair of records, and
/// ended with what follows from it.
#[test]
#[ignore = "the child of the other tests, which start it"]
fn working_process() {
    let dir = std::env::var_os(DIR).expect("the parent test sets the directory");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(Path::new(&dir)).unwrap();
        let start = std::process::id();
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..6 {
            let store = store.clone();
            tasks.spawn(async move {
                for n in 0..25 {
                    let (name, queue) = (format!("{start}-{task}-{n}"), format!("in/{task}"));
                    let pair = [put(format!("left-{name}")), put(format!("right-{name}"))];
                    store.commit(pair.into_iter().chain([enqueue(&queue, &name)]).collect()).await.unwrap();
                    acknowledge(&format!("accepted {name}"));
                    for message in
                        store.take(&queue, Timestamp::from_millis(1), 1, 1 << 20).await.unwrap().messages
                    {
                        let name =
                            String::from_utf8(message.body).unwrap().split(' ').next().unwrap().to_owned();
                        let end = vec![Write::Finish { lease: message.lease }, enqueue("out", &name)];
                        store.commit(end).await.unwrap();
                        acknowledge(&format!("ended {name}"));
                    }
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        if start.is_multiple_of(2) {
            store.close().await.unwrap();
        }
    });
}

/// The library, compiled by the machine's C compiler; `None` where there is none.
fn library(into: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/powercut/powercut.c");
    let library = into.join("powercut.so");
    let mut command = Command::new("cc");
    command
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-o"])
        .arg(&library)
        .arg(source)
        .args(["-ldl", "-lpthread"]);
    match command.status() {
        Ok(status) => {
            assert!(status.success(), "the library does not compile");
            Some(library)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{command:?}: {error}"),
    }
}

fn record(library: &Path, dir: &Path, synchronous: &str) -> Vec<Step> {
    let journal = dir.with_extension("journal");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "working_process", "--nocapture"])
        .env(DIR, dir)
        .env("LAMBENT_STORE_SYNCHRONOUS", synchronous)
        // The log is copied into the database many times meanwhile, by its keeper and by the writer.
        .env("LAMBENT_STORE_STEP", "40")
        .env("LD_PRELOAD", library)
        .env("POWERCUT_DIR", dir)
        .env("POWERCUT_JOURNAL", &journal)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "the process under test failed");
    let steps = disk::read(&std::fs::read(&journal).unwrap());
    std::fs::remove_file(&journal).unwrap();
    assert!(
        steps.iter().any(|step| matches!(step, Step::Ack(_))) && steps.len() > 1000,
        "{} steps",
        steps.len()
    );
    steps
}

/// What is wrong with a store that was opened on what a cut has left; empty when nothing is.
async fn faults(dir: &Path, accepted: &BTreeSet<String>, ended: &BTreeSet<String>) -> Vec<String> {
    let store = match Store::open(dir) {
        Ok(store) => store,
        Err(error) => return vec![format!("it does not open: {error}")],
    };
    let things = match store.all("thing").await {
        Ok(things) => things,
        Err(error) => return vec![format!("it cannot be read: {error}")],
    };
    let with = |prefix: &str| -> BTreeSet<String> {
        things.iter().filter_map(|record| record.key.name.strip_prefix(prefix).map(str::to_owned)).collect()
    };
    let (left, right) = (with("left-"), with("right-"));
    let mut queued: [Vec<String>; 2] = Default::default();
    for (queue, names) in (0..6).map(|task| (format!("in/{task}"), 0)).chain([("out".to_owned(), 1)]) {
        let taken = store.take(&queue, Timestamp::from_millis(1), 1_000_000, usize::MAX).await;
        let Ok(taken) = taken else { return vec![format!("{queue} cannot be read")] };
        for message in taken.messages {
            let text = String::from_utf8_lossy(&message.body).into_owned();
            queued[names].push(text.split(' ').next().unwrap_or_default().to_owned());
        }
    }
    let [waiting, out] = queued;
    let unique = |names: &[String]| -> BTreeSet<String> { names.iter().cloned().collect() };
    let (waits, went) = (unique(&waiting), unique(&out));
    let both: BTreeSet<String> = waits.union(&went).cloned().collect();
    let checks = [
        (left == right, "a commit of two records is torn"),
        (accepted.is_subset(&left), "an accepted event's records are lost"),
        (left == both, "an event is lost, or is there without its records"),
        (waits.is_disjoint(&went), "an event has ended and waits as well"),
        (waiting.len() == waits.len() && out.len() == went.len(), "a message is there twice"),
        (ended.is_subset(&went), "what followed from an event is lost"),
    ];
    let faults = checks.iter().filter(|(holds, _)| !holds).map(|(_, fault)| (*fault).to_owned()).collect();
    store.close().await.unwrap();
    faults
}

/// A small generator (Marsaglia, "Xorshift RNGs").
fn chance(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |bound| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    }
}

/// Cuts so often; recordings begin on what an earlier cut has left. Returns the faults, and how many recordings there were.
async fn campaign(
    library: &Path,
    home: &Path,
    seed: u64,
    cuts: u64,
    synchronous: &str,
) -> (Vec<String>, u64) {
    let mut chance = chance(seed);
    let mut found = Vec::new();
    let mut start = home.join("start");
    std::fs::create_dir(&start).unwrap();
    // What earlier recordings were told, as far as their cut came.
    let (mut accepted, mut ended) = (BTreeSet::new(), BTreeSet::new());
    let recordings = cuts.div_ceil(OF_ONE);
    for recording in 0..recordings {
        let mut disk = Disk::of(&start);
        let steps = record(library, &start, synchronous);
        std::fs::remove_dir_all(&start).unwrap();
        let mut moments: Vec<u64> = (0..OF_ONE).map(|_| chance(steps.len() as u64 + 1)).collect();
        moments.sort_unstable();
        let mut applied = 0;
        let mut left = None;
        for (number, moment) in moments.iter().enumerate() {
            for step in &steps[applied..usize::try_from(*moment).unwrap()] {
                disk.apply(step);
                if let Step::Ack(text) = step {
                    match text.trim().split(' ').collect::<Vec<_>>()[..] {
                        ["ack", "accepted", name] => drop(accepted.insert(name.to_owned())),
                        ["ack", "ended", name] => drop(ended.insert(name.to_owned())),
                        _ => {}
                    }
                }
            }
            applied = usize::try_from(*moment).unwrap();
            let dir = home.join(format!("cut-{recording}-{number}"));
            std::fs::create_dir(&dir).unwrap();
            disk.cut(&dir, &mut chance);
            for fault in faults(&dir, &accepted, &ended).await {
                found.push(format!("seed {seed}, recording {recording}, step {moment}: {fault}"));
            }
            if let Some(before) = left.replace(dir) {
                std::fs::remove_dir_all(before).unwrap();
            }
        }
        // The last cut's disk is the next one's start. It was opened once since, which is a recovery of its own.
        std::fs::rename(left.expect("there was a cut"), &start).unwrap();
        start = home.join("start");
        if !found.is_empty() {
            break;
        }
    }
    (found, recordings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_cuts_of_the_power() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().canonicalize().unwrap();
    let Some(library) = library(&path) else {
        println!("skipped: there is no C compiler (cc), which makes the library that notes what is written");
        return;
    };
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let seed = number("LAMBENT_TEST_SEED", u64::from(std::process::id()));
    let cuts = number("LAMBENT_TEST_CUTS", 2 * OF_ONE);
    println!("seed {seed}");
    let (found, recordings) = campaign(&library, &path, seed, cuts, "FULL").await;
    assert!(found.is_empty(), "{found:#?}");
    println!("{} cuts of {recordings} recordings, nothing lost", recordings * OF_ONE);
}

/// The test of the test: without syncs the same cuts lose what was acknowledged.
#[cfg(debug_assertions)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_sync_is_found_out() {
    for synchronous in ["NORMAL", "OFF"] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().canonicalize().unwrap();
        let Some(library) = library(&path) else {
            println!(
                "skipped: there is no C compiler (cc), which makes the library that notes what is written"
            );
            return;
        };
        let (found, _) = campaign(&library, &path, 1, OF_ONE, synchronous).await;
        assert!(!found.is_empty(), "a store with synchronous = {synchronous} passes the cuts");
        println!("{synchronous}: {} faults, the first is {}", found.len(), found[0]);
    }
}
