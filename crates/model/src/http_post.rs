//! The port through which something is posted to an address that a user named: a subscription of a topic.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::AwsCallError;

/// A POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpPost {
    /// Where to, `http:` or `https:`.
    pub url: String,
    /// Names and values of headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// The future of [`PostHttp::post`]: the answer's status, whatever it is.
pub type PostFuture = Pin<Box<dyn Future<Output = Result<u16, AwsCallError>> + Send>>;

/// Posts to endpoints that are no AWS service.
pub trait PostHttp: Send + Sync {
    /// Posts once. Redirects are not followed, and of the answer nothing but its status is read.
    fn post(&self, post: HttpPost) -> PostFuture;
}
