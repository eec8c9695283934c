//! `PutTargets`, `RemoveTargets`, `ListTargetsByRule`.

use lambent_store::{Expect, Write};
use lambent_wire::Error;
use lambent_wire::events::{error, types as t};

use super::super::names::BusName;
use super::super::records::{Rule, Target, rule_key};
use super::super::transform::Input;
use super::super::{invalid, log_target, unavailable};
use super::{Context, page};
use crate::sending::{Kind, check_dead_letters};

/// "Targets per rule: 5" (EventBridge User Guide, "Amazon EventBridge quotas").
const TARGETS: usize = 5;

pub(super) async fn put(
    context: &Context<'_>,
    input: t::PutTargetsRequest,
) -> Result<t::PutTargetsResponse, Error> {
    let targets: Vec<Target> =
        input.targets.into_iter().map(|target| read(context, target)).collect::<Result<_, _>>()?;
    let _changing = context.inner.changing.lock().await;
    let (bus, _) = context.bus(input.event_bus_name.as_deref()).await?;
    let mut rule = context.rule(&bus, &input.rule).await?;
    for target in targets {
        match rule.targets.iter_mut().find(|known| known.id == target.id) {
            Some(known) => *known = target,
            None => rule.targets.push(target),
        }
    }
    if rule.targets.len() > TARGETS {
        return Err(error::limit_exceeded_exception(
            "The requested resource exceeds the maximum number allowed.",
        ));
    }
    store(context, &bus, &input.rule, &rule).await?;
    Ok(t::PutTargetsResponse { failed_entry_count: Some(0), failed_entries: Some(Vec::new()) })
}

pub(super) async fn remove(
    context: &Context<'_>,
    input: t::RemoveTargetsRequest,
) -> Result<t::RemoveTargetsResponse, Error> {
    let _changing = context.inner.changing.lock().await;
    let (bus, _) = context.bus(input.event_bus_name.as_deref()).await?;
    let mut rule = context.rule(&bus, &input.rule).await?;
    rule.targets.retain(|target| !input.ids.contains(&target.id));
    store(context, &bus, &input.rule, &rule).await?;
    Ok(t::RemoveTargetsResponse { failed_entry_count: Some(0), failed_entries: Some(Vec::new()) })
}

pub(super) async fn list(
    context: &Context<'_>,
    input: t::ListTargetsByRuleRequest,
) -> Result<t::ListTargetsByRuleResponse, Error> {
    let (bus, _) = context.bus(input.event_bus_name.as_deref()).await?;
    let mut targets = context.rule(&bus, &input.rule).await?.targets;
    targets.sort_by(|one, other| one.id.cmp(&other.id));
    let shown = targets.into_iter().map(|target| (target.id.clone(), show(target)));
    let (targets, next_token) = page(shown, input.limit, input.next_token.as_deref())?;
    Ok(t::ListTargetsByRuleResponse { targets: Some(targets), next_token })
}

async fn store(context: &Context<'_>, bus: &BusName, name: &str, rule: &Rule) -> Result<(), Error> {
    let write = Write::put(rule_key(bus, name), Expect::Any, rule).map_err(|error| unavailable(&error))?;
    context.inner.commit(vec![write]).await?;
    context.inner.cache.forget(bus);
    Ok(())
}

/// A target that can be kept to.
fn read(context: &Context<'_>, given: t::Target) -> Result<Target, Error> {
    let id = given.id.clone();
    refuse_foreign(&given)?;
    let kind = Kind::of(&given.arn).map_err(|text| invalid(format!("Target {id}: {text}")))?;
    // "For Lambda, Amazon SNS, Amazon SQS, and Amazon CloudWatch Logs resources, EventBridge uses resource-based policies";
    // of these, log groups alone are refused with a role.
    if kind == Kind::LogGroup && given.role_arn.as_ref().is_some_and(|role| !role.is_empty()) {
        return Err(invalid(format!("RoleArn is not supported for target {}.", given.arn)));
    }
    // Events go to other buses without a call.
    if let Some(text) = context.inner.calls.not_reachable(&given.arn).filter(|_| kind != Kind::Bus) {
        return Err(invalid(format!("Target {id}: {text}")));
    }
    let input = read_input(&given)?;
    input.check(&id).map_err(invalid)?;
    if kind == Kind::LogGroup {
        log_target::check(&id, &input).map_err(invalid)?;
    }
    if kind == Kind::Bus && input != Input::Event {
        return Err(invalid(format!(
            "Target {id}: events go to other event buses as they are, without Input"
        )));
    }
    let group = given.sqs_parameters.and_then(|parameters| parameters.message_group_id);
    if group.is_some() && kind != Kind::Queue {
        return Err(invalid(format!("Parameter(s) SqsParameters not valid for target: {id}.")));
    }
    if group.is_none() && given.arn.ends_with(".fifo") && kind == Kind::Queue {
        return Err(invalid(format!("Parameter(s) SqsParameters must be specified for target: {id}.")));
    }
    let dead_letters = given.dead_letter_config.and_then(|config| config.arn);
    if let Some(arn) = &dead_letters {
        check_dead_letters(arn).map_err(|text| invalid(format!("Target {id}: {text}")))?;
        if let Some(text) = context.inner.calls.not_reachable(arn) {
            return Err(invalid(format!("Target {id}: {text}")));
        }
    }
    let number = |given: Option<i32>| given.and_then(|given| u32::try_from(given).ok());
    let policy = given.retry_policy.unwrap_or_default();
    Ok(Target {
        id,
        arn: given.arn,
        role: given.role_arn.filter(|role| !role.is_empty()),
        input,
        group,
        dead_letters,
        retries: number(policy.maximum_retry_attempts),
        age_seconds: number(policy.maximum_event_age_in_seconds),
    })
}

fn read_input(given: &t::Target) -> Result<Input, Error> {
    match (&given.input, &given.input_path, &given.input_transformer) {
        (None, None, None) => Ok(Input::Event),
        (Some(text), None, None) => Ok(Input::Constant(text.clone())),
        (None, Some(path), None) => Ok(Input::Path(path.clone())),
        (None, None, Some(transformer)) => Ok(Input::Template {
            paths: transformer.input_paths_map.clone().unwrap_or_default(),
            template: transformer.input_template.clone(),
        }),
        _ => Err(invalid(format!(
            "Only one of Input, InputPath, or InputTransformer must be provided for target {}.",
            given.id
        ))),
    }
}

/// Parameters of services that this server does not deliver to: accepted they would do nothing.
fn refuse_foreign(given: &t::Target) -> Result<(), Error> {
    let foreign = [
        ("KinesisParameters", given.kinesis_parameters.is_some()),
        ("RunCommandParameters", given.run_command_parameters.is_some()),
        ("EcsParameters", given.ecs_parameters.is_some()),
        ("BatchParameters", given.batch_parameters.is_some()),
        ("HttpParameters", given.http_parameters.is_some()),
        ("RedshiftDataParameters", given.redshift_data_parameters.is_some()),
        ("SageMakerPipelineParameters", given.sage_maker_pipeline_parameters.is_some()),
        ("AppSyncParameters", given.app_sync_parameters.is_some()),
    ];
    match foreign.iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((name, _)) => Err(invalid(format!("Parameter(s) {name} not valid for target: {}.", given.id))),
    }
}

fn show(target: Target) -> t::Target {
    let mut shown = t::Target {
        id: target.id,
        arn: target.arn,
        role_arn: target.role,
        input: None,
        input_path: None,
        input_transformer: None,
        kinesis_parameters: None,
        run_command_parameters: None,
        ecs_parameters: None,
        batch_parameters: None,
        sqs_parameters: target.group.map(|group| t::SqsParameters { message_group_id: Some(group) }),
        http_parameters: None,
        redshift_data_parameters: None,
        sage_maker_pipeline_parameters: None,
        dead_letter_config: target.dead_letters.map(|arn| t::DeadLetterConfig { arn: Some(arn) }),
        retry_policy: None,
        app_sync_parameters: None,
    };
    let number = |given: Option<u32>| given.and_then(|given| i32::try_from(given).ok());
    if target.retries.is_some() || target.age_seconds.is_some() {
        shown.retry_policy = Some(t::RetryPolicy {
            maximum_retry_attempts: number(target.retries),
            maximum_event_age_in_seconds: number(target.age_seconds),
        });
    }
    match target.input {
        Input::Event => {}
        Input::Constant(text) => shown.input = Some(text),
        Input::Path(path) => shown.input_path = Some(path),
        Input::Template { paths, template } => {
            let input_paths_map = if paths.is_empty() { None } else { Some(paths) };
            shown.input_transformer = Some(t::InputTransformer { input_paths_map, input_template: template });
        }
    }
    shown
}
