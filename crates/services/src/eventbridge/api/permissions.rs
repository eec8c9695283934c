//! `PutPermission`, `RemovePermission`: the policy of a bus (EventBridge User Guide, "Permissions for event buses").

use lambent_identity::policy::{Document, PolicyKind};
use lambent_store::Expect;
use lambent_wire::events::{error, types as t};
use lambent_wire::{Empty, Error};
use serde_json::{Value, json};

use super::super::invalid;
use super::super::names::BusName;
use super::{Context, buses};

/// "Event bus policy size: 10,240 characters" (User Guide, "Amazon EventBridge quotas").
const POLICY_BYTES: usize = 10_240;

pub(super) async fn put(context: &Context<'_>, input: t::PutPermissionRequest) -> Result<Empty, Error> {
    let _changing = context.inner.changing.lock().await;
    let (name, mut bus) = context.bus(input.event_bus_name.as_deref()).await?;
    let policy = match &input.policy {
        Some(policy) => policy.clone(),
        None => {
            let statement = statement(&name, &input)?;
            let mut document = read(bus.policy.as_deref());
            let statements = document["Statement"].as_array_mut().expect("`read` makes it a list");
            statements.retain(|known| known["Sid"] != statement["Sid"]);
            statements.push(statement);
            document.to_string()
        }
    };
    Document::parse(&policy, PolicyKind::Resource)
        .map_err(|error| invalid(format!("Parameter Policy is not valid. Reason: {error}")))?;
    if policy.len() > POLICY_BYTES {
        return Err(error::policy_length_exceeded_exception("EventBus policy length exceeded."));
    }
    bus.policy = Some(policy);
    bus.modified = Some(context.inner.clock.now());
    buses::store(context, &name, &bus, Expect::Any).await?;
    Ok(Empty {})
}

pub(super) async fn remove(context: &Context<'_>, input: t::RemovePermissionRequest) -> Result<Empty, Error> {
    let _changing = context.inner.changing.lock().await;
    let (name, mut bus) = context.bus(input.event_bus_name.as_deref()).await?;
    if input.remove_all_permissions == Some(true) {
        bus.policy = None;
    } else {
        let wanted = input.statement_id.ok_or_else(|| invalid("Parameter StatementId must be specified."))?;
        if bus.policy.is_none() {
            return Err(error::resource_not_found_exception("EventBus does not have a policy."));
        }
        let mut document = read(bus.policy.as_deref());
        let statements = document["Statement"].as_array_mut().expect("`read` makes it a list");
        let before = statements.len();
        statements.retain(|known| known["Sid"] != json!(wanted));
        if statements.len() == before {
            return Err(error::resource_not_found_exception(
                "Statement with the provided id does not exist.",
            ));
        }
        bus.policy = if statements.is_empty() { None } else { Some(document.to_string()) };
    }
    bus.modified = Some(context.inner.clock.now());
    buses::store(context, &name, &bus, Expect::Any).await?;
    Ok(Empty {})
}

/// The statement that the older parameters stand for.
fn statement(bus: &BusName, input: &t::PutPermissionRequest) -> Result<Value, Error> {
    let given = |value: &Option<String>, name: &str| {
        value.clone().ok_or_else(|| invalid(format!("Parameter {name} must be specified.")))
    };
    let principal = given(&input.principal, "Principal")?;
    let action = given(&input.action, "Action")?;
    if action != "events:PutEvents" {
        return Err(invalid("Provided value in parameter 'action' is not supported."));
    }
    let principal =
        if principal == "*" { json!("*") } else { json!({"AWS": format!("arn:aws:iam::{principal}:root")}) };
    let mut statement = json!({
        "Sid": given(&input.statement_id, "StatementId")?,
        "Effect": "Allow",
        "Principal": principal,
        "Action": action,
        "Resource": bus.arn(),
    });
    if let Some(t::Condition { r#type, key, value }) = &input.condition {
        statement["Condition"] = json!({r#type: {key: value}});
    }
    Ok(statement)
}

/// A policy with its statements as a list.
pub(in super::super) fn read(policy: Option<&str>) -> Value {
    let found = policy.and_then(|policy| serde_json::from_str::<Value>(policy).ok());
    let mut document = found.unwrap_or_else(|| json!({"Version": "2012-10-17", "Statement": []}));
    if !document["Statement"].is_array() {
        document["Statement"] = json!([document["Statement"].take()]);
    }
    document
}
