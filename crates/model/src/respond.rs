//! A response that goes to its caller while the function is still writing it.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

/// What is known of a response when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// The version that runs: `$LATEST` or a number.
    pub executed_version: String,
    /// `Content-Type` as the runtime gave it.
    pub content_type: Option<String>,
}

/// Takes a response as it is made. Whether the invocation succeeded is told by its [`Outcome`](crate::Outcome), which
/// comes after the last piece.
pub trait TakeResponse: Send + Sync {
    /// The function streams, and its response begins. Called once at most, and never for a response that is whole when
    /// it comes: that one is in the outcome.
    fn begin(&self, head: ResponseHead);

    /// Takes a piece as soon as there is room for it; until then the function's runtime waits. False where nobody
    /// wants the rest: the function goes on all the same.
    fn piece(&self, piece: Bytes) -> PieceFuture<'_>;
}

/// The future of [`TakeResponse::piece`].
pub type PieceFuture<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;
