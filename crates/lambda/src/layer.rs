//! Layers: trees that functions share, published version by version (AWS Lambda Developer Guide, "Managing Lambda
//! dependencies with layers").

use std::fmt;
use std::str::FromStr;

use lambent_model::{FunctionArn, Region, RevisionId, Scope, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{AddStatement, Architecture, Code, Policy, Refusal, Statement, limits};

/// The ARN of a layer, without a version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LayerArn {
    /// Account and region.
    pub scope: Scope,
    /// The layer's name.
    pub name: String,
}

impl LayerArn {
    /// The ARN of one of its versions.
    #[must_use]
    pub fn version(&self, number: u64) -> String {
        format!("{self}:{number}")
    }

    /// Reads `arn:aws:lambda:REGION:ACCOUNT:layer:NAME[:VERSION]`.
    #[must_use]
    pub fn parse(text: &str) -> Option<(Self, Option<u64>)> {
        let parts: Vec<&str> = text.split(':').collect();
        let (region, account, name, version) = match parts[..] {
            ["arn", _, "lambda", region, account, "layer", name] => (region, account, name, None),
            ["arn", _, "lambda", region, account, "layer", name, version] => {
                (region, account, name, Some(version))
            }
            _ => return None,
        };
        let number = version.map(u64::from_str).transpose().ok()?;
        let scope = Scope { account: account.parse().ok()?, region: region.parse().ok()? };
        (!name.is_empty()).then(|| (Self { scope, name: name.to_owned() }, number))
    }
}

impl fmt::Display for LayerArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The form is the function's but for one word.
        let Scope { account, region } = &self.scope;
        write!(f, "arn:aws:lambda:{region}:{account}:layer:{}", self.name)
    }
}

/// A layer: what its versions have in common. It stays when its versions are deleted, since numbers never come back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The number of the version that was published last.
    pub last_version: u64,
}

/// One version of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerVersion {
    /// The layer's name.
    pub name: String,
    /// From 1 on, never given twice.
    pub number: u64,
    /// Free text.
    pub description: String,
    /// Free text, as given.
    pub license: Option<String>,
    /// Runtimes that it says to go with; `None` where nothing was said.
    pub runtimes: Option<Vec<String>>,
    /// Instruction sets that it says to go with; `None` where nothing was said.
    pub architectures: Option<Vec<Architecture>>,
    /// Its zip file.
    pub code: Code,
    /// What its files add up to, in bytes.
    pub unpacked: u64,
    /// When it was published.
    pub created: Timestamp,
    /// Which other accounts may use it.
    #[serde(default)]
    pub policy: Policy,
    /// Changes with the policy.
    pub revision: RevisionId,
}

impl LayerVersion {
    /// Whether lists with these filters show it: what says nothing of runtimes or architectures matches no filter.
    #[must_use]
    pub fn matches(&self, runtime: Option<&str>, architecture: Option<Architecture>) -> bool {
        let says = |runtime| self.runtimes.as_ref().is_some_and(|all| all.iter().any(|one| one == runtime));
        let goes = |one| self.architectures.as_ref().is_some_and(|all| all.contains(&one));
        runtime.is_none_or(says) && architecture.is_none_or(goes)
    }

    /// Refuses a revision of the policy that is not the latest.
    ///
    /// # Errors
    /// When the caller expected another one.
    pub fn check_revision(&self, expected: Option<&str>) -> Result<(), Refusal> {
        match expected {
            Some(expected) if expected != self.revision.to_string() => {
                Err(Refusal::stale_revision("GetLayerPolicy"))
            }
            _ => Ok(()),
        }
    }
}

/// The one action that a layer's policy can permit.
pub const GET_LAYER_VERSION: &str = "lambda:GetLayerVersion";

/// The statement of `AddLayerVersionPermission` (API Reference: an organisation goes with the principal `*` alone).
///
/// # Errors
/// When the action is another one, or the principal is neither an account nor `*`.
pub fn layer_statement(
    sid: String,
    action: &str,
    principal: String,
    organization: Option<String>,
    arn: &str,
) -> Result<Statement, Refusal> {
    if action != GET_LAYER_VERSION {
        return Err(Refusal::constraint(
            action,
            "action",
            "Member must satisfy regular expression pattern: lambda:GetLayerVersion",
        ));
    }
    if organization.is_some() && principal != "*" {
        return Err(Refusal::InvalidParameter(
            "When specifying an organization, the principal has to be '*'.".into(),
        ));
    }
    let action = action.to_owned();
    AddStatement { sid, action, principal, principal_org_id: organization, ..AddStatement::default() }
        .statement(arn)
}

/// A layer version as a function uses it. It holds all that running needs, so that the version may be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedLayer {
    /// The ARN of the layer's version.
    pub arn: String,
    /// Its zip file.
    pub code: Code,
    /// What its files add up to, in bytes.
    pub unpacked: u64,
}

/// Checks the list of a function's layers, before any is looked up.
///
/// # Errors
/// More than five, one of another region, two versions of one layer, or what is no layer version's ARN.
pub fn check_layers(arns: &[String], function: &FunctionArn) -> Result<Vec<(LayerArn, u64)>, Refusal> {
    if arns.len() > limits::LAYERS {
        return Err(Refusal::InvalidParameter(format!(
            "Cannot reference more than {} layers.",
            limits::LAYERS
        )));
    }
    let mut found: Vec<(LayerArn, u64)> = Vec::new();
    for text in arns {
        let Some((layer, Some(number))) = LayerArn::parse(text) else {
            return Err(Refusal::InvalidParameter(format!("Layer version {text} does not exist.")));
        };
        check_region(&layer.scope.region, &function.scope.region)?;
        if let Some((other, earlier)) = found.iter().find(|(other, _)| *other == layer) {
            return Err(Refusal::InvalidParameter(format!(
                "Two different versions of the same layer are not allowed to be referenced in the same function. {} \
                 and {text} versions were provided.",
                other.version(*earlier)
            )));
        }
        found.push((layer, number));
    }
    Ok(found)
}

fn check_region(layer: &Region, function: &Region) -> Result<(), Refusal> {
    if layer == function {
        return Ok(());
    }
    Err(Refusal::InvalidParameter(format!(
        "Layers are not in the same region as the function. Layers are expected to be in region {function}."
    )))
}

/// Checks what a function's code and its layers unpack to together (Developer Guide, "Lambda quotas").
///
/// # Errors
/// When it is more than 250 MB.
pub fn check_unpacked(code: u64, layers: &[UsedLayer]) -> Result<(), Refusal> {
    let total = layers.iter().fold(code, |sum, layer| sum.saturating_add(layer.unpacked));
    if layers.is_empty() || total <= limits::UNZIPPED_BYTES {
        return Ok(());
    }
    Err(Refusal::InvalidParameter(format!(
        "Function code combined with layers exceeds the maximum allowed size of {} bytes. The actual size is {total} \
         bytes.",
        limits::UNZIPPED_BYTES
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function() -> FunctionArn {
        let scope = Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() };
        FunctionArn { scope, name: "f".into() }
    }

    fn arn(name: &str, version: u64) -> String {
        format!("arn:aws:lambda:us-east-1:123456789012:layer:{name}:{version}")
    }

    #[test]
    fn arns_are_read_with_and_without_a_version() {
        let (layer, version) = LayerArn::parse(&arn("l", 3)).unwrap();
        assert_eq!((layer.version(3), version), (arn("l", 3), Some(3)));
        assert_eq!(LayerArn::parse(&layer.to_string()), Some((layer, None)));
        for bad in ["l", "arn:aws:lambda:us-east-1:123456789012:layer:", "arn:aws:lambda:::awslayer:x:1"] {
            assert_eq!(LayerArn::parse(bad), None, "{bad}");
        }
        assert_eq!(LayerArn::parse(&arn("l", 3).replace(":3", ":x")), None);
    }

    #[test]
    fn a_function_takes_five_different_layers_of_its_region() {
        let five: Vec<String> = (0..5).map(|n| arn(&format!("l{n}"), 1)).collect();
        assert_eq!(check_layers(&five, &function()).map(|found| found.len()), Ok(5));
        let six: Vec<String> = (0..6).map(|n| arn(&format!("l{n}"), 1)).collect();
        for (bad, says) in [
            (six, "Cannot reference more than 5 layers."),
            (vec![arn("l", 1), arn("l", 2)], "Two different versions"),
            (vec![arn("l", 1).replace("us-east-1", "eu-west-1")], "expected to be in region us-east-1."),
            (vec![arn("l", 1).replace(":1", "")], "does not exist"),
        ] {
            let refusal = check_layers(&bad, &function()).unwrap_err().to_string();
            assert!(refusal.contains(says), "{refusal}");
        }
    }

    #[test]
    fn code_and_layers_share_a_limit() {
        let code = Code { sha256: lambent_model::Sha256([0; 32]), size: 1, folder: None };
        let layer = |unpacked| UsedLayer { arn: arn("l", 1), code: code.clone(), unpacked };
        let most = limits::UNZIPPED_BYTES;
        assert_eq!(check_unpacked(most - 1, &[layer(1)]), Ok(()));
        assert!(check_unpacked(most - 1, &[layer(1), layer(1)]).is_err());
    }
}
