//! `TagResource`.

use lambent_lambda::{Function, merge_tags};
use lambent_wire::lambda::types as t;
use lambent_wire::{Empty, Error};

use crate::refuse::invalid;
use crate::request::Context;

pub(crate) async fn answer(context: &Context<'_>, input: t::TagResourceRequest) -> Result<Empty, Error> {
    let tagged = context.tagged(&input.resource, "TagResource").await?;
    if input.tags.is_empty() {
        return Err(invalid("An error occurred and the request cannot be processed."));
    }
    context.retag(&tagged, |tags| merge_tags(tags, input.tags.clone()), Function::check_taggable).await?;
    Ok(Empty {})
}
