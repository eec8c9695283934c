//! `StartReplay`, `CancelReplay`, `DescribeReplay`, `ListReplays`.

use lambent_store::{Expect, Write};
use lambent_wire::events::{error, types as t};
use lambent_wire::{EpochSeconds, Error};

use super::super::names::replay_arn;
use super::super::records::{Replay, replay_key};
use super::super::{archive, invalid, unavailable};
use super::{Context, archives, begins, page};

/// "Concurrent replays: 10" (EventBridge User Guide, "Amazon EventBridge quotas").
const AT_ONCE: usize = 10;

pub(super) async fn start(
    context: &Context<'_>,
    input: t::StartReplayRequest,
) -> Result<t::StartReplayResponse, Error> {
    let (scope, name) = (context.scope, &input.replay_name);
    let (from, to) = (input.event_start_time.0, input.event_end_time.0);
    if to <= from {
        return Err(invalid(
            "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.",
        ));
    }
    let _changing = context.inner.changing.lock().await;
    let kept = archives::by_arn(context, &input.event_source_arn).await?;
    // "You can only replay events to the same event bus that the events were archived from."
    if kept.source != input.destination.arn {
        return Err(invalid(
            "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.",
        ));
    }
    let replays = context.inner.replays(scope).await?;
    if replays.iter().any(|(known, _)| known == name) {
        return Err(error::resource_already_exists_exception(format!("Replay {name} already exists.")));
    }
    if replays.iter().filter(|(_, replay)| replay.ended.is_none()).count() >= AT_ONCE {
        return Err(error::limit_exceeded_exception(
            "The requested resource exceeds the maximum number allowed.",
        ));
    }
    let now = context.inner.clock.now();
    let replay = Replay {
        source: input.event_source_arn,
        description: input.description,
        destination: input.destination.arn,
        rules: input.destination.filter_arns.unwrap_or_default(),
        from,
        to,
        state: "STARTING".to_owned(),
        reason: None,
        started: now,
        ended: None,
        last: None,
        queue: kept.queue,
    };
    let put = Write::put(replay_key(scope, name), Expect::Absent, &replay);
    let writes = vec![put.map_err(|error| unavailable(&error))?, archive::first_step(scope, name, &replay)];
    context.inner.commit(writes).await?;
    Ok(t::StartReplayResponse {
        replay_arn: Some(replay_arn(scope, name)),
        state: Some(t::ReplayState::Starting),
        state_reason: None,
        replay_start_time: Some(EpochSeconds(now)),
    })
}

pub(super) async fn cancel(
    context: &Context<'_>,
    input: t::CancelReplayRequest,
) -> Result<t::CancelReplayResponse, Error> {
    let name = &input.replay_name;
    let _changing = context.inner.changing.lock().await;
    let mut replay = found(context, name).await?;
    if replay.ended.is_some() {
        return Err(error::illegal_status_exception(format!(
            "Replay {name} is not in a valid state for this operation."
        )));
    }
    // No step is under way while this is held, so there is nothing to wait for as on AWS.
    replay.state = "CANCELLED".to_owned();
    replay.ended = Some(context.inner.clock.now());
    let put = Write::put(replay_key(context.scope, name), Expect::Any, &replay);
    context.inner.commit(vec![put.map_err(|error| unavailable(&error))?]).await?;
    Ok(t::CancelReplayResponse {
        replay_arn: Some(replay_arn(context.scope, name)),
        state: Some(t::ReplayState::Cancelling),
        state_reason: None,
    })
}

pub(super) async fn describe(
    context: &Context<'_>,
    input: t::DescribeReplayRequest,
) -> Result<t::DescribeReplayResponse, Error> {
    let replay = found(context, &input.replay_name).await?;
    let filter_arns = if replay.rules.is_empty() { None } else { Some(replay.rules) };
    Ok(t::DescribeReplayResponse {
        replay_arn: Some(replay_arn(context.scope, &input.replay_name)),
        replay_name: Some(input.replay_name),
        description: replay.description,
        state: Some(replay.state.into()),
        state_reason: replay.reason,
        event_source_arn: Some(replay.source),
        destination: Some(t::ReplayDestination { arn: replay.destination, filter_arns }),
        event_start_time: Some(EpochSeconds(replay.from)),
        event_end_time: Some(EpochSeconds(replay.to)),
        event_last_replayed_time: replay.last.map(EpochSeconds),
        replay_start_time: Some(EpochSeconds(replay.started)),
        replay_end_time: replay.ended.map(EpochSeconds),
    })
}

pub(super) async fn list(
    context: &Context<'_>,
    input: t::ListReplaysRequest,
) -> Result<t::ListReplaysResponse, Error> {
    let is_wanted = |name: &str, replay: &Replay| {
        begins(name, input.name_prefix.as_ref())
            && input.event_source_arn.as_ref().is_none_or(|source| *source == replay.source)
            && input.state.as_ref().is_none_or(|state| state.as_str() == replay.state)
    };
    let replays = context.inner.replays(context.scope).await?;
    let replays = replays.into_iter().filter(|(name, replay)| is_wanted(name, replay));
    let shown = replays.map(|(name, replay)| {
        let shown = t::Replay {
            replay_name: Some(name.clone()),
            event_source_arn: Some(replay.source),
            state: Some(replay.state.into()),
            state_reason: replay.reason,
            event_start_time: Some(EpochSeconds(replay.from)),
            event_end_time: Some(EpochSeconds(replay.to)),
            event_last_replayed_time: replay.last.map(EpochSeconds),
            replay_start_time: Some(EpochSeconds(replay.started)),
            replay_end_time: replay.ended.map(EpochSeconds),
        };
        (name, shown)
    });
    let (replays, next_token) = page(shown, input.limit, input.next_token.as_deref())?;
    Ok(t::ListReplaysResponse { replays: Some(replays), next_token })
}

async fn found(context: &Context<'_>, name: &str) -> Result<Replay, Error> {
    let found = context.inner.replay(context.scope, name).await?;
    found.ok_or_else(|| error::resource_not_found_exception(format!("Replay {name} does not exist.")))
}
