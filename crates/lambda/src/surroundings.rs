//! Settings that say what AWS has around a function: networks, keys, file systems, traces, a queue for what failed.
//!
//! Failed events go to their queue or topic. None of the others acts yet: they are checked, kept and shown, because deploy
//! tools send them and compare what they get; [`Surroundings::without_effect`] names them for the warning that goes with
//! it.

use serde::{Deserialize, Serialize};

use crate::Refusal;

/// `VpcConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Vpc {
    /// Subnets.
    pub subnets: Vec<String>,
    /// Security groups.
    pub groups: Vec<String>,
    /// `Ipv6AllowedForDualStack`.
    pub ipv6: bool,
}

/// `FileSystemConfigs`: one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSystem {
    /// The access point.
    pub arn: String,
    /// Below `/mnt`.
    pub path: String,
}

/// What AWS has around a function.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Surroundings {
    /// Where events go that failed: a queue or a topic.
    pub dead_letters: Option<String>,
    /// Whether invocations are traced.
    pub traced: bool,
    /// The key of the environment variables.
    pub kms_key: Option<String>,
    /// The network.
    pub vpc: Option<Vpc>,
    /// Network file systems.
    pub file_systems: Vec<FileSystem>,
}

/// A change; `None` keeps what is, and an empty text or list takes it away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SurroundingsChange {
    /// New target of failed events.
    pub dead_letters: Option<String>,
    /// Whether invocations are traced.
    pub traced: Option<bool>,
    /// New key.
    pub kms_key: Option<String>,
    /// New network.
    pub vpc: Option<Vpc>,
    /// New file systems, replacing all.
    pub file_systems: Option<Vec<FileSystem>>,
}

impl Surroundings {
    /// Applies a change and checks the result.
    ///
    /// # Errors
    /// When the target of failed events is none, or the network and what needs it do not go together.
    pub fn changed(&self, change: SurroundingsChange) -> Result<Self, Refusal> {
        let text = |new: Option<String>, old: &Option<String>| match new {
            Some(new) => Some(new).filter(|new| !new.is_empty()),
            None => old.clone(),
        };
        let vpc = match change.vpc {
            Some(vpc) => Some(vpc).filter(|vpc| !vpc.subnets.is_empty() || !vpc.groups.is_empty()),
            None => self.vpc.clone(),
        };
        let changed = Self {
            dead_letters: text(change.dead_letters, &self.dead_letters),
            traced: change.traced.unwrap_or(self.traced),
            kms_key: text(change.kms_key, &self.kms_key),
            vpc,
            file_systems: change.file_systems.unwrap_or_else(|| self.file_systems.clone()),
        };
        changed.check()?;
        Ok(changed)
    }

    fn check(&self) -> Result<(), Refusal> {
        let invalid = |text: String| Err(Refusal::InvalidParameter(text));
        if let Some(target) = &self.dead_letters
            && !is_dead_letter_target(target)
        {
            return invalid(format!(
                "The dead letter target {target} is neither a standard SQS queue nor a standard SNS topic."
            ));
        }
        if let Some(vpc) = &self.vpc
            && (vpc.subnets.is_empty() || vpc.groups.is_empty())
        {
            return invalid("SubnetIds and SecurityIds must coexist or be both empty list.".into());
        }
        if !self.file_systems.is_empty() && self.vpc.is_none() {
            return invalid(
                "Function must be configured to execute in a VPC to reference access points.".into(),
            );
        }
        Ok(())
    }

    /// The settings that are there and have no effect, by AWS's names.
    #[must_use]
    pub fn without_effect(&self) -> Vec<&'static str> {
        let all = [
            (self.vpc.is_some(), "VpcConfig"),
            (!self.file_systems.is_empty(), "FileSystemConfigs"),
            (self.traced, "TracingConfig.Mode Active"),
            (self.kms_key.is_some(), "KMSKeyArn"),
        ];
        all.into_iter().filter(|(there, _)| *there).map(|(_, name)| name).collect()
    }
}

/// Developer Guide, "Adding a dead-letter queue": a standard queue or a standard topic.
fn is_dead_letter_target(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    matches!(parts[..], ["arn", _, "sqs" | "sns", _, _, name] if !name.is_empty() && !name.ends_with(".fifo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vpc(subnets: &[&str], groups: &[&str]) -> Option<Vpc> {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Some(Vpc { subnets: texts(subnets), groups: texts(groups), ipv6: false })
    }

    #[test]
    fn empty_settings_take_away_what_is_there() {
        let queue = "arn:aws:sqs:us-east-1:000000000000:q".to_owned();
        let change = SurroundingsChange {
            dead_letters: Some(queue),
            traced: Some(true),
            kms_key: Some("key".into()),
            vpc: vpc(&["subnet-1"], &["sg-1"]),
            file_systems: Some(vec![FileSystem { arn: "fs".into(), path: "/mnt/x".into() }]),
        };
        let all = Surroundings::default().changed(change).unwrap();
        assert_eq!(all.without_effect().len(), 4);
        assert_eq!(all.changed(SurroundingsChange::default()), Ok(all.clone()));
        let none = SurroundingsChange {
            dead_letters: Some(String::new()),
            traced: Some(false),
            kms_key: Some(String::new()),
            vpc: vpc(&[], &[]),
            file_systems: Some(Vec::new()),
        };
        assert_eq!(all.changed(none), Ok(Surroundings::default()));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let change = SurroundingsChange::default;
        let files = Some(vec![FileSystem { arn: "fs".into(), path: "/mnt/x".into() }]);
        let fifo = Some("arn:aws:sqs:us-east-1:000000000000:q.fifo".into());
        let function = Some("arn:aws:lambda:us-east-1:000000000000:function:f".into());
        for bad in [
            SurroundingsChange { vpc: vpc(&["subnet-1"], &[]), ..change() },
            SurroundingsChange { file_systems: files, ..change() },
            SurroundingsChange { dead_letters: fifo, ..change() },
            SurroundingsChange { dead_letters: function, ..change() },
        ] {
            assert!(Surroundings::default().changed(bad.clone()).is_err(), "{bad:?}");
        }
    }
}
