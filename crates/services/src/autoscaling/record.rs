//! A scalable target with its policies, scheduled actions and the last of its activities, as it is stored: one record, so
//! that what belongs together changes together.

use std::collections::{BTreeMap, VecDeque};

use lambent_model::{FunctionArn, Qualifier, Scope, Target as Invoked, Timestamp};
use serde::{Deserialize, Serialize};

/// The only namespace and dimension that there are.
pub(super) const NAMESPACE: &str = "lambda";
/// See [`NAMESPACE`].
pub(super) const DIMENSION: &str = "lambda:function:ProvisionedConcurrency";

/// Activities that are kept of a target; AWS keeps those of six weeks.
const ACTIVITIES: usize = 100;

/// A scalable target: the provisioned concurrency of one version or alias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Target {
    /// In ARNs.
    pub(super) id: String,
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) role: String,
    pub(super) created: Timestamp,
    #[serde(default)]
    pub(super) suspended: Suspended,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    /// By name.
    #[serde(default)]
    pub(super) policies: BTreeMap<String, Policy>,
    /// By name.
    #[serde(default)]
    pub(super) actions: BTreeMap<String, Action>,
    /// The newest first.
    #[serde(default)]
    pub(super) activities: VecDeque<Activity>,
}

impl Target {
    /// Takes note of what was done.
    pub(super) fn note(&mut self, activity: Activity) {
        self.activities.truncate(ACTIVITIES - 1);
        self.activities.push_front(activity);
    }
}

/// What is not to happen for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Suspended {
    pub(super) scale_in: bool,
    pub(super) scale_out: bool,
    pub(super) scheduled: bool,
}

/// A policy of target tracking on the utilization of provisioned concurrency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Policy {
    /// In its ARN.
    pub(super) id: String,
    pub(super) target: f64,
    /// In seconds; `None` where it was not given.
    pub(super) out_cooldown: Option<u32>,
    pub(super) in_cooldown: Option<u32>,
    /// As it was given.
    pub(super) disable_scale_in: Option<bool>,
    pub(super) created: Timestamp,
}

/// A scheduled action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Action {
    /// In its ARN.
    pub(super) id: String,
    pub(super) schedule: String,
    pub(super) zone: Option<String>,
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
    pub(super) min: Option<u32>,
    pub(super) max: Option<u32>,
    pub(super) created: Timestamp,
    /// Up to when it has been carried out: what was due while the server was down is not made up for.
    pub(super) done: Timestamp,
}

/// One change of the capacity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Activity {
    pub(super) id: String,
    pub(super) description: String,
    pub(super) cause: String,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// Why it failed, in Lambda's words.
    pub(super) failure: Option<String>,
    pub(super) wanted: u32,
}

/// What a resource id names: `function:NAME:VERSION` or `function:NAME:ALIAS`.
pub(super) fn named(scope: &Scope, resource: &str) -> Option<Invoked> {
    let (name, qualifier) = resource.strip_prefix("function:")?.split_once(':')?;
    let fits = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if !fits(name) || !fits(qualifier) {
        return None;
    }
    let function = FunctionArn { scope: scope.clone(), name: name.to_owned() };
    Some(Invoked { function, qualifier: Some(Qualifier::parse(qualifier)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_a_version_or_an_alias() {
        let scope = Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() };
        let name = |text| named(&scope, text).map(|target| target.qualified());
        assert_eq!(name("function:f:live").unwrap(), "arn:aws:lambda:us-east-1:000000000000:function:f:live");
        assert!(name("function:f:7").is_some());
        for wrong in ["function:f", "function:f:", "function:f:$LATEST", "f:live", "function:f:a:b", ""] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }
}
