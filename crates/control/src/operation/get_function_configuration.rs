//! `GetFunctionConfiguration`.

use lambent_lambda::Function;
use lambent_model::Qualifier;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::functions;
use crate::present::{Form, configuration};
use crate::request::{Context, not_found};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetFunctionConfigurationRequest,
) -> Result<t::FunctionConfiguration, Error> {
    let qualifier = input.qualifier.as_deref();
    let (function, arn) = find(context, &input.function_name, qualifier, "GetFunctionConfiguration").await?;
    Ok(configuration(&function, arn, Form::Full))
}

/// The function and the ARN to show: qualified when the caller qualified.
pub(crate) async fn find(
    context: &Context<'_>,
    name: &str,
    qualifier: Option<&str>,
    action: &str,
) -> Result<(Function, String), Error> {
    let target = context.target(name, qualifier, action)?;
    let stored = functions::load(&context.control.parts.store, &target.function).await?;
    match &target.qualifier {
        None => Ok((stored.function, target.function.to_string())),
        Some(Qualifier::Latest) => Ok((stored.function, target.qualified())),
        Some(_) => Err(not_found(target.qualified())),
    }
}
