//! `PutFunctionCodeSigningConfig`: looked at when code is next updated, as on AWS.

use lambent_lambda::CodeSigning;
use lambent_store::{Expect, Write};
use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use crate::request::Context;
use crate::resources::{self, Kept};
use crate::{code_signing, functions};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::PutFunctionCodeSigningConfigRequest,
) -> Result<t::PutFunctionCodeSigningConfigResponse, Error> {
    let store = &context.control.parts.store;
    let arn = context.function(&input.function_name, "PutFunctionCodeSigningConfig").await?;
    loop {
        let mut stored = functions::load(store, &arn).await?;
        let config = to_attach(context, &input.code_signing_config_arn).await?;
        let previous = stored.function.code_signing.replace(config.value.id.clone());
        let writes = || {
            let expect = Expect::Version(stored.version);
            let mut writes = vec![Write::put(functions::key(&arn), expect, &stored.function)?];
            writes.extend(previous.as_deref().map(|id| code_signing::detach(&arn, id)));
            writes.extend(code_signing::attach(&arn, &config)?);
            Ok(writes)
        };
        if resources::commit("put-function-code-signing-config", store, writes()).await? {
            return Ok(t::PutFunctionCodeSigningConfigResponse {
                code_signing_config_arn: Some(input.code_signing_config_arn),
                function_name: Some(stored.function.name),
            });
        }
        // Somebody else changed one of them meanwhile: decide again on what is there now.
    }
}

/// The configuration that a function is to have.
pub(super) async fn to_attach(context: &Context<'_>, arn: &str) -> Result<Kept<CodeSigning>, Error> {
    context.code_signing(arn).await.map_err(|error| match error.status.as_u16() {
        404 => lambda::error::code_signing_config_not_found_exception(format!(
            "The code signing configuration cannot be found. Check that the provided configuration is not deleted: \
             {arn}."
        )),
        _ => error,
    })
}
