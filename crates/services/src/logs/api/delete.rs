//! `DeleteLogGroup` and `DeleteLogStream`. Events are gone for readers at once; their space follows.

use lambent_model::Scope;
use lambent_wire::Empty;
use lambent_wire::logs::{DeleteLogGroupRequest, DeleteLogStreamRequest};

use super::super::catalog::{document, write};
use super::super::store::{Change, Removed};
use super::Refusal;
use super::arn::{find_stream, named_group};

pub(super) fn group(
    change: &mut Change<'_>,
    scope: &Scope,
    input: DeleteLogGroupRequest,
) -> Result<Empty, Refusal> {
    let group = named_group(change.conn, scope, &input.log_group_name)?;
    write::delete_group(change.conn, group.id)?;
    document::delete_of_group(change.conn, scope, &group.name)?;
    change.removed = Some(Removed::Group(group.id));
    Ok(Empty {})
}

pub(super) fn stream(
    change: &mut Change<'_>,
    scope: &Scope,
    input: DeleteLogStreamRequest,
) -> Result<Empty, Refusal> {
    let group = named_group(change.conn, scope, &input.log_group_name)?;
    let stream = find_stream(change.conn, &group, &input.log_stream_name)?;
    write::delete_stream(change.conn, group.id, stream.id)?;
    change.removed = Some(Removed::Stream);
    Ok(Empty {})
}
