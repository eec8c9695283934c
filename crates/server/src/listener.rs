//! Accepts connections and serves each in a task of its own.

use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::gateway::{Gateway, Origin};

/// Open connections: more than the 1,000 concurrent invocations of an account, with room for the rest; each costs a
/// few kilobytes while idle.
const CONNECTIONS: usize = 2048;
/// A client that sends half a header and stops ("slow loris") loses its connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

fn builder() -> hyper::server::conn::http1::Builder {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder
}

/// Serves the front door until `stop` resolves, then gives open requests the time `drain`.
pub(crate) async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    drain: Duration,
    stop: impl Future<Output = ()>,
) {
    let mut stop = std::pin::pin!(stop);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // A full house waits here, and the kernel's queue holds the door.
        let place = Arc::clone(&places).acquire_owned();
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = async { (place.await, listener.accept().await) } => accepted,
        };
        let (place, stream) = match accepted {
            (Ok(place), Ok((stream, _))) => (place, stream),
            // Out of descriptors, or the client was gone before we looked: give the others a moment to finish.
            (_, Err(_)) | (Err(_), _) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        // Answers are written whole; waiting for more to send with them only costs time.
        let _best_effort = stream.set_nodelay(true);
        let gateway = Arc::clone(&gateway);
        let service = service_fn(move |request| Arc::clone(&gateway).answer(Origin::Client, request));
        let connection = graceful.watch(builder().serve_connection(TokioIo::new(stream), service));
        connections.spawn(async move {
            // An error is the client's broken connection; there is nobody left to tell.
            let _broken = connection.await;
            drop(place);
        });
    }
    drop(listener);
    let closed = tokio::time::timeout(drain, graceful.shutdown()).await;
    if closed.is_err() {
        connections.shutdown().await;
    }
}

/// Serves one connection that a function opened to the platform.
pub(crate) async fn serve_function<C>(connection: C, gateway: Arc<Gateway>, guest: lambent_environment::Guest)
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
{
    let service =
        service_fn(move |request| Arc::clone(&gateway).answer(Origin::Function(guest.clone()), request));
    // As above: an error is the function's own broken connection.
    let _broken = builder().serve_connection(TokioIo::new(connection), service).await;
}
