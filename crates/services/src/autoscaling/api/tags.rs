//! `ListTagsForResource`, `TagResource`, `UntagResource`.

use std::collections::BTreeMap;

use lambent_model::Scope;
use lambent_wire::Error;
use lambent_wire::application_autoscaling::{error, types as t};

use super::super::record::Target;
use super::Context;

/// "Maximum number of tags per resource: 50" (API Reference, `TagResource`).
const TAGS: usize = 50;

/// The ARN of a scalable target.
pub(super) fn arn(scope: &Scope, id: &str) -> String {
    format!("arn:aws:application-autoscaling:{}:{}:scalable-target/{id}", scope.region, scope.account)
}

/// Tags with others added; too many are refused.
pub(super) fn checked(
    tags: &BTreeMap<String, String>,
    more: BTreeMap<String, String>,
    resource: &str,
) -> Result<BTreeMap<String, String>, Error> {
    let mut all = tags.clone();
    all.extend(more);
    if all.len() > TAGS {
        return Err(error::too_many_tags_exception(format!(
            "the scalable target {resource} would have more than {TAGS} tags"
        )));
    }
    Ok(all)
}

impl Context<'_> {
    /// The resource id of the target with this ARN, and the target.
    async fn tagged(&self, wanted: &str) -> Result<(String, Target), Error> {
        let all = self.inner.all(self.scope).await?;
        let found = all.into_iter().find(|(_, target)| arn(self.scope, &target.id) == wanted);
        found.ok_or_else(|| {
            error::resource_not_found_exception(format!("The specified resource doesn't exist: {wanted}"))
        })
    }
}

pub(super) async fn list(
    context: &Context<'_>,
    input: t::ListTagsForResourceRequest,
) -> Result<t::ListTagsForResourceResponse, Error> {
    let (_, target) = context.tagged(&input.resource_arn).await?;
    Ok(t::ListTagsForResourceResponse { tags: Some(target.tags) })
}

pub(super) async fn tag(
    context: &Context<'_>,
    input: t::TagResourceRequest,
) -> Result<t::TagResourceResponse, Error> {
    change(context, &input.resource_arn, |tags| checked(tags, input.tags.clone(), &input.resource_arn))
        .await?;
    Ok(t::TagResourceResponse {})
}

pub(super) async fn untag(
    context: &Context<'_>,
    input: t::UntagResourceRequest,
) -> Result<t::UntagResourceResponse, Error> {
    let without = |tags: &BTreeMap<String, String>| {
        let mut tags = tags.clone();
        tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(tags)
    };
    change(context, &input.resource_arn, without).await?;
    Ok(t::UntagResourceResponse {})
}

async fn change(
    context: &Context<'_>,
    arn: &str,
    change: impl Fn(&BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Error>,
) -> Result<(), Error> {
    let (resource, _) = context.tagged(arn).await?;
    let gone = || error::resource_not_found_exception(format!("The specified resource doesn't exist: {arn}"));
    context
        .inner
        .change(context.scope, &resource, |target| {
            let mut target = target.ok_or_else(gone)?;
            target.tags = change(&target.tags)?;
            Ok((Some(target), ()))
        })
        .await
}
