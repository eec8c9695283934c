//! Policies, as a target for fuzzers: bytes in, no panic, and what was read is what is shown.

use lambent_model::AccountId;

use crate::policy::{Access, Document, PolicyKind, Who};

/// A policy document of each kind, and what it decides.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let account = AccountId::default_account();
    for kind in [PolicyKind::Identity, PolicyKind::Trust, PolicyKind::Resource] {
        let Ok(document) = Document::parse(text, kind) else { continue };
        let shown = serde_json::to_string(&document).expect("documents are JSON");
        let read = Document::parse(&shown, kind).expect("what is shown can be read");
        assert_eq!(read, document, "{shown}");
        for who in [
            Who::Aws { account: &account, arn: "arn:aws:sts::000000000000:assumed-role/r/s" },
            Who::Service("lambda.amazonaws.com"),
        ] {
            let keys =
                [("aws:SourceArn", "arn:aws:s3:::b"), ("k", "1"), ("k", "10.0.0.1"), ("t", "2026-01-01")];
            let access = Access {
                who,
                action: "sts:AssumeRole",
                resource: "arn:aws:lambda:x:y:function:f",
                keys: &keys,
            };
            assert_eq!(document.decision(&access), read.decision(&access));
        }
    }
}

/// Inputs to begin with, for [`policy`].
#[must_use]
pub fn policies() -> Vec<Vec<u8>> {
    [
        r#"{"Version":"2012-10-17","Id":"i","Statement":[{"Sid":"s","Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#,
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","NotPrincipal":{"AWS":["*","000000000000"]},"NotAction":["lambda:*"],"NotResource":"arn:aws:lambda:${aws:x, 'y'}:*","Condition":{"ForAllValues:NumericLessThanEqualsIfExists":{"k":[1,"2"]},"IpAddress":{"k":"10.0.0.0/8"},"DateGreaterThan":{"t":"2020-01-01T00:00:00Z"},"ArnLike":{"aws:SourceArn":"arn:*"},"Null":{"n":true}}}}"#,
        r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_policy_breaks_the_evaluator() {
        lambent_testkit::campaign(&super::policies(), super::policy);
    }
}
