//! Posts to addresses that users name. They share no connections and no places with calls of services, and one that does
//! not answer has its place for a quarter of a minute at most.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use lambent_model::{AwsCallError, HttpPost, PostFuture, PostHttp};
use tokio::sync::{OnceCell, Semaphore};

use super::client::{connector, no_answer, pool};

/// As many as the fabric has under way.
const POSTS: usize = 128;

/// "The connection will time out in approximately 15 seconds" (SNS Developer Guide, "Fanout Amazon SNS notifications to
/// HTTPS endpoints").
const POST_TIME: Duration = Duration::from_secs(15);

/// Of an answer nothing but its status counts. A short one is read, so that its connection can be used again.
const ANSWER_BYTES: usize = 64 * 1024;

type Plain = legacy::Client<HttpConnector, Full<Bytes>>;
type Secure = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Posts. Clones are handles to the same one.
#[derive(Clone)]
pub(crate) struct Posts {
    places: Arc<Semaphore>,
    plain: Plain,
    /// Made with the first address that has https: it reads this host's certificate authorities.
    secure: Arc<OnceCell<Secure>>,
}

impl Posts {
    pub(crate) fn new() -> Self {
        let plain = pool().build(connector());
        Self { places: Arc::new(Semaphore::new(POSTS)), plain, secure: Arc::new(OnceCell::new()) }
    }

    async fn send(&self, post: HttpPost) -> Result<u16, AwsCallError> {
        let _place = self.places.acquire().await.expect("the semaphore is never closed");
        let HttpPost { url, headers, body } = post;
        let mut request = Request::post(&url);
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| AwsCallError::Invalid(format!("{url}: {error}")))?;
        let sent = match request.uri().scheme_str() {
            Some("https") => self.secure().await?.request(request).await,
            _ => self.plain.request(request).await,
        };
        let (parts, body) = sent.map_err(|error| no_answer(&error))?.into_parts();
        // What is longer is left unread, and its connection closed.
        let _read = Limited::new(body, ANSWER_BYTES).collect().await;
        Ok(parts.status.as_u16())
    }

    async fn secure(&self) -> Result<&Secure, AwsCallError> {
        let make = || async {
            let roots = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| {
                AwsCallError::NoAnswer(format!("this host's certificate authorities cannot be read: {error}"))
            })?;
            Ok(pool().build(roots.https_only().enable_http1().wrap_connector(connector())))
        };
        self.secure.get_or_try_init(make).await
    }
}

impl PostHttp for Posts {
    fn post(&self, post: HttpPost) -> PostFuture {
        let posts = self.clone();
        Box::pin(async move {
            let elapsed = |_| AwsCallError::NoAnswer(format!("nothing came within {POST_TIME:?}"));
            tokio::time::timeout(POST_TIME, posts.send(post)).await.map_err(elapsed)?
        })
    }
}
