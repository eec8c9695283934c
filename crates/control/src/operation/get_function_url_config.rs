//! `GetFunctionUrlConfig`.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::functions;
use crate::request::Context;
use crate::urls::{self, UrlTarget};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetFunctionUrlConfigRequest,
) -> Result<t::GetFunctionUrlConfigResponse, Error> {
    let qualifier = input.qualifier.as_deref();
    let target = UrlTarget::named(context, &input.function_name, qualifier, "GetFunctionUrlConfig").await?;
    let stored = functions::load(&context.control.parts.store, &target.arn).await;
    let stored = stored.map_err(|error| if error.status == 404 { urls::absent() } else { error })?;
    let url = stored.function.urls.get(&target.slot).ok_or_else(urls::absent)?;
    let shown = urls::configuration(context, &target.arn, &target.slot, url);
    Ok(t::GetFunctionUrlConfigResponse {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        last_modified_time: shown.last_modified_time,
        invoke_mode: shown.invoke_mode,
    })
}
