//! The two HTTP sides: Invoke (AWS Lambda API Reference) and the Runtime API (Developer Guide, "Using the Lambda
//! runtime API for custom runtimes"), as far as a healthy function needs them.

use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use crate::environments::{Environments, Event, Refused};

const RUNTIME_API: &str = "/2018-06-01/runtime/";
const FUNCTIONS: &str = "/2015-03-31/functions/";
/// Far enough away that no function stops early, as with a timeout of a minute.
const TIMEOUT: Duration = Duration::from_secs(60);

type Reply = http::Result<Response<Full<Bytes>>>;

/// The relay.
#[derive(Debug)]
pub(crate) struct Relay {
    environments: Mutex<Environments>,
}

impl Relay {
    pub(crate) fn new(program: Vec<String>, limit: usize, runtime_api: String) -> Self {
        Self { environments: Mutex::new(Environments::new(program, limit, runtime_api)) }
    }

    fn environments(&self) -> MutexGuard<'_, Environments> {
        self.environments.lock().expect("no holder of the lock panics")
    }

    /// How a function process that ended by itself did so.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        self.environments().ended()
    }

    /// Ends the function processes.
    pub(crate) fn stop(&self) {
        self.environments().stop();
    }

    /// The client's side.
    pub(crate) async fn invoke(&self, request: Request<Incoming>) -> Reply {
        let is_invoke = request.method() == Method::POST
            && request
                .uri()
                .path()
                .strip_prefix(FUNCTIONS)
                .is_some_and(|rest| rest.ends_with("/invocations"));
        if !is_invoke {
            return reply(StatusCode::NOT_FOUND, "this relay knows the operation Invoke alone");
        }
        let Ok(payload) = request.into_body().collect().await else {
            return reply(StatusCode::BAD_REQUEST, "the payload did not arrive");
        };
        let (id, answer) = match self.environments().dispatch(payload.to_bytes()) {
            Ok(dispatched) => dispatched,
            Err(Refused::Busy) => return reply(StatusCode::TOO_MANY_REQUESTS, "every environment is busy"),
            Err(Refused::Start(error)) => {
                return reply(StatusCode::BAD_GATEWAY, &format!("cannot start the function: {error}"));
            }
        };
        let response = Response::builder()
            .header("Content-Type", "application/json")
            .header("x-amzn-RequestId", request_id(id))
            .header("X-Amz-Executed-Version", "$LATEST");
        match answer.await {
            Ok(Ok(result)) => response.body(Full::new(result)),
            Ok(Err(error)) => response.header("X-Amz-Function-Error", "Unhandled").body(Full::new(error)),
            Err(_) => reply(StatusCode::BAD_GATEWAY, "the function did not answer"),
        }
    }

    /// The function's side.
    pub(crate) async fn runtime_api(&self, request: Request<Incoming>) -> Reply {
        let Some(path) = request.uri().path().strip_prefix(RUNTIME_API).map(str::to_owned) else {
            return reply(StatusCode::NOT_FOUND, "no such path");
        };
        if path == "invocation/next" {
            let next = self.environments().next();
            return match next.await {
                Ok(event) => deliver(event),
                Err(_) => reply(StatusCode::GONE, "the relay ends"),
            };
        }
        let Ok(body) = request.into_body().collect().await else {
            return reply(StatusCode::BAD_REQUEST, "the body did not arrive");
        };
        if path == "init/error" {
            let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            eprintln!("the function cannot be initialised: {text}");
            return reply(StatusCode::ACCEPTED, "");
        }
        let invocation = path.strip_prefix("invocation/").and_then(|rest| rest.split_once('/'));
        let Some((Some(id), kind)) = invocation.map(|(id, kind)| (id_of(id), kind)) else {
            return reply(StatusCode::NOT_FOUND, "no such path");
        };
        let answer = match kind {
            "response" => Ok(body.to_bytes()),
            "error" => Err(body.to_bytes()),
            _ => return reply(StatusCode::NOT_FOUND, "no such path"),
        };
        if self.environments().answer(id, answer) {
            reply(StatusCode::ACCEPTED, "{\"status\":\"OK\"}")
        } else {
            reply(StatusCode::BAD_REQUEST, "nobody waits for this invocation")
        }
    }
}

/// The answer to `/next`: a new request id, trace id and deadline each time, for clients do work with each.
fn deliver(event: Event) -> Reply {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let id = event.id;
    Response::builder()
        .header("Content-Type", "application/json")
        .header("Lambda-Runtime-Aws-Request-Id", request_id(id))
        .header("Lambda-Runtime-Deadline-Ms", (now + TIMEOUT).as_millis().to_string())
        .header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:bench")
        .header(
            "Lambda-Runtime-Trace-Id",
            format!("Root=1-{:08x}-{id:024x};Parent={id:016x};Sampled=0", now.as_secs()),
        )
        .body(Full::new(event.payload))
}

fn reply(status: StatusCode, text: &str) -> Reply {
    Response::builder().status(status).body(Full::new(Bytes::copy_from_slice(text.as_bytes())))
}

/// An invocation's number in the form of a UUID.
fn request_id(id: u64) -> String {
    format!("00000000-0000-4000-{:04x}-{:012x}", 0x8000 | (id >> 48), id & 0xffff_ffff_ffff)
}

fn id_of(request_id: &str) -> Option<u64> {
    let (rest, low) = request_id.rsplit_once('-')?;
    let (_, high) = rest.rsplit_once('-')?;
    let high = u64::from_str_radix(high, 16).ok()? & 0x7fff;
    Some(high << 48 | u64::from_str_radix(low, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_lead_back_to_their_invocation() {
        for id in [1, 0xffff_ffff_ffff, 1 << 48, 0x7fff << 48 | 5] {
            let text = request_id(id);
            assert_eq!(text.len(), 36, "{text}");
            assert_eq!(id_of(&text), Some(id), "{text}");
        }
        for text in ["", "x", "1-2-x", "not-an-id"] {
            assert_eq!(id_of(text), None, "{text}");
        }
    }
}
