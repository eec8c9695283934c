//! `DeleteLayerVersion`: of one that is not there as well. Functions that use it keep it.

use lambent_wire::lambda::types as t;
use lambent_wire::{Empty, Error};

use crate::layers;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::DeleteLayerVersionRequest,
) -> Result<Empty, Error> {
    let layer = context.own_layer(&input.layer_name, "DeleteLayerVersion")?;
    let number = layers::number(input.version_number)?;
    layers::delete(&context.control.parts.store, &layer, number).await?;
    Ok(Empty {})
}
