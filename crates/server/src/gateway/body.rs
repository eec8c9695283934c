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
    /// Reads a body to its end. A large one comes with its place, to be kept as long as the body is.
    pub(super) async fn read(
        &self,
        origin: &Origin,
        parts: &Parts,
        body: Incoming,
    ) -> Result<(Bytes, Option<SemaphorePermit<'_>>), Error> {
        let places = match origin {
            Origin::Client => &self.clients,
            Origin::Function(_) => &self.functions,
        };
        let operation =
            if parts.uri.path().ends_with("/code") { "UpdateFunctionCode" } else { "CreateFunction" };
        read(places, body).await.map_err(|failure| match failure {
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

#[derive(Debug)]
enum Failure {
    TooLarge,
    Broken(String),
    Slow,
}

async fn read<B>(places: &Semaphore, mut body: B) -> Result<(Bytes, Option<SemaphorePermit<'_>>), Failure>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    // A declared length is refused before a byte of it is read.
    let declared = body.size_hint().lower();
    if declared > limits::REQUEST_BYTES as u64 {
        return Err(Failure::TooLarge);
    }
    if body.is_end_stream() {
        return Ok((Bytes::new(), None));
    }
    let mut place = None;
    if declared > SMALL_BYTES as u64 {
        place = Some(take(places).await);
    }
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
        if place.is_none() && collected.len() + data.len() > SMALL_BYTES {
            place = Some(take(places).await);
            // The wait was not the sender's.
            deadline = tokio::time::Instant::now() + BODY_TIMEOUT;
        }
        collected.extend_from_slice(&data);
    }
}

/// Waits without a limit: each place is freed when its body has been read or given up, and its call answered.
async fn take(places: &Semaphore) -> SemaphorePermit<'_> {
    places.acquire().await.expect("nobody closes this semaphore")
}

#[cfg(test)]
mod tests {
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    /// A body of unknown length in chunks of a megabyte.
    fn chunked(megabytes: usize) -> impl Body<Data = Bytes, Error: std::fmt::Display> + Unpin {
        let chunk = || Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![b'x'; 1 << 20])));
        StreamBody::new(futures_util::stream::iter((0..megabytes).map(move |_| chunk())))
    }

    #[tokio::test]
    async fn large_bodies_take_a_place_and_small_ones_none() {
        let places = Semaphore::new(1);
        let (small, none) = read(&places, Full::new(Bytes::from_static(b"{}"))).await.unwrap();
        assert!(small == "{}" && none.is_none());
        let (large, place) = read(&places, chunked(7)).await.unwrap();
        assert!(large.len() == 7 << 20 && place.is_some());
        let declared = read(&places, Full::new(Bytes::from(vec![b'x'; 7 << 20])));
        let mut waiting = std::pin::pin!(declared);
        tokio::select! { biased;
            _ = &mut waiting => panic!("no place is free"),
            () = std::future::ready(()) => {}
        }
        assert!(read(&places, chunked(6)).await.unwrap().1.is_none());
        drop(place);
        assert!(waiting.await.unwrap().1.is_some());
    }

    #[tokio::test]
    async fn body_above_the_limit_is_refused_whether_or_not_it_says_so() {
        let places = Semaphore::new(1);
        assert!(matches!(read(&places, chunked(68)).await, Err(Failure::TooLarge)));
        let declared = Full::new(Bytes::from(vec![0; limits::REQUEST_BYTES + 1]));
        assert!(matches!(read(&places, declared).await, Err(Failure::TooLarge)));
    }
}
