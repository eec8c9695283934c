//! A connection for calls of APIs that differ from each other; the load generator repeats one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// An update is in progress for a moment, in which the next one is refused.
const AGAIN: Duration = Duration::from_millis(5);

/// See the module's text.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect to the server")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { address, stream: BufReader::new(stream) })
    }

    /// Calls until what is in progress is over.
    pub(crate) fn until(
        &mut self,
        service: &str,
        method: &str,
        path: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<()> {
        loop {
            let (status, answer) = self.send((service, ""), (method, path), &body.to_string())?;
            match status {
                200..300 => return Ok(()),
                409 => thread::sleep(AGAIN),
                _ => anyhow::bail!("{method} {path}: {status}: {answer}"),
            }
        }
    }

    /// Calls once and returns the answer.
    pub(crate) fn call(
        &mut self,
        service: &str,
        method: &str,
        path: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<String> {
        let (status, answer) = self.send((service, ""), (method, path), &body.to_string())?;
        ensure!((200..300).contains(&status), "{method} {path}: {status}: {answer}");
        Ok(answer)
    }

    /// Sends a call and goes away.
    pub(crate) fn begin(
        mut self,
        service: &str,
        method: &str,
        path: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<()> {
        self.write((service, ""), (method, path), &body.to_string())?;
        // The request is read whole before the connection's end is seen.
        thread::sleep(AGAIN);
        Ok(())
    }

    /// Calls SQS, whose operations are named in a header, and returns its answer.
    pub(crate) fn sqs(
        &mut self,
        operation: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<serde_json::Value> {
        let target = format!("X-Amz-Target: AmazonSQS.{operation}\r\n");
        let (status, answer) = self.send(("sqs", &target), ("POST", "/"), &body.to_string())?;
        ensure!(status == 200, "{operation}: {status}: {answer}");
        serde_json::from_str(&answer).with_context(|| format!("{operation} is answered by {answer:?}"))
    }

    fn send(
        &mut self,
        (service, target): (&str, &str),
        (method, path): (&str, &str),
        body: &str,
    ) -> anyhow::Result<(u16, String)> {
        self.write((service, target), (method, path), body)?;
        self.read()
    }

    fn write(
        &mut self,
        (service, target): (&str, &str),
        (method, path): (&str, &str),
        body: &str,
    ) -> anyhow::Result<()> {
        // On a loopback address any well-formed signature passes.
        let (address, length, signature) = (self.address, body.len(), "0".repeat(64));
        write!(
            self.stream.get_mut(),
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nX-Amz-Date: 20260101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host;x-amz-date, Signature={signature}\
             \r\nContent-Type: application/json\r\n{target}Content-Length: {length}\r\n\r\n{body}"
        )?;
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<(u16, String)> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("no answer but {line:?}"))?;
        let mut length = 0;
        loop {
            line.clear();
            ensure!(self.stream.read_line(&mut line)? > 0, "the answer was cut short");
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().context("the answer's length")?;
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        Ok((status, String::from_utf8_lossy(&answer).into_owned()))
    }
}
