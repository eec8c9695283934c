//! `GetAccountSettings`.

use lambent_lambda::limits;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    _: t::GetAccountSettingsRequest,
) -> Result<t::GetAccountSettingsResponse, Error> {
    let (bytes, functions) = context.control.usage(&context.caller.scope).await?;
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let concurrency = i32::try_from(limits::CONCURRENT_EXECUTIONS).ok();
    Ok(t::GetAccountSettingsResponse {
        account_limit: Some(t::AccountLimit {
            total_code_size: Some(signed(limits::CODE_STORAGE_BYTES)),
            code_size_unzipped: Some(signed(limits::UNZIPPED_BYTES)),
            code_size_zipped: Some(signed(limits::ZIPPED_BYTES as u64)),
            concurrent_executions: concurrency,
            unreserved_concurrent_executions: concurrency,
        }),
        account_usage: Some(t::AccountUsage {
            total_code_size: Some(signed(bytes)),
            function_count: Some(signed(functions as u64)),
        }),
    })
}
