use std::sync::atomic::{AtomicU8, Ordering};

use lambent_model::{AccountId, RoleTrust, TrustedRoles};
use lambent_store::{Expect, Write};
use lambent_wire::iam::types as t;

use super::*;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_767_225_600_000)
    }
}

#[derive(Default)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}

const PERMISSIONS: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;

fn trust(condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"Service":"lambda.amazonaws.com"}},"Action":"sts:AssumeRole"{condition}}}}}"#
    )
}

async fn role(iam: &Iam, name: &str, trust: String) {
    let input = t::CreateRoleRequest {
        role_name: name.into(),
        assume_role_policy_document: trust,
        ..t::CreateRoleRequest::default()
    };
    iam.create_role(&AccountId::default_account(), input).await.expect("a role");
}

fn run(test: impl AsyncFnOnce(Iam)) {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store = Store::open(dir.path()).unwrap();
        test(Iam::new(store.clone(), Arc::new(Still), Arc::new(Counting::default()))).await;
        store.close().await.unwrap();
    });
}

/// Whatever comes first: a policy that is attached is there.
#[test]
fn nobody_deletes_what_is_being_attached() {
    run(async |iam| {
        let account = AccountId::default_account();
        role(&iam, "r", trust("")).await;
        let (mut attached, mut deleted) = (0, 0);
        for round in 0..60 {
            let policy_name = format!("p{round}");
            let input = t::CreatePolicyRequest {
                policy_name: policy_name.clone(),
                policy_document: PERMISSIONS.into(),
                ..t::CreatePolicyRequest::default()
            };
            iam.create_policy(&account, input).await.expect("a policy");
            let policy_arn = format!("arn:aws:iam::{account}:policy/{policy_name}");
            let attach = t::AttachRolePolicyRequest { role_name: "r".into(), policy_arn: policy_arn.clone() };
            let delete = t::DeletePolicyRequest { policy_arn: policy_arn.clone() };
            let (attaching, deleting) =
                tokio::join!(iam.attach_role_policy(&account, attach), iam.delete_policy(&account, delete));
            let is_there = iam.find_managed(&account, &policy_arn).await.expect("a look").is_some();
            assert!(attaching.is_ok() != deleting.is_ok(), "{attaching:?} {deleting:?}");
            assert_eq!(attaching.is_ok(), is_there);
            attached += u32::from(attaching.is_ok());
            deleted += u32::from(deleting.is_ok());
            if attaching.is_ok() {
                let detach = t::DetachRolePolicyRequest { role_name: "r".into(), policy_arn };
                iam.detach_role_policy(&account, detach).await.expect("it is attached");
            }
        }
        assert_eq!(attached + deleted, 60);
    });
}

#[test]
fn lambda_is_trusted_where_the_policy_says_so() {
    run(async |iam| {
        role(&iam, "open", trust("")).await;
        let bound = r#","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:lambda:*:*:function:mine-*"}}"#;
        role(&iam, "bound", trust(bound)).await;
        role(&iam, "closed", trust("").replace("lambda.", "ec2.")).await;
        let arn = |role: &str| format!("arn:aws:iam::000000000000:role/{role}");
        let function = |name: &str| format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
        for (role, name, expected) in [
            ("open", "any", RoleTrust::Given),
            ("bound", "mine-1", RoleTrust::Given),
            ("bound", "other", RoleTrust::Denied),
            ("closed", "any", RoleTrust::Denied),
            ("absent", "any", RoleTrust::Unknown),
            ("path/open", "any", RoleTrust::Unknown),
        ] {
            let trusted = iam.trust(&arn(role), &function(name)).await;
            assert_eq!(trusted, Ok(expected), "{role} for {name}");
        }
    });
}

#[test]
fn what_a_role_may_is_in_all_its_policies_and_within_its_boundary() {
    use lambent_identity::policy::{Access, Decision, Who};
    run(async |iam| {
        let account = AccountId::default_account();
        let put = async |role: &str, name: &str, statement: &str| {
            let policy_document = format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#);
            let (role_name, policy_name) = (role.to_owned(), name.to_owned());
            let input = t::PutRolePolicyRequest { role_name, policy_name, policy_document };
            iam.put_role_policy(&account, input).await.expect("an inline policy");
        };
        for name in ["plain", "managed", "bound"] {
            role(&iam, name, trust("")).await;
        }
        let queue = "arn:aws:sqs:us-east-1:000000000000:q";
        let allow = format!(r#"{{"Effect":"Allow","Action":"sqs:*","Resource":"{queue}"}}"#);
        put("plain", "allow", &allow).await;
        put("plain", "deny", r#"{"Effect":"Deny","Action":"sqs:DeleteMessage","Resource":"*"}"#).await;
        put("bound", "allow", &allow).await;
        let policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole".to_owned();
        let attach =
            t::AttachRolePolicyRequest { role_name: "managed".into(), policy_arn: policy_arn.clone() };
        iam.attach_role_policy(&account, attach).await.expect("an attached policy");
        let boundary = t::PutRolePermissionsBoundaryRequest {
            role_name: "bound".into(),
            permissions_boundary: policy_arn,
        };
        iam.put_role_permissions_boundary(&account, boundary).await.expect("a boundary");
        for (role, action, expected) in [
            ("plain", "sqs:SendMessage", Decision::Allow),
            ("plain", "sqs:DeleteMessage", Decision::Deny),
            ("plain", "sns:Publish", Decision::Silent),
            ("managed", "sqs:ReceiveMessage", Decision::Allow),
            ("managed", "sqs:SendMessage", Decision::Silent),
            ("bound", "sqs:ReceiveMessage", Decision::Allow),
            ("bound", "sqs:SendMessage", Decision::Silent),
        ] {
            let permissions = iam.permissions(&format!("arn:aws:iam::{account}:role/{role}")).await.unwrap();
            let arn = format!("arn:aws:sts::{account}:assumed-role/{role}/f");
            let who = Who::Aws { account: &account, arn: &arn };
            let access = Access { who, action, resource: queue, keys: &[] };
            assert_eq!(permissions.expect("the role exists").decision(&access), expected, "{role} {action}");
        }
        assert_eq!(iam.permissions("arn:aws:iam::000000000000:role/absent").await.unwrap(), None);
    });
}

/// Permissions are read once, and each change of whatever they are made of counts for the very next question.
#[test]
fn a_change_of_a_role_or_a_policy_counts_at_once_and_nothing_else_is_read_again() {
    use lambent_identity::policy::{Access, Decision, Who};
    run(async |iam| {
        let account = AccountId::default_account();
        let document = |effect: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Action":"sqs:*","Resource":"*"}}}}"#
            )
        };
        let asked = async || iam.permissions("arn:aws:iam::000000000000:role/r").await.unwrap();
        let decision = async || {
            let who = Who::Aws { account: &account, arn: "arn:aws:sts::000000000000:assumed-role/r/f" };
            let access = Access { who, action: "sqs:SendMessage", resource: "arn:q", keys: &[] };
            let (one, same) = (asked().await, asked().await);
            match (one, same) {
                (Some(one), Some(same)) => {
                    assert!(Arc::ptr_eq(&one, &same), "it was read again though nothing has changed");
                    Some(one.decision(&access))
                }
                _ => None,
            }
        };
        assert_eq!(decision().await, None, "there is no role");
        role(&iam, "r", trust("")).await;
        assert_eq!(decision().await, Some(Decision::Silent));
        let policy_arn = format!("arn:aws:iam::{account}:policy/p");
        let input = t::CreatePolicyRequest {
            policy_name: "p".into(),
            policy_document: document("Allow"),
            ..t::CreatePolicyRequest::default()
        };
        iam.create_policy(&account, input).await.expect("a policy");
        let attach = t::AttachRolePolicyRequest { role_name: "r".into(), policy_arn: policy_arn.clone() };
        iam.attach_role_policy(&account, attach).await.expect("it is attached");
        assert_eq!(decision().await, Some(Decision::Allow));
        let inline = t::PutRolePolicyRequest {
            role_name: "r".into(),
            policy_name: "no".into(),
            policy_document: document("Deny"),
        };
        iam.put_role_policy(&account, inline).await.expect("an inline policy");
        assert_eq!(decision().await, Some(Decision::Deny));
        let inline = t::DeleteRolePolicyRequest { role_name: "r".into(), policy_name: "no".into() };
        iam.delete_role_policy(&account, inline).await.expect("it was there");
        assert_eq!(decision().await, Some(Decision::Allow));
        let version = t::CreatePolicyVersionRequest {
            policy_arn: policy_arn.clone(),
            policy_document: document("Deny"),
            set_as_default: Some(true),
        };
        iam.create_policy_version(&account, version).await.expect("a version");
        assert_eq!(decision().await, Some(Decision::Deny), "the policy has changed, the role has not");
        let version =
            t::SetDefaultPolicyVersionRequest { policy_arn: policy_arn.clone(), version_id: "v1".into() };
        iam.set_default_policy_version(&account, version).await.expect("it is there");
        assert_eq!(decision().await, Some(Decision::Allow));
        let boundary = t::PutRolePermissionsBoundaryRequest {
            role_name: "r".into(),
            permissions_boundary: "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole".into(),
        };
        iam.put_role_permissions_boundary(&account, boundary).await.expect("a boundary");
        assert_eq!(decision().await, Some(Decision::Silent));
        let boundary = t::DeleteRolePermissionsBoundaryRequest { role_name: "r".into() };
        iam.delete_role_permissions_boundary(&account, boundary).await.expect("it was there");
        assert_eq!(decision().await, Some(Decision::Allow));
        let detach = t::DetachRolePolicyRequest { role_name: "r".into(), policy_arn };
        iam.detach_role_policy(&account, detach).await.expect("it was attached");
        assert_eq!(decision().await, Some(Decision::Silent));
        // More than a subscriber of the feed may be behind: what was missed may have been anything.
        let key = lambent_store::Key { kind: "other", partition: String::new(), name: "n".into() };
        for _ in 0..20 {
            let put = |_| Write::put(key.clone(), Expect::Any, &0).unwrap();
            iam.store.commit((0..256).map(put).collect()).await.unwrap();
        }
        iam.delete_role(&account, t::DeleteRoleRequest { role_name: "r".into() })
            .await
            .expect("it was there");
        assert_eq!(decision().await, None);
    });
}
