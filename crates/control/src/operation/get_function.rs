//! `GetFunction`.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::present::Form;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetFunctionRequest,
) -> Result<t::GetFunctionResponse, Error> {
    let parts = &context.control.parts;
    let found = context.find(&input.function_name, input.qualifier.as_deref(), "GetFunction").await?;
    let function = found.function();
    let account = &found.target.function.scope.account;
    let location = parts.location.of(&context.caller.base_url, account, &function.code, parts.clock.now());
    // Tags and reserved concurrency are the function's, whichever version is asked for.
    let of_all = &found.stored.function;
    let reserved = of_all.reserved_concurrency.and_then(|reserved| i32::try_from(reserved).ok());
    Ok(t::GetFunctionResponse {
        configuration: Some(context.configuration(function, found.arn(), Form::Full)),
        code: Some(t::FunctionCodeLocation {
            repository_type: Some("S3".into()),
            location: Some(location),
            ..t::FunctionCodeLocation::default()
        }),
        tags: (!of_all.tags.is_empty()).then(|| of_all.tags.clone()),
        concurrency: reserved
            .map(|reserved| t::Concurrency { reserved_concurrent_executions: Some(reserved) }),
        ..t::GetFunctionResponse::default()
    })
}
