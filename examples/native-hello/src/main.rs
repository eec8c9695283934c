//! A Lambda function without a runtime: this program is the `bootstrap` that `provided.al2023` starts.
//!
//! It asks the Runtime API for an event, answers it, and does so again until the platform ends it. Real functions
//! take the `lambda_runtime` crate for this; here one can read all that happens on the wire.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// One event, and the id under which its result is posted.
struct Invocation {
    request_id: String,
    event: String,
}

/// The result: a greeting as JSON. The event is a JSON text, so it can be embedded as it is.
fn handle(invocation: &Invocation) -> String {
    let Invocation { request_id, event } = invocation;
    format!(r#"{{"message":"Hello from a native function!","requestId":"{request_id}","event":{event}}}"#)
}

struct RuntimeApi {
    address: String,
    connection: BufReader<TcpStream>,
}

impl RuntimeApi {
    fn connect(address: String) -> io::Result<Self> {
        let stream = TcpStream::connect(&address)?;
        stream.set_nodelay(true)?;
        Ok(Self { address, connection: BufReader::new(stream) })
    }

    /// Blocks until there is an event.
    fn next(&mut self) -> io::Result<Invocation> {
        self.send("GET", "invocation/next", "")?;
        let (headers, event) = self.receive()?;
        let request_id = header(&headers, "lambda-runtime-aws-request-id")
            .ok_or_else(|| io::Error::other("the event came without a request id"))?;
        Ok(Invocation { request_id: request_id.to_owned(), event })
    }

    fn respond(&mut self, request_id: &str, result: &str) -> io::Result<()> {
        self.send("POST", &format!("invocation/{request_id}/response"), result)?;
        self.receive().map(drop)
    }

    fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<()> {
        let request = format!(
            "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len(),
        );
        self.connection.get_mut().write_all(request.as_bytes())
    }

    /// The headers and the body of a response.
    fn receive(&mut self) -> io::Result<(Vec<String>, String)> {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if self.connection.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            head.push(line.to_owned());
        }
        let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.connection.read_exact(&mut body)?;
        Ok((head, String::from_utf8_lossy(&body).into_owned()))
    }
}

/// The value of a header; names are compared without regard to case.
fn header<'a>(head: &'a [String], name: &str) -> Option<&'a str> {
    head.iter()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

fn main() -> io::Result<()> {
    let address = env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    let mut api = RuntimeApi::connect(address)?;
    loop {
        let invocation = api.next()?;
        // Whatever the function prints goes to its log.
        println!("answering {}", invocation.request_id);
        api.respond(&invocation.request_id, &handle(&invocation))?;
    }
}
