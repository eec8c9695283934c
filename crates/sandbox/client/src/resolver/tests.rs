//! The forwarder between a program and resolvers on loopback.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// A question with this number: one for the root's addresses.
fn question(number: u8) -> Vec<u8> {
    vec![0, number, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]
}

/// What the stand-in makes of it.
fn answer(question: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2] |= 0x80;
    answer.extend(b"answered");
    answer
}

/// A resolver on loopback, by UDP and TCP at the same port, that counts its questions.
async fn resolver(asked: Arc<AtomicUsize>) -> SocketAddr {
    let streams = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = streams.local_addr().unwrap();
    let datagrams = UdpSocket::bind(address).await.unwrap();
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = datagrams.recv_from(&mut buffer).await {
            counted.fetch_add(1, Ordering::Relaxed);
            datagrams.send_to(&answer(&buffer[..length]), from).await.unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = streams.accept().await {
            asked.fetch_add(1, Ordering::Relaxed);
            let length = stream.read_u16().await.unwrap();
            let mut message = vec![0; length.into()];
            stream.read_exact(&mut message).await.unwrap();
            let answer = answer(&message);
            stream.write_u16(answer.len().try_into().unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    });
    address
}

/// An address at which nobody answers.
async fn nobody() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A forwarder to these, and where it is asked by UDP and by TCP.
async fn forwarder(servers: Vec<SocketAddr>) -> (SocketAddr, SocketAddr) {
    let datagrams = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let streams = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addresses = (datagrams.local_addr().unwrap(), streams.local_addr().unwrap());
    tokio::spawn(Resolver { datagrams, streams }.ask(Arc::new(Servers::named(servers))));
    addresses
}

async fn ask(forwarder: SocketAddr, messages: &[Vec<u8>]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(forwarder).await.unwrap();
    for message in messages {
        socket.send(message).await.unwrap();
    }
    let mut buffer = vec![0; 512];
    let length = socket.recv(&mut buffer).await.unwrap();
    buffer.truncate(length);
    buffer
}

#[tokio::test]
async fn the_next_resolver_is_asked_where_the_first_is_silent() {
    let asked = Arc::default();
    let servers = vec![nobody().await, resolver(Arc::clone(&asked)).await];
    let (datagrams, streams) = forwarder(servers).await;
    assert_eq!(ask(datagrams, &[question(1)]).await, answer(&question(1)));

    let mut stream = TcpStream::connect(streams).await.unwrap();
    for number in [2, 3] {
        let question = question(number);
        stream.write_u16(question.len().try_into().unwrap()).await.unwrap();
        stream.write_all(&question).await.unwrap();
        let length = stream.read_u16().await.unwrap();
        let mut got = vec![0; length.into()];
        stream.read_exact(&mut got).await.unwrap();
        assert_eq!(got, answer(&question), "both on one connection");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn without_any_resolver_the_answer_is_a_failure() {
    let (datagrams, _) = forwarder(vec![nobody().await]).await;
    assert_eq!(ask(datagrams, &[question(9)]).await, datagram::failure(question(9)));
}

#[tokio::test]
async fn what_is_no_question_goes_nowhere() {
    let asked = Arc::default();
    let (datagrams, _) = forwarder(vec![resolver(Arc::clone(&asked)).await]).await;
    let large = [question(5), vec![0; 5000]].concat();
    let messages = [answer(&question(4)), vec![1, 2, 3], large, question(6)];
    assert_eq!(ask(datagrams, &messages).await, answer(&question(6)), "the one question");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}
