//! `DescribeScalingActivities`.

use lambent_wire::application_autoscaling::types as t;
use lambent_wire::{EpochSeconds, Error};

use super::super::record::Activity;
use super::{Context, check_namespace, dimension, namespace, page};

/// The newest first.
pub(super) async fn describe(
    context: &Context<'_>,
    input: t::DescribeScalingActivitiesRequest,
) -> Result<t::DescribeScalingActivitiesResponse, Error> {
    check_namespace(&input.service_namespace, input.scalable_dimension.as_ref())?;
    let mut all = Vec::new();
    for (resource, target) in context.inner.all(context.scope).await? {
        if input.resource_id.as_ref().is_none_or(|wanted| *wanted == resource) {
            all.extend(target.activities.into_iter().map(|activity| (resource.clone(), activity)));
        }
    }
    // Pages go on after a name; these names are in the order of the moments, the newest first.
    let place = |activity: &Activity| format!("{:020}/{}", i64::MAX - activity.start.millis(), activity.id);
    let mut shown: Vec<_> =
        all.into_iter().map(|(resource, activity)| (place(&activity), show(resource, activity))).collect();
    shown.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (activities, next_token) = page(shown, input.max_results, input.next_token.as_deref())?;
    Ok(t::DescribeScalingActivitiesResponse { scaling_activities: Some(activities), next_token })
}

fn show(resource: String, activity: Activity) -> t::ScalingActivity {
    let (code, message) = match activity.failure {
        None => (
            "Successful",
            format!(
                "Successfully set provisioned concurrency to {}. Change successfully fulfilled by lambda.",
                activity.wanted
            ),
        ),
        Some(reason) => (
            "Failed",
            format!("Failed to set provisioned concurrency to {}. Reason: {reason}", activity.wanted),
        ),
    };
    t::ScalingActivity {
        activity_id: Some(activity.id),
        service_namespace: Some(namespace()),
        resource_id: Some(resource),
        scalable_dimension: Some(dimension()),
        description: Some(activity.description),
        cause: Some(activity.cause),
        start_time: Some(EpochSeconds(activity.start)),
        end_time: Some(EpochSeconds(activity.end)),
        status_code: Some(code.into()),
        status_message: Some(message),
        details: None,
        not_scaled_reasons: None,
    }
}
