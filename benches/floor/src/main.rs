//! The floor of the benchmark: what an invocation costs when nothing but the relaying is done.
//!
//! `bench-floor --environments N [--threads N] -- PROGRAM [ARGUMENT …]` listens on two loopback ports, one for
//! clients and one for functions, and prints `Ready FRONT`. A client's `POST
//! /2015-03-31/functions/NAME/invocations` goes to an idle environment; if there is none, the program is started,
//! up to N times. The program is an official client with its function. It inherits the relay's environment and
//! working directory and finds the Runtime API as on AWS.
//!
//! There is no authentication, no state, no log, no limit and no isolation here. Faster than this no server can be
//! that hands the same event to the same client; what Lambent adds to it is what Lambent costs.

use std::sync::Arc;

use anyhow::Context as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

mod environments;
mod options;
mod relay;

use options::Options;
use relay::Relay;

fn main() -> anyhow::Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let mut builder = match options.threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.worker_threads(options.threads).enable_all().build()?.block_on(serve(options))
}

/// Serves until a signal ends it or a function ends by itself.
async fn serve(options: Options) -> anyhow::Result<()> {
    let front = TcpListener::bind("127.0.0.1:0").await.context("cannot listen for clients")?;
    let runtime_api = TcpListener::bind("127.0.0.1:0").await.context("cannot listen for functions")?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut child = signal(SignalKind::child())?;
    let front_address = front.local_addr()?;
    let relay =
        Arc::new(Relay::new(options.program, options.environments, runtime_api.local_addr()?.to_string()));
    let mut connections = JoinSet::new();
    println!("Ready {front_address}");
    let outcome = loop {
        let step = tokio::select! {
            accepted = front.accept() => connect(&mut connections, accepted, &relay, Side::Client),
            accepted = runtime_api.accept() => connect(&mut connections, accepted, &relay, Side::Function),
            // A function that ended would leave its client waiting for ever.
            _ = child.recv() => match relay.ended() {
                Some(status) => Err(anyhow::anyhow!("a function ended by itself: {status}")),
                None => Ok(()),
            },
            Some(_) = connections.join_next() => Ok(()),
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
        };
        if step.is_err() {
            break step;
        }
    };
    relay.stop();
    outcome
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
enum Side {
    Client,
    Function,
}

fn connect(
    connections: &mut JoinSet<()>,
    accepted: std::io::Result<(tokio::net::TcpStream, std::net::SocketAddr)>,
    relay: &Arc<Relay>,
    side: Side,
) -> anyhow::Result<()> {
    let (stream, _) = accepted.context("cannot accept a connection")?;
    stream.set_nodelay(true)?;
    let relay = Arc::clone(relay);
    connections.spawn(async move {
        let service = service_fn(move |request| {
            let relay = Arc::clone(&relay);
            async move {
                match side {
                    Side::Client => relay.invoke(request).await,
                    Side::Function => relay.runtime_api(request).await,
                }
            }
        });
        // A peer that hangs up is how each connection ends; whoever waited for an answer sees it too.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    });
    Ok(())
}
