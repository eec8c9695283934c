//! Aliases: names of versions that can be moved (AWS Lambda Developer Guide, "Create an alias for a Lambda function",
//! "Implement Lambda canary deployments using a weighted alias").

use std::collections::BTreeMap;
use std::fmt;

use lambent_model::RevisionId;
use serde::{Deserialize, Serialize};

use crate::{Function, Policy, Refusal};

/// A version as an alias points to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Pointed {
    /// `$LATEST`.
    Latest,
    /// A published version.
    Version(u64),
}

impl fmt::Display for Pointed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("$LATEST"),
            Self::Version(number) => number.fmt(f),
        }
    }
}

impl Pointed {
    /// The published version's number.
    #[must_use]
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Latest => None,
            Self::Version(number) => Some(number),
        }
    }
}

impl From<Option<u64>> for Pointed {
    fn from(number: Option<u64>) -> Self {
        number.map_or(Self::Latest, Self::Version)
    }
}

/// The second version of an alias.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Routing {
    /// Which.
    pub version: u64,
    /// The share of invocations that it gets, 0.0 to 1.0.
    pub weight: f64,
}

impl Routing {
    /// What a map of weights asks for; `None` for an empty one.
    ///
    /// # Errors
    /// When it names more than one version.
    pub fn from_weights(weights: &BTreeMap<u64, f64>) -> Result<Option<Self>, Refusal> {
        if weights.len() > 1 {
            return Err(Refusal::InvalidParameter(
                "Number of items in AdditionalVersionWeights cannot be greater than 1".into(),
            ));
        }
        Ok(weights.first_key_value().map(|(version, weight)| Self { version: *version, weight: *weight }))
    }
}

/// An alias of a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    /// Its name.
    pub name: String,
    /// The version it points to.
    pub version: Pointed,
    /// Free text.
    pub description: String,
    /// A second version that takes a share.
    pub routing: Option<Routing>,
    /// Changes with every change of the alias or its policy.
    pub revision: RevisionId,
    /// Who else may use the function by this alias.
    #[serde(default)]
    pub policy: Policy,
}

impl Alias {
    /// Every version that the alias points to.
    pub fn versions(&self) -> impl Iterator<Item = Pointed> {
        let second = self.routing.map(|routing| Pointed::Version(routing.version));
        [Some(self.version), second].into_iter().flatten()
    }

    /// Whether first and second version go together.
    ///
    /// # Errors
    /// When they are one, or the first is `$LATEST`.
    pub fn check(&self) -> Result<(), Refusal> {
        let Some(routing) = self.routing else { return Ok(()) };
        match self.version {
            Pointed::Latest => Err(Refusal::InvalidParameter(
                "$LATEST is not supported for an alias pointing to more than 1 version".into(),
            )),
            Pointed::Version(number) if number == routing.version => Err(Refusal::InvalidParameter(format!(
                "Invalid function version {number}. Function version {number} is already included in routing \
                     configuration."
            ))),
            Pointed::Version(_) => Ok(()),
        }
    }

    /// Whether the versions' own settings let them share an alias.
    ///
    /// # Errors
    /// When their roles or their dead-letter queues differ.
    pub fn check_versions(first: &Function, second: &Function) -> Result<(), Refusal> {
        let differ = if first.settings.role != second.settings.role {
            "execution role"
        } else if first.settings.surroundings.dead_letters != second.settings.surroundings.dead_letters {
            "dead letter queue"
        } else {
            return Ok(());
        };
        Err(Refusal::InvalidParameter(format!(
            "Specified versions must be associated with the same {differ}"
        )))
    }

    /// The version of one invocation, by a random number from 0.0 up to and without 1.0; it is asked for only where
    /// there is a choice.
    #[must_use]
    pub fn pick(&self, random: impl FnOnce() -> f64) -> Pointed {
        match self.routing {
            Some(routing) if random() < routing.weight => Pointed::Version(routing.version),
            _ => self.version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(version: Pointed, routing: Option<(u64, f64)>) -> Alias {
        Alias {
            name: "live".into(),
            version,
            description: String::new(),
            routing: routing.map(|(version, weight)| Routing { version, weight }),
            revision: "00000000-0000-4000-8000-000000000000".parse().unwrap(),
            policy: Policy::default(),
        }
    }

    #[test]
    fn two_different_published_versions_go_together() {
        for (first, second, fits) in [
            (Pointed::Latest, None, true),
            (Pointed::Version(1), None, true),
            (Pointed::Version(1), Some((2, 0.5)), true),
            (Pointed::Version(2), Some((2, 0.5)), false),
            (Pointed::Latest, Some((2, 0.5)), false),
        ] {
            assert_eq!(alias(first, second).check().is_ok(), fits, "{first} {second:?}");
        }
        let weights = |pairs: &[(u64, f64)]| Routing::from_weights(&pairs.iter().copied().collect());
        assert!(weights(&[(1, 0.1), (2, 0.2)]).is_err());
        assert_eq!(weights(&[]), Ok(None));
        assert_eq!(weights(&[(3, 0.25)]), Ok(Some(Routing { version: 3, weight: 0.25 })));
    }

    #[test]
    fn the_weight_is_the_second_versions_share() {
        let (first, second) = (Pointed::Version(1), Pointed::Version(2));
        let split = alias(first, Some((2, 0.25)));
        for (random, picked) in [(0.0, second), (0.249, second), (0.25, first), (0.999, first)] {
            assert_eq!(split.pick(|| random), picked, "{random}");
        }
        assert_eq!(alias(first, Some((2, 0.0))).pick(|| 0.0), first, "a weight of 0 is none");
        assert_eq!(alias(first, Some((2, 1.0))).pick(|| 0.999), second, "a weight of 1 is all");
        assert_eq!(alias(first, None).pick(|| unreachable!("there is no choice")), first);
    }
}
