//! `UpdateFunctionCode`.

use lambent_lambda::Refusal;
use lambent_store::Expect;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use super::input::{self, Source};
use crate::present::{Form, configuration};
use crate::request::{Context, invalid};
use crate::{functions, refuse};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::UpdateFunctionCodeRequest,
) -> Result<t::FunctionConfiguration, Error> {
    let store = &context.control.parts.store;
    let arn = context.latest(&input.function_name, "UpdateFunctionCode")?;
    if input.image_uri.is_some() {
        return Err(invalid("Please don't provide ImageUri when updating a function with packageType Zip."));
    }
    if input.publish == Some(true) || input.publish_to.is_some() {
        return Err(refuse::refusal(&Refusal::Unsupported("published versions (Publish)")));
    }
    let stored = functions::load(store, &arn).await?;
    let check = |function: &lambent_lambda::Function| {
        function.check_changeable(input.revision_id.as_deref()).map_err(|error| refuse::refusal(&error))
    };
    check(&stored.function)?;
    let architecture = input::architecture(input.architectures.as_ref());
    let source = Source {
        zip_file: input.zip_file.clone(),
        from_s3: input.s3_bucket.is_some()
            || input.s3_key.is_some()
            || input.s3_object_version.is_some()
            || input.s3_object_storage_mode.is_some(),
        image_uri: None,
        source_kms_key_arn: input.source_kms_key_arn.clone(),
    };
    let (code, _held) = source.store(context).await?;
    let mut stored = stored;
    loop {
        check(&stored.function)?;
        let updated = stored.function.with_code(code, architecture, context.control.stamp());
        if input.dry_run == Some(true) {
            return Ok(configuration(&updated, arn.to_string(), Form::Full));
        }
        let saved = functions::save(store, &arn, Expect::Version(stored.version), &updated).await;
        if saved.map_err(|error| refuse::store(&error))? {
            context.control.settle_soon(arn.clone()).await;
            return Ok(configuration(&updated, arn.to_string(), Form::Full));
        }
        // Somebody else changed the function meanwhile: decide again on what is there now.
        stored = functions::load(store, &arn).await?;
    }
}
