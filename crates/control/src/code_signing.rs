//! The records of code signing configurations, and which functions have them.
//!
//! A function is attached by a record of its own, committed together with the configuration's, on condition that this is
//! as it was read: so none is deleted while a function comes to have it.

use lambent_lambda::{CodeSigning, Untrusted};
use lambent_model::{FunctionArn, Scope};
use lambent_store::{Error as StoreError, Expect, Key, Partition, Store, Write};
use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use crate::resources::{self, Kept};

/// The kind of configurations' records, named by id.
pub(crate) const KIND: &str = "code-signing-config";
/// The kind of records of functions that have one, named `ID/FUNCTION`.
const USE_KIND: &str = "code-signing-use";

pub(crate) fn key(scope: &Scope, id: &str) -> Key {
    resources::key(KIND, scope, id)
}

fn use_key(function: &FunctionArn, id: &str) -> Key {
    resources::key(USE_KIND, &function.scope, format!("{id}/{}", function.name))
}

pub(crate) fn arn(scope: &Scope, id: &str) -> String {
    format!("arn:aws:lambda:{}:{}:code-signing-config:{id}", scope.region, scope.account)
}

/// A configuration as AWS shows it.
pub(crate) fn shown(scope: &Scope, config: &CodeSigning) -> t::CodeSigningConfig {
    t::CodeSigningConfig {
        code_signing_config_id: Some(config.id.clone()),
        code_signing_config_arn: Some(arn(scope, &config.id)),
        description: Some(config.description.clone()),
        allowed_publishers: Some(t::AllowedPublishers {
            signing_profile_version_arns: config.publishers.clone(),
        }),
        code_signing_policies: Some(t::CodeSigningPolicies {
            untrusted_artifact_on_deployment: Some(match config.untrusted {
                Untrusted::Warn => t::CodeSigningPolicy::Warn,
                Untrusted::Enforce => t::CodeSigningPolicy::Enforce,
            }),
        }),
        last_modified: Some(config.modified.last_modified()),
    }
}

/// `UntrustedArtifactOnDeployment`, an enum that has been checked.
pub(crate) fn untrusted(policies: Option<&t::CodeSigningPolicies>) -> Option<Untrusted> {
    policies?.untrusted_artifact_on_deployment.as_ref().map(|policy| match policy {
        t::CodeSigningPolicy::Enforce => Untrusted::Enforce,
        _ => Untrusted::Warn,
    })
}

/// AWS's answer where there is no such configuration.
pub(crate) fn absent(arn: &str) -> Error {
    lambda::error::resource_not_found_exception(format!(
        "The Lambda code signing configuration {arn} can not be found."
    ))
}

/// The id in an ARN of this account and region; the model's pattern has been checked.
pub(crate) fn id_in<'a>(scope: &Scope, text: &'a str) -> Result<&'a str, Error> {
    let id = text.rsplit(':').next().filter(|id| arn(scope, id) == text);
    id.ok_or_else(|| absent(text))
}

/// The configuration of an ARN of this account and region.
pub(crate) async fn load(store: &Store, scope: &Scope, text: &str) -> Result<Kept<CodeSigning>, Error> {
    let found = resources::get(store, &key(scope, id_in(scope, text)?)).await?;
    found.ok_or_else(|| absent(text))
}

/// What is committed with a function that comes to have `config`.
pub(crate) fn attach(function: &FunctionArn, config: &Kept<CodeSigning>) -> Result<Vec<Write>, StoreError> {
    let id = &config.value.id;
    Ok(vec![
        Write::put(key(&function.scope, id), config.expect(), &config.value)?,
        Write::put(use_key(function, id), Expect::Any, &function.name)?,
    ])
}

/// What is committed with a function that has it no more.
pub(crate) fn detach(function: &FunctionArn, id: &str) -> Write {
    Write::Delete { key: use_key(function, id), expect: Expect::Any }
}

/// The names of up to `limit` functions after `after` that have a configuration.
pub(crate) async fn functions(
    store: &Store,
    scope: &Scope,
    id: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<String>, Error> {
    let first = resources::key(USE_KIND, scope, format!("{id}/{after}"));
    let records = resources::children(store, first, id, limit).await;
    let names = records.and_then(|records| records.iter().map(|record| record.decode()).collect());
    names.map_err(|error| crate::refuse::store(&error))
}

/// All configurations of an account and region.
pub(crate) fn partition(scope: &Scope) -> Partition {
    key(scope, "").partition()
}

/// Refuses a package where its signature would have to be verified, which cannot be done here.
pub(crate) fn check_package(config: &CodeSigning) -> Result<(), Error> {
    match config.untrusted {
        Untrusted::Warn => Ok(()),
        Untrusted::Enforce => Err(lambda::error::code_verification_failed_exception(
            "lambent cannot verify the signatures of AWS Signer, and the code signing configuration enforces them; see \
             docs/compatibility.md",
        )),
    }
}
