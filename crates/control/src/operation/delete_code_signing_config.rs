//! `DeleteCodeSigningConfig`: of one that no function has.

use lambent_store::Write;
use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use crate::request::Context;
use crate::{code_signing, resources};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::DeleteCodeSigningConfigRequest,
) -> Result<t::DeleteCodeSigningConfigResponse, Error> {
    let store = &context.control.parts.store;
    let scope = &context.caller.scope;
    loop {
        // Read before its functions are: a function that comes to have it changes it.
        let kept = context.code_signing(&input.code_signing_config_arn).await?;
        let id = &kept.value.id;
        if !code_signing::functions(store, scope, id, "", 1).await?.is_empty() {
            return Err(lambda::error::resource_conflict_exception(format!(
                "The code signing configuration cannot be deleted because it is attached to functions: {}",
                input.code_signing_config_arn
            )));
        }
        let delete = Write::Delete { key: code_signing::key(scope, id), expect: kept.expect() };
        if resources::commit("delete-code-signing-config", store, Ok(vec![delete])).await? {
            return Ok(t::DeleteCodeSigningConfigResponse {});
        }
        // Somebody else changed it meanwhile: decide again on what is there now.
    }
}
