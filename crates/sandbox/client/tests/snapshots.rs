//! Snapshots, taken and brought to life by the host's CRIU, or by one in a folder (`LAMBENT_TEST_CRIU`).

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::path::PathBuf;

use lambent_sandbox_client::{
    Connection, Error, Event, Exit, Isolation, Launcher, Options, SnapshotOptions, Snapshotting, Spec,
};
use support::{Running, options, program, root, shell, spec};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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
    let snapshot = first.control.snapshot(None).await.unwrap();
    assert!(snapshot.bytes().0 > 10_000, "{snapshot:?}");
    drop(first);
    let mut running = Vec::new();
    for _ in 0..2 {
        let mut next = Running::launch(&launcher, Spec { snapshots: Snapshotting::Restore, ..spec() }).await;
        next.control.restore(&snapshot, "").await.unwrap();
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

/// Leaves files, asks on one connection, and tells what came of it, of the files, and of another connection.
const ASKS: &str = r#"
    use IO::Socket::INET; use Fcntl;
    sub text { open my $file, '<', $_[0] or die "$_[0]: $!"; local $/; <$file> }
    sub keep { open my $file, '>', $_[0] or die; print $file $_[1] }
    $| = 1; umask 0; mkdir '/tmp/folder', 0751; keep('/tmp/folder/file', 'kept'); symlink 'folder/file', '/tmp/link';
    keep('/tmp/run', "\x23!/bin/sh\necho ran"); chmod 0700, '/tmp/run'; utime 1000, 1000, '/tmp/run';
    open my $open, '+>', '/tmp/open' or die; syswrite $open, 'begun';
    open my $gone, '+>', '/tmp/gone' or die; syswrite $gone, 'unlinked'; unlink '/tmp/gone';
    my ($api, $other) = map { IO::Socket::INET->new($ARGV[0]) or die } 1 .. 2;
    print $api "asked\n"; $api->flush;
    my $answer = <$api>; chomp $answer;
    syswrite $open, '-ended'; sysseek $gone, 0, 0; sysread $gone, my $lost, 100;
    my @modes = map { sprintf '%o', (stat $_)[2] & 07777 } '/tmp/folder', '/tmp/run';
    print "$answer ", join(' ', text('/tmp/link'), text('/tmp/open'), $lost, `/tmp/run` =~ /(ran)/, @modes, (stat '/tmp/run')[4, 9],
        defined <$other> ? 'more' : 'closed'), "\n";
    print $api "next\n"; $api->flush; print scalar <$api>;
    sleep 60"#;

#[tokio::test]
async fn it_gets_the_answer_that_it_waited_for_and_has_its_files() {
    let Some(launcher) = launcher("asks").await else { return };
    let mut first = Running::launch(&launcher, Spec { snapshots: Snapshotting::Take, ..spec() }).await;
    let api = first.runtime_api.address().to_string();
    first.control.start(program(&["/usr/bin/perl", "-e", ASKS, &api])).await.unwrap();
    let mut asking = first.runtime_api.accept().await.unwrap();
    let _other = first.runtime_api.accept().await.unwrap();
    hear(&mut asking, "asked\n").await;
    let snapshot = first.control.snapshot(Some(asking.ends())).await.unwrap();
    drop(first);
    for number in 0..2 {
        let mut next = Running::launch(&launcher, Spec { snapshots: Snapshotting::Restore, ..spec() }).await;
        next.control.restore(&snapshot, "asked again\n").await.unwrap();
        let mut connection = next.runtime_api.accept().await.unwrap();
        hear(&mut connection, "asked again\n").await;
        connection.write_all(format!("answer-{number}\n").as_bytes()).await.unwrap();
        let expected = format!("answer-{number} kept begun-ended unlinked ran 751 700 1051 1000 closed");
        assert_eq!(line(&mut next).await.join(" "), expected);
        hear(&mut connection, "next\n").await;
        connection.write_all(b"heard\n").await.unwrap();
        assert_eq!(line(&mut next).await, ["heard"], "and the connection is as good as any");
    }
}

async fn hear(connection: &mut Connection, expected: &str) {
    let mut heard = vec![0; expected.len()];
    connection.read_exact(&mut heard).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), expected);
}

#[tokio::test]
async fn what_a_snapshot_would_lack_is_refused() {
    let Some(launcher) = launcher("refused").await else { return };
    let refused = async |spec: Spec, script: &str, expected: &str| {
        let mut sandbox = Running::launch(&launcher, spec).await;
        sandbox.control.start(shell(script)).await.unwrap();
        line(&mut sandbox).await;
        let error = sandbox.control.snapshot(None).await.unwrap_err();
        assert!(matches!(&error, Error::Setup(failure) if failure.to_string().contains(expected)), "{error}");
    };
    let wanted = || Spec { snapshots: Snapshotting::Take, ..spec() };
    refused(wanted(), "truncate -s 600M /tmp/file; echo; sleep 60", "the files in /tmp have 629145600 bytes")
        .await;
    refused(wanted(), "(setsid sleep 60 &) ; echo; sleep 60", "2 processes are init's children").await;
    refused(spec(), "echo; sleep 60", "not made for that").await;
}
