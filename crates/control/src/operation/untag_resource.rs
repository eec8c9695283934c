//! `UntagResource`.

use lambent_lambda::remove_tags;
use lambent_wire::lambda::types as t;
use lambent_wire::{Empty, Error};

use crate::request::Context;

pub(crate) async fn answer(context: &Context<'_>, input: t::UntagResourceRequest) -> Result<Empty, Error> {
    let tagged = context.tagged(&input.resource, "UntagResource").await?;
    context.retag(&tagged, |tags| Ok(remove_tags(tags, &input.tag_keys)), |_| Ok(())).await?;
    Ok(Empty {})
}
