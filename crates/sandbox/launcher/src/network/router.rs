//! The namespace between functions and the outside.

use std::fs;
use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;

use lambent_sandbox_protocol::Failure;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::netlink::Netlink;
use super::outlet::disable_ipv6;
use super::rules::Nft;
use super::{GATEWAY, Resolver, enter};
use crate::clone::clone_process;
use crate::sandbox::wait;
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
    /// Makes a new network namespace, while this process stays where it is.
    pub(super) fn namespace() -> Result<OwnedFd, Failure> {
        let made = clone_process(libc::CLONE_NEWNET, None).step("make the router's namespace")?;
        let Some(holder) = made else { hold() };
        let namespace = std::fs::File::open(format!("/proc/{}/ns/net", holder.pid));
        holder.kill();
        wait(&holder);
        Ok(namespace.step("open the router's namespace")?.into())
    }

    /// Goes into this namespace and makes it the router.
    pub(super) fn make(namespace: OwnedFd, nft: &Nft, private: bool) -> Result<Self, Failure> {
        enter(&namespace).step("enter the router")?;
        disable_ipv6("all")?;
        disable_ipv6("default")?;
        // Rules before links of functions: nothing passes in between. They also bring the tracking of connections, with its settings.
        nft.load_router(private)?;
        for (name, value) in SETTINGS {
            fs::write(format!("/proc/sys/net/{name}"), value).step(&format!("set {name}"))?;
        }
        let mut netlink = Netlink::open().step("open a netlink socket")?;
        let loopback = netlink.index("lo").step("find loopback")?;
        netlink.up(loopback).step("bring up loopback")?;
        // On loopback and not on a link: it is the same for all of them.
        netlink.address(loopback, GATEWAY, 32).step("set the router's address")?;
        Ok(Self { namespace, netlink })
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

/// Holds a namespace until it is killed.
fn hold() -> ! {
    // Where that is refused it may be left behind, should this process be killed in the next instant.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    loop {
        // SAFETY: only waits.
        #[allow(unsafe_code)]
        unsafe {
            libc::pause();
        }
    }
}
