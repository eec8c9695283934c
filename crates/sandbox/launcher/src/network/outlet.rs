//! The network of one sandbox: a namespace with loopback and one link to the router.
//!
//! The namespace belongs to the launcher's user namespace and not to the sandbox's. Nobody inside has a capability in
//! it, whatever rights he gains in the sandbox: link, address, routes and settings are out of his reach.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use lambent_sandbox_protocol::Failure;
use rustix::thread::UnshareFlags;

use super::netlink::{End, Netlink};
use super::slots::ROUTER_MAC;
use super::{FUNCTIONS, GATEWAY, Slot, namespace};
use crate::step::Step;

/// The link inside, called as everywhere.
const INSIDE: &str = "eth0";

/// Makes it, from the router's namespace; this process is left in the new one.
pub(super) fn make(slot: Slot, router: &OwnedFd, lowest_port: u16) -> Result<OwnedFd, Failure> {
    // SAFETY: this program has one thread.
    #[allow(unsafe_code)]
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.step("make a network namespace")?;
    let made = namespace()?;
    // Before there is a link, which would have an address of IPv6 at once. Loopback has its own already.
    disable_ipv6("default")?;
    if lowest_port < 1024 {
        // In this network alone; init has no capability to bind the platform's port otherwise.
        fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", lowest_port.to_string())
            .step("allow the platform's port")?;
    }
    let mut netlink = Netlink::open().step("open a netlink socket")?;
    let inside = End { name: INSIDE, mac: slot.mac(), group: 0 };
    let outside = End { name: &slot.link(), mac: ROUTER_MAC, group: FUNCTIONS };
    netlink.pair(&inside, &outside, router.as_fd()).step("make a link to the router")?;
    let loopback = netlink.index("lo").step("find loopback")?;
    netlink.up(loopback).step("bring up loopback")?;
    let link = netlink.index(INSIDE).step("find the link inside")?;
    netlink.address(link, slot.address(), 32).step("set the address inside")?;
    netlink.up(link).step("bring up the link inside")?;
    netlink.neighbour(link, GATEWAY, ROUTER_MAC).step("name the router inside")?;
    netlink.route_to(GATEWAY, link).step("set the route to the router")?;
    netlink.default_route(GATEWAY, link).step("set the route to the outside")?;
    Ok(made)
}

/// The router's side of it, from the router's namespace.
pub(super) fn connect(slot: Slot, router: &mut Netlink) -> Result<(), Failure> {
    let link = router.index(&slot.link()).step("find the router's link")?;
    router.up(link).step("bring up the router's link")?;
    router.neighbour(link, slot.address(), slot.mac()).step("name the sandbox in the router")?;
    router.route_to(slot.address(), link).step("set the route to the sandbox")
}

/// For links that come later (`default`) or that are there (`all`), in this network namespace.
pub(super) fn disable_ipv6(which: &str) -> Result<(), Failure> {
    let path = format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6");
    match fs::write(path, "1") {
        // A kernel without IPv6 has none to disable.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.step("disable IPv6"),
    }
}
