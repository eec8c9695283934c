//! `ListVersionsByFunction`: `$LATEST`, as long as nothing can be published.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::functions;
use crate::present::{Form, configuration};
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListVersionsByFunctionRequest,
) -> Result<t::ListVersionsByFunctionResponse, Error> {
    let arn = context.function(&input.function_name, "ListVersionsByFunction")?;
    let stored = functions::load(&context.control.parts.store, &arn).await?;
    let latest = configuration(&stored.function, format!("{arn}:$LATEST"), Form::Listed);
    // A marker can only come from a page that had a next one, and none has.
    let versions = if input.marker.is_some() { Vec::new() } else { vec![latest] };
    Ok(t::ListVersionsByFunctionResponse { next_marker: None, versions: Some(versions) })
}
