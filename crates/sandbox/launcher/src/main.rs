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

mod assign;
mod cgroup;
mod child;
mod clone;
mod delegated;
mod disk;
mod hierarchy;
mod landlock;
mod loopback;
mod maker;
mod network;
mod privileges;
mod probe;
mod rights;
mod sandbox;
mod scratch;
mod seccomp;
mod serve;
mod shelf;
mod snapshot;
mod space;
mod step;
mod template;
mod tree;
mod uids;
mod unpack;
mod watch;

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};

use lambent_sandbox_protocol::{
    self as protocol, Controller, Error, Failure, FromLauncher, Host, Nat, Purpose, Raw, Snapshots,
    ToLauncher, Trees, User, VERSION,
};
use rustix::fs::Mode;

use crate::hierarchy::Hierarchies;
use crate::network::{GATEWAY, Network};
use crate::rights::Rights;
use crate::sandbox::{Rooted, Workshop};
use crate::scratch::Scratch;
use crate::shelf::Shelf;
use crate::snapshot::Album;
use crate::step::Step;

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
    let Some(hello) = hello(&server)? else {
        return Ok(());
    };
    let Hello { instance, purpose, scratch, nat, server: user, trees, snapshots, fds } = hello;
    rustix::thread::set_name(c"lambent-launch").map_err(std::io::Error::from)?;
    outlive_signals();
    // Whatever the server was started with: what is made for sandboxes is root's alone to write.
    rustix::process::umask(Mode::from_raw_mode(0o022));
    // A bare sandbox whose init is killed leaves its processes to this one, which ends them.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(std::io::Error::from)?;

    let rights = Rights::find().map_err(failed)?;
    let hierarchies = claim_cgroups(&instance, purpose, &rights)?;
    let rooted = prepare_root(&rights, purpose, nat.map(|_| GATEWAY));
    let mut host = Host {
        root: rights.is_root(),
        cgroups: hierarchies.generation(),
        controllers: controllers(&hierarchies, purpose),
        namespaces_error: rooted.as_ref().err().map(ToString::to_string),
        tmp_error: None,
        nat_error: None,
        nat_obstacle: None,
        freezer_error: hierarchies.freezer_error(),
        landlock: landlock::version(),
        snapshots_error: None,
    };
    if purpose == Purpose::Probe {
        host.tmp_error =
            scratch::trial(&rights).err().map(|failure| in_memory(&hierarchies, &failure.to_string()));
        match network::trial(rights.is_root()) {
            Ok(obstacle) => host.nat_obstacle = obstacle,
            Err(failure) => host.nat_error = Some(failure.to_string()),
        }
        hierarchies.leave();
        return protocol::send(&server, &FromLauncher::Hello { version: VERSION, host: Box::new(host) }, &[]);
    }
    let mut fds = fds.into_iter();
    let (Some(init), Some(unpack)) = (fds.next(), fds.next()) else {
        return Err(unexpected("too few descriptors", "the programs init and unpack beside the hello"));
    };
    // In the launcher's user namespace, where it has one: the networks are to belong to it.
    let owner = hierarchy::owner(&instance)?;
    let network = nat.map(|nat| Network::start(rights.is_root(), &owner, &nat)).transpose();
    host.nat_error = network.as_ref().err().map(ToString::to_string);
    let (network, resolver) = network.unwrap_or_default().unzip();
    let filters = seccomp::compile().map_err(|error| Error::Io(std::io::Error::other(error)))?;
    let rooted = rooted
        .map_err(|failure| {
            format!("{failure}: remove the cause, or choose --isolation process, which keeps nothing apart")
        })
        .and_then(|rooted| {
            rooted.ok_or_else(|| "this launcher makes sandboxes without isolation alone".to_owned())
        });
    let scratch = prepare_tmp(&rights, scratch.as_ref());
    host.tmp_error = scratch.as_ref().err().map(|reason| in_memory(&hierarchies, reason));
    let scratch = scratch.ok();
    let album = prepare_album(&rights, snapshots.as_ref());
    host.snapshots_error = album.as_ref().err().cloned();
    // Opened in the mount namespace out of which the mounts are to be copied, which composing the root has changed.
    let shelf = Shelf::open(&trees, fds.next())?;
    let workshop = Workshop {
        init,
        unpack,
        server: user,
        shelf,
        hierarchies,
        filters,
        rights,
        rooted,
        scratch,
        network,
        album,
    };
    let sockets: Vec<_> = resolver.iter().flatten().map(AsFd::as_fd).collect();
    protocol::send(&server, &FromLauncher::Hello { version: VERSION, host: Box::new(host) }, &sockets)?;
    drop(resolver);
    serve::Service::new(server, workshop).run()
}

fn failed(failure: Failure) -> Error {
    Error::Io(std::io::Error::other(failure))
}

/// The server's first message.
struct Hello {
    instance: String,
    purpose: Purpose,
    scratch: Option<Raw>,
    nat: Option<Nat>,
    server: Option<User>,
    trees: Trees,
    snapshots: Option<Snapshots>,
    fds: Vec<OwnedFd>,
}

/// Receives it; `None` when the server has ended.
fn hello(channel: &OwnedFd) -> Result<Option<Hello>, Error> {
    let Some((message, fds)) = protocol::receive::<ToLauncher>(channel)? else { return Ok(None) };
    let hello = match message {
        ToLauncher::Hello { version: VERSION, instance, purpose, scratch, nat, server, trees, snapshots } => {
            Hello { instance, purpose, scratch, nat, server, trees, snapshots, fds }
        }
        ToLauncher::Hello { version, .. } => return Err(Error::Version(version)),
        other => return Err(unexpected(&format!("{other:?}"), "the server's hello")),
    };
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let instance = &hello.instance;
    if instance.is_empty() || instance.len() > 64 || !instance.bytes().all(valid) {
        return Err(unexpected(&format!("the instance {instance:?}"), "letters and digits"));
    }
    if hello.server.is_some_and(|user| user.uid == 0 || user.gid == 0) {
        return Err(unexpected("root as the server's user", "a user without rights"));
    }
    Ok(Some(hello))
}

fn unexpected(got: &str, expected: &'static str) -> Error {
    Error::Unexpected { got: got.to_owned(), expected }
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

/// Our places in the host's cgroups: as root anywhere, as an ordinary user in what was handed to it.
fn claim_cgroups(instance: &str, purpose: Purpose, rights: &Rights) -> Result<Hierarchies, Error> {
    let owner = hierarchy::owner(instance)?;
    let mut hierarchies = if rights.is_root() {
        Hierarchies::discover(&owner)?
    } else {
        match delegated::prepare() {
            Ok(directory) => Hierarchies::below(directory, &owner),
            Err(reason) => return Ok(Hierarchies::unavailable(&reason)),
        }
    };
    if purpose != Purpose::Probe {
        hierarchies.sweep();
    }
    hierarchies.settle();
    Ok(hierarchies)
}

/// Each controller, and how its limit is kept in namespaces where it is missing.
fn controllers(hierarchies: &Hierarchies, purpose: Purpose) -> Vec<Controller> {
    let instead = |name: &str| match name {
        "memory" => {
            Some("the launcher looks at each sandbox about every 50 ms and kills what takes too much")
        }
        "pids" => Some("each sandbox has a limit for its user (RLIMIT_NPROC)"),
        _ => None,
    };
    let mut controllers = hierarchies.controllers();
    if purpose != Purpose::Bare {
        for controller in controllers.iter_mut().filter(|controller| controller.missing.is_some()) {
            controller.instead = instead(&controller.name).map(ToOwned::to_owned);
        }
    }
    controllers
}

/// What it means that /tmp is in memory, for whoever reads the reason.
fn in_memory(hierarchies: &Hierarchies, reason: &str) -> String {
    let counted = if hierarchies.have("memory") {
        "counts as the function's, whose limit is raised by its size"
    } else {
        "does not count as the function's"
    };
    format!("/tmp is in memory, and {counted}: {reason}")
}

/// File systems for /tmp in this folder, or in one sentence why there are none.
fn prepare_tmp(rights: &Rights, folder: Option<&Raw>) -> Result<Scratch, String> {
    scratch::possible(rights).map_err(|failure| failure.to_string())?;
    let folder = folder.ok_or("the server named no folder for its content")?.as_path();
    if !folder.is_absolute() {
        return Err(format!("{} is not an absolute path", folder.display()));
    }
    Scratch::open(folder).map_err(|failure| failure.to_string())
}

/// Where snapshots go, or in one sentence why there are none.
fn prepare_album(rights: &Rights, wanted: Option<&Snapshots>) -> Result<Album, String> {
    let wanted = wanted.ok_or("the server wants none")?;
    if !rights.is_root() {
        return Err("snapshots need root's rights".to_owned());
    }
    if !wanted.folder.as_path().is_absolute() || !wanted.criu.as_path().is_absolute() {
        return Err("the server named no absolute path".to_owned());
    }
    Album::open(wanted).map_err(|failure| failure.to_string())
}

/// Finds out by doing whether namespaces can be had, and composes the root, if sandboxes in namespaces are asked for.
fn prepare_root(
    rights: &Rights,
    purpose: Purpose,
    resolver: Option<Ipv4Addr>,
) -> Result<Option<Rooted>, Failure> {
    if purpose == Purpose::Bare {
        return Ok(None);
    }
    let host_mounts = std::fs::File::open("/proc/self/ns/mnt").step("open the host's mounts")?.into();
    rights.take_possession()?;
    probe::namespaces()?;
    // Root's mount point would stay behind; an ordinary user's is not made, and the composing part of the trial.
    if purpose == Purpose::Probe && rights.is_root() {
        return Ok(None);
    }
    let template = template::Template::compose(rights.template_root()?, resolver)?;
    let own_mounts = std::fs::File::open("/proc/self/ns/mnt").step("open the launcher's mounts")?.into();
    Ok(Some(Rooted { template, host_mounts, own_mounts }))
}
