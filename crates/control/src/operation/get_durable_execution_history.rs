//! `GetDurableExecutionHistory`: of a durable function, which none is yet.

use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use crate::request::Context;

#[expect(clippy::unused_async, reason = "all operations are called alike")]
pub(crate) async fn answer(
    _: &Context<'_>,
    input: t::GetDurableExecutionHistoryRequest,
) -> Result<t::GetDurableExecutionHistoryResponse, Error> {
    Err(lambda::error::resource_not_found_exception(format!(
        "Durable execution not found: {}",
        input.durable_execution_arn
    )))
}
