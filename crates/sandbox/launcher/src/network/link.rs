//! The router's way out as root: a link to the host, which translates addresses once more.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};

use lambent_sandbox_protocol::Failure;

use super::UPLINK;
use super::host::Host;
use super::netlink::{End, Mac, Netlink};
use super::router::Router;
use super::rules::Nft;
use crate::hierarchy::owner_is_dead;
use crate::step::{Step, refused};

/// Uplinks take four addresses each, from 169.254.112.0 on.
const FIRST: Ipv4Addr = Ipv4Addr::new(169, 254, 112, 0);
const UPLINKS: u32 = 1024;

/// The note on every link that the host holds for us; what follows names its launcher.
const NOTE: &str = "lambent ";

const HOST_MAC: Mac = [0x02, 0x6c, 0x6d, 0x62, 0xff, 1];
const ROUTER_MAC: Mac = [0x02, 0x6c, 0x6d, 0x62, 0xff, 2];

/// What the host holds for the router.
pub(super) struct Link {
    nft: Nft,
    owner: String,
    name: String,
}

impl Link {
    /// Connects the router with the host, from the router's namespace and back to it.
    pub(super) fn connect(
        nft: &Nft,
        owner: &str,
        host: &mut Host,
        router: &mut Router,
    ) -> Result<Self, Failure> {
        let link = Self { nft: nft.clone(), owner: owner.to_owned(), name: name(owner) };
        let made = host.enter(&router.namespace, |host| link.make(host, &router.namespace));
        match made.and_then(|address| link.lead_out(address, &mut router.netlink)) {
            Ok(()) => Ok(link),
            Err(failure) => {
                // What was made of it; the failure itself is what counts.
                let _ = link.remove(host, router);
                Err(failure)
            }
        }
    }

    /// The router's side.
    fn lead_out(&self, address: Ipv4Addr, router: &mut Netlink) -> Result<(), Failure> {
        let link = router.index(UPLINK).step("find the uplink")?;
        router.address(link, router_side(address), 30).step("set the uplink's address")?;
        router.up(link).step("bring up the uplink")?;
        router.default_route(host_side(address), link).step("set the route to the host")
    }

    /// On the host.
    fn make(&self, host: &mut Host, router: &OwnedFd) -> Result<Ipv4Addr, Failure> {
        let netlink = host.netlink();
        self.sweep(netlink)?;
        let taken = netlink.addresses().step("list the host's addresses")?;
        let address = choose(&self.owner, &taken).ok_or_else(|| {
            refused("no address is left between 169.254.112.0 and 169.254.127.255 for the router")
        })?;
        // Rules before the link: there is no moment in which it could be used without them.
        self.nft.load_host(&self.owner, &self.name, router_side(address))?;
        let here = End { name: &self.name, mac: HOST_MAC, group: 0 };
        let there = End { name: UPLINK, mac: ROUTER_MAC, group: 0 };
        netlink.pair(&here, &there, router.as_fd()).step("make a link between host and router")?;
        let link = netlink.index(&self.name).step("find the host's link")?;
        netlink.alias(link, &format!("{NOTE}{}", self.owner)).step("note whose link it is")?;
        // Of IPv6 nothing is routed, and nothing is to be answered.
        let quiet = fs::write(format!("/proc/sys/net/ipv6/conf/{}/disable_ipv6", self.name), "1");
        quiet.or_else(absent).step("disable IPv6 on the host's link")?;
        netlink.address(link, host_side(address), 30).step("set the address of the host's link")?;
        netlink.up(link).step("bring up the host's link")?;
        forward().step("let the host forward packets")?;
        Ok(address)
    }

    /// Removes what launchers that are surely dead have left on the host.
    fn sweep(&self, netlink: &mut Netlink) -> Result<(), Failure> {
        for owner in self.nft.owners()?.into_iter().filter(|owner| owner_is_dead(owner)) {
            self.nft.remove_host(&owner)?;
        }
        for (name, note) in netlink.aliases().step("list the host's links")? {
            if note.strip_prefix(NOTE).is_some_and(owner_is_dead) {
                // It goes by itself when the last holder of its router does, which may be now.
                match netlink.remove(&name) {
                    Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
                    other => other.step("remove the link of a dead launcher")?,
                }
            }
        }
        Ok(())
    }

    /// Takes everything off the host.
    pub(super) fn remove(&self, host: &mut Host, router: &Router) -> Result<(), Failure> {
        host.enter(&router.namespace, |host| {
            let link = host.netlink().remove(&self.name);
            // Both are tried, whatever becomes of one.
            self.nft.remove_host(&self.owner).and(link.step("remove the host's link"))
        })
    }
}

/// Only where it does not yet: in a container the setting may be there to be read alone.
fn forward() -> io::Result<()> {
    const SETTING: &str = "/proc/sys/net/ipv4/ip_forward";
    if fs::read_to_string(SETTING)?.trim() == "0" { fs::write(SETTING, "1") } else { Ok(()) }
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// The host's link: names have 15 letters at most, so a number stands for the owner, and the note has it in full.
fn name(owner: &str) -> String {
    format!("lmb{:010x}", number(owner) & 0xff_ffff_ffff)
}

fn number(owner: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    owner.hash(&mut hasher);
    hasher.finish()
}

/// Four addresses of which the host has none. Each owner begins elsewhere, so that two that start at the same time do
/// not choose the same.
fn choose(owner: &str, taken: &[Ipv4Addr]) -> Option<Ipv4Addr> {
    let begin = u32::try_from(number(owner) % u64::from(UPLINKS)).expect("it is below 1024");
    let four = |place: u32| Ipv4Addr::from_bits(FIRST.to_bits() + 4 * ((begin + place) % UPLINKS));
    let free = |base: &Ipv4Addr| !taken.iter().any(|address| address.to_bits() & !3 == base.to_bits());
    (0..UPLINKS).map(four).find(free)
}

fn host_side(base: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from_bits(base.to_bits() + 1)
}

fn router_side(base: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from_bits(base.to_bits() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uplink_takes_addresses_that_the_host_has_not() {
        let first = choose("a.1.2.3", &[]).unwrap();
        assert_eq!(first.to_bits() & 3, 0);
        assert_eq!(first.octets()[..2], [169, 254]);
        let second = choose("a.1.2.3", &[host_side(first)]).unwrap();
        assert_ne!(first, second);
        let all: Vec<_> = (0..UPLINKS).map(|n| Ipv4Addr::from_bits(FIRST.to_bits() + 4 * n + 2)).collect();
        assert_eq!(choose("a.1.2.3", &all), None);
    }

    #[test]
    fn names_fit_into_the_kernels_fifteen_letters() {
        assert_eq!(name("a.1.2.3").len(), 13);
        assert_ne!(name("a.1.2.3"), name("a.1.2.4"));
    }
}
