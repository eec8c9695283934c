//! `ListAliases`.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;
use crate::{alias, functions, paging};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListAliasesRequest,
) -> Result<t::ListAliasesResponse, Error> {
    let store = &context.control.parts.store;
    let arn = context.function(&input.function_name, "ListAliases").await?;
    let version = input.function_version.as_deref().map(alias::pointed).transpose()?;
    let after = paging::open(input.marker.as_deref())?.unwrap_or_default();
    let size = paging::asked(input.max_items);
    functions::load(store, &arn).await?;
    // What the filter leaves out does not fill the page.
    let limit = if version.is_some() { usize::MAX } else { size + 1 };
    let mut aliases = functions::aliases(store, &arn, &after, limit).await?;
    aliases.retain(|alias| version.is_none_or(|version| alias.versions().any(|of| of == version)));
    let next_marker = paging::cut(&mut aliases, size, |alias| alias.name.clone());
    let shown = aliases.iter().map(|shown| alias::configuration(&arn, shown)).collect();
    Ok(t::ListAliasesResponse { next_marker, aliases: Some(shown) })
}
