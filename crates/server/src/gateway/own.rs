//! Paths that are no AWS call, and that clients do not sign: health, what is supported, metrics, traces, deliveries that
//! wait, the certificate authority, downloads of packages.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};

use super::{Gateway, Origin};
use crate::metrics::{Asked, CONTENT_TYPE};

impl Gateway {
    /// Answers a request for one of these paths; `None` for any other.
    pub(super) async fn own_paths(
        &self,
        origin: &Origin,
        parts: &Parts,
        request_id: &str,
    ) -> Option<(Asked, Response<Bytes>)> {
        match parts.uri.path() {
            "/" if parts.method == Method::GET => {
                Some((Asked::Topic, self.link(origin, parts, request_id).await?))
            }
            path if path.starts_with("/SimpleNotificationService-") => {
                Some((Asked::Topic, self.signing_certificate(parts).await))
            }
            // The second name is where existing tools for local AWS look.
            "/_lambent/health" | "/_localstack/health" => Some((Asked::Health, self.health(&parts.method))),
            "/_lambent/compatibility" => Some((Asked::Compatibility, compatibility(&parts.method))),
            "/_lambent/traces" => Some((Asked::Traces, self.traces(origin, &parts.method))),
            "/_lambent/deliveries" => Some((Asked::Deliveries, self.deliveries(origin, &parts.method).await)),
            "/_lambent/ca.pem" => Some((Asked::Authority, self.authority(&parts.method))),
            "/metrics" => Some((Asked::Metrics, self.metrics(origin, &parts.method))),
            path if path.starts_with("/_lambent/") => Some((Asked::Code, self.package(parts).await)),
            _ => None,
        }
    }

    fn health(&self, method: &Method) -> Response<Bytes> {
        read_only(method)
            .unwrap_or_else(|| plain(StatusCode::OK, "application/json", (self.health)().to_string().into()))
    }

    /// A certificate is for everybody.
    fn authority(&self, method: &Method) -> Response<Bytes> {
        read_only(method).unwrap_or_else(|| match &self.authority {
            Some(pem) => plain(StatusCode::OK, "application/x-pem-file", pem.to_string().into()),
            None => {
                let text = "the server has a certificate of yours, and no authority of its own\n";
                plain(StatusCode::NOT_FOUND, "text/plain", text.into())
            }
        })
    }

    /// What all functions of all accounts do is nothing for a function to read.
    fn metrics(&self, origin: &Origin, method: &Method) -> Response<Bytes> {
        match origin {
            Origin::Client(_) => read_only(method)
                .unwrap_or_else(|| plain(StatusCode::OK, CONTENT_TYPE, self.page.render().into())),
            Origin::Function(_) => {
                let text = "metrics are not for functions; ask the server's own address\n";
                plain(StatusCode::FORBIDDEN, "text/plain", text.into())
            }
        }
    }

    /// Nor is what they send to their X-Ray daemons.
    fn traces(&self, origin: &Origin, method: &Method) -> Response<Bytes> {
        match origin {
            Origin::Client(_) => read_only(method).unwrap_or_else(|| {
                plain(StatusCode::OK, "application/json", self.traces.render().to_string().into())
            }),
            Origin::Function(_) => {
                let text = "traces are not for functions; ask the server's own address\n";
                plain(StatusCode::FORBIDDEN, "text/plain", text.into())
            }
        }
    }

    /// What waits in the outbox, of all accounts, is nothing for a function either.
    async fn deliveries(&self, origin: &Origin, method: &Method) -> Response<Bytes> {
        if let Origin::Function(_) = origin {
            let text = "deliveries are not for functions; ask the server's own address\n";
            return plain(StatusCode::FORBIDDEN, "text/plain", text.into());
        }
        if let Some(refused) = read_only(method) {
            return refused;
        }
        match self.page.outbox.render().await {
            Ok(page) => plain(StatusCode::OK, "application/json", page.to_string().into()),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", format!("{error}\n").into()),
        }
    }

    /// The links in messages of topics: whoever has one may confirm or end the subscription without a signature. What a
    /// function may do is not decided by what it was sent.
    async fn link(&self, origin: &Origin, parts: &Parts, request_id: &str) -> Option<Response<Bytes>> {
        let is_signed = parts.headers.contains_key(header::AUTHORIZATION);
        match origin {
            Origin::Client(_) if !is_signed => {
                self.companions.sns.unsigned(parts.uri.query().unwrap_or_default(), request_id).await
            }
            Origin::Client(_) | Origin::Function(_) => None,
        }
    }

    /// What the signatures of messages of topics are checked with.
    async fn signing_certificate(&self, parts: &Parts) -> Response<Bytes> {
        if let Some(refused) = read_only(&parts.method) {
            return refused;
        }
        match self.companions.sns.certificate(parts.uri.path()).await {
            Ok(Some(pem)) => plain(StatusCode::OK, "application/x-pem-file", pem.into()),
            Ok(None) => plain(StatusCode::NOT_FOUND, "text/plain", "there is no such certificate\n".into()),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", format!("{error}\n").into()),
        }
    }

    async fn package(&self, parts: &Parts) -> Response<Bytes> {
        let query = parts.uri.query().unwrap_or_default();
        let digest = match parts.method {
            Method::GET | Method::HEAD => self.location.check(parts.uri.path(), query, self.clock.now()),
            _ => None,
        };
        let Some(digest) = digest else {
            let text = "this link is not valid or has expired; GetFunction gives a new one\n";
            return plain(StatusCode::FORBIDDEN, "text/plain", text.into());
        };
        match self.code.zip_bytes(&digest).await {
            Ok(Some(zip)) => plain(StatusCode::OK, "application/zip", zip),
            Ok(None) => {
                plain(StatusCode::NOT_FOUND, "text/plain", "the package is no longer in use\n".into())
            }
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", format!("{error}\n").into()),
        }
    }
}

fn compatibility(method: &Method) -> Response<Bytes> {
    read_only(method).unwrap_or_else(|| {
        plain(StatusCode::OK, "application/json", lambent_control::compatibility::json().to_string().into())
    })
}

/// The refusal of any method that does not only read (RFC 9110, section 15.5.6).
fn read_only(method: &Method) -> Option<Response<Bytes>> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let mut response =
        plain(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "this can be read and nothing else\n".into());
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    Some(response)
}

fn plain(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
