//! The connection on which a program waits for an answer while its snapshot is taken.
//!
//! Its other end is the server's, which is no part of the snapshot. CRIU brings the program's end to life as a socket without a
//! connection. Before the program goes on, that socket is connected to what it was connected to, in the sandbox in which it is
//! now, and the request is sent once more in the program's name: to the program, nothing has happened but that the answer
//! took its time.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use lambent_sandbox_protocol::{Asking, Ends, Failure, process};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SendFlags, connect, connect_unspec, send, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::inside::Inside;
use super::number_inside;
use crate::step::{Step, refused};

/// `TCP_ESTABLISHED` in `/proc/net/tcp`.
const ESTABLISHED: &str = "01";

/// On a loopback a connection is there as soon as it is asked for.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// Finds the program's end of a connection: in the program, or in what it has started.
pub(super) fn find(program: i32, connection: Ends) -> Result<Asking, Failure> {
    let what = "look for the connection on which the program waits";
    let inode = ["tcp", "tcp6"]
        .iter()
        .find_map(|table| {
            let text = fs::read_to_string(format!("/proc/{program}/net/{table}")).ok()?;
            text.lines().find_map(|line| inode(line, connection))
        })
        .ok_or_else(|| refused(format!("{what}: there is none from {}", connection.from)))?;
    let link = format!("socket:[{inode}]");
    let mut processes = vec![program];
    while let Some(pid) = processes.pop() {
        if let Some(descriptor) = descriptor(pid, &link).step(what)? {
            return Ok(Asking { pid: number_inside(pid)?, descriptor, to: connection.to });
        }
        processes.extend(process::children(pid).step(what)?);
    }
    Err(refused(format!("{what}: no process has it")))
}

/// The inode of a line of `/proc/net/tcp` (proc(5)) if it is of this connection. Ports suffice: a connection of a loopback has
/// both ends in the table, the other one the other way round.
fn inode(line: &str, connection: Ends) -> Option<u64> {
    let mut fields = line.split_whitespace().skip(1);
    let mut port = || u16::from_str_radix(fields.next()?.rsplit_once(':')?.1, 16).ok();
    let ports = (port()?, port()?);
    if ports != (connection.from.port(), connection.to.port()) || fields.next() != Some(ESTABLISHED) {
        return None;
    }
    fields.nth(5)?.parse().ok()
}

fn descriptor(pid: i32, link: &str) -> io::Result<Option<i32>> {
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        if fs::read_link(entry.path()).is_ok_and(|found| found.as_os_str() == link) {
            return Ok(entry.file_name().to_str().and_then(|name| name.parse().ok()));
        }
    }
    Ok(None)
}

/// Connects a program that has just been brought to life, asks in its name, and lets it go on.
pub(super) fn ask_again(inside: Inside, asking: Asking, request: &str) -> Result<(), Failure> {
    inside.act(|| {
        let socket = socket_of(asking).step("take the program's connection")?;
        reconnect(&socket, asking.to).step("connect the program")?;
        let sent =
            send(&socket, request.as_bytes(), SendFlags::NOSIGNAL).step("ask in the program's name")?;
        if sent < request.len() {
            return Err(refused("ask in the program's name: the connection does not take it all"));
        }
        // SAFETY: a number alone. It is for the program and what it has started, since nobody else is in this process
        // namespace but init and this process, whom it does not reach.
        #[allow(unsafe_code)]
        if unsafe { libc::kill(-1, libc::SIGCONT) } < 0 {
            return Err(io::Error::last_os_error()).step("let the program go on");
        }
        Ok(())
    })
}

fn socket_of(asking: Asking) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(asking.pid).ok_or(io::ErrorKind::InvalidInput)?;
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    Ok(pidfd_getfd(&process, asking.descriptor, PidfdGetfdFlags::empty())?)
}

fn reconnect(socket: &OwnedFd, to: SocketAddr) -> io::Result<()> {
    let to = match (sockopt::socket_domain(socket)?, to) {
        (AddressFamily::INET6, SocketAddr::V4(to)) => (to.ip().to_ipv6_mapped(), to.port()).into(),
        (_, to) => to,
    };
    // CRIU has shut it down, which lasts until then.
    connect_unspec(socket)?;
    match connect(socket, &to) {
        Err(rustix::io::Errno::INPROGRESS) => {
            let mut ready = [PollFd::new(socket, PollFlags::OUT)];
            if poll(&mut ready, Some(&PATIENCE))? == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Ok(sockopt::socket_error(socket)??)
        }
        connected => Ok(connected?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_found_by_its_ports_in_the_direction_that_is_the_program_s() {
        let connection =
            Ends { from: "127.0.0.1:34562".parse().unwrap(), to: "127.0.0.1:9001".parse().unwrap() };
        let ours = "   3: 0100007F:8702 0100007F:2329 01 00000000:00000000 02:00000A2B 00000000  1051        0 48213 2 0000000000000000";
        assert_eq!(inode(ours, connection), Some(48213));
        let mapped = ours.replace("0100007F", "0000000000000000FFFF00000100007F");
        assert_eq!(inode(&mapped, connection), Some(48213));
        let other_end = ours.replace("0100007F:8702 0100007F:2329", "0100007F:2329 0100007F:8702");
        for line in [other_end, ours.replace(" 01 ", " 06 "), "  sl  local_address rem_address   st".into()] {
            assert_eq!(inode(&line, connection), None, "{line}");
        }
    }
}
