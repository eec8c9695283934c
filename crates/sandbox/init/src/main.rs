//! PID 1 of every sandbox.
//!
//! The launcher execs this program as the function's own user, without any capability, with its channel to the
//! server on a fixed descriptor. It binds the sockets of the Runtime API and of the platform inside the sandbox and
//! hands them to the server, starts the program it is told to start, reaps whatever dies, and kills everything when
//! asked. It ends when the server closes the channel; as PID 1 it then takes the whole sandbox with it.
//!
//! A hostile function shares this program's user. It cannot trace it or open its descriptors (init is not
//! dumpable), cannot signal it (the kernel shields PID 1 of a namespace, and every signal is blocked), and has no
//! descriptor of the channel.

mod children;
mod ipc;
mod serve;
mod socket;
mod spawn;

use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use lambent_sandbox_protocol::{self as protocol, Failure, FromInit, InitHello, ToInit, VERSION, init_fd};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// What the launcher left for this program.
pub(crate) struct Inherited {
    pub(crate) control: OwnedFd,
    pub(crate) stdio: OwnedFd,
    pub(crate) telemetry: OwnedFd,
}

fn main() -> std::process::ExitCode {
    let inherited = match inherit() {
        Ok(inherited) => inherited,
        Err(error) => {
            // Without a channel there is nobody to tell but whoever ran this by hand.
            eprintln!("lambent-sandbox-init is started by the launcher, not by hand: {error}");
            return std::process::ExitCode::from(2);
        }
    };
    match get_ready(&inherited.control).and_then(|hello| serve::run(&inherited, hello.namespaced)) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            // The channel may be what failed; then the launcher sees this exit code and the server sees the end.
            let _ = protocol::send(&inherited.control, &FromInit::Failed(failure), &[]);
            std::process::ExitCode::FAILURE
        }
    }
}

/// Takes possession of the descriptors.
fn inherit() -> rustix::io::Result<Inherited> {
    let take = |fd: i32| {
        // SAFETY: `fcntl` reads no memory of ours; a number that is not open is answered by EBADF.
        #[allow(unsafe_code)]
        if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
            return Err(rustix::io::Errno::BADF);
        }
        // SAFETY: it is open, and nothing else in this program owns it: each number is taken once, at the start.
        #[allow(unsafe_code)]
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    };
    Ok(Inherited {
        control: take(init_fd::CONTROL)?,
        stdio: take(init_fd::STDIO)?,
        telemetry: take(init_fd::TELEMETRY)?,
    })
}

/// Protects this process, then exchanges hellos: binds both sockets and hands them over.
fn get_ready(control: &OwnedFd) -> Result<InitHello, Failure> {
    // First of all, before any process of the function exists: same user, so nothing else keeps it out.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|e| step("protect init", e.into()))?;
    rustix::thread::set_name(c"lambent-init").map_err(|e| step("name init", e.into()))?;
    let refuse = |reason: String| Failure::Refused { reason };
    let hello = match protocol::receive::<ToInit>(control).map_err(|e| refuse(e.to_string()))? {
        Some((ToInit::Hello(hello), _)) => hello,
        Some((other, _)) => return Err(refuse(format!("{other:?} came where a hello had to come"))),
        // The server gave up while the sandbox was being made: the failure is sent to nobody.
        None => return Err(refuse("the server closed the channel before its hello".to_owned())),
    };
    if hello.version != VERSION {
        return Err(refuse(protocol::Error::Version(hello.version).to_string()));
    }
    if !hello.namespaced {
        // Orphans come to this process instead of the host's init, so that they can be found and reaped.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|e| step("become subreaper", e.into()))?;
    }
    let bind = |address| TcpListener::bind(address).map_err(|e| step(&format!("bind {address}"), e));
    let (runtime_api, platform) = (bind(hello.runtime_api)?, bind(hello.platform)?);
    let xray = UdpSocket::bind(hello.xray).map_err(|e| step(&format!("bind {} by UDP", hello.xray), e))?;
    let local = |listener: &TcpListener| listener.local_addr().map_err(|e| step("read the bound address", e));
    let ready = FromInit::Ready {
        version: VERSION,
        runtime_api: local(&runtime_api)?,
        platform: local(&platform)?,
        xray: xray.local_addr().map_err(|e| step("read the bound address", e))?,
    };
    protocol::send(control, &ready, &[runtime_api.as_fd(), platform.as_fd(), xray.as_fd()])
        .map_err(|e| refuse(e.to_string()))?;
    Ok(hello)
}

pub(crate) fn step(step: &str, error: std::io::Error) -> Failure {
    match error.raw_os_error() {
        Some(errno) => Failure::Step { step: step.to_owned(), errno },
        None => Failure::Refused { reason: format!("{step}: {error}") },
    }
}
