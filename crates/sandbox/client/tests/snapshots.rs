//! Snapshots, taken and brought to life by the host's CRIU, or by one in a folder (`LAMBENT_TEST_CRIU`).

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::path::PathBuf;

use lambent_sandbox_client::{
    Error, Event, Exit, Isolation, Launcher, Options, SnapshotOptions, Snapshotting, Spec,
};
use support::{Running, options, program, root, shell, spec};

/// Says who it is, and goes on counting: a snapshot of it goes on where it was.
const COUNTS: &str = r#"
    sub text { open my $file, '<', $_[0] or die; local $/; <$file> }
    $| = 1; my $who = text('/proc/sys/kernel/random/uuid'); chomp $who;
    while (1) {
        my $rights = join '', text('/proc/self/status') =~ /^((?:Seccomp|NoNewPrivs|CapEff|CapBnd):.*)$/mg;
        $rights =~ s/\s//g; $n++;
        print "$who $n $$ $< $rights\n";
        select undef, undef, undef, 0.02;
    }"#;

async fn launcher(test: &str) -> Option<Launcher> {
    if !root(test) {
        return None;
    }
    let criu = std::env::var_os("LAMBENT_TEST_CRIU").map_or_else(|| "/".into(), PathBuf::from);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("snapshots-{test}"));
    let snapshots = Some(SnapshotOptions { folder, criu });
    let launcher = Launcher::start(Options { snapshots, ..options(Isolation::Namespaces) }).await.unwrap();
    if let Some(error) = &launcher.host().snapshots_error {
        eprintln!("skipped {test}: {error}");
        return None;
    }
    Some(launcher)
}

/// The next line of what the program writes.
async fn line(sandbox: &mut Running) -> Vec<String> {
    let mut text = Vec::new();
    loop {
        sandbox.stdio.readable().await.unwrap();
        let mut byte = [0];
        match sandbox.stdio.try_read(&mut byte) {
            Ok(1) if byte[0] == b'\n' => break,
            Ok(1) => text.push(byte[0]),
            Ok(_) => panic!("the output ended: {}", String::from_utf8_lossy(&text)),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
    String::from_utf8(text).unwrap().split(' ').map(str::to_owned).collect()
}

#[tokio::test]
async fn a_program_goes_on_in_other_sandboxes_with_nothing_more_than_it_had() {
    let Some(launcher) = launcher("goes-on").await else { return };
    let mut first = Running::launch(&launcher, Spec { snapshots: Snapshotting::Take, ..spec() }).await;
    first.control.start(program(&["/usr/bin/perl", "-e", COUNTS])).await.unwrap();
    let begun = line(&mut first).await;
    let snapshot = first.control.snapshot().await.unwrap();
    assert!(snapshot.bytes().0 > 10_000, "{snapshot:?}");
    drop(first);
    let mut running = Vec::new();
    for _ in 0..2 {
        let mut next = Running::launch(&launcher, Spec { snapshots: Snapshotting::Restore, ..spec() }).await;
        next.control.restore(&snapshot).await.unwrap();
        // What was half written when the snapshot was taken may come first.
        let mut went_on = line(&mut next).await;
        if went_on.len() != begun.len() || went_on[0] != begun[0] {
            went_on = line(&mut next).await;
        }
        assert_eq!(went_on[0], begun[0], "it is the same one");
        assert!(went_on[1].parse::<u32>().unwrap() > 1, "it went on: {went_on:?}");
        assert_eq!(went_on[2..], begun[2..], "with the same number, user, filters and rights");
        assert!(went_on[4].contains("CapEff:0000000000000000"), "{went_on:?}");
        assert!(went_on[4].contains("NoNewPrivs:1Seccomp:2"), "{went_on:?}");
        running.push(next);
    }
    for mut sandbox in running {
        sandbox.control.kill_program(None).await;
        assert_eq!(sandbox.event().await, Event::Exited(Exit::Signal(9)), "init knows it for its program");
        sandbox.control.reset().await.unwrap();
        assert_eq!(sandbox.event().await, Event::Reset);
        assert!(sandbox.script("echo anew").await.ends_with("anew\n"), "and the sandbox is as good as any");
    }
}

#[tokio::test]
async fn what_a_snapshot_would_lack_is_refused() {
    let Some(launcher) = launcher("refused").await else { return };
    let refused = async |spec: Spec, script: &str, expected: &str| {
        let mut sandbox = Running::launch(&launcher, spec).await;
        sandbox.control.start(shell(script)).await.unwrap();
        line(&mut sandbox).await;
        let error = sandbox.control.snapshot().await.unwrap_err();
        assert!(matches!(&error, Error::Setup(failure) if failure.to_string().contains(expected)), "{error}");
    };
    let wanted = || Spec { snapshots: Snapshotting::Take, ..spec() };
    refused(wanted(), "echo 1 > /tmp/file; echo; sleep 60", "files in /tmp").await;
    refused(wanted(), "(setsid sleep 60 &) ; echo; sleep 60", "2 processes are init's children").await;
    refused(spec(), "echo; sleep 60", "not made for that").await;
}
