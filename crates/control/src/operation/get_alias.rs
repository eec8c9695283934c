//! `GetAlias`.

use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use crate::request::Context;
use crate::{alias, functions};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetAliasRequest,
) -> Result<t::AliasConfiguration, Error> {
    let arn = context.function(&input.function_name, "GetAlias").await?;
    match functions::alias(&context.control.parts.store, &arn, &input.name).await? {
        Some(found) => Ok(alias::configuration(&arn, &found)),
        None => Err(lambda::error::resource_not_found_exception(format!(
            "Cannot find alias arn: {arn}:{}",
            input.name
        ))),
    }
}
