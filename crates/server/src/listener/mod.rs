//! Accepts connections and serves each in a task of its own.

mod connection;
mod door;
mod house;

use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lambent_environment::steady;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::house::House;
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
    let house = House::new(CONNECTIONS);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, from)) = accepted else {
            // Out of descriptors, or the client was gone before we looked: give the others a moment to finish.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Where nobody can make room one waits here, and the kernel's queue holds the door.
        let place = tokio::select! {
            () = &mut stop => break,
            place = house.place() => place,
        };
        let peer = Peer { address: from.ip(), secured: None };
        // Answers are written whole; waiting for more to send with them only costs time.
        let _best_effort = stream.set_nodelay(true);
        let (gateway, tls, stopped) = (Arc::clone(&gateway), tls.clone(), stopped.clone());
        connections.spawn(async move {
            let requests = Arc::clone(&gateway.requests);
            let _counted = requests.connected();
            let seat = Arc::clone(&place.seat);
            // What has arrived is looked at first: a connection with a request is not one that nobody uses.
            let served = async {
                tokio::select! {
                    biased;
                    () = connection::serve(stream, peer, gateway, tls, Arc::clone(&seat), stopped) => {}
                    () = seat.asked_unused() => {}
                }
            };
            steady(served).await;
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
