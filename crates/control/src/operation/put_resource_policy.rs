//! `PutResourcePolicy`: a whole policy document in place of the one that is there.

use lambent_lambda::Policy;
use lambent_model::{Qualifier, Target};
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::find::Found;
use crate::refuse::{self, invalid};
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::PutResourcePolicyRequest,
) -> Result<t::PutResourcePolicyResponse, Error> {
    let store = &context.control.parts.store;
    let target = resource(context, &input.resource_arn, "PutResourcePolicy").await?;
    if target.qualifier == Some(Qualifier::Latest) {
        return Err(invalid("We currently do not support adding policies for $LATEST."));
    }
    loop {
        let found = Found::load(store, target.clone()).await?;
        found.check_revision(input.revision_id.as_deref())?;
        let policy = Policy::parse(&input.policy, &found.arn()).map_err(|error| refuse::refusal(&error))?;
        let (shown, revision) = (policy.document(), context.control.new_revision());
        if found.save_policy(store, policy, revision).await? {
            return Ok(t::PutResourcePolicyResponse {
                policy: Some(shown),
                revision_id: Some(revision.to_string()),
            });
        }
        // Somebody else changed the function meanwhile: decide again on what is there now.
    }
}

/// The function, version or alias that a whole ARN names; the model also has runtimes there.
pub(super) async fn resource(context: &Context<'_>, arn: &str, action: &str) -> Result<Target, Error> {
    if !arn.contains(":function:") {
        return Err(refuse::refusal(&lambent_lambda::Refusal::Unsupported("resource policies of runtimes")));
    }
    context.target(arn, None, action).await
}
