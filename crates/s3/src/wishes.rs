//! Who wants to hear of what: notification configurations, read and checked. Pure.
//!
//! User Guide, "Event notification types and destinations", "Configuring event notifications using object key name
//! filtering".

use lambent_model::{AccountId, Arn, Region};
use s3s::S3Result;
use s3s::dto::{Event as Name, NotificationConfiguration, NotificationConfigurationFilter};

use crate::event::Kind;
use crate::refuse::{custom, invalid_argument};

/// Configurations of a bucket, of all destinations together.
const MOST: usize = 100;
/// The longest value of a filter.
const FILTER_BYTES: usize = 1024;

/// What AWS has events of. Those that never happen here are taken, since nothing is promised by them.
const NAMES: [&str; 27] = [
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
    "s3:ObjectAcl:Put",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:ReducedRedundancyLostObject",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:Replication:OperationNotTracked",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:LifecycleTransition",
    "s3:IntelligentTiering",
];

/// What kind of thing a destination is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    Function,
    Queue,
    Topic,
}

impl Destination {
    /// The service in its ARN, and what S3 has to be allowed.
    pub(crate) fn service(self) -> (&'static str, &'static str) {
        match self {
            Self::Function => ("lambda", "lambda:InvokeFunction"),
            Self::Queue => ("sqs", "sqs:SendMessage"),
            Self::Topic => ("sns", "sns:Publish"),
        }
    }
}

/// One configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) id: String,
    pub(crate) destination: Destination,
    pub(crate) arn: String,
    events: Vec<String>,
    prefix: String,
    suffix: String,
}

impl Wish {
    /// Whether it is for this.
    pub(crate) fn wants(&self, kind: Kind, key: &str) -> bool {
        let is_meant = |name: &String| covers(name, &format!("s3:{}", kind.name()));
        self.events.iter().any(is_meant) && key.starts_with(&self.prefix) && key.ends_with(&self.suffix)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let events =
            self.events.iter().any(|one| other.events.iter().any(|two| covers(one, two) || covers(two, one)));
        let prefixes = self.prefix.starts_with(&other.prefix) || other.prefix.starts_with(&self.prefix);
        let suffixes = self.suffix.ends_with(&other.suffix) || other.suffix.ends_with(&self.suffix);
        events && prefixes && suffixes
    }
}

/// `s3:ObjectCreated:*` covers all of its family.
fn covers(wanted: &str, name: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(family) => name.starts_with(family),
        None => wanted == name,
    }
}

/// The wishes of a configuration.
pub(crate) fn read(configuration: &NotificationConfiguration) -> S3Result<Vec<Wish>> {
    let mut wishes = Vec::new();
    let wish = |id: &Option<String>, destination, arn: &str, events: &[Name], filter: Option<&_>| {
        let (prefix, suffix) = filters(filter)?;
        let events = events.iter().map(|event| event.as_ref().to_owned()).collect();
        Ok::<_, s3s::S3Error>(Wish {
            id: id.clone().unwrap_or_default(),
            destination,
            arn: arn.to_owned(),
            events,
            prefix,
            suffix,
        })
    };
    for one in configuration.lambda_function_configurations.iter().flatten() {
        wishes.push(wish(
            &one.id,
            Destination::Function,
            &one.lambda_function_arn,
            &one.events,
            one.filter.as_ref(),
        )?);
    }
    for one in configuration.queue_configurations.iter().flatten() {
        wishes.push(wish(&one.id, Destination::Queue, &one.queue_arn, &one.events, one.filter.as_ref())?);
    }
    for one in configuration.topic_configurations.iter().flatten() {
        wishes.push(wish(&one.id, Destination::Topic, &one.topic_arn, &one.events, one.filter.as_ref())?);
    }
    Ok(wishes)
}

fn filters(filter: Option<&NotificationConfigurationFilter>) -> S3Result<(String, String)> {
    let rules = filter.and_then(|filter| filter.key.as_ref()).and_then(|key| key.filter_rules.as_ref());
    let (mut prefix, mut suffix) = (None, None);
    for rule in rules.into_iter().flatten() {
        let name = rule.name.as_ref().map(|name| name.as_str().to_ascii_lowercase()).unwrap_or_default();
        let slot = match name.as_str() {
            "prefix" => &mut prefix,
            "suffix" => &mut suffix,
            _ => return Err(invalid_argument("filter rule name must be either prefix or suffix")),
        };
        let value = rule.value.clone().unwrap_or_default();
        if value.len() > FILTER_BYTES {
            return Err(invalid_argument(
                "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation",
            ));
        }
        if slot.replace(value).is_some() {
            return Err(invalid_argument(format!("Cannot specify more than one {name} rule in a filter.")));
        }
    }
    Ok((prefix.unwrap_or_default(), suffix.unwrap_or_default()))
}

/// Whether they can be had together in a bucket of this region.
pub(crate) fn check(wishes: &[Wish], region: &Region) -> S3Result<()> {
    if wishes.len() > MOST {
        return Err(custom(
            "TooManyConfigurations",
            http::StatusCode::BAD_REQUEST,
            "You are attempting to create a new configuration but have already reached the 100-configuration limit.",
        ));
    }
    for (index, wish) in wishes.iter().enumerate() {
        if wish.events.is_empty() {
            return Err(crate::refuse::malformed_xml());
        }
        if let Some(unknown) = wish.events.iter().find(|name| !NAMES.contains(&name.as_str())) {
            return Err(invalid_argument(format!(
                "The event '{unknown}' is not supported for notifications"
            )));
        }
        check_arn(wish, region)?;
        for other in &wishes[..index] {
            if other.id == wish.id {
                return Err(invalid_argument("Same ID used for multiple configurations. IDs must be unique"));
            }
            if other.overlaps(wish) {
                return Err(invalid_argument(
                    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.",
                ));
            }
        }
    }
    Ok(())
}

fn check_arn(wish: &Wish, region: &Region) -> S3Result<()> {
    let (service, _) = wish.destination.service();
    let parsed = Arn::parse(&wish.arn)
        .filter(|arn| arn.service == service && arn.account.parse::<AccountId>().is_ok())
        .ok_or_else(|| invalid_argument("The ARN could not be parsed"))?;
    if parsed.region != region.as_str() {
        return Err(invalid_argument(
            "The notification destination service region is not valid for the bucket location constraint",
        ));
    }
    if wish.destination == Destination::Queue && wish.arn.ends_with(".fifo") {
        return Err(invalid_argument("FIFO SQS queues are not supported."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(events: &[&str], prefix: &str, suffix: &str) -> Wish {
        Wish {
            id: format!("{events:?}{prefix}{suffix}"),
            destination: Destination::Queue,
            arn: "arn:aws:sqs:us-east-1:123456789012:q".into(),
            events: events.iter().map(|name| (*name).to_owned()).collect(),
            prefix: prefix.into(),
            suffix: suffix.into(),
        }
    }

    #[test]
    fn wishes_are_for_families_prefixes_and_suffixes() {
        let all = wish(&["s3:ObjectCreated:*"], "images/", ".jpg");
        assert!(all.wants(Kind::Put, "images/a.jpg") && all.wants(Kind::Copy, "images/.jpg"));
        assert!(!all.wants(Kind::Delete, "images/a.jpg"));
        assert!(!all.wants(Kind::Put, "a.jpg") && !all.wants(Kind::Put, "images/a.png"));
        assert!(!wish(&["s3:ObjectCreated:Copy"], "", "").wants(Kind::Put, "a"));
    }

    #[test]
    fn wishes_do_not_overlap() {
        // User Guide, "Configuring event notifications using object key name filtering": valid and invalid examples.
        let region = "us-east-1".parse().unwrap();
        let both = |one, two| check(&[one, two], &region).is_ok();
        let put = ["s3:ObjectCreated:Put"];
        let created = ["s3:ObjectCreated:*"];
        assert!(both(wish(&created, "images/", ""), wish(&created, "logs/", "")));
        assert!(both(wish(&created, "", ".jpg"), wish(&created, "", ".png")));
        assert!(both(wish(&created, "images/", ".jpg"), wish(&created, "images/", ".png")));
        assert!(both(wish(&put, "", ""), wish(&["s3:ObjectRemoved:*"], "", "")));
        assert!(!both(wish(&created, "", ""), wish(&put, "x", "")));
        assert!(!both(wish(&created, "image", ""), wish(&created, "images/", "")));
        assert!(!both(wish(&created, "", "jpg"), wish(&created, "", "pg")));
        assert!(!both(wish(&created, "image", "jpg"), wish(&put, "images", "pg")));
    }

    #[test]
    fn what_is_no_wish() {
        let region = "us-east-1".parse().unwrap();
        let fifo = Wish {
            arn: "arn:aws:sqs:us-east-1:123456789012:q.fifo".into(),
            ..wish(&["s3:ObjectCreated:*"], "", "")
        };
        let foreign = Wish {
            arn: "arn:aws:sqs:eu-west-1:123456789012:q".into(),
            ..wish(&["s3:ObjectCreated:*"], "", "")
        };
        let topic = Wish { destination: Destination::Topic, ..wish(&["s3:ObjectCreated:*"], "", "") };
        for bad in [fifo, foreign, topic, wish(&["s3:Nonsense"], "", ""), wish(&[], "", "")] {
            assert!(check(&[bad], &region).is_err());
        }
    }
}
