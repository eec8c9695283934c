//! Asking whether a server is ready: one small request, without a client library that would take time to start.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;

/// Whether `GET path` answers 200. A server that does not listen yet, or hangs up, is not ready.
pub(crate) fn is_ready(address: SocketAddr, path: &str) -> bool {
    ask(address, path).is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}

/// The JSON document at `path`.
pub(crate) fn json(address: SocketAddr, path: &str) -> anyhow::Result<serde_json::Value> {
    let answer = ask(address, path)?;
    let text = String::from_utf8(answer).context("the answer is no text")?;
    let (_, body) = text.split_once("\r\n\r\n").context("the answer has no body")?;
    serde_json::from_str(body).with_context(|| format!("{path} is no JSON: {body}"))
}

fn ask(address: SocketAddr, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// Makes a call of the API, or of the function URL that `host` names, and returns the body of its answer.
pub(crate) fn call(
    address: SocketAddr,
    host: &str,
    method: &str,
    path: &str,
    body: &str,
) -> anyhow::Result<String> {
    let signature = "0".repeat(64);
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         X-Amz-Date: 20260101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, \
         Signature={signature}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 20"), "{method} {path} failed: {answer}");
    Ok(answer.split_once("\r\n\r\n").context("the answer has no body")?.1.to_owned())
}

/// Sends an event for a function. On a loopback address a signature has to be well-formed and no more.
pub(crate) fn event(address: SocketAddr, path: &str, body: &str) -> anyhow::Result<()> {
    let signature = "0".repeat(64);
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_nodelay(true)?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nX-Amz-Invocation-Type: Event\r\n\
         X-Amz-Date: 20260101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, \
         Signature={signature}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    anyhow::ensure!(answer.starts_with("HTTP/1.1 202"), "the event was not accepted: {answer}");
    Ok(())
}
