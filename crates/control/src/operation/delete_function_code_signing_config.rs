//! `DeleteFunctionCodeSigningConfig`: no error where there is none.

use lambent_store::{Expect, Write};
use lambent_wire::lambda::types as t;
use lambent_wire::{Empty, Error};

use crate::request::Context;
use crate::{code_signing, functions, resources};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::DeleteFunctionCodeSigningConfigRequest,
) -> Result<Empty, Error> {
    let store = &context.control.parts.store;
    let arn = context.function(&input.function_name, "DeleteFunctionCodeSigningConfig").await?;
    loop {
        let mut stored = functions::load(store, &arn).await?;
        let Some(id) = stored.function.code_signing.take() else { return Ok(Empty {}) };
        let write = Write::put(functions::key(&arn), Expect::Version(stored.version), &stored.function);
        let writes = write.map(|write| vec![write, code_signing::detach(&arn, &id)]);
        if resources::commit("delete-function-code-signing-config", store, writes).await? {
            return Ok(Empty {});
        }
        // Somebody else changed the function meanwhile: decide again on what is there now.
    }
}
