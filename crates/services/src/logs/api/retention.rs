//! `PutRetentionPolicy` and `DeleteRetentionPolicy`.

use lambent_model::Scope;
use lambent_wire::Empty;
use lambent_wire::logs::{DeleteRetentionPolicyRequest, PutRetentionPolicyRequest};

use super::super::catalog::write;
use super::super::store::Change;
use super::arn::named_group;
use super::{Refusal, invalid};

/// The days that there are (API Reference, `PutRetentionPolicy`).
const DAYS: [i32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

pub(super) fn put(
    change: &mut Change<'_>,
    scope: &Scope,
    input: PutRetentionPolicyRequest,
) -> Result<Empty, Refusal> {
    let days = input.retention_in_days;
    if !DAYS.contains(&days) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must \
             satisfy enum value set: {DAYS:?}"
        ))
        .into());
    }
    let group = named_group(change.conn, scope, &input.log_group_name)?;
    write::set_retention(change.conn, group.id, Some(days))?;
    Ok(Empty {})
}

pub(super) fn delete(
    change: &mut Change<'_>,
    scope: &Scope,
    input: DeleteRetentionPolicyRequest,
) -> Result<Empty, Refusal> {
    let group = named_group(change.conn, scope, &input.log_group_name)?;
    write::set_retention(change.conn, group.id, None)?;
    Ok(Empty {})
}
