//! The process that keeps the router and makes networks.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use lambent_sandbox_protocol::{self as protocol, Failure, Nat};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use serde::Serialize;

use super::host::Host;
use super::link::Link;
use super::router::Router;
use super::rules::Nft;
use super::slirp::Slirp;
use super::slots::Slots;
use super::uplink::Uplink;
use super::{Order, Slot, outlet, slirp};
use crate::step::{Step, refused};

/// Becomes the worker: serves until the launcher closes the channel, whether by its end or by its death.
pub(super) fn run(channel: OwnedFd, host: OwnedFd, root: bool, owner: &str, nat: &Nat) -> ! {
    let code = match serve(channel, host, root, owner, nat) {
        Ok(()) => 0,
        Err(failure) => {
            eprintln!("lambent-sandbox-launcher: the process that makes networks ends: {failure}");
            1
        }
    };
    // SAFETY: ends the copy at once, without running what the launcher registered for its own end.
    #[allow(unsafe_code)]
    unsafe {
        libc::_exit(code)
    }
}

/// Becomes the process that tries out whether there could be networks, and says so.
pub(super) fn try_out(channel: &OwnedFd, root: bool) -> ! {
    let told = answer(channel, &trial(root), &[]);
    // SAFETY: ends the copy at once, without running what the launcher registered for its own end.
    #[allow(unsafe_code)]
    unsafe {
        libc::_exit(i32::from(told.is_err()))
    }
}

/// Looks whether there could be a router, in a namespace that goes with this process; the host's network stays as it
/// is. Answers what on the host stands in the way of packets.
fn trial(root: bool) -> Result<Option<String>, Failure> {
    let nft = Nft::find()?;
    let namespace = Router::namespace()?;
    let dropping = if root { nft.dropping()? } else { Vec::new() };
    if !root {
        slirp::check()?;
    }
    Router::make(namespace, &nft, false)?;
    Ok((!dropping.is_empty()).then(|| dropping.join(", ")))
}

fn serve(channel: OwnedFd, host: OwnedFd, root: bool, owner: &str, nat: &Nat) -> Result<(), Failure> {
    rustix::thread::set_name(c"lambent-net").step("take a name")?;
    // The launcher's channels end when all copies are closed: this process must not hold any.
    let null = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty()).step("open /dev/null")?;
    rustix::stdio::dup2_stdin(&null).step("let go of the server")?;
    crate::child::close_others(3, &[channel.as_raw_fd(), host.as_raw_fd()]).step("close descriptors")?;
    // Closed a line above; a descriptor that comes to have its number must stay.
    std::mem::forget(null);

    let mut worker = match Worker::prepare(host, root, owner, nat) {
        Ok(worker) => worker,
        // The launcher is told, and nothing is left: what this process had goes with it.
        Err(failure) => return answer::<()>(&channel, &Err(failure), &[]),
    };
    let served = worker.serve(&channel);
    served.and(worker.clear_away())
}

struct Worker {
    lowest_port: u16,
    nft: Nft,
    host: Host,
    router: Router,
    uplink: Uplink,
    slots: Slots,
    /// Networks to be taken down, when there is nothing to be made. As many as there were sandboxes at most.
    released: VecDeque<Slot>,
}

/// What there is to be done.
#[derive(Default)]
struct Wake {
    ordered: bool,
    addresses_changed: bool,
    uplink_ended: bool,
}

impl Worker {
    /// Makes the router and its way out.
    fn prepare(host: OwnedFd, root: bool, owner: &str, nat: &Nat) -> Result<Self, Failure> {
        let nft = Nft::find()?;
        let mut host = Host::open(host)?;
        let namespace = Router::namespace()?;
        // From here, where an ordinary user does not come back to.
        let slirp = if root { None } else { Some(Slirp::start(&namespace)?) };
        let mut router = Router::make(namespace, &nft, nat.private)?;
        let uplink = match slirp {
            Some(slirp) => Uplink::Slirp(slirp),
            None => Uplink::Link(Link::connect(&nft, owner, &mut host, &mut router)?),
        };
        let (slots, released) = (Slots::new(), VecDeque::new());
        Ok(Self { lowest_port: nat.lowest_port, nft, host, router, uplink, slots, released })
    }

    fn serve(&mut self, channel: &OwnedFd) -> Result<(), Failure> {
        self.note_host_addresses()?;
        let sockets = Router::resolver()?;
        answer(channel, &Ok(()), &sockets)?;
        drop(sockets);
        loop {
            let wake = self.wait(channel)?;
            if wake.uplink_ended {
                return Err(refused("the way out, slirp4netns, has ended by itself"));
            }
            if wake.addresses_changed {
                self.host.hear()?;
                self.note_host_addresses()?;
            }
            if wake.ordered {
                match receive(channel)? {
                    Some(Order::Make) => self.make(channel)?,
                    Some(Order::Release(slot)) => self.released.push_back(slot),
                    None => return Ok(()),
                }
            } else if let Some(slot) = self.released.pop_front() {
                self.take_down(slot)?;
            }
        }
    }

    fn wait(&self, channel: &OwnedFd) -> Result<Wake, Failure> {
        let word = self.host.word();
        let mut fds = vec![PollFd::new(channel, PollFlags::IN), PollFd::new(&word, PollFlags::IN)];
        let ended = self.uplink.ended();
        fds.extend(ended.as_ref().map(|ended| PollFd::new(ended, PollFlags::IN)));
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut fds, (!self.released.is_empty()).then_some(&at_once)) {
            Ok(_) => {
                let is = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
                Ok(Wake { ordered: is(0), addresses_changed: is(1), uplink_ended: is(2) })
            }
            Err(rustix::io::Errno::INTR) => Ok(Wake::default()),
            Err(error) => Err(error).step("wait for orders"),
        }
    }

    fn note_host_addresses(&mut self) -> Result<(), Failure> {
        self.nft.set_host_addresses(&self.host.addresses()?)
    }

    fn make(&mut self, channel: &OwnedFd) -> Result<(), Failure> {
        if self.slots.is_empty()
            && let Some(slot) = self.released.pop_front()
        {
            // There was always something to be made, and never a moment to take down.
            self.take_down(slot)?;
        }
        let Some(slot) = self.slots.take() else {
            let none = refused("every address for sandboxes is in use");
            return answer::<Slot>(channel, &Err(none), &[]);
        };
        let made = outlet::make(slot, &self.router.namespace, self.lowest_port);
        // Without the way back nothing else could be done right.
        self.router.enter()?;
        match made.and_then(|namespace| outlet::connect(slot, &mut self.router.netlink).map(|()| namespace)) {
            Ok(namespace) => answer(channel, &Ok(slot), &[namespace]),
            Err(failure) => {
                self.released.push_back(slot);
                answer::<Slot>(channel, &Err(failure), &[])
            }
        }
    }

    /// The link goes now, whoever still holds the namespace.
    fn take_down(&mut self, slot: Slot) -> Result<(), Failure> {
        match self.router.netlink.remove(&slot.link()) {
            // It has gone with its namespace.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
            other => other.step("remove the link of a sandbox that is gone")?,
        }
        self.slots.release(slot);
        Ok(())
    }

    fn clear_away(mut self) -> Result<(), Failure> {
        // Wherever the work has stopped.
        self.router.enter()?;
        self.uplink.remove(&mut self.host, &self.router)
    }
}

fn receive(channel: &OwnedFd) -> Result<Option<Order>, Failure> {
    let received = protocol::receive::<Order>(channel);
    received.map(|order| order.map(|(order, _)| order)).map_err(|error| refused(error.to_string()))
}

fn answer<T: Serialize>(
    channel: &OwnedFd,
    result: &Result<T, Failure>,
    fds: &[OwnedFd],
) -> Result<(), Failure> {
    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    match protocol::send(channel, result, &fds) {
        // The launcher has gone meanwhile; the next order is its end.
        Err(protocol::Error::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| refused(error.to_string())),
    }
}
