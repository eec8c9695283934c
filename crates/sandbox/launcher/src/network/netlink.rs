//! Questions to the kernel about links, addresses and routes (rtnetlink(7)), one at a time and without a process for
//! each.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with};

/// Larger than any answer: the kernel fills at most 32 KiB for a dump (linux/netlink.h, NLMSG_GOODSIZE and what
/// `netlink_recvmsg` makes of a larger buffer).
const LARGEST_ANSWER: usize = 64 * 1024;

/// linux/rtnetlink.h, RTMGRP_IPV4_IFADDR.
const ADDRESSES_GROUP: u32 = 0x10;

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
        let mut peer = LinkMessage::default();
        peer.attributes = describe(there);
        peer.attributes.push(LinkAttribute::NetNsFd(elsewhere.as_raw_fd()));
        let mut message = LinkMessage::default();
        message.attributes = describe(here);
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]));
        self.change(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// The number of a link of this namespace, which is the present one.
    pub(super) fn index(&self, name: &str) -> io::Result<u32> {
        Ok(rustix::net::netdevice::name_to_index(&self.socket, name)?)
    }

    pub(super) fn up(&mut self, index: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.change(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Leaves a note on a link, for whoever lists them.
    pub(super) fn alias(&mut self, index: u32, text: &str) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes.push(LinkAttribute::IfAlias(text.to_owned()));
        self.change(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Removes a link, and with it the other of its pair.
    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        self.change(RouteNetlinkMessage::DelLink(message), 0)
    }

    pub(super) fn address(&mut self, index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.index = index;
        message.header.prefix_len = prefix;
        message.header.scope = AddressScope::Universe;
        let address = IpAddr::V4(address);
        message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
        self.change(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// A route to one address on a link.
    pub(super) fn route_to(&mut self, address: Ipv4Addr, index: u32) -> io::Result<()> {
        let mut message = route(RouteScope::Link);
        message.header.destination_prefix_length = 32;
        message.attributes.push(RouteAttribute::Destination(RouteAddress::Inet(address)));
        message.attributes.push(RouteAttribute::Oif(index));
        self.change(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// The route to everything else.
    pub(super) fn default_route(&mut self, gateway: Ipv4Addr, index: u32) -> io::Result<()> {
        let mut message = route(RouteScope::Universe);
        message.attributes.push(RouteAttribute::Gateway(RouteAddress::Inet(gateway)));
        message.attributes.push(RouteAttribute::Oif(index));
        self.change(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Says whose hardware address this is, for ever, so that nobody is asked.
    pub(super) fn neighbour(&mut self, index: u32, address: Ipv4Addr, mac: Mac) -> io::Result<()> {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.ifindex = index;
        message.header.state = NeighbourState::Permanent;
        message.attributes = vec![
            NeighbourAttribute::Destination(NeighbourAddress::Inet(address)),
            NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
        ];
        self.change(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Every IPv4 address of this namespace.
    pub(super) fn addresses(&mut self) -> io::Result<Vec<Ipv4Addr>> {
        let mut question = AddressMessage::default();
        question.header.family = AddressFamily::Inet;
        let found = self.dump(RouteNetlinkMessage::GetAddress(question))?;
        let address = |message| match message {
            RouteNetlinkMessage::NewAddress(message) => own_address(&message),
            _ => None,
        };
        Ok(found.into_iter().filter_map(address).collect())
    }

    /// Name and note of every link that has one.
    pub(super) fn aliases(&mut self) -> io::Result<Vec<(String, String)>> {
        let found = self.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
        let alias = |message| {
            let RouteNetlinkMessage::NewLink(LinkMessage { attributes, .. }) = message else { return None };
            let (mut name, mut alias) = (None, None);
            for attribute in attributes {
                match attribute {
                    LinkAttribute::IfName(text) => name = Some(text),
                    LinkAttribute::IfAlias(text) => alias = Some(text),
                    _ => {}
                }
            }
            name.zip(alias)
        };
        Ok(found.into_iter().filter_map(alias).collect())
    }

    fn change(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.send(message, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        loop {
            for answer in self.receive()? {
                if let NetlinkPayload::Error(answer) = answer {
                    return if answer.code.is_none() { Ok(()) } else { Err(answer.to_io()) };
                }
            }
        }
    }

    fn dump(&mut self, question: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.send(question, NLM_F_REQUEST | NLM_F_DUMP)?;
        let mut found = Vec::new();
        loop {
            for answer in self.receive()? {
                match answer {
                    NetlinkPayload::InnerMessage(message) => found.push(message),
                    NetlinkPayload::Done(_) => return Ok(found),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    _ => {}
                }
            }
        }
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(message);
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        send(&self.socket, &bytes, SendFlags::empty())?;
        Ok(())
    }

    /// The messages of one datagram that answer the last question.
    fn receive(&mut self) -> io::Result<Vec<NetlinkPayload<RouteNetlinkMessage>>> {
        let bytes = receive(&self.socket)?;
        let mut rest = bytes.as_slice();
        let mut answers = Vec::new();
        while !rest.is_empty() {
            let message =
                NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
            // Aligned to four bytes (netlink(7), NLMSG_ALIGN); the header alone is longer than nothing.
            let length =
                usize::try_from(message.header.length).map_err(io::Error::other)?.next_multiple_of(4);
            rest = rest.get(length..).unwrap_or_default();
            if message.header.sequence_number == self.sequence {
                answers.push(message.payload);
            }
        }
        Ok(answers)
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
    let family = rustix::net::AddressFamily::NETLINK;
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

fn describe(end: &End<'_>) -> Vec<LinkAttribute> {
    vec![
        LinkAttribute::IfName(end.name.to_owned()),
        LinkAttribute::Address(end.mac.to_vec()),
        LinkAttribute::Group(end.group),
    ]
}

fn route(scope: RouteScope) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = scope;
    message.header.kind = RouteType::Unicast;
    message
}

/// Local, and not the address of the other end of a point-to-point link, which is in the other attribute.
fn own_address(message: &AddressMessage) -> Option<Ipv4Addr> {
    message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
        _ => None,
    })
}
