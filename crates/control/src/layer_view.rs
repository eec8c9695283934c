//! A layer version as AWS shows it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambent_lambda::{Architecture, LayerArn, LayerVersion};
use lambent_wire::lambda::types as t;

use crate::request::Context;

fn architectures(version: &LayerVersion) -> Option<Vec<t::Architecture>> {
    let shown = |architecture: &Architecture| match architecture {
        Architecture::X86_64 => t::Architecture::X86_64,
        Architecture::Arm64 => t::Architecture::Arm64,
    };
    version.architectures.as_ref().map(|all| all.iter().map(shown).collect())
}

fn runtimes(version: &LayerVersion) -> Option<Vec<t::Runtime>> {
    version.runtimes.as_ref().map(|all| all.iter().map(|one| one.as_str().into()).collect())
}

fn number(version: &LayerVersion) -> Option<i64> {
    i64::try_from(version.number).ok()
}

/// The form of `GetLayerVersion`; that of `PublishLayerVersion` has the same members.
pub(crate) fn whole(
    context: &Context<'_>,
    layer: &LayerArn,
    version: &LayerVersion,
) -> t::GetLayerVersionResponse {
    let parts = &context.control.parts;
    let code = &version.code;
    let location = parts.location.of(&context.caller.base_url, &layer.scope.account, code, parts.clock.now());
    t::GetLayerVersionResponse {
        content: Some(t::LayerVersionContentOutput {
            location: Some(location),
            code_sha256: Some(STANDARD.encode(code.sha256.0)),
            code_size: i64::try_from(code.size).ok(),
            ..t::LayerVersionContentOutput::default()
        }),
        layer_arn: Some(layer.to_string()),
        layer_version_arn: Some(layer.version(version.number)),
        description: Some(version.description.clone()),
        created_date: Some(version.created.last_modified()),
        version: number(version),
        compatible_architectures: architectures(version),
        compatible_runtimes: runtimes(version),
        license_info: version.license.clone(),
    }
}

/// The form of lists.
pub(crate) fn listed(layer: &LayerArn, version: &LayerVersion) -> t::LayerVersionsListItem {
    t::LayerVersionsListItem {
        layer_version_arn: Some(layer.version(version.number)),
        version: number(version),
        description: Some(version.description.clone()),
        created_date: Some(version.created.last_modified()),
        compatible_architectures: architectures(version),
        compatible_runtimes: runtimes(version),
        license_info: version.license.clone(),
    }
}
