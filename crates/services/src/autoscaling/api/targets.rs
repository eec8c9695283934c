//! `RegisterScalableTarget`, `DeregisterScalableTarget`, `DescribeScalableTargets`.

use std::collections::{BTreeMap, VecDeque};

use lambent_wire::application_autoscaling::{error, types as t};
use lambent_wire::{EpochSeconds, Error};

use super::super::TARGETS;
use super::super::port::CapacityError;
use super::super::record::{Suspended, Target};
use super::{
    Context, check_namespace, check_resource, dimension, invalid, namespace, no_target, page, signed, tags,
};

pub(super) async fn register(
    context: &Context<'_>,
    input: t::RegisterScalableTargetRequest,
) -> Result<t::RegisterScalableTargetResponse, Error> {
    check_namespace(&input.service_namespace, Some(&input.scalable_dimension))?;
    let of = check_resource(context.scope, &input.resource_id)?;
    let (min, max) = (capacity(input.min_capacity)?, capacity(input.max_capacity)?);
    let new_tags = tags::checked(&BTreeMap::new(), input.tags.clone().unwrap_or_default(), "")?;
    match context.inner.lambda.current(&of).await {
        Ok(_) => {}
        Err(CapacityError::NotFound(_)) => {
            return Err(invalid(format!("Lambda function doesn't exist: {}", input.resource_id)));
        }
        Err(CapacityError::Refused(reason)) => return Err(invalid(reason)),
    }
    let others = context.inner.all(context.scope).await?.len();
    let (id, created) = (target_id(&context.inner.new_id()), context.inner.clock.now());
    let role = input.role_arn.clone().filter(|role| !role.is_empty()).unwrap_or_else(|| {
        format!(
            "arn:aws:iam::{}:role/aws-service-role/lambda.application-autoscaling.amazonaws.com/\
             AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency",
            context.scope.account
        )
    });
    let arn = context
        .inner
        .change(context.scope, &input.resource_id, |target| {
            let mut target = match target {
                Some(_) if !new_tags.is_empty() => {
                    return Err(invalid("Tags can be given to a new scalable target only; use TagResource"));
                }
                Some(target) => target,
                None if others >= TARGETS => {
                    return Err(error::limit_exceeded_exception(format!(
                        "the account has {TARGETS} scalable targets in this region"
                    )));
                }
                None => {
                    let (Some(min), Some(max)) = (min, max) else {
                        return Err(invalid("Minimum and maximum capacity must be specified"));
                    };
                    Target {
                        id: id.clone(),
                        min,
                        max,
                        role: role.clone(),
                        created,
                        suspended: Suspended::default(),
                        tags: new_tags.clone(),
                        policies: BTreeMap::new(),
                        actions: BTreeMap::new(),
                        activities: VecDeque::new(),
                    }
                }
            };
            (target.min, target.max) = (min.unwrap_or(target.min), max.unwrap_or(target.max));
            if target.max < target.min {
                return Err(invalid("Maximum capacity cannot be less than minimum capacity"));
            }
            if let Some(state) = &input.suspended_state {
                let Suspended { scale_in, scale_out, scheduled } = target.suspended;
                target.suspended = Suspended {
                    scale_in: state.dynamic_scaling_in_suspended.unwrap_or(scale_in),
                    scale_out: state.dynamic_scaling_out_suspended.unwrap_or(scale_out),
                    scheduled: state.scheduled_scaling_suspended.unwrap_or(scheduled),
                };
            }
            let arn = tags::arn(context.scope, &target.id);
            Ok((Some(target), arn))
        })
        .await?;
    Ok(t::RegisterScalableTargetResponse { scalable_target_arn: Some(arn) })
}

/// 34 letters and digits, as AWS's ids have.
fn target_id(uuid: &str) -> String {
    format!("{}{}", "0e", uuid.replace('-', ""))
}

pub(super) fn capacity(given: Option<i32>) -> Result<Option<u32>, Error> {
    given.map(|given| u32::try_from(given).map_err(|_| invalid("Capacity cannot be negative"))).transpose()
}

pub(super) async fn deregister(
    context: &Context<'_>,
    input: t::DeregisterScalableTargetRequest,
) -> Result<t::DeregisterScalableTargetResponse, Error> {
    check_namespace(&input.service_namespace, Some(&input.scalable_dimension))?;
    check_resource(context.scope, &input.resource_id)?;
    context
        .inner
        .change(context.scope, &input.resource_id, |target| match target {
            Some(_) => Ok((None, ())),
            None => Err(no_target(&input.resource_id)),
        })
        .await?;
    Ok(t::DeregisterScalableTargetResponse {})
}

pub(super) async fn describe(
    context: &Context<'_>,
    input: t::DescribeScalableTargetsRequest,
) -> Result<t::DescribeScalableTargetsResponse, Error> {
    check_namespace(&input.service_namespace, input.scalable_dimension.as_ref())?;
    let wanted = |resource: &String| input.resource_ids.as_ref().is_none_or(|ids| ids.contains(resource));
    let targets = context.inner.all(context.scope).await?.into_iter().filter(|(id, _)| wanted(id));
    let shown = targets.map(|(id, target)| (id.clone(), shown(context, id, &target))).collect();
    let (targets, next_token) = page(shown, input.max_results, input.next_token.as_deref())?;
    Ok(t::DescribeScalableTargetsResponse { scalable_targets: Some(targets), next_token })
}

fn shown(context: &Context<'_>, resource: String, target: &Target) -> t::ScalableTarget {
    let Suspended { scale_in, scale_out, scheduled } = target.suspended;
    t::ScalableTarget {
        service_namespace: Some(namespace()),
        resource_id: Some(resource),
        scalable_dimension: Some(dimension()),
        min_capacity: Some(signed(target.min)),
        max_capacity: Some(signed(target.max)),
        predicted_capacity: None,
        role_arn: Some(target.role.clone()),
        creation_time: Some(EpochSeconds(target.created)),
        suspended_state: Some(t::SuspendedState {
            dynamic_scaling_in_suspended: Some(scale_in),
            dynamic_scaling_out_suspended: Some(scale_out),
            scheduled_scaling_suspended: Some(scheduled),
        }),
        scalable_target_arn: Some(tags::arn(context.scope, &target.id)),
    }
}
