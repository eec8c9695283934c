//! What the server expects of the program that unpacks, and what it does when it gets something else.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use lambent_store::{CodeError, CodeOptions, CodeStore};

use crate::support::{Direct, NOBODY, listing, program, root, zip_of};

/// A store whose program is a shell script, run in place of the real one.
fn scripted(dir: &Path, script: &str) -> CodeStore {
    let program = dir.join("script");
    // Written by another process: were it open for writing here while another test starts a program, that program
    // would inherit it for an instant, and a file that is open for writing cannot be executed.
    let mut writer = Command::new("sh");
    writer
        .args(["-c", r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod 755 "$0""#])
        .arg(&program)
        .arg(script);
    assert!(writer.status().unwrap().success());
    // The program's user has to get there.
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    CodeStore::open(&dir.join("code"), CodeOptions::new(Arc::new(Direct(program)))).unwrap()
}

#[tokio::test]
async fn one_digest_is_unpacked_once_however_many_upload_it() {
    let dir = tempfile::tempdir().unwrap();
    let count = dir.path().join("count");
    fs::write(&count, "").unwrap();
    fs::set_permissions(&count, fs::Permissions::from_mode(0o666)).unwrap();
    let script = format!(r#"echo x >> {}; echo '{{"files":0,"bytes":0,"unreadable":0}}'"#, count.display());
    let store = scripted(dir.path(), &script);
    let uploads = (0..10).map(|_| store.put_zip("same".into()));
    let packages = futures_util::future::join_all(uploads).await;
    assert!(packages.iter().all(Result::is_ok), "{packages:?}");
    assert_eq!(fs::read_to_string(&count).unwrap(), "x\n");
}

#[tokio::test]
async fn a_program_that_misbehaves_stores_nothing() {
    let broken = |script: &'static str, why: &'static str| async move {
        let dir = tempfile::tempdir().unwrap();
        let store = scripted(dir.path(), script);
        let error = store.put_zip("zip".into()).await.expect_err(script);
        assert_eq!(listing(&dir.path().join("code")), ["packages", "staging"], "{script}");
        assert!(format!("{error:?}").contains(why), "{script}: {error:?}");
        error
    };
    for (script, why) in [
        ("exit 3", "exit code 3"),
        ("echo nonsense", "nonsense"),
        (r#"echo '{"files":0,"bytes":0,"unreadable":0,"more":1}'"#, "more"),
        ("kill -KILL $$", "signal 9"),
        ("kill -SYS $$", "signal 31"),
        (r#"echo hello > f; echo '{"files":1,"bytes":1,"unreadable":0}'"#, "claims"),
        (r#"echo '{"error":"unheard-of","detail":"what?"}'"#, "what?"),
    ] {
        let error = broken(script, why).await;
        assert!(matches!(error, CodeError::Unpacker { .. }), "{script}: {error:?}");
    }
    // As root the change of owner has taken that bit away before anybody looks.
    let setuid = (!root()).then_some("chmod 4755 f");
    for script in setuid.into_iter().chain(["chmod 666 f", "ln f g", "mkfifo g", "mkdir d; chmod 777 d"]) {
        let script = format!(r#"echo > f; {script}; echo '{{"files":1,"bytes":1,"unreadable":0}}'"#);
        broken(script.leak(), "should not make").await;
    }
    // Limits that a package has reached are the package's fault.
    let error = broken("kill -ABRT $$", "signal 6").await;
    assert!(matches!(error, CodeError::NotAZip { .. }), "{error:?}");
    let error = broken(r#"echo '{"error":"no-space","detail":""}'"#, "staging").await;
    assert!(matches!(error, CodeError::DiskFull { .. }), "{error:?}");
}

#[test]
fn the_program_is_confined_before_it_answers() {
    let dir = tempfile::tempdir().unwrap();
    if root() {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    }
    // A pipe that is full holds the program at its last step.
    let (reader, mut writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while writer.write(&[b'\n'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    let zip = dir.path().join("zip");
    fs::write(&zip, zip_of(&[("a", b"x")])).unwrap();
    let mut command = Command::new(program());
    command.args(["1000", "10"]).current_dir(dir.path()).stdin(fs::File::open(&zip).unwrap()).stdout(writer);
    if root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let proc = Path::new("/proc").join(child.id().to_string());
    let written = dir.path().join("a");
    while !written.exists() {
        assert!(child.try_wait().unwrap().is_none(), "the program has ended without a file");
        std::thread::yield_now();
    }
    let status = fs::read_to_string(proc.join("status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
    assert_eq!(field("CapEff:"), "0000000000000000");
    if root() {
        assert_eq!(field("Uid:"), "65534 65534 65534 65534");
        assert_eq!(field("Groups:"), "");
        // Not dumpable: its own user may not look inside.
        assert_eq!(fs::metadata(proc.join("fd")).unwrap().uid(), 0);
    }
    let limits = fs::read_to_string(proc.join("limits")).unwrap();
    for (name, value) in [
        ("Max address space", "536870912"),
        ("Max file size", "1000"),
        ("Max processes", "0"),
        ("Max core file size", "0"),
    ] {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        assert_eq!(line.split_whitespace().next(), Some(value), "{name}");
    }
    drop(reader);
    assert!(!child.wait().unwrap().success(), "nobody has read the answer");
}
