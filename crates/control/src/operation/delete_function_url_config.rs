//! `DeleteFunctionUrlConfig`.

use lambent_wire::lambda::types as t;
use lambent_wire::{Empty, Error};

use crate::functions;
use crate::request::Context;
use crate::urls::{self, UrlTarget};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::DeleteFunctionUrlConfigRequest,
) -> Result<Empty, Error> {
    let qualifier = input.qualifier.as_deref();
    let target =
        UrlTarget::named(context, &input.function_name, qualifier, "DeleteFunctionUrlConfig").await?;
    functions::change("delete-function-url-config", &context.control.parts.store, &target.arn, |function| {
        function.urls.remove(&target.slot).map(drop).ok_or_else(urls::absent)
    })
    .await
    .map_err(|error| if error.status == 404 { urls::absent() } else { error })?;
    Ok(Empty {})
}
