//! The resource policies of an account, as those see them who want to write into its log groups.

use lambent_identity::policy::{Document, PolicyKind};
use lambent_model::{Arn, ReadPolicyFuture, ResourcePolicies, Scope};
use lambent_wire::logs::ResourcePolicy;
use serde_json::{Value, json};

use super::Logs;
use super::api::resource_policies;

/// Accounts and regions whose policies are held; each has ten of them at most.
pub(super) const SCOPES: usize = 64;

impl ResourcePolicies for Logs {
    /// All policies of the account and region of this log group or stream together: each of them counts for all groups.
    fn policy(&self, arn: &str) -> ReadPolicyFuture {
        let (logs, scope) = (self.clone(), Arn::parse(arn).and_then(|arn| arn.scope()));
        Box::pin(async move {
            match scope {
                Some(scope) => logs.policy_of(scope).await.map_err(|error| error.message),
                None => Ok(None),
            }
        })
    }
}

impl Logs {
    async fn policy_of(&self, scope: Scope) -> Result<Option<String>, lambent_wire::Error> {
        let began = match self.inner.policies.look(&scope) {
            Ok(known) => return Ok(known),
            Err(began) => began,
        };
        let joined = joined(&self.resource_policies(&scope).await?);
        self.inner.policies.keep(scope, joined.clone(), began);
        Ok(joined)
    }

    async fn resource_policies(&self, scope: &Scope) -> Result<Vec<ResourcePolicy>, lambent_wire::Error> {
        let scope = scope.clone();
        self.view(move |view| resource_policies::all(view, &scope)).await
    }
}

/// One document of all statements. Their ids are each policy's own, and say nothing to anybody who decides.
fn joined(policies: &[ResourcePolicy]) -> Option<String> {
    let mut statements = Vec::new();
    for policy in policies {
        let Some(text) = policy.policy_document.as_deref() else { continue };
        if let Err(error) = Document::parse(text, PolicyKind::Resource) {
            // Taken before policies were read when they were put.
            let name = policy.policy_name.as_deref();
            tracing::warn!(name, %error, "a resource policy of logs is none that can be read; it allows nothing");
            continue;
        }
        let document: Value = serde_json::from_str(text).ok()?;
        let one = match &document["Statement"] {
            Value::Array(several) => several.clone(),
            single => vec![single.clone()],
        };
        statements.extend(one.into_iter().map(|mut statement| {
            if let Some(members) = statement.as_object_mut() {
                members.remove("Sid");
            }
            statement
        }));
    }
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    (!statements.is_empty()).then(|| document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_with_the_same_ids_are_one_document() {
        let policy = |text: &str| ResourcePolicy {
            policy_name: Some("p".into()),
            policy_document: Some(text.into()),
            ..ResourcePolicy::default()
        };
        let allow = r#"{"Sid":"s","Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"logs:PutLogEvents","Resource":"*"}"#;
        let list = policy(&format!(r#"{{"Version":"2012-10-17","Statement":[{allow}]}}"#));
        let single = policy(&format!(r#"{{"Version":"2012-10-17","Statement":{allow}}}"#));
        let text = joined(&[list, policy("{}"), single]).unwrap();
        assert_eq!(Document::parse(&text, PolicyKind::Resource).unwrap().statement.len(), 2);
        assert_eq!(joined(&[policy("{}")]), None);
    }
}
