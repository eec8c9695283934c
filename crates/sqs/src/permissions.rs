//! `AddPermission`, `RemovePermission`: statements of the queue's policy by their labels.

use lambent_identity::policy::{Document, Effect, OneOrMany, Ordered, PolicyKind, Principals, Statement};
use lambent_model::AccountId;
use lambent_wire::Error;
use lambent_wire::sqs::{error, types as t};

use crate::Context;
use crate::names::{invalid_parameter, invalid_value, missing};
use crate::queue::Queue;

/// "A policy can have up to 20 statements", "50 principals" (Amazon SQS Developer Guide, "Amazon SQS policy quotas").
const STATEMENTS: usize = 20;
const PRINCIPALS: usize = 50;
/// "Actions per statement: 7".
const ACTIONS: usize = 7;
/// "The maximum length is 80 characters": labels.
const LABEL: usize = 80;

/// What can be permitted this way; batches are permitted by what they are batches of.
const PERMITTED: [&str; 9] = [
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
];

pub(crate) async fn add(context: &Context<'_>, input: t::AddPermissionRequest) -> Result<(), Error> {
    let queue = context.queue(&input.queue_url, "AddPermission")?;
    let statement = statement(&queue, input)?;
    change(context, &queue, |document| {
        if document.statement.iter().any(|other| other.sid == statement.sid) {
            let label = statement.sid.clone().unwrap_or_default();
            return Err(invalid_value(&label, "Label", "Already exists."));
        }
        document.statement.push(statement);
        match document.statement.len() > STATEMENTS {
            true => Err(error::over_limit(format!("{STATEMENTS} statements per queue are allowed."))),
            false => Ok(()),
        }
    })
    .await
}

pub(crate) async fn remove(context: &Context<'_>, input: t::RemovePermissionRequest) -> Result<(), Error> {
    let queue = context.queue(&input.queue_url, "RemovePermission")?;
    change(context, &queue, |document| {
        let before = document.statement.len();
        document.statement.retain(|statement| statement.sid.as_deref() != Some(&input.label));
        match document.statement.len() == before {
            true => Err(invalid_value(&input.label, "Label", "can't find label on existing policy.")),
            false => Ok(()),
        }
    })
    .await
}

fn statement(queue: &Queue, input: t::AddPermissionRequest) -> Result<Statement, Error> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    if !(1..=LABEL).contains(&input.label.len()) || !input.label.bytes().all(plain) {
        return Err(invalid_value(
            &input.label,
            "Label",
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        ));
    }
    if input.aws_account_ids.is_empty() {
        return Err(missing("AWSAccountIds"));
    }
    if input.actions.is_empty() {
        return Err(missing("Actions"));
    }
    if input.actions.len() > ACTIONS {
        let text = format!("{} Actions were found, maximum allowed is {ACTIONS}.", input.actions.len());
        return Err(error::over_limit(text));
    }
    if input.aws_account_ids.len() > PRINCIPALS {
        return Err(error::over_limit(format!("{PRINCIPALS} principals per statement are allowed.")));
    }
    if let Some(action) = input.actions.iter().find(|action| !PERMITTED.contains(&action.as_str())) {
        return Err(invalid_value(
            &format!("SQS:{action}"),
            "ActionName",
            "Please refer to the appropriate WSDL for a list of valid actions.",
        ));
    }
    let mut arns = Vec::new();
    for account in &input.aws_account_ids {
        let id: AccountId =
            account.parse().map_err(|_| invalid_value(account, "PrincipalId", "Unable to verify."))?;
        arns.push(format!("arn:aws:iam::{id}:root"));
    }
    let actions = input.actions.iter().map(|action| format!("SQS:{action}")).collect();
    Ok(Statement {
        sid: Some(input.label),
        effect: Effect::Allow,
        principal: Some(Principals::Kinds(Ordered(vec![("AWS".to_owned(), few(arns))]))),
        not_principal: None,
        action: Some(few(actions)),
        not_action: None,
        resource: Some(OneOrMany::One(queue.arn.clone())),
        not_resource: None,
        condition: None,
    })
}

fn few(mut texts: Vec<String>) -> OneOrMany {
    match texts.len() {
        1 => OneOrMany::One(texts.remove(0)),
        _ => OneOrMany::Many(texts),
    }
}

async fn change(
    context: &Context<'_>,
    queue: &Queue,
    change: impl FnOnce(&mut Document) -> Result<(), Error>,
) -> Result<(), Error> {
    let now = context.inner.clock.now();
    let changed = |stored: &mut crate::queue::Stored| {
        let mut document = match stored.attributes.text("Policy") {
            Some(text) => Document::parse(text, PolicyKind::Resource)
                .map_err(|error| invalid_parameter(format!("the queue's policy cannot be read: {error}")))?,
            None => Document {
                version: Some("2008-10-17".to_owned()),
                id: Some(format!("{}/SQSDefaultPolicy", queue.arn)),
                statement: Vec::new(),
            },
        };
        change(&mut document)?;
        let text = (!document.statement.is_empty())
            .then(|| serde_json::to_string(&document).expect("policies always have a JSON form"));
        stored.attributes.put("Policy", text);
        stored.modified = now;
        Ok(())
    };
    context.inner.queues.change(&queue.name, changed).await
}
