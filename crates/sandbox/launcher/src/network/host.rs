//! The host's network, seen from the router.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lambent_sandbox_protocol::Failure;

use super::enter;
use super::netlink::{Netlink, Watch};
use crate::step::Step;

/// Opened before this process leaves it: only root can come back to it, but sockets stay where they were opened.
pub(super) struct Host {
    namespace: OwnedFd,
    netlink: Netlink,
    watch: Watch,
}

impl Host {
    /// From the host's network namespace.
    pub(super) fn open(namespace: OwnedFd) -> Result<Self, Failure> {
        // Before the addresses are listed for the first time, so that no change falls in between.
        let watch = Watch::open().step("watch the host's addresses")?;
        let netlink = Netlink::open().step("open a netlink socket")?;
        Ok(Self { namespace, netlink, watch })
    }

    /// The addresses that the host has now.
    pub(super) fn addresses(&mut self) -> Result<Vec<Ipv4Addr>, Failure> {
        self.netlink.addresses().step("list the host's addresses")
    }

    /// Takes word that its addresses have changed.
    pub(super) fn hear(&self) -> Result<(), Failure> {
        self.watch.take().step("hear of the host's addresses")
    }

    /// Readable when there is such word.
    pub(super) fn word(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }

    /// What can be asked and changed from afar, as root.
    pub(super) fn netlink(&mut self) -> &mut Netlink {
        &mut self.netlink
    }

    /// As root, does something in its namespace and comes back to the router's.
    pub(super) fn enter<T>(
        &mut self,
        router: &OwnedFd,
        what: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        enter(&self.namespace).step("enter the host's network")?;
        let done = what(self);
        enter(router).step("return to the router")?;
        done
    }
}
