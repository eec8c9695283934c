//! Families of sockets that functions have no use for.

use serde_json::Value;

use super::Named;
use crate::kernel::{Tried, call};

pub(super) const ATTACKS: &[Named] = &[
    ("socket_packet", |_| socket(libc::AF_PACKET, libc::SOCK_RAW, 768)),
    ("socket_raw", |_| socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)),
    ("socket_raw6", |_| socket(libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6)),
    ("socket_vsock", |_| socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)),
    ("socket_alg", |_| socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0)),
    ("socket_xdp", |_| socket(libc::AF_XDP, libc::SOCK_RAW, 0)),
    ("netlink_audit", |_| socket(libc::AF_NETLINK, libc::SOCK_RAW, 9)),
    ("netlink_netfilter", |_| socket(libc::AF_NETLINK, libc::SOCK_RAW, 12)),
    ("netlink_uevent", |_| socket(libc::AF_NETLINK, libc::SOCK_RAW, 15)),
    ("netlink_route_change", route_change),
];

fn socket(family: i32, kind: i32, protocol: i32) -> Tried {
    call!(SYS_socket, family, kind, protocol)?;
    Ok("has a socket".to_owned())
}

/// Adds a second address to the loopback interface (rtnetlink(7), RTM_NEWADDR).
fn route_change(_: &Value) -> Tried {
    // Without a sandbox in a network of its own, which is gone with this process.
    let _ = call!(SYS_unshare, libc::CLONE_NEWNET);
    let socket = call!(SYS_socket, libc::AF_NETLINK, libc::SOCK_RAW, 0)?;
    let message: [u8; 32] = [
        32, 0, 0, 0, 20, 0, 0x05, 0x06, 1, 0, 0, 0, 0, 0, 0,
        0, // header: length, RTM_NEWADDR, request+ack+create
        2, 32, 0, 0, 1, 0, 0, 0, // AF_INET, /32, interface 1
        8, 0, 2, 0, 198, 18, 7, 7, // IFA_LOCAL
    ];
    call!(SYS_sendto, socket, &message[..], 32, 0, 0, 0)?;
    let mut answer = [0_u8; 256];
    call!(SYS_recvfrom, socket, &mut answer[..], 256, 0, 0, 0)?;
    let errno = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
    match errno {
        0 => Ok("gave the interface an address".to_owned()),
        errno => Err(std::io::Error::from_raw_os_error(-errno).into()),
    }
}
