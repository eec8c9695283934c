//! `UntagResource`.

use lambent_wire::lambda::types as t;
use lambent_wire::{Empty, Error};

use super::list_tags::resource;
use super::tag_resource::retag;
use crate::request::Context;

pub(crate) async fn answer(context: &Context<'_>, input: t::UntagResourceRequest) -> Result<Empty, Error> {
    let arn = resource(context, &input.resource, "UntagResource").await?;
    retag(context, &arn, |function| Ok(lambent_lambda::remove_tags(&function.tags, &input.tag_keys))).await?;
    Ok(Empty {})
}
