//! Streamed responses: how soon a byte is at the client once the function wrote it, how many come in a second, and what
//! the server keeps of them.

use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, ensure};
use serde::Serialize;

use super::options::Options;
use super::prepare::Place;
use super::server::{MEMORY_MB, Server};
use super::stats::{Summary, median};
use super::subject::Subject;

/// The most that a function may stream.
const BYTES: usize = 200 * 1024 * 1024;
const NAME: &str = "bench-stream";
/// Well-formed is enough on a loopback address.
const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, \
                         Signature=0000000000000000000000000000000000000000000000000000000000000000";

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Streams {
    /// From before the function's write to the client's read, in microseconds.
    pub(crate) first_byte_us: Option<Summary>,
    /// 200 MB from the function to the client, in MB of 1,048,576 bytes a second: the median of some.
    pub(crate) mb_per_second: f64,
    /// Resident memory of the server before the streams, and the most of it during them.
    pub(crate) before_bytes: u64,
    pub(crate) most_bytes: u64,
}

/// Streams and looks; `None` without the language that the function is written in.
pub(crate) fn measure(
    place: &Place,
    subjects: &[Subject],
    server: &Server,
    options: &Options,
) -> anyhow::Result<Option<Streams>> {
    if !subjects.iter().any(|subject| subject.runtime.starts_with("python")) {
        return Ok(None);
    }
    eprintln!("measuring streams");
    let folder = place.sources.join("functions/python-stream");
    server.deploy_with("provided.al2023", "any", &folder, NAME, MEMORY_MB)?;
    let (stamps, streams) = if options.quick { (50, 3) } else { (300, 7) };
    let mut first = (0..stamps + 5).map(|_| first_byte(server)).collect::<anyhow::Result<Vec<f64>>>()?;
    // The environment's start is among the first.
    first.drain(..5);
    let before_bytes = server.memory()?.server_bytes;
    let (mut rates, mut most_bytes) = (Vec::new(), before_bytes);
    for _ in 0..streams {
        let rate = thread::scope(|scope| {
            let stream = scope.spawn(|| stream(server));
            while !stream.is_finished() {
                most_bytes = most_bytes.max(server.memory()?.server_bytes);
                thread::sleep(Duration::from_millis(20));
            }
            stream.join().expect("the thread does not panic")
        })?;
        rates.push(rate);
    }
    let mb_per_second = median(&rates).context("there are some")?;
    Ok(Some(Streams { first_byte_us: Summary::of(first), mb_per_second, before_bytes, most_bytes }))
}

/// Sends an invocation whose answer is to be read.
fn ask(server: &Server, event: &str) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(server.address())?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_nodelay(true)?;
    write!(
        stream,
        "POST /2021-11-15/functions/{NAME}/response-streaming-invocations HTTP/1.1\r\nHost: {}\r\nAuthorization: {SIGNATURE}\r\n\
         X-Amz-Date: 20260101T000000Z\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{event}",
        server.address(),
        event.len()
    )?;
    Ok(stream)
}

/// The time between what the function stamped and its arrival, in microseconds.
fn first_byte(server: &Server) -> anyhow::Result<f64> {
    let mut stream = ask(server, r#"{"stamp": true}"#)?;
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut part)?;
        let arrived = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        ensure!(count > 0, "no stamp in {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&part[..count]);
        if let Some(stamp) = stamp(&answer) {
            stream.read_to_end(&mut answer)?;
            return Ok((arrived.as_secs_f64() - stamp.as_secs_f64()) * 1e6);
        }
    }
}

/// The time in `at=N;`.
fn stamp(answer: &[u8]) -> Option<Duration> {
    let text = String::from_utf8_lossy(answer);
    let (_, rest) = text.split_once("at=")?;
    let (digits, _) = rest.split_once(';')?;
    digits.parse().ok().map(Duration::from_nanos)
}

/// One stream of [`BYTES`], in MB a second from its first byte to its last.
fn stream(server: &Server) -> anyhow::Result<f64> {
    let mut stream = ask(server, &format!(r#"{{"bytes": {BYTES}}}"#))?;
    let mut part = vec![0; 1024 * 1024];
    let mut bytes = stream.read(&mut part)?;
    let began = Instant::now();
    loop {
        match stream.read(&mut part)? {
            0 => break,
            count => bytes += count,
        }
    }
    let took = began.elapsed();
    ensure!(bytes > BYTES, "{bytes} bytes came of a stream of {BYTES}");
    Ok(200.0 / took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_stamp_is_found_once_it_is_whole() {
        assert_eq!(super::stamp(b"HTTP/1.1 200\r\nat=12"), None);
        assert_eq!(super::stamp(b"x at=1500;").map(|stamp| stamp.as_nanos()), Some(1500));
    }
}
