use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;

const USER: ServiceUser = ServiceUser::UNNAMED;

/// A folder of this test that is gone with it; `None` without root, and says so.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped {name}: it needs root");
            return None;
        }
        let path = std::env::temp_dir().join(format!("lambent-folder-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary folder is writable");
        Some(Self(path.canonicalize().expect("it was just made")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn file(&self, name: &str, owner: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("writable");
        fs::write(&path, "x").expect("writable");
        std::os::unix::fs::chown(path, Some(owner), Some(owner)).expect("this is root");
    }

    fn owner(&self, name: &str) -> u32 {
        fs::symlink_metadata(self.path(name)).expect("it is there").uid()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("the test's own folder");
    }
}

fn refusal(dir: &Path) -> String {
    prepare(dir, Some(USER)).expect_err("it is refused").to_string()
}

#[test]
fn a_new_folder_is_shared_between_root_and_the_server() {
    let Some(scratch) = Scratch::new("new") else { return };
    let dir = scratch.path("data");
    for _start in 0..2 {
        assert_eq!(prepare(&dir, Some(USER)).expect("it can be made"), dir);
        let found = fs::metadata(&dir).expect("made");
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (0, USER.ids.gid, 0o1771));
        let owners = ["runtimes", "scratch", "code", "code/packages", "code/staging"];
        let owners = owners.map(|name| scratch.owner(&format!("data/{name}")));
        assert_eq!(owners, [0, 0, USER.ids.uid, USER.ids.uid, USER.ids.uid]);
    }
}

#[test]
fn a_folder_of_an_earlier_version_is_handed_over_once() {
    let Some(scratch) = Scratch::new("earlier") else { return };
    for name in ["lambent.db", "secret", "code/packages/a/root/app.py", "runtimes/probes.json", "mine.txt"] {
        scratch.file(&format!("data/{name}"), 0);
    }
    scratch.file("precious", 0);
    symlink(scratch.path("precious"), scratch.path("data/code/packages/a/root/link")).expect("writable");
    let dir = scratch.path("data");
    prepare(&dir, Some(USER)).expect("it is ours");
    for name in ["lambent.db", "secret", "code", "code/packages/a/root/app.py", "code/packages/a/root/link"] {
        assert_eq!(scratch.owner(&format!("data/{name}")), USER.ids.uid, "{name}");
    }
    for name in ["precious", "data/mine.txt", "data/runtimes/probes.json", "data/runtimes"] {
        assert_eq!(scratch.owner(name), 0, "{name}");
    }
    // Never again: what root puts there afterwards stays root's, whatever its name.
    scratch.file("data/code/packages/a/root/later", 0);
    prepare(&dir, Some(USER)).expect("it is ours");
    assert_eq!(scratch.owner("data/code/packages/a/root/later"), 0);
}

#[test]
fn what_a_crash_left_half_unpacked_can_be_removed() {
    let Some(scratch) = Scratch::new("crash") else { return };
    let dir = scratch.path("data");
    prepare(&dir, Some(USER)).expect("it can be made");
    scratch.file("data/code/staging/1/root/app.py", 0x7000_0000);
    scratch.file("data/code/staging/1/root/roots", 0);
    prepare(&dir, Some(USER)).expect("it is ours");
    assert_eq!(scratch.owner("data/code/staging/1/root/app.py"), USER.ids.uid);
    assert_eq!(scratch.owner("data/code/staging/1/root/roots"), 0, "no program of ours has made that");
}

#[test]
fn a_folder_that_is_not_lambents_is_left_alone() {
    let Some(scratch) = Scratch::new("foreign") else { return };
    scratch.file("other/thing", 0);
    assert!(refusal(&scratch.path("other")).contains("a folder of its own"));
    scratch.file("users/lambent.db", 1000);
    std::os::unix::fs::chown(scratch.path("users"), Some(1000), None).expect("this is root");
    assert!(refusal(&scratch.path("users")).contains("belongs to uid 1000"));
    // A second name of what may be anybody's file.
    scratch.file("linked/lambent.db", 0);
    fs::hard_link(scratch.path("linked/lambent.db"), scratch.path("elsewhere")).expect("one file system");
    assert!(refusal(&scratch.path("linked")).contains("a second name"));
    assert_eq!(scratch.owner("elsewhere"), 0);
    // A link or a folder of the server's in place of root's own.
    for (name, bad) in [("runtimes", "link"), ("scratch", "folder")] {
        let dir = scratch.path(&format!("with-{name}"));
        fs::create_dir_all(&dir).expect("writable");
        prepare(&dir, Some(USER)).expect("it can be made");
        fs::remove_dir(dir.join(name)).expect("empty");
        if bad == "link" {
            symlink("/etc", dir.join(name)).expect("writable");
        } else {
            fs::create_dir(dir.join(name)).expect("writable");
            std::os::unix::fs::chown(dir.join(name), Some(USER.ids.uid), None).expect("this is root");
        }
        refusal(&dir);
    }
}

#[test]
fn a_server_without_root_keeps_its_folder_to_itself() {
    let dir = std::env::temp_dir().join(format!("lambent-folder-own-{}", std::process::id()));
    prepare(&dir, None).expect("the temporary folder is writable");
    assert_eq!(fs::metadata(&dir).expect("made").permissions().mode() & 0o7777, 0o711);
    assert_eq!(fs::metadata(dir.join("code")).expect("made").permissions().mode() & 0o7777, 0o700);
    fs::remove_dir_all(dir).expect("the test's own folder");
}
