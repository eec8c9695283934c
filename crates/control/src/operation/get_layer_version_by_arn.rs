//! `GetLayerVersionByArn`.

use lambent_lambda::LayerArn;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::refuse::invalid;
use crate::request::Context;
use crate::{layer_view, layers};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetLayerVersionByArnRequest,
) -> Result<t::GetLayerVersionResponse, Error> {
    let Some((layer, Some(number))) = LayerArn::parse(&input.arn) else {
        return Err(invalid(format!("{} is not a layer version's ARN", input.arn)));
    };
    let version = context.layer_version(&layer, number).await?;
    let version = version.ok_or_else(|| layers::absent(&layer, number))?;
    Ok(layer_view::whole(context, &layer, &version))
}
