//! A small Debian for the machine: packages of the host's own sources, unpacked and not installed.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::programs::Program;
use crate::test::process::succeed;

/// The kernel: without drivers of real machines, so that it is small, and with those of qemu's.
const KERNEL: &str = "linux-image-cloud-amd64";

/// What the guest, the launcher and the tests run. What these need comes with them.
const PACKAGES: &[&str] = &[
    "base-files",
    "attr",
    "bash",
    "busybox-static",
    "coreutils",
    "dash",
    "e2fsprogs",
    "findutils",
    "grep",
    "hostname",
    "libgcc-s1",
    "libpython3.11-stdlib",
    "mawk",
    "mount",
    "procps",
    "python3.11-minimal",
    "sed",
    "util-linux",
];

/// Packages that others name as needed at their installation, which is not done here.
const NOT_NEEDED: &[&str] =
    &["cdebconf", "debconf", "dpkg", "init-system-helpers", "install-info", "usrmerge"];

/// Directories that today's Debian keeps below /usr, while some packages still bring them beside it.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// Enough for the tree, the programs and the largest /tmp of a test. A sparse file.
const DISK: &str = "3G";

const GUEST: &str = include_str!("guest.sh");
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n";
const GROUP: &str = "root:x:0:\nuser:x:1000:\n";

/// The unpacked packages.
pub(crate) struct Debian {
    root: PathBuf,
}

impl Debian {
    /// Downloads and unpacks, unless an earlier run has.
    pub(crate) fn prepare(folder: &Path) -> Result<Self, String> {
        let this = Self { root: folder.join("root") };
        // Written last: an interrupted run has none.
        let stamp = folder.join("packages.txt");
        let wanted = PACKAGES.join("\n");
        if fs::read_to_string(&stamp).is_ok_and(|done| done == wanted) {
            return Ok(this);
        }
        let _nothing_there = fs::remove_dir_all(folder);
        let downloads = folder.join("packages");
        make(&downloads)?;
        make(&this.root)?;
        println!("fetching Debian's kernel and the packages of a small guest");
        let mut names = closure()?;
        names.push(kernel_package()?);
        succeed(Command::new("apt-get").args(["download", "-q"]).args(&names).current_dir(&downloads))?;
        for package in files(&downloads)? {
            succeed(Command::new("dpkg-deb").arg("-x").arg(package).arg(&this.root))?;
        }
        this.merge()?;
        fs::write(&stamp, wanted).map_err(|error| format!("cannot write {}: {error}", stamp.display()))?;
        Ok(this)
    }

    /// The kernel's image.
    pub(crate) fn kernel(&self) -> Result<PathBuf, String> {
        let kernels = files(&self.root.join("boot"))?;
        let found = kernels.into_iter().find(|file| file.to_string_lossy().contains("/vmlinuz-"));
        found.ok_or_else(|| format!("no kernel was unpacked into {}", self.root.display()))
    }

    /// A disk with all of it and the programs, on which the machine starts `guest.sh`.
    pub(crate) fn image(
        &self,
        image: &Path,
        programs: &[Program],
        filters: &[String],
    ) -> Result<PathBuf, String> {
        let tests = self.root.join("tests");
        let _nothing_there = fs::remove_dir_all(&tests);
        make(&tests)?;
        for program in programs {
            let to = tests.join(&program.name);
            fs::copy(&program.file, &to)
                .map_err(|error| format!("cannot copy to {}: {error}", to.display()))?;
        }
        for (path, text) in [
            ("usr/sbin/guest", GUEST),
            ("etc/passwd", PASSWD),
            ("etc/group", GROUP),
            ("etc/hosts", "127.0.0.1 localhost\n"),
            ("etc/resolv.conf", "nameserver 127.0.0.1\n"),
            ("filters", &filters.join(" ")),
        ] {
            let file = self.root.join(path);
            fs::write(&file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        }
        let guest = self.root.join("usr/sbin/guest");
        fs::set_permissions(&guest, fs::Permissions::from_mode(0o755))
            .map_err(|error| format!("cannot make {} executable: {error}", guest.display()))?;
        let _none_there = fs::remove_file(image);
        // Whoever runs this, in the machine everything is root's.
        let options = ["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-E", "root_owner=0:0", "-d"];
        succeed(Command::new("/usr/sbin/mke2fs").args(options).arg(&self.root).arg(image).arg(DISK))?;
        Ok(image.to_owned())
    }

    /// Moves what lies beside /usr into it, and gives the programs their usual names.
    fn merge(&self) -> Result<(), String> {
        for name in MERGED {
            let (beside, below) = (self.root.join(name), self.root.join("usr").join(name));
            make(&below)?;
            if beside.is_dir() {
                succeed(Command::new("cp").arg("-a").arg(beside.join(".")).arg(&below))?;
                succeed(Command::new("rm").arg("-r").arg(&beside))?;
            }
            link(&Path::new("usr").join(name), &beside)?;
        }
        link(Path::new("dash"), &self.root.join("usr/bin/sh"))?;
        link(Path::new("python3.11"), &self.root.join("usr/bin/python3"))?;
        for folder in ["home/user", "proc", "sys", "dev", "run", "tmp"] {
            make(&self.root.join(folder))?;
        }
        Ok(())
    }
}

/// The packages and all that they depend on.
fn closure() -> Result<Vec<String>, String> {
    let without = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"];
    let output = Command::new("apt-cache")
        .args(["depends", "--recurse"])
        .args(without.map(|kind| format!("--no-{kind}")))
        .args(PACKAGES)
        .output()
        .map_err(|error| format!("apt-cache is needed, which Debian and Ubuntu have: {error}"))?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    // Lines that begin with a letter name a package; the others say how it is needed, or name a virtual one.
    let named = |line: &&str| line.starts_with(|c: char| c.is_ascii_alphanumeric()) && !line.contains(':');
    let unneeded =
        |name: &str| NOT_NEEDED.contains(&name) || name.starts_with("perl") || name.starts_with("libperl");
    let mut names: Vec<String> =
        listed.lines().filter(named).filter(|name| !unneeded(name)).map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < PACKAGES.len() {
        return Err("apt-cache knows too few of the guest's packages; run apt-get update".to_owned());
    }
    Ok(names)
}

/// The package that the meta-package of the kernel stands for.
fn kernel_package() -> Result<String, String> {
    let output = Command::new("apt-cache")
        .args(["depends", KERNEL])
        .output()
        .map_err(|error| format!("cannot run apt-cache: {error}"))?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = listed.lines().find_map(|line| line.trim().strip_prefix("Depends: linux-image-"));
    let found = found.ok_or_else(|| format!("the package sources have no {KERNEL}; run apt-get update"))?;
    Ok(format!("linux-image-{found}"))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let listed =
        fs::read_dir(folder).map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
    Ok(listed.flatten().map(|entry| entry.path()).collect())
}

fn make(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))
}

fn link(to: &Path, at: &Path) -> Result<(), String> {
    let _none_there = fs::remove_file(at);
    symlink(to, at).map_err(|error| format!("cannot link {}: {error}", at.display()))
}
