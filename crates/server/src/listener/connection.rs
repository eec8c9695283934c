//! One connection of a client: whether it is TLS, which HTTP it speaks, how long it may be slow, how it ends.
//!
//! | A client that | loses its connection |
//! |---|---|
//! | sends no whole head, or nothing after an answer | after [`HEAD_TIMEOUT`] |
//! | stops in the middle of a body, or takes minutes for it | `gateway/body.rs` |
//! | does not take its answer | `door.rs` |
//! | is silent by HTTP/2, with nothing under way | after [`HEAD_TIMEOUT`], by `GOAWAY` |
//! | has not used it for longest when all places are taken | `house.rs` |
//! | is gone without a word | by TCP or, with HTTP/2, by a ping that is not answered |

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::door::Door;
use super::house::Seat;
use crate::gateway::{Gateway, Origin, Reply};
use crate::tls::{Secured, Tls};
use crate::urls::Peer;

/// A client that sends half a head and stops ("slow loris") loses its connection, and so does one that has not used it
/// for so long.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Of a request's head. AWS's own services take 8 to 16 KB; a session's token and a client context are the largest
/// parts of it.
const HEAD_BYTES: usize = 64 * 1024;
/// Header fields of a request. SDKs send a dozen, traces and proxies add a few.
const HEADERS: usize = 100;
/// Requests at once on one connection by HTTP/2; RFC 9113, section 6.5.2, advises no less than 100.
const STREAMS: u32 = 128;
/// What one connection by HTTP/2 may send of bodies before somebody reads them: a large event for each of a few
/// requests. With all connections that the server takes it is 4 GB of a hostile client's own making on loopback.
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;
const STREAM_WINDOW: u32 = 1024 * 1024;
/// Silent clients are asked so often, and given up after as long.
const PING_EVERY: Duration = Duration::from_secs(20);

/// HTTP/1.1, with limits.
pub(super) fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS);
    builder
}

/// HTTP/2, with limits. Streams that are reset as soon as they are opened ("rapid reset") end the connection by h2's
/// own bounds, which are a few dozen.
fn http2(streams: Streams) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(HEAD_BYTES).expect("64 KiB"))
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(STREAM_WINDOW)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY);
    builder
}

/// Serves a connection until its client or `stopped` ends it; then what was begun is finished.
pub(super) async fn serve(
    stream: TcpStream,
    mut peer: Peer,
    gateway: Arc<Gateway>,
    tls: Tls,
    seat: Arc<Seat>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut door = Door::new(stream);
    let Some(version) = soon(door.version(), &mut stopped).await else { return };
    if version != Version::Tls {
        return speak(door, version, peer, gateway, seat, stopped).await;
    }
    // A handshake that fails has told the client why, by TLS's own alert.
    let Some(stream) = soon(tls.acceptor.accept(door), &mut stopped).await else { return };
    peer.secured = Some(Secured::of(stream.get_ref().1));
    let mut door = Door::new(stream);
    // Whatever ALPN has settled: the client's first bytes say it again (RFC 9113, section 3.4).
    let Some(version) = soon(door.version(), &mut stopped).await else { return };
    // What it speaks is on the heap: a connection without TLS, the usual one, is not to be as large as one with it.
    Box::pin(speak(door, version, peer, gateway, seat, stopped)).await;
}

/// What the client has to do before it is served; `None` when it does not, or the server stops meanwhile. Errors here and
/// below are the client's broken connection; there is nobody left to tell.
async fn soon<T>(
    first: impl Future<Output = io::Result<T>>,
    stopped: &mut watch::Receiver<bool>,
) -> Option<T> {
    tokio::select! {
        biased;
        first = tokio::time::timeout(HEAD_TIMEOUT, first) => first.ok()?.ok(),
        _ = stopped.wait_for(|stopped| *stopped) => None,
    }
}

/// Serves HTTP.
async fn speak<C>(
    door: Door<C>,
    version: Version,
    peer: Peer,
    gateway: Arc<Gateway>,
    seat: Arc<Seat>,
    stopped: watch::Receiver<bool>,
) where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let leaving = Arc::clone(&seat);
    match version {
        // TLS within TLS is nothing that anybody speaks.
        Version::Tls => {}
        Version::One => {
            let service = service_fn(move |request: Request<Incoming>| {
                let (begun, answer) =
                    (seat.begin(), Arc::clone(&gateway).answer(Origin::Client(peer), request));
                async move {
                    let answer = answer.await;
                    drop(begun);
                    answer
                }
            });
            let connection = http1().serve_connection(TokioIo::new(door), service);
            drive(connection, stopped, leaving.asked()).await;
        }
        Version::Two => {
            let (open, under_way) = watch::channel(0);
            let service = service_fn(move |request: Request<Incoming>| {
                let begun = seat.begin();
                let answer =
                    answer_counted(Arc::clone(&gateway), Origin::Client(peer), open.clone(), request);
                async move {
                    let answer = answer.await;
                    drop(begun);
                    answer
                }
            });
            let connection = http2(Streams::default()).serve_connection(TokioIo::new(door), service);
            let idle = async {
                tokio::select! { () = idle(under_way) => {}, () = leaving.asked() => {} }
            };
            drive(connection, stopped, idle).await;
        }
    }
}

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// HTTP/1.1 or 1.0.
    One,
    /// HTTP/2 with prior knowledge (RFC 9113, section 3.3).
    Two,
    /// TLS, and within it one of the others.
    Tls,
}

/// Runs a connection; asks it to end well when the server stops, nobody uses it, or others need its place.
async fn drive<C>(connection: C, mut stopped: watch::Receiver<bool>, idle: impl Future<Output = ()>)
where
    C: GracefulConnection,
{
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        biased;
        _broken = connection.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = idle => {}
    }
    // HTTP/1.1 says `Connection: close` with its last answer, HTTP/2 `GOAWAY`.
    connection.as_mut().graceful_shutdown();
    let _broken = connection.await;
}

/// Resolves when no request has been under way for [`HEAD_TIMEOUT`].
async fn idle(mut under_way: watch::Receiver<usize>) {
    loop {
        let quiet = under_way.wait_for(|count| *count == 0).await.is_ok();
        let used = under_way.wait_for(|count| *count > 0);
        if !quiet || !matches!(tokio::time::timeout(HEAD_TIMEOUT, used).await, Ok(Ok(_))) {
            return;
        }
    }
}

async fn answer_counted(
    gateway: Arc<Gateway>,
    origin: Origin,
    open: watch::Sender<usize>,
    request: Request<Incoming>,
) -> Result<Response<Reply>, Infallible> {
    struct Open(watch::Sender<usize>);
    impl Drop for Open {
        fn drop(&mut self) {
            self.0.send_modify(|count| *count -= 1);
        }
    }
    open.send_modify(|count| *count += 1);
    let _open = Open(open);
    gateway.answer(origin, request).await
}

/// Owns the tasks of a connection's streams, which end with it.
#[derive(Clone, Default)]
struct Streams(Arc<Mutex<JoinSet<()>>>);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while streams.try_join_next().is_some() {}
        streams.spawn(stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_when_nothing_was_under_way_for_the_whole_time() {
        let (open, under_way) = watch::channel(1);
        let mut idle = std::pin::pin!(idle(under_way));
        let passes = |time| tokio::time::sleep(time);
        tokio::select! { () = &mut idle => panic!("a request is under way"), () = passes(HEAD_TIMEOUT * 9) => {} }
        open.send_replace(0);
        tokio::select! { () = &mut idle => panic!("it has just ended"), () = passes(HEAD_TIMEOUT / 2) => {} }
        open.send_replace(1);
        tokio::select! { () = &mut idle => panic!("another is under way"), () = passes(HEAD_TIMEOUT * 2) => {} }
        open.send_replace(0);
        idle.await;
    }
}
