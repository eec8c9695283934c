//! `AddLayerVersionPermission`.

use lambent_lambda::layer_statement;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;
use crate::{layers, refuse};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::AddLayerVersionPermissionRequest,
) -> Result<t::AddLayerVersionPermissionResponse, Error> {
    let store = &context.control.parts.store;
    let layer = context.own_layer(&input.layer_name, "AddLayerVersionPermission")?;
    let number = layers::number(input.version_number)?;
    let statement = layer_statement(
        input.statement_id,
        &input.action,
        input.principal,
        input.organization_id,
        &layer.version(number),
    );
    let statement = statement.map_err(|error| refuse::refusal(&error))?;
    let shown = serde_json::to_string(&statement).expect("statements are text, lists and maps of text");
    loop {
        let found = layers::version(store, &layer, number).await?;
        let (mut version, record) = found.ok_or_else(|| layers::absent(&layer, number))?;
        version.check_revision(input.revision_id.as_deref()).map_err(|error| refuse::refusal(&error))?;
        version.policy = version.policy.with(statement.clone()).map_err(|error| refuse::refusal(&error))?;
        version.revision = context.control.new_revision();
        if layers::replace(store, &layer, &version, record).await? {
            return Ok(t::AddLayerVersionPermissionResponse {
                statement: Some(shown),
                revision_id: Some(version.revision.to_string()),
            });
        }
        // Somebody else changed the policy meanwhile: decide again on what is there now.
    }
}
