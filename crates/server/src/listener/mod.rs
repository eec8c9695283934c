//! Accepts connections and serves each in a task of its own.

mod connection;
mod door;

use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lambent_environment::steady;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::gateway::{Gateway, Origin};
use crate::tls::Tls;
use crate::urls::Peer;

/// Open connections: more than the 1,000 concurrent invocations of an account, with room for the rest; each costs a
/// few kilobytes while idle.
const CONNECTIONS: usize = 2048;

/// Serves the front door until `stop` resolves, then gives open requests the time `drain`.
pub(crate) async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    tls: Tls,
    drain: Duration,
    stop: impl Future<Output = ()>,
) {
    let mut stop = std::pin::pin!(stop);
    let (stopping, stopped) = watch::channel(false);
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
        let (place, stream, peer) = match accepted {
            (Ok(place), Ok((stream, from))) => (place, stream, Peer { address: from.ip(), secured: None }),
            // Out of descriptors, or the client was gone before we looked: give the others a moment to finish.
            (_, Err(_)) | (Err(_), _) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        // Answers are written whole; waiting for more to send with them only costs time.
        let _best_effort = stream.set_nodelay(true);
        let (gateway, tls, stopped) = (Arc::clone(&gateway), tls.clone(), stopped.clone());
        connections.spawn(async move {
            let requests = Arc::clone(&gateway.requests);
            let _counted = requests.connected();
            steady(connection::serve(stream, peer, gateway, tls, stopped)).await;
            drop(place);
        });
    }
    drop(listener);
    stopping.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, drained).await.is_err() {
        connections.shutdown().await;
    }
}

/// Serves one connection that a function opened to the platform. HTTP/1.1 alone: it is what SDKs speak to Lambda, and
/// functions are strangers.
pub(crate) async fn serve_function<C>(connection: C, gateway: Arc<Gateway>, guest: lambent_environment::Guest)
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
{
    let service =
        service_fn(move |request| Arc::clone(&gateway).answer(Origin::Function(guest.clone()), request));
    // An error is the function's own broken connection; there is nobody left to tell.
    let _broken = steady(connection::http1().serve_connection(TokioIo::new(connection), service)).await;
}
