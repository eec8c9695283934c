//! `PublishVersion`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambent_lambda::{Function, Publication, Refusal};
use lambent_model::FunctionArn;
use lambent_store::Expect;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::functions::{self, Changes};
use crate::present::Form;
use crate::refuse::{self, invalid};
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::PublishVersionRequest,
) -> Result<t::FunctionConfiguration, Error> {
    let store = &context.control.parts.store;
    let arn = context.latest(&input.function_name, "PublishVersion").await?;
    if input.publish_to.is_some() {
        return Err(refuse::refusal(&Refusal::Unsupported("PublishTo")));
    }
    loop {
        let stored = functions::load(store, &arn).await?;
        let latest = &stored.function;
        latest.check_changeable(input.revision_id.as_deref()).map_err(|error| refuse::refusal(&error))?;
        check_code(latest, input.code_sha256.as_deref())?;
        let published = publish(context, &arn, latest, input.description.clone()).await?;
        let version = match &published {
            Published::Unchanged(version) => version,
            Published::New { latest, version } => {
                let expect = Expect::Version(stored.version);
                let changes = Changes::version(Some(version));
                let saved = functions::save("publish-version", store, &arn, expect, latest, changes).await;
                if !saved.map_err(|error| refuse::store(&error))? {
                    // Somebody else changed the function meanwhile: decide again on what is there now.
                    continue;
                }
                if version.is_settling() {
                    context.control.settle_soon(arn.clone()).await;
                }
                version
            }
        };
        return Ok(context.configuration(version, format!("{arn}:{}", version.version_text()), Form::Full));
    }
}

fn check_code(latest: &Function, expected: Option<&str>) -> Result<(), Error> {
    let actual = STANDARD.encode(latest.code.sha256.0);
    match expected {
        Some(expected) if expected != actual => Err(invalid(format!(
            "CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({actual}). Please try again \
             with the CodeSHA256 in $LATEST."
        ))),
        _ => Ok(()),
    }
}

/// What publishing comes to, not yet committed.
pub(super) enum Published {
    /// The version that is as `$LATEST` already.
    Unchanged(Box<Function>),
    /// `$LATEST` as it will be, and the new version.
    New { latest: Box<Function>, version: Box<Function> },
}

/// Publishes `latest`, which may be on its way into the store itself.
pub(super) async fn publish(
    context: &Context<'_>,
    arn: &FunctionArn,
    latest: &Function,
    description: Option<String>,
) -> Result<Published, Error> {
    let control = context.control;
    let last = match latest.last_version {
        0 => None,
        number => functions::version(&control.parts.store, arn, number)
            .await
            .map_err(|error| refuse::store(&error))?,
    };
    let revisions = (control.new_revision(), control.new_revision());
    Ok(match (latest.publish(last.as_ref(), description, revisions.0, revisions.1), last) {
        (Publication::New { latest, version }, _) => Published::New { latest, version },
        (Publication::Unchanged, Some(last)) => Published::Unchanged(Box::new(last)),
        (Publication::Unchanged, None) => {
            unreachable!("nothing is unchanged since a version that is not there")
        }
    })
}
