//! `ListFunctions`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambent_lambda::{Refusal, limits};
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::present::{Form, configuration};
use crate::request::{Context, invalid};
use crate::{functions, refuse};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListFunctionsRequest,
) -> Result<t::ListFunctionsResponse, Error> {
    if input.master_region.is_some() {
        return Err(refuse::refusal(&Refusal::Unsupported("MasterRegion")));
    }
    let after = input.marker.as_deref().map(open_marker).transpose()?;
    let limit = page_size(input.max_items);
    // One more than the page, to know whether there is a next one.
    let store = &context.control.parts.store;
    let mut functions = functions::list(store, &context.caller.scope, after.as_deref(), limit + 1).await?;
    let more = functions.len() > limit;
    functions.truncate(limit);
    let next_marker = functions.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(&last.name));
    let every_version = input.function_version.is_some();
    let show = |function: &lambent_lambda::Function| {
        let arn = if every_version { format!("{}:$LATEST", function.arn) } else { function.arn.clone() };
        configuration(function, arn, Form::Listed)
    };
    Ok(t::ListFunctionsResponse { next_marker, functions: Some(functions.iter().map(show).collect()) })
}

/// "Lambda returns up to 50 functions per call", however many are asked for.
pub(crate) fn page_size(max_items: Option<i32>) -> usize {
    let asked = max_items.and_then(|items| usize::try_from(items).ok());
    asked.unwrap_or(limits::PAGE).min(limits::PAGE)
}

fn open_marker(marker: &str) -> Result<String, Error> {
    let name = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|name| String::from_utf8(name).ok());
    name.ok_or_else(|| invalid("Invalid pagination token: pass NextMarker of the previous page unchanged"))
}
