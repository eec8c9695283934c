//! What a caller may do: the account that owns a bucket everything that the bucket's policy does not deny, all others
//! what it allows (User Guide, "How Amazon S3 authorizes a request").

use lambent_identity::Principal;
use lambent_identity::policy::{Access, Decision, Document, Effect, PolicyKind, Who};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use std::sync::Arc;

use crate::asker::Asker;
use crate::engine::Engine;
use crate::records::Bucket;
use crate::refuse;

pub(crate) const POLICY: &str = "policy";
pub(crate) const BLOCK: &str = "publicAccessBlock";

/// What functions do with buckets of their own account. Making, removing and configuring buckets is the owner's.
const WORK: [&str; 14] = [
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateMultipartUpload",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjects",
    "HeadBucket",
    "HeadObject",
    "PostObject",
    "PutObject",
    "PutObjectTagging",
    "UploadPart",
    "UploadPartCopy",
];

tokio::task_local! {
    /// What the signature of the request at hand has to be made with. s3s asks by the access key alone, and sessions'
    /// secrets are in their tokens.
    pub(crate) static SECRET: Option<String>;
}

/// Secrets for s3s.
pub(crate) struct Secrets;

#[async_trait::async_trait]
impl S3Auth for Secrets {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        match SECRET.try_with(Clone::clone) {
            Ok(Some(secret)) => Ok(secret.into()),
            _ => Err(s3_error!(
                InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records."
            )),
        }
    }
}

/// The check of every operation, for s3s.
pub(crate) struct Rules(pub(crate) Arc<Engine>);

#[async_trait::async_trait]
impl S3Access for Rules {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let asker =
            context.extensions_mut().get::<Arc<Asker>>().cloned().ok_or_else(refuse::access_denied)?;
        // s3s passes requests without a signature; one that was to be verified has to have been.
        let mut asker = asker;
        if asker.secret.is_some() {
            let credentials = context.credentials().ok_or_else(refuse::access_denied)?;
            if asker.principal.is_none() {
                // Of a form, which names its signer inside.
                let account = lambent_identity::account_of(&credentials.access_key);
                asker = Arc::new(Asker { principal: Some(Principal::Root(account)), ..Asker::clone(&asker) });
                context.extensions_mut().insert(Arc::clone(&asker));
            }
        }
        let operation = context.s3_op().name();
        let is_read = ["Get", "List"].iter().any(|verb| operation.starts_with(verb));
        if asker.is_bound && !is_read && !WORK.contains(&operation) {
            return Err(bound(&asker, operation));
        }
        let versioned = context
            .uri()
            .query()
            .is_some_and(|query| query.split('&').any(|pair| pair.starts_with("versionId=")));
        let path = context.s3_path();
        let Some(name) = path.get_bucket_name() else {
            asker.principal.as_ref().ok_or_else(refuse::access_denied)?;
            // IAM's name of the one operation without a bucket is its own.
            return within_limits(&asker, "s3:ListAllMyBuckets", "*", &[]);
        };
        if operation == "CreateBucket" {
            asker.principal.as_ref().ok_or_else(refuse::access_denied)?;
            return within_limits(&asker, "s3:CreateBucket", &format!("arn:aws:s3:::{name}"), &[]);
        }
        // Each of its keys is asked for apart.
        if operation == "DeleteObjects" {
            return Ok(());
        }
        let bucket = self.0.bucket(name)?;
        may(&asker, &bucket, &action(operation, versioned), path.get_object_key())
    }
}

/// IAM's name of what an operation does (Service Authorization Reference, "Actions, resources, and condition keys for
/// Amazon S3"). Actions have no case.
fn action(operation: &str, versioned: bool) -> String {
    let name = match operation {
        "GetObject" | "HeadObject" | "GetObjectAttributes" if versioned => "GetObjectVersion",
        "GetObject" | "HeadObject" | "GetObjectAttributes" => "GetObject",
        "PutObject"
        | "PostObject"
        | "CopyObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload" => "PutObject",
        "DeleteObject" if versioned => "DeleteObjectVersion",
        "ListObjects" | "ListObjectsV2" | "HeadBucket" => "ListBucket",
        "ListObjectVersions" => "ListBucketVersions",
        "ListMultipartUploads" => "ListBucketMultipartUploads",
        "ListParts" => "ListMultipartUploadParts",
        "GetBucketLifecycleConfiguration" => "GetLifecycleConfiguration",
        "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => "PutLifecycleConfiguration",
        "GetBucketEncryption" => "GetEncryptionConfiguration",
        "PutBucketEncryption" | "DeleteBucketEncryption" => "PutEncryptionConfiguration",
        "DeleteBucketCors" => "PutBucketCORS",
        "DeleteBucketTagging" => "PutBucketTagging",
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => "PutBucketPublicAccessBlock",
        "DeleteBucketOwnershipControls" => "PutBucketOwnershipControls",
        "GetBucketNotificationConfiguration" => "GetBucketNotification",
        "PutBucketNotificationConfiguration" => "PutBucketNotification",
        "GetBucketReplication" => "GetReplicationConfiguration",
        "GetBucketAccelerateConfiguration" => "GetAccelerateConfiguration",
        "GetObjectLockConfiguration" => "GetBucketObjectLockConfiguration",
        other => other,
    };
    format!("s3:{name}")
}

fn bound(asker: &Asker, operation: &str) -> S3Error {
    let who = asker.principal.as_ref().map_or_else(String::new, ToString::to_string);
    let text = format!(
        "User: {who} is not authorized to perform: s3:{operation} because no identity-based policy allows the \
         s3:{operation} action (functions change resources where lambent was started with --functions-may-admin)"
    );
    S3Error::with_message(S3ErrorCode::AccessDenied, text)
}

/// Whether what session policies leave of a session holds it (IAM User Guide, "Session policies").
fn within_limits(asker: &Asker, action: &str, resource: &str, keys: &[(&str, &str)]) -> S3Result<()> {
    let (Some(limits), Some(principal)) = (&asker.limits, &asker.principal) else { return Ok(()) };
    let arn = principal.to_string();
    let who = Who::Aws { account: principal.account(), arn: &arn };
    limits.check(&Access { who, action, resource, keys }).map_err(|missing| {
        let text = format!(
            "User: {arn} is not authorized to perform: {action} on resource: \"{resource}\" {}",
            missing.words(action)
        );
        S3Error::with_message(S3ErrorCode::AccessDenied, text)
    })
}

/// Whether the caller may.
pub(crate) fn may(asker: &Asker, bucket: &Bucket, action: &str, key: Option<&str>) -> S3Result<()> {
    let owns = asker.account() == Some(&bucket.account);
    // The account itself can always mend a policy that locks it out (User Guide, "Bucket policies").
    let is_policy = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"].contains(&action);
    if owns && is_policy && matches!(asker.principal, Some(Principal::Root(_))) {
        return Ok(());
    }
    let policy = bucket.policy()?;
    if policy.is_none() && asker.limits.is_none() {
        return if owns { Ok(()) } else { Err(refuse::access_denied()) };
    }
    let resource = match key {
        Some(key) => format!("arn:aws:s3:::{}/{key}", bucket.name),
        None => format!("arn:aws:s3:::{}", bucket.name),
    };
    let arn = asker.principal.as_ref().map(ToString::to_string).unwrap_or_default();
    let who = match &asker.principal {
        Some(principal) => Who::Aws { account: principal.account(), arn: &arn },
        None => Who::Anonymous,
    };
    // Of a session the role, not the session (IAM User Guide, "aws:PrincipalArn").
    let principal_arn = match &asker.principal {
        Some(Principal::AssumedRole(session)) => {
            format!("arn:aws:iam::{}:role/{}", session.account, session.role)
        }
        _ => arn.clone(),
    };
    let address = asker.address.map(|address| address.to_string());
    // What stays on the machine needs no TLS: else every bucket with the usual rule against plain connections would be
    // closed.
    let mut keys = vec![("aws:SecureTransport", "true"), ("aws:ResourceAccount", bucket.account.as_str())];
    keys.push(("s3:ResourceAccount", bucket.account.as_str()));
    keys.extend(asker.facts.iter());
    if let Some(principal) = &asker.principal {
        let kind = if matches!(principal, Principal::Root(_)) { "Account" } else { "AssumedRole" };
        keys.extend([
            ("aws:PrincipalArn", principal_arn.as_str()),
            ("aws:PrincipalAccount", principal.account().as_str()),
            ("aws:PrincipalType", kind),
        ]);
    }
    keys.extend(address.as_deref().map(|address| ("aws:SourceIp", address)));
    let own = match &asker.principal {
        Some(Principal::AssumedRole(session)) => session.terms.keys(&[]),
        _ => Vec::new(),
    };
    within_limits(asker, action, &resource, &keys)?;
    keys.extend(own.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let Some(policy) = policy else {
        return if owns { Ok(()) } else { Err(refuse::access_denied()) };
    };
    match policy.decision(&Access { who, action, resource: &resource, keys: &keys }) {
        Decision::Deny => Err(refuse::access_denied()),
        Decision::Allow if owns => Ok(()),
        Decision::Allow if is_public(policy) && bucket.block()?.restrict_public_buckets == Some(true) => {
            Err(refuse::access_denied())
        }
        Decision::Allow => Ok(()),
        Decision::Silent if owns => Ok(()),
        Decision::Silent => Err(refuse::access_denied()),
    }
}

/// Reads a policy of a bucket; the error says what is wrong with it.
pub(crate) fn parse(text: &str, bucket: &str) -> Result<Document, String> {
    let document = Document::parse(text, PolicyKind::Resource).map_err(|error| error.to_string())?;
    let (own, below) = (format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/"));
    for statement in &document.statement {
        let actions = statement.action.iter().chain(&statement.not_action).flat_map(|names| names.iter());
        if let Some(foreign) =
            actions.into_iter().find(|name| *name != "*" && !name.to_ascii_lowercase().starts_with("s3:"))
        {
            return Err(format!("Policy has invalid action: {foreign}"));
        }
        let mut resources =
            statement.resource.iter().chain(&statement.not_resource).flat_map(|names| names.iter());
        if resources.any(|name| name != own && !name.starts_with(&below) && name != format!("{own}*")) {
            return Err("Policy has invalid resource".to_owned());
        }
    }
    Ok(document)
}

/// Whether it lets anybody in (User Guide, "The meaning of 'public'"): a statement for everybody without a condition.
pub(crate) fn is_public(policy: &Document) -> bool {
    policy.statement.iter().any(|statement| {
        statement.effect == Effect::Allow
            && statement.condition.is_none()
            && statement.principal.as_ref().is_some_and(|principals| principals.include(&Who::Anonymous))
    })
}
