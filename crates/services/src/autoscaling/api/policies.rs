//! `PutScalingPolicy`, `DeleteScalingPolicy`, `DescribeScalingPolicies`: target tracking on the utilization of provisioned
//! concurrency.

use lambent_model::Scope;
use lambent_wire::application_autoscaling::types as t;
use lambent_wire::{EpochSeconds, Error};

use super::super::record::{NAMESPACE, Policy};
use super::{
    Context, absent, check_namespace, check_resource, dimension, invalid, namespace, no_target, page, signed,
};

/// The one metric of Lambda that can be tracked.
const METRIC: &str = "LambdaProvisionedConcurrencyUtilization";

pub(super) async fn put(
    context: &Context<'_>,
    input: t::PutScalingPolicyRequest,
) -> Result<t::PutScalingPolicyResponse, Error> {
    check_namespace(&input.service_namespace, Some(&input.scalable_dimension))?;
    check_resource(context.scope, &input.resource_id)?;
    match input.policy_type.as_ref().map(t::PolicyType::as_str) {
        Some("TargetTrackingScaling") => {}
        // The default of the API is step scaling.
        None | Some("StepScaling") => {
            return Err(invalid(
                "lambent does not support StepScaling, which needs CloudWatch alarms; use the policy type \
                 TargetTrackingScaling",
            ));
        }
        Some(other) => return Err(invalid(format!("lambent does not support the policy type {other}"))),
    }
    let Some(config) = input.target_tracking_scaling_policy_configuration else {
        return Err(invalid("Target tracking scaling policy configuration must be specified"));
    };
    let (id, created) = (context.inner.new_id(), context.inner.clock.now());
    let new = policy(config, id, created)?;
    let name = &input.policy_name;
    let policy_arn = context
        .inner
        .change(context.scope, &input.resource_id, |target| {
            let mut target = target.ok_or_else(|| no_target(&input.resource_id))?;
            let mut policy = new.clone();
            match target.policies.iter().find(|(known, _)| *known != name) {
                // Two that track the same metric would work against each other.
                Some((other, _)) => {
                    return Err(invalid(format!(
                        "Only one TargetTrackingScaling policy for a given metric specification is allowed: {other}"
                    )));
                }
                None => {
                    if let Some(known) = target.policies.get(name) {
                        (policy.id, policy.created) = (known.id.clone(), known.created);
                    }
                }
            }
            let arn = arn(context.scope, &input.resource_id, name, &policy);
            target.policies.insert(name.clone(), policy);
            Ok((Some(target), arn))
        })
        .await?;
    Ok(t::PutScalingPolicyResponse { policy_arn: Some(policy_arn), alarms: Some(Vec::new()) })
}

fn policy(
    config: t::TargetTrackingScalingPolicyConfiguration,
    id: String,
    created: lambent_model::Timestamp,
) -> Result<Policy, Error> {
    if config.customized_metric_specification.is_some() {
        return Err(invalid(
            "lambent does not support CustomizedMetricSpecification, which needs CloudWatch's metrics; use the \
             predefined metric LambdaProvisionedConcurrencyUtilization",
        ));
    }
    let Some(metric) = config.predefined_metric_specification else {
        return Err(invalid("Predefined or customized metric specification must be specified"));
    };
    if metric.predefined_metric_type.as_str() != METRIC || metric.resource_label.is_some() {
        return Err(invalid(format!(
            "Invalid predefined metric specification: the metric of Lambda is {METRIC}"
        )));
    }
    // A part of all environments: at 0 there would be no end to scaling out, and above 1 no beginning.
    if !(config.target_value > 0.0 && config.target_value <= 1.0) {
        return Err(invalid(format!("Target value of {METRIC} must be greater than 0 and at most 1")));
    }
    let seconds = |given: Option<i32>| {
        given
            .map(|given| u32::try_from(given).map_err(|_| invalid("Cooldown cannot be negative")))
            .transpose()
    };
    Ok(Policy {
        id,
        target: config.target_value,
        out_cooldown: seconds(config.scale_out_cooldown)?,
        in_cooldown: seconds(config.scale_in_cooldown)?,
        disable_scale_in: config.disable_scale_in,
        created,
    })
}

fn arn(scope: &Scope, resource: &str, name: &str, policy: &Policy) -> String {
    format!(
        "arn:aws:autoscaling:{}:{}:scalingPolicy:{}:resource/{NAMESPACE}/{resource}:policyName/{name}",
        scope.region, scope.account, policy.id
    )
}

pub(super) async fn delete(
    context: &Context<'_>,
    input: t::DeleteScalingPolicyRequest,
) -> Result<t::DeleteScalingPolicyResponse, Error> {
    check_namespace(&input.service_namespace, Some(&input.scalable_dimension))?;
    check_resource(context.scope, &input.resource_id)?;
    let absent = || absent("scaling policy", &input.resource_id, Some(("policy", &input.policy_name)));
    context
        .inner
        .change(context.scope, &input.resource_id, |target| {
            let mut target = target.ok_or_else(absent)?;
            target.policies.remove(&input.policy_name).ok_or_else(absent)?;
            Ok((Some(target), ()))
        })
        .await?;
    Ok(t::DeleteScalingPolicyResponse {})
}

pub(super) async fn describe(
    context: &Context<'_>,
    input: t::DescribeScalingPoliciesRequest,
) -> Result<t::DescribeScalingPoliciesResponse, Error> {
    check_namespace(&input.service_namespace, input.scalable_dimension.as_ref())?;
    let mut shown = Vec::new();
    for (resource, target) in context.inner.all(context.scope).await? {
        if input.resource_id.as_ref().is_some_and(|wanted| *wanted != resource) {
            continue;
        }
        for (name, policy) in &target.policies {
            if input.policy_names.as_ref().is_none_or(|names| names.contains(name)) {
                let policy = show(context.scope, &resource, name, policy);
                shown.push((format!("{resource}/{name}"), policy));
            }
        }
    }
    shown.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (policies, next_token) = page(shown, input.max_results, input.next_token.as_deref())?;
    Ok(t::DescribeScalingPoliciesResponse { scaling_policies: Some(policies), next_token })
}

fn show(scope: &Scope, resource: &str, name: &str, policy: &Policy) -> t::ScalingPolicy {
    let config = t::TargetTrackingScalingPolicyConfiguration {
        target_value: policy.target,
        predefined_metric_specification: Some(t::PredefinedMetricSpecification {
            predefined_metric_type: METRIC.into(),
            resource_label: None,
        }),
        customized_metric_specification: None,
        scale_out_cooldown: policy.out_cooldown.map(signed),
        scale_in_cooldown: policy.in_cooldown.map(signed),
        disable_scale_in: policy.disable_scale_in,
    };
    t::ScalingPolicy {
        policy_arn: Some(arn(scope, resource, name, policy)),
        policy_name: Some(name.to_owned()),
        service_namespace: Some(namespace()),
        resource_id: Some(resource.to_owned()),
        scalable_dimension: Some(dimension()),
        policy_type: Some("TargetTrackingScaling".into()),
        step_scaling_policy_configuration: None,
        target_tracking_scaling_policy_configuration: Some(config),
        predictive_scaling_policy_configuration: None,
        // There are none: the server watches the utilization itself.
        alarms: Some(Vec::new()),
        creation_time: Some(EpochSeconds(policy.created)),
    }
}
