//! `UpdateCodeSigningConfig`.

use lambent_store::Write;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;
use crate::{code_signing, resources};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::UpdateCodeSigningConfigRequest,
) -> Result<t::UpdateCodeSigningConfigResponse, Error> {
    let parts = &context.control.parts;
    let scope = &context.caller.scope;
    loop {
        let kept = context.code_signing(&input.code_signing_config_arn).await?;
        let expect = kept.expect();
        let mut config = kept.value;
        if let Some(description) = &input.description {
            config.description.clone_from(description);
        }
        if let Some(publishers) = &input.allowed_publishers {
            config.publishers.clone_from(&publishers.signing_profile_version_arns);
        }
        if let Some(untrusted) = code_signing::untrusted(input.code_signing_policies.as_ref()) {
            config.untrusted = untrusted;
        }
        config.modified = parts.clock.now();
        let write = Write::put(code_signing::key(scope, &config.id), expect, &config);
        if resources::commit("update-code-signing-config", &parts.store, write.map(|write| vec![write]))
            .await?
        {
            let shown = code_signing::shown(scope, &config);
            return Ok(t::UpdateCodeSigningConfigResponse { code_signing_config: Some(shown) });
        }
        // Somebody else changed it meanwhile: decide again on what is there now.
    }
}
