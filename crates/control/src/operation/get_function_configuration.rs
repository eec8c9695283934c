//! `GetFunctionConfiguration`.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::present::Form;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetFunctionConfigurationRequest,
) -> Result<t::FunctionConfiguration, Error> {
    let qualifier = input.qualifier.as_deref();
    let found = context.find(&input.function_name, qualifier, "GetFunctionConfiguration").await?;
    Ok(context.configuration(found.function(), found.arn(), Form::Full))
}
