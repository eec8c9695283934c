//! `CreateLogGroup` and `CreateLogStream`.

use lambent_model::Scope;
use lambent_wire::Empty;
use lambent_wire::logs::error::resource_already_exists_exception;
use lambent_wire::logs::{CreateLogGroupRequest, CreateLogStreamRequest, LogGroupClass};

use super::super::catalog::write;
use super::super::store::Change;
use super::arn::named_group;
use super::{Refusal, invalid, tags};

pub(super) fn group(
    change: &mut Change<'_>,
    scope: &Scope,
    input: CreateLogGroupRequest,
) -> Result<Empty, Refusal> {
    check(&input)?;
    let name = &input.log_group_name;
    let class = input.log_group_class.unwrap_or(LogGroupClass::Standard);
    if !write::create_group(change.conn, scope, name, class.as_str(), change.now_ms)? {
        return Err(resource_already_exists_exception("The specified log group already exists").into());
    }
    if let Some(tags) = &input.tags {
        let group = named_group(change.conn, scope, name)?;
        tags::check(tags)?;
        write::tag(change.conn, group.id, tags)?;
    }
    Ok(Empty {})
}

/// Refuses what would have no effect here, and names that AWS keeps for itself.
fn check(input: &CreateLogGroupRequest) -> Result<(), lambent_wire::Error> {
    if input.log_group_name.to_ascii_lowercase().starts_with("aws/") {
        return Err(invalid("Log groups starting with AWS/ are reserved for AWS."));
    }
    if input.kms_key_id.is_some() {
        return Err(invalid("kmsKeyId is not supported: logs are not encrypted; leave it out"));
    }
    if input.deletion_protection_enabled == Some(true) {
        return Err(invalid("deletionProtectionEnabled is not supported: leave it out"));
    }
    match input.log_group_class {
        None | Some(LogGroupClass::Standard | LogGroupClass::InfrequentAccess) => Ok(()),
        Some(ref class) => Err(invalid(format!(
            "logGroupClass {} is not supported: use STANDARD or INFREQUENT_ACCESS",
            class.as_str()
        ))),
    }
}

pub(super) fn stream(
    change: &mut Change<'_>,
    scope: &Scope,
    input: CreateLogStreamRequest,
) -> Result<Empty, Refusal> {
    let group = named_group(change.conn, scope, &input.log_group_name)?;
    if !write::create_stream(change.conn, group.id, &input.log_stream_name, change.now_ms)? {
        return Err(resource_already_exists_exception("The specified log stream already exists").into());
    }
    Ok(Empty {})
}
