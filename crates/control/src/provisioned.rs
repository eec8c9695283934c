//! What the operations on provisioned concurrency have in common.
//!
//! The record says what is wanted, the environments say what there is: it is asked of whoever runs functions, through the
//! port of that name.

use lambent_lambda::{Function, Provisioned};
use lambent_model::{FunctionArn, Provisioning, ProvisioningStatus, Qualifier, Target, Timestamp};
use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use crate::functions::{self, Stored};
use crate::refuse::{invalid, not_found};
use crate::request::Context;

/// A configuration with what has come of it.
pub(crate) struct Shown {
    /// `FunctionArn` of lists.
    pub(crate) arn: String,
    pub(crate) requested: Option<i32>,
    pub(crate) available: Option<i32>,
    pub(crate) allocated: Option<i32>,
    pub(crate) status: Option<t::ProvisionedConcurrencyStatusEnum>,
    pub(crate) reason: Option<String>,
    pub(crate) modified: Option<String>,
}

fn signed(number: u32) -> Option<i32> {
    i32::try_from(number).ok()
}

/// In ISO 8601, to the second, as observed on AWS: `2019-12-31T20:28:49+0000`.
fn modified(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{}+0000", text.split('.').next().unwrap_or_default())
}

impl Shown {
    /// A configuration that has just been made: whatever has been allocated for it since, the answer to its creation says
    /// that it begins (Developer Guide, "Configuring provisioned concurrency for a function").
    pub(crate) fn begun(arn: &FunctionArn, of: &Qualifier, config: &Provisioned) -> Self {
        let target = Target { function: arn.clone(), qualifier: Some(of.clone()) };
        Self::of(&target, config, begun(config))
    }

    fn of(target: &Target, config: &Provisioned, told: Provisioning) -> Self {
        Self {
            arn: target.qualified(),
            requested: signed(config.wanted),
            available: signed(told.available),
            allocated: signed(told.allocated),
            status: Some(match told.status {
                ProvisioningStatus::InProgress => t::ProvisionedConcurrencyStatusEnum::InProgress,
                ProvisioningStatus::Ready => t::ProvisionedConcurrencyStatusEnum::Ready,
                ProvisioningStatus::Failed => t::ProvisionedConcurrencyStatusEnum::Failed,
            }),
            reason: told.reason,
            modified: Some(modified(config.modified)),
        }
    }
}

/// As it is before anything has been allocated.
fn begun(config: &Provisioned) -> Provisioning {
    Provisioning {
        requested: config.wanted,
        allocated: 0,
        available: 0,
        in_use: 0,
        status: ProvisioningStatus::InProgress,
        reason: None,
    }
}

impl Context<'_> {
    /// The version or alias that is meant, which has to be there, of a function that is there.
    pub(crate) async fn provisioned(
        &self,
        name: &str,
        qualifier: &str,
        action: &str,
    ) -> Result<(FunctionArn, Qualifier), Error> {
        let target = self.target(name, Some(qualifier), action).await?;
        let of = target.qualifier.unwrap_or(Qualifier::Latest);
        Ok((target.function, of))
    }

    /// How far a configuration has come.
    pub(crate) async fn shown(&self, arn: &FunctionArn, of: &Qualifier, config: &Provisioned) -> Shown {
        let target = Target { function: arn.clone(), qualifier: Some(of.clone()) };
        // None: the server goes down, or the configuration is on its way to whoever runs functions.
        let told = self.control.parts.invoke.provisioning(&target).await;
        Shown::of(&target, config, told.unwrap_or_else(|| begun(config)))
    }

    /// Refuses a version or alias that is not there. The version that is meant; `None` for `$LATEST`.
    pub(crate) async fn check_is_there(
        &self,
        arn: &FunctionArn,
        stored: &Stored,
        of: &Qualifier,
    ) -> Result<Option<Function>, Error> {
        let store = &self.control.parts.store;
        let absent = || not_found(arn.qualified(of));
        let number = match of {
            Qualifier::Latest => None,
            Qualifier::Version(number) if *number > stored.function.last_version => return Err(absent()),
            Qualifier::Version(number) => Some(*number),
            Qualifier::Alias(name) => {
                functions::alias(store, arn, name).await?.ok_or_else(absent)?.version.number()
            }
        };
        let Some(number) = number else { return Ok(None) };
        let version = functions::version(store, arn, number).await;
        version.map_err(|error| crate::refuse::store(&error))?.map(Some).ok_or_else(absent)
    }
}

/// `$LATEST` has no provisioned concurrency to be asked about.
pub(crate) fn check_is_published(of: &Qualifier) -> Result<(), Error> {
    match of {
        Qualifier::Latest => {
            Err(invalid("The function resource provided must be an alias or a published version."))
        }
        _ => Ok(()),
    }
}

/// AWS's answer where there is no configuration.
pub(crate) fn absent() -> Error {
    lambda::error::provisioned_concurrency_config_not_found_exception(
        "No Provisioned Concurrency Config found for this function",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_to_the_second() {
        assert_eq!(modified(Timestamp::from_millis(1_577_824_129_987)), "2019-12-31T20:28:49+0000");
    }
}
