//! A streamed response on its way to a URL's client: a prelude becomes the head, what follows the body.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use lambent_control::Outlet;
use lambent_model::{PieceFuture, ResponseHead, TakeResponse};

use super::prelude::{HTTP_INTEGRATION, Prelude};

/// Takes what the function streams.
pub(super) struct UrlResponse {
    pub(super) outlet: Outlet,
    state: Mutex<State>,
}

enum State {
    /// No byte has come. A function that fails before the first has no answer of its own.
    Waiting(Response<()>),
    /// All bytes are the body's.
    Body,
    Prelude(Prelude),
    /// What came was no prelude, and the client has been told.
    Malformed,
}

impl UrlResponse {
    pub(super) fn new(outlet: Outlet) -> Self {
        Self { outlet, state: Mutex::new(State::Waiting(head_of(None))) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The function has come to its good end: one that wrote nothing has an empty body.
    pub(super) fn begin_empty(&self) {
        if let State::Waiting(head) = &mut *self.state() {
            self.outlet.begin(std::mem::take(head));
        }
    }

    /// What of a piece is body; `None` where nothing more is wanted.
    fn body_of(&self, piece: Bytes) -> Option<Bytes> {
        let mut state = self.state();
        let prelude = match &mut *state {
            State::Body => return Some(piece),
            State::Malformed => return None,
            State::Waiting(head) => {
                self.outlet.begin(std::mem::take(head));
                *state = State::Body;
                return Some(piece);
            }
            State::Prelude(prelude) => prelude,
        };
        match prelude.feed(&piece) {
            Ok(None) => Some(Bytes::new()),
            Ok(Some((head, rest))) => {
                self.outlet.begin(head);
                *state = State::Body;
                Some(rest)
            }
            Err(_) => {
                *state = State::Malformed;
                None
            }
        }
    }
}

impl TakeResponse for UrlResponse {
    fn begin(&self, head: ResponseHead) {
        let content_type = head.content_type.as_deref().map(str::trim);
        *self.state() = match content_type {
            Some(HTTP_INTEGRATION) => State::Prelude(Prelude::default()),
            content_type => State::Waiting(head_of(content_type)),
        };
    }

    fn piece(&self, piece: Bytes) -> PieceFuture<'_> {
        Box::pin(async move {
            match self.body_of(piece) {
                Some(body) if body.is_empty() => true,
                Some(body) => self.outlet.piece(body).await,
                None => false,
            }
        })
    }
}

fn head_of(content_type: Option<&str>) -> Response<()> {
    let mut response = Response::new(());
    let value = content_type.and_then(|text| HeaderValue::from_str(text).ok());
    let octets = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(CONTENT_TYPE, value.unwrap_or(octets));
    response
}

/// A response of so many words, as AWS answers for a function that did not.
pub(super) fn bad_gateway() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"Internal Server Error"));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
