//! The front door's socket: bound here, or passed by a service manager that keeps it.
//!
//! A socket of the manager's (systemd: sd_listen_fds(3), systemd.socket(5)) outlives the server. Whoever connects while
//! the server restarts waits in the kernel's queue instead of being refused.

use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;

use crate::server::StartError;

/// The socket to serve, and its address: the one that was passed, or else a new one on `address`.
pub(crate) fn listener(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let (listener, address) = match passed(ListenFd::from_env())? {
        Some(passed) => passed,
        None => {
            let listen = |source| StartError::Listen { address, source };
            let listener = TcpListener::bind(address).map_err(listen)?;
            let address = listener.local_addr().map_err(listen)?;
            (listener, address)
        }
    };
    listener.set_nonblocking(true).map_err(|source| StartError::Listen { address, source })?;
    Ok((listener, address))
}

fn passed(mut passed: ListenFd) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    let unfit = |reason: String| StartError::Activation(reason);
    match passed.len() {
        0 => return Ok(None),
        1 => {}
        sockets => return Err(unfit(format!("there are {sockets}; pass one"))),
    }
    let listener = passed.take_tcp_listener(0).map_err(|error| unfit(error.to_string()))?;
    let Some(listener) = listener else { return Ok(None) };
    let listens = rustix::net::sockopt::socket_acceptconn(&listener);
    if !listens.map_err(|error| unfit(error.to_string()))? {
        return Err(unfit("it does not listen".to_owned()));
    }
    let address = listener.local_addr().map_err(|error| unfit(error.to_string()))?;
    // As for an address of the configuration.
    if !address.ip().is_loopback() {
        return Err(unfit(format!(
            "other machines could reach the API at {address}, and this version does not enforce signatures and \
             permissions yet; use a loopback address"
        )));
    }
    Ok(Some((listener, address)))
}
