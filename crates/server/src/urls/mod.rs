//! Function URLs (AWS Lambda Developer Guide, "Creating and managing Lambda function URLs"): requests whose `Host` is a
//! URL's are for its function and not for the API.
//!
//! ```text
//! request ─▶ host: which URL ─▶ cors: a preflight? ─▶ permission ─▶ event ─▶ invoke ─▶ response, or piece by piece:
//!                                                                                    stream, prelude ─▶ client
//! ```
//! All but `serve` and `index` is pure.

mod cors;
mod event;
#[cfg(test)]
mod fuzz;
mod host;
mod index;
mod permission;
mod prelude;
mod response;
mod serve;
mod stream;

use std::sync::Arc;

use http::Request;
use http::header::HOST;
use lambent_model::{Invoke, MetricSink};

use crate::feed::Progress;
pub(crate) use host::{Domains, UrlHost, lower_case};
pub(crate) use index::Index;
pub(crate) use serve::Peer;

/// What serving URLs takes.
pub(crate) struct Urls {
    pub(crate) domains: Domains,
    pub(crate) index: Arc<Index>,
    /// How far the index is behind what has been committed.
    pub(crate) progress: Progress,
    pub(crate) invoke: Arc<dyn Invoke>,
    pub(crate) metrics: Arc<dyn MetricSink>,
}

impl Urls {
    /// The URL's host that a request is for; `None` for the API's. Where a request names two hosts it is not for a URL:
    /// the API's guard looks at it.
    pub(crate) fn host<B>(&self, request: &Request<B>) -> Option<UrlHost> {
        let mut named = request.headers().get_all(HOST).iter();
        let host = named.next();
        if named.next().is_some() {
            return None;
        }
        let authority = request.uri().authority().map(http::uri::Authority::as_str);
        let host = match host {
            Some(host) => Some(host.to_str().ok()?),
            None => None,
        };
        if let (Some(host), Some(authority)) = (host, authority)
            && !host.eq_ignore_ascii_case(authority)
        {
            return None;
        }
        self.domains.parse(host.or(authority)?)
    }
}
