//! Names and ARNs of buses, rules, archives and replays (EventBridge User Guide, "Event bus concepts"). Pure.

use lambent_model::{Arn, Scope};
use lambent_wire::Error;

use super::invalid;

/// The bus that every account has.
pub(super) const DEFAULT: &str = "default";

/// An event bus, wherever it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct BusName {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) name: String,
}

impl BusName {
    pub(super) fn of(scope: &Scope, name: &str) -> Self {
        Self { account: scope.account.to_string(), region: scope.region.to_string(), name: name.to_owned() }
    }

    /// The bus of a request: by its name, by its ARN, or the default one.
    ///
    /// # Errors
    /// An ARN of something else.
    pub(super) fn given(scope: &Scope, given: Option<&str>) -> Result<Self, Error> {
        match given {
            None | Some("") => Ok(Self::of(scope, DEFAULT)),
            Some(arn) if arn.starts_with("arn:") => Self::from_arn(arn).ok_or_else(|| {
                invalid("Parameter EventBusName is not valid. Reason: Provided Arn is not in correct format.")
            }),
            Some(name) => Ok(Self::of(scope, name)),
        }
    }

    /// `arn:aws:events:REGION:ACCOUNT:event-bus/NAME`
    pub(super) fn from_arn(arn: &str) -> Option<Self> {
        let (scope, resource) = resource(arn)?;
        let name = resource.strip_prefix("event-bus/").filter(|name| !name.is_empty())?;
        Some(Self::of(&scope, name))
    }

    pub(super) fn scope(&self) -> Scope {
        Scope {
            account: self.account.parse().expect("it was an account's when the name was made"),
            region: self.region.parse().expect("it was a region's when the name was made"),
        }
    }

    pub(super) fn is_default(&self) -> bool {
        self.name == DEFAULT
    }

    pub(super) fn arn(&self) -> String {
        format!("arn:aws:events:{}:{}:event-bus/{}", self.region, self.account, self.name)
    }

    /// A rule of the default bus has no bus in its ARN.
    pub(super) fn rule_arn(&self, rule: &str) -> String {
        let bus = if self.is_default() { String::new() } else { format!("{}/", self.name) };
        format!("arn:aws:events:{}:{}:rule/{bus}{rule}", self.region, self.account)
    }

    /// What its rules lie in.
    pub(super) fn rules(&self) -> String {
        format!("{}/{}/{}", self.account, self.region, self.name)
    }
}

/// What an ARN of EventBridge names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    Bus(BusName),
    Rule(BusName, String),
}

impl Named {
    pub(super) fn from_arn(arn: &str) -> Option<Self> {
        if let Some(bus) = BusName::from_arn(arn) {
            return Some(Self::Bus(bus));
        }
        let (scope, resource) = resource(arn)?;
        let rule = resource.strip_prefix("rule/").filter(|rule| !rule.is_empty())?;
        let (bus, rule) = rule.rsplit_once('/').unwrap_or((DEFAULT, rule));
        Some(Self::Rule(BusName::of(&scope, bus), rule.to_owned()))
    }
}

/// The archive of this account and region that an ARN names.
pub(super) fn archive_of(scope: &Scope, arn: &str) -> Option<String> {
    let (found, resource) = resource(arn)?;
    let name = resource.strip_prefix("archive/").filter(|name| !name.is_empty())?;
    (found == *scope).then(|| name.to_owned())
}

pub(super) fn archive_arn(scope: &Scope, name: &str) -> String {
    format!("arn:aws:events:{}:{}:archive/{name}", scope.region, scope.account)
}

pub(super) fn replay_arn(scope: &Scope, name: &str) -> String {
    format!("arn:aws:events:{}:{}:replay/{name}", scope.region, scope.account)
}

/// Account and region of an ARN of EventBridge, and what follows them.
fn resource(arn: &str) -> Option<(Scope, &str)> {
    let arn = Arn::parse(arn).filter(|arn| arn.service == "events")?;
    Some((arn.scope()?, arn.resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_read_as_what_they_were_made_of() {
        let scope = Scope { account: "000000000000".parse().unwrap(), region: "eu-west-1".parse().unwrap() };
        for name in [DEFAULT, "orders"] {
            let bus = BusName::of(&scope, name);
            assert_eq!(BusName::from_arn(&bus.arn()), Some(bus.clone()));
            assert_eq!(Named::from_arn(&bus.arn()), Some(Named::Bus(bus.clone())));
            assert_eq!(Named::from_arn(&bus.rule_arn("r")), Some(Named::Rule(bus.clone(), "r".into())));
            assert_eq!(bus.scope(), scope);
        }
        let bus = BusName::of(&scope, "orders");
        assert_eq!(bus.rule_arn("r"), "arn:aws:events:eu-west-1:000000000000:rule/orders/r");
        assert_eq!(
            BusName::of(&scope, DEFAULT).rule_arn("r"),
            "arn:aws:events:eu-west-1:000000000000:rule/r"
        );
        for wrong in
            ["arn:aws:sqs:eu-west-1:000000000000:q", "arn:aws:events:eu-west-1:000000000000:rule/", "x"]
        {
            assert_eq!(Named::from_arn(wrong), None, "{wrong}");
        }
        assert_eq!(archive_of(&scope, &archive_arn(&scope, "a")).as_deref(), Some("a"));
        assert!(BusName::given(&scope, Some("arn:aws:sns:x:y:z")).is_err());
    }
}
