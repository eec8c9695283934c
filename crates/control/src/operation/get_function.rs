//! `GetFunction`.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use super::get_function_configuration::find;
use crate::present::{Form, configuration};
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetFunctionRequest,
) -> Result<t::GetFunctionResponse, Error> {
    let parts = &context.control.parts;
    let (function, arn) =
        find(context, &input.function_name, input.qualifier.as_deref(), "GetFunction").await?;
    let account = &context.caller.scope.account;
    let location =
        parts.location.url(&context.caller.base_url, account, &function.code.sha256, parts.clock.now());
    Ok(t::GetFunctionResponse {
        configuration: Some(configuration(&function, arn, Form::Full)),
        code: Some(t::FunctionCodeLocation {
            repository_type: Some("S3".into()),
            location: Some(location),
            ..t::FunctionCodeLocation::default()
        }),
        tags: (!function.tags.is_empty()).then_some(function.tags),
        ..t::GetFunctionResponse::default()
    })
}
