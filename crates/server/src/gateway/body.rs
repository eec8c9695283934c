//! Reads the bodies of requests, without letting them fill the memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use lambent_lambda::limits;
use lambent_wire::{Error, common};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::Origin;

/// A body that takes longer is given up: the largest takes a second on loopback.
const BODY_TIMEOUT: Duration = Duration::from_secs(120);
/// And so is one of which nothing comes for so long.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a body waits for a place before its call is refused. Uploads take a second or two; invocations keep their
/// place for as long as they run, and it is better to say so than to have their callers wait for each other.
const PLACE_TIMEOUT: Duration = Duration::from_secs(20);
/// What every request may send: an event, and room for what is around it. Packages alone are larger.
const SMALL_BYTES: usize = limits::SYNC_PAYLOAD_BYTES + 64 * 1024;
/// Large bodies of clients at once: half a gigabyte.
const CLIENTS: usize = 8;
/// Large bodies of functions at once. Functions are strangers and may come by the thousand; those that deploy other
/// functions are few, and wait for each other.
const FUNCTIONS: usize = 2;
/// What is read of a body before it takes its part of an allowance: calls of the usual size cost nothing. As many as
/// may be under way hold a quarter of a gigabyte.
const FREE_BYTES: usize = 64 * 1024;
/// What the bodies of clients between the two sizes may have the server hold, in KiB: 170 of the largest events. A
/// function that is to take more of these at once belongs on a machine with the memory to run it as often.
const CLIENTS_KIB: usize = 1024 * 1024;

/// Places for bodies; whoever finds none waits for a while. Functions cannot take those of clients.
pub(crate) struct Bodies {
    clients: Arc<Semaphore>,
    functions: Arc<Semaphore>,
    events: Arc<Semaphore>,
}

impl Default for Bodies {
    fn default() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self { clients: places(CLIENTS), functions: places(FUNCTIONS), events: places(CLIENTS_KIB) }
    }
}

/// Why a body was not read.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There was no place for it.
    Full,
    /// It cannot be taken.
    Error(Error),
}

impl Bodies {
    /// Reads a body to its end. It comes with its place, to be kept as long as the body is.
    pub(crate) async fn read(
        &self,
        origin: &Origin,
        parts: &Parts,
        body: Incoming,
    ) -> Result<(Bytes, Place), Refused> {
        let room = match origin {
            Origin::Client(_) => Room { large: &self.clients, allowance: &self.events },
            Origin::Function(guest) => Room { large: &self.functions, allowance: &guest.bodies },
        };
        read(room, body).await.map_err(|failure| {
            Refused::Error(match failure {
                Failure::Full => return Refused::Full,
                Failure::TooLarge => common::request_entity_too_large(format!(
                    "Request must be smaller than {} bytes for the {} operation",
                    limits::REQUEST_BYTES,
                    if parts.uri.path().ends_with("/code") { "UpdateFunctionCode" } else { "CreateFunction" }
                )),
                Failure::Broken(error) => {
                    common::malformed_http_request(format!("the request's body ended early: {error}"))
                }
                Failure::Slow => common::request_timeout("the request's body did not arrive in time"),
            })
        })
    }
}

/// Where a body may find a place.
#[derive(Clone, Copy)]
struct Room<'a> {
    /// For those above [`SMALL_BYTES`].
    large: &'a Arc<Semaphore>,
    /// In KiB, for those above [`FREE_BYTES`].
    allowance: &'a Arc<Semaphore>,
}

/// What a body occupies; given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Place {
    large: Option<OwnedSemaphorePermit>,
    part: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Sees that there is a place for a body of so many bytes, which has `declared` its size or not. True when that
    /// may have taken time. A part is taken whole: bodies that wait for more of it while they hold some could wait for
    /// each other.
    async fn suffice(&mut self, room: Room<'_>, bytes: usize, declared: u64) -> Result<bool, Failure> {
        let mut has_waited = false;
        if bytes > FREE_BYTES && self.part.is_none() {
            let whole = if declared > 0 { declared.min(SMALL_BYTES as u64) } else { SMALL_BYTES as u64 };
            let kib = u32::try_from(whole.div_ceil(1024)).expect("a few thousand");
            self.part = Some(take(room.allowance, kib).await?);
            has_waited = true;
        }
        if bytes > SMALL_BYTES && self.large.is_none() {
            self.large = Some(take(room.large, 1).await?);
            has_waited = true;
        }
        Ok(has_waited)
    }
}

#[derive(Debug)]
enum Failure {
    TooLarge,
    Broken(String),
    Slow,
    Full,
}

async fn read<B>(room: Room<'_>, mut body: B) -> Result<(Bytes, Place), Failure>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    // A declared length is refused before a byte of it is read.
    let declared = body.size_hint().lower();
    if declared > limits::REQUEST_BYTES as u64 {
        return Err(Failure::TooLarge);
    }
    let mut place = Place::default();
    if body.is_end_stream() {
        return Ok((Bytes::new(), place));
    }
    let expected = usize::try_from(declared).expect("below the limit");
    place.suffice(room, expected, declared).await?;
    // Exactly what was declared: growing by doubling would take up to three times as much of a large one.
    let mut collected = Pieces::new(expected);
    let mut deadline = Instant::now() + BODY_TIMEOUT;
    loop {
        let until = deadline.min(Instant::now() + STALL_TIMEOUT);
        let frame = timeout_at(until, body.frame()).await.map_err(|_elapsed| Failure::Slow)?;
        let Some(frame) = frame else { return Ok((collected.finish(), place)) };
        // Trailers are nothing that a call consists of.
        let Ok(data) = frame.map_err(|error| Failure::Broken(error.to_string()))?.into_data() else {
            continue;
        };
        if collected.len() + data.len() > limits::REQUEST_BYTES {
            return Err(Failure::TooLarge);
        }
        if place.suffice(room, collected.len() + data.len(), declared).await? {
            // The wait was not the sender's.
            deadline = Instant::now() + BODY_TIMEOUT;
        }
        collected.push(data);
    }
}

/// What has come of a body. Most come in one piece, which is not copied.
struct Pieces {
    expected: usize,
    first: Bytes,
    rest: Option<BytesMut>,
}

impl Pieces {
    fn new(expected: usize) -> Self {
        Self { expected, first: Bytes::new(), rest: None }
    }

    fn len(&self) -> usize {
        self.rest.as_ref().map_or(self.first.len(), BytesMut::len)
    }

    fn push(&mut self, data: Bytes) {
        if self.rest.is_none() && self.first.is_empty() {
            self.first = data;
            return;
        }
        let (expected, first) = (self.expected, &mut self.first);
        let rest = self.rest.get_or_insert_with(|| {
            let mut rest = BytesMut::with_capacity(expected.max(first.len() + data.len()));
            rest.extend_from_slice(&std::mem::take(first));
            rest
        });
        rest.extend_from_slice(&data);
    }

    fn finish(self) -> Bytes {
        self.rest.map_or(self.first, BytesMut::freeze)
    }
}

/// Each place is freed when its body has been read or given up, and its call answered.
async fn take(places: &Arc<Semaphore>, count: u32) -> Result<OwnedSemaphorePermit, Failure> {
    let place = timeout(PLACE_TIMEOUT, Arc::clone(places).acquire_many_owned(count)).await;
    place.map_err(|_elapsed| Failure::Full).map(|place| place.expect("nobody closes this semaphore"))
}

#[cfg(test)]
mod tests;
