//! `GetFunctionConcurrency`: no reservation can be made yet; AWS answers `{}` then.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::functions;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetFunctionConcurrencyRequest,
) -> Result<t::GetFunctionConcurrencyResponse, Error> {
    let arn = context.function(&input.function_name, "GetFunctionConcurrency").await?;
    functions::load(&context.control.parts.store, &arn).await?;
    Ok(t::GetFunctionConcurrencyResponse::default())
}
