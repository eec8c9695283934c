//! Sockets in the sandbox's network, which the server connects: a socket belongs to the network in which it was made.

use std::os::fd::{FromRawFd as _, OwnedFd};

/// A TCP socket over IPv4 that is not connected.
pub(crate) fn tcp() -> std::io::Result<OwnedFd> {
    // SAFETY: the call takes numbers.
    #[allow(unsafe_code)]
    let fd = unsafe {
        libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0)
    };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: it was just made, and nobody else owns it.
    #[allow(unsafe_code)]
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
