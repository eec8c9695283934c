//! The root that every sandbox sees, composed once in the launcher's own mount namespace.
//!
//! A sandbox gets a read-only copy of this tree of mounts (one system call, however many mounts), and on top of it
//! its own /proc, /tmp and function directories. Nothing of the host is in it but what is named here: programs and
//! libraries, and of /etc only what those read. No home, no data folder, no socket, no /sys, no /run, no /dev/shm.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use lambent_sandbox_protocol::{Failure, MountPoint};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change, mount_remount};
use rustix::thread::UnshareFlags;

use crate::privileges::FUNCTION_UID;
use crate::step::Step;
use crate::tree;

/// Directories of programs and libraries, where the host has them. `/bin` and the like are links on most hosts and
/// stay links; `/usr/local` comes with `/usr`.
const PROGRAMS: [&str; 7] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// What programs read in /etc: certificates, the loader's cache, links of alternatives, names of ports and types.
const SETTINGS: [&str; 16] = [
    "ssl/certs",
    "ssl/openssl.cnf",
    "ssl/cert.pem",
    "pki",
    "ca-certificates",
    "crypto-policies",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "services",
    "protocols",
    "mime.types",
    "fonts",
    "gai.conf",
    "debian_version",
];

/// Character devices: name, major, minor (Linux: Documentation/admin-guide/devices.txt).
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// The name of the host inside, in the manner of AWS's link-local names.
pub(crate) const HOSTNAME: &str = "169-254-100-1";

/// An empty directory that covers what must not be seen.
pub(crate) const EMPTY_DIRECTORY: &str = "var/empty";

/// The composed root.
pub(crate) struct Template {
    root: PathBuf,
}

impl Template {
    /// Leaves the host's mount namespace and composes the root on a small tmpfs at `root`.
    /// `resolver` is whom programs inside ask for names.
    pub(crate) fn compose(root: PathBuf, resolver: Option<Ipv4Addr>) -> Result<Self, Failure> {
        // SAFETY: this program has one thread, so no other is surprised by the change.
        #[allow(unsafe_code)]
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.step("leave the mount namespace")?;
        // What the host mounts later stays visible (a data folder on a new disk); nothing goes the other way.
        mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
            .step("receive mounts only")?;
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&root);
        made.step(&format!("create {}", root.display()))?;
        let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
        // Devices are made in it, so not NODEV. The size is far above the few files below.
        mount("tmpfs", &root, "tmpfs", flags, Some(c"size=1m,nr_inodes=512,mode=755"))
            .step(&format!("mount the template root on {}", root.display()))?;
        let template = Self { root };
        template.directories().step("make the directories of the root")?;
        template.programs()?;
        template.settings(resolver)?;
        template.devices()?;
        template.shell()?;
        mount_remount(&template.root, flags | MountFlags::RDONLY, "").step("seal the template root")?;
        Ok(template)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    fn directories(&self) -> io::Result<()> {
        let places = MountPoint::ALL.into_iter().filter(|place| !place.is_inside_another());
        let places = places.map(|place| place.path().trim_start_matches('/'));
        // The library directories are looked for when an interpreter starts, and glibc remembers for the life of
        // the process that one was missing.
        let more =
            ["var/task/lib", "opt/lib", "opt/bin", "proc", "tmp", "dev", "etc/ssl", "mnt", EMPTY_DIRECTORY];
        for directory in places.chain(more) {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(self.root.join(directory))?;
        }
        Ok(())
    }

    fn programs(&self) -> Result<(), Failure> {
        PROGRAMS.iter().try_for_each(|name| self.mirror(name))
    }

    /// Shows `/name` of the host: a link as the same link, anything else as a sealed mount. Missing is fine.
    fn mirror(&self, name: &str) -> Result<(), Failure> {
        let (host, inside) = (Path::new("/").join(name), self.root.join(name));
        let what = format!("show {}", host.display());
        let kind = match fs::symlink_metadata(&host) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.step(&what)?.file_type(),
        };
        if kind.is_symlink() {
            return fs::read_link(&host).and_then(|target| symlink(target, &inside)).step(&what);
        }
        let placeholder = if kind.is_dir() { fs::create_dir(&inside) } else { fs::write(&inside, "") };
        placeholder.step(&what)?;
        self.show(&host, &inside).step(&what)
    }

    fn show(&self, host: &Path, inside: &Path) -> io::Result<()> {
        let tree = tree::clone_tree(host)?;
        tree::set_attributes(&tree, tree::SEALED, None)?;
        tree::attach(&tree, CWD, inside)
    }

    fn settings(&self, resolver: Option<Ipv4Addr>) -> Result<(), Failure> {
        for name in SETTINGS {
            self.mirror(&format!("etc/{name}"))?;
        }
        // Debian's Java keeps its settings in /etc/java-17-openjdk and links to them.
        for entry in fs::read_dir("/etc").step("read /etc")? {
            let name = entry.step("read /etc")?.file_name();
            if let Some(name) = name.to_str().filter(|name| name.starts_with("java")) {
                self.mirror(&format!("etc/{name}"))?;
            }
        }
        self.synthetic(resolver).step("write the files of /etc")
    }

    /// Files that say what is true inside, whatever the host says.
    fn synthetic(&self, resolver: Option<Ipv4Addr>) -> io::Result<()> {
        let etc = self.root.join("etc");
        let id = FUNCTION_UID;
        // A home that exists and can be written, so that programs that look it up work.
        let user = format!("sbx_user{id}:x:{id}:{id}::/tmp:/sbin/nologin\n");
        let nobody = "nobody:x:65534:65534:nobody:/:/sbin/nologin\n";
        let files = [
            ("passwd", format!("root:x:0:0:root:/:/sbin/nologin\n{user}{nobody}")),
            ("group", format!("root:x:0:\nsbx_user{id}:x:{id}:\nnobody:x:65534:\n")),
            ("hosts", format!("127.0.0.1 localhost sandbox.localdomain {HOSTNAME}\n::1 ip6-localhost\n")),
            ("hostname", format!("{HOSTNAME}\n")),
            ("resolv.conf", resolver.map_or_else(String::new, |address| format!("nameserver {address}\n"))),
            ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".to_owned()),
            ("host.conf", "multi on\n".to_owned()),
            ("shells", "/bin/sh\n".to_owned()),
        ];
        for (name, text) in files {
            fs::write(etc.join(name), text)?;
        }
        symlink("../usr/share/zoneinfo/UTC", etc.join("localtime"))?;
        // The libraries are the host's, so its name is the honest one.
        symlink("../usr/lib/os-release", etc.join("os-release"))?;
        symlink("../proc/self/mounts", etc.join("mtab"))
    }

    fn devices(&self) -> Result<(), Failure> {
        let dev = self.root.join("dev");
        for (name, major, minor) in DEVICES {
            let path = dev.join(name);
            let mode = Mode::from_raw_mode(0o666);
            match mknodat(CWD, &path, FileType::CharacterDevice, mode, makedev(major, minor)) {
                // The umask took the right to write.
                Ok(()) => fs::set_permissions(&path, fs::Permissions::from_mode(0o666))
                    .step(&format!("make /dev/{name}"))?,
                // In a container without CAP_MKNOD: the host's own node, without NODEV.
                Err(rustix::io::Errno::PERM) => {
                    fs::write(&path, "")
                        .and_then(|()| {
                            let tree = tree::clone_tree(&Path::new("/dev").join(name))?;
                            tree::set_attributes(
                                &tree,
                                libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC,
                                None,
                            )?;
                            tree::attach(&tree, CWD, &path)
                        })
                        .step(&format!("show /dev/{name}"))?;
                }
                Err(error) => return Err(error).step(&format!("make /dev/{name}")),
            }
        }
        let links = [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")];
        links
            .iter()
            .try_for_each(|(name, number)| symlink(format!("/proc/self/fd{number}"), dev.join(name)))
            .step("link /dev/fd")
    }

    /// `/bin/sh` is bash, as on Amazon Linux, where the host has bash.
    fn shell(&self) -> Result<(), Failure> {
        let bash = ["/usr/bin/bash", "/bin/bash"].into_iter().find(|path| Path::new(path).is_file());
        let Some(bash) = bash.and_then(|path| fs::canonicalize(path).ok()) else { return Ok(()) };
        for name in ["usr/bin/sh", "bin/sh"] {
            let inside = self.root.join(name);
            let directory = inside.parent().expect("both have one");
            // Through a link the same file would be covered a second time, or one outside the template.
            let linked = fs::symlink_metadata(directory).is_ok_and(|found| found.is_symlink());
            let present = fs::symlink_metadata(&inside).is_ok();
            if linked || !present || fs::canonicalize(Path::new("/").join(name)).is_ok_and(|sh| sh == bash) {
                continue;
            }
            self.show(&bash, &inside).step("show bash as /bin/sh")?;
        }
        Ok(())
    }
}
