//! One keep-alive connection to the server, opened when first needed and again when the server has closed it.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::error::Unchained;
use super::{Endpoint, Error};

/// A server that does not take a connection within this time will not take it later either.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Above every answer of the API: an invocation returns at most 6,291,556 bytes (AWS Lambda Developer Guide: "Lambda
/// quotas"), a page of a list fifty configurations. Without a bound a broken server could fill the memory.
const RESPONSE_LIMIT: usize = 16 * 1024 * 1024;

/// Sends requests one after the other.
pub(super) struct Transport {
    endpoint: Endpoint,
    connection: Mutex<Option<Connection>>,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Owns the task that drives the connection and ends it when dropped.
    _driver: JoinSet<()>,
}

/// A request that did not go through.
enum Failed {
    /// Nothing of it was sent, since the server had closed the idle connection: it may be sent again.
    Unsent(Box<Request<Full<Bytes>>>),
    For(Error),
}

impl Transport {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, connection: Mutex::new(None) }
    }

    /// Sends `request` and reads the whole answer, both within `patience`.
    pub(super) async fn send(
        &self,
        request: Request<Bytes>,
        patience: Duration,
    ) -> Result<Response<Bytes>, Error> {
        let mut connection = self.connection.lock().await;
        // Taken out and put back only after a whole answer: a connection that was left in the middle of one (time-out,
        // Ctrl-C) would give its rest to the next request.
        let reused = connection.take().filter(|connection| !connection.sender.is_closed());
        let request = request.map(Full::new);
        let slow = || Error::Slow { address: self.endpoint.to_string(), seconds: patience.as_secs() };
        let request = match reused {
            Some(mut open) => match timeout(patience, self.exchange(&mut open, request)).await {
                Ok(Ok(response)) => {
                    *connection = Some(open);
                    return Ok(response);
                }
                Ok(Err(Failed::Unsent(request))) => *request,
                Ok(Err(Failed::For(error))) => return Err(error),
                Err(_) => return Err(slow()),
            },
            None => request,
        };
        let mut open = self.connect().await?;
        match timeout(patience, self.exchange(&mut open, request)).await {
            Ok(Ok(response)) => {
                *connection = Some(open);
                Ok(response)
            }
            Ok(Err(Failed::For(error))) => Err(error),
            Ok(Err(Failed::Unsent(_))) => Err(self.unreachable(io::ErrorKind::ConnectionReset.into())),
            Err(_) => Err(slow()),
        }
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let address = (self.endpoint.host.as_str(), self.endpoint.port);
        let stream = match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(stream) => stream.map_err(|source| self.unreachable(source))?,
            Err(_) => return Err(self.unreachable(io::ErrorKind::TimedOut.into())),
        };
        // Small requests on a warm connection are what is timed; waiting to fill a segment would be the whole time.
        stream.set_nodelay(true).map_err(|source| self.unreachable(source))?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, driver) = handshake.map_err(|source| self.broken(source))?;
        let mut drivers = JoinSet::new();
        drivers.spawn(async move {
            // What breaks a connection is reported to the request on it; between requests nobody needs to know.
            let _: Result<(), hyper::Error> = driver.await;
        });
        Ok(Connection { sender, _driver: drivers })
    }

    async fn exchange(
        &self,
        connection: &mut Connection,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Failed> {
        let response = match connection.sender.try_send_request(request).await {
            Ok(response) => response,
            Err(mut error) => {
                return Err(match error.take_message() {
                    Some(request) => Failed::Unsent(Box::new(request)),
                    None => Failed::For(self.broken(error.into_error())),
                });
            }
        };
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, RESPONSE_LIMIT).collect().await.map_err(|error| {
            let address = self.endpoint.to_string();
            Failed::For(match error.downcast::<hyper::Error>() {
                Ok(source) => Error::Broken { address, source: *source },
                Err(other) if other.is::<LengthLimitError>() => {
                    Error::TooLong { address, limit: RESPONSE_LIMIT }
                }
                Err(source) => Error::NotAws { address, source },
            })
        })?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    }

    fn unreachable(&self, cause: io::Error) -> Error {
        Error::Unreachable { address: self.endpoint.to_string(), cause: Unchained(cause) }
    }

    fn broken(&self, source: hyper::Error) -> Error {
        Error::Broken { address: self.endpoint.to_string(), source }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::FakeServer;

    fn request(path: &str) -> Request<Bytes> {
        Request::get(path).header("host", "h").body(Bytes::new()).unwrap()
    }

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn requests_share_a_connection_until_the_server_closes_it() {
        let server = FakeServer::start(|request, _| {
            let mut response = Response::new(Bytes::from(request.uri().path().to_owned()));
            if request.uri().path() == "/last" {
                response.headers_mut().insert("connection", "close".parse().unwrap());
            }
            response
        })
        .await;
        let transport = Transport::new(server.endpoint());
        for (path, connections) in [("/a", 1), ("/last", 1), ("/b", 2)] {
            let response = transport.send(request(path), PATIENCE).await.unwrap();
            assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, path.as_bytes()));
            assert_eq!(server.connections(), connections, "{path}");
        }
    }

    #[tokio::test]
    async fn absent_server_is_unreachable() {
        // A port that was just given back: nobody listens on it.
        let address = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let transport = Transport::new(Endpoint { host: address.ip().to_string(), port: address.port() });
        let error = transport.send(request("/"), PATIENCE).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot reach {address}: connection refused; start the server with \"lambent up\" or name another \
                 with --endpoint"
            )
        );
        assert_eq!(error.exit_code(), crate::ExitCode::Unreachable);
    }

    #[tokio::test]
    async fn endless_answers_and_silence_are_given_up() {
        let server = FakeServer::start(|_, _| Response::new(vec![0; RESPONSE_LIMIT + 1].into())).await;
        let error = Transport::new(server.endpoint()).send(request("/"), PATIENCE).await.unwrap_err();
        assert!(matches!(error, Error::TooLong { .. }), "{error}");

        // Takes connections into the kernel's queue and never answers.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let transport = Transport::new(Endpoint { host: "127.0.0.1".to_owned(), port });
        let error = transport.send(request("/"), Duration::from_millis(20)).await.unwrap_err();
        assert!(matches!(error, Error::Slow { .. }), "{error}");
    }
}
