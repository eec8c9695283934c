//! The small privileged program that makes sandboxes.
//!
//! The server starts it with a channel as standard input and may then give up its own rights. It has one thread: a
//! process with several cannot be cloned safely, nor change its own mount namespace. It ends when the server does,
//! and no sandbox survives it.
//!
//! ```text
//!            Launch                "go" + trees              execve
//! server ─────────────▶ launcher ───────────────▶ child ───────────────▶ init ◀──▶ server
//!                       cgroups, clone3,          root, /proc, /tmp,
//!                       maps, trees               user, filters
//! ```

mod cgroup;
mod child;
mod clone;
mod disk;
mod hierarchy;
mod loopback;
mod maker;
mod privileges;
mod probe;
mod sandbox;
mod scratch;
mod seccomp;
mod serve;
mod step;
mod template;
mod tree;
mod uids;

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use lambent_sandbox_protocol::{
    self as protocol, Error, FromLauncher, Host, Purpose, Raw, ToLauncher, VERSION,
};
use rustix::fs::Mode;

use crate::hierarchy::Hierarchies;
use crate::sandbox::{Rooted, Workshop};
use crate::scratch::Scratch;

/// Where the locks on ranges of user ids are, and the mount point of the template root.
const STATE: &str = "/run/lambent";

const NO_ROOT: &str = "the launcher does not run as root";

fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lambent-sandbox-launcher: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let server = std::io::stdin().as_fd().try_clone_to_owned()?;
    let (instance, purpose, scratch, fds) = match protocol::receive::<ToLauncher>(&server)? {
        Some((ToLauncher::Hello { version: VERSION, instance, purpose, scratch }, fds)) => {
            (instance, purpose, scratch, fds)
        }
        Some((ToLauncher::Hello { version, .. }, _)) => return Err(Error::Version(version)),
        Some((other, _)) => {
            return Err(Error::Unexpected { got: format!("{other:?}"), expected: "the server's hello" });
        }
        None => return Ok(()),
    };
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if instance.is_empty() || instance.len() > 64 || !instance.bytes().all(valid) {
        return Err(Error::Unexpected {
            got: format!("the instance {instance:?}"),
            expected: "letters and digits",
        });
    }
    rustix::thread::set_name(c"lambent-launch").map_err(std::io::Error::from)?;
    outlive_signals();
    // Whatever the server was started with: what is made for sandboxes is root's alone to write.
    rustix::process::umask(Mode::from_raw_mode(0o022));
    // A bare sandbox whose init is killed leaves its processes to this one, which ends them.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(std::io::Error::from)?;

    let root = rustix::process::geteuid().is_root();
    let hierarchies = claim_cgroups(&instance, purpose, root)?;
    let namespaces_error = probe::namespaces().err().map(|failure| failure.to_string());
    let mut host = Host {
        root,
        cgroups: hierarchies.generation(),
        controllers: hierarchies.controllers(),
        namespaces_error: namespaces_error.clone(),
        tmp_error: None,
    };
    if purpose == Purpose::Probe {
        host.tmp_error =
            if root { scratch::trial().map_err(|failure| failure.to_string()) } else { no_root() }.err();
        hierarchies.leave();
        return protocol::send(&server, &FromLauncher::Hello { version: VERSION, host }, &[]);
    }
    let init: OwnedFd = fds.into_iter().next().ok_or_else(|| Error::Unexpected {
        got: "no descriptor".to_owned(),
        expected: "the program init beside the hello",
    })?;
    let filters = seccomp::compile().map_err(|error| Error::Io(std::io::Error::other(error)))?;
    let rooted = prepare_root(root, namespaces_error);
    let scratch = if root { prepare_tmp(scratch.as_ref()) } else { no_root() };
    host.tmp_error = scratch.as_ref().err().cloned();
    let ranges = uids::Ranges::new(PathBuf::from(STATE));
    let workshop = Workshop { init, hierarchies, filters, ranges, rooted, scratch: scratch.ok() };
    protocol::send(&server, &FromLauncher::Hello { version: VERSION, host }, &[])?;
    serve::Service::new(server, workshop).run()
}

/// Leaves it to the server when to end: Ctrl-C in its terminal, or a service manager that signals every process of
/// the service, must not take the sandboxes away while the server still lets them finish.
fn outlive_signals() {
    // Fails only for the leader of a process group, which has no terminal's foreground group to leave.
    let _ = rustix::process::setsid();
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        // SAFETY: no handler is installed. Init gives programs the defaults back.
        #[allow(unsafe_code)]
        unsafe {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
}

fn claim_cgroups(instance: &str, purpose: Purpose, root: bool) -> Result<Hierarchies, Error> {
    if !root {
        return Ok(Hierarchies::unavailable(NO_ROOT));
    }
    let mut hierarchies = Hierarchies::discover(&hierarchy::owner(instance)?)?;
    if purpose == Purpose::Serve {
        hierarchies.sweep();
    }
    hierarchies.settle();
    Ok(hierarchies)
}

/// File systems for /tmp in this folder, or in one sentence why there are none.
fn prepare_tmp(folder: Option<&Raw>) -> Result<Scratch, String> {
    let folder = folder.ok_or("the server named no folder for its content")?.as_path();
    if !folder.is_absolute() {
        return Err(format!("{} is not an absolute path", folder.display()));
    }
    Scratch::open(folder).map_err(|failure| failure.to_string())
}

fn no_root<T>() -> Result<T, String> {
    Err(NO_ROOT.to_owned())
}

/// Composes the root, or says in one sentence why namespaces cannot be had and what to do.
fn prepare_root(root: bool, namespaces_error: Option<String>) -> Result<Rooted, String> {
    const REMEDY: &str = "or choose --isolation process, which keeps nothing apart";
    if !root {
        return Err(format!("isolation by namespaces needs root: start the server with sudo, {REMEDY}"));
    }
    if let Some(error) = namespaces_error {
        return Err(format!("this host does not let namespaces be made ({error}): allow them, {REMEDY}"));
    }
    let host_mounts = std::fs::File::open("/proc/self/ns/mnt").map_err(|e| e.to_string())?.into();
    let template = template::Template::compose(PathBuf::from(STATE).join("root"))
        .map_err(|failure| format!("{failure}: remove the cause, {REMEDY}"))?;
    Ok(Rooted { template, host_mounts })
}
