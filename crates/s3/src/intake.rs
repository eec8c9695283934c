//! The body of a request as it comes: with an end to patience, and out of the chunks that SDKs put it into.
//!
//! User Guide, "Signature calculations for the authorization header: transferring payload in multiple chunks": each chunk
//! is `SIZE;chunk-signature=…\r\n`, its bytes and `\r\n`; the last is empty, and trailing headers may follow.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::Stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::body::Body;
use s3s::stream::{ByteStream, RemainingLength};
use s3s::{S3Error, S3ErrorCode, StdError, s3_error};
use tokio::time::{Instant, Sleep};

/// A body of which nothing comes for so long is given up.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The line before a chunk, and one of its trailers: a size and a signature.
const LINE_BYTES: usize = 4 * 1024;
/// Trailing headers; SDKs send a checksum and a signature.
const TRAILERS: usize = 16;

/// Headers that came after a body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trailers(Arc<Mutex<Option<HeaderMap>>>);

impl Trailers {
    pub(crate) fn get(&self) -> Option<HeaderMap> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn put(&self, headers: HeaderMap) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(headers);
    }
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(
        "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed."
    )]
    Slow,
    #[error("You did not provide the number of bytes specified by the Content-Length HTTP header: {0}")]
    Cut(String),
    #[error("The request's body is not in the chunks that it announces: {0}")]
    Chunks(&'static str),
}

/// What a body's failure is to its sender.
pub(crate) fn broken(error: StdError) -> S3Error {
    let code = match error.downcast_ref::<Broken>() {
        Some(Broken::Slow) => S3ErrorCode::RequestTimeout,
        Some(Broken::Cut(_)) | None => S3ErrorCode::IncompleteBody,
        Some(Broken::Chunks(_)) => S3ErrorCode::InvalidRequest,
    };
    // s3s words what it finds in signed chunks itself.
    match error.downcast::<S3Error>() {
        Ok(error) => *error,
        Err(error) if error.to_string().contains("SignatureMismatch") => {
            s3_error!(SignatureDoesNotMatch, "A chunk's signature does not match its bytes")
        }
        Err(error) => S3Error::with_message(code, error.to_string()),
    }
}

/// A body that comes over a connection.
pub(crate) struct Incoming<B> {
    body: B,
    patience: Pin<Box<Sleep>>,
    /// What is left of a declared length.
    left: Option<u64>,
    read: Read,
}

/// Whether a body has been read to its end, for who answers after it is gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Read(Arc<AtomicBool>);

impl Read {
    pub(crate) fn is_whole(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn whole(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl<B: Body<Data = Bytes>> Incoming<B> {
    pub(crate) fn new(body: B, read: Read) -> Self {
        let left = body.size_hint().exact();
        if body.is_end_stream() {
            read.whole();
        }
        Self { body, patience: Box::pin(tokio::time::sleep(STALL_TIMEOUT)), left, read }
    }
}

impl<B> Stream for Incoming<B>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
                ready!(self.patience.as_mut().poll(context));
                return Poll::Ready(Some(Err(Box::new(Broken::Slow))));
            };
            self.patience.as_mut().reset(Instant::now() + STALL_TIMEOUT);
            return Poll::Ready(match frame {
                None => {
                    self.read.whole();
                    None
                }
                Some(Err(error)) => Some(Err(Box::new(Broken::Cut(error.to_string())))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => {
                        self.left = self.left.map(|left| left.saturating_sub(bytes.len() as u64));
                        if self.left == Some(0) {
                            self.read.whole();
                        }
                        Some(Ok(bytes))
                    }
                    // Trailers of HTTP itself; S3's come inside the body.
                    Err(_) => continue,
                },
            });
        }
    }
}

impl<B> ByteStream for Incoming<B>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    fn remaining_length(&self) -> RemainingLength {
        match self.left.map(usize::try_from) {
            Some(Ok(left)) => RemainingLength::new_exact(left),
            _ => RemainingLength::unknown(),
        }
    }
}

/// Takes the bytes out of their chunks. Signatures of chunks are not looked at: this is for requests whose own signature
/// need not be verified.
pub(crate) struct Unchunked<S> {
    chunks: S,
    buffer: BytesMut,
    state: State,
    left: usize,
    trailers: Trailers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the line of a chunk.
    Line,
    /// So many bytes of it are still to come.
    Data(usize),
    /// Before the end of its line.
    AfterData,
    /// Among the trailers.
    Trailers,
    Over,
}

impl<S> Unchunked<S> {
    /// `length` is that of the bytes without their chunks.
    pub(crate) fn new(chunks: S, length: usize, trailers: Trailers) -> Self {
        Self { chunks, buffer: BytesMut::new(), state: State::Line, left: length, trailers }
    }

    /// The next line without its end, once it is there.
    fn line(&mut self) -> Result<Option<BytesMut>, Broken> {
        let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") else {
            return if self.buffer.len() > LINE_BYTES {
                Err(Broken::Chunks("a line is too long"))
            } else {
                Ok(None)
            };
        };
        let line = self.buffer.split_to(end);
        self.buffer.advance(2);
        Ok(Some(line))
    }

    /// Bytes that are there, or `None` when more has to come.
    fn step(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            match self.state {
                State::Line => {
                    let Some(line) = self.line()? else { return Ok(None) };
                    let size = line[..]
                        .split(|byte| *byte == b';')
                        .next()
                        .and_then(|size| std::str::from_utf8(size).ok());
                    let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
                    let size = size.ok_or(Broken::Chunks("a chunk has no size"))?;
                    if size > self.left {
                        return Err(Broken::Chunks("there is more than x-amz-decoded-content-length says"));
                    }
                    self.state = if size == 0 { State::Trailers } else { State::Data(size) };
                }
                State::Data(_) if self.buffer.is_empty() => return Ok(None),
                State::Data(size) => {
                    let bytes = self.buffer.split_to(size.min(self.buffer.len())).freeze();
                    self.left -= bytes.len();
                    self.state =
                        if size == bytes.len() { State::AfterData } else { State::Data(size - bytes.len()) };
                    return Ok(Some(bytes));
                }
                State::AfterData => match self.line()? {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => self.state = State::Line,
                    Some(_) => return Err(Broken::Chunks("a chunk is longer than its size")),
                },
                State::Trailers => match self.line()? {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => self.end()?,
                    Some(line) => self.trailer(&line)?,
                },
                State::Over => return Ok(None),
            }
        }
    }

    fn trailer(&mut self, line: &[u8]) -> Result<(), Broken> {
        let text = std::str::from_utf8(line).ok().and_then(|line| line.split_once(':'));
        let (name, value) = text.ok_or(Broken::Chunks("a trailer is no header"))?;
        let name: HeaderName = name.trim().parse().map_err(|_| Broken::Chunks("a trailer has no name"))?;
        let value =
            HeaderValue::from_str(value.trim()).map_err(|_| Broken::Chunks("a trailer has no value"))?;
        let mut headers = self.trailers.get().unwrap_or_default();
        if headers.len() >= TRAILERS {
            return Err(Broken::Chunks("there are too many trailers"));
        }
        headers.insert(name, value);
        self.trailers.put(headers);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Broken> {
        self.state = State::Over;
        match self.left {
            0 => Ok(()),
            _ => Err(Broken::Chunks("there is less than x-amz-decoded-content-length says")),
        }
    }
}

impl<S: Stream<Item = Result<Bytes, StdError>> + Unpin> Stream for Unchunked<S> {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match self.step() {
                Ok(Some(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Err(error) => return Poll::Ready(Some(Err(Box::new(error)))),
                Ok(None) => {}
            }
            match ready!(Pin::new(&mut self.chunks).poll_next(context)) {
                Some(Ok(bytes)) if self.state != State::Over => self.buffer.extend_from_slice(&bytes),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if self.state == State::Over => return Poll::Ready(None),
                // Some clients leave out the empty line behind the last chunk.
                None if self.state == State::Trailers && self.buffer.is_empty() && self.left == 0 => {
                    self.state = State::Over;
                    return Poll::Ready(None);
                }
                None => {
                    return Poll::Ready(Some(Err(Box::new(Broken::Cut("the last chunk is missing".into())))));
                }
            }
        }
    }
}

impl<S: Stream<Item = Result<Bytes, StdError>> + Unpin> ByteStream for Unchunked<S> {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    async fn unchunk(text: &str, length: usize, step: usize) -> (Result<String, String>, Option<HeaderMap>) {
        let pieces: Vec<Result<Bytes, StdError>> =
            text.as_bytes().chunks(step).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let trailers = Trailers::default();
        let mut stream = Unchunked::new(futures_util::stream::iter(pieces), length, trailers.clone());
        let mut whole = String::new();
        while let Some(bytes) = stream.next().await {
            match bytes {
                Ok(bytes) => whole.push_str(std::str::from_utf8(&bytes).unwrap()),
                Err(error) => return (Err(error.to_string()), trailers.get()),
            }
        }
        (Ok(whole), trailers.get())
    }

    #[tokio::test]
    async fn bytes_come_out_of_chunks_of_any_cut() {
        let text = "5;chunk-signature=ab\r\nhello\r\n6\r\n world\r\n0;chunk-signature=cd\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        for step in 1..text.len() {
            let (whole, trailers) = unchunk(text, 11, step).await;
            assert_eq!(whole.as_deref(), Ok("hello world"), "{step}");
            assert_eq!(trailers.unwrap()["x-amz-checksum-crc32"], "AAAAAA==");
        }
    }

    #[tokio::test]
    async fn what_is_no_chunk_is_refused() {
        for (text, length) in [
            ("zz\r\nhello\r\n0\r\n\r\n", 5),
            ("5\r\nhello!\r\n0\r\n\r\n", 5),
            ("5\r\nhello\r\n0\r\n\r\n", 6),
            ("6\r\nhello!\r\n0\r\n\r\n", 5),
            ("ffffffffffffffffff\r\nx", 5),
            ("5\r\nhel", 5),
            ("5\r\nhello\r\n", 5),
        ] {
            assert!(unchunk(text, length, 3).await.0.is_err(), "{text:?}");
        }
        let long = "1;chunk-signature=".to_owned() + &"a".repeat(LINE_BYTES + 1);
        assert!(unchunk(&long, 5, 1000).await.0.is_err());
    }
}
