//! `ListFunctionsByCodeSigningConfig`.

use lambent_model::FunctionArn;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;
use crate::{code_signing, paging};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListFunctionsByCodeSigningConfigRequest,
) -> Result<t::ListFunctionsByCodeSigningConfigResponse, Error> {
    let scope = &context.caller.scope;
    let id = context.code_signing(&input.code_signing_config_arn).await?.value.id;
    let after = paging::open(input.marker.as_deref())?.unwrap_or_default();
    let size = paging::asked(input.max_items);
    let store = &context.control.parts.store;
    let mut names = code_signing::functions(store, scope, &id, &after, size.saturating_add(1)).await?;
    let next_marker = paging::cut(&mut names, size, Clone::clone);
    let arn = |name: String| FunctionArn { scope: scope.clone(), name }.to_string();
    let function_arns = Some(names.into_iter().map(arn).collect());
    Ok(t::ListFunctionsByCodeSigningConfigResponse { next_marker, function_arns })
}
