//! The Runtime API's client (AWS Lambda Developer Guide, "Using the Lambda runtime API"), as small as it can be.

use std::convert::Infallible;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

/// Answers events until the environment ends.
pub(crate) fn serve(handler: impl Fn(Value) -> Value) -> io::Result<Infallible> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    loop {
        let (id, event) = next(&api)?;
        // An event that is no JSON names no attack.
        let answer = handler(serde_json::from_slice(&event).unwrap_or_default()).to_string();
        let path = format!("POST /2018-06-01/runtime/invocation/{id}/response");
        exchange(&api, &path, answer.as_bytes())?;
    }
}

fn next(api: &str) -> io::Result<(String, Vec<u8>)> {
    let (head, body) = exchange(api, "GET /2018-06-01/runtime/invocation/next", b"")?;
    let id = head.into_iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("lambda-runtime-aws-request-id").then(|| value.trim().to_owned())
    });
    Ok((id.ok_or_else(|| io::Error::other("an event without an id"))?, body))
}

/// One request on a connection of its own; the answer's head and body.
fn exchange(api: &str, request: &str, body: &[u8]) -> io::Result<(Vec<String>, Vec<u8>)> {
    let mut connection = TcpStream::connect(api)?;
    let head = format!(
        "{request} HTTP/1.1\r\nHost: {api}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes())?;
    connection.write_all(body)?;
    let mut reader = BufReader::new(connection);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::Error::other("the answer broke off"));
        }
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let mut body = Vec::new();
    reader.read_to_end(&mut body)?;
    Ok((lines, body))
}
