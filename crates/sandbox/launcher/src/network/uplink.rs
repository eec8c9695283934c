//! The router's way out, of two kinds: what root can have, and what an ordinary user can.

use std::os::fd::BorrowedFd;

use lambent_sandbox_protocol::Failure;

use super::host::Host;
use super::link::Link;
use super::router::Router;
use super::slirp::Slirp;

pub(super) enum Uplink {
    /// A link to the host.
    Link(Link),
    /// A program that speaks for the router, with sockets of its own.
    Slirp(Slirp),
}

impl Uplink {
    /// Readable when the way out has ended by itself.
    pub(super) fn ended(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Link(_) => None,
            Self::Slirp(slirp) => Some(slirp.ended()),
        }
    }

    /// Leaves nothing on the host.
    pub(super) fn remove(self, host: &mut Host, router: &Router) -> Result<(), Failure> {
        match self {
            Self::Link(link) => link.remove(host, router),
            Self::Slirp(slirp) => slirp.remove(),
        }
    }
}
