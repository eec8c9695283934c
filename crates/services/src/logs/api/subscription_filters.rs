//! Subscription filters: stored. Nothing is delivered yet.

use lambent_model::Scope;
use lambent_wire::Empty;
use lambent_wire::logs::error::{limit_exceeded_exception, resource_not_found_exception};
use lambent_wire::logs::{
    DeleteSubscriptionFilterRequest, DescribeSubscriptionFiltersRequest, DescribeSubscriptionFiltersResponse,
    Distribution, PutSubscriptionFilterRequest, SubscriptionFilter,
};

use super::super::catalog::document::{self, Kind};
use super::super::store::Change;
use super::arn::named_group;
use super::{Refusal, View, documents, invalid, pattern};

/// Subscription filters of a log group (API Reference, `PutSubscriptionFilter`).
const FILTERS_MAX: usize = 2;

pub(super) fn put(
    change: &mut Change<'_>,
    scope: &Scope,
    input: PutSubscriptionFilterRequest,
) -> Result<Empty, Refusal> {
    for (member, is_there) in [
        ("applyOnTransformedLogs", input.apply_on_transformed_logs == Some(true)),
        ("fieldSelectionCriteria", input.field_selection_criteria.is_some()),
        ("emitSystemFields", input.emit_system_fields.is_some()),
    ] {
        if is_there {
            return Err(invalid(format!("{member} is not supported: leave it out")).into());
        }
    }
    pattern(Some(&input.filter_pattern))?;
    check_destination(&input)?;
    let group = named_group(change.conn, scope, &input.log_group_name)?;
    let existing =
        document::get(change.conn, scope, Kind::SubscriptionFilter, &group.name, &input.filter_name)?;
    if existing.is_none() {
        let count = document::list(change.conn, scope, Kind::SubscriptionFilter, Some(&group.name))?.len();
        if count >= FILTERS_MAX {
            return Err(limit_exceeded_exception("Resource limit exceeded.").into());
        }
    }
    let created_ms = existing.map_or(change.now_ms, |filter| filter.changed_ms);
    let filter = SubscriptionFilter {
        filter_name: Some(input.filter_name.clone()),
        log_group_name: Some(group.name.clone()),
        filter_pattern: Some(input.filter_pattern),
        destination_arn: Some(input.destination_arn),
        role_arn: input.role_arn,
        distribution: Some(input.distribution.unwrap_or(Distribution::ByLogStream)),
        apply_on_transformed_logs: Some(false),
        creation_time: Some(created_ms),
        ..SubscriptionFilter::default()
    };
    let name = (group.name.as_str(), input.filter_name.as_str());
    documents::put(change.conn, scope, Kind::SubscriptionFilter, name, created_ms, &filter)?;
    Ok(Empty {})
}

/// A function, a stream, or a destination of another account (API Reference: `destinationArn`).
fn check_destination(input: &PutSubscriptionFilterRequest) -> Result<(), lambent_wire::Error> {
    let arn = &input.destination_arn;
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _, vendor, _, _, resource] = parts[..] else {
        return Err(invalid(format!("'{arn}' is not an ARN")));
    };
    let is_offered = match vendor {
        "lambda" => resource.starts_with("function:"),
        "kinesis" => resource.starts_with("stream/"),
        "firehose" => resource.starts_with("deliverystream/"),
        "logs" => resource.starts_with("destination:"),
        _ => {
            return Err(invalid(format!(
                "PutSubscriptionFilter operation cannot work with destinationArn for vendor {vendor}"
            )));
        }
    };
    if !is_offered {
        return Err(invalid(format!("'{arn}' is no destination of a subscription filter")));
    }
    if ["kinesis", "firehose"].contains(&vendor) && input.role_arn.is_none() {
        return Err(invalid(format!("destinationArn for vendor {vendor} requires roleArn")));
    }
    Ok(())
}

pub(super) fn delete(
    change: &mut Change<'_>,
    scope: &Scope,
    input: DeleteSubscriptionFilterRequest,
) -> Result<Empty, Refusal> {
    let group = named_group(change.conn, scope, &input.log_group_name)?;
    if !document::delete(change.conn, scope, Kind::SubscriptionFilter, &group.name, &input.filter_name)? {
        return Err(resource_not_found_exception("The specified subscription filter does not exist.").into());
    }
    Ok(Empty {})
}

pub(super) fn describe(
    view: &View<'_>,
    scope: &Scope,
    input: DescribeSubscriptionFiltersRequest,
) -> Result<DescribeSubscriptionFiltersResponse, Refusal> {
    let group = named_group(view.conn, scope, &input.log_group_name)?;
    let prefix = input.filter_name_prefix.unwrap_or_default();
    let page = (input.next_token.as_deref(), input.limit);
    let wanted = |document: &document::Document, _: &SubscriptionFilter| document.name.starts_with(&prefix);
    let listed = documents::list(view, scope, Kind::SubscriptionFilter, Some(&group.name), page, wanted)?;
    Ok(DescribeSubscriptionFiltersResponse {
        subscription_filters: Some(listed.items),
        next_token: listed.next_token,
    })
}
