//! Reads the bodies of requests, without letting them fill the memory.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use lambent_lambda::limits;
use lambent_wire::{Error, common};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Origin;

/// A body that stops arriving is given up: the largest takes a second on loopback.
const BODY_TIMEOUT: Duration = Duration::from_secs(120);
/// What every request may send: an event, and room for what is around it. Packages alone are larger.
const SMALL_BYTES: usize = limits::SYNC_PAYLOAD_BYTES + 64 * 1024;
/// Large bodies of clients at once: half a gigabyte.
const CLIENTS: usize = 8;
/// Large bodies of functions at once. Functions are strangers and may come by the thousand; those that deploy other
/// functions are few, and wait for each other.
const FUNCTIONS: usize = 2;

/// What is read of a function's body before it takes its part of the environment's allowance: calls of the usual size
/// cost nothing, and 32 connections hold little.
const FREE_BYTES: usize = 64 * 1024;

/// Places for large bodies; whoever finds none waits. Functions cannot take those of clients.
pub(crate) struct Bodies {
    clients: Semaphore,
    functions: Semaphore,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { clients: Semaphore::new(CLIENTS), functions: Semaphore::new(FUNCTIONS) }
    }
}

impl Bodies {
    /// Reads a body to its end. It comes with its place, to be kept as long as the body is.
    pub(super) async fn read<'a>(
        &'a self,
        origin: &'a Origin,
        parts: &Parts,
        body: Incoming,
    ) -> Result<(Bytes, Place<'a>), Error> {
        let room = match origin {
            Origin::Client => Room { large: &self.clients, allowance: None },
            Origin::Function(guest) => Room { large: &self.functions, allowance: Some(&guest.bodies) },
        };
        let operation =
            if parts.uri.path().ends_with("/code") { "UpdateFunctionCode" } else { "CreateFunction" };
        read(room, body).await.map_err(|failure| match failure {
            Failure::TooLarge => common::request_entity_too_large(format!(
                "Request must be smaller than {} bytes for the {operation} operation",
                limits::REQUEST_BYTES
            )),
            Failure::Broken(error) => {
                common::malformed_http_request(format!("the request's body ended early: {error}"))
            }
            Failure::Slow => common::request_timeout("the request's body did not arrive in time"),
        })
    }
}

/// Where a body may find a place.
#[derive(Clone, Copy)]
struct Room<'a> {
    /// For those above [`SMALL_BYTES`].
    large: &'a Semaphore,
    /// In KiB, for those of an environment above [`FREE_BYTES`].
    allowance: Option<&'a Semaphore>,
}

/// What a body occupies; given back when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Place<'a> {
    large: Option<SemaphorePermit<'a>>,
    part: Option<SemaphorePermit<'a>>,
}

impl<'a> Place<'a> {
    /// Sees that there is a place for a body of so many bytes, which has `declared` its size or not. True when that
    /// may have taken time. An environment's part is taken whole: bodies that wait for more of it while they hold some
    /// could wait for each other.
    async fn suffice(&mut self, room: Room<'a>, bytes: usize, declared: u64) -> bool {
        let mut has_waited = false;
        if bytes > FREE_BYTES
            && self.part.is_none()
            && let Some(allowance) = room.allowance
        {
            let whole = if declared > 0 { declared.min(SMALL_BYTES as u64) } else { SMALL_BYTES as u64 };
            let kib = u32::try_from(whole.div_ceil(1024)).expect("a few thousand");
            self.part = Some(take(allowance, kib).await);
            has_waited = true;
        }
        if bytes > SMALL_BYTES && self.large.is_none() {
            self.large = Some(take(room.large, 1).await);
            has_waited = true;
        }
        has_waited
    }
}

#[derive(Debug)]
enum Failure {
    TooLarge,
    Broken(String),
    Slow,
}

async fn read<B>(room: Room<'_>, mut body: B) -> Result<(Bytes, Place<'_>), Failure>
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
    place.suffice(room, usize::try_from(declared).expect("below the limit"), declared).await;
    let mut collected = BytesMut::new();
    let mut deadline = tokio::time::Instant::now() + BODY_TIMEOUT;
    loop {
        let frame =
            tokio::time::timeout_at(deadline, body.frame()).await.map_err(|_elapsed| Failure::Slow)?;
        let Some(frame) = frame else { return Ok((collected.freeze(), place)) };
        // Trailers are nothing that a call consists of.
        let Ok(data) = frame.map_err(|error| Failure::Broken(error.to_string()))?.into_data() else {
            continue;
        };
        if collected.len() + data.len() > limits::REQUEST_BYTES {
            return Err(Failure::TooLarge);
        }
        if place.suffice(room, collected.len() + data.len(), declared).await {
            // The wait was not the sender's.
            deadline = tokio::time::Instant::now() + BODY_TIMEOUT;
        }
        collected.extend_from_slice(&data);
    }
}

/// Waits without a limit: each place is freed when its body has been read or given up, and its call answered.
async fn take(places: &Semaphore, count: u32) -> SemaphorePermit<'_> {
    places.acquire_many(count).await.expect("nobody closes this semaphore")
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::Poll;

    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    /// A body of unknown length in chunks of a megabyte.
    fn chunked(megabytes: usize) -> impl Body<Data = Bytes, Error: std::fmt::Display> + Unpin {
        let chunk = || Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![b'x'; 1 << 20])));
        StreamBody::new(futures_util::stream::iter((0..megabytes).map(move |_| chunk())))
    }

    async fn is_waiting<F: Future>(mut future: Pin<&mut F>) -> bool {
        std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
    }

    fn clients(large: &Semaphore) -> Room<'_> {
        Room { large, allowance: None }
    }

    #[tokio::test]
    async fn large_bodies_take_a_place_and_small_ones_none() {
        let places = Semaphore::new(1);
        let (small, none) = read(clients(&places), Full::new(Bytes::from_static(b"{}"))).await.unwrap();
        assert!(small == "{}" && none.large.is_none());
        let (large, place) = read(clients(&places), chunked(7)).await.unwrap();
        assert!(large.len() == 7 << 20 && place.large.is_some());
        let declared = read(clients(&places), Full::new(Bytes::from(vec![b'x'; 7 << 20])));
        let mut waiting = std::pin::pin!(declared);
        assert!(is_waiting(waiting.as_mut()).await, "no place is free");
        assert!(read(clients(&places), chunked(6)).await.unwrap().1.large.is_none());
        drop(place);
        assert!(waiting.await.unwrap().1.large.is_some());
    }

    #[tokio::test]
    async fn an_environments_bodies_share_one_allowance() {
        let (places, allowance) = (Semaphore::new(1), Semaphore::new(7 * 1024));
        let room = Room { large: &places, allowance: Some(&allowance) };
        let (_, six) = read(room, Full::new(Bytes::from(vec![0; 6 << 20]))).await.unwrap();
        assert_eq!(allowance.available_permits(), 1024);
        let (_, free) = read(room, Full::new(Bytes::from(vec![0; FREE_BYTES]))).await.unwrap();
        assert!(free.part.is_none(), "usual calls do not wait for large ones");
        let unknown = chunked(1);
        let mut waiting = std::pin::pin!(read(room, unknown));
        assert!(is_waiting(waiting.as_mut()).await, "one of unknown size may become the largest");
        drop(six);
        drop(waiting.await.unwrap());
        assert_eq!(allowance.available_permits(), 7 * 1024);
    }

    #[tokio::test]
    async fn body_above_the_limit_is_refused_whether_or_not_it_says_so() {
        let places = Semaphore::new(1);
        assert!(matches!(read(clients(&places), chunked(68)).await, Err(Failure::TooLarge)));
        let declared = Full::new(Bytes::from(vec![0; limits::REQUEST_BYTES + 1]));
        assert!(matches!(read(clients(&places), declared).await, Err(Failure::TooLarge)));
    }
}
