//! `CreateCodeSigningConfig`.

use lambent_lambda::{CodeSigning, random_name};
use lambent_store::{Expect, Write};
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use super::input;
use crate::request::Context;
use crate::{code_signing, resources};

pub(crate) async fn answer(
    context: &Context<'_>,
    request: t::CreateCodeSigningConfigRequest,
) -> Result<t::CreateCodeSigningConfigResponse, Error> {
    let parts = &context.control.parts;
    let scope = &context.caller.scope;
    let mut config = CodeSigning {
        id: String::new(),
        description: request.description.unwrap_or_default(),
        publishers: request.allowed_publishers.signing_profile_version_arns,
        untrusted: code_signing::untrusted(request.code_signing_policies.as_ref()).unwrap_or_default(),
        tags: input::tags(request.tags)?,
        modified: parts.clock.now(),
    };
    loop {
        config.id = format!("csc-{}", random_name(17, &*parts.entropy));
        let write = Write::put(code_signing::key(scope, &config.id), Expect::Absent, &config);
        if resources::commit("create-code-signing-config", &parts.store, write.map(|write| vec![write]))
            .await?
        {
            let shown = code_signing::shown(scope, &config);
            return Ok(t::CreateCodeSigningConfigResponse { code_signing_config: Some(shown) });
        }
        // The id is taken: another one.
    }
}
