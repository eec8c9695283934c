//! `PutScheduledAction`, `DeleteScheduledAction`, `DescribeScheduledActions`.

use lambent_model::Scope;
use lambent_wire::application_autoscaling::types as t;
use lambent_wire::{EpochSeconds, Error};

use super::super::record::{Action, NAMESPACE};
use super::targets::capacity;
use super::{
    Context, absent, check_namespace, check_resource, dimension, invalid, namespace, no_target, page, signed,
};
use crate::schedule::Schedule;

pub(super) async fn put(
    context: &Context<'_>,
    input: t::PutScheduledActionRequest,
) -> Result<t::PutScheduledActionResponse, Error> {
    check_namespace(&input.service_namespace, Some(&input.scalable_dimension))?;
    check_resource(context.scope, &input.resource_id)?;
    let (min, max) = match &input.scalable_target_action {
        Some(action) => (capacity(action.min_capacity)?, capacity(action.max_capacity)?),
        None => (None, None),
    };
    if let (Some(min), Some(max)) = (min, max)
        && max < min
    {
        return Err(invalid("Maximum capacity cannot be less than minimum capacity"));
    }
    let (start, end) = (input.start_time.map(|at| at.0), input.end_time.map(|at| at.0));
    if let (Some(start), Some(end)) = (start, end)
        && end.millis() <= start.millis()
    {
        return Err(invalid("End time must be after start time"));
    }
    let (id, now, name) = (context.inner.new_id(), context.inner.clock.now(), &input.scheduled_action_name);
    context
        .inner
        .change(context.scope, &input.resource_id, |target| {
            let mut target = target.ok_or_else(|| no_target(&input.resource_id))?;
            let known = target.actions.get(name);
            // "If you specify the same name, the action is updated": what is not given stays.
            let schedule = input.schedule.clone().or_else(|| known.map(|known| known.schedule.clone()));
            let schedule = schedule.ok_or_else(|| invalid("Schedule must be specified"))?;
            let zone = input.timezone.clone().or_else(|| known.and_then(|known| known.zone.clone()));
            Schedule::parse(&schedule, zone.as_deref()).map_err(invalid)?;
            let (min, max) = (
                min.or_else(|| known.and_then(|known| known.min)),
                max.or_else(|| known.and_then(|known| known.max)),
            );
            if min.is_none() && max.is_none() {
                return Err(invalid("At least one of MinCapacity and MaxCapacity must be specified"));
            }
            let action = Action {
                id: known.map_or_else(|| id.clone(), |known| known.id.clone()),
                schedule,
                zone,
                start: start.or_else(|| known.and_then(|known| known.start)),
                end: end.or_else(|| known.and_then(|known| known.end)),
                min,
                max,
                created: known.map_or(now, |known| known.created),
                done: now,
            };
            target.actions.insert(name.clone(), action);
            Ok((Some(target), ()))
        })
        .await?;
    Ok(t::PutScheduledActionResponse {})
}

pub(super) async fn delete(
    context: &Context<'_>,
    input: t::DeleteScheduledActionRequest,
) -> Result<t::DeleteScheduledActionResponse, Error> {
    check_namespace(&input.service_namespace, Some(&input.scalable_dimension))?;
    check_resource(context.scope, &input.resource_id)?;
    let name = &input.scheduled_action_name;
    let absent = || absent("scheduled action", &input.resource_id, Some(("scheduled action", name)));
    context
        .inner
        .change(context.scope, &input.resource_id, |target| {
            let mut target = target.ok_or_else(absent)?;
            target.actions.remove(name).ok_or_else(absent)?;
            Ok((Some(target), ()))
        })
        .await?;
    Ok(t::DeleteScheduledActionResponse {})
}

pub(super) async fn describe(
    context: &Context<'_>,
    input: t::DescribeScheduledActionsRequest,
) -> Result<t::DescribeScheduledActionsResponse, Error> {
    check_namespace(&input.service_namespace, input.scalable_dimension.as_ref())?;
    let mut shown = Vec::new();
    for (resource, target) in context.inner.all(context.scope).await? {
        if input.resource_id.as_ref().is_some_and(|wanted| *wanted != resource) {
            continue;
        }
        for (name, action) in &target.actions {
            if input.scheduled_action_names.as_ref().is_none_or(|names| names.contains(name)) {
                let action = show(context.scope, &resource, name, action);
                shown.push((format!("{resource}/{name}"), action));
            }
        }
    }
    shown.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (actions, next_token) = page(shown, input.max_results, input.next_token.as_deref())?;
    Ok(t::DescribeScheduledActionsResponse { scheduled_actions: Some(actions), next_token })
}

fn show(scope: &Scope, resource: &str, name: &str, action: &Action) -> t::ScheduledAction {
    t::ScheduledAction {
        scheduled_action_name: Some(name.to_owned()),
        scheduled_action_arn: Some(format!(
            "arn:aws:autoscaling:{}:{}:scheduledAction:{}:resource/{NAMESPACE}/{resource}:scheduledActionName/{name}",
            scope.region, scope.account, action.id
        )),
        service_namespace: Some(namespace()),
        schedule: Some(action.schedule.clone()),
        timezone: action.zone.clone(),
        resource_id: Some(resource.to_owned()),
        scalable_dimension: Some(dimension()),
        start_time: action.start.map(EpochSeconds),
        end_time: action.end.map(EpochSeconds),
        scalable_target_action: Some(t::ScalableTargetAction {
            min_capacity: action.min.map(signed),
            max_capacity: action.max.map(signed),
        }),
        creation_time: Some(EpochSeconds(action.created)),
    }
}
