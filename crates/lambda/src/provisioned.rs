//! Provisioned concurrency: what may be asked for, and of which versions it makes environments (AWS Lambda Developer
//! Guide, "Configuring provisioned concurrency for a function"; API Reference, `PutProvisionedConcurrencyConfig`).

use std::collections::BTreeMap;

use lambent_model::{Qualifier, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Alias, Function, Pointed, Refusal, limits};

/// The configuration of one version or alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provisioned {
    /// Environments that are to be kept initialised.
    pub wanted: u32,
    /// When it was last set.
    pub modified: Timestamp,
}

/// The versions that `wanted` environments of an alias are of, and how many of each. While the alias has weights they are
/// split as its invocations are.
#[must_use]
pub fn split(wanted: u32, alias: &Alias) -> Vec<(u64, u32)> {
    let Pointed::Version(first) = alias.version else { return Vec::new() };
    let Some(second) = alias.routing else { return vec![(first, wanted)] };
    // A weight is between 0 and 1, so this is a part of `wanted`; the rest of the division stays with the first.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to `wanted`, see above")]
    let part = (f64::from(wanted) * second.weight).floor() as u32;
    vec![(first, wanted - part), (second.version, part)]
}

impl Function {
    /// The sum of what is configured for its versions and aliases.
    #[must_use]
    pub fn provisioned_total(&self) -> u32 {
        self.provisioned.values().map(|config| config.wanted).fold(0, u32::saturating_add)
    }

    /// What of the account's concurrency is the function's alone: its reservation, of which provisioned concurrency is
    /// part, or else its provisioned concurrency.
    #[must_use]
    pub fn set_aside(&self) -> u32 {
        self.reserved_concurrency.unwrap_or_else(|| self.provisioned_total())
    }

    /// Checks a reservation against what is provisioned.
    ///
    /// # Errors
    /// When it is less.
    pub fn check_reserves_provisioned(&self, reserved: u32) -> Result<(), Refusal> {
        let total = self.provisioned_total();
        if reserved < total {
            return Err(Refusal::InvalidParameter(format!(
                " ReservedConcurrentExecutions  {reserved} should not be lower than function's total provisioned \
                 concurrency [{total}]."
            )));
        }
        Ok(())
    }

    /// Checks that `wanted` environments may be provisioned for `qualifier`, beside `others`, which is set aside for other
    /// functions of the account. `aliases` are all of the function.
    ///
    /// # Errors
    /// When the qualifier cannot have provisioned concurrency, or there is not enough concurrency for it.
    pub fn check_provisioned(
        &self,
        qualifier: &Qualifier,
        aliases: &[Alias],
        wanted: u32,
        others: u32,
    ) -> Result<(), Refusal> {
        self.check_qualifier(qualifier, aliases)?;
        let own = self.provisioned.get(&qualifier.to_string()).map_or(0, |config| config.wanted);
        let total = (self.provisioned_total() - own).saturating_add(wanted);
        match self.reserved_concurrency {
            Some(reserved) if total > reserved => Err(Refusal::InvalidParameter(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for \
                 function"
                    .into(),
            )),
            None if total.saturating_add(others)
                > limits::CONCURRENT_EXECUTIONS - limits::UNRESERVED_MINIMUM =>
            {
                Err(Refusal::InvalidParameter(format!(
                    "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below \
                     its minimum value of [{}].",
                    limits::UNRESERVED_MINIMUM
                )))
            }
            _ => Ok(()),
        }
    }

    /// Checks that this version may have provisioned concurrency: "SnapStart does not support provisioned concurrency".
    ///
    /// # Errors
    /// Where it has SnapStart.
    pub fn check_has_no_snap_start(&self) -> Result<(), Refusal> {
        if self.version.is_some() && self.settings.snap_start {
            return Err(Refusal::InvalidParameter(
                "Provisioned Concurrency is not supported for SnapStart enabled functions.".into(),
            ));
        }
        Ok(())
    }

    fn check_qualifier(&self, qualifier: &Qualifier, aliases: &[Alias]) -> Result<(), Refusal> {
        let refused = |text: &str| Err(Refusal::InvalidParameter(text.into()));
        let is_provisioned = |qualifier: &str| self.provisioned.contains_key(qualifier);
        let points_to = |alias: &Alias, number| alias.versions().any(|of| of == Pointed::Version(number));
        match qualifier {
            Qualifier::Latest => refused(UNPUBLISHED),
            Qualifier::Version(number) => {
                let mut provisioned = aliases.iter().filter(|alias| is_provisioned(&alias.name));
                if provisioned.any(|alias| points_to(alias, *number)) {
                    return refused("Version is pointed by a Provisioned Concurrency alias");
                }
                Ok(())
            }
            Qualifier::Alias(name) => {
                let Some(alias) = aliases.iter().find(|alias| alias.name == *name) else { return Ok(()) };
                if alias.routing.is_some() {
                    return refused("Alias with weights can not be used with Provisioned Concurrency");
                }
                let Some(number) = alias.version.number() else { return refused(UNPUBLISHED) };
                if self.has_provisioned(number, name, aliases) {
                    return refused(
                        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned \
                         version",
                    );
                }
                Ok(())
            }
        }
    }

    /// Whether a version has provisioned concurrency of its own, or by another alias than `name`.
    fn has_provisioned(&self, number: u64, name: &str, aliases: &[Alias]) -> bool {
        let by_alias = |alias: &Alias| {
            alias.name != name
                && self.provisioned.contains_key(&alias.name)
                && alias.versions().any(|of| of == Pointed::Version(number))
        };
        self.provisioned.contains_key(&number.to_string()) || aliases.iter().any(by_alias)
    }

    /// Checks that an alias with provisioned concurrency may become `changed`. Weights are allowed: that is how traffic is
    /// shifted from version to version.
    ///
    /// # Errors
    /// When it would point to what cannot have any, or to what has some already.
    pub fn check_provisioned_alias(&self, changed: &Alias, aliases: &[Alias]) -> Result<(), Refusal> {
        if !self.provisioned.contains_key(&changed.name) {
            return Ok(());
        }
        let is_wrong = |pointed: Pointed| match pointed {
            Pointed::Latest => true,
            Pointed::Version(number) => self.has_provisioned(number, &changed.name, aliases),
        };
        if changed.versions().any(is_wrong) {
            return Err(Refusal::InvalidParameter(
                "Invalid alias configuration for Provisioned Concurrency".into(),
            ));
        }
        Ok(())
    }
}

const UNPUBLISHED: &str =
    "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";

/// The configurations of a function, by version or alias.
pub type ProvisionedConfigs = BTreeMap<String, Provisioned>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::tests::{function, stamp};
    use crate::{Policy, Routing};

    fn alias(name: &str, version: Pointed, second: Option<(u64, f64)>) -> Alias {
        Alias {
            name: name.into(),
            version,
            description: String::new(),
            routing: second.map(|(version, weight)| Routing { version, weight }),
            revision: stamp(1).revision,
            policy: Policy::default(),
        }
    }

    fn provisioned(configs: &[(&str, u32)], reserved: Option<u32>) -> Function {
        let config = |wanted| Provisioned { wanted, modified: Timestamp::from_millis(1) };
        let provisioned = configs.iter().map(|(name, wanted)| ((*name).to_owned(), config(*wanted)));
        Function { provisioned: provisioned.collect(), reserved_concurrency: reserved, ..function() }
    }

    #[test]
    fn environments_are_split_as_invocations_are() {
        let of = |wanted, second| split(wanted, &alias("a", Pointed::Version(1), second));
        assert_eq!(of(5, None), [(1, 5)]);
        assert_eq!(of(10, Some((2, 0.1))), [(1, 9), (2, 1)]);
        assert_eq!(of(3, Some((2, 0.5))), [(1, 2), (2, 1)]);
        assert_eq!(of(3, Some((2, 1.0))), [(1, 0), (2, 3)]);
        assert_eq!(split(3, &alias("a", Pointed::Latest, None)), []);
    }

    #[test]
    fn what_cannot_have_provisioned_concurrency_is_refused() {
        let aliases = [
            alias("live", Pointed::Version(1), None),
            alias("next", Pointed::Version(2), None),
            alias("shifting", Pointed::Version(3), Some((2, 0.1))),
            alias("latest", Pointed::Latest, None),
        ];
        let function = provisioned(&[("live", 1), ("2", 1)], None);
        let check = |qualifier: &str| {
            function
                .check_provisioned(&Qualifier::parse(qualifier), &aliases, 1, 0)
                .map_err(|error| error.to_string())
        };
        for (qualifier, expected) in [
            ("live", Ok(())),
            ("2", Ok(())),
            ("3", Ok(())),
            ("$LATEST", Err(UNPUBLISHED)),
            ("latest", Err(UNPUBLISHED)),
            ("shifting", Err("Alias with weights can not be used with Provisioned Concurrency")),
            ("1", Err("Version is pointed by a Provisioned Concurrency alias")),
            (
                "next",
                Err(
                    "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
                ),
            ),
        ] {
            assert_eq!(check(qualifier), expected.map_err(str::to_owned), "{qualifier}");
        }
        let moved = |version, second| {
            function.check_provisioned_alias(&alias("live", version, second), &aliases).is_ok()
        };
        assert!(moved(Pointed::Version(3), None) && moved(Pointed::Version(1), Some((3, 0.5))));
        assert!(!moved(Pointed::Latest, None) && !moved(Pointed::Version(2), None));
        assert!(!moved(Pointed::Version(1), Some((2, 0.5))));
    }

    #[test]
    fn provisioned_concurrency_is_part_of_the_reservation_or_of_the_accounts() {
        let check = |configs: &[(&str, u32)], reserved, wanted, others| {
            provisioned(configs, reserved)
                .check_provisioned(&Qualifier::Version(1), &[], wanted, others)
                .is_ok()
        };
        assert!(check(&[], Some(5), 5, 900) && !check(&[], Some(5), 6, 0));
        assert!(check(&[("2", 3)], Some(5), 2, 0) && !check(&[("2", 3)], Some(5), 3, 0));
        assert!(check(&[("1", 5)], Some(5), 4, 0), "it replaces what was configured");
        assert!(check(&[], None, 900, 0) && !check(&[], None, 901, 0));
        assert!(check(&[("2", 100)], None, 300, 500) && !check(&[("2", 100)], None, 301, 500));
        let function = provisioned(&[("1", 3), ("2", 4)], None);
        assert_eq!((function.provisioned_total(), function.set_aside()), (7, 7));
        assert!(function.check_reserves_provisioned(7).is_ok());
        assert!(function.check_reserves_provisioned(6).is_err());
        assert_eq!(provisioned(&[("1", 3)], Some(10)).set_aside(), 10);
    }
}
