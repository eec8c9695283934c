//! A client of the server's public AWS API.

mod error;
mod settings;
mod transport;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use lambent_model::{Clock, Timestamp};
use lambent_wire::{Call, ClientError, decode_response, encode_request};

pub use error::Error;
pub use settings::{Endpoint, Settings, SettingsError};
use transport::Transport;

/// How long a call may take that changes or reads settings; the longest unpacks 250 MB.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an invocation may take: the longest timeout of a function, 900 s, and its cold start (AWS Lambda Developer
/// Guide: "Lambda quotas").
pub(crate) const INVOKE_PATIENCE: Duration = Duration::from_secs(960);

/// Calls the server, one call after the other over one connection.
pub struct Client {
    settings: Settings,
    transport: Transport,
    clock: Arc<dyn Clock>,
}

impl Client {
    /// A client that connects at its first call. The clock dates the signatures.
    #[must_use]
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let transport = Transport::new(settings.endpoint.clone());
        Self { settings, transport, clock }
    }

    /// Whom this client talks to, and as whom.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The present moment by the client's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Makes a call and waits for its answer.
    ///
    /// # Errors
    /// When no answer comes, or the server refuses.
    pub async fn call<C: Call>(&self, input: &C::Input) -> Result<C::Output, Error> {
        Ok(self.call_with_headers::<C>(input, PATIENCE).await?.0)
    }

    /// Makes a call that may take as long as `patience`; returns the answer's headers too.
    pub(crate) async fn call_with_headers<C: Call>(
        &self,
        input: &C::Input,
        patience: Duration,
    ) -> Result<(C::Output, HeaderMap), Error> {
        let mut request = encode_request::<C>(input).map_err(|error| Error::Request(error.into()))?;
        self.address(&mut request)?;
        let Settings { credentials, region, .. } = &self.settings;
        let service = C::OPERATION.service.name;
        lambent_identity::sign(&mut request, credentials, region, service, self.clock.now())
            .map_err(|error| Error::Request(error.into()))?;
        let response = self.transport.send(request, patience).await?;
        let headers = response.headers().clone();
        let output = decode_response::<C>(response).map_err(|error| self.refusal(error))?;
        Ok((output, headers))
    }

    /// Asks whether the server is ready to serve.
    ///
    /// # Errors
    /// When it cannot be reached; `Ok(false)` when it answers that it is not ready.
    pub async fn is_ready(&self) -> Result<bool, Error> {
        Ok(self.health().await?.status() == StatusCode::OK)
    }

    /// Whether as many sandboxes wait for functions as the server wants to.
    ///
    /// # Errors
    /// When it cannot be reached. One that says nothing of it wants none.
    pub(crate) async fn is_prewarmed(&self) -> Result<bool, Error> {
        let health = self.health().await?;
        let health: serde_json::Value = serde_json::from_slice(health.body()).unwrap_or_default();
        let number = |name: &str| health[name].as_u64().unwrap_or(0);
        Ok(number("prewarmed") >= number("prewarm_wanted"))
    }

    async fn health(&self) -> Result<Response<Bytes>, Error> {
        let mut request =
            Request::get("/_lambent/health").body(Bytes::new()).expect("the path is a constant");
        self.address(&mut request)?;
        self.transport.send(request, PATIENCE).await
    }

    fn refusal(&self, error: ClientError) -> Error {
        match error {
            // The status in place of a code: the answer came from something that knows nothing of AWS.
            ClientError::Service { ref code, .. } if code.parse::<u16>().is_ok() => self.not_aws(error),
            ClientError::Service { code, message, .. } => Error::Refused { code, message },
            malformed @ ClientError::Malformed { .. } => self.not_aws(malformed),
        }
    }

    fn not_aws(&self, error: ClientError) -> Error {
        Error::NotAws { address: self.settings.endpoint.to_string(), source: error.into() }
    }

    /// Says where the request goes and who asks, as HTTP/1.1 wants it.
    fn address(&self, request: &mut Request<Bytes>) -> Result<(), Error> {
        let host = HeaderValue::try_from(self.settings.endpoint.to_string());
        let headers = request.headers_mut();
        headers.insert(header::HOST, host.map_err(|error| Error::Request(error.into()))?);
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("lambent-cli/", env!("CARGO_PKG_VERSION"))),
        );
        Ok(())
    }
}

/// The host's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}
