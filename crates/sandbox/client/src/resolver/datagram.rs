//! Questions by UDP.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::config::Servers;
use super::quota::{Counter, Place};
use super::{PATIENCE, QUESTIONS, asker, reap};

/// The largest message by UDP there is; who announces less (EDNS) gets less.
const LARGEST_ANSWER: usize = 65_535;

/// A question is a name of at most 255 bytes and a few options; this is what resolvers announce themselves to take.
const LARGEST_QUESTION: usize = 4096;

/// RFC 1035, 4.1.1.
const HEADER: usize = 12;

pub(super) async fn forward(socket: Arc<UdpSocket>, servers: Arc<Servers>) {
    let counter = Counter::new(QUESTIONS);
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; LARGEST_QUESTION + 1];
    loop {
        reap(&mut tasks);
        // An error is that of an earlier answer, which reached nobody.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let question = &buffer[..length];
        if length > LARGEST_QUESTION || !is_question(question) {
            continue;
        }
        // Who asks too much at once hears nothing, as from a resolver that is overrun, and asks again.
        let Some(place) = counter.take(asker(from)) else { continue };
        let (socket, servers, question) = (Arc::clone(&socket), Arc::clone(&servers), question.to_vec());
        tasks.spawn(serve(socket, servers, question, from, place));
    }
}

async fn serve(
    socket: Arc<UdpSocket>,
    servers: Arc<Servers>,
    question: Vec<u8>,
    from: SocketAddr,
    _place: Place,
) {
    let mut answer = None;
    for server in servers.list() {
        if let Ok(Ok(found)) = tokio::time::timeout(PATIENCE, ask(server, &question)).await {
            answer = Some(found);
            break;
        }
    }
    let answer = answer.unwrap_or_else(|| failure(question));
    // The sandbox may be gone.
    let _ = socket.send_to(&answer, from).await;
}

/// Asks one resolver, from a port of the kernel's choice.
async fn ask(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any: SocketAddr =
        if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await?;
    // Connected: only the resolver's own datagrams are received.
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut buffer = vec![0; LARGEST_ANSWER];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if is_answer(&buffer[..length], question) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

/// A header whose QR bit says question.
pub(super) fn is_question(message: &[u8]) -> bool {
    message.len() >= HEADER && message[2] & 0x80 == 0
}

/// An answer with the question's number.
fn is_answer(message: &[u8], question: &[u8]) -> bool {
    message.len() >= HEADER && message[2] & 0x80 != 0 && message[..2] == question[..2]
}

/// Turns a question into its answer "server failure" (RFC 1035, 4.1.1, RCODE 2).
pub(super) fn failure(mut question: Vec<u8>) -> Vec<u8> {
    question[2] |= 0x80;
    question[3] = (question[3] & 0xf0) | 2;
    question
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: [u8; 17] = [7, 8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1];

    #[test]
    fn only_questions_pass_and_only_their_answers_come_back() {
        assert!(is_question(&QUESTION));
        assert!(!is_question(&QUESTION[..11]));
        let answer = failure(QUESTION.to_vec());
        assert!(!is_question(&answer));
        assert!(is_answer(&answer, &QUESTION));
        assert!(!is_answer(&QUESTION, &QUESTION));
        let mut other = answer.clone();
        other[0] = 1;
        assert!(!is_answer(&other, &QUESTION));
        assert_eq!((answer[2], answer[3] & 0xf, &answer[4..]), (0x81, 2, &QUESTION[4..]));
    }
}
