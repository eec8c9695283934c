//! `TagResource`.

use std::collections::BTreeMap;

use lambent_lambda::{Function, Refusal};
use lambent_model::FunctionArn;
use lambent_store::Expect;
use lambent_wire::lambda::types as t;
use lambent_wire::{Empty, Error};

use super::list_tags::resource;
use crate::functions::{self, Changes};
use crate::refuse;
use crate::request::{Context, invalid};

pub(crate) async fn answer(context: &Context<'_>, input: t::TagResourceRequest) -> Result<Empty, Error> {
    let arn = resource(context, &input.resource, "TagResource").await?;
    if input.tags.is_empty() {
        return Err(invalid("An error occurred and the request cannot be processed."));
    }
    retag(context, &arn, |function| lambent_lambda::merge_tags(&function.tags, input.tags.clone())).await?;
    Ok(Empty {})
}

/// Replaces the tags. The revision stays: tags are no part of it.
pub(super) async fn retag(
    context: &Context<'_>,
    arn: &FunctionArn,
    change: impl Fn(&Function) -> Result<BTreeMap<String, String>, Refusal>,
) -> Result<(), Error> {
    let store = &context.control.parts.store;
    loop {
        let mut stored = functions::load(store, arn).await?;
        stored.function.tags = change(&stored.function).map_err(|error| refuse::refusal(&error))?;
        let saved = functions::save(
            store,
            arn,
            Expect::Version(stored.version),
            &stored.function,
            Changes::default(),
        )
        .await;
        if saved.map_err(|error| refuse::store(&error))? {
            return Ok(());
        }
    }
}
