//! What scales provisioned concurrency calls Lambda as any client does: by requests of its API.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use lambent_control::Caller;
use lambent_model::{Clock, Entropy, Provisioning, ProvisioningStatus, RequestId, Target};
use lambent_services::autoscaling::{Autoscaling, Capacity, CapacityError, CapacityFuture};
use lambent_store::Store;
use lambent_wire::lambda::{SERVICE, op, types as t};
use lambent_wire::{Call, ClientError};
use tokio::sync::watch;

use crate::Config;
use crate::gateway::Gateway;

/// The service, which calls Lambda once the gateway is there.
pub(crate) fn service(
    store: &Store,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    gateway_made: watch::Receiver<Option<Arc<Gateway>>>,
    config: &Config,
) -> Autoscaling {
    let lambda = Arc::new(Lambda { gateway_made, entropy: Arc::clone(entropy) });
    let scale = config.scaling_time_scale.0;
    Autoscaling::new(store.clone(), Arc::clone(clock), Arc::clone(entropy), lambda, scale)
}

/// Lambda, once the gateway is there.
struct Lambda {
    gateway_made: watch::Receiver<Option<Arc<Gateway>>>,
    entropy: Arc<dyn Entropy>,
}

impl Lambda {
    async fn call<C: Call>(&self, target: &Target, input: &C::Input) -> Result<C::Output, CapacityError> {
        let refused = |reason: &dyn std::fmt::Display| CapacityError::Refused(reason.to_string());
        let mut made = self.gateway_made.clone();
        let gateway = made.wait_for(Option::is_some).await.ok().and_then(|made| made.clone());
        let gateway = gateway.ok_or_else(|| refused(&"the server is shutting down"))?;
        let request: Request<Bytes> =
            lambent_wire::encode_request::<C>(input).map_err(|error| refused(&error.message))?;
        let (parts, body) = request.into_parts();
        let matched = SERVICE.route(&parts).map_err(|error| refused(&error.message))?;
        let scope = target.function.scope.clone();
        // The role that Application Auto Scaling has by the name of the service (its User Guide, "Service-linked roles").
        let arn = format!(
            "arn:aws:sts::{}:assumed-role/AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency/AutoScaling",
            scope.account
        );
        let caller = Caller {
            scope,
            arn,
            service: None,
            is_account: false,
            is_function: false,
            base_url: String::new(),
        };
        let id = RequestId::random(&*self.entropy).to_string();
        let request = Request::from_parts(parts, body);
        let response = gateway.control.call(&matched, &caller, request, &id).await;
        lambent_wire::decode_response::<C>(response).map_err(|error| match error {
            ClientError::Service { code, message, .. } if code == "ResourceNotFoundException" => {
                CapacityError::NotFound(message)
            }
            other => CapacityError::Refused(other.to_string()),
        })
    }
}

/// What there is none of.
const ABSENT: &str = "ProvisionedConcurrencyConfigNotFoundException";

impl Capacity for Lambda {
    fn current(&self, target: &Target) -> CapacityFuture<'_, Option<Provisioning>> {
        let target = target.clone();
        Box::pin(async move {
            // The one that says how many environments are in use, which the API does not; where there is none, the API
            // says whether there could be.
            let mut made = self.gateway_made.clone();
            let gateway = made.wait_for(Option::is_some).await.ok().and_then(|made| made.clone());
            if let Some(gateway) = gateway
                && let Some(told) = gateway.control.provisioning(&target).await
            {
                return Ok(Some(told));
            }
            let input = t::GetProvisionedConcurrencyConfigRequest {
                function_name: target.function.to_string(),
                qualifier: qualifier(&target),
            };
            match self.call::<op::GetProvisionedConcurrencyConfig>(&target, &input).await {
                Ok(config) => Ok(Some(Provisioning {
                    requested: number(config.requested_provisioned_concurrent_executions),
                    allocated: number(config.allocated_provisioned_concurrent_executions),
                    available: number(config.available_provisioned_concurrent_executions),
                    in_use: 0,
                    status: ProvisioningStatus::InProgress,
                    reason: config.status_reason,
                })),
                Err(CapacityError::Refused(reason)) if reason.starts_with(ABSENT) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn set(&self, target: &Target, wanted: u32) -> CapacityFuture<'_, ()> {
        let target = target.clone();
        Box::pin(async move {
            let (function_name, qualifier) = (target.function.to_string(), qualifier(&target));
            if wanted == 0 {
                let input = t::DeleteProvisionedConcurrencyConfigRequest { function_name, qualifier };
                self.call::<op::DeleteProvisionedConcurrencyConfig>(&target, &input).await?;
                return Ok(());
            }
            let input = t::PutProvisionedConcurrencyConfigRequest {
                function_name,
                qualifier,
                provisioned_concurrent_executions: i32::try_from(wanted).unwrap_or(i32::MAX),
            };
            self.call::<op::PutProvisionedConcurrencyConfig>(&target, &input).await?;
            Ok(())
        })
    }
}

fn qualifier(target: &Target) -> String {
    target.qualifier.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn number(given: Option<i32>) -> u32 {
    given.and_then(|given| u32::try_from(given).ok()).unwrap_or(0)
}
