//! `DeleteAlias`: an alias that is not there is as good as deleted.

use lambent_store::Expect;
use lambent_wire::lambda::types as t;
use lambent_wire::{Empty, Error};

use crate::functions::{self, Changes};
use crate::refuse;
use crate::request::Context;

pub(crate) async fn answer(context: &Context<'_>, input: t::DeleteAliasRequest) -> Result<Empty, Error> {
    let store = &context.control.parts.store;
    let arn = context.function(&input.function_name, "DeleteAlias").await?;
    loop {
        let mut stored = functions::load(store, &arn).await?;
        if functions::alias(store, &arn, &input.name).await?.is_none() {
            return Ok(Empty {});
        }
        // What is configured for it goes with it.
        stored.function.event_invoke.remove(&input.name);
        stored.function.provisioned.remove(&input.name);
        let expect = Expect::Version(stored.version);
        let changes = Changes { delete_alias: Some(&input.name), ..Changes::default() };
        let saved = functions::save("delete-alias", store, &arn, expect, &stored.function, changes).await;
        if saved.map_err(|error| refuse::store(&error))? {
            return Ok(Empty {});
        }
    }
}
