//! From launch to end, the same with and without isolation.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use lambent_sandbox_client::{
    Error, Event, Exit, Failure, Isolation, Launcher, Mount, Network, Options, Spec, probe,
};
use rustix::process::{Pid, Signal, kill_process};
use support::{Launchers, Makes, Running, bare, drain, launcher, namespaces, program, shell, spec, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[test]
fn all_of_it_holds_for_an_ordinary_user() {
    support::again_as_an_ordinary_user("all_of_it_holds_for_an_ordinary_user");
}

/// The kinds of sandbox that can be made here.
async fn kinds(test: &str) -> Vec<Spec> {
    let mut kinds = vec![bare()];
    if namespaces(&format!("{test} with namespaces")).await {
        kinds.push(spec());
        kinds.push(Spec { network: Network::Host, ..spec() });
    }
    kinds
}

#[tokio::test]
async fn programs_start_end_and_fail_as_they_should() {
    let launcher = launcher().await;
    for kind in kinds("programs").await {
        let mut sandbox = Running::launch(&launcher, kind).await;
        let (output, event) = sandbox.run(shell("echo out; echo err >&2; exit 7")).await;
        assert_eq!((output.as_str(), event), ("out\nerr\n", Event::Exited(Exit::Code(7))));
        let (_, event) = sandbox.run(shell("kill -SEGV $$")).await;
        assert_eq!(event, Event::Exited(Exit::Signal(libc_signal::SEGV)));
        sandbox.run(program(&["/bin/bash", "-c", "echo framed >&62"])).await;
        assert_eq!(drain(&sandbox.telemetry), "framed\n");
        for (path, errno) in [("/nonexistent", 2), ("/dev/null", 13), ("/usr", 13)] {
            let (_, event) = sandbox.run(program(&[path])).await;
            assert_eq!(event, Event::StartFailed { errno }, "{path}");
        }
        let mut nowhere = shell("true");
        nowhere.cwd = "/nonexistent".into();
        assert_eq!(sandbox.run(nowhere).await.1, Event::StartFailed { errno: 2 });
    }
}

mod libc_signal {
    pub(crate) const SEGV: i32 = 11;
    pub(crate) const TERM: i32 = 15;
    pub(crate) const KILL: i32 = 9;
}

#[tokio::test]
async fn a_file_without_format_is_not_handed_to_a_shell() {
    let file = std::env::temp_dir().join(format!("lambent-raw-{}", std::process::id()));
    std::fs::write(&file, "echo x").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let launcher = launcher().await;
    let mut sandbox = Running::launch(&launcher, bare()).await;
    let (_, event) = sandbox.run(program(&[file.to_str().unwrap()])).await;
    std::fs::remove_file(file).unwrap();
    assert_eq!(event, Event::StartFailed { errno: 8 });
}

#[tokio::test]
async fn a_reset_ends_every_process_and_keeps_tmp() {
    let launcher = launcher().await;
    for kind in kinds("reset").await {
        let mark = format!("/tmp/lambent-mark-{}", kind.id);
        let mut sandbox = Running::launch(&launcher, kind).await;
        // One child of the program, one that has left its session and parent, one that ignores signals.
        let script = format!(
            "echo kept > {mark}; sleep 1000 & setsid -f sleep 1001; (trap '' TERM HUP INT; echo ready; sleep 1002)"
        );
        sandbox.control.start(shell(&script)).await.unwrap();
        sandbox.line("ready").await;
        assert!(matches!(sandbox.control.start(shell("true")).await, Err(Error::AlreadyRunning)));
        sandbox.control.reset().await.unwrap();
        assert_eq!(sandbox.event().await, Event::Exited(Exit::Signal(libc_signal::KILL)));
        assert_eq!(sandbox.event().await, Event::Reset);
        // The interpreter of this line is all that runs beside init.
        let parent = "init=$(cut -d' ' -f4 /proc/$$/stat); grep -l \"^PPid:.$init\\$\" /proc/[0-9]*/status 2>/dev/null | wc -l";
        assert_eq!(sandbox.script(parent).await, "1\n");
        assert_eq!(sandbox.script(&format!("cat {mark}; rm {mark}")).await, "kept\n");
        sandbox.control.reset().await.unwrap();
        assert_eq!(sandbox.event().await, Event::Reset, "a reset of nothing is a reset");
    }
}

#[tokio::test]
async fn a_program_is_asked_to_end_a_sandbox_is_not() {
    let launcher = launcher().await;
    for kind in kinds("terminate and kill").await {
        let mut sandbox = Running::launch(&launcher, kind).await;
        sandbox.control.start(shell("echo ready; exec sleep 1000")).await.unwrap();
        sandbox.line("ready").await;
        sandbox.control.terminate().await;
        assert_eq!(sandbox.event().await, Event::Exited(Exit::Signal(libc_signal::TERM)));
        sandbox
            .control
            .start(shell("trap '' TERM; setsid -f sleep 1000; echo ready; sleep 1000"))
            .await
            .unwrap();
        sandbox.line("ready").await;
        sandbox.control.kill();
        assert_eq!(sandbox.gone().await, "it was killed");
        // Nobody writes to the pipes any more: every process is gone, not only init.
        assert_eq!(sandbox.stdio.read(&mut [0; 64]).await.unwrap(), 0);
        assert!(matches!(sandbox.control.start(shell("true")).await, Err(Error::Gone(_))));
        assert!(matches!(sandbox.control.set_cpu(Some(1000)).await, Err(Error::Gone(_))));
    }
}

#[tokio::test]
async fn the_function_reaches_both_endpoints() {
    let launcher = launcher().await;
    for kind in kinds("endpoints").await {
        let own_network = kind.network == Network::None;
        let mut sandbox = Running::launch(&launcher, kind).await;
        let addresses = [sandbox.runtime_api.address(), sandbox.platform.address()];
        if own_network {
            assert_eq!(addresses.map(|a| a.to_string()), ["127.0.0.1:9001", "127.0.0.1:4566"]);
        }
        let talk = |port| format!("exec 3<>/dev/tcp/127.0.0.1/{port}; echo $(hostname) >&3; cat <&3");
        let script = addresses.map(|a| talk(a.port())).join("\n");
        sandbox.control.start(program(&["/bin/bash", "-c", &script])).await.unwrap();
        for answer in ["runtime", "platform"] {
            let endpoint = if answer == "runtime" { &mut sandbox.runtime_api } else { &mut sandbox.platform };
            let mut connection = endpoint.accept().await.unwrap();
            let mut first = [0; 1];
            connection.read_exact(&mut first).await.unwrap();
            connection.write_all(answer.as_bytes()).await.unwrap();
            connection.shutdown().await.unwrap();
        }
        assert_eq!(sandbox.event().await, Event::Exited(Exit::Code(0)));
        assert_eq!(drain(&sandbox.stdio), "runtimeplatform");
    }
}

#[tokio::test]
async fn dropping_the_handles_ends_everything() {
    let launcher = launcher().await;
    for kind in kinds("dropping").await {
        let mut sandbox = Running::launch(&launcher, kind).await;
        sandbox.control.start(shell("setsid -f sleep 1000; echo ready; sleep 1000")).await.unwrap();
        sandbox.line("ready").await;
        let Running { control, mut stdio, mut events, .. } = sandbox;
        drop(control);
        assert_eq!(stdio.read(&mut [0; 64]).await.unwrap(), 0);
        let mut last = None;
        while let Some(event) = events.recv().await {
            last = Some(event);
        }
        assert!(matches!(last, Some(Event::Gone { .. })), "{last:?}");
    }
    let mut orphans = Vec::new();
    for kind in kinds("dropping the launcher").await {
        let mut sandbox = Running::launch(&launcher, kind).await;
        sandbox.control.start(shell("setsid -f sleep 1000; echo ready; sleep 1000")).await.unwrap();
        sandbox.line("ready").await;
        orphans.push(sandbox);
    }
    drop(launcher);
    for mut orphan in orphans {
        orphan.gone().await;
        assert_eq!(orphan.stdio.read(&mut [0; 64]).await.unwrap(), 0);
    }
}

/// The processes of the launchers: the parents of init, as sandboxes show them.
async fn processes_of(launchers: &Launchers) -> Vec<Pid> {
    let mut bare = Running::launch(launchers, bare()).await;
    let script = "init=$(cut -d' ' -f4 /proc/$$/stat); cut -d' ' -f4 /proc/$init/stat";
    let mut found = vec![bare.script(script).await];
    if namespaces("the launcher of sandboxes in namespaces").await {
        // Its own number is out of its sight, its namespace is not.
        let mut confined = Running::launch(launchers, spec()).await;
        let namespace = confined.namespace().await;
        let init = support::inhabitants(&namespace).into_iter().min().expect("init is there");
        let status = std::fs::read_to_string(format!("/proc/{init}/status")).unwrap();
        found.push(status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().to_owned());
    }
    let mut pids: Vec<Pid> =
        found.iter().map(|text| text.trim().parse().ok().and_then(Pid::from_raw).unwrap()).collect();
    pids.dedup();
    pids
}

#[tokio::test]
async fn a_killed_launcher_takes_every_sandbox_along() {
    let launcher = launcher().await;
    let mut sandboxes = Vec::new();
    for kind in kinds("killing the launcher").await {
        let mut sandbox = Running::launch(&launcher, kind).await;
        sandbox.control.start(shell("setsid -f sleep 1000; echo ready; sleep 1000")).await.unwrap();
        sandbox.line("ready").await;
        sandboxes.push(sandbox);
    }
    let pids = processes_of(&launcher).await;
    // Not what Ctrl-C or a service manager sends: the server ends its launcher by itself.
    for (pid, signal) in
        pids.iter().flat_map(|pid| [Signal::INT, Signal::TERM, Signal::HUP].map(|s| (*pid, s)))
    {
        kill_process(pid, signal).unwrap();
    }
    for kind in kinds("a launcher that outlives signals").await {
        Running::launch(&launcher, kind).await.script("true").await;
    }
    for pid in pids {
        kill_process(pid, Signal::KILL).unwrap();
    }
    for mut sandbox in sandboxes {
        assert_eq!(sandbox.gone().await, "the launcher has ended");
        assert_eq!(sandbox.stdio.read(&mut [0; 64]).await.unwrap(), 0);
    }
    let late = launcher.maker(Isolation::Process).launch(bare()).await;
    assert!(matches!(late, Err(Error::LauncherEnded)));
}

#[tokio::test]
async fn twenty_sandboxes_at_once_are_twenty_sandboxes() {
    let launcher = launcher().await;
    for kind in kinds("twenty at once").await {
        let launches = (0..20).map(|_| {
            let (launcher, kind) = (launcher.clone(), Spec { id: spec().id, ..kind.clone() });
            tokio::spawn(async move { Running::launch(&launcher, kind).await })
        });
        let mut sandboxes = Vec::new();
        for launch in launches.collect::<Vec<_>>() {
            sandboxes.push(launch.await.unwrap());
        }
        for (index, sandbox) in sandboxes.iter_mut().enumerate() {
            assert_eq!(sandbox.script(&format!("echo {index}")).await, format!("{index}\n"));
        }
    }
}

#[tokio::test]
async fn what_cannot_be_made_says_why() {
    let launcher = launcher().await;
    let mount = |source: &str, target| vec![Mount { source: source.into(), target }];
    let refusal = async |spec: Spec| match launcher.maker(spec.isolation).launch(spec).await {
        Ok(_) => panic!("it was made"),
        Err(error) => error.to_string(),
    };
    let elsewhere = refusal(Spec { mounts: mount("/usr", "/etc"), ..spec() }).await;
    assert!(elsewhere.starts_with("/etc is not a place for a mount"), "{elsewhere}");
    let network = refusal(Spec { isolation: Isolation::Process, ..spec() }).await;
    assert!(network.starts_with("a sandbox without isolation has the host's network"), "{network}");
    let mounts = refusal(Spec { mounts: mount("/usr", "/opt"), ..bare() }).await;
    assert!(mounts.starts_with("a sandbox without isolation shows the host's files"), "{mounts}");
    let instance = Launcher::start(Options::new("a/b")).await;
    assert!(matches!(instance, Err(Error::Instance(_))));
    if namespaces("what_cannot_be_made_says_why").await {
        let missing = refusal(Spec { mounts: mount("/nonexistent", "/opt"), ..spec() }).await;
        assert_eq!(missing, "sandbox setup failed at \"open /nonexistent\": no such file or directory");
        let twice = Spec { mounts: [mount("/usr", "/opt"), mount("/lib", "/opt")].concat(), ..spec() };
        assert_eq!(refusal(twice).await, "two directories were to be mounted at /opt");
        // A file on a directory fails in the process that becomes init, and is told all the same.
        let file = refusal(Spec { mounts: mount("/etc/hosts", "/opt"), ..spec() }).await;
        assert_eq!(file, "sandbox setup failed at \"mount /opt\": invalid argument");
        let unlimited = refusal(Spec { tmp: lambent_model::Bytes(0), ..spec() }).await;
        assert_eq!(unlimited, "/tmp needs a size above 0");
        let spec = spec();
        let _first = Running::launch(&launcher, spec.clone()).await;
        assert!(refusal(spec).await.starts_with("there is already a sandbox"));
    } else {
        let error = launcher.launch(spec()).await.unwrap_err();
        assert!(matches!(error, Error::Setup(Failure::Refused { .. })));
        assert!(error.to_string().contains("--isolation process"), "{error}");
    }
    // The launcher has survived all of that.
    Running::launch(&launcher, bare()).await.script("true").await;
}

#[tokio::test]
async fn a_launch_given_up_leaves_nothing() {
    if !namespaces("a_launch_given_up_leaves_nothing").await {
        return;
    }
    let launcher = launcher().await;
    let spec = spec();
    let id = spec.id.to_string();
    // Long enough for the request to be sent, too short for the sandbox: whichever comes first, nothing stays.
    let given_up = tokio::time::timeout(Duration::from_micros(500), launcher.launch(spec)).await;
    drop(given_up);
    until("no cgroup is left of it", || !support::cgroup_exists(&id)).await;
}

#[tokio::test]
async fn the_host_is_probed_without_a_server() {
    let host = probe().await.unwrap();
    assert_eq!(host.root, rustix::process::geteuid().is_root());
    assert_eq!(host.controllers.len(), 3);
}

/// As the kernel tells it of the sandbox's control groups.
fn is_frozen(id: &str) -> bool {
    let has = |directory: &std::path::Path, file: &str, line: &str| {
        let text = std::fs::read_to_string(directory.join(file)).unwrap_or_default();
        text.lines().any(|found| found == line)
    };
    let groups = support::cgroups(id);
    groups
        .iter()
        .any(|group| has(group, "cgroup.events", "frozen 1") || has(group, "freezer.state", "FROZEN"))
}

#[tokio::test]
async fn a_frozen_sandbox_stands_still_goes_on_and_dies() {
    let launcher = launcher().await;
    for kind in kinds("freezing").await {
        let (id, maker) = (kind.id.to_string(), launcher.maker(kind.isolation).host().freezer_error.clone());
        let mut sandbox = Running::launch(&launcher, kind).await;
        let freezer = sandbox.control.freezer();
        assert_eq!(freezer.is_none(), maker.is_some(), "the host says what its sandboxes can");
        if let Some(reason) = maker {
            eprintln!("skipped freezing: {reason}");
            sandbox.control.freeze().unwrap();
            sandbox.script("true").await;
            continue;
        }
        sandbox.control.start(shell("echo begun; while :; do :; done")).await.unwrap();
        sandbox.line("begun").await;
        sandbox.control.freeze().unwrap();
        until("the sandbox is frozen", || is_frozen(&id)).await;
        // Init stands still as well: the order waits for it.
        sandbox.control.reset().await.unwrap();
        assert!(sandbox.events.try_recv().is_err());
        sandbox.control.thaw().unwrap();
        assert_eq!(sandbox.event().await, Event::Exited(Exit::Signal(libc_signal::KILL)));
        assert_eq!(sandbox.event().await, Event::Reset);
        sandbox.control.freeze().unwrap();
        until("the sandbox is frozen again", || is_frozen(&id)).await;
        sandbox.control.kill();
        sandbox.gone().await;
        assert_eq!(sandbox.control.thaw().unwrap_err().raw_os_error(), Some(19), "ENODEV: it is gone");
    }
}
