//! Names and ARNs of log groups and streams.

use lambent_model::Scope;
use lambent_wire::logs::error::resource_not_found_exception;
use rusqlite::Connection;

use super::super::catalog::read::{self, Group, Stream};
use super::{Refusal, invalid};

/// `arn:aws:logs:us-east-1:123456789012:log-group:NAME`
pub(super) fn group_arn(scope: &Scope, group: &str) -> String {
    format!("arn:aws:logs:{}:{}:log-group:{group}", scope.region, scope.account)
}

/// The group that a request names, in one of its two ways.
pub(super) fn find_group(
    conn: &Connection,
    scope: &Scope,
    name: Option<String>,
    identifier: Option<String>,
) -> Result<Group, Refusal> {
    let name = match (name, identifier) {
        (Some(name), None) => Some(name),
        (None, Some(identifier)) => name_in(scope, &identifier)?,
        (Some(_), Some(_)) => {
            return Err(invalid("only one of logGroupName and logGroupIdentifier may be specified").into());
        }
        (None, None) => {
            return Err(invalid("either logGroupName or logGroupIdentifier must be specified").into());
        }
    };
    let found = match name {
        Some(name) => read::group(conn, scope, &name)?,
        None => None,
    };
    Ok(found.ok_or_else(no_group)?)
}

/// The group of a name.
pub(super) fn named_group(conn: &Connection, scope: &Scope, name: &str) -> Result<Group, Refusal> {
    Ok(read::group(conn, scope, name)?.ok_or_else(no_group)?)
}

/// The group of an ARN.
pub(super) fn group_by_arn(conn: &Connection, scope: &Scope, arn: &str) -> Result<Group, Refusal> {
    if !arn.starts_with("arn:") {
        return Err(invalid(format!("'{arn}' is not the ARN of a log group")).into());
    }
    find_group(conn, scope, None, Some(arn.to_owned()))
}

fn no_group() -> lambent_wire::Error {
    resource_not_found_exception("The specified log group does not exist.")
}

/// The name in an identifier, which is a name or an ARN; `None` when it names a group of another account or region,
/// none of which is linked to this one.
pub(super) fn name_in(scope: &Scope, identifier: &str) -> Result<Option<String>, lambent_wire::Error> {
    if !identifier.starts_with("arn:") {
        return Ok(Some(identifier.to_owned()));
    }
    let parts: Vec<&str> = identifier.splitn(7, ':').collect();
    let [_, _, "logs", region, account, "log-group", name] = parts[..] else {
        return Err(invalid(format!("'{identifier}' is not the ARN of a log group")));
    };
    let is_here = region == scope.region.as_str() && account == scope.account.as_str();
    // Descriptions carry the ARN with `:*` behind it, which stands for the group's streams.
    let name = name.strip_suffix(":*").unwrap_or(name);
    Ok(is_here.then(|| name.to_owned()))
}

/// A stream that a request names.
pub(super) fn find_stream(conn: &Connection, group: &Group, name: &str) -> Result<Stream, Refusal> {
    let found = read::stream(conn, group.id, name)?;
    Ok(found.ok_or_else(|| resource_not_found_exception("The specified log stream does not exist."))?)
}
