//! The unpack program as the launcher starts it: whom it runs as, who gets what it leaves, what the launcher refuses.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use lambent_sandbox_client::{Error, Isolation, Launcher, Options, User};
use support::root;

/// A server that is nobody else's user, either.
const SERVER: User = User { uid: 0x6ffe_0001, gid: 0x6ffe_0002 };

/// A zip that holds one stored file, `a` with the content `x` (PKWARE's APPNOTE.TXT, 4.3).
const ZIP: &[u8] = b"PK\x03\x04\x0a\0\0\0\0\0\0\0\x21\0\x83\x16\xdc\x8c\x01\0\0\0\x01\0\0\0\x01\0\0\0ax\
    PK\x01\x02\x14\x03\x0a\0\0\0\0\0\0\0\x21\0\x83\x16\xdc\x8c\x01\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\xa4\x81\0\0\0\0a\
    PK\x05\x06\0\0\0\0\x01\0\x01\0\x2f\0\0\0\x20\0\0\0\0\0";

/// A folder that is gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lambent-unpack-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("zip"), ZIP).unwrap();
        Self(path)
    }

    fn zip(&self) -> OwnedFd {
        File::open(self.0.join("zip")).unwrap().into()
    }

    fn directory(&self, name: &str, owner: u32) -> (PathBuf, OwnedFd) {
        let path = self.0.join(name);
        fs::create_dir_all(&path).unwrap();
        chown(&path, Some(owner), None).unwrap();
        let opened = File::open(&path).unwrap().into();
        (path, opened)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

async fn launcher(name: &str) -> Launcher {
    let options = Options::new(format!("unpack-{name}-{}", std::process::id()));
    Launcher::start(Options { server: Some(SERVER), ..options }).await.unwrap()
}

fn owner(path: &Path) -> (u32, u32) {
    let found = fs::symlink_metadata(path).unwrap();
    (found.uid(), found.gid())
}

#[test]
fn without_root_the_same_holds() {
    support::again_as_an_ordinary_user("without_root_the_same_holds");
}

#[tokio::test]
async fn what_is_unpacked_belongs_to_the_server() {
    if !root("what_is_unpacked_belongs_to_the_server") {
        return;
    }
    let (scratch, launcher) = (Scratch::new("owner"), launcher("owner").await);
    let (path, directory) = scratch.directory("into", SERVER.uid);
    let done = launcher.unpack(scratch.zip(), directory, 1000, 10).await.unwrap();
    assert_eq!(String::from_utf8(done.answer).unwrap(), "{\"files\":1,\"bytes\":1,\"unreadable\":0}\n");
    assert_eq!(done.end, Ok(0));
    assert_eq!(fs::read(path.join("a")).unwrap(), b"x");
    for path in [&path, &path.join("a")] {
        assert_eq!(owner(path), (SERVER.uid, SERVER.gid), "{}", path.display());
    }
    // What was refused can be removed by the server as well, and what was there before stays whose it was.
    let (path, directory) = scratch.directory("too-much", SERVER.uid);
    fs::write(path.join("roots"), "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    let done = launcher.unpack(scratch.zip(), directory, 0, 10).await.unwrap();
    assert!(String::from_utf8(done.answer).unwrap().contains("too-large"));
    assert_eq!(owner(&path), (SERVER.uid, SERVER.gid));
    assert_eq!(owner(&path.join("roots")).0, 0);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o700, "closed while it was the program's");
}

#[tokio::test]
async fn the_launcher_gives_nothing_away_that_is_not_the_servers() {
    if !root("the_launcher_gives_nothing_away_that_is_not_the_servers") {
        return;
    }
    let (scratch, launcher) = (Scratch::new("refused"), launcher("refused").await);
    let (_, own) = scratch.directory("own", SERVER.uid);
    let own = || own.try_clone().unwrap();
    let (foreign, opened) = scratch.directory("foreign", 0);
    let writable = || File::options().read(true).write(true).open(scratch.0.join("zip")).unwrap().into();
    let (pipe, _writer) = std::io::pipe().unwrap();
    for (zip, directory, reason) in [
        (scratch.zip(), opened, "a directory of the server's user alone"),
        (scratch.zip(), File::open("/etc").unwrap().into(), "a directory of the server's user alone"),
        (scratch.zip(), scratch.zip(), "a directory of the server's user alone"),
        (writable(), own(), "open for reading alone"),
        (pipe.into(), own(), "open for reading alone"),
        (File::open("/dev/null").unwrap().into(), own(), "open for reading alone"),
    ] {
        let refused = launcher.unpack(zip, directory, 1000, 10).await.unwrap_err();
        assert!(matches!(refused, Error::Setup(_)) && refused.to_string().contains(reason), "{refused}");
    }
    assert_eq!((owner(&foreign).0, owner(Path::new("/etc")).0), (0, 0));
    // It goes on all the same.
    assert_eq!(launcher.unpack(scratch.zip(), own(), 1000, 10).await.unwrap().end, Ok(0));
}

#[tokio::test]
async fn without_root_it_is_all_one_user() {
    if support::is_root() {
        eprintln!("skipped without_root_it_is_all_one_user: it needs a user that is not root");
        return;
    }
    let scratch = Scratch::new("rootless");
    for isolation in [Isolation::Namespaces, Isolation::Process] {
        if isolation == Isolation::Namespaces
            && !support::namespaces("without_root_it_is_all_one_user, in namespaces").await
        {
            continue;
        }
        let options = Options::new(format!("unpack-{isolation:?}-{}", std::process::id()));
        let launcher = Launcher::start(Options { isolation, ..options }).await.unwrap();
        let user = rustix::process::geteuid().as_raw();
        let (path, directory) = scratch.directory(&format!("{isolation:?}"), user);
        let done = launcher.unpack(scratch.zip(), directory, 1000, 10).await.unwrap();
        assert_eq!(done.end, Ok(0), "{}", String::from_utf8_lossy(&done.answer));
        assert_eq!((fs::read(path.join("a")).unwrap(), owner(&path.join("a")).0), (b"x".to_vec(), user));
    }
}
