//! A client's connection: what was read of it to learn which HTTP it speaks is read again, and a client that does not
//! take its answer is not waited for.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::connection::Version;

/// The first bytes of HTTP/2 (RFC 9113, section 3.4). The method `PRI` is reserved for them.
const PREFACE: &[u8] = b"PRI";
/// The first byte of TLS: a record of the handshake (RFC 8446, section 5.1). No method begins with it.
const HANDSHAKE: u8 = 22;
/// While answers have to wait, a client has to take [`WORTH`] bytes in each such time. Without it those who read nothing
/// would keep the largest answers in memory for as long as they like.
const TAKE_TIMEOUT: Duration = Duration::from_secs(30);
const WORTH: usize = 256 * 1024;

/// See the module's text.
pub(super) struct Door<C> {
    connection: C,
    /// Read, and not yet handed on.
    first: Vec<u8>,
    /// Runs only while the client has to make room.
    taking: Option<Taking>,
}

struct Taking {
    timer: Pin<Box<Sleep>>,
    taken: usize,
}

impl<C> Door<C> {
    pub(super) fn new(connection: C) -> Self {
        Self { connection, first: Vec::new(), taking: None }
    }
}

impl<C: AsyncRead + Unpin> Door<C> {
    /// Reads as much as it takes to know.
    pub(super) async fn version(&mut self) -> io::Result<Version> {
        while self.first.len() < PREFACE.len() && PREFACE.starts_with(&self.first) {
            let mut bytes = [0; PREFACE.len()];
            let count = self.connection.read(&mut bytes[self.first.len()..]).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let before = self.first.len();
            self.first.extend_from_slice(&bytes[before..before + count]);
        }
        Ok(match self.first.first() {
            Some(&HANDSHAKE) => Version::Tls,
            _ if self.first == PREFACE => Version::Two,
            _ => Version::One,
        })
    }
}

impl<C> Door<C> {
    /// Looks at what came of a write.
    fn judge(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = &written {
            if let Some(taking) = &mut self.taking {
                taking.taken += count;
            }
            return written;
        }
        if written.is_ready() {
            return written;
        }
        let new = || Taking { timer: Box::pin(tokio::time::sleep(TAKE_TIMEOUT)), taken: 0 };
        let taking = self.taking.get_or_insert_with(new);
        ready!(taking.timer.as_mut().poll(context));
        if taking.taken < WORTH {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        *taking = new();
        // Registers the new timer; the connection has its waker from this very call.
        ready!(taking.timer.as_mut().poll(context));
        Poll::Pending
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Door<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.connection).poll_read(context, buffer);
        }
        let count = self.first.len().min(buffer.remaining());
        buffer.put_slice(&self.first[..count]);
        self.first.drain(..count);
        // What has come since belongs to the same head, mostly: one look saves a turn.
        if self.first.is_empty() && buffer.remaining() > 0 {
            let _later = Pin::new(&mut self.connection).poll_read(context, buffer)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Door<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write(context, bytes);
        self.judge(written, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when all that it had is written: the client has taken its answer.
        self.taking = None;
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write_vectored(context, slices);
        self.judge(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    async fn version_of(pieces: &[&[u8]]) -> (io::Result<Version>, Vec<u8>) {
        let (mut client, server) = tokio::io::duplex(64);
        let mut door = Door::new(server);
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
        let send = async move {
            for piece in pieces {
                client.write_all(&piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let ((), version) = tokio::join!(send, door.version());
        let mut all = Vec::new();
        door.read_to_end(&mut all).await.unwrap();
        (version, all)
    }

    #[tokio::test]
    async fn the_version_is_known_by_the_first_bytes_and_none_is_lost() {
        for (pieces, expected) in [
            (&[&b"PRI * HTTP/2.0\r\n"[..]][..], Version::Two),
            (&[b"P", b"R", b"I * "], Version::Two),
            (&[b"GET / HTTP/1.1\r\n"], Version::One),
            (&[b"P", b"OST / HTTP/1.1"], Version::One),
            (&[b"PR", b"OPFIND / "], Version::One),
            (&[b"\x16\x03\x01\x02"], Version::Tls),
        ] {
            let (version, all) = version_of(pieces).await;
            assert_eq!((version.unwrap(), all), (expected, pieces.concat()));
        }
        let (version, _) = version_of(&[b"PR"]).await;
        assert_eq!(version.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_given_up_and_who_is_slow_is_served() {
        let (_deaf, server) = tokio::io::duplex(64);
        let error = Door::new(server).write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        let (mut slow, server) = tokio::io::duplex(WORTH);
        let mut door = Door::new(server);
        let take = async {
            let mut block = vec![0; WORTH];
            for _ in 0..4 {
                tokio::time::sleep(TAKE_TIMEOUT * 2 / 3).await;
                slow.read_exact(&mut block).await.unwrap();
            }
        };
        let answer = vec![0; 4 * WORTH];
        let (written, ()) = tokio::join!(door.write_all(&answer), take);
        written.unwrap();
    }
}
