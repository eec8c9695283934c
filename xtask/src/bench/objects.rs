//! Objects: small ones put and got by several clients at once, and a gigabyte in parts with what it does to the server's
//! memory.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;

use super::options::Options;
use super::server::Server;

/// Clients at once, each with one connection.
const CLIENTS: usize = 8;
const SMALL: usize = 1024;
const PART: usize = 8 * 1024 * 1024;
const BUCKET: &str = "/bench-objects";

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Objects {
    /// Of one kilobyte, in a second, each on the disk before it is answered.
    pub(crate) puts: f64,
    pub(crate) gets: f64,
    /// The size of the large one.
    pub(crate) large_bytes: u64,
    pub(crate) up_mb_per_second: f64,
    pub(crate) down_mb_per_second: f64,
    /// Resident memory of the server before, and the most of it meanwhile.
    pub(crate) before_bytes: u64,
    pub(crate) most_bytes: u64,
}

/// Puts, gets, and the large one.
pub(crate) fn measure(server: &Server, options: &Options) -> anyhow::Result<Objects> {
    let (time, parts) =
        if options.quick { (Duration::from_secs(2), 16) } else { (Duration::from_secs(10), 128) };
    eprintln!("measuring objects for {} s, and one of {} MB", 2 * time.as_secs(), parts * PART / 1024 / 1024);
    let address = server.address();
    let (puts, gets) = small(address, time)?;
    let before_bytes = server.memory()?.server_bytes;
    let mut most_bytes = before_bytes;
    let mut client = Client::connect(address)?;
    let key = format!("{BUCKET}/large");
    let text = client.expect(200, "POST", &format!("{key}?uploads"), &[])?;
    let text = String::from_utf8_lossy(&text);
    let id = between(&text, "<UploadId>", "</UploadId>").context("the upload has no id")?.to_owned();
    let part = vec![b'y'; PART];
    let began = Instant::now();
    let mut list = String::from("<CompleteMultipartUpload>");
    for number in 1..=parts {
        client.expect(200, "PUT", &format!("{key}?partNumber={number}&uploadId={id}"), &part)?;
        list.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", client.etag));
        most_bytes = most_bytes.max(server.memory()?.server_bytes);
    }
    list.push_str("</CompleteMultipartUpload>");
    client.expect(200, "POST", &format!("{key}?uploadId={id}"), list.as_bytes())?;
    let megabytes = (parts * PART) as f64 / 1024.0 / 1024.0;
    let up_mb_per_second = megabytes / began.elapsed().as_secs_f64();
    let began = Instant::now();
    let got = client.drain(&key)?;
    let down_mb_per_second = megabytes / began.elapsed().as_secs_f64();
    most_bytes = most_bytes.max(server.memory()?.server_bytes);
    anyhow::ensure!(got == (parts * PART) as u64, "the large object came back with {got} bytes");
    client.expect(204, "DELETE", &key, &[])?;
    Ok(Objects {
        puts,
        gets,
        large_bytes: got,
        up_mb_per_second,
        down_mb_per_second,
        before_bytes,
        most_bytes,
    })
}

/// Small objects that any server of S3 takes and gives in a second.
pub(super) fn rates(address: SocketAddr) -> anyhow::Result<(f64, f64)> {
    small(address, Duration::from_secs(3))
}

fn small(address: SocketAddr, time: Duration) -> anyhow::Result<(f64, f64)> {
    Client::connect(address)?.expect(200, "PUT", BUCKET, &[])?;
    let body = vec![b'x'; SMALL];
    let puts = rate(address, time, |client, key| {
        client.expect(200, "PUT", &format!("{BUCKET}/{key}"), &body).map(drop)
    })?;
    let gets = rate(address, time, |client, key| {
        // The first of those that this client has put.
        let index = key.split('-').next().unwrap_or_default();
        client.expect(200, "GET", &format!("{BUCKET}/{index}-0"), &[]).map(drop)
    })?;
    Ok((puts, gets))
}

/// How often something is done in a second by all clients together.
fn rate(
    address: SocketAddr,
    time: Duration,
    act: impl Fn(&mut Client, &str) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<f64> {
    let act = &act;
    let counts = thread::scope(|scope| {
        let work = |index: usize| {
            move || -> anyhow::Result<u64> {
                let mut client = Client::connect(address)?;
                let (began, mut count) = (Instant::now(), 0_u64);
                while began.elapsed() < time {
                    act(&mut client, &format!("{index}-{count}"))?;
                    count += 1;
                }
                Ok(count)
            }
        };
        let threads: Vec<_> = (0..CLIENTS).map(|index| scope.spawn(work(index))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("the thread does not panic"))
            .collect::<anyhow::Result<Vec<u64>>>()
    })?;
    Ok(counts.iter().sum::<u64>() as f64 / time.as_secs_f64())
}

fn between<'t>(text: &'t str, begin: &str, end: &str) -> Option<&'t str> {
    text.split_once(begin)?.1.split_once(end).map(|(inner, _)| inner)
}

/// One connection. On a loopback address a signature has to be well-formed and no more.
struct Client {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
    /// Of the last answer.
    etag: String,
    /// Whether the server closes the connection behind it (RFC 9112, section 9.3): some do with every answer, or after a
    /// thousand.
    is_closing: bool,
}

impl Client {
    fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { address, stream: BufReader::new(stream), etag: String::new(), is_closing: false })
    }

    fn send(&mut self, method: &str, path: &str, body: &[u8]) -> anyhow::Result<(u16, usize)> {
        if self.is_closing {
            *self = Self::connect(self.address)?;
        }
        let (address, signature) = (self.address, "0".repeat(64));
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nX-Amz-Date: 20260101T000000Z\r\nX-Amz-Content-Sha256: \
             UNSIGNED-PAYLOAD\r\nAuthorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={signature}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut whole = head.into_bytes();
        whole.extend_from_slice(body);
        self.stream.get_mut().write_all(&whole)?;
        let (mut status, mut length, mut line) = (0, 0, String::new());
        loop {
            line.clear();
            anyhow::ensure!(self.stream.read_line(&mut line)? > 0, "the server has closed the connection");
            let text = line.trim_end();
            if text.is_empty() {
                return Ok((status, length));
            }
            match text.split_once(':') {
                None => {
                    status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
                    self.is_closing = text.starts_with("HTTP/1.0");
                }
                Some((name, value)) if name.eq_ignore_ascii_case("connection") => {
                    self.is_closing = value.trim().eq_ignore_ascii_case("close");
                }
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse()?
                }
                Some((name, value)) if name.eq_ignore_ascii_case("etag") => {
                    self.etag = value.trim().to_owned()
                }
                Some(_) => {}
            }
        }
    }

    /// The body of an answer with this status.
    fn expect(&mut self, status: u16, method: &str, path: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
        let (found, length) = self.send(method, path, body)?;
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        let text = String::from_utf8_lossy(&answer);
        anyhow::ensure!(found == status, "{method} {path} was answered {found}: {text}");
        Ok(answer)
    }

    /// Reads an object and forgets it.
    fn drain(&mut self, path: &str) -> anyhow::Result<u64> {
        let (_, length) = self.send("GET", path, &[])?;
        let mut part = std::io::Read::by_ref(&mut self.stream).take(length as u64);
        Ok(std::io::copy(&mut part, &mut std::io::sink())?)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_between() {
        assert_eq!(super::between("a<b>c</b>", "<b>", "</b>"), Some("c"));
        assert_eq!(super::between("a", "<b>", "</b>"), None);
    }
}
