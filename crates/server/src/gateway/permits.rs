//! What the platform may do in somebody's name: a poller in that of a function's role, a topic in its own.
//!
//! IAM User Guide, "Policy evaluation logic": a denial anywhere is final; in its own account a role may what its policies
//! or those of the resource allow; in another both have to; a service has no policies of its own and needs the
//! resource's.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use lambent_identity::RoleSession;
use lambent_identity::policy::{Access, Decision, Document, PolicyKind, Who};
use lambent_model::{AccountId, Arn, AwsCaller, Clock, ResourcePolicies};
use lambent_services::iam::Iam;
use lambent_wire::{Error, common};

/// Asks the policies.
pub(crate) struct Permits {
    iam: Iam,
    clock: Arc<dyn Clock>,
    /// By the services' names in ARNs.
    resources: BTreeMap<&'static str, Arc<dyn ResourcePolicies>>,
    documents: Documents,
}

impl Permits {
    pub(crate) fn new(iam: Iam, clock: Arc<dyn Clock>) -> Self {
        Self { iam, clock, resources: BTreeMap::new(), documents: Documents::default() }
    }

    /// The same with the policies of a service's resources.
    pub(crate) fn with(mut self, service: &'static str, policies: Arc<dyn ResourcePolicies>) -> Self {
        self.resources.insert(service, policies);
        self
    }

    /// Lets a call of the platform pass, or refuses it in AWS's words.
    pub(crate) async fn check(&self, caller: &AwsCaller, action: &str, resource: &str) -> Result<(), Error> {
        let question = Question::new(caller, action, resource, &*self.clock);
        let of_resource = question.decision_of(self.policy_of(resource).await?.as_deref());
        let of_caller = match caller {
            AwsCaller::Service { .. } => Decision::Silent,
            AwsCaller::Role { role, .. } => match self.iam.permissions(role).await? {
                Some(policies) => question.ask(|access| policies.decision(access)),
                // A role that nobody has made has no policies that could say less than everything in its account.
                None => Decision::Allow,
            },
        };
        let verdict = verdict(of_caller, of_resource, question.from);
        verdict.map_err(|why| {
            let who = &question.arn;
            common::access_denied(format!(
                "User: {who} is not authorized to perform: {action} on resource: {resource} {}",
                why.words(action)
            ))
        })
    }

    async fn policy_of(&self, resource: &str) -> Result<Option<Arc<Document>>, Error> {
        let Some(policies) = Arn::parse(resource).and_then(|arn| self.resources.get(arn.service)) else {
            return Ok(None);
        };
        let text = policies.policy(resource).await.map_err(|why| {
            common::internal_failure(format!("the policy of {resource} cannot be read: {why}"))
        })?;
        Ok(text.and_then(|text| self.documents.of(resource, text)))
    }
}

/// Resources whose policies are held as they were read, each with some kilobytes of statements. Beyond, all are read again.
const HELD: usize = 1_024;

/// Policies that have been read, by the resources that they hang on: one is good for as long as its text is the same.
#[derive(Default)]
struct Documents(Mutex<HashMap<String, Known>>);

struct Known {
    text: String,
    /// Nothing where the text cannot be read.
    document: Option<Arc<Document>>,
}

impl Documents {
    fn of(&self, resource: &str, text: String) -> Option<Arc<Document>> {
        // An entry is whole, whoever panicked.
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(resource).filter(|known| known.text == text) {
            return known.document.clone();
        }
        // What was taken as a policy is one; a document of a newer release allows nothing here.
        let document = Document::parse(&text, PolicyKind::Resource).ok().map(Arc::new);
        let mut held = lock();
        if held.len() >= HELD {
            held.clear();
        }
        held.insert(resource.to_owned(), Known { text, document: document.clone() });
        document
    }
}

/// Where a caller stands to what it calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    OwnAccount,
    OtherAccount,
    Service,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    DeniedByIdentity,
    DeniedByResource,
    SilentIdentity,
    SilentResource,
}

impl Refused {
    /// IAM User Guide, "Troubleshoot access denied error messages".
    fn words(self, action: &str) -> String {
        match self {
            Self::DeniedByIdentity => "with an explicit deny in an identity-based policy".to_owned(),
            Self::DeniedByResource => "with an explicit deny in a resource-based policy".to_owned(),
            Self::SilentIdentity => format!("because no identity-based policy allows the {action} action"),
            Self::SilentResource => format!("because no resource-based policy allows the {action} action"),
        }
    }
}

fn verdict(of_caller: Decision, of_resource: Decision, from: From) -> Result<(), Refused> {
    match (of_caller, of_resource, from) {
        (Decision::Deny, ..) => Err(Refused::DeniedByIdentity),
        (_, Decision::Deny, _) => Err(Refused::DeniedByResource),
        (_, Decision::Allow, From::OwnAccount | From::Service)
        | (Decision::Allow, _, From::OwnAccount)
        | (Decision::Allow, Decision::Allow, From::OtherAccount) => Ok(()),
        (Decision::Silent, _, From::OwnAccount | From::OtherAccount) => Err(Refused::SilentIdentity),
        (_, Decision::Silent, From::OtherAccount | From::Service) => Err(Refused::SilentResource),
    }
}

/// What is asked, with the condition keys that are known of a call of the platform.
struct Question<'a> {
    caller: &'a AwsCaller,
    arn: String,
    action: &'a str,
    resource: &'a str,
    from: From,
    keys: Vec<(&'static str, String)>,
}

impl<'a> Question<'a> {
    fn new(caller: &'a AwsCaller, action: &'a str, resource: &'a str, clock: &dyn Clock) -> Self {
        let (region, owner) = Arn::parse(resource).map_or(("", ""), |arn| (arn.region, arn.account));
        let now = clock.now();
        let mut keys = vec![
            ("aws:CurrentTime", now.to_string()),
            ("aws:EpochTime", now.seconds().to_string()),
            ("aws:RequestedRegion", region.to_owned()),
            // It never leaves the process.
            ("aws:SecureTransport", "true".to_owned()),
        ];
        let arn = match caller {
            AwsCaller::Role { account, role, session } => {
                RoleSession::for_function(account.clone(), role, session).to_string()
            }
            AwsCaller::Service { account, name, source } => {
                keys.push(("aws:SourceArn", source.clone()));
                keys.push(("aws:SourceAccount", account.to_string()));
                name.clone()
            }
        };
        // Buckets have no account in their ARNs, and are looked for in the caller's alone.
        let from = match caller {
            AwsCaller::Service { .. } => From::Service,
            AwsCaller::Role { account, .. } if owner.is_empty() || owner == account.as_str() => {
                From::OwnAccount
            }
            AwsCaller::Role { .. } => From::OtherAccount,
        };
        Self { caller, arn, action, resource, from, keys }
    }

    fn ask(&self, decide: impl Fn(&Access<'_>) -> Decision) -> Decision {
        let account: &AccountId = self.caller.account();
        let who = match self.caller {
            AwsCaller::Role { .. } => Who::Aws { account, arn: &self.arn },
            AwsCaller::Service { name, .. } => Who::Service(name),
        };
        let keys: Vec<(&str, &str)> = self.keys.iter().map(|(key, value)| (*key, value.as_str())).collect();
        decide(&Access { who, action: self.action, resource: self.resource, keys: &keys })
    }

    fn decision_of(&self, policy: Option<&Document>) -> Decision {
        policy.map_or(Decision::Silent, |policy| self.ask(|access| policy.decision(access)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_once_for_each_of_its_texts() {
        let documents = Documents::default();
        let text = |effect: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Principal":"*","Action":"*","Resource":"*"}}}}"#
            )
        };
        let one = documents.of("arn:q", text("Allow")).unwrap();
        assert!(Arc::ptr_eq(&one, &documents.of("arn:q", text("Allow")).unwrap()));
        let other = documents.of("arn:q", text("Deny")).unwrap();
        assert_ne!(one, other);
        assert_eq!(documents.of("arn:q", text("Allow")).unwrap(), one, "it is what it was again");
        assert_eq!(documents.of("arn:q", "{}".into()), None);
        (0..=HELD).for_each(|n| drop(documents.of(&format!("arn:{n}"), text("Allow"))));
        assert!(documents.0.lock().unwrap().len() <= HELD);
    }

    #[test]
    fn both_sides_have_a_say() {
        use Decision::{Allow, Deny, Silent};
        for (caller, resource, from, expected) in [
            (Allow, Silent, From::OwnAccount, Ok(())),
            (Silent, Allow, From::OwnAccount, Ok(())),
            (Silent, Silent, From::OwnAccount, Err(Refused::SilentIdentity)),
            (Deny, Allow, From::OwnAccount, Err(Refused::DeniedByIdentity)),
            (Allow, Deny, From::OwnAccount, Err(Refused::DeniedByResource)),
            (Allow, Allow, From::OtherAccount, Ok(())),
            (Allow, Silent, From::OtherAccount, Err(Refused::SilentResource)),
            (Silent, Allow, From::OtherAccount, Err(Refused::SilentIdentity)),
            (Silent, Allow, From::Service, Ok(())),
            (Silent, Silent, From::Service, Err(Refused::SilentResource)),
            (Silent, Deny, From::Service, Err(Refused::DeniedByResource)),
        ] {
            assert_eq!(verdict(caller, resource, from), expected, "{caller:?} {resource:?} {from:?}");
        }
    }
}
