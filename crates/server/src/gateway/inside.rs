//! Calls that the platform makes of its own services: the same way as any other, without a connection.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use lambent_control::Caller;
use lambent_identity::{Principal, RoleSession};
use lambent_model::{AwsCaller, AwsRequest, RequestId, Scope};
use lambent_wire::common;

use super::{Gateway, objects, service};

/// Whether this server offers a service, by its name in signatures.
pub(crate) fn is_offered(name: &str) -> bool {
    objects::is_objects(name) || service(name).is_some()
}

impl Gateway {
    /// Asks the policies whether the caller may, and makes the call.
    pub(crate) async fn call(
        self: &Arc<Self>,
        call: &AwsRequest,
        request: Request<Bytes>,
    ) -> Response<Bytes> {
        let request_id = RequestId::random(&*self.entropy);
        if objects::is_objects(&call.service) {
            return self.call_bucket(call, request, request_id).await;
        }
        let request_id = request_id.to_string();
        let Some(service) = service(&call.service) else {
            let error = common::not_implemented(format!("lambent does not offer {}", call.service));
            return lambent_wire::lambda::SERVICE.error_response(&error, &request_id);
        };
        let dialect = service.dialect(request.headers());
        // A role calls from its own account, a service in the account of what it calls.
        let (principal, arn, by) = match &call.caller {
            AwsCaller::Role { account, role, session } => {
                let session = RoleSession::for_function(account.clone(), role, session);
                let arn = session.to_string();
                (Principal::AssumedRole(session), arn, None)
            }
            AwsCaller::Service { name, .. } => {
                (Principal::Root(call.scope.account.clone()), name.clone(), Some(name.clone()))
            }
        };
        let scope = Scope { account: principal.account().clone(), region: call.scope.region.clone() };
        let action = action(&call.service, &call.operation);
        // What names no resource is about all of them.
        let resource = match call.service.as_ref() {
            "logs" => stream_of(call),
            _ => call.resource.clone(),
        };
        let resource = resource.as_deref().unwrap_or("*");
        if let Err(error) = self.permits.check(&call.caller, &action, resource).await {
            return dialect.error_response(&error, &request_id);
        }
        let (parts, body) = request.into_parts();
        let routed = match dialect.is_routed_by_body() {
            true => service.route_form(&parts, &body),
            false => service.route(&parts),
        };
        let matched = match routed {
            Ok(matched) => matched,
            Err(error) => return dialect.error_response(&error, &request_id),
        };
        let base_url = "http://localhost".to_owned();
        // In a function's name, mostly.
        let caller = Caller { scope, arn, service: by, is_account: false, is_function: true, base_url };
        let request = Request::from_parts(parts, body);
        let response = self.dispatch(&matched, &caller, &principal, request, &request_id).await;
        lambent_sqs::Later::resolve(response).await
    }
}

impl Gateway {
    /// The same for S3, whose answers are made elsewhere.
    async fn call_bucket(
        &self,
        call: &AwsRequest,
        request: Request<Bytes>,
        request_id: RequestId,
    ) -> Response<Bytes> {
        let action = action(&call.service, &call.operation);
        let resource = objects::resource(call).unwrap_or_else(|| "*".to_owned());
        if let Err(error) = self.permits.check(&call.caller, &action, &resource).await {
            return objects::denied(&error, &request_id);
        }
        self.call_objects(call, objects::principal(&call.caller, call), request, request_id).await
    }
}

/// The stream that log events go to: log groups have `:*` behind their ARNs in policies, which stands for it (Service
/// Authorization Reference, "Actions, resources, and condition keys for Amazon CloudWatch Logs").
fn stream_of(call: &AwsRequest) -> Option<String> {
    let group = call.resource.as_deref()?;
    let input: serde_json::Value = serde_json::from_str(&call.input).ok()?;
    Some(format!("{group}:log-stream:{}", input["logStreamName"].as_str().unwrap_or_default()))
}

/// The action that policies know an operation by. Batches are allowed by what they are batches of (Service Authorization
/// Reference: "Actions, resources, and condition keys for Amazon SQS", "… for Amazon SNS", "… for AWS Lambda").
pub(super) fn action(service: &str, operation: &str) -> String {
    match (service, operation) {
        ("lambda", "Invoke" | "InvokeAsync" | "InvokeWithResponseStream") => {
            "lambda:InvokeFunction".to_owned()
        }
        ("sqs" | "sns", batch) => format!("{service}:{}", batch.strip_suffix("Batch").unwrap_or(batch)),
        _ => format!("{service}:{operation}"),
    }
}
