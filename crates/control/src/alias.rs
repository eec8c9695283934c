//! What the operations on aliases have in common.

use std::collections::BTreeMap;

use lambent_lambda::{Alias, Function, Pointed, Refusal, Routing};
use lambent_model::FunctionArn;
use lambent_store::Store;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::refuse::{invalid, not_found};
use crate::{functions, refuse};

/// An alias as AWS shows it.
pub(crate) fn configuration(arn: &FunctionArn, alias: &Alias) -> t::AliasConfiguration {
    let routing = alias.routing.map(|routing| t::AliasRoutingConfiguration {
        additional_version_weights: Some([(routing.version.to_string(), routing.weight)].into()),
    });
    t::AliasConfiguration {
        alias_arn: Some(format!("{arn}:{}", alias.name)),
        name: Some(alias.name.clone()),
        function_version: Some(alias.version.to_string()),
        description: Some(alias.description.clone()),
        routing_config: routing,
        revision_id: Some(alias.revision.to_string()),
    }
}

/// `FunctionVersion`, which the model's pattern has checked.
pub(crate) fn pointed(version: &str) -> Result<Pointed, Error> {
    match version {
        "$LATEST" => Ok(Pointed::Latest),
        "$LATEST.PUBLISHED" => Err(refuse::refusal(&Refusal::Unsupported("$LATEST.PUBLISHED"))),
        number => number.parse().map(Pointed::Version).map_err(|_| invalid(no_version(number))),
    }
}

/// `RoutingConfig`; `None` where it is empty.
pub(crate) fn routing(config: &t::AliasRoutingConfiguration) -> Result<Option<Routing>, Error> {
    let Some(weights) = &config.additional_version_weights else { return Ok(None) };
    let mut numbers = BTreeMap::new();
    for (version, weight) in weights {
        numbers.insert(version.parse().map_err(|_| invalid(no_version(version)))?, *weight);
    }
    Routing::from_weights(&numbers).map_err(|error| refuse::refusal(&error))
}

fn no_version(text: &str) -> String {
    format!("Invalid function version {text}.")
}

/// Checks an alias against its rules and against the versions that it points to.
pub(crate) async fn check(
    store: &Store,
    arn: &FunctionArn,
    latest: &Function,
    alias: &Alias,
) -> Result<(), Error> {
    alias.check().map_err(|error| refuse::refusal(&error))?;
    let mut first: Option<Function> = None;
    for version in alias.versions() {
        let function = match version {
            Pointed::Latest => latest.clone(),
            Pointed::Version(number) => functions::version(store, arn, number)
                .await
                .map_err(|error| refuse::store(&error))?
                .ok_or_else(|| not_found(format!("{arn}:{number}")))?,
        };
        function.check_not_failed().map_err(|error| refuse::refusal(&error))?;
        if let Some(first) = &first {
            Alias::check_versions(first, &function).map_err(|error| refuse::refusal(&error))?;
        }
        first = Some(function);
    }
    Ok(())
}
