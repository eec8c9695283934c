//! Running CRIU in the namespaces of a sandbox, out of a file system that is not to be seen there.

use std::ffi::CString;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lambent_sandbox_protocol::{Failure, Image};
use rustix::fs::{Mode, OFlags, openat};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use super::inside::{Inside, end};
use crate::child::{close_others, place};
use crate::clone::clone_process;
use crate::sandbox::has_succeeded;
use crate::step::{Step, refused};

/// Where the program finds the root of the file system with CRIU, the snapshot's folder, and pipes.
const ROOT: i32 = 10;
const FOLDER: i32 = 11;
const PIPES: i32 = 12;

/// Where it may lie, and the dynamic linker and the libraries, below the root.
const PROGRAMS: [&str; 4] = ["usr/sbin/criu", "usr/bin/criu", "usr/local/sbin/criu", "usr/local/bin/criu"];
#[cfg(target_arch = "x86_64")]
const LINKERS: [&str; 3] =
    ["usr/lib64/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2", "usr/lib/ld-linux-x86-64.so.2"];
#[cfg(not(target_arch = "x86_64"))]
const LINKERS: [&str; 2] = ["usr/lib/ld-linux-aarch64.so.1", "lib/ld-linux-aarch64.so.1"];
const LIBRARIES: [&str; 5] =
    ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib", "usr/local/lib"];

/// The first release that dumps the sockets of recent kernels.
const OLDEST: (u32, u32) = (4, 2);

/// The file with what CRIU has found out about the kernel, which takes it longer than the rest, and which it looks for in
/// `XDG_RUNTIME_DIR` when it is told to do without root's rights.
const FEATURES: &str = "criu.kdat";

/// Seconds for either work. A GB is written in one or two.
const TIMEOUT: &str = "60";

/// The program, and what it runs with.
pub(super) struct Criu {
    path: PathBuf,
    /// The same folder, for where paths mean something else.
    root: OwnedFd,
    linker: &'static str,
    program: &'static str,
}

/// The arguments for taking a snapshot of a process.
pub(super) fn dump(pid: i32) -> Vec<String> {
    let tree = pid.to_string();
    // Left stopped: a program that was let go on would live on beside its snapshot.
    [&["dump", "--tree", &tree, "--leave-stopped", "--file-locks"][..], &SHARED]
        .concat()
        .iter()
        .map(<_>::to_string)
        .collect()
}

/// The arguments for bringing one to life.
pub(super) fn restore(image: &Image) -> Vec<String> {
    let pipe = |number: i32, inode: u64| format!("fd[{number}]:pipe:[{inode}]");
    let (stdio, telemetry) = (pipe(PIPES, image.stdio), pipe(PIPES + 1, image.telemetry));
    let own = ["restore", "--restore-detached", "--inherit-fd", &stdio, "--inherit-fd", &telemetry];
    // Until its connection is there.
    let stopped: &[&str] = if image.asking.is_some() { &["--leave-stopped"] } else { &[] };
    [&own[..], stopped, &SHARED].concat().iter().map(<_>::to_string).collect()
}

/// Connections are closed: their other ends are elsewhere, and an hour later they would be as good as closed. Cgroups are the
/// launcher's business.
const SHARED: [&str; 10] = [
    "--unprivileged",
    "--no-default-config",
    "--tcp-close",
    "--network-lock",
    "skip",
    "--manage-cgroups=ignore",
    "--timeout",
    TIMEOUT,
    "-v1",
    "--file-validation=filesize",
];

impl Criu {
    /// Looks below a folder that is like a file system's root.
    pub(super) fn find(root: &Path) -> Result<Self, Failure> {
        let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
        let what = format!("open {}, where CRIU should be", root.display());
        let root_fd = rustix::fs::open(root, flags, Mode::empty()).step(&what)?;
        let first = |names: &[&'static str]| names.iter().copied().find(|name| root.join(name).exists());
        let program =
            first(&PROGRAMS).ok_or_else(|| refused(format!("there is no criu below {}", root.display())))?;
        let linker =
            first(&LINKERS).ok_or_else(|| refused(format!("there is no linker below {}", root.display())))?;
        let criu = Self { path: root.to_owned(), root: root_fd, linker, program };
        criu.check_version()?;
        Ok(criu)
    }

    pub(super) fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// It, where paths are the host's.
    fn outside(&self) -> Command {
        let base = self.path.to_string_lossy();
        let mut command = Command::new(self.path.join(self.linker));
        command.args(["--library-path", &libraries(&base)]).arg(self.path.join(self.program));
        command.env_clear().stdin(Stdio::null());
        command
    }

    fn check_version(&self) -> Result<(), Failure> {
        let output = self.outside().arg("--version").output().step("ask criu for its version")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.lines().find_map(|line| line.strip_prefix("Version:")).map(str::trim);
        match version {
            Some(version) if is_new_enough(version) => Ok(()),
            Some(version) => Err(refused(format!("criu {version} is older than 4.2: install a newer one"))),
            None => Err(refused("criu does not say which version it is")),
        }
    }

    /// Has CRIU look at the kernel, in a mount namespace of its own, and puts what it notes into a snapshot's folder. It looks
    /// once itself, and keeps that only on a tmpfs.
    pub(super) fn note_features(&self, folder: &OwnedFd) -> Result<(), Failure> {
        let what = "have criu look at the kernel";
        let Some(process) = clone_process(libc::CLONE_NEWNS, None).step(what)? else {
            let done = self.look_at_kernel(folder);
            if let Err(failure) = &done {
                eprintln!("lambent-sandbox-launcher: {what}: {failure}");
            }
            end(i32::from(done.is_err()))
        };
        if has_succeeded(&process) { Ok(()) } else { Err(refused("criu cannot look at the kernel")) }
    }

    fn look_at_kernel(&self, folder: &OwnedFd) -> Result<(), Failure> {
        let what = "prepare a look at the kernel";
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).step(what)?;
        mount("lambent", "/run", "tmpfs", MountFlags::empty(), Some(c"mode=700")).step(what)?;
        // Whether all that it checks is there does not matter: the first snapshot shows what does.
        let _checked = self
            .outside()
            .args(["check", "--no-default-config", "-v0"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .step(what)?;
        let features = fs::read(Path::new("/run").join(FEATURES)).step("read what criu has noted")?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
        let file =
            openat(folder, FEATURES, flags, Mode::from_raw_mode(0o644)).step("keep what criu has noted")?;
        std::io::Write::write_all(&mut fs::File::from(file), &features).step("keep what criu has noted")
    }

    /// Runs it to its end in a sandbox's namespaces.
    pub(super) fn run(
        &self,
        inside: Inside,
        folder: &OwnedFd,
        pipes: &[OwnedFd],
        arguments: &[String],
    ) -> Result<(), Failure> {
        let ran = inside.run(|output| Err(self.execute(folder, pipes, output, arguments)));
        ran.map_err(|error| refused(format!("criu failed: {error}")))
    }

    fn execute(
        &self,
        folder: &OwnedFd,
        pipes: &[OwnedFd],
        output: &OwnedFd,
        arguments: &[String],
    ) -> Failure {
        if let Err(failure) = arrange(&self.root, folder, pipes, output) {
            return failure;
        }
        let base = format!("/proc/self/fd/{ROOT}");
        let images = format!("/proc/self/fd/{FOLDER}");
        let (linker, program) = (format!("{base}/{}", self.linker), format!("{base}/{}", self.program));
        let libraries = libraries(&base);
        let own = [&linker, "--library-path", &libraries, &program];
        let all =
            own.into_iter().chain(arguments.iter().map(String::as_str)).chain(["--images-dir", &images]);
        let text = |text: &str| CString::new(text).expect("there is no zero in any of them");
        let argv: Vec<CString> = all.map(text).collect();
        let env = [text(&format!("XDG_RUNTIME_DIR={images}"))];
        let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
            texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
        };
        let (arguments, variables) = (pointers(&argv), pointers(&env));
        // SAFETY: both lists end with a null pointer, and the strings outlive the call.
        #[allow(unsafe_code)]
        unsafe {
            libc::execve(argv[0].as_ptr(), arguments.as_ptr(), variables.as_ptr());
        }
        match Err::<(), _>(std::io::Error::last_os_error()).step("execute criu") {
            Err(failure) => failure,
            Ok(()) => unreachable!("it was an error"),
        }
    }
}

fn libraries(base: &str) -> String {
    LIBRARIES.map(|folder| format!("{base}/{folder}")).join(":")
}

/// Puts what the program needs at its numbers, and closes the rest.
fn arrange(root: &OwnedFd, folder: &OwnedFd, pipes: &[OwnedFd], output: &OwnedFd) -> Result<(), Failure> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .step("open /dev/null")?;
    let own = [(&null, 0), (output, 1), (output, 2), (root, ROOT), (folder, FOLDER)];
    place(own.into_iter().chain(pipes.iter().zip(PIPES..)))?;
    // It may have had one of these numbers.
    std::mem::forget(null);
    let last = FOLDER + i32::try_from(pipes.len()).expect("there are two at most");
    close_others(3, &(ROOT..=last).collect::<Vec<_>>()).step("close descriptors")
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST,
        (Some(Ok(major)), None) => major > OLDEST.0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_before_4_2_are_too_old() {
        let versions =
            [("3.17.1", false), ("4.1.1", false), ("4.2", true), ("4.2.1", true), ("5", true), ("x", false)];
        for (version, expected) in versions {
            assert_eq!(is_new_enough(version), expected, "{version}");
        }
    }
}
