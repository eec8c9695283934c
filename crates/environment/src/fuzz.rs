//! What a function's runtime may send, as targets for fuzzers: bytes in, no panic, and bounds that hold.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use lambent_model::{ExtensionId, Failure, PieceFuture, ResponseHead, TakeResponse};
use lambent_sandbox_client::Ends;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;

use crate::api::{
    Begun, Delivery, Environment, ExtensionEvent, Extensions, Registered, Requests, Restoring, serve,
};
use crate::machine::{Events, RESPONSE_LIMIT, Refusal, Reported, Verdicted};
use crate::output::{Frames, Lines};
use crate::telemetry::{Subscription, SubscriptionError};

/// What functions write to the log's descriptor; the first byte says where the pipe's reads are cut.
pub fn frames(bytes: &[u8]) {
    let (mut frames, mut written) = (Frames::default(), 0);
    for piece in pieces(bytes) {
        frames.feed(piece, &mut |frame| written += frame.message.len());
        assert!(frames.held() <= 2 * 1024 * 1024, "{} bytes are held back", frames.held());
    }
    frames.flush(&mut |frame| written += frame.message.len());
    // A byte that is no UTF-8 becomes a character of three.
    assert!(written <= 3 * bytes.len(), "{written} bytes out of {}", bytes.len());
}

/// What functions print.
pub fn lines(bytes: &[u8]) {
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        pieces.for_each(|piece| lines.feed(piece, &mut |line| out.push(line)));
        lines.flush(&mut |line| out.push(line));
        out
    };
    let rest = bytes.get(1..).unwrap_or_default();
    let whole = read(&mut std::iter::once(rest));
    assert_eq!(whole, read(&mut pieces(bytes)), "how the pipe is read changes what was written");
}

/// The bytes after the first, in pieces of as many as that says.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (size, rest) = bytes.split_first().map_or((1, &[][..]), |(first, rest)| (*first, rest));
    rest.chunks(usize::from(size).max(1))
}

/// Takes every report for good, and looks at it.
#[derive(Default)]
struct Judge(Mutex<usize>);

impl Extensions for Judge {
    fn register(&self, name: String, _events: Events) -> Result<Registered, Refusal> {
        assert!(!name.is_empty() && name.len() <= 255, "{name:?}");
        Err(Refusal::RegistrationClosed)
    }

    fn next(&self, _id: ExtensionId, _poller: oneshot::Sender<ExtensionEvent>) -> Result<(), Refusal> {
        Ok(())
    }

    fn error(&self, _id: ExtensionId, _init: bool, error_type: String) -> Result<(), Refusal> {
        assert!(error_type.len() <= 1024, "{error_type:?}");
        Ok(())
    }

    fn subscribe(&self, _id: ExtensionId, subscription: Subscription) -> Result<(), SubscriptionError> {
        assert!(subscription.buffering.bytes <= 1024 * 1024);
        Ok(())
    }
}

impl Environment for Judge {
    // Dropped, the poller answers that the environment has ended.
    fn next(&self, _poller: oneshot::Sender<Delivery>) {}

    fn begin(&self, _request_id: &str, _content_type: Option<&str>) -> Begun {
        Begun::Streaming(Arc::new(Anybody))
    }

    fn report(&self, request_id: String, reported: Reported, _: std::time::Duration) -> Verdicted {
        assert!(!request_id.contains(['/', '\r', '\n']), "{request_id:?}");
        match &reported {
            Reported::Success(result) => assert!(result.len() <= RESPONSE_LIMIT),
            Reported::Error(failure) => judge(failure),
            _ => {}
        }
        *self.0.lock().expect("no panic happens under the lock") += 1;
        Verdicted::Accepted
    }

    fn restore_next(&self, _asking: Option<Ends>) -> Restoring {
        Restoring::Now
    }

    fn restore_error(&self, failure: Failure) -> Verdicted {
        self.init_error(failure)
    }

    fn init_error(&self, failure: Failure) -> Verdicted {
        judge(&failure);
        Verdicted::Accepted
    }
}

/// Takes whatever is streamed.
struct Anybody;

impl TakeResponse for Anybody {
    fn begin(&self, _head: ResponseHead) {}

    fn piece(&self, piece: Bytes) -> PieceFuture<'_> {
        assert!(!piece.is_empty(), "an empty piece would be an end to some");
        Box::pin(std::future::ready(true))
    }
}

/// The error's type travels on in a header and in a log line.
fn judge(failure: &Failure) {
    let name = failure.error_type.split_once('.').filter(|(kind, _)| ["Runtime", "Function"].contains(kind));
    let plain = name.is_some_and(|(_, name)| name.bytes().all(|byte| byte.is_ascii_alphabetic()));
    assert!(plain, "the type is {:?}", failure.error_type);
}

/// One connection of a runtime: the bytes come, then the connection is half closed.
pub fn runtime_api(bytes: &[u8]) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("no driver is needed");
    runtime.block_on(async {
        let judge = Arc::new(Judge::default());
        let (mut client, server) = tokio::io::duplex(4096);
        let served = serve(server, Requests::new(judge, None));
        let spoken = async {
            // A server that has heard enough closes the connection.
            let _ = client.write_all(bytes).await;
            let _ = client.shutdown().await;
            let mut answer = Vec::new();
            let _ = client.read_to_end(&mut answer).await;
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{}", answer.escape_ascii());
        };
        // Not a measure of time: no end at all is what this finds.
        let both = async { tokio::join!(served, spoken) };
        tokio::time::timeout(Duration::from_secs(20), both)
            .await
            .expect("the connection ends with its client");
    });
}

/// Inputs to begin with, for [`frames`] and [`lines`].
#[must_use]
pub fn written() -> Vec<Vec<u8>> {
    let frame = |kind: u32, length: u32, rest: &[u8]| {
        [&[200][..], &kind.to_be_bytes(), &length.to_be_bytes(), rest].concat()
    };
    vec![
        b"\x04START RequestId: 1 Version: 7\nplain\n\nno end".to_vec(),
        frame(0xa55a_0003, 5, b"\0\0\0\0\0\0\0\x01whole"),
        frame(0xa55a_0001, 3, b"two\xa5\x5a\0\x01\0\0\0\x01x"),
        frame(0xa55a_0003, u32::MAX, b"\0\0\0\0\0\0\0\x01"),
        b"\x01\xa5\x5a\xff\xfe\x80".to_vec(),
    ]
}

/// Inputs to begin with, for [`runtime_api`].
#[must_use]
pub fn requests() -> Vec<Vec<u8>> {
    let path = "/2018-06-01/runtime";
    let identifier = "Lambda-Extension-Identifier: 00000000-0000-4000-8000-000000000001\r\n";
    let error = "Lambda-Runtime-Function-Error-Type: Function.Bad\r\n";
    [
        format!("GET {path}/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("POST {path}/invocation/a/response HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n\"ok\""),
        format!(
            "POST {path}/invocation/a/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\
             Lambda-Runtime-Function-Response-Mode: streaming\r\nTrailer: Lambda-Runtime-Function-Error-Type\r\n\r\n\
             3\r\nabc\r\n0\r\n{error}Lambda-Runtime-Function-Error-Body: e30=\r\n\r\n"
        ),
        format!(
            "POST {path}/invocation/a/error HTTP/1.1\r\nHost: x\r\n{error}\
             Content-Type: application/vnd.aws.lambda.error.cause+json\r\nContent-Length: 18\r\n\r\n\
             {{\"errorCause\": {{}}}}"
        ),
        format!("POST {path}/init/error HTTP/1.1\r\nHost: x\r\n{error}Content-Length: 2\r\n\r\n{{}}"),
        format!("GET {path}/restore/next HTTP/1.1\r\nHost: x\r\n\r\nGET /ping HTTP/1.1\r\nHost: x\r\n\r\n"),
        "POST /2020-01-01/extension/register HTTP/1.1\r\nHost: x\r\nLambda-Extension-Name: x\r\n\
         Content-Length: 30\r\n\r\n{\"events\":[\"INVOKE\",\"SHUTDOWN\"]}"
            .to_owned(),
        format!("GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: x\r\n{identifier}\r\n"),
        format!(
            "PUT /2022-07-01/telemetry HTTP/1.1\r\nHost: x\r\n{identifier}Content-Length: 118\r\n\r\n\
             {{\"schemaVersion\":\"2022-12-13\",\"types\":[\"platform\"],\"destination\":{{\"protocol\":\"HTTP\",\
             \"URI\":\"http://sandbox:8080\"}}}}"
        ),
    ]
    .map(String::into_bytes)
    .to_vec()
}

#[cfg(test)]
mod tests {
    use lambent_testkit::campaign;

    #[test]
    fn no_frame_breaks_the_reader() {
        campaign(&super::written(), super::frames);
    }

    #[test]
    fn no_line_depends_on_how_it_is_read() {
        campaign(&super::written(), super::lines);
    }

    #[test]
    fn no_request_breaks_the_runtime_api() {
        campaign(&super::requests(), super::runtime_api);
    }
}
