//! Resources that have tags, by their ARNs.

use std::collections::BTreeMap;

use lambent_lambda::{CodeSigning, Function, Mapping, Refusal};
use lambent_model::FunctionArn;
use lambent_store::{Key, Write};
use lambent_wire::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::refuse::invalid;
use crate::request::Context;
use crate::{code_signing, functions, mappings, refuse, resources, urls};

type Tags = BTreeMap<String, String>;

/// A resource that has tags.
pub(crate) enum Tagged {
    /// A function, without a qualifier.
    Function(FunctionArn),
    /// Another one, by its record.
    CodeSigning(Key),
    /// The same of an event source mapping.
    Mapping(Key),
}

impl Context<'_> {
    /// What an ARN names.
    pub(crate) async fn tagged(&self, arn: &str, action: &str) -> Result<Tagged, Error> {
        let scope = &self.caller.scope;
        if arn.contains(":code-signing-config:") {
            let id = code_signing::id_in(scope, arn)?;
            return Ok(Tagged::CodeSigning(code_signing::key(scope, id)));
        }
        if arn.contains(":event-source-mapping:") {
            let prefix = format!("arn:aws:lambda:{}:{}:event-source-mapping:", scope.region, scope.account);
            let id = arn.strip_prefix(&prefix).ok_or_else(urls::absent)?;
            return Ok(Tagged::Mapping(mappings::key(scope, id)));
        }
        if !arn.contains(":function:") {
            return Err(urls::absent());
        }
        let target = self.target(arn, None, action).await?;
        match target.qualifier {
            None => Ok(Tagged::Function(target.function)),
            Some(_) => Err(invalid(
                "Tags on function aliases and versions are not supported. Please specify a function ARN.",
            )),
        }
    }

    /// The tags of a resource.
    pub(crate) async fn tags_of(&self, tagged: &Tagged) -> Result<Tags, Error> {
        let store = &self.control.parts.store;
        match tagged {
            Tagged::Function(arn) => Ok(functions::load(store, arn).await?.function.tags),
            Tagged::CodeSigning(key) => {
                let kept = resources::get::<CodeSigning>(store, key).await?.ok_or_else(urls::absent)?;
                Ok(kept.value.tags)
            }
            Tagged::Mapping(key) => {
                let kept = resources::get::<Mapping>(store, key).await?.ok_or_else(urls::absent)?;
                Ok(kept.value.tags)
            }
        }
    }

    /// Replaces the tags of a resource. Its revision stays: tags are no part of it.
    pub(crate) async fn retag(
        &self,
        tagged: &Tagged,
        change: impl Fn(&Tags) -> Result<Tags, Refusal>,
        check: impl Fn(&Function) -> Result<(), Refusal>,
    ) -> Result<(), Error> {
        let change = |tags: &Tags| change(tags).map_err(|error| refuse::refusal(&error));
        match tagged {
            Tagged::Function(arn) => {
                functions::change("tags-of-functions", &self.control.parts.store, arn, |function| {
                    check(function).map_err(|error| refuse::refusal(&error))?;
                    function.tags = change(&function.tags)?;
                    Ok(())
                })
                .await
            }
            Tagged::CodeSigning(key) => {
                self.retag_kept(key, |config: &mut CodeSigning| {
                    config.tags = change(&config.tags)?;
                    Ok(())
                })
                .await
            }
            Tagged::Mapping(key) => {
                self.retag_kept(key, |mapping: &mut Mapping| {
                    mapping.tags = change(&mapping.tags)?;
                    Ok(())
                })
                .await
            }
        }
    }

    async fn retag_kept<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        change: impl Fn(&mut T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let store = &self.control.parts.store;
        loop {
            let mut kept = resources::get::<T>(store, key).await?.ok_or_else(urls::absent)?;
            change(&mut kept.value)?;
            let write = Write::put(key.clone(), kept.expect(), &kept.value);
            if resources::commit("tags-of-others", store, write.map(|write| vec![write])).await? {
                return Ok(());
            }
            // Somebody else changed it meanwhile: decide again on what is there now.
        }
    }
}
