//! One message in one datagram, file descriptors beside it.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Serialize, de::DeserializeOwned};

/// The largest message in bytes. An environment is at most a few tens of KiB, and the kernel's default send buffer
/// (`net.core.wmem_default`, 208 KiB) has to take a whole one.
pub const MAX_MESSAGE: usize = 128 * 1024;

/// The most file descriptors beside one message.
pub const MAX_FDS: usize = 16;

/// What can be wrong with a channel.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("the channel failed")]
    Io(#[from] std::io::Error),
    /// The message to be sent is too large.
    #[error("a message of {0} bytes is larger than the {MAX_MESSAGE} a channel carries")]
    TooLarge(usize),
    /// The peer sent more than a message may hold.
    #[error("the peer sent a message of more than {MAX_MESSAGE} bytes or {MAX_FDS} descriptors")]
    Oversized,
    /// The peer sent something that is not a message of this version.
    #[error("the peer sent a message that this version does not know")]
    Unknown(#[source] serde_json::Error),
    /// The peer speaks another version.
    #[error("the peer speaks version {0} of the sandbox protocol, this program speaks {ours}", ours = crate::VERSION)]
    Version(u32),
    /// The peer sent a message where another had to come.
    #[error("the peer sent {got} where {expected} had to come")]
    Unexpected {
        /// What came.
        got: String,
        /// What had to come.
        expected: &'static str,
    },
}

/// The datagram of a message.
///
/// # Errors
/// [`Error::TooLarge`].
pub fn encode<M: Serialize>(message: &M) -> Result<Vec<u8>, Error> {
    let bytes = serde_json::to_vec(message).map_err(Error::Unknown)?;
    if bytes.len() > MAX_MESSAGE { Err(Error::TooLarge(bytes.len())) } else { Ok(bytes) }
}

/// The message of a datagram, or of what was kept of one.
///
/// # Errors
/// [`Error::Unknown`].
pub fn decode<M: DeserializeOwned>(datagram: &[u8]) -> Result<M, Error> {
    serde_json::from_slice(datagram).map_err(Error::Unknown)
}

/// Sends one message; the peer gets duplicates of `fds`.
///
/// # Errors
/// [`Error::TooLarge`], or what the kernel answered.
pub fn send<M: Serialize>(channel: impl AsFd, message: &M, fds: &[BorrowedFd<'_>]) -> Result<(), Error> {
    Ok(send_encoded(channel, &encode(message)?, fds)?)
}

/// Sends one datagram made by [`encode`].
///
/// # Errors
/// What the kernel answered: `WouldBlock` from a full non-blocking channel, a broken pipe when the peer is gone.
pub fn send_encoded(channel: impl AsFd, datagram: &[u8], fds: &[BorrowedFd<'_>]) -> std::io::Result<()> {
    assert!(fds.len() <= MAX_FDS, "callers pass a handful of descriptors");
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(fds)), "the buffer has room for MAX_FDS");
    }
    loop {
        match sendmsg(&channel, &[IoSlice::new(datagram)], &mut control, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            // A datagram goes out whole or not at all.
            Ok(_) => return Ok(()),
        }
    }
}

/// Receives one message; `None` when the peer is gone.
///
/// # Errors
/// [`Error::Oversized`] and [`Error::Unknown`] for what is no message, else what the kernel answered.
pub fn receive<M: DeserializeOwned>(channel: impl AsFd) -> Result<Option<(M, Vec<OwnedFd>)>, Error> {
    let Some((datagram, fds)) = receive_datagram(channel)? else { return Ok(None) };
    let message = serde_json::from_slice(&datagram).map_err(Error::Unknown)?;
    Ok(Some((message, fds)))
}

/// The bytes of a datagram, and the descriptors that came with it.
pub type Datagram = (Vec<u8>, Vec<OwnedFd>);

/// Receives one datagram, whatever is in it; `None` when the peer is gone.
///
/// # Errors
/// [`Error::Oversized`], else what the kernel answered.
pub fn receive_datagram(channel: impl AsFd) -> Result<Option<Datagram>, Error> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut buffer = vec![0; MAX_MESSAGE];
    let received = loop {
        let flags = RecvFlags::CMSG_CLOEXEC;
        match recvmsg(&channel, &mut [IoSliceMut::new(&mut buffer)], &mut control, flags) {
            Err(rustix::io::Errno::INTR) => {}
            // A peer that died with unread messages shows as a reset; to us it is just gone.
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            Err(error) => return Err(Error::Io(error.into())),
            Ok(received) => break received,
        }
    };
    // Owned first, so that nothing leaks when the message is refused.
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            fds.extend(passed);
        }
    }
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(Error::Oversized);
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    buffer.truncate(received.bytes);
    Ok(Some((buffer, fds)))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;
    use crate::{FromInit, ToInit};

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn a_message_arrives_whole_with_its_descriptors_then_the_end() {
        let (ours, theirs) = pair();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        send(&ours, &FromInit::ExitedWithCode(3), &[writer.as_fd()]).unwrap();
        drop(writer);
        drop(ours);
        let (message, fds) = receive::<FromInit>(&theirs).unwrap().unwrap();
        assert_eq!(message, FromInit::ExitedWithCode(3));
        rustix::io::write(&fds[0], b"x").unwrap();
        assert_eq!(rustix::io::read(&reader, &mut [0; 1]).unwrap(), 1);
        assert!(receive::<FromInit>(&theirs).unwrap().is_none());
    }

    #[test]
    fn what_is_no_message_has_a_name() {
        let (ours, theirs) = pair();
        send_encoded(&ours, b"{\"Fly\":1}", &[]).unwrap();
        assert!(matches!(receive::<ToInit>(&theirs), Err(Error::Unknown(_))));
        send_encoded(&ours, &vec![b' '; MAX_MESSAGE + 1], &[]).unwrap();
        assert!(matches!(receive::<ToInit>(&theirs), Err(Error::Oversized)));
        let huge = FromInit::Failed(crate::Failure::Refused { reason: "x".repeat(MAX_MESSAGE) });
        assert!(matches!(send(&ours, &huge, &[]), Err(Error::TooLarge(_))));
        // The channel is still in step.
        send(&ours, &ToInit::Reset, &[]).unwrap();
        assert_eq!(receive::<ToInit>(&theirs).unwrap().unwrap().0, ToInit::Reset);
    }
}
