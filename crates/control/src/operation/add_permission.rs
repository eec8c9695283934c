//! `AddPermission`.

use lambent_lambda::AddStatement;
use lambent_model::Qualifier;
use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use crate::find::Found;
use crate::refuse::{self, invalid};
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::AddPermissionRequest,
) -> Result<t::AddPermissionResponse, Error> {
    let store = &context.control.parts.store;
    let qualifier = input.qualifier.as_deref();
    let target = context.target(&input.function_name, qualifier, "AddPermission").await?;
    if target.qualifier == Some(Qualifier::Latest) {
        return Err(invalid("We currently do not support adding policies for $LATEST."));
    }
    let add = AddStatement {
        sid: input.statement_id,
        action: input.action,
        principal: input.principal,
        source_arn: input.source_arn,
        source_account: input.source_account,
        event_source_token: input.event_source_token,
        principal_org_id: input.principal_org_id,
        function_url_auth_type: input.function_url_auth_type.map(|kind| kind.as_str().to_owned()),
        invoked_via_function_url: input.invoked_via_function_url,
    };
    loop {
        let found = Found::load(store, target.clone()).await.map_err(|error| match &target.qualifier {
            Some(Qualifier::Alias(_)) => lambda::error::resource_not_found_exception(format!(
                "Cannot find alias arn: {}",
                target.qualified()
            )),
            _ => error,
        })?;
        found.check_revision(input.revision_id.as_deref())?;
        let statement = add.clone().statement(&found.arn()).map_err(|error| refuse::refusal(&error))?;
        let shown = serde_json::to_string(&statement).expect("statements are text, lists and maps of text");
        let policy = found.policy().with(statement).map_err(|error| refuse::refusal(&error))?;
        if found.save_policy(store, policy, context.control.new_revision()).await? {
            return Ok(t::AddPermissionResponse { statement: Some(shown) });
        }
        // Somebody else changed the function meanwhile: decide again on what is there now.
    }
}
