//! A server that has been taken over speaks to the launcher as it likes.

use std::os::fd::BorrowedFd;

use super::*;

/// A launcher that has said hello, by a channel that blocks.
fn launcher() -> (Child, OwnedFd) {
    let spawned =
        Launcher::spawn(Options::new(format!("hostile-{}", std::process::id()))).expect("it starts");
    let Spawned { process, channel, .. } = spawned;
    let hello = protocol::receive::<FromLauncher>(&channel).expect("it is understood");
    assert!(matches!(hello, Some((FromLauncher::Hello { .. }, _))), "{hello:?}");
    (process, channel)
}

fn bare(id: &str) -> Vec<u8> {
    let confinement = protocol::Confinement::Process;
    let launch = Launch { id: id.to_owned(), confinement, memory: 1 << 27, pids: 10 };
    protocol::encode(&ToLauncher::Launch(launch)).expect("it is small")
}

fn answer(channel: &OwnedFd) -> Option<FromLauncher> {
    protocol::receive(channel).expect("it is understood").map(|(message, _)| message)
}

#[test]
fn what_is_no_request_ends_the_launcher_with_its_sandboxes() {
    let second_hello = ToLauncher::Hello {
        version: VERSION,
        instance: "again".to_owned(),
        purpose: Purpose::Serve,
        scratch: None,
        nat: None,
        server: None,
        trees: protocol::Trees::default(),
        snapshots: None,
    };
    let second_hello = protocol::encode(&second_hello).expect("it is small");
    let huge = vec![b' '; protocol::MAX_MESSAGE + 1];
    let forged = br#"{"Kill":{"id":"../../etc"}}"#;
    for datagram in [&second_hello[..], &huge, forged, b"\xff\0{", b"[[[[", b"null", b"{}"] {
        let (mut process, channel) = launcher();
        // A sandbox that waits for its init's channel, whose other end is here.
        let (_ours, theirs) = blocking_pair().expect("a socket is to be had");
        let (_reader, writer) = rustix::pipe::pipe().expect("a pipe is to be had");
        let fds = [theirs.as_fd(), writer.as_fd(), writer.as_fd()];
        protocol::send_encoded(&channel, &bare("doomed"), &fds).expect("it listens");
        assert!(matches!(answer(&channel), Some(FromLauncher::Launched { .. })));
        protocol::send_encoded(&channel, datagram, &[]).expect("it listens");
        // Nothing more is said: the launcher kills what runs, and ends in good order, without a panic.
        assert_eq!(answer(&channel), None, "{:.40}", String::from_utf8_lossy(datagram));
        let status = process.wait().expect("it is ours");
        assert_eq!(status.code(), Some(1), "{:.40}", String::from_utf8_lossy(datagram));
    }
}

#[test]
fn what_may_not_be_done_is_answered_and_the_launcher_goes_on() {
    let (mut process, channel) = launcher();
    let null = std::fs::File::open("/dev/null").expect("every host has it");
    let many = vec![null.as_fd(); protocol::MAX_FDS];
    let unpack = Unpack { id: 7, bytes: 1, entries: 1 };
    let unpack = protocol::encode(&ToLauncher::Unpack(unpack)).expect("it is small");
    let odd: [&[BorrowedFd<'_>]; 3] = [&[], &many[..1], &many];
    for fds in odd {
        protocol::send_encoded(&channel, &bare("a"), fds).expect("it listens");
        assert!(matches!(answer(&channel), Some(FromLauncher::LaunchFailed { .. })));
        protocol::send_encoded(&channel, &unpack, fds).expect("it listens");
        assert!(matches!(answer(&channel), Some(FromLauncher::Unpacked { end: UnpackEnd::Failed(_), .. })));
    }
    // Three, of which none is what it should be.
    protocol::send_encoded(&channel, &unpack, &many[..3]).expect("it listens");
    assert!(matches!(answer(&channel), Some(FromLauncher::Unpacked { end: UnpackEnd::Failed(_), .. })));
    // Of what is not there.
    for request in [ToLauncher::Kill { id: "nobody".to_owned() }, ToLauncher::StopUnpack { id: 9 }] {
        protocol::send(&channel, &request, &many).expect("it listens");
    }
    protocol::send(&channel, &ToLauncher::SetCpu { id: "nobody".to_owned(), millis: None }, &[])
        .expect("it listens");
    assert!(matches!(answer(&channel), Some(FromLauncher::CpuSet { failure: Some(_), .. })));
    drop(channel);
    assert!(process.wait().expect("it is ours").success());
}

fn open(id: &str) -> ToLauncher {
    let layout = protocol::Layout {
        reach: protocol::Reach::Loopback,
        trees: Vec::new(),
        tmp: 1 << 20,
        lowest_port: 4566,
        open: true,
        snapshots: protocol::Snapshotting::No,
    };
    let confinement = protocol::Confinement::Namespaces(layout);
    ToLauncher::Launch(Launch { id: id.to_owned(), confinement, memory: 1 << 27, pids: 10 })
}

#[test]
fn a_sandbox_is_given_away_once_and_only_one_that_was_made_for_it() {
    let (mut process, channel) = launcher();
    let assign = |id: &str, trees: Vec<protocol::Tree>| {
        let assign = ToLauncher::Assign(Assign { id: id.to_owned(), trees, memory: 1 << 28 });
        protocol::send(&channel, &assign, &[]).expect("it listens");
        match answer(&channel) {
            Some(FromLauncher::Assigned { failure, .. }) => failure.map(|failure| failure.to_string()),
            other => panic!("{other:?}"),
        }
    };
    assert!(assign("nobody", Vec::new()).expect("there is none").contains("there is no sandbox nobody"));
    let (_reader, writer) = rustix::pipe::pipe().expect("a pipe is to be had");
    let mut kept = Vec::new();
    let mut launch = |datagram: &[u8]| {
        let (ours, theirs) = blocking_pair().expect("a socket is to be had");
        kept.push(ours);
        let fds = [theirs.as_fd(), writer.as_fd(), writer.as_fd()];
        protocol::send_encoded(&channel, datagram, &fds).expect("it listens");
        answer(&channel)
    };
    assert!(matches!(launch(&bare("bare")), Some(FromLauncher::Launched { .. })));
    let reason = assign("bare", Vec::new()).expect("it is somebody's");
    assert!(reason.contains("was not made in advance"), "{reason}");
    assert!(matches!(answer(&channel), Some(FromLauncher::LaunchFailed { .. } | FromLauncher::Gone { .. })));
    for stolen in [false, true] {
        let id = if stolen { "stolen" } else { "twice" };
        match launch(&protocol::encode(&open(id)).expect("it is small")) {
            Some(FromLauncher::Launched { .. }) => {}
            Some(FromLauncher::LaunchFailed { failure, .. }) => {
                eprintln!("skipped the half with namespaces: {failure}");
                break;
            }
            other => panic!("{other:?}"),
        }
        let source = std::path::PathBuf::from("/etc").into();
        let tree = protocol::Tree { source, target: protocol::MountPoint::Opt };
        let reason = if stolen {
            assign(id, vec![tree]).expect("nobody may be shown that")
        } else {
            assert_eq!(assign(id, Vec::new()), None);
            assign(id, Vec::new()).expect("it is somebody's")
        };
        let expected = if stolen { "not among the folders" } else { "somebody's already" };
        assert!(reason.contains(expected), "{reason}");
        assert!(matches!(answer(&channel), Some(FromLauncher::Gone { .. })), "it is of no use to anybody");
    }
    drop((kept, channel));
    assert!(process.wait().expect("it is ours").success());
}
