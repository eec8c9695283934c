//! What the tests of the sandbox share.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part, as a module of its own")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::Read;
use std::sync::atomic::{AtomicU32, Ordering};

use lambent_model::{Bytes, Entropy, EnvironmentId};
use lambent_sandbox_client::{
    Control, Endpoint, Event, Exit, Isolation, Launcher, Network, Options, Program, Sandbox, Snapshotting,
    Spec, Trees, probe,
};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

struct Urandom;

impl Entropy for Urandom {
    fn fill(&self, buffer: &mut [u8]) {
        std::fs::File::open("/dev/urandom").unwrap().read_exact(buffer).unwrap();
    }
}

/// Whether tests that need root can run; says so when they cannot.
pub fn root(test: &str) -> bool {
    let root = is_root();
    if !root {
        eprintln!("skipped {test}: it needs root");
    }
    root
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether sandboxes in namespaces can be made by whoever runs the tests; says so when they cannot.
pub async fn namespaces(test: &str) -> bool {
    let error = probe().await.unwrap().namespaces_error;
    if let Some(error) = &error {
        eprintln!("skipped {test}: {error}");
    }
    error.is_none()
}

/// Runs the other tests of this binary once more, as a user who is nobody on this host: what root's sandboxes
/// promise, an ordinary user's have to keep as well. Tests that need root say so there.
pub fn again_as_an_ordinary_user(this_test: &str) {
    if root(this_test) {
        as_an_ordinary_user(
            &["--skip", this_test, "--skip", "limits_are_kept_in_a_delegated_cgroup"],
            |_| {},
        );
    }
}

/// Runs tests of this binary as an ordinary user, after something has been done to their process.
pub fn as_an_ordinary_user(arguments: &[&str], prepare: impl FnOnce(u32)) {
    use std::io::Write;
    use std::os::unix::process::CommandExt;
    use std::process::Stdio;
    let guard = OrdinaryFolder::new();
    let (binary, folder) = (guard.binary(), guard.path());
    // It begins when it is told to.
    let mut child = std::process::Command::new("/bin/sh")
        .args(["-c", "read go && exec \"$@\"", "sh"])
        .arg(&binary)
        .args(arguments)
        .env_clear()
        .envs([("TMPDIR", folder), ("HOME", folder)])
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir(folder)
        .uid(ORDINARY_USER)
        .gid(ORDINARY_USER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    prepare(child.id());
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let result = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&[result.stdout, result.stderr].concat()).into_owned();
    println!("{text}");
    assert!(result.status.success(), "as an ordinary user: {text}");
    assert!(!text.contains("running 0 tests"), "{text}");
}

/// A folder of the ordinary user's with this test's binary, since the build's own may be closed to others.
pub struct OrdinaryFolder(std::path::PathBuf);

impl OrdinaryFolder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("lambent-ordinary-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let folder = Self(folder);
        std::fs::copy(std::env::current_exe().unwrap(), folder.binary()).unwrap();
        std::os::unix::fs::chown(folder.path(), Some(ORDINARY_USER), Some(ORDINARY_USER)).unwrap();
        folder
    }

    pub fn path(&self) -> &std::path::Path {
        &self.0
    }

    pub fn binary(&self) -> std::path::PathBuf {
        self.0.join("tests")
    }
}

impl Drop for OrdinaryFolder {
    fn drop(&mut self) {
        // What stays is seen by the next run, which cannot make it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// No distribution assigns it to anybody.
pub const ORDINARY_USER: u32 = 54_321;

/// The launchers of one test: one for both kinds of sandboxes as root, one for each without.
#[derive(Clone)]
pub struct Launchers {
    confined: Launcher,
    bare: Launcher,
}

impl std::ops::Deref for Launchers {
    type Target = Launcher;

    fn deref(&self) -> &Launcher {
        &self.confined
    }
}

/// Who makes a sandbox of this kind.
pub trait Makes {
    fn maker(&self, isolation: Isolation) -> &Launcher;
}

impl Makes for Launcher {
    fn maker(&self, _: Isolation) -> &Launcher {
        self
    }
}

impl Makes for Launchers {
    fn maker(&self, isolation: Isolation) -> &Launcher {
        if isolation == Isolation::Process { &self.bare } else { &self.confined }
    }
}

/// Launchers of this test's own.
pub async fn launcher() -> Launchers {
    let confined = Launcher::start(options(Isolation::Namespaces)).await.unwrap();
    let bare = if is_root() {
        confined.clone()
    } else {
        Launcher::start(options(Isolation::Process)).await.unwrap()
    };
    Launchers { confined, bare }
}

pub fn options(isolation: Isolation) -> Options {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let instance = format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    // Below the build's own folder: nothing is left in it but the folder itself.
    let scratch = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("sandbox-scratch");
    // What tests show lies below the temporary folder, and these of the host.
    let folders = ["/usr", "/etc/hosts", "/nonexistent"].map(Into::into).to_vec();
    let trees = Trees { beneath: vec![std::env::temp_dir().canonicalize().unwrap()], folders };
    Options { scratch: Some(scratch), isolation, trees, ..Options::new(instance) }
}

pub fn spec() -> Spec {
    Spec {
        id: EnvironmentId::random(&Urandom),
        isolation: Isolation::Namespaces,
        network: Network::None,
        mounts: Vec::new(),
        memory: Bytes::mib(128),
        tmp: Bytes::mib(64),
        pids: 100,
        snapshots: Snapshotting::No,
    }
}

pub fn bare() -> Spec {
    Spec { isolation: Isolation::Process, network: Network::Host, ..spec() }
}

pub fn program(argv: &[&str]) -> Program {
    Program {
        argv: argv.iter().map(Into::into).collect(),
        env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
        cwd: "/".into(),
    }
}

pub fn shell(script: &str) -> Program {
    program(&["/bin/sh", "-c", script])
}

/// A running sandbox with its output as text.
pub struct Running {
    pub control: Control,
    pub events: mpsc::Receiver<Event>,
    pub stdio: pipe::Receiver,
    pub telemetry: pipe::Receiver,
    pub runtime_api: Endpoint,
    pub platform: Endpoint,
}

impl From<Sandbox> for Running {
    fn from(sandbox: Sandbox) -> Self {
        let Sandbox { runtime_api, platform, output, control, events, .. } = sandbox;
        let stdio = pipe::Receiver::from_owned_fd(output.stdio).unwrap();
        let telemetry = pipe::Receiver::from_owned_fd(output.telemetry).unwrap();
        Self { control, events, stdio, telemetry, runtime_api, platform }
    }
}

impl Running {
    pub async fn launch(launcher: &impl Makes, spec: Spec) -> Self {
        launcher.maker(spec.isolation).launch(spec).await.unwrap().into()
    }

    pub async fn event(&mut self) -> Event {
        self.events.recv().await.expect("Gone comes before the end of the events")
    }

    /// Runs a program to its end and gives what it wrote.
    pub async fn run(&mut self, program: Program) -> (String, Event) {
        self.control.start(program).await.unwrap();
        let mut output = String::new();
        loop {
            tokio::select! {
                biased;
                event = self.events.recv() => {
                    output.push_str(&drain(&self.stdio));
                    return (output, event.expect("Gone comes before the end of the events"));
                }
                // Meanwhile too: a program that writes more than a pipe holds would never end.
                readable = self.stdio.readable() => {
                    readable.unwrap();
                    output.push_str(&drain(&self.stdio));
                }
            }
        }
    }

    /// Runs a shell script that has to succeed.
    pub async fn script(&mut self, script: &str) -> String {
        let (output, event) = self.run(shell(script)).await;
        assert_eq!(event, Event::Exited(Exit::Code(0)), "{script}: {output}");
        output
    }

    /// The name of the sandbox's namespace of processes.
    pub async fn namespace(&mut self) -> String {
        self.script("readlink /proc/self/ns/pid").await.trim().to_owned()
    }

    /// Reads until this line has come.
    pub async fn line(&mut self, expected: &str) {
        let mut text = String::new();
        while !text.lines().any(|line| line == expected) {
            self.stdio.readable().await.unwrap();
            let more = drain(&self.stdio);
            assert!(!more.is_empty(), "the output ended with {text:?} before {expected:?}");
            text.push_str(&more);
        }
    }

    /// Drains the events up to Gone and gives its reason.
    pub async fn gone(&mut self) -> String {
        loop {
            if let Event::Gone { reason } = self.event().await {
                assert_eq!(self.events.recv().await, None, "nothing comes after Gone");
                return reason;
            }
        }
    }
}

/// What is in a pipe at this moment.
pub fn drain(pipe: &pipe::Receiver) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = pipe.try_read(&mut buffer) {
        all.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Waits until something is so.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    // Not a measure of time but the point at which waiting has become pointless.
    for _ in 0..3000 {
        if condition() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("still not so: {what}");
}

/// The processes in a namespace that is not the caller's own, by their numbers here. Init is among them.
pub fn inhabitants(namespace: &str) -> Vec<i32> {
    let inside = |pid: &i32| {
        std::fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|name| name.to_str() == Some(namespace))
    };
    let names = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).filter(inside).collect()
}

/// The mount points of hierarchies that the launcher uses.
pub fn hierarchies() -> Vec<std::path::PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let used = |line: &&str| {
        line.contains(" - cgroup2 ")
            || line.split_once(" - cgroup ").is_some_and(|(_, right)| {
                right.split([' ', ',']).any(|option| ["memory", "cpu", "pids"].contains(&option))
            })
    };
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let place = |line: &str| -> std::path::PathBuf {
        let mount = std::path::Path::new(line.split(' ').nth(4).unwrap());
        // In a cgroup that was handed to it, the launcher stays below; its processes it keeps beside.
        let own = mount.join(own.strip_suffix("lambent-server").unwrap_or(own));
        if line.contains(" - cgroup2 ") && own.join("lambent").exists() { own } else { mount.into() }
    };
    mounts.lines().filter(used).map(place).collect()
}

/// The cgroups of the sandbox with this id, whoever its launcher is.
pub fn cgroups(id: &str) -> Vec<std::path::PathBuf> {
    let list = |path: std::path::PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten();
    hierarchies()
        .into_iter()
        .flat_map(|root| list(root.join("lambent")))
        .map(|owner| owner.path().join(id))
        .filter(|group| group.exists())
        .collect()
}

/// Whether a sandbox with this id has a cgroup.
pub fn cgroup_exists(id: &str) -> bool {
    !cgroups(id).is_empty()
}
