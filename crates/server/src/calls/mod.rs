//! Calls of AWS services by the platform: this server's own in process, all others at their endpoints.
//!
//! An endpoint that is configured wins over a service of our own, so that one resource can live elsewhere. Each call is
//! tried once.

mod client;
mod posts;

use std::sync::Arc;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use lambent_identity::sign;
use lambent_model::{
    Arn, AwsAllowedFuture, AwsAnswer, AwsCall, AwsCallError, AwsCallFuture, AwsCaller, AwsRequest, Clock,
    PostHttp,
};
use lambent_wire::{ClientError, untyped};
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::endpoints::{Endpoint, Endpoints, Keys};
use crate::gateway::{Gateway, is_offered};

pub(crate) use client::{Client, ClientStartError};
use client::{DELIVERIES, POLLERS};
use posts::Posts;

/// The ways out, each with connections of its own.
pub(crate) struct Outside {
    /// Calls services.
    pub(crate) calls: Arc<dyn AwsCall>,
    /// Posts to other addresses.
    pub(crate) posts: Arc<dyn PostHttp>,
    /// Calls services for pollers, who wait for messages most of the time.
    pub(crate) polling: Arc<dyn AwsCall>,
}

impl Outside {
    pub(crate) fn new(
        endpoints: &Endpoints,
        keys: Keys,
        clock: &Arc<dyn Clock>,
        gateway: &watch::Sender<Option<Arc<Gateway>>>,
    ) -> Result<Self, ClientStartError> {
        let calls = |keys, places| {
            Calls::new(endpoints.clone(), keys, Arc::clone(clock), gateway.subscribe(), places)
        };
        let polling = Arc::new(calls(keys.clone(), POLLERS)?);
        let calls = calls(keys, DELIVERIES)?;
        Ok(Self { posts: Arc::new(Posts::new()), calls: Arc::new(calls), polling })
    }
}

/// Calls of AWS services.
struct Calls {
    endpoints: Endpoints,
    keys: Keys,
    client: Client,
    clock: Arc<dyn Clock>,
    /// Made last, for it holds much that makes calls.
    gateway: watch::Receiver<Option<Arc<Gateway>>>,
}

impl Calls {
    fn new(
        endpoints: Endpoints,
        keys: Keys,
        clock: Arc<dyn Clock>,
        gateway: watch::Receiver<Option<Arc<Gateway>>>,
        places: usize,
    ) -> Result<Self, ClientStartError> {
        let client = Client::new(endpoints.iter().any(Endpoint::is_secure), places)?;
        Ok(Self { endpoints, keys, client, clock, gateway })
    }

    fn remote(&self, endpoint: &Endpoint, call: &AwsRequest) -> AwsCallFuture {
        let url = endpoint.url(&call.scope);
        let keys = self.keys.of(endpoint, call.caller.account());
        let (region, now) = (call.scope.region.clone(), self.clock.now());
        let request = encoded(call, &url).and_then(|mut request| {
            sign(&mut request, &keys, &region, &call.service, now)
                .map_err(|error| AwsCallError::Invalid(error.to_string()))?;
            Ok(request)
        });
        let (client, service) = (self.client.clone(), call.service.clone());
        Box::pin(async move { answered(&service, client.send(request?).await?) })
    }

    fn inside(&self, call: AwsRequest) -> AwsCallFuture {
        let gateway = self.gateway.clone();
        Box::pin(async move {
            let gateway = arrived(gateway).await?;
            let request = encoded(&call, "http://localhost")?;
            answered(&call.service, gateway.call(&call, request).await)
        })
    }
}

impl AwsCall for Calls {
    fn not_reachable(&self, resource: &str) -> Option<String> {
        let service = service_of(resource);
        if self.endpoints.find(service, Some(resource)).is_some() || is_offered(service) {
            return None;
        }
        Some(format!(
            "this server has no {service} of its own and no endpoint for {resource}; name one with --aws-endpoint \
             {service}=URL or in [endpoints] of lambent.toml"
        ))
    }

    fn allowed(&self, caller: &AwsCaller, action: &str, resource: &str) -> AwsAllowedFuture {
        if self.endpoints.find(service_of(resource), Some(resource)).is_some() {
            return Box::pin(std::future::ready(Ok(())));
        }
        let (gateway, caller) = (self.gateway.clone(), caller.clone());
        let (action, resource) = (action.to_owned(), resource.to_owned());
        Box::pin(async move {
            let gateway = arrived(gateway).await?;
            gateway.permits.check(&caller, &action, &resource).await.map_err(|error| AwsCallError::Service {
                status: error.status.as_u16(),
                code: error.code.to_owned(),
                message: error.message,
            })
        })
    }

    fn call(&self, request: AwsRequest) -> AwsCallFuture {
        match self.endpoints.find(&request.service, request.resource.as_deref()) {
            Some(endpoint) => self.remote(endpoint, &request),
            None if is_offered(&request.service) => self.inside(request),
            None => {
                let resource = request.resource.as_deref().unwrap_or_default();
                let text = self
                    .not_reachable(resource)
                    .unwrap_or_else(|| format!("{} is not offered", request.service));
                Box::pin(std::future::ready(Err(AwsCallError::NotReachable(text))))
            }
        }
    }
}

/// The service that an ARN names; empty for what is none.
fn service_of(resource: &str) -> &str {
    Arn::parse(resource).map_or("", |arn| arn.service)
}

/// The gateway, once it has been made.
async fn arrived(mut gateway: watch::Receiver<Option<Arc<Gateway>>>) -> Result<Arc<Gateway>, AwsCallError> {
    let made = gateway.wait_for(Option::is_some).await.ok().and_then(|made| made.clone());
    made.ok_or_else(|| AwsCallError::NoAnswer("the server is going down".into()))
}

/// The request in the service's protocol, with the address of where it goes.
fn encoded(call: &AwsRequest, url: &str) -> Result<Request<Bytes>, AwsCallError> {
    let invalid = |text: String| AwsCallError::Invalid(text);
    let mut input: Map<String, Value> =
        serde_json::from_str(&call.input).map_err(|error| invalid(error.to_string()))?;
    if call.service == "sqs"
        && let Some(name) = call.resource.as_deref().and_then(|arn| arn.rsplit(':').next())
        && !input.contains_key("QueueUrl")
    {
        // Amazon SQS Developer Guide, "Queue and message identifiers": the address, the account, the name.
        input.insert("QueueUrl".into(), format!("{url}/{}/{name}", call.scope.account).into());
    }
    let mut request =
        untyped::request(&call.service, &call.operation, input, call.payload.clone()).map_err(invalid)?;
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    *request.uri_mut() =
        format!("{url}{target}").parse().map_err(|error| invalid(format!("{url}: {error}")))?;
    let authority = request.uri().authority().map_or("localhost", |authority| authority.as_str());
    let host = HeaderValue::from_str(authority).map_err(|_| invalid(format!("{authority} is no host")))?;
    request.headers_mut().insert(HOST, host);
    if call.service == "s3" {
        // S3 wants the body's hash in a header (S3 API Reference, "Authenticating Requests").
        use sha2::Digest as _;
        let hash = lambent_model::Sha256(sha2::Sha256::digest(request.body()).into()).to_string();
        let hash = HeaderValue::from_str(&hash).expect("hexadecimal digits can stand in a header");
        request.headers_mut().insert("x-amz-content-sha256", hash);
    }
    if let Some(trace_id) = call.trace_id.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
        request.headers_mut().insert("x-amzn-trace-id", trace_id);
    }
    Ok(request)
}

fn answered(service: &str, response: Response<Bytes>) -> Result<AwsAnswer, AwsCallError> {
    untyped::answer(service, response).map(|body| AwsAnswer { body }).map_err(|error| match error {
        ClientError::Service { code, message, status, .. } => {
            AwsCallError::Service { status: status.as_u16(), code, message }
        }
        malformed @ ClientError::Malformed { .. } => AwsCallError::NoAnswer(malformed.to_string()),
    })
}
