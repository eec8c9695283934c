//! `GetAccountSettings`.

use lambent_lambda::limits;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    _: t::GetAccountSettingsRequest,
) -> Result<t::GetAccountSettingsResponse, Error> {
    let usage = context.control.usage(&context.caller.scope).await?;
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let unreserved = limits::CONCURRENT_EXECUTIONS.saturating_sub(usage.reserved);
    Ok(t::GetAccountSettingsResponse {
        account_limit: Some(t::AccountLimit {
            total_code_size: Some(signed(limits::CODE_STORAGE_BYTES)),
            code_size_unzipped: Some(signed(limits::UNZIPPED_BYTES)),
            code_size_zipped: Some(signed(limits::ZIPPED_BYTES as u64)),
            concurrent_executions: i32::try_from(limits::CONCURRENT_EXECUTIONS).ok(),
            unreserved_concurrent_executions: i32::try_from(unreserved).ok(),
        }),
        account_usage: Some(t::AccountUsage {
            total_code_size: Some(signed(usage.bytes)),
            function_count: Some(signed(usage.functions as u64)),
        }),
    })
}
