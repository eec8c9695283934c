//! Reads what runtimes answer: whole, or piece by piece on its way to the caller (AWS Lambda Developer Guide, "Building
//! a custom runtime for AWS Lambda", "Implementing response streaming in a custom runtime").

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use lambent_model::TakeResponse;

use super::BODY_TIMEOUT;
use super::failure::trailer_failure;
use crate::machine::{RESPONSE_LIMIT, Reported};

/// "Response payload size, streamed: 200 MB" (Lambda quotas).
const STREAM_LIMIT: usize = 200 * 1024 * 1024;
/// How much of an over-long result is read and thrown away before the connection is cut.
const DRAIN_LIMIT: usize = 256 * 1024 * 1024;
/// "The first 6 MB of your function's response payload have uncapped bandwidth" (Developer Guide, "Response streaming
/// for Lambda functions").
const BURST: u64 = 6 * 1024 * 1024;

/// How many bytes of a stream pass in a second, once its first 6 MB are through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamRate(pub u64);

/// Reads the whole result. A buffered caller gets the joined bytes of a streamed one; its trailers tell of an error
/// in mid-stream.
pub(crate) async fn collect<B>(body: B) -> Reported
where
    B: Body<Data = Bytes> + Unpin,
{
    tokio::time::timeout(BODY_TIMEOUT, read(body)).await.unwrap_or(Reported::Truncated)
}

async fn read<B>(mut body: B) -> Reported
where
    B: Body<Data = Bytes> + Unpin,
{
    // One buffer: a list of chunks costs a hostile runtime's chunks of one byte fifty times their size.
    let (mut result, mut length) = (BytesMut::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Reported::Truncated };
        match frame.into_data() {
            Ok(data) => {
                length += data.len();
                if length <= RESPONSE_LIMIT {
                    result.extend_from_slice(&data);
                } else if length > DRAIN_LIMIT {
                    break;
                } else {
                    // Read on without keeping it: the runtime sees the 413 only once it has sent everything.
                    result = BytesMut::new();
                }
            }
            Err(frame) => {
                if let Some(failure) = frame.trailers_ref().and_then(trailer_failure) {
                    return Reported::Error(failure);
                }
            }
        }
    }
    if length > RESPONSE_LIMIT {
        return Reported::TooLarge(RESPONSE_LIMIT);
    }
    Reported::Success(result.freeze())
}

/// Hands the result on as it comes, as fast as `taker` has room for it: the runtime's writes wait meanwhile. When nobody
/// wants it any more it is read to its end all the same, because the function goes on.
pub(crate) async fn stream<B>(body: B, taker: &dyn TakeResponse, rate: Option<StreamRate>) -> Reported
where
    B: Body<Data = Bytes> + Unpin,
{
    tokio::time::timeout(BODY_TIMEOUT, pass_on(body, taker, rate)).await.unwrap_or(Reported::Truncated)
}

async fn pass_on<B>(mut body: B, taker: &dyn TakeResponse, rate: Option<StreamRate>) -> Reported
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut length, mut wanted) = (0_usize, true);
    let mut bucket = rate.map(|rate| Bucket::new(rate, Instant::now()));
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Reported::Truncated };
        match frame.into_data() {
            Ok(mut data) => {
                data.truncate(STREAM_LIMIT + 1 - length);
                length += data.len();
                if length > STREAM_LIMIT {
                    data.truncate(data.len() - 1);
                }
                if let Some(bucket) = &mut bucket {
                    tokio::time::sleep(bucket.take(data.len() as u64, Instant::now())).await;
                }
                if wanted && !data.is_empty() {
                    wanted = taker.piece(data).await;
                }
                if length > STREAM_LIMIT {
                    return Reported::TooLarge(STREAM_LIMIT);
                }
            }
            Err(frame) => {
                if let Some(failure) = frame.trailers_ref().and_then(trailer_failure) {
                    return Reported::Error(failure);
                }
            }
        }
    }
    Reported::Streamed(length)
}

/// A token bucket that is full at first and filled at the rate.
struct Bucket {
    rate: u64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn new(StreamRate(rate): StreamRate, now: Instant) -> Self {
        Self { rate, tokens: BURST as f64, at: now }
    }

    /// How long to wait before so many bytes may pass. They count as passed.
    fn take(&mut self, bytes: u64, now: Instant) -> Duration {
        let rate = self.rate as f64;
        let filled = self.tokens + (now - self.at).as_secs_f64() * rate;
        self.tokens = filled.min(BURST as f64) - bytes as f64;
        self.at = now;
        // Below nothing: what was taken in advance has to flow in first.
        Duration::from_secs_f64((-self.tokens).max(0.0) / rate)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};

    use hyper::body::Frame;
    use lambent_model::{PieceFuture, ResponseHead};
    use tokio::sync::Semaphore;

    use super::*;

    /// So many pieces of this size, and how many of them were asked for.
    struct Pieces<'a>(usize, Bytes, &'a AtomicUsize);

    impl Body for Pieces<'_> {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
            self.0 = left;
            self.2.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Some(Ok(Frame::data(self.1.clone()))))
        }
    }

    /// Has room when it is given some; wants so many pieces.
    struct Taker {
        room: Semaphore,
        wanted: usize,
        had: Mutex<Vec<usize>>,
    }

    impl TakeResponse for Taker {
        fn begin(&self, _head: ResponseHead) {}

        fn piece(&self, piece: Bytes) -> PieceFuture<'_> {
            Box::pin(async move {
                self.room.acquire().await.unwrap().forget();
                let mut had = self.had.lock().unwrap();
                had.push(piece.len());
                had.len() < self.wanted
            })
        }
    }

    fn taker(room: usize, wanted: usize) -> Taker {
        Taker { room: Semaphore::new(room), wanted, had: Mutex::default() }
    }

    #[tokio::test]
    async fn a_taker_without_room_stops_the_reading() {
        let (taker, read) = (taker(2, usize::MAX), AtomicUsize::new(0));
        let mut stream = std::pin::pin!(stream(Pieces(9, Bytes::from_static(b"x"), &read), &taker, None));
        assert!(poll_once(stream.as_mut()).await.is_none());
        assert_eq!(read.load(Ordering::Relaxed), 3, "two that were taken and the one that waits");
        taker.room.add_permits(7);
        assert!(matches!(stream.await, Reported::Streamed(9)));
        assert_eq!(taker.had.lock().unwrap().len(), 9);
    }

    async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    #[tokio::test]
    async fn what_nobody_wants_is_read_to_its_end() {
        let (taker, read) = (taker(9, 2), AtomicUsize::new(0));
        let reported = stream(Pieces(5, Bytes::from_static(b"x"), &read), &taker, None).await;
        assert!(matches!(reported, Reported::Streamed(5)), "all of it was produced");
        assert_eq!((taker.had.lock().unwrap().len(), read.load(Ordering::Relaxed)), (2, 5));
    }

    #[tokio::test]
    async fn two_hundred_megabytes_pass_and_not_one_byte_more() {
        let piece = Bytes::from(vec![0; 1024 * 1024]);
        for (pieces, more) in [(200, 0), (201, 1)] {
            let (taker, read) = (taker(1000, usize::MAX), AtomicUsize::new(0));
            let reported = stream(Pieces(pieces, piece.clone(), &read), &taker, None).await;
            match more {
                0 => assert!(matches!(reported, Reported::Streamed(STREAM_LIMIT))),
                _ => assert!(matches!(reported, Reported::TooLarge(STREAM_LIMIT))),
            }
            assert_eq!(taker.had.lock().unwrap().iter().sum::<usize>(), STREAM_LIMIT);
        }
    }

    #[test]
    fn the_first_megabytes_are_free_and_the_rest_keeps_to_the_rate() {
        let now = Instant::now();
        let mut bucket = Bucket::new(StreamRate(1024 * 1024), now);
        assert_eq!(bucket.take(BURST, now), Duration::ZERO);
        assert_eq!(bucket.take(2 * 1024 * 1024, now), Duration::from_secs(2));
        let later = now + Duration::from_secs(3);
        assert_eq!(bucket.take(1024 * 1024, later), Duration::ZERO);
        // It never fills above its size.
        let late = now + Duration::from_secs(3600);
        assert_eq!(bucket.take(BURST + 1024 * 1024, late), Duration::from_secs(1));
    }
}
