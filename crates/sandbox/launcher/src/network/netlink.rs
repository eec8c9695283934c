//! Questions to the kernel about links, addresses and routes (rtnetlink(7)), one at a time and without a process for
//! each.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use libc::{
    NDA_DST, NDA_LLADDR, NUD_PERMANENT, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RT_TABLE_MAIN, RTA_DST,
    RTA_GATEWAY, RTA_OIF, RTM_DELLINK, RTM_GETADDR, RTM_GETLINK, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH,
    RTM_NEWROUTE, RTM_SETLINK, RTN_UNICAST, RTPROT_STATIC,
};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

mod message;

use message::{Answer, Message, answers, attribute};

/// Larger than any answer: the kernel fills at most 32 KiB for a list.
const LARGEST_ANSWER: usize = 64 * 1024;

/// linux/rtnetlink.h, RTMGRP_IPV4_IFADDR.
const ADDRESSES_GROUP: u32 = 0x10;

/// netlink(7), NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, and together NLM_F_EXCL and NLM_F_CREATE.
const REQUEST: u16 = 0x1;
const ACKNOWLEDGE: u16 = 0x4;
const LIST: u16 = 0x300;
const NEW: u16 = 0x600;

/// linux/if_link.h.
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_GROUP: u16 = 27;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
/// linux/veth.h.
const VETH_INFO_PEER: u16 = 1;
/// linux/if_addr.h.
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// linux/if.h, IFF_UP.
const UP: u32 = 1;

/// AF_INET, in the field of one byte that these structures have.
const INET: u8 = 2;

/// Sizes of `ifinfomsg` and `ifaddrmsg`.
const LINK: usize = 16;
const ADDRESS: usize = 8;

/// A hardware address.
pub(super) type Mac = [u8; 6];

/// One end of a pair of links that is to be made.
pub(super) struct End<'a> {
    pub(super) name: &'a str,
    pub(super) mac: Mac,
    /// A number by which rules name many links at once; 0 is the kernel's default.
    pub(super) group: u32,
}

/// A socket that belongs to the network namespace in which it was opened, wherever this process goes.
pub(super) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self { socket: open(0)?, sequence: 0 })
    }

    /// Makes a pair of links: one here, the other in `elsewhere`.
    pub(super) fn pair(
        &mut self,
        here: &End<'_>,
        there: &End<'_>,
        elsewhere: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let namespace = elsewhere.as_raw_fd().to_ne_bytes();
        let message = here.describe(Message::new(RTM_NEWLINK, NEW, &[&link(0, 0)]));
        self.change(message.nested(IFLA_LINKINFO, &[], |info| {
            info.attribute(IFLA_INFO_KIND, b"veth").nested(IFLA_INFO_DATA, &[], |data| {
                data.nested(VETH_INFO_PEER, &link(0, 0), |peer| {
                    there.describe(peer).attribute(IFLA_NET_NS_FD, &namespace)
                })
            })
        }))
    }

    /// The number of a link of this namespace.
    pub(super) fn index(&self, name: &str) -> io::Result<u32> {
        Ok(rustix::net::netdevice::name_to_index(&self.socket, name)?)
    }

    pub(super) fn up(&mut self, index: u32) -> io::Result<()> {
        self.change(Message::new(RTM_SETLINK, 0, &[&link(index, UP)]))
    }

    /// Leaves a note on a link, for whoever lists them.
    pub(super) fn alias(&mut self, index: u32, text: &str) -> io::Result<()> {
        let message = Message::new(RTM_SETLINK, 0, &[&link(index, 0)]);
        self.change(message.attribute(IFLA_IFALIAS, text.as_bytes()))
    }

    /// Removes a link, and with it the other of its pair.
    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let message = Message::new(RTM_DELLINK, 0, &[&link(0, 0)]);
        self.change(message.attribute(IFLA_IFNAME, &text(name)))
    }

    pub(super) fn address(&mut self, index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let structure = [&[INET, prefix, 0, RT_SCOPE_UNIVERSE][..], &index.to_ne_bytes()];
        let message = Message::new(RTM_NEWADDR, NEW, &structure);
        let address = address.octets();
        self.change(message.attribute(IFA_LOCAL, &address).attribute(IFA_ADDRESS, &address))
    }

    /// A route to one address on a link.
    pub(super) fn route_to(&mut self, address: Ipv4Addr, index: u32) -> io::Result<()> {
        let message = route(32, RT_SCOPE_LINK).attribute(RTA_DST, &address.octets());
        self.change(message.attribute(RTA_OIF, &index.to_ne_bytes()))
    }

    /// The route to everything else.
    pub(super) fn default_route(&mut self, gateway: Ipv4Addr, index: u32) -> io::Result<()> {
        let message = route(0, RT_SCOPE_UNIVERSE).attribute(RTA_GATEWAY, &gateway.octets());
        self.change(message.attribute(RTA_OIF, &index.to_ne_bytes()))
    }

    /// Says whose hardware address this is, for ever, so that nobody is asked.
    pub(super) fn neighbour(&mut self, index: u32, address: Ipv4Addr, mac: Mac) -> io::Result<()> {
        // Family and padding, link, state, flags and type.
        let structure = [&[INET, 0, 0, 0][..], &index.to_ne_bytes(), &NUD_PERMANENT.to_ne_bytes(), &[0, 0]];
        let message = Message::new(RTM_NEWNEIGH, NEW, &structure);
        self.change(message.attribute(NDA_DST, &address.octets()).attribute(NDA_LLADDR, &mac))
    }

    /// Every IPv4 address of this namespace.
    pub(super) fn addresses(&mut self) -> io::Result<Vec<Ipv4Addr>> {
        let found = self.list(Message::new(RTM_GETADDR, LIST, &[&[INET, 0, 0, 0, 0, 0, 0, 0]]))?;
        // Local, and not the address of the other end of a point-to-point link, which is in the other attribute.
        let own = |item: &Vec<u8>| <[u8; 4]>::try_from(attribute(item, ADDRESS, IFA_LOCAL)?).ok();
        Ok(found.iter().filter_map(own).map(Ipv4Addr::from).collect())
    }

    /// Name and note of every link that has one.
    pub(super) fn aliases(&mut self) -> io::Result<Vec<(String, String)>> {
        let found = self.list(Message::new(RTM_GETLINK, LIST, &[&link(0, 0)]))?;
        let word = |item: &Vec<u8>, kind| {
            let bytes = attribute(item, LINK, kind)?;
            Some(String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned())
        };
        Ok(found.iter().filter_map(|item| word(item, IFLA_IFNAME).zip(word(item, IFLA_IFALIAS))).collect())
    }

    fn change(&mut self, message: Message) -> io::Result<()> {
        self.send(message, REQUEST | ACKNOWLEDGE)?;
        loop {
            for answer in self.receive()? {
                match answer {
                    Answer::Result(0) => return Ok(()),
                    Answer::Result(errno) => return Err(io::Error::from_raw_os_error(errno)),
                    Answer::Item(_) | Answer::End => {}
                }
            }
        }
    }

    fn list(&mut self, question: Message) -> io::Result<Vec<Vec<u8>>> {
        self.send(question, REQUEST)?;
        let mut found = Vec::new();
        loop {
            for answer in self.receive()? {
                match answer {
                    Answer::Item(item) => found.push(item),
                    Answer::End | Answer::Result(0) => return Ok(found),
                    Answer::Result(errno) => return Err(io::Error::from_raw_os_error(errno)),
                }
            }
        }
    }

    fn send(&mut self, message: Message, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        send(&self.socket, &message.finish(flags, self.sequence), SendFlags::empty())?;
        Ok(())
    }

    /// What of one datagram answers the last question.
    fn receive(&mut self) -> io::Result<Vec<Answer>> {
        answers(&receive(&self.socket)?, self.sequence)
    }
}

impl End<'_> {
    fn describe(&self, message: Message) -> Message {
        message
            .attribute(IFLA_IFNAME, &text(self.name))
            .attribute(IFLA_ADDRESS, &self.mac)
            .attribute(IFLA_GROUP, &self.group.to_ne_bytes())
    }
}

/// Tells when an IPv4 address of this namespace comes or goes.
pub(super) struct Watch {
    socket: OwnedFd,
}

impl Watch {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self { socket: open(ADDRESSES_GROUP)? })
    }

    /// Takes one notice. What it says does not matter: whoever hears of it looks at all addresses again.
    pub(super) fn take(&self) -> io::Result<()> {
        match receive(&self.socket) {
            // Notices were lost; the same answer serves.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn open(groups: u32) -> io::Result<OwnedFd> {
    let family = AddressFamily::NETLINK;
    // The default protocol is number 0, NETLINK_ROUTE.
    let socket = socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

fn receive(socket: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; LARGEST_ANSWER];
    let length = loop {
        match recv(socket, &mut bytes[..], RecvFlags::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok((_, length)) => break length,
        }
    };
    bytes.truncate(length);
    Ok(bytes)
}

/// `ifinfomsg`: family and type are the kernel's to say; the link, flags, and which of them are meant.
fn link(index: u32, flags: u32) -> [u8; LINK] {
    let mut structure = [0; LINK];
    structure[4..8].copy_from_slice(&index.to_ne_bytes());
    structure[8..12].copy_from_slice(&flags.to_ne_bytes());
    structure[12..].copy_from_slice(&flags.to_ne_bytes());
    structure
}

/// `rtmsg`: a route of the main table to a destination with so many bits.
fn route(bits: u8, scope: u8) -> Message {
    let structure = [INET, bits, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, scope, RTN_UNICAST, 0, 0, 0, 0];
    Message::new(RTM_NEWROUTE, NEW, &[&structure])
}

/// A name with its end.
fn text(name: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0"].concat()
}
