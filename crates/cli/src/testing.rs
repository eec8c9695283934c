//! A server on loopback for tests: answers by a function of the request, and remembers what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::client::Endpoint;

/// Ends with all its connections when dropped.
pub(crate) struct FakeServer {
    port: u16,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

type Answer = Box<dyn Fn(&Request<Bytes>, usize) -> Response<Bytes> + Send + Sync>;

struct State {
    answer: Answer,
    connections: AtomicUsize,
    requests: Mutex<Vec<Request<Bytes>>>,
}

impl FakeServer {
    /// Starts a server; `answer` gets the request and how many came before it.
    pub(crate) async fn start(
        answer: impl Fn(&Request<Bytes>, usize) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let state = Arc::new(State {
            answer: Box::new(answer),
            connections: AtomicUsize::new(0),
            requests: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&state)));
        Self { port, state, _tasks: tasks }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint { host: "127.0.0.1".to_owned(), port: self.port }
    }

    /// How many connections were opened.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Method, path with query, and body of each request so far.
    pub(crate) fn requests(&self) -> Vec<Request<Bytes>> {
        self.state.requests.lock().expect("no test panics while it holds this").clone()
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::SeqCst);
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(|request| handle(request, Arc::clone(&state)));
            // A client that hangs up is part of some tests.
            let _: Result<(), hyper::Error> =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn handle(
    request: Request<hyper::body::Incoming>,
    state: Arc<State>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts, body.collect().await?.to_bytes());
    let before = {
        let mut requests = state.requests.lock().expect("no test panics while it holds this");
        requests.push(request.clone());
        requests.len() - 1
    };
    Ok((state.answer)(&request, before).map(Full::new))
}
