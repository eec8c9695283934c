//! Bringing a subscriber what it is told. One task for each, which ends with the subscription.
//!
//! The connection is made inside the sandbox: init hands out a socket of its network, and the server connects that to the
//! loopback there. Nothing is waited for longer than the subscription lives, since a frozen subscriber answers when it is
//! thawed.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream as StdStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use lambent_sandbox_client::Control;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

use super::feed::Feed;
use super::request::Destination;

/// Between two tries to reach a subscriber that is not there, or refuses.
const RETRY: Duration = Duration::from_millis(100);
/// An acknowledgement has no body to speak of.
const ANSWER_LIMIT: usize = 64 * 1024;

/// A subscription that is to be served.
pub(crate) struct Delivery {
    pub(super) destination: Destination,
    pub(super) feed: Arc<Feed>,
}

/// A connection to a subscriber.
enum Line {
    Http(http1::SendRequest<Full<Bytes>>, Box<http1::Connection<TokioIo<TcpStream>, Full<Bytes>>>),
    Tcp(TcpStream),
}

/// Serves a subscription to its end.
pub(crate) async fn deliver(delivery: Delivery, control: Control) {
    let Delivery { destination, feed } = delivery;
    let mut line = None;
    while let Some(batch) = feed.batch().await {
        let body = compose(&destination, &batch);
        drop(batch);
        // A batch is told until it is taken: what comes meanwhile waits in the feed, or is dropped there.
        while let Err(_not_taken) = send(&mut line, &destination, body.clone(), &control).await {
            line = None;
            tokio::time::sleep(RETRY).await;
        }
    }
}

fn compose(destination: &Destination, batch: &[String]) -> Bytes {
    match destination {
        Destination::Http { .. } => format!("[{}]", batch.join(",")).into(),
        Destination::Tcp { .. } => {
            batch.iter().flat_map(|item| [item.as_str(), "\n"]).collect::<String>().into()
        }
    }
}

async fn send(
    line: &mut Option<Line>,
    destination: &Destination,
    body: Bytes,
    control: &Control,
) -> io::Result<()> {
    let line = match line {
        Some(line) => line,
        None => line.insert(connect(destination, control).await?),
    };
    match (line, destination) {
        (Line::Http(sender, connection), Destination::Http { authority, path, .. }) => {
            let request = Request::post(path.as_str())
                .header("host", authority.as_str())
                .header("content-type", "application/json")
                .body(Full::new(body))
                .map_err(io::Error::other)?;
            let told = async {
                sender.ready().await?;
                let response = sender.send_request(request).await?;
                let status = response.status();
                // To its end, so that the connection can be used again; one without end is not worth that.
                let _read = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await;
                Ok::<StatusCode, hyper::Error>(status)
            };
            tokio::select! { biased;
                status = told => match status.map_err(io::Error::other)? {
                    status if status.is_success() => Ok(()),
                    status => Err(io::Error::other(format!("it answered {status}"))),
                },
                _ended = connection.as_mut() => Err(io::ErrorKind::ConnectionReset.into()),
            }
        }
        (Line::Tcp(stream), _) => stream.write_all(&body).await,
        (Line::Http(..), Destination::Tcp { .. }) => unreachable!("a line is made for its destination"),
    }
}

async fn connect(destination: &Destination, control: &Control) -> io::Result<Line> {
    let socket = control.socket().await.map_err(io::Error::other)?;
    let socket = TcpSocket::from_std_stream(StdStream::from(socket));
    let stream = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, destination.port()))).await?;
    stream.set_nodelay(true)?;
    Ok(match destination {
        Destination::Tcp { .. } => Line::Tcp(stream),
        Destination::Http { .. } => {
            let (sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
            Line::Http(sender, Box::new(connection))
        }
    })
}
