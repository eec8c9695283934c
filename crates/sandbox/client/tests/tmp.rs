//! `/tmp`: as large as asked for, the sandbox's own, not charged to its memory, and gone with it.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lambent_model::Bytes;
use lambent_sandbox_client::{Error, Event, Exit, Launcher, Options, Spec, probe};
use support::{Running, is_root, namespaces, root, shell, spec, until};

/// A folder for the content of /tmp, gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lambent-tmp-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn options(&self) -> Options {
        let name = self.0.file_name().unwrap().to_str().unwrap();
        Options { scratch: Some(self.0.clone()), ..Options::new(name) }
    }

    async fn launcher(&self) -> Launcher {
        Launcher::start(self.options()).await.unwrap()
    }

    /// Loop devices whose file lies here.
    fn devices(&self) -> usize {
        devices(&self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn devices(folder: &Path) -> usize {
    let folder = folder.to_str().unwrap();
    let blocks = std::fs::read_dir("/sys/block").unwrap().flatten();
    let files =
        blocks.filter_map(|block| std::fs::read_to_string(block.path().join("loop/backing_file")).ok());
    files.filter(|file| file.starts_with(folder)).count()
}

/// Whether file systems for /tmp can be made here; says so when they cannot.
async fn possible(test: &str) -> bool {
    if !root(test) {
        return false;
    }
    let error = probe().await.unwrap().tmp_error;
    if let Some(error) = &error {
        eprintln!("skipped {test}: {error}");
    }
    error.is_none()
}

fn sized(mib: u64) -> Spec {
    Spec { tmp: Bytes::mib(mib), ..spec() }
}

#[tokio::test]
async fn the_set_size_can_be_written_and_no_more() {
    if !possible("the_set_size_can_be_written_and_no_more").await {
        return;
    }
    let scratch = Scratch::new("size");
    let launcher = scratch.launcher().await;
    assert_eq!(launcher.host().tmp_error, None);
    for mib in [512, 600, 1024] {
        let mut sandbox = Running::launch(&launcher, sized(mib)).await;
        let shown = sandbox.script("df -B1 --output=avail,fstype /tmp | tail -1").await;
        let (available, kind) = shown.trim().split_once(' ').unwrap();
        let excess =
            available.parse::<u64>().unwrap().checked_sub(mib << 20).expect("all of it is available");
        assert!(excess < 2 << 20 && kind.trim() == "ext4", "{shown}");
        assert_eq!(sandbox.script("stat -c '%a %u %g' /tmp; ls -A /tmp").await, "1777 0 0\n");
        // Room for all of it, and none for 2 MiB beyond.
        sandbox.script(&format!("fallocate -l {mib}M /tmp/all && rm /tmp/all")).await;
        let (output, event) =
            sandbox.run(shell(&format!("LC_ALL=C fallocate -l {}M /tmp/all", mib + 2))).await;
        assert_ne!(event, Event::Exited(Exit::Code(0)));
        assert!(output.contains("No space left on device"), "{output}");
    }
    // The same by writing, which goes another way through the kernel.
    let mut sandbox = Running::launch(&launcher, sized(64)).await;
    sandbox.script("head -c 67108864 /dev/zero > /tmp/all && sync /tmp/all").await;
    let (output, _) =
        sandbox.run(shell("LC_ALL=C; head -c 3000000 /dev/zero >> /tmp/all; stat -c %s /tmp/all")).await;
    assert!(output.contains("No space left on device"), "{output}");
}

#[tokio::test]
async fn content_is_not_charged_to_memory() {
    if !possible("content_is_not_charged_to_memory").await {
        return;
    }
    let scratch = Scratch::new("memory");
    let launcher = scratch.launcher().await;
    let mut sandbox = Running::launch(&launcher, sized(512)).await;
    let sum = sandbox
        .script("head -c 419430400 /dev/zero | tr '\\0' x > /tmp/large && tr -d x < /tmp/large | wc -c; stat -c %s /tmp/large")
        .await;
    assert_eq!(sum, "0\n419430400\n");
    assert_eq!(sandbox.control.usage().oom_kills, 0);
    // With most of its memory in use as well.
    let (output, event) = sandbox
        .run(shell("x=$(head -c 30000000 /dev/zero | tr '\\0' x); cp /tmp/large /dev/null; rm /tmp/large; head -c 400000000 /dev/zero > /tmp/more; echo ${#x}"))
        .await;
    assert_eq!((output.as_str(), event), ("30000000\n", Event::Exited(Exit::Code(0))));
    assert_eq!(sandbox.control.usage().oom_kills, 0);
    // Its own memory is as limited as ever.
    let (_, event) = sandbox.run(shell("x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo survived")).await;
    assert_ne!(event, Event::Exited(Exit::Code(0)));
    assert!(sandbox.control.usage().oom_kills >= 1);
}

#[tokio::test]
async fn content_outlives_a_reset_but_not_the_sandbox() {
    if !possible("content_outlives_a_reset_but_not_the_sandbox").await {
        return;
    }
    let scratch = Scratch::new("life");
    let launcher = scratch.launcher().await;
    let mut sandbox = Running::launch(&launcher, sized(600)).await;
    let mut neighbour = Running::launch(&launcher, sized(600)).await;
    sandbox.script("echo mine > /tmp/mine; umask 0; mkdir -m 777 /tmp/open").await;
    sandbox.control.reset().await.unwrap();
    assert_eq!(sandbox.event().await, Event::Reset);
    assert_eq!(sandbox.script("cat /tmp/mine; stat -c %u /tmp/mine").await, "mine\n1051\n");
    assert_eq!(neighbour.script("ls -A /tmp").await, "");
    // None of it has a name on the host, nor a mount.
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 0);
    assert!(!std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" - ext4 /dev/loop"));
    for sandbox in [&mut sandbox, &mut neighbour] {
        sandbox.control.kill();
        sandbox.gone().await;
    }
    let mut next = Running::launch(&launcher, sized(600)).await;
    assert_eq!(next.script("ls -A /tmp").await, "");
    drop((sandbox, neighbour, next, launcher));
    until("no device is left", || scratch.devices() == 0).await;
}

#[tokio::test]
async fn neither_set_user_id_nor_devices_work_in_it() {
    if !possible("neither_set_user_id_nor_devices_work_in_it").await {
        return;
    }
    let scratch = Scratch::new("inert");
    let launcher = scratch.launcher().await;
    let mut sandbox = Running::launch(&launcher, sized(512)).await;
    let options = sandbox.script("grep ' /tmp ' /proc/self/mountinfo").await;
    let options = options.split(' ').nth(5).unwrap();
    for option in ["rw", "nosuid", "nodev", "noatime"] {
        assert!(options.split(',').any(|o| o == option), "{options}");
    }
    let (output, event) = sandbox.run(shell("LC_ALL=C mknod /tmp/null c 1 3")).await;
    assert_eq!(event, Event::Exited(Exit::Code(1)));
    // By Landlock, or else for lack of a capability.
    let refusals = ["Permission denied", "Operation not permitted"];
    assert!(refusals.iter().any(|refusal| output.contains(refusal)), "{output}");
    // Nor are the restrictions the function's to take away.
    for attempt in ["umount /tmp", "mount -o remount,suid,dev /tmp", "chown 0 /tmp/id"] {
        let (_, event) = sandbox.run(shell(&format!("cp /usr/bin/id /tmp/id && {attempt}"))).await;
        assert_ne!(event, Event::Exited(Exit::Code(0)), "{attempt}");
    }
    assert_eq!(sandbox.script("chmod 6755 /tmp/id && /tmp/id -u").await, "1051\n");
}

#[tokio::test]
async fn many_launches_at_once_each_get_their_own() {
    if !possible("many_launches_at_once_each_get_their_own").await {
        return;
    }
    let scratch = Scratch::new("many");
    let launcher = scratch.launcher().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..20 {
        let launcher = launcher.clone();
        tasks.spawn(async move {
            let mut sandbox =
                Running::launch(&launcher, sized(if number % 4 == 0 { 700 } else { 512 })).await;
            sandbox.script(&format!("ls -A /tmp; echo {number} > /tmp/number")).await;
            assert_eq!(sandbox.script("cat /tmp/*").await, format!("{number}\n"));
            sandbox
        });
    }
    let mut sandboxes = Vec::new();
    while let Some(sandbox) = tasks.join_next().await {
        sandboxes.push(sandbox.unwrap());
    }
    assert!(scratch.devices() >= 20);
    drop((sandboxes, launcher));
    until("no device is left", || scratch.devices() == 0).await;
}

/// Server and launcher killed at once have no time for anything: this server is a copy of this test binary.
#[tokio::test]
async fn a_killed_launcher_leaves_nothing() {
    if !possible("a_killed_launcher_leaves_nothing").await {
        return;
    }
    let scratch = Scratch::new("killed");
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "server_to_be_killed", "--ignored", "--nocapture"])
        .env("SCRATCH_OF_THE_SERVER", &scratch.0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(server.stdout.take().unwrap()));
    assert!(lines.map(|line| line.unwrap()).any(|line| line.contains("sandbox is up")));
    // Listed by the thread that started them.
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.id())).unwrap().flatten();
    let children: String =
        threads.map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap()).collect();
    assert!(scratch.devices() >= 1 && !children.is_empty());
    for pid in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    server.kill().unwrap();
    server.wait().unwrap();
    let _launcher = scratch.launcher().await;
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 0);
    drop(_launcher);
    until("no device is left", || scratch.devices() == 0).await;
}

#[tokio::test]
#[ignore = "not a test but the server that a_killed_launcher_leaves_nothing kills"]
async fn server_to_be_killed() {
    let Some(scratch) = std::env::var_os("SCRATCH_OF_THE_SERVER") else { return };
    let options = Options { scratch: Some(scratch.into()), ..Options::new("tmp-killed") };
    let launcher = Launcher::start(options).await.unwrap();
    let mut sandbox = Running::launch(&launcher, sized(600)).await;
    sandbox.control.start(shell("echo x > /tmp/x; echo ready; sleep 1000")).await.unwrap();
    sandbox.line("ready").await;
    println!("sandbox is up");
    std::future::pending::<()>().await;
}

#[test]
fn all_of_it_holds_for_an_ordinary_user() {
    support::again_as_an_ordinary_user("all_of_it_holds_for_an_ordinary_user");
}

#[tokio::test]
async fn without_a_disk_of_its_own_it_is_in_memory_and_the_host_says_so() {
    if !namespaces("without_a_disk_of_its_own_it_is_in_memory_and_the_host_says_so").await {
        return;
    }
    let unnamed = Options::new(format!("tmp-unnamed-{}", std::process::id()));
    // No file can be made there.
    let useless = Options { scratch: Some("/proc/lambent".into()), ..unnamed.clone() };
    let reasons = if is_root() { ["named no folder", "/proc/lambent"] } else { ["needs root"; 2] };
    for (options, reason) in [unnamed, useless].into_iter().zip(reasons) {
        let launcher = Launcher::start(options).await.unwrap();
        let told = launcher.host().tmp_error.as_ref().unwrap();
        assert!(told.contains(reason) && told.starts_with("/tmp is in memory"), "{told}");
        let spec = Spec { memory: Bytes::mib(32), ..sized(64) };
        let mut sandbox = Running::launch(&launcher, spec).await;
        assert_eq!(
            sandbox.script("df -B1 --output=size,fstype /tmp | tail -1").await.trim(),
            "67108864 tmpfs"
        );
        // As much as was asked for, whatever the function's memory; kept by a reset, and gone with the sandbox.
        let fill = "LC_ALL=C; head -c 67108864 /dev/zero > /tmp/all && ! head -c 1 /dev/zero > /tmp/more; stat -c '%s %u' /tmp/all";
        let output = sandbox.script(fill).await;
        assert!(output.contains("No space left") && output.ends_with("67108864 1051\n"), "{output}");
        sandbox.control.reset().await.unwrap();
        assert_eq!(sandbox.event().await, Event::Reset);
        assert_eq!(sandbox.script("stat -c %s /tmp/all").await, "67108864\n");
        assert_eq!(sandbox.control.usage().oom_kills, 0);
        let mut next = Running::launch(&launcher, sized(64)).await;
        assert_eq!(next.script("ls -A /tmp; stat -c %a /tmp").await, "1777\n");
    }
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_takes_no_new_sandbox() {
    if !possible("a_disk_that_is_nearly_full_takes_no_new_sandbox").await {
        return;
    }
    let scratch = Scratch::new("full");
    let small = Mounted::new(&scratch.0, "size=200m");
    let launcher = scratch.launcher().await;
    let refused = launcher.launch(sized(512)).await.unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, Error::Setup(_)), "{text}");
    assert!(text.contains(scratch.0.to_str().unwrap()) && text.contains("256 MB"), "{text}");
    drop(launcher);
    until("no device is left", || scratch.devices() == 0).await;
    drop(small);
}

#[tokio::test]
async fn the_largest_tmp_ends_before_the_disk_is_full() {
    if !possible("the_largest_tmp_ends_before_the_disk_is_full").await {
        return;
    }
    let scratch = Scratch::new("filled");
    let small = Mounted::new(&scratch.0, "size=500m");
    let launcher = scratch.launcher().await;
    let mut neighbour = Running::launch(&launcher, sized(512)).await;
    neighbour.script("head -c 8000000 /dev/urandom > /tmp/mine").await;
    let mut hog = Running::launch(&launcher, sized(512)).await;
    // In steps, so that the writer waits for the disk and not for the page cache.
    let fill = "for i in $(seq 60); do head -c 8000000 /dev/urandom > /tmp/$i && sync /tmp/$i || exit 1; done; sleep 1000";
    hog.control.start(shell(fill)).await.unwrap();
    let reason = hog.gone().await;
    assert!(reason.contains("the disk for /tmp has") && reason.contains("held the most"), "{reason}");
    let refused = launcher.launch(sized(512)).await;
    assert!(refused.is_ok(), "what it held is free again: {refused:?}");
    assert_eq!(
        neighbour.script("wc -c < /tmp/mine; echo more > /tmp/more && cat /tmp/more").await,
        "8000000\nmore\n"
    );
    drop((launcher, neighbour, hog, refused));
    until("no device is left", || scratch.devices() == 0).await;
    drop(small);
}

/// A small file system at a folder.
struct Mounted(PathBuf);

impl Mounted {
    fn new(path: &Path, options: &str) -> Self {
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path).status();
        assert!(status.unwrap().success());
        Self(path.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        assert!(Command::new("umount").arg("-l").arg(&self.0).status().unwrap().success());
    }
}
