//! Sandboxes that are made before anybody knows for whom.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use lambent_model::Bytes;
use lambent_sandbox_client::{Error, Event, Exit, Mount, Program, Sandbox, Spec, Waiting};
use support::{Running, cgroup_exists, cgroups, launcher, namespaces, shell, spec, until};

#[test]
fn all_of_it_holds_for_an_ordinary_user() {
    support::again_as_an_ordinary_user("all_of_it_holds_for_an_ordinary_user");
}

/// A function's folder of this test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lambent-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("code"), "of the function\n").unwrap();
        Self(path.canonicalize().unwrap())
    }

    fn at(&self, target: &'static str) -> Mount {
        Mount { source: self.0.clone(), target }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// What a client does: it waits, closes the channel and goes on.
const CLIENT: &str =
    "echo started as $NAME; printf R >&63; document=$(cat <&63); exec 63>&-; echo \"$document\"; ";

fn client(script: &str) -> Program {
    let mut program = shell(&format!("{CLIENT}{script}"));
    program.env.push(("NAME".into(), "nobody".into()));
    program
}

fn function() -> Program {
    Program {
        argv: vec!["not looked at".into()],
        env: vec![("NAME".into(), "f".into())],
        cwd: "/var/task".into(),
    }
}

async fn end(sandbox: &mut Running) -> (String, Event) {
    let event = sandbox.event().await;
    (support::drain(&sandbox.stdio), event)
}

#[tokio::test]
async fn it_becomes_what_a_function_needs_and_cannot_be_changed_from_inside() {
    let test = "it_becomes_what_a_function_needs_and_cannot_be_changed_from_inside";
    if !namespaces(test).await {
        return;
    }
    let (launcher, folder) = (launcher().await, Folder::new("waiting-task"));
    // Before: nothing but the places.
    let script = "cat /var/task/code /opt/code; ls /proc/self/fd; \
                  for at in /var/task /opt; do touch $at/x; umount $at; umount -l $at; mount -o remount,bind,rw $at; \
                  mount -t tmpfs none $at; unshare -Urm true; done 2>/dev/null; cat /var/task/code; \
                  grep -e ' /var/task ' -e ' /opt ' /proc/self/mountinfo | cut -d' ' -f5-6";
    let before = "ls -A /var/task /opt; ";
    let mut program = client(script);
    let text = program.argv[2].to_str().unwrap().to_owned();
    program.argv[2] = format!("{before}{text}").into();
    let waiting = launcher.prepare(spec(), Some(program)).await.unwrap();
    let mounts = [folder.at("/var/task"), folder.at("/opt")];
    let sandbox = waiting.assign(&mounts, Bytes::mib(256), &|_| None).await.unwrap();
    assert!(!sandbox.told);
    let mut sandbox = Running::from(sandbox);
    sandbox.control.start(function()).await.unwrap();
    let (output, event) = end(&mut sandbox).await;
    assert_eq!(event, Event::Exited(Exit::Code(0)), "{output}");
    let expected = [
        "/opt:\nbin\nlib\n\n/var/task:\nlib\nstarted as nobody\n",
        // The space has woken it up.
        " {\"env\":[[\"NAME\",\"f\"]],\"cwd\":\"/var/task\"}\n",
        "of the function\nof the function\n0\n1\n2\n3\n62\n",
        "of the function\n/var/task ro,nosuid,nodev",
    ];
    assert!(output.starts_with(&expected.concat()), "{output}");
    assert!(output.contains("\n/opt ro,nosuid,nodev"), "{output}");
    // A program that is started afterwards is as in any other sandbox.
    assert_eq!(sandbox.script("cat /opt/code; pwd; echo $NAME").await, "of the function\n/\n\n");
}

#[tokio::test]
async fn what_is_told_ahead_goes_on_when_its_folders_are_there() {
    if !namespaces("what_is_told_ahead_goes_on_when_its_folders_are_there").await {
        return;
    }
    let (launcher, folder) = (launcher().await, Folder::new("waiting-told"));
    let waits =
        "printf R >&63; read -r document <&63; echo \"$document\"; read -r nothing <&63; cat /var/task/code";
    let waiting = launcher.prepare(spec(), Some(shell(waits))).await.unwrap();
    let foretell = |_: &Sandbox| Some(function());
    let sandbox = waiting.assign(&[folder.at("/var/task")], Bytes::mib(256), &foretell).await.unwrap();
    assert!(sandbox.told);
    let mut sandbox = Running::from(sandbox);
    let waits_on = tokio::time::timeout(Duration::from_millis(100), sandbox.event()).await;
    assert!(waits_on.is_err(), "it has gone on by itself: {waits_on:?}");
    sandbox.control.go_on().await.unwrap();
    let (output, event) = end(&mut sandbox).await;
    assert_eq!(event, Event::Exited(Exit::Code(0)), "{output}");
    assert_eq!(output, "{\"env\":[[\"NAME\",\"f\"]],\"cwd\":\"/var/task\"}\nof the function\n");
}

#[tokio::test]
async fn what_waits_without_a_program_cannot_be_told() {
    if !namespaces("what_waits_without_a_program_cannot_be_told").await {
        return;
    }
    let launcher = launcher().await;
    let waiting = launcher.prepare(spec(), None).await.unwrap();
    let sandbox = waiting.assign(&[], Bytes::mib(64), &|_| Some(function())).await.unwrap();
    assert!(!sandbox.told);
}

#[tokio::test]
async fn it_gets_the_functions_memory() {
    if !namespaces("it_gets_the_functions_memory").await {
        return;
    }
    let launcher = launcher().await;
    let spec = Spec { memory: Bytes::mib(64), ..spec() };
    let id = spec.id.to_string();
    let waiting = launcher.prepare(spec, None).await.unwrap();
    let sandbox = waiting.assign(&[], Bytes::mib(96), &|_| None).await.unwrap();
    let mut sandbox = Running::from(sandbox);
    let limits: Vec<String> = cgroups(&id)
        .into_iter()
        .flat_map(|group| ["memory.limit_in_bytes", "memory.max"].map(|name| group.join(name)))
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .collect();
    // Where no cgroup counts, the watch does, which has no file.
    assert!(limits.iter().all(|limit| limit.trim() == (96 << 20).to_string()), "{limits:?}");
    // Eighty megabytes are too much for the one limit and not for the other.
    let hold = "exec python3 -c 'held = bytearray(75 << 20); print(len(held))'";
    assert_eq!(sandbox.script(hold).await.trim(), (75 << 20).to_string());
}

#[tokio::test]
async fn what_ends_before_it_is_given_away_is_known_to() {
    if !namespaces("what_ends_before_it_is_given_away_is_known_to").await {
        return;
    }
    let launcher = launcher().await;
    let failed = launcher.prepare(spec(), Some(shell("exit 3"))).await.unwrap_err();
    assert!(matches!(&failed, Error::NotReady(_)), "{failed}");
    let mut waiting = launcher.prepare(spec(), Some(shell("printf R >&63; exit 3"))).await.unwrap();
    while !waiting.has_ended() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut waiting = launcher.prepare(spec(), Some(client(""))).await.unwrap();
    assert!(!waiting.has_ended());
    let hidden = [Mount { source: "/proc".into(), target: "/opt" }];
    let lost = waiting.assign(&hidden, Bytes::mib(64), &|_| None).await;
    assert!(matches!(lost, Err(Error::Setup(_))), "{lost:?}");
}

#[tokio::test]
async fn nothing_is_left_of_one_that_nobody_took() {
    if !namespaces("nothing_is_left_of_one_that_nobody_took").await {
        return;
    }
    let launcher = launcher().await;
    let mut names = Vec::new();
    for program in [None, Some(client("")), Some(shell("sleep 1000"))] {
        let spec = spec();
        names.push(spec.id.to_string());
        let prepared = launcher.prepare(spec, program);
        // The last one never says that it waits, and whoever waits for that gives up.
        let made: Option<Result<Waiting, _>> =
            tokio::time::timeout(Duration::from_millis(500), prepared).await.ok();
        drop(made);
    }
    until("their cgroups are gone", || names.iter().all(|name| !cgroup_exists(name))).await;
}
