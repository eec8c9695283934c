//! Writes a body: small ones into the store with their record, others into a file as they come.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use http::HeaderMap;
use lambent_store::{Expect, Write};
use s3s::{S3Error, S3Result, StdError, s3_error};

use crate::engine::Engine;
use crate::files::{Draft, Growing};
use crate::records::{self, Algorithm, Content, Sum};
use crate::sums::{Claims, Hashed, Hasher};
use crate::{intake, refuse};

/// Bodies up to this go into the store, where a put costs one fsync that others share. The change feed may hold four
/// thousand commits in memory, 32 MB of these.
pub(crate) const INLINE_BYTES: usize = 8 * 1024;
/// What is written at once.
const SLICE: usize = 512 * 1024;
/// The largest object of one request (User Guide, "Uploading objects").
pub(crate) const LARGEST: u64 = 5 * 1024 * 1024 * 1024;

/// A body that is on the disk, or about to be with its record.
pub(crate) struct Written {
    pub(crate) content: Content,
    pub(crate) size: u64,
    /// 32 digits.
    pub(crate) etag: String,
    /// By the request's algorithm, or CRC64NVME.
    pub(crate) sum: Sum,
    /// Empty for a copy.
    pub(crate) crc64: String,
    /// To be part of the commit.
    pub(crate) writes: Vec<Write>,
    /// Its files, which go unless they are kept.
    pub(crate) drafts: Vec<Draft>,
}

impl Written {
    /// Bytes that lie in these files.
    pub(crate) fn of_drafts(content: Content, size: u64, etag: String, sum: Sum, drafts: Vec<Draft>) -> Self {
        Self { content, size, etag, sum, crc64: String::new(), writes: Vec::new(), drafts }
    }

    /// The same once more, for a commit that may be refused; `None` where there are files, which are there once.
    pub(crate) fn again(&self) -> Option<Self> {
        self.drafts.is_empty().then(|| Self {
            content: self.content.clone(),
            size: self.size,
            etag: self.etag.clone(),
            sum: self.sum.clone(),
            crc64: self.crc64.clone(),
            writes: self.writes.clone(),
            drafts: Vec::new(),
        })
    }
}

impl Engine {
    /// Reads the body to its end and checks what was said of it. With `inline` small ones stay out of files.
    pub(crate) async fn write<S>(
        &self,
        body: Option<S>,
        claims: Claims,
        own: Option<&intake::Trailers>,
        verified: Option<&s3s::TrailingHeaders>,
        inline: bool,
    ) -> S3Result<Written>
    where
        S: Stream<Item = Result<Bytes, StdError>> + Unpin,
    {
        let algorithm = claims.algorithm.unwrap_or(Algorithm::Crc64Nvme);
        let mut sink = Sink {
            engine: self,
            pending: BytesMut::new(),
            size: 0,
            hasher: Some(Hasher::new(algorithm)),
            file: None,
        };
        if let Some(mut body) = body {
            // Held while bytes come: what they take in memory is bounded by how many hold one.
            let mut _place = None;
            while let Some(bytes) = body.next().await {
                sink.take(bytes.map_err(intake::broken)?).await?;
                if _place.is_none() && sink.size > INLINE_BYTES as u64 {
                    _place = Some(self.uploads.acquire().await.expect("nobody closes this semaphore"));
                }
            }
        }
        let written = sink.finish(inline).await?;
        let trailers = own.and_then(intake::Trailers::get);
        let trailers = trailers.or_else(|| verified.and_then(s3s::TrailingHeaders::take));
        check(&written, &claims, trailers.as_ref())?;
        Ok(written)
    }
}

/// The state of a body that is coming.
struct Sink<'a> {
    engine: &'a Engine,
    pending: BytesMut,
    size: u64,
    /// Here, or with the file.
    hasher: Option<Hasher>,
    file: Option<Open>,
}

/// A file that grows, with what is computed over it.
struct Open {
    file: Growing,
    hasher: Hasher,
}

impl Sink<'_> {
    async fn take(&mut self, bytes: Bytes) -> S3Result<()> {
        self.size += bytes.len() as u64;
        if self.size > LARGEST {
            return Err(s3_error!(
                EntityTooLarge,
                "Your proposed upload exceeds the maximum allowed object size."
            ));
        }
        self.pending.extend_from_slice(&bytes);
        if self.pending.len() >= SLICE { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> S3Result<()> {
        let bytes = self.pending.split().freeze();
        let (files, open, hasher) = (self.engine.files.clone(), self.file.take(), self.hasher.take());
        let written = blocking(move || {
            let mut open = match open {
                Some(open) => open,
                None => Open {
                    file: Growing::create(&files)?,
                    hasher: hasher.expect("before the first slice it is here"),
                },
            };
            open.hasher.update(&bytes);
            open.file.write(&bytes)?;
            Ok(open)
        });
        self.file = Some(written.await?);
        Ok(())
    }

    async fn finish(mut self, inline: bool) -> S3Result<Written> {
        if self.file.is_none() && inline && self.pending.len() <= INLINE_BYTES {
            return Ok(self.inlined());
        }
        if self.file.is_none() || !self.pending.is_empty() {
            self.flush().await?;
        }
        let Open { file, hasher } = self.file.take().expect("a flush leaves one");
        let (draft, hashed) = blocking(move || Ok((file.finish()?, hasher.finish()))).await?;
        let Hashed { md5, sum, crc64 } = hashed;
        let content = Content::File(draft.id().to_owned());
        Ok(Written { crc64, ..Written::of_drafts(content, self.size, hex::encode(md5), sum, vec![draft]) })
    }

    fn inlined(mut self) -> Written {
        let mut hasher = self.hasher.take().expect("nothing was flushed");
        hasher.update(&self.pending);
        let Hashed { md5, sum, crc64 } = hasher.finish();
        let (content, writes) = if self.pending.is_empty() {
            (Content::Empty, Vec::new())
        } else {
            // One after the other: those that are committed together lie together, in pages that are written once.
            let id = format!("{:016x}{}", self.engine.next_sequence(), &self.engine.files.id()[..16]);
            let body = self.pending.to_vec();
            self.engine.recent.keep_body(&id, self.pending.split().freeze());
            // The id is nobody else's: there is nothing to look for before.
            let write = Write::Put { key: records::body_key(&id), expect: Expect::Any, body };
            (Content::Inline(id), vec![write])
        };
        Written { content, size: self.size, etag: hex::encode(md5), sum, crc64, writes, drafts: Vec::new() }
    }
}

/// Whether the bytes are those that were meant.
fn check(written: &Written, claims: &Claims, trailers: Option<&HeaderMap>) -> S3Result<()> {
    if claims.md5.as_ref().is_some_and(|md5| hex::encode(md5) != written.etag) {
        return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
    }
    let trailing = trailers.and_then(|trailers| {
        let value = trailers.get(written.sum.algorithm.header())?.to_str().ok()?;
        Some(value.trim().to_owned())
    });
    let claimed = claims.sum.as_ref().map(|sum| sum.value.clone()).or(trailing);
    if claimed.is_some_and(|claimed| claimed != written.sum.value) {
        let name = written.sum.algorithm.name();
        let text = format!("The {name} you specified did not match the calculated checksum.");
        return Err(S3Error::with_message(s3s::S3ErrorCode::BadDigest, text));
    }
    Ok(())
}

/// Does what blocks where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> S3Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| refuse::disk(&error)),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_cancelled) => Err(s3_error!(ServiceUnavailable, "the server is going down")),
    }
}
