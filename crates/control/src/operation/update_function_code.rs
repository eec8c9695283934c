//! `UpdateFunctionCode`.

use lambent_lambda::{Function, Refusal};
use lambent_model::FunctionArn;
use lambent_store::Expect;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use super::input::{self, ObjectMembers, Source};
use super::publish_version::{self, Published};
use crate::code_signing;
use crate::functions::{self, Changes};
use crate::present::Form;
use crate::refuse::{self, invalid};
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::UpdateFunctionCodeRequest,
) -> Result<t::FunctionConfiguration, Error> {
    let store = &context.control.parts.store;
    let arn = context.latest(&input.function_name, "UpdateFunctionCode").await?;
    if input.image_uri.is_some() {
        return Err(invalid("Please don't provide ImageUri when updating a function with packageType Zip."));
    }
    if input.publish_to.is_some() {
        return Err(refuse::refusal(&Refusal::Unsupported("PublishTo")));
    }
    let stored = functions::load(store, &arn).await?;
    let check = |function: &lambent_lambda::Function| {
        function.check_changeable(input.revision_id.as_deref()).map_err(|error| refuse::refusal(&error))
    };
    check(&stored.function)?;
    if let Some(id) = &stored.function.code_signing {
        let config = context.code_signing(&code_signing::arn(&arn.scope, id)).await?;
        code_signing::check_package(&config.value)?;
    }
    let architecture = input::architecture(input.architectures.as_ref());
    let source = Source {
        zip_file: input.zip_file.clone(),
        object: ObjectMembers {
            bucket: input.s3_bucket.clone(),
            key: input.s3_key.clone(),
            version: input.s3_object_version.clone(),
            has_mode: input.s3_object_storage_mode.is_some(),
        },
        image_uri: None,
        source_kms_key_arn: input.source_kms_key_arn.clone(),
    };
    let (code, package) = source.store(context, &arn.scope).await?;
    let mut stored = stored;
    loop {
        check(&stored.function)?;
        context.check_unpacked(package.unpacked_size(), &stored.function.settings.layers)?;
        let updated = stored.function.with_code(code.clone(), architecture, context.control.stamp());
        if input.dry_run == Some(true) {
            return Ok(context.configuration(&updated, arn.to_string(), Form::Full));
        }
        let answer = save(context, &arn, stored.version, updated, input.publish == Some(true)).await?;
        if let Some(answer) = answer {
            context.control.settle_soon(arn.clone()).await;
            return Ok(answer);
        }
        // Somebody else changed the function meanwhile: decide again on what is there now.
        stored = functions::load(store, &arn).await?;
    }
}

/// Commits, where wanted with a version of it; `None` when the function has changed meanwhile.
async fn save(
    context: &Context<'_>,
    arn: &FunctionArn,
    version: u64,
    updated: Function,
    publish: bool,
) -> Result<Option<t::FunctionConfiguration>, Error> {
    let published = match publish {
        true => Some(publish_version::publish(context, arn, &updated, None).await?),
        false => None,
    };
    let (latest, new, shown) = match &published {
        None => (&updated, None, &updated),
        Some(Published::Unchanged(version)) => (&updated, None, &**version),
        Some(Published::New { latest, version }) => (&**latest, Some(&**version), &**version),
    };
    let store = &context.control.parts.store;
    let changes = Changes::version(new);
    let saved =
        functions::save("update-function-code", store, arn, Expect::Version(version), latest, changes).await;
    if !saved.map_err(|error| refuse::store(&error))? {
        return Ok(None);
    }
    // With a version the answer is the version's, under its own ARN.
    let arn = match shown.version {
        Some(number) => format!("{arn}:{number}"),
        None => arn.to_string(),
    };
    Ok(Some(context.configuration(shown, arn, Form::Full)))
}
