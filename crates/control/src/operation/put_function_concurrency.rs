//! `PutFunctionConcurrency`.

use lambent_lambda::check_reservation;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;
use crate::{functions, refuse};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::PutFunctionConcurrencyRequest,
) -> Result<t::Concurrency, Error> {
    let store = &context.control.parts.store;
    let arn = context.function(&input.function_name, "PutFunctionConcurrency").await?;
    let wanted = u32::try_from(input.reserved_concurrent_executions).expect("the model's minimum is 0");
    loop {
        // Before the others are read: whoever reserves meanwhile makes this commit fail.
        let turn = functions::reservation_turn(store, &arn.scope).await?;
        let mut stored = functions::load(store, &arn).await?;
        let reserved = context.control.usage(&arn.scope).await?.reserved;
        stored.function.check_reserves_provisioned(wanted).map_err(|error| refuse::refusal(&error))?;
        let own = stored.function.set_aside();
        check_reservation(wanted, std::iter::once(reserved.saturating_sub(own)))
            .map_err(|error| refuse::refusal(&error))?;
        stored.function.reserved_concurrency = Some(wanted);
        if functions::save_reservation("put-function-concurrency", store, &arn, &stored, turn).await? {
            return Ok(t::Concurrency {
                reserved_concurrent_executions: Some(input.reserved_concurrent_executions),
            });
        }
        // Somebody else changed the function, or reserved for another, meanwhile: decide again.
    }
}
