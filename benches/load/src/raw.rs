//! Requests whose answers need no look beyond their status, as bytes on bare sockets.
//!
//! A server that accepts tens of thousands of events a second on a machine with two processors would otherwise be measured
//! together with its client: a client library takes as long for a request as the server does.
//!
//! ```text
//! write on each ─▶ epoll ─▶ those with an answer: read, time it, write the next one
//! ```

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::event::{Timespec, epoll};

/// Longer than any answer takes.
const PATIENCE: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };
/// The answer to an event has a head and no body.
const MOST: usize = 4096;
const HEADERS: usize = 32;

/// Kept connections that all send the same request.
pub(crate) struct Connections {
    request: Vec<u8>,
    all: Vec<Connection>,
    epoll: rustix::fd::OwnedFd,
}

struct Connection {
    stream: TcpStream,
    answer: [u8; MOST],
    filled: usize,
    began: Instant,
    /// Requests that are still to be sent.
    left: usize,
}

impl Connections {
    /// Connects `count` times.
    pub(crate) fn open(authority: &str, request: Vec<u8>, count: usize) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut all = Vec::new();
        for number in 0..count {
            let stream =
                TcpStream::connect(authority).with_context(|| format!("cannot connect to {authority}"))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&epoll, &stream, data, epoll::EventFlags::IN)?;
            all.push(Connection { stream, answer: [0; MOST], filled: 0, began: Instant::now(), left: 0 });
        }
        Ok(Self { request, all, epoll })
    }

    /// Sends `count` requests over all connections, one at a time on each; how long each took.
    pub(crate) fn send(&mut self, count: usize) -> anyhow::Result<Vec<Duration>> {
        let mut latencies = Vec::with_capacity(count);
        let connections = self.all.len();
        for (index, connection) in self.all.iter_mut().enumerate() {
            // The first ones take what does not divide evenly.
            connection.left = count / connections + usize::from(index < count % connections);
            connection.next(&self.request)?;
        }
        let mut events = Vec::with_capacity(connections);
        while latencies.len() < count {
            events.clear();
            let found =
                epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&PATIENCE))?;
            ensure!(found > 0, "no answer within {} s", PATIENCE.tv_sec);
            for event in &events {
                let index = usize::try_from(event.data.u64())?;
                let connection = self.all.get_mut(index).context("an event of no connection")?;
                if connection.has_answered()? {
                    latencies.push(connection.began.elapsed());
                    connection.next(&self.request)?;
                }
            }
        }
        Ok(latencies)
    }
}

impl Connection {
    fn next(&mut self, request: &[u8]) -> anyhow::Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        self.left -= 1;
        (self.filled, self.began) = (0, Instant::now());
        let written = self.stream.write(request).context("the request failed")?;
        ensure!(written == request.len(), "the socket does not take a request of {} bytes", request.len());
        Ok(())
    }

    /// Whether the answer is whole. One that is not a success is an error.
    fn has_answered(&mut self) -> anyhow::Result<bool> {
        let read = self.stream.read(&mut self.answer[self.filled..]).context("the answer was cut short")?;
        ensure!(
            read > 0,
            "the server has closed the connection, or answers at more length than {MOST} bytes"
        );
        self.filled += read;
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = head.parse(&self.answer[..self.filled])? else {
            return Ok(false);
        };
        let status = head.code.unwrap_or_default();
        let header = |name: &str| {
            let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| String::from_utf8_lossy(header.value))
        };
        let body: usize = header("content-length").context("the answer has no length")?.parse()?;
        let text = String::from_utf8_lossy(&self.answer[length..self.filled]);
        if !(200..300).contains(&status) || header("x-amz-function-error").is_some() {
            bail!("{status}: {text}");
        }
        Ok(self.filled >= length + body)
    }
}
