//! The namespace between functions and the outside.

use std::fs;
use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;

use lambent_sandbox_protocol::Failure;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
use rustix::thread::UnshareFlags;

use super::netlink::Netlink;
use super::outlet::disable_ipv6;
use super::rules::Nft;
use super::{GATEWAY, Resolver, enter, namespace};
use crate::step::Step;

/// Questions that wait to be accepted; a question by TCP is rare.
const WAITING_QUESTIONS: i32 = 64;

/// Settings of the router's network namespace below /proc/sys/net, with what happens without them.
const SETTINGS: [(&str, &str); 4] = [
    // Nothing would pass.
    ("ipv4/ip_forward", "1"),
    // A route could be changed from outside, or shown to be changeable.
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    // A function that opens many short connections would use up its share of them for two minutes each.
    ("netfilter/nf_conntrack_tcp_timeout_time_wait", "20"),
];

/// The router, with this process in it.
pub(super) struct Router {
    pub(super) namespace: OwnedFd,
    pub(super) netlink: Netlink,
}

impl Router {
    /// Leaves the host's network namespace for a new one, and makes that the router.
    pub(super) fn make(nft: &Nft, private: bool) -> Result<Self, Failure> {
        // SAFETY: this program has one thread.
        #[allow(unsafe_code)]
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
            .step("make the router's namespace")?;
        disable_ipv6("all")?;
        disable_ipv6("default")?;
        // Rules before links: nothing passes in between. They also bring the tracking of connections, with its settings.
        nft.load_router(private)?;
        for (name, value) in SETTINGS {
            fs::write(format!("/proc/sys/net/{name}"), value).step(&format!("set {name}"))?;
        }
        let mut netlink = Netlink::open().step("open a netlink socket")?;
        let loopback = netlink.index("lo").step("find loopback")?;
        netlink.up(loopback).step("bring up loopback")?;
        // On loopback and not on a link: it is the same for all of them.
        netlink.address(loopback, GATEWAY, 32).step("set the router's address")?;
        Ok(Self { namespace: namespace()?, netlink })
    }

    /// Takes this process into it.
    pub(super) fn enter(&self) -> Result<(), Failure> {
        enter(&self.namespace).step("return to the router")
    }

    /// The sockets at which sandboxes ask for names; they stay in the router, whoever holds them.
    pub(super) fn resolver() -> Result<Resolver, Failure> {
        let socket = |kind| {
            let socket = socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC, None)?;
            bind(&socket, &SocketAddrV4::new(GATEWAY, 53))?;
            Ok::<_, rustix::io::Errno>(socket)
        };
        let datagrams = socket(SocketType::DGRAM).step("open the socket for names")?;
        let streams = socket(SocketType::STREAM).step("open the second socket for names")?;
        listen(&streams, WAITING_QUESTIONS).step("listen for names")?;
        Ok([datagrams, streams])
    }
}
