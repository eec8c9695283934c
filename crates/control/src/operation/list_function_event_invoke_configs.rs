//! `ListFunctionEventInvokeConfigs`.

use lambent_lambda::EventInvoke;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;
use crate::{event_invoke, functions, paging};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListFunctionEventInvokeConfigsRequest,
) -> Result<t::ListFunctionEventInvokeConfigsResponse, Error> {
    let arn = context.function(&input.function_name, "ListFunctionEventInvokeConfigs").await?;
    let after = paging::open(input.marker.as_deref())?;
    let size = paging::page_size(input.max_items);
    let stored = functions::load(&context.control.parts.store, &arn).await?;
    let configs = stored.function.event_invoke.into_iter();
    let mut configs: Vec<(String, EventInvoke)> =
        configs.filter(|(of, _)| after.as_ref().is_none_or(|after| of > after)).collect();
    let next_marker = paging::cut(&mut configs, size, |(of, _)| of.clone());
    let shown = configs.iter().map(|(of, config)| event_invoke::shown(&arn, of, config)).collect();
    Ok(t::ListFunctionEventInvokeConfigsResponse { next_marker, function_event_invoke_configs: Some(shown) })
}
