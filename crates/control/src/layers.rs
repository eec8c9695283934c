//! The records of layers in the store, how requests name them, and how functions come to use them.
//!
//! A version is committed together with its layer's record, on condition that this is as it was read: so no number is
//! given twice.

use lambent_lambda::{
    Access, Architecture, Decision, GET_LAYER_VERSION, Layer, LayerArn, LayerVersion, UsedLayer, Who,
    check_layers, check_unpacked,
};
use lambent_model::{FunctionArn, Scope};
use lambent_store::{Expect, Key, Package, Partition, Store, Write};
use lambent_wire::lambda::types as t;
use lambent_wire::{Error, common, lambda};

use crate::refuse::invalid;
use crate::request::Context;
use crate::{refuse, resources};

/// The kind of layers' records, named by layer.
const LAYER_KIND: &str = "layer";
/// The kind of their versions' records, named `LAYER/NUMBER` with twenty digits, which sort as numbers do.
pub(crate) const LAYER_VERSION_KIND: &str = "layer-version";

fn layer_key(layer: &LayerArn) -> Key {
    resources::key(LAYER_KIND, &layer.scope, layer.name.clone())
}

fn version_key(layer: &LayerArn, number: u64) -> Key {
    resources::key(LAYER_VERSION_KIND, &layer.scope, format!("{}/{number:020}", layer.name))
}

/// A layer as it is, and what a change of it expects.
pub(crate) async fn load(store: &Store, layer: &LayerArn) -> Result<(Layer, Expect), Error> {
    let record = store.get(&layer_key(layer)).await.map_err(|error| refuse::store(&error))?;
    let Some(record) = record else { return Ok((Layer::default(), Expect::Absent)) };
    let found = record.decode().map_err(|error| refuse::store(&error))?;
    Ok((found, Expect::Version(record.version)))
}

/// Commits a new version of a layer that is as `expect` says; false when it was not.
pub(crate) async fn publish(
    store: &Store,
    layer: &LayerArn,
    expect: Expect,
    version: &LayerVersion,
) -> Result<bool, Error> {
    let record = Layer { last_version: version.number };
    let writes = || {
        Ok(vec![
            Write::put(layer_key(layer), expect, &record)?,
            Write::put(version_key(layer, version.number), Expect::Absent, version)?,
        ])
    };
    resources::commit("layer-publish", store, writes()).await
}

/// A version with the version of its record.
pub(crate) async fn version(
    store: &Store,
    layer: &LayerArn,
    number: u64,
) -> Result<Option<(LayerVersion, u64)>, Error> {
    let record = store.get(&version_key(layer, number)).await.map_err(|error| refuse::store(&error))?;
    let Some(record) = record else { return Ok(None) };
    Ok(Some((record.decode().map_err(|error| refuse::store(&error))?, record.version)))
}

/// Replaces a version's record that is at `expected`; false when it was not.
pub(crate) async fn replace(
    store: &Store,
    layer: &LayerArn,
    version: &LayerVersion,
    expected: u64,
) -> Result<bool, Error> {
    let write = Write::put(version_key(layer, version.number), Expect::Version(expected), version);
    resources::commit("layer-replace", store, write.map(|write| vec![write])).await
}

/// Deletes a version, if it is there.
pub(crate) async fn delete(store: &Store, layer: &LayerArn, number: u64) -> Result<(), Error> {
    let write = Write::Delete { key: version_key(layer, number), expect: Expect::Any };
    resources::commit("layer-delete", store, Ok(vec![write])).await.map(drop)
}

/// The versions of a layer, the newest first.
pub(crate) async fn versions(store: &Store, layer: &LayerArn) -> Result<Vec<LayerVersion>, Error> {
    let records = crate::resources::children(store, version_key(layer, 0), &layer.name, usize::MAX).await;
    let versions = records.and_then(|records| records.iter().rev().map(|record| record.decode()).collect());
    versions.map_err(|error| refuse::store(&error))
}

/// The names of up to `limit` layers of an account and region after `after`; some may have no version left.
pub(crate) async fn names(
    store: &Store,
    scope: &Scope,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>, Error> {
    let partition =
        Partition { kind: LAYER_KIND, partition: resources::key(LAYER_KIND, scope, String::new()).partition };
    let records = store.list(&partition, after, limit).await.map_err(|error| refuse::store(&error))?;
    Ok(records.into_iter().map(|record| record.key.name).collect())
}

/// What function operations say of a version that is not there.
fn no_such(arn: &str) -> String {
    format!("Layer version {arn} does not exist.")
}

/// The same of layer operations.
pub(crate) fn absent(layer: &LayerArn, number: u64) -> Error {
    lambda::error::resource_not_found_exception(no_such(&layer.version(number)))
}

/// `VersionNumber`.
pub(crate) fn number(given: i64) -> Result<u64, Error> {
    u64::try_from(given)
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| invalid("Layer Version Cannot be less than 1"))
}

/// An architecture of the model; the enum has been checked.
pub(crate) fn architecture(given: &t::Architecture) -> Architecture {
    match given {
        t::Architecture::Arm64 => Architecture::Arm64,
        _ => Architecture::X86_64,
    }
}

impl Context<'_> {
    /// The layer that a name or an ARN means.
    pub(crate) fn layer(&self, name: &str) -> Result<LayerArn, Error> {
        let scope = &self.caller.scope;
        let Some((layer, version)) = LayerArn::parse(name) else {
            if name.contains(':') {
                return Err(invalid(format!("{name} is neither a layer's name nor its ARN")));
            }
            return Ok(LayerArn { scope: scope.clone(), name: name.to_owned() });
        };
        if version.is_some() {
            return Err(invalid(format!("{name} is a layer version's ARN, and a layer's is needed here")));
        }
        self.check_region(&layer)?;
        Ok(layer)
    }

    fn check_region(&self, layer: &LayerArn) -> Result<(), Error> {
        let (asked, here) = (&layer.scope.region, &self.caller.scope.region);
        if asked == here {
            return Ok(());
        }
        Err(lambda::error::resource_not_found_exception(format!(
            "Layers from '{asked}' are not reachable in this region ('{here}')"
        )))
    }

    /// The same for operations that no policy can permit to other accounts.
    pub(crate) fn own_layer(&self, name: &str, action: &str) -> Result<LayerArn, Error> {
        let layer = self.layer(name)?;
        match layer.scope.account == self.caller.scope.account {
            true => Ok(layer),
            false => Err(self.layer_refused(&layer.to_string(), &format!("lambda:{action}"))),
        }
    }

    /// A version that the caller may see; another account's has to permit it.
    pub(crate) async fn layer_version(
        &self,
        layer: &LayerArn,
        number: u64,
    ) -> Result<Option<LayerVersion>, Error> {
        self.check_region(layer)?;
        let found = version(&self.control.parts.store, layer, number).await?.map(|(version, _)| version);
        let account = &self.caller.scope.account;
        if layer.scope.account == *account {
            return Ok(found);
        }
        let arn = layer.version(number);
        let access = Access {
            who: Who::Aws { account, arn: &self.caller.arn },
            action: GET_LAYER_VERSION,
            resource: &arn,
            keys: &[],
        };
        // Whether a version that the caller may not see exists is not said either.
        match found.filter(|version| version.policy.decision(&access) == Decision::Allow) {
            Some(version) => Ok(Some(version)),
            None => Err(self.layer_refused(&arn, GET_LAYER_VERSION)),
        }
    }

    fn layer_refused(&self, arn: &str, action: &str) -> Error {
        common::access_denied(format!(
            "User: {} is not authorized to perform: {action} on resource: {arn} because no resource-based policy allows \
             the {action} action",
            self.caller.arn
        ))
    }

    /// Looks up the layers that a function is to have, and merges their trees.
    pub(crate) async fn use_layers(&self, function: &FunctionArn, arns: &[String]) -> Result<Used, Error> {
        let named = check_layers(arns, function).map_err(|error| refuse::refusal(&error))?;
        let code = &self.control.parts.code;
        let (mut layers, mut packages) = (Vec::new(), Vec::new());
        for (layer, number) in named {
            let arn = layer.version(number);
            let version = self.layer_version(&layer, number).await?.ok_or_else(|| invalid(no_such(&arn)))?;
            if version.code.folder.is_some() {
                // The merged tree of several is made of hard links, and would not change with a folder.
                if arns.len() > 1 {
                    return Err(invalid(format!(
                        "The layer {arn} is a folder of this machine (S3Bucket hot-reload), which has to be the \
                         function's only layer"
                    )));
                }
                layers.push(UsedLayer { arn, code: version.code, unpacked: version.unpacked });
                continue;
            }
            let package = code.open_package(&version.code.sha256).map_err(|error| refuse::code(&error))?;
            // Deleted since it was read.
            packages.push(package.ok_or_else(|| invalid(no_such(&arn)))?);
            layers.push(UsedLayer { arn, code: version.code, unpacked: version.unpacked });
        }
        check_unpacked(0, &layers).map_err(|error| refuse::refusal(&error))?;
        let tree = code.merge(&packages).await.map_err(|error| refuse::code(&error))?;
        Ok(Used { layers, _tree: tree })
    }

    /// Refuses code and layers that are too large together.
    pub(crate) fn check_unpacked(&self, code: u64, layers: &[UsedLayer]) -> Result<(), Error> {
        check_unpacked(code, layers).map_err(|error| refuse::refusal(&error))
    }
}

/// Layers as a function is to have them. To be held until the function is committed: in between nothing else keeps
/// their tree from the removal of unused packages.
pub(crate) struct Used {
    pub(crate) layers: Vec<UsedLayer>,
    _tree: Option<Package>,
}
