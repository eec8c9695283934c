//! `PublishLayerVersion`.

use lambent_lambda::{LayerVersion, Policy};
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use super::input::{ObjectMembers, Source};
use crate::layer_view;
use crate::layers;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::PublishLayerVersionRequest,
) -> Result<t::PublishLayerVersionResponse, Error> {
    let control = context.control;
    let layer = context.own_layer(&input.layer_name, "PublishLayerVersion")?;
    let content = input.content;
    let source = Source {
        zip_file: content.zip_file,
        object: ObjectMembers {
            bucket: content.s3_bucket,
            key: content.s3_key,
            version: content.s3_object_version,
            has_mode: content.s3_object_storage_mode.is_some(),
        },
        image_uri: None,
        source_kms_key_arn: None,
    };
    let (code, package) = source.store(context, &layer.scope).await?;
    let mut version = LayerVersion {
        name: layer.name.clone(),
        number: 0,
        description: input.description.unwrap_or_default(),
        license: input.license_info,
        runtimes: input
            .compatible_runtimes
            .map(|all| all.iter().map(|runtime| runtime.as_str().to_owned()).collect()),
        architectures: input
            .compatible_architectures
            .map(|all| all.iter().map(layers::architecture).collect()),
        code,
        unpacked: package.unpacked_size(),
        created: control.parts.clock.now(),
        policy: Policy::NONE,
        revision: control.new_revision(),
    };
    loop {
        let (found, expect) = layers::load(&control.parts.store, &layer).await?;
        version.number = found.last_version + 1;
        if layers::publish(&control.parts.store, &layer, expect, &version).await? {
            break;
        }
        // Somebody else published meanwhile: the next number is theirs.
    }
    let shown = layer_view::whole(context, &layer, &version);
    Ok(t::PublishLayerVersionResponse {
        content: shown.content,
        layer_arn: shown.layer_arn,
        layer_version_arn: shown.layer_version_arn,
        description: shown.description,
        created_date: shown.created_date,
        version: shown.version,
        compatible_architectures: shown.compatible_architectures,
        compatible_runtimes: shown.compatible_runtimes,
        license_info: shown.license_info,
    })
}
