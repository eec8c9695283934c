//! `CreateSchedule`, `UpdateSchedule`, `GetSchedule`, `DeleteSchedule`, `ListSchedules`.

use std::time::Duration;

use lambent_identity::policy::{Decision, Who};
use lambent_model::Timestamp;
use lambent_store::{Expect, Partition, Write};
use lambent_wire::scheduler::{error, types as t};
use lambent_wire::{EpochSeconds, Error};

use super::super::record::{self, DEFAULT, Schedule, Target, group_arn, schedule_arn, schedule_key};
use super::super::{call, invalid, unavailable};
use super::{Context, after, page_size, token};
use crate::schedule::Schedule as Expression;
use crate::sending::check_dead_letters;

/// The service's principal in trust policies.
const SERVICE: &str = "scheduler.amazonaws.com";
/// How long ago a schedule may begin that is made now.
const START_AGO: Duration = Duration::from_secs(5 * 60);

pub(super) async fn create(
    context: &Context<'_>,
    input: t::CreateScheduleInput,
) -> Result<t::CreateScheduleOutput, Error> {
    let (group, name) = (input.group_name.unwrap_or_else(|| DEFAULT.to_owned()), input.name);
    let now = context.inner.clock.now();
    let settings = Settings {
        expression: input.schedule_expression,
        zone: input.schedule_expression_timezone,
        start: input.start_date,
        end: input.end_date,
        description: input.description,
        state: input.state,
        key: input.kms_key_arn,
        target: input.target,
        window: input.flexible_time_window,
        after: input.action_after_completion,
    };
    let mut schedule = settings.read(context, &group, now).await?;
    check_start(&schedule, now)?;
    schedule.token = input.client_token;
    let arn = schedule_arn(context.scope, &group, &name);
    let _changing = context.inner.changing(&name).lock().await;
    context.open_group(&group).await?;
    if let Some((known, _)) = context.schedule(&group, &name).await? {
        // The same request once more, whose answer was lost.
        return match known.token.is_some() && known.token == schedule.token {
            true => Ok(t::CreateScheduleOutput { schedule_arn: Some(arn) }),
            false => Err(error::conflict_exception(format!("Schedule {name} already exists."))),
        };
    }
    keep(context, &group, &name, schedule, Expect::Absent).await?;
    Ok(t::CreateScheduleOutput { schedule_arn: Some(arn) })
}

/// "When you call UpdateSchedule, EventBridge Scheduler uses all values … and overrides the existing schedule."
pub(super) async fn update(
    context: &Context<'_>,
    input: t::UpdateScheduleInput,
) -> Result<t::UpdateScheduleOutput, Error> {
    let (group, name) = (input.group_name.unwrap_or_else(|| DEFAULT.to_owned()), input.name);
    let now = context.inner.clock.now();
    let settings = Settings {
        expression: input.schedule_expression,
        zone: input.schedule_expression_timezone,
        start: input.start_date,
        end: input.end_date,
        description: input.description,
        state: input.state,
        key: input.kms_key_arn,
        target: input.target,
        window: input.flexible_time_window,
        after: input.action_after_completion,
    };
    let schedule = settings.read(context, &group, now).await?;
    let _changing = context.inner.changing(&name).lock().await;
    context.open_group(&group).await?;
    let (known, _) = context.known_schedule(&group, &name).await?;
    let schedule = Schedule { created: known.created, token: known.token, ..schedule };
    keep(context, &group, &name, schedule, Expect::Any).await?;
    Ok(t::UpdateScheduleOutput { schedule_arn: Some(schedule_arn(context.scope, &group, &name)) })
}

/// Keeps a schedule together with the message that will wake it.
async fn keep(
    context: &Context<'_>,
    group: &str,
    name: &str,
    mut schedule: Schedule,
    expect: Expect,
) -> Result<(), Error> {
    let mut writes = Vec::new();
    if schedule.enabled
        && let Some((message, id)) =
            context.inner.first_wake(context.scope, group, name, &schedule, schedule.modified)
    {
        schedule.wake = Some(id);
        writes.push(message);
    }
    let key = schedule_key(context.scope, group, name);
    writes.push(Write::put(key, expect, &schedule).map_err(|error| unavailable(&error))?);
    context.inner.commit(writes).await
}

pub(super) async fn get(
    context: &Context<'_>,
    input: t::GetScheduleInput,
) -> Result<t::GetScheduleOutput, Error> {
    let group = input.group_name.unwrap_or_else(|| DEFAULT.to_owned());
    context.known_group(&group).await?;
    let (schedule, _) = context.known_schedule(&group, &input.name).await?;
    Ok(t::GetScheduleOutput {
        arn: Some(schedule_arn(context.scope, &group, &input.name)),
        group_name: Some(group),
        name: Some(input.name),
        state: Some(state(&schedule)),
        start_date: schedule.start.map(EpochSeconds),
        end_date: schedule.end.map(EpochSeconds),
        description: schedule.description,
        creation_date: Some(EpochSeconds(schedule.created)),
        last_modification_date: Some(EpochSeconds(schedule.modified)),
        kms_key_arn: None,
        schedule_expression: Some(schedule.expression),
        schedule_expression_timezone: Some(schedule.zone),
        target: Some(show(schedule.target)),
        flexible_time_window: Some(t::FlexibleTimeWindow {
            mode: match schedule.window_minutes {
                Some(_) => t::FlexibleTimeWindowMode::Flexible,
                None => t::FlexibleTimeWindowMode::Off,
            },
            maximum_window_in_minutes: schedule
                .window_minutes
                .and_then(|minutes| i32::try_from(minutes).ok()),
        }),
        // "NONE" is the default, and shown.
        action_after_completion: Some(match schedule.deleted_after {
            Some(true) => t::ActionAfterCompletion::Delete,
            _ => t::ActionAfterCompletion::None,
        }),
    })
}

pub(super) async fn delete(
    context: &Context<'_>,
    input: t::DeleteScheduleInput,
) -> Result<t::DeleteScheduleOutput, Error> {
    let group = input.group_name.unwrap_or_else(|| DEFAULT.to_owned());
    let _changing = context.inner.changing(&input.name).lock().await;
    context.known_group(&group).await?;
    context.known_schedule(&group, &input.name).await?;
    // Its message finds no schedule any more.
    let key = schedule_key(context.scope, &group, &input.name);
    context.inner.commit(vec![Write::Delete { key, expect: Expect::Any }]).await?;
    Ok(t::DeleteScheduleOutput {})
}

pub(super) async fn list(
    context: &Context<'_>,
    input: t::ListSchedulesInput,
) -> Result<t::ListSchedulesOutput, Error> {
    let size = page_size(input.max_results);
    let groups: Vec<String> = match &input.group_name {
        Some(group) => {
            context.known_group(group).await?;
            vec![group.clone()]
        }
        None => context.groups().await?.into_keys().collect(),
    };
    // No name of a group or a schedule holds a slash.
    let after = after(input.next_token.as_deref())?;
    let after = after.as_deref().and_then(|after| after.split_once('/'));
    let prefix = input.name_prefix.unwrap_or_default();
    let is_wanted = |name: &str, schedule: &Schedule| {
        name.starts_with(&prefix) && input.state.as_ref().is_none_or(|wanted| *wanted == state(schedule))
    };
    let mut shown = Vec::new();
    for group in groups.iter().filter(|group| after.is_none_or(|(last, _)| group.as_str() >= last)) {
        let mut from = after.filter(|(last, _)| last == group).map(|(_, name)| name.to_owned());
        loop {
            let page = context.page(group, from.as_deref(), size + 1).await?;
            let Some((last, _)) = page.last() else { break };
            from = Some(last.clone());
            let wanted = page.into_iter().filter(|(name, schedule)| is_wanted(name, schedule));
            shown.extend(wanted.map(|(name, schedule)| summary(context, group, name, schedule)));
            if shown.len() > size {
                break;
            }
        }
        if shown.len() > size {
            break;
        }
    }
    let more = shown.len() > size;
    shown.truncate(size);
    let last = shown.last().filter(|_| more).map(|last| {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        token(&format!("{}/{}", text(&last.group_name), text(&last.name)))
    });
    Ok(t::ListSchedulesOutput { next_token: last, schedules: Some(shown) })
}

fn summary(context: &Context<'_>, group: &str, name: String, schedule: Schedule) -> t::ScheduleSummary {
    t::ScheduleSummary {
        arn: Some(schedule_arn(context.scope, group, &name)),
        name: Some(name),
        group_name: Some(group.to_owned()),
        state: Some(state(&schedule)),
        creation_date: Some(EpochSeconds(schedule.created)),
        last_modification_date: Some(EpochSeconds(schedule.modified)),
        target: Some(t::TargetSummary { arn: Some(schedule.target.arn) }),
    }
}

fn state(schedule: &Schedule) -> t::ScheduleState {
    if schedule.enabled { t::ScheduleState::Enabled } else { t::ScheduleState::Disabled }
}

/// A recurring schedule that is made may not have begun long ago, as AWS observably has it. One that is changed keeps its
/// beginning: whoever changes it has to say all of it again.
fn check_start(schedule: &Schedule, now: Timestamp) -> Result<(), Error> {
    let recurs = !schedule.expression.starts_with("at(");
    match schedule.start {
        Some(start) if recurs && start.plus(START_AGO) < now => {
            Err(invalid("The StartDate you specify cannot be earlier than 5 minutes ago."))
        }
        _ => Ok(()),
    }
}

/// What a schedule is made of, from either request.
struct Settings {
    expression: String,
    zone: Option<String>,
    start: Option<EpochSeconds>,
    end: Option<EpochSeconds>,
    description: Option<String>,
    state: Option<t::ScheduleState>,
    key: Option<String>,
    target: t::Target,
    window: t::FlexibleTimeWindow,
    after: Option<t::ActionAfterCompletion>,
}

impl Settings {
    /// The schedule, if it can be kept to.
    async fn read(self, context: &Context<'_>, group: &str, now: Timestamp) -> Result<Schedule, Error> {
        let zone = self.zone.unwrap_or_else(|| "UTC".to_owned());
        Expression::parse("rate(1 minute)", Some(&zone))
            .map_err(|_fault| invalid("Provided ScheduleExpressionTimezone is not valid."))?;
        Expression::parse(&self.expression, Some(&zone))
            .map_err(|_fault| invalid(format!("Invalid Schedule Expression {}.", self.expression)))?;
        let (start, end) = (self.start.map(|at| at.0), self.end.map(|at| at.0));
        if let (Some(start), Some(end)) = (start, end)
            && end <= start
        {
            return Err(invalid("The EndDate you specify must come after the StartDate."));
        }
        if self.key.is_some() {
            return Err(invalid("lambent does not encrypt by KMS keys; leave KmsKeyArn out"));
        }
        let window_minutes = window(&self.window)?;
        let target = read_target(context, self.target)?;
        check_role(context, &target.role, group).await?;
        Ok(Schedule {
            expression: self.expression,
            zone,
            start,
            end,
            description: self.description,
            enabled: self.state.is_none_or(|state| state == t::ScheduleState::Enabled),
            target,
            window_minutes,
            deleted_after: self.after.map(|after| after == t::ActionAfterCompletion::Delete),
            created: now,
            modified: now,
            token: None,
            wake: None,
        })
    }
}

fn window(given: &t::FlexibleTimeWindow) -> Result<Option<u32>, Error> {
    let minutes = given.maximum_window_in_minutes.and_then(|minutes| u32::try_from(minutes).ok());
    match (&given.mode, minutes) {
        (t::FlexibleTimeWindowMode::Off, None) => Ok(None),
        (t::FlexibleTimeWindowMode::Flexible, Some(minutes)) => Ok(Some(minutes)),
        (t::FlexibleTimeWindowMode::Off, Some(_)) => {
            Err(invalid("MaximumWindowInMinutes must not be given where FlexibleTimeWindow is OFF."))
        }
        _ => Err(invalid("MaximumWindowInMinutes must be given where FlexibleTimeWindow is FLEXIBLE.")),
    }
}

/// A target that can be called.
fn read_target(context: &Context<'_>, given: t::Target) -> Result<Target, Error> {
    let foreign = [
        ("EcsParameters", given.ecs_parameters.is_some()),
        ("EventBridgePutEventsV2Parameters", given.event_bridge_put_events_v2_parameters.is_some()),
        ("EventBridgePutRawEventsParameters", given.event_bridge_put_raw_events_parameters.is_some()),
        ("KinesisParameters", given.kinesis_parameters.is_some()),
        ("SageMakerPipelineParameters", given.sage_maker_pipeline_parameters.is_some()),
    ];
    if let Some((name, _)) = foreign.iter().find(|(_, is_given)| *is_given) {
        return Err(invalid(format!("lambent has no target that takes {name}; leave it out")));
    }
    let number = |given: Option<i32>| given.and_then(|given| u32::try_from(given).ok());
    let policy = given.retry_policy;
    let target = Target {
        arn: given.arn,
        role: given.role_arn,
        input: given.input,
        dead_letters: given.dead_letter_config.and_then(|config| config.arn),
        retries: number(policy.as_ref().and_then(|policy| policy.maximum_retry_attempts)),
        age_seconds: number(policy.as_ref().and_then(|policy| policy.maximum_event_age_in_seconds)),
        group: given.sqs_parameters.and_then(|parameters| parameters.message_group_id),
        event: given.event_bridge_parameters.map(|parameters| (parameters.detail_type, parameters.source)),
    };
    if target.group.is_some() && !target.arn.contains(":sqs:") {
        return Err(invalid("SqsParameters can only be given for a target that is a queue of SQS."));
    }
    if target.event.is_some() && !target.arn.contains(":events:") {
        return Err(invalid("EventBridgeParameters can only be given for a target that is an event bus."));
    }
    if target.group.is_none() && target.arn.contains(":sqs:") && target.arn.ends_with(".fifo") {
        return Err(invalid("SqsParameters with a MessageGroupId must be given for a FIFO queue."));
    }
    call::check(&target, context.scope)
        .map_err(|reason| invalid(format!("Target {}: {reason}", target.arn)))?;
    let reached = |arn: &str| match context.inner.calls.not_reachable(arn) {
        Some(text) => Err(invalid(format!("Target {arn}: {text}"))),
        None => Ok(()),
    };
    match target.arn.strip_prefix("arn:aws:scheduler:::aws-sdk:").and_then(|action| action.split(':').next())
    {
        Some(service) => {
            let service = if service == "eventbridge" { "events" } else { service };
            reached(&format!("arn:aws:{service}:{}:{}:*", context.scope.region, context.scope.account))?;
        }
        None => reached(&target.arn)?,
    }
    if let Some(queue) = &target.dead_letters {
        check_dead_letters(queue).map_err(invalid)?;
        reached(queue)?;
    }
    Ok(target)
}

/// A role that IAM knows has to let the service assume it. What is sent along is the ARN of the schedule's group (User Guide,
/// "Confused deputy prevention").
async fn check_role(context: &Context<'_>, role: &str, group: &str) -> Result<(), Error> {
    let known = context.inner.iam.role_of_arn(role).await;
    let known = known.map_err(|failed| error::internal_server_exception(failed.message))?;
    let Some((account, role)) = known else { return Ok(()) };
    let source = group_arn(context.scope, group);
    let owner = context.scope.account.as_str();
    let keys = [("aws:SourceArn", &*source), ("aws:SourceAccount", owner)];
    match role.trusts(&account, Who::Service(SERVICE), &keys) {
        Decision::Allow => Ok(()),
        Decision::Deny | Decision::Silent => Err(invalid(
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
        )),
    }
}

fn show(target: Target) -> t::Target {
    let number = |given: Option<u32>| given.and_then(|given| i32::try_from(given).ok());
    let default = |given: Option<u32>, default: i32| Some(number(given).unwrap_or(default));
    t::Target {
        arn: target.arn,
        role_arn: target.role,
        dead_letter_config: target.dead_letters.map(|arn| t::DeadLetterConfig { arn: Some(arn) }),
        // Shown with its defaults, as on AWS.
        retry_policy: Some(t::RetryPolicy {
            maximum_event_age_in_seconds: default(target.age_seconds, 86_400),
            maximum_retry_attempts: default(target.retries, 185),
        }),
        input: target.input,
        ecs_parameters: None,
        event_bridge_parameters: target
            .event
            .map(|(detail_type, source)| t::EventBridgeParameters { detail_type, source }),
        event_bridge_put_events_v2_parameters: None,
        event_bridge_put_raw_events_parameters: None,
        kinesis_parameters: None,
        sage_maker_pipeline_parameters: None,
        sqs_parameters: target.group.map(|group| t::SqsParameters { message_group_id: Some(group) }),
    }
}

impl Context<'_> {
    /// A group that takes schedules.
    async fn open_group(&self, name: &str) -> Result<(), Error> {
        match self.known_group(name).await?.deleting {
            false => Ok(()),
            true => Err(error::conflict_exception(format!("Schedule group {name} is being deleted."))),
        }
    }

    async fn schedule(&self, group: &str, name: &str) -> Result<Option<(Schedule, u64)>, Error> {
        let record = self.inner.store.get(&schedule_key(self.scope, group, name)).await;
        let record = record.map_err(|error| unavailable(&error))?;
        let read = record.map(|record| Ok((record.decode()?, record.version)));
        read.transpose().map_err(|error| unavailable(&error))
    }

    async fn known_schedule(&self, group: &str, name: &str) -> Result<(Schedule, u64), Error> {
        let found = self.schedule(group, name).await?;
        found.ok_or_else(|| error::resource_not_found_exception(format!("Schedule {name} does not exist.")))
    }

    async fn page(
        &self,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Schedule)>, Error> {
        let partition = Partition { kind: record::SCHEDULE, partition: record::members(self.scope, group) };
        let records = self.inner.store.list(&partition, after, limit).await;
        let records = records.map_err(|error| unavailable(&error))?;
        let read = records.iter().map(|record| Ok((record.key.name.clone(), record.decode()?)));
        read.collect::<Result<_, _>>().map_err(|error| unavailable(&error))
    }
}
