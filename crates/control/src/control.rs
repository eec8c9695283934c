//! The entry: one call in, one answer out.

use std::sync::Arc;

use bytes::Bytes;
use lambent_model::{
    AcceptEvent, Arn, AwsCall, AwsCaller, Clock, Entropy, FunctionArn, Invoke, Provisioning, RevisionId,
    Scope, Target, TrustedRoles,
};
use lambent_store::{CodeStore, Store};
use lambent_wire::lambda::{SERVICE, op};
use lambent_wire::{Call as _, Error, Matched};
use tokio::sync::mpsc;

use crate::dispatch;
use crate::operation::invoke_with_response_stream;
use crate::outlet::Outlet;
use crate::refuse;
use crate::request::Context;
use crate::settle::QUEUE;
use crate::usage::{Usage, Usages};
use crate::{Caller, FindFolder, LocationSigner, ReadObject, Snapshots};

/// What `CreateFunction` makes of a runtime identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeStatus {
    /// Taken, whether or not this host has it.
    Accepted,
    /// AWS no longer creates functions with it, and neither do we.
    Retired,
    /// Not a runtime.
    Unknown,
}

/// The action by which something is sent to a resource of a service, and what AWS's texts call the service.
fn sending(service: &str) -> Option<(&'static str, &'static str)> {
    Some(match service {
        "sqs" => ("sqs:SendMessage", "SQS"),
        "sns" => ("sns:Publish", "SNS"),
        "events" => ("events:PutEvents", "EventBridge"),
        "s3" => ("s3:PutObject", "S3"),
        "lambda" => ("lambda:InvokeFunction", "Lambda"),
        _ => return None,
    })
}

/// What control has to know about runtimes.
#[derive(Clone, Copy)]
pub struct RuntimeRules {
    /// What to make of an identifier.
    pub status: fn(&str) -> RuntimeStatus,
    /// The identifiers that are accepted.
    pub accepted: fn() -> Vec<&'static str>,
    /// Whether a variable's name is the platform's.
    pub is_reserved: fn(&str) -> bool,
}

/// What a [`Control`] is made of.
pub struct Parts {
    /// Function records.
    pub store: Store,
    /// Deployment packages.
    pub code: CodeStore,
    /// Runs functions.
    pub invoke: Arc<dyn Invoke>,
    /// Reads packages that lie in S3.
    pub objects: Arc<dyn ReadObject>,
    /// Knows which folders may be run as they are.
    pub folders: Arc<dyn FindFolder>,
    /// Calls other AWS services.
    pub calls: Arc<dyn AwsCall>,
    /// Keeps events for functions.
    pub events: Arc<dyn AcceptEvent>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub entropy: Arc<dyn Entropy>,
    /// Runtimes.
    pub runtimes: RuntimeRules,
    /// Knows which roles trust Lambda.
    pub roles: Arc<dyn TrustedRoles>,
    /// Takes snapshots, and knows of which versions there are some.
    pub snapshots: Arc<dyn Snapshots>,
    /// Signs `Code.Location`.
    pub location: LocationSigner,
}

/// The Lambda API.
pub struct Control {
    pub(crate) parts: Parts,
    settle: mpsc::Sender<FunctionArn>,
    usages: Usages,
}

impl Control {
    /// The API, and the queue that [`Control::settle`] has to be run with.
    #[must_use]
    pub fn new(parts: Parts) -> (Self, mpsc::Receiver<FunctionArn>) {
        let (settle, queue) = mpsc::channel(QUEUE);
        let usages = Usages::new(parts.store.clone());
        (Self { parts, settle, usages }, queue)
    }

    /// Answers one call, for which the service's table of routes has found `matched`.
    pub async fn call(
        &self,
        matched: &Matched,
        caller: &Caller,
        request: http::Request<Bytes>,
        request_id: &str,
    ) -> http::Response<Bytes> {
        let (parts, body) = request.into_parts();
        let trace_id = parts.headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
        let context = Context { control: self, caller, request_id, trace_id };
        let answered = dispatch::answer(&context, matched, &parts, body).await;
        answered.unwrap_or_else(|error| SERVICE.error_response(&error, request_id))
    }

    /// Whether the answer to a call begins before it is whole: [`Control::stream`] makes it then.
    #[must_use]
    pub fn streams(matched: &Matched) -> bool {
        std::ptr::eq(matched.operation(), op::InvokeWithResponseStream::OPERATION)
    }

    /// Answers a call into `outlet`, and returns when that has ended. What is returned counts where nothing has begun.
    pub async fn stream(
        &self,
        matched: &Matched,
        caller: &Caller,
        request: http::Request<Bytes>,
        request_id: &str,
        outlet: Outlet,
    ) -> http::Response<Bytes> {
        let (parts, body) = request.into_parts();
        let trace_id = parts.headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
        let context = Context { control: self, caller, request_id, trace_id };
        let answered = match matched.decode::<op::InvokeWithResponseStream>(&parts, body) {
            Ok(input) => invoke_with_response_stream::answer(&context, input, outlet).await,
            Err(error) => Err(error),
        };
        answered.unwrap_or_else(|error| SERVICE.error_response(&error, request_id))
    }

    /// Refuses destinations of records and events where nothing could ever arrive, or to which the function's role may
    /// send nothing, as AWS does (Developer Guide, "Adding a dead-letter queue": required permissions).
    pub(crate) async fn check_destinations<'a>(
        &self,
        function: &FunctionArn,
        role: &str,
        destinations: impl IntoIterator<Item = &'a String>,
    ) -> Result<(), Error> {
        let invalid = crate::refuse::invalid;
        let calls = &self.parts.calls;
        let (account, session) = (function.scope.account.clone(), function.name.clone());
        let caller = AwsCaller::Role { account, role: role.to_owned(), session };
        for arn in destinations.into_iter().filter(|arn| !arn.is_empty()) {
            if let Some(reason) = calls.not_reachable(arn) {
                return Err(invalid(format!("The destination cannot be reached: {reason}")));
            }
            // What is none of these has been refused by its form.
            let Some((action, service)) = Arn::parse(arn).and_then(|arn| sending(arn.service)) else {
                continue;
            };
            let resource = match action {
                "s3:PutObject" => format!("{arn}/aws/lambda/async/{}/", function.name),
                _ => arn.clone(),
            };
            if let Err(error) = calls.allowed(&caller, action, &resource).await {
                if !error.is_refusal() {
                    return Err(refuse::call(&error));
                }
                let (_, operation) = action.split_once(':').unwrap_or(("", action));
                return Err(invalid(format!(
                    "The provided execution role does not have permissions to call {operation} on {service}"
                )));
            }
        }
        Ok(())
    }

    /// The environments that are kept initialised for a version or alias, with what is in use of them, which CloudWatch
    /// would say on AWS; `None` where none are.
    pub async fn provisioning(&self, target: &Target) -> Option<Provisioning> {
        self.parts.invoke.provisioning(target).await
    }

    /// Has an accepted change settled.
    pub(crate) async fn settle_soon(&self, arn: FunctionArn) {
        // Closed means that the server is going down; the next start settles what is left.
        let _closed = self.settle.send(arn).await;
    }

    pub(crate) fn new_revision(&self) -> RevisionId {
        RevisionId::random(&*self.parts.entropy)
    }

    pub(crate) fn stamp(&self) -> lambent_lambda::Stamp {
        lambent_lambda::Stamp { at: self.parts.clock.now(), revision: self.new_revision() }
    }

    /// What an account and region use.
    pub(crate) async fn usage(&self, scope: &Scope) -> Result<Usage, Error> {
        self.usages.of(scope).await.map_err(|error| refuse::store(&error))
    }
}
