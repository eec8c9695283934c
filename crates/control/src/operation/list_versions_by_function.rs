//! `ListVersionsByFunction`: `$LATEST`, then the published ones in ascending order.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::present::Form;
use crate::refuse::invalid;
use crate::request::Context;
use crate::{functions, paging};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListVersionsByFunctionRequest,
) -> Result<t::ListVersionsByFunctionResponse, Error> {
    let store = &context.control.parts.store;
    let arn = context.function(&input.function_name, "ListVersionsByFunction").await?;
    let size = paging::page_size(input.max_items);
    let stored = functions::load(store, &arn).await?;
    let mut versions = Vec::new();
    // `$LATEST` stands in the place of number 0, which no version has.
    let after = match paging::open(input.marker.as_deref())? {
        None => {
            versions.push(stored.function);
            0
        }
        Some(number) => {
            number.parse().map_err(|_| invalid("Invalid pagination token: it is another list's"))?
        }
    };
    versions.extend(functions::versions(store, &arn, after, size + 1 - versions.len()).await?);
    let next_marker =
        paging::cut(&mut versions, size, |version| version.version.unwrap_or_default().to_string());
    let shown = versions.iter().map(|version| {
        context.configuration(version, format!("{arn}:{}", version.version_text()), Form::Listed)
    });
    Ok(t::ListVersionsByFunctionResponse { next_marker, versions: Some(shown.collect()) })
}
