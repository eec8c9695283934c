//! Asking whether a server is ready: one small request, without a client library that would take time to start.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Whether `GET path` answers 200. A server that does not listen yet, or hangs up, is not ready.
pub(crate) fn is_ready(address: SocketAddr, path: &str) -> bool {
    ask(address, path).is_ok_and(|head| head == *b"HTTP/1.1 200")
}

fn ask(address: SocketAddr, path: &str) -> std::io::Result<[u8; 12]> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(head)
}
