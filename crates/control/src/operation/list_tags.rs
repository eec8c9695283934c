//! `ListTags`.

use lambent_model::FunctionArn;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::functions;
use crate::request::{Context, invalid};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListTagsRequest,
) -> Result<t::ListTagsResponse, Error> {
    let arn = resource(context, &input.resource, "ListTags").await?;
    let stored = functions::load(&context.control.parts.store, &arn).await?;
    Ok(t::ListTagsResponse { tags: Some(stored.function.tags) })
}

/// The function whose tags are meant. Other taggable resources do not exist yet.
pub(super) async fn resource(
    context: &Context<'_>,
    resource: &str,
    action: &str,
) -> Result<FunctionArn, Error> {
    if !resource.contains(":function:") {
        return Err(lambent_wire::lambda::error::resource_not_found_exception(
            "The resource you requested does not exist.",
        ));
    }
    let target = context.target(resource, None, action).await?;
    match target.qualifier {
        None => Ok(target.function),
        Some(_) => Err(invalid(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        )),
    }
}
