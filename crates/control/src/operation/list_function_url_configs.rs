//! `ListFunctionUrlConfigs`: of the function and of its aliases.

use lambent_lambda::FunctionUrl;
use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use crate::request::Context;
use crate::{functions, paging, urls};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListFunctionUrlConfigsRequest,
) -> Result<t::ListFunctionUrlConfigsResponse, Error> {
    let arn = context.function(&input.function_name, "ListFunctionUrlConfigs").await?;
    let after = paging::open(input.marker.as_deref())?;
    let size = paging::page_size(input.max_items);
    let stored = functions::load(&context.control.parts.store, &arn).await.map_err(|error| {
        match error.status.as_u16() {
            404 => lambda::error::resource_not_found_exception("Function does not exist"),
            _ => error,
        }
    })?;
    let all = stored.function.urls.into_iter();
    let mut found: Vec<(String, FunctionUrl)> =
        all.filter(|(slot, _)| after.as_ref().is_none_or(|after| slot > after)).collect();
    let next_marker = paging::cut(&mut found, size, |(slot, _)| slot.clone());
    let shown = found.iter().map(|(slot, url)| urls::configuration(context, &arn, slot, url)).collect();
    Ok(t::ListFunctionUrlConfigsResponse { next_marker, function_url_configs: Some(shown) })
}
