//! Reads a body, piece by piece as its client takes it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use s3s::dto::StreamingBlob;
use s3s::stream::{ByteStream, RemainingLength};
use s3s::{S3Result, StdError};
use tokio::task::JoinHandle;

use crate::engine::{self, Engine};
use crate::files::{Files, Pins};
use crate::records::{self, Content, Piece};
use crate::write::blocking;

/// What is read at once.
const SLICE: u64 = 256 * 1024;

/// A part of a file.
struct Span {
    file: String,
    range: Range<u64>,
}

/// The bytes of an object that lie in files.
struct Outgoing {
    files: Files,
    spans: VecDeque<Span>,
    /// The file that was read last, which is mostly the next one's, too.
    open: Option<(String, File)>,
    work: Option<JoinHandle<io::Result<(String, File, Bytes)>>>,
    left: u64,
    _pins: Pins,
}

impl Engine {
    /// The bytes of `range`. `None` when the object has gone since its record was read: read that again.
    pub(crate) async fn read(&self, content: &Content, range: Range<u64>) -> S3Result<Option<StreamingBlob>> {
        let whole = |file: &str| Piece { number: 1, file: file.to_owned(), size: u64::MAX, sum: None };
        let pieces = match content {
            Content::Empty => return Ok(Some(StreamingBlob::from(s3s::Body::empty()))),
            Content::Inline(id) => {
                let Some(body) = self.small_body(id).await? else { return Ok(None) };
                let bounds = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
                let (start, end) = bounds.filter(|(_, end)| *end <= body.len()).ok_or_else(engine::lost)?;
                return Ok(Some(StreamingBlob::from(s3s::Body::from(body.slice(start..end)))));
            }
            Content::File(id) => vec![whole(id)],
            Content::Pieces(id) => match self.get::<Vec<Piece>>(&records::body_key(id)).await? {
                Some(pieces) => pieces,
                None => return Ok(None),
            },
        };
        let first = pieces.first().map(|piece| piece.file.clone());
        let pins = self.files.pin(pieces.iter().map(|piece| piece.file.clone()).collect());
        let spans = spans(&pieces, &range);
        let files = self.files.clone();
        let opened = blocking(move || {
            let Some(id) = first else { return Ok(Some(None)) };
            match files.read(&id) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                opened => opened.map(|file| Some(Some((id, file)))),
            }
        });
        let Some(open) = opened.await? else { return Ok(None) };
        let left = range.end - range.start;
        let outgoing = Outgoing { files: self.files.clone(), spans, open, work: None, left, _pins: pins };
        Ok(Some(StreamingBlob::new(outgoing)))
    }

    async fn small_body(&self, id: &str) -> S3Result<Option<Bytes>> {
        if let Some(body) = self.recent.body(id) {
            return Ok(Some(body));
        }
        let record = self.store.get(&records::body_key(id)).await.map_err(crate::refuse::store)?;
        Ok(record.map(|record| {
            let body = Bytes::from(record.body);
            self.recent.keep_body(id, body.clone());
            body
        }))
    }

    /// A body of a few kilobytes or megabytes as a whole, for who has to have it so.
    pub(crate) async fn read_whole(&self, content: &Content, size: u64) -> S3Result<Option<Bytes>> {
        use futures_util::StreamExt as _;
        let Some(mut body) = self.read(content, 0..size).await? else { return Ok(None) };
        let mut whole = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        while let Some(bytes) = body.next().await {
            whole.extend_from_slice(&bytes.map_err(crate::intake::broken)?);
        }
        Ok(Some(whole.into()))
    }
}

/// Which parts of which files a range of the whole is.
fn spans(pieces: &[Piece], range: &Range<u64>) -> VecDeque<Span> {
    let mut begin = 0_u64;
    let mut spans = VecDeque::new();
    for piece in pieces {
        let end = begin.saturating_add(piece.size);
        let (from, to) = (range.start.max(begin), range.end.min(end));
        if from < to {
            spans.push_back(Span { file: piece.file.clone(), range: from - begin..to - begin });
        }
        begin = end;
    }
    spans
}

impl Outgoing {
    /// Has the next slice read, where there is one.
    fn ask(&mut self) -> bool {
        let Some(span) = self.spans.front_mut() else { return false };
        let (start, size) = (span.range.start, SLICE.min(span.range.end - span.range.start));
        span.range.start += size;
        let (is_over, id) = (span.range.is_empty(), span.file.clone());
        let (files, open) = (self.files.clone(), self.open.take());
        if is_over {
            self.spans.pop_front();
        }
        self.work = Some(tokio::task::spawn_blocking(move || {
            let mut file = match open {
                Some((last, file)) if last == id => file,
                _ => files.read(&id)?,
            };
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = vec![0; usize::try_from(size).expect("a slice fits into memory")];
            file.read_exact(&mut bytes)?;
            Ok((id, file, bytes.into()))
        }));
        true
    }
}

impl Stream for Outgoing {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.work.is_none() && !self.ask() {
            return Poll::Ready(None);
        }
        let work = self.work.as_mut().expect("there is one, or the end was answered");
        let read = ready!(Pin::new(work).poll(context));
        self.work = None;
        match read {
            Ok(Ok((id, file, bytes))) => {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                self.open = Some((id, file));
                Poll::Ready(Some(Ok(bytes)))
            }
            Ok(Err(error)) => Poll::Ready(Some(Err(Box::new(error)))),
            Err(error) => Poll::Ready(Some(Err(Box::new(error)))),
        }
    }
}

impl ByteStream for Outgoing {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.left).map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}
