//! Names for sandboxes that reach the outside: a forwarder between them and the host's resolvers.
//!
//! Its sockets are in the router's network, where only sandboxes can reach them; the questions go on from the host's own
//! network, as the host's own would, to the resolvers that the host is configured with and to nothing else. So names
//! are resolved as on the host (a local `systemd-resolved`, a company's resolver), although no function reaches the
//! host. What a name stands for is none of the forwarder's business: the router's rules judge the address.
//!
//! Messages pass as they are (RFC 1035), by UDP and by TCP. Each question has a socket of its own, so that an answer
//! from elsewhere, or to another question, reaches nobody.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

mod config;
mod datagram;
mod quota;
mod stream;

use config::Servers;
use quota::Quota;

/// How long one of the host's resolvers may take before the next is asked. Programs inside give up after 5 s
/// (resolv.conf(5), `timeout`), and hear before that there is no answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Questions under way at once: of one sandbox, so that it does not keep out the others, and in all, each being a
/// descriptor of the server's and 64 KB at worst.
const QUESTIONS: Quota = Quota { each: 64, all: 512 };

/// Connections at once, likewise. A connection may ask many questions, one after the other.
const CONNECTIONS: Quota = Quota { each: 8, all: 128 };

/// The forwarder, not yet at work.
pub(crate) struct Resolver {
    datagrams: UdpSocket,
    streams: TcpListener,
}

impl Resolver {
    /// Takes the launcher's sockets: none, or UDP and TCP.
    pub(crate) fn new(sockets: Vec<OwnedFd>) -> io::Result<Option<Self>> {
        let mut sockets = sockets.into_iter();
        let (Some(datagrams), Some(streams)) = (sockets.next(), sockets.next()) else { return Ok(None) };
        let datagrams = std::net::UdpSocket::from(datagrams);
        let streams = std::net::TcpListener::from(streams);
        datagrams.set_nonblocking(true)?;
        streams.set_nonblocking(true)?;
        let (datagrams, streams) = (UdpSocket::from_std(datagrams)?, TcpListener::from_std(streams)?);
        Ok(Some(Self { datagrams, streams }))
    }

    /// Forwards until it is dropped, and with it all that is under way.
    pub(crate) async fn run(self) {
        self.ask(Arc::new(Servers::of_the_host())).await;
    }

    async fn ask(self, servers: Arc<Servers>) {
        tokio::join!(
            datagram::forward(Arc::new(self.datagrams), Arc::clone(&servers)),
            stream::forward(self.streams, servers)
        );
    }
}

/// Who asks. Nobody can ask in another's name: the router lets no such packet pass.
fn asker(address: SocketAddr) -> Ipv4Addr {
    match address.ip() {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}

/// Takes what has ended out of the set, so that it does not grow.
fn reap(tasks: &mut JoinSet<()>) {
    while tasks.try_join_next().is_some() {}
}

#[cfg(test)]
mod tests;
