//! Metric filters: stored and tried out. Metrics come out of them when there is a service that takes metrics.

use lambent_model::Scope;
use lambent_wire::Empty;
use lambent_wire::logs::error::{limit_exceeded_exception, resource_not_found_exception};
use lambent_wire::logs::{
    DeleteMetricFilterRequest, DescribeMetricFiltersRequest, DescribeMetricFiltersResponse, MetricFilter,
    MetricFilterMatchRecord, MetricTransformation, PutMetricFilterRequest, TestMetricFilterRequest,
    TestMetricFilterResponse,
};

use super::super::catalog::document::{self, Kind};
use super::super::store::Change;
use super::arn::named_group;
use super::{Refusal, View, documents, invalid, pattern};

/// Metric filters of a log group, and dimensions of a metric (API Reference, `PutMetricFilter`).
const FILTERS_MAX: usize = 100;
const DIMENSIONS_MAX: usize = 3;

pub(super) fn put(
    change: &mut Change<'_>,
    scope: &Scope,
    input: PutMetricFilterRequest,
) -> Result<Empty, Refusal> {
    for (member, is_there) in [
        ("applyOnTransformedLogs", input.apply_on_transformed_logs == Some(true)),
        ("fieldSelectionCriteria", input.field_selection_criteria.is_some()),
        ("emitSystemFieldDimensions", input.emit_system_field_dimensions.is_some()),
    ] {
        if is_there {
            return Err(invalid(format!("{member} is not supported: leave it out")).into());
        }
    }
    pattern(Some(&input.filter_pattern))?;
    input.metric_transformations.iter().try_for_each(|t| check(t, &input.filter_pattern))?;
    let group = named_group(change.conn, scope, &input.log_group_name)?;
    let existing = document::get(change.conn, scope, Kind::MetricFilter, &group.name, &input.filter_name)?;
    if existing.is_none() {
        let count = document::list(change.conn, scope, Kind::MetricFilter, Some(&group.name))?.len();
        if count >= FILTERS_MAX {
            return Err(limit_exceeded_exception("Resource limit exceeded.").into());
        }
    }
    let created_ms = existing.map_or(change.now_ms, |filter| filter.changed_ms);
    let filter = MetricFilter {
        filter_name: Some(input.filter_name.clone()),
        filter_pattern: Some(input.filter_pattern),
        metric_transformations: Some(input.metric_transformations),
        creation_time: Some(created_ms),
        log_group_name: Some(group.name.clone()),
        apply_on_transformed_logs: Some(false),
        ..MetricFilter::default()
    };
    let name = (group.name.as_str(), input.filter_name.as_str());
    documents::put(change.conn, scope, Kind::MetricFilter, name, created_ms, &filter)?;
    Ok(Empty {})
}

/// The rules between a transformation's members (API Reference, `MetricTransformation`).
fn check(transformation: &MetricTransformation, pattern: &str) -> Result<(), lambent_wire::Error> {
    let value = &transformation.metric_value;
    if !value.starts_with('$') && value.parse::<f64>().is_err() {
        return Err(invalid(format!(
            "Invalid metric value '{value}': it is a number or a field, such as $.size"
        )));
    }
    let Some(dimensions) = &transformation.dimensions else { return Ok(()) };
    if transformation.default_value.is_some() {
        return Err(invalid(
            "Invalid metric transformation: dimensions and default value are mutually exclusive properties",
        ));
    }
    if dimensions.len() > DIMENSIONS_MAX {
        return Err(invalid(format!("A metric has at most {DIMENSIONS_MAX} dimensions.")));
    }
    if !pattern.trim_start().starts_with(['{', '[']) {
        return Err(invalid("Dimensions need a JSON or a space-delimited filter pattern."));
    }
    match dimensions.values().find(|value| !value.starts_with('$')) {
        Some(value) => {
            Err(invalid(format!("Invalid dimension value '{value}': it is a field, such as $.user")))
        }
        None => Ok(()),
    }
}

pub(super) fn delete(
    change: &mut Change<'_>,
    scope: &Scope,
    input: DeleteMetricFilterRequest,
) -> Result<Empty, Refusal> {
    let group = named_group(change.conn, scope, &input.log_group_name)?;
    if !document::delete(change.conn, scope, Kind::MetricFilter, &group.name, &input.filter_name)? {
        return Err(resource_not_found_exception("The specified metric filter does not exist.").into());
    }
    Ok(Empty {})
}

pub(super) fn describe(
    view: &View<'_>,
    scope: &Scope,
    input: DescribeMetricFiltersRequest,
) -> Result<DescribeMetricFiltersResponse, Refusal> {
    if input.filter_name_prefix.is_some() && input.log_group_name.is_none() {
        return Err(invalid("filterNamePrefix needs logGroupName").into());
    }
    if input.metric_name.is_some() != input.metric_namespace.is_some() {
        return Err(invalid("metricName and metricNamespace have to be given together").into());
    }
    if let Some(name) = &input.log_group_name {
        named_group(view.conn, scope, name)?;
    }
    let prefix = input.filter_name_prefix.unwrap_or_default();
    let (name, namespace) = (input.metric_name, input.metric_namespace);
    let is_of_metric = |transformation: &MetricTransformation| {
        name.as_ref().is_none_or(|name| *name == transformation.metric_name)
            && namespace.as_ref().is_none_or(|namespace| *namespace == transformation.metric_namespace)
    };
    let listed = documents::list(
        view,
        scope,
        Kind::MetricFilter,
        input.log_group_name.as_deref(),
        (input.next_token.as_deref(), input.limit),
        |document, filter: &MetricFilter| {
            document.name.starts_with(&prefix)
                && filter.metric_transformations.iter().flatten().any(&is_of_metric)
        },
    )?;
    Ok(DescribeMetricFiltersResponse { metric_filters: Some(listed.items), next_token: listed.next_token })
}

pub(super) fn test(
    _view: &View<'_>,
    _scope: &Scope,
    input: TestMetricFilterRequest,
) -> Result<TestMetricFilterResponse, Refusal> {
    let pattern = pattern(Some(&input.filter_pattern))?;
    let matches = (1..).zip(input.log_event_messages).filter(|(_, message)| pattern.matches(message));
    let record = |(number, message): (i64, String)| MetricFilterMatchRecord {
        event_number: Some(number),
        extracted_values: Some(pattern.extract(&message)),
        event_message: Some(message),
    };
    Ok(TestMetricFilterResponse { matches: Some(matches.map(record).collect()) })
}
