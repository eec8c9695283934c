//! Questions by TCP: for answers that do not fit into a datagram.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::config::Servers;
use super::datagram::{failure, is_question};
use super::quota::{Counter, Place};
use super::{CONNECTIONS, PATIENCE, asker, reap};

/// A connection without a question for so long is closed (RFC 7766, 6.2.3: a few seconds).
const IDLE: Duration = Duration::from_secs(10);

pub(super) async fn forward(listener: TcpListener, servers: Arc<Servers>) {
    let counter = Counter::new(CONNECTIONS);
    let mut tasks = JoinSet::new();
    loop {
        reap(&mut tasks);
        let Ok((stream, from)) = listener.accept().await else {
            // The server has no descriptor left, for example; those that end free some.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Who has too many already is hung up on.
        let Some(place) = counter.take(asker(from)) else { continue };
        tasks.spawn(serve(stream, Arc::clone(&servers), place));
    }
}

async fn serve(mut stream: TcpStream, servers: Arc<Servers>, _place: Place) {
    while let Ok(Ok(question)) = timeout(IDLE, read(&mut stream)).await {
        if !is_question(&question) {
            return;
        }
        let mut answer = None;
        for server in servers.list() {
            if let Ok(Ok(found)) = timeout(PATIENCE, ask(server, &question)).await {
                answer = Some(found);
                break;
            }
        }
        let answer = answer.unwrap_or_else(|| failure(question));
        if !matches!(timeout(IDLE, write(&mut stream, &answer)).await, Ok(Ok(()))) {
            return;
        }
    }
}

async fn ask(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    write(&mut stream, question).await?;
    read(&mut stream).await
}

/// One message behind its length (RFC 1035, 4.2.2).
async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let mut whole = length.to_be_bytes().to_vec();
    whole.extend_from_slice(message);
    stream.write_all(&whole).await
}
