//! `StartMessageMoveTask`, `CancelMessageMoveTask`, `ListMessageMoveTasks`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambent_model::RequestId;
use lambent_store::Write;
use lambent_wire::Error;
use lambent_wire::sqs::{error, types as t};

use super::{ACTIVE, FASTEST, KEPT, KIND, Status, Task, put};
use crate::Context;
use crate::batch::Entries;
use crate::names::{QueueName, invalid_parameter, invalid_value};
use crate::queue::{Queue, failed};

pub(crate) async fn start(
    context: &Context<'_>,
    input: t::StartMessageMoveTaskRequest,
) -> Result<t::StartMessageMoveTaskResult, Error> {
    let inner = context.inner;
    let source = named(context, &input.source_arn, "SourceArn")?;
    if let Some(target) = &input.destination_arn {
        let target = named(context, target, "DestinationArn")?;
        if target.name == source.name || target.fifo != source.fifo {
            return Err(invalid_value(
                &target.arn,
                "DestinationArn",
                "The destination has to be another queue of the same type as the source.",
            ));
        }
    }
    let sources =
        inner.queues.all(|queue| queue.redrive.as_ref().is_some_and(|redrive| redrive.target == source.name));
    if sources.is_empty() {
        return Err(invalid_parameter("Source queue must be configured as a Dead Letter Queue."));
    }
    let per_second = match input.max_number_of_messages_per_second {
        None => None,
        Some(wanted) => {
            Some(u32::try_from(wanted).ok().filter(|rate| (1..=FASTEST).contains(rate)).ok_or_else(|| {
                invalid_value(
                    &wanted.to_string(),
                    "MaxNumberOfMessagesPerSecond",
                    "Must be between 1 and 500.",
                )
            })?)
        }
    };
    let now = inner.clock.now();
    let depth = inner.store.depth(source.stored.mailbox, now, None).await.map_err(|e| failed(&e))?;
    let mut tasks = inner.moves.tasks.lock().await;
    let running = || tasks.values().filter(|task| task.status == Status::Running);
    if running().any(|task| task.source == source.arn) {
        return Err(error::unsupported_operation(
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
        ));
    }
    let account = format!(":{}:", source.name.scope.account);
    if running().filter(|task| task.source.contains(&account)).count() >= ACTIVE {
        return Err(error::over_limit(format!("{ACTIVE} message move tasks may be active at once.")));
    }
    let task = Task {
        source: source.arn.clone(),
        target: input.destination_arn,
        per_second,
        status: Status::Running,
        started: now,
        to_move: depth.visible + depth.delayed,
        moved: 0,
        failure: None,
    };
    let id = RequestId::random(&*inner.entropy).to_string();
    let mut writes = vec![put(&id, &task).map_err(|e| failed(&e))?];
    let mut of_source: Vec<(&String, &Task)> =
        tasks.iter().filter(|(_, task)| task.source == source.arn).collect();
    of_source.sort_by_key(|(_, task)| std::cmp::Reverse(task.started));
    let old: Vec<String> = of_source.into_iter().skip(KEPT - 1).map(|(id, _)| id.clone()).collect();
    for id in &old {
        let Write::Put { key, expect, .. } = put(id, &task).map_err(|e| failed(&e))? else {
            unreachable!("a task is put")
        };
        debug_assert_eq!(key.kind, KIND);
        writes.push(Write::Delete { key, expect });
    }
    inner.store.commit(writes).await.map_err(|e| failed(&e))?;
    tasks.retain(|id, _| !old.contains(id));
    let handle = handle(&id, &task.source);
    tasks.insert(id, task);
    inner.moves.started.notify_one();
    Ok(t::StartMessageMoveTaskResult { task_handle: Some(handle) })
}

pub(crate) async fn cancel(
    context: &Context<'_>,
    input: t::CancelMessageMoveTaskRequest,
) -> Result<t::CancelMessageMoveTaskResult, Error> {
    let absent = || error::resource_not_found_exception("Task does not exist.");
    let (id, source) = read_handle(&input.task_handle)
        .ok_or_else(|| invalid_value(&input.task_handle, "TaskHandle", "It is not the handle of a task."))?;
    let name = QueueName::of_arn(&source).filter(|name| name.scope == context.caller.scope);
    name.ok_or_else(absent)?;
    let mut tasks = context.inner.moves.tasks.lock().await;
    let task = tasks.get_mut(&id).filter(|task| task.source == source).ok_or_else(absent)?;
    if task.status != Status::Running {
        return Err(error::unsupported_operation("Only active tasks can be cancelled."));
    }
    let cancelled = Task { status: Status::Cancelled, ..task.clone() };
    let write = put(&id, &cancelled).map_err(|e| failed(&e))?;
    context.inner.store.commit(vec![write]).await.map_err(|e| failed(&e))?;
    *task = cancelled;
    Ok(t::CancelMessageMoveTaskResult {
        approximate_number_of_messages_moved: i64::try_from(task.moved).ok(),
    })
}

pub(crate) async fn list(
    context: &Context<'_>,
    input: t::ListMessageMoveTasksRequest,
) -> Result<t::ListMessageMoveTasksResult, Error> {
    let source = named(context, &input.source_arn, "SourceArn")?;
    let wanted = input.max_results.unwrap_or(1);
    let count = usize::try_from(wanted)
        .ok()
        .filter(|count| (1..=KEPT).contains(count))
        .ok_or_else(|| invalid_value(&wanted.to_string(), "MaxResults", "Must be between 1 and 10."))?;
    let tasks = context.inner.moves.tasks.lock().await;
    let mut found: Vec<_> = tasks.iter().filter(|(_, task)| task.source == source.arn).collect();
    found.sort_by_key(|(_, task)| std::cmp::Reverse(task.started));
    let results = found.into_iter().take(count).map(|(id, task)| entry(id, task)).collect();
    Ok(t::ListMessageMoveTasksResult { results: Entries(results).some() })
}

fn entry(id: &str, task: &Task) -> t::ListMessageMoveTasksResultEntry {
    let status = match task.status {
        Status::Running => "RUNNING",
        Status::Completed => "COMPLETED",
        Status::Cancelled => "CANCELLED",
        Status::Failed => "FAILED",
    };
    t::ListMessageMoveTasksResultEntry {
        // "If the status … is not RUNNING, the TaskHandle … is not returned."
        task_handle: (task.status == Status::Running).then(|| handle(id, &task.source)),
        status: Some(status.to_owned()),
        source_arn: Some(task.source.clone()),
        destination_arn: task.target.clone(),
        max_number_of_messages_per_second: task.per_second.and_then(|rate| i32::try_from(rate).ok()),
        approximate_number_of_messages_moved: i64::try_from(task.moved).ok(),
        approximate_number_of_messages_to_move: i64::try_from(task.to_move).ok(),
        failure_reason: task.failure.clone(),
        started_timestamp: Some(task.started.millis()),
    }
}

/// A queue of the caller's own.
fn named(context: &Context<'_>, arn: &str, parameter: &str) -> Result<Arc<Queue>, Error> {
    let name = QueueName::of_arn(arn)
        .ok_or_else(|| invalid_value(arn, parameter, "It is not the ARN of a queue."))?;
    let found = context.inner.queues.find(&name).filter(|_| name.scope == context.caller.scope);
    found.ok_or_else(|| {
        error::resource_not_found_exception(format!(
            "The resource that you specified for the {parameter} parameter doesn't exist."
        ))
    })
}

fn handle(id: &str, source: &str) -> String {
    STANDARD.encode(serde_json::json!({"taskId": id, "sourceArn": source}).to_string())
}

fn read_handle(text: &str) -> Option<(String, String)> {
    let value: serde_json::Value = serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()?;
    let part = |name: &str| value.get(name)?.as_str().map(str::to_owned);
    Some((part("taskId")?, part("sourceArn")?))
}
