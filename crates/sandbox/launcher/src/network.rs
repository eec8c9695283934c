//! Networks of sandboxes that reach the outside by address translation.
//!
//! ```text
//!  sandbox            router, a network namespace of its own             host
//!  eth0 ─────────── s12 ┐                                                        eth0, wlan0 …
//!  169.254.96.12        ├─ rules, translation ─ uplink ───────── lmb… ─ translation ──┘
//!  eth0 ─────────── s13 ┘   169.254.96.1: names
//! ```
//!
//! Each sandbox has a link of its own to the router, which is no bridge: there is no segment on which two of them meet,
//! and a route leads to each address, so that a packet with another's source has no way back and is dropped. Addresses
//! inside are link-local, which no function may reach outside, so they collide with nothing that it could want.
//!
//! A process of its own keeps the router and makes networks in advance: adding a link takes the kernel milliseconds,
//! and a request should not wait for them. It is a copy of the launcher with one channel to it; when that closes, it
//! clears away what the host holds for it and ends.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lambent_sandbox_protocol::{self as protocol, Failure, Nat};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use serde::{Deserialize, Serialize};

use crate::clone::{Process, clone_process};
use crate::sandbox::wait;
use crate::step::{Step, refused};

mod host;
mod link;
mod netlink;
mod outlet;
mod router;
mod rules;
mod slirp;
mod slots;
mod uplink;
mod worker;

/// Where sandboxes send what is not for themselves, and ask for names.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 96, 1);

/// The number by which rules name all links of functions.
const FUNCTIONS: u32 = 1;

/// The router's link to the outside.
const UPLINK: &str = "uplink";

/// Made in advance: a few requests at once find one, and an idle server keeps little for nothing.
const READY: usize = 4;

/// Asked for at once. Questions and answers of so few fit into the channel, so neither side waits for the other.
const UNDER_WAY: usize = 8;

/// What the worker is asked.
#[derive(Debug, Serialize, Deserialize)]
enum Order {
    /// Make a network. Answered by `Result<Slot, Failure>`, with its namespace.
    Make,
    /// Its sandbox is gone.
    Release(Slot),
}

/// Which address and link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slot(u16);

/// A network for one sandbox, which is given to no other afterwards.
pub(crate) struct Outlet {
    pub(crate) slot: Slot,
    pub(crate) namespace: OwnedFd,
}

/// The worker, from the launcher's side. Dropping it clears everything away.
pub(crate) struct Network {
    process: Process,
    /// There until the worker has ended.
    channel: Option<OwnedFd>,
    /// The launcher's own network namespace.
    home: OwnedFd,
    /// Whether that is the host's.
    host: bool,
    ready: VecDeque<Outlet>,
    under_way: usize,
}

/// The sockets at which sandboxes ask for names: UDP and TCP.
pub(crate) type Resolver = [OwnedFd; 2];

/// Finds out whether networks that reach the outside can be had here, and what of the host's rules would drop their
/// packets.
pub(crate) fn trial(root: bool) -> Result<Option<String>, Failure> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .step("make a channel to the networks")?;
    // In a process of its own, which leaves the host's network.
    let Some(process) = clone_process(0, None).step("start the process of the networks")? else {
        worker::try_out(&theirs, root);
    };
    drop(theirs);
    let answer = protocol::receive::<Result<Option<String>, Failure>>(&ours);
    wait(&process);
    match answer {
        Ok(Some((answer, _))) => answer,
        Ok(None) | Err(_) => Err(refused("the process that tries out networks has ended without a word")),
    }
}

impl Network {
    /// Starts the worker and waits until the router stands. Without root its way out is a program.
    pub(crate) fn start(root: bool, owner: &str, nat: &Nat) -> Result<(Self, Resolver), Failure> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .step("make a channel to the networks")?;
        let home = namespace()?;
        let Some(process) = clone_process(0, None).step("start the process of the networks")? else {
            drop(ours);
            worker::run(theirs, home, root, owner, nat);
        };
        drop(theirs);
        let mut network =
            Self { process, channel: Some(ours), home, host: true, ready: VecDeque::new(), under_way: 0 };
        let ((), fds) = network.answer::<()>()?;
        if !root {
            // An ordinary user cannot come home to the host's network: home is an empty one of its own from now on.
            // SAFETY: this program has one thread.
            #[allow(unsafe_code)]
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
                .step("leave the host's network")?;
            network.home = namespace()?;
            network.host = false;
        }
        let resolver =
            Resolver::try_from(fds).map_err(|_| refused("the sockets for names did not come along"))?;
        Ok((network, resolver))
    }

    /// Whether sandboxes can have the host's network as well.
    pub(crate) fn has_host(&self) -> bool {
        self.host
    }

    /// A network that is ready.
    pub(crate) fn take(&mut self) -> Option<Outlet> {
        self.ready.pop_front()
    }

    /// Asks for as many networks as are waited for, and for some in advance.
    pub(crate) fn order(&mut self, waiting: usize) -> Result<(), Failure> {
        let wanted = (waiting + READY).saturating_sub(self.ready.len()).min(UNDER_WAY);
        while self.under_way < wanted {
            self.send(&Order::Make)?;
            self.under_way += 1;
        }
        Ok(())
    }

    /// Takes the answer to one order.
    pub(crate) fn made(&mut self) -> Result<(), Failure> {
        self.under_way = self.under_way.saturating_sub(1);
        let (slot, fds) = self.answer()?;
        let namespace = fds.into_iter().next().ok_or_else(|| refused("a network did not come along"))?;
        self.ready.push_back(Outlet { slot, namespace });
        Ok(())
    }

    /// Has the network of a sandbox that is gone taken down.
    pub(crate) fn release(&self, slot: Slot) {
        // A worker that has ended has taken everything down.
        let _ = self.send(&Order::Release(slot));
    }

    /// Readable when there is an answer.
    pub(crate) fn channel(&self) -> Option<BorrowedFd<'_>> {
        self.channel.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn pid(&self) -> i32 {
        self.process.pid
    }

    /// Takes this process into a sandbox's network, for a clone that is to stay there.
    pub(crate) fn enter(outlet: &Outlet) -> Result<(), Failure> {
        enter(&outlet.namespace).step("enter the network")
    }

    /// Takes it back home.
    pub(crate) fn leave(&self) -> Result<(), Failure> {
        enter(&self.home).step("leave the network")
    }

    fn send(&self, order: &Order) -> Result<(), Failure> {
        let channel = self.channel.as_ref().ok_or_else(ended)?;
        protocol::send(channel, order, &[]).map_err(|_| ended())
    }

    fn answer<T: serde::de::DeserializeOwned>(&mut self) -> Result<(T, Vec<OwnedFd>), Failure> {
        let channel = self.channel.as_ref().ok_or_else(ended)?;
        let failure = match protocol::receive::<Result<T, Failure>>(channel) {
            Ok(Some((result, fds))) => return Ok((result?, fds)),
            Ok(None) => ended(),
            Err(error) => refused(format!("the network did not come: {error}")),
        };
        // What was made in advance leads nowhere without the worker, and it has no more to say.
        self.ready.clear();
        self.channel = None;
        Err(failure)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Closed, it tells the worker to clear away; waited for, so that a server that starts next finds nothing of
        // this one.
        self.channel = None;
        wait(&self.process);
    }
}

fn ended() -> Failure {
    refused("the process that makes networks has ended; restart the server and see its log for why")
}

/// The network namespace that this process is in.
fn namespace() -> Result<OwnedFd, Failure> {
    Ok(std::fs::File::open("/proc/self/ns/net").step("open the network namespace")?.into())
}

fn enter(namespace: &OwnedFd) -> Result<(), rustix::io::Errno> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
}
