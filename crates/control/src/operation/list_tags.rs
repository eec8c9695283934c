//! `ListTags`.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListTagsRequest,
) -> Result<t::ListTagsResponse, Error> {
    let tagged = context.tagged(&input.resource, "ListTags").await?;
    Ok(t::ListTagsResponse { tags: Some(context.tags_of(&tagged).await?) })
}
