//! The process that keeps the router and makes networks.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use lambent_sandbox_protocol::{self as protocol, Failure, Nat};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use serde::Serialize;

use super::netlink::Watch;
use super::router::Router;
use super::rules::Nft;
use super::slots::Slots;
use super::uplink::Uplink;
use super::{Order, Slot, outlet};
use crate::step::{Step, refused};

/// Becomes the worker: serves until the launcher closes the channel, whether by its end or by its death.
pub(super) fn run(channel: OwnedFd, host: OwnedFd, owner: &str, nat: &Nat) -> ! {
    let code = match serve(channel, host, owner, nat) {
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

fn serve(channel: OwnedFd, host: OwnedFd, owner: &str, nat: &Nat) -> Result<(), Failure> {
    rustix::thread::set_name(c"lambent-net").step("take a name")?;
    // The launcher's channels end when all copies are closed: this process must not hold any.
    let null = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty()).step("open /dev/null")?;
    rustix::stdio::dup2_stdin(&null).step("let go of the server")?;
    crate::child::close_others(3, &[channel.as_raw_fd(), host.as_raw_fd()]).step("close descriptors")?;
    // Closed a line above; a descriptor that comes to have its number must stay.
    std::mem::forget(null);

    let mut worker = match Worker::prepare(channel, host, owner, nat) {
        Ok(worker) => worker,
        // The launcher is told, and nothing is left: what this process had goes with it.
        Err((channel, failure)) => return answer::<()>(&channel, &Err(failure), &[]),
    };
    let served = worker.serve();
    served.and(worker.clear_away())
}

struct Worker {
    channel: OwnedFd,
    lowest_port: u16,
    nft: Nft,
    router: Router,
    uplink: Uplink,
    /// Of the host's addresses.
    watch: Watch,
    slots: Slots,
    /// Networks to be taken down, when there is nothing to be made. As many as there were sandboxes at most.
    released: VecDeque<Slot>,
}

impl Worker {
    /// Makes the router and its way out; the channel comes back with a failure.
    fn prepare(channel: OwnedFd, host: OwnedFd, owner: &str, nat: &Nat) -> Result<Self, (OwnedFd, Failure)> {
        let made = (|| {
            let nft = Nft::find()?;
            let watch = Watch::open().step("watch the host's addresses")?;
            let mut router = Router::make(&nft, nat.private)?;
            let uplink = Uplink::connect(nft.clone(), owner, host, &mut router)?;
            Ok((nft, watch, router, uplink))
        })();
        let (nft, watch, router, uplink) = match made {
            Ok(made) => made,
            Err(failure) => return Err((channel, failure)),
        };
        let (slots, released) = (Slots::new(), VecDeque::new());
        Ok(Self { channel, lowest_port: nat.lowest_port, nft, router, uplink, watch, slots, released })
    }

    fn serve(&mut self) -> Result<(), Failure> {
        self.note_host_addresses()?;
        let sockets = Router::resolver()?;
        answer(&self.channel, &Ok(()), &sockets)?;
        drop(sockets);
        loop {
            let (ordered, changed) = self.wait()?;
            if changed {
                self.watch.take().step("hear of the host's addresses")?;
                self.note_host_addresses()?;
            }
            if ordered {
                match receive(&self.channel)? {
                    Some(Order::Make) => self.make()?,
                    Some(Order::Release(slot)) => self.released.push_back(slot),
                    None => return Ok(()),
                }
            } else if let Some(slot) = self.released.pop_front() {
                self.take_down(slot)?;
            }
        }
    }

    /// Whether there is an order, and whether the host's addresses have changed.
    fn wait(&self) -> Result<(bool, bool), Failure> {
        let mut fds = [PollFd::new(&self.channel, PollFlags::IN), PollFd::new(&self.watch, PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut fds, (!self.released.is_empty()).then_some(&at_once)) {
            Ok(_) => Ok((!fds[0].revents().is_empty(), !fds[1].revents().is_empty())),
            Err(rustix::io::Errno::INTR) => Ok((false, false)),
            Err(error) => Err(error).step("wait for orders"),
        }
    }

    fn note_host_addresses(&mut self) -> Result<(), Failure> {
        self.nft.set_host_addresses(&self.uplink.host_addresses()?)
    }

    fn make(&mut self) -> Result<(), Failure> {
        let Some(slot) = self.slots.take() else {
            let none = refused("every address for sandboxes is in use");
            return answer::<Slot>(&self.channel, &Err(none), &[]);
        };
        let made = outlet::make(slot, &self.router.namespace, self.lowest_port);
        // Without the way back nothing else could be done right.
        self.router.enter()?;
        match made.and_then(|namespace| outlet::connect(slot, &mut self.router.netlink).map(|()| namespace)) {
            Ok(namespace) => answer(&self.channel, &Ok(slot), &[namespace]),
            Err(failure) => {
                self.released.push_back(slot);
                answer::<Slot>(&self.channel, &Err(failure), &[])
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

    fn clear_away(&self) -> Result<(), Failure> {
        // Wherever the work has stopped.
        self.router.enter()?;
        self.uplink.remove()
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
