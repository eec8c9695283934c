//! `TagResource`.

use std::collections::BTreeMap;

use lambent_lambda::{Function, Refusal};
use lambent_model::FunctionArn;
use lambent_wire::lambda::types as t;
use lambent_wire::{Empty, Error};

use super::list_tags::resource;
use crate::functions;
use crate::refuse;
use crate::request::{Context, invalid};

pub(crate) async fn answer(context: &Context<'_>, input: t::TagResourceRequest) -> Result<Empty, Error> {
    let arn = resource(context, &input.resource, "TagResource").await?;
    if input.tags.is_empty() {
        return Err(invalid("An error occurred and the request cannot be processed."));
    }
    retag(context, &arn, |function| {
        function.check_taggable()?;
        lambent_lambda::merge_tags(&function.tags, input.tags.clone())
    })
    .await?;
    Ok(Empty {})
}

/// Replaces the tags. The revision stays: tags are no part of it.
pub(super) async fn retag(
    context: &Context<'_>,
    arn: &FunctionArn,
    change: impl Fn(&Function) -> Result<BTreeMap<String, String>, Refusal>,
) -> Result<(), Error> {
    functions::change(&context.control.parts.store, arn, |function| {
        function.tags = change(function).map_err(|error| refuse::refusal(&error))?;
        Ok(())
    })
    .await
}
