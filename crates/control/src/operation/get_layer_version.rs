//! `GetLayerVersion`.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;
use crate::{layer_view, layers};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetLayerVersionRequest,
) -> Result<t::GetLayerVersionResponse, Error> {
    let layer = context.layer(&input.layer_name)?;
    let number = layers::number(input.version_number)?;
    let version = context.layer_version(&layer, number).await?;
    let version = version.ok_or_else(|| layers::absent(&layer, number))?;
    Ok(layer_view::whole(context, &layer, &version))
}
