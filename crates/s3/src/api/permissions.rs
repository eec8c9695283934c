//! Who may use a bucket: its policy, the block of public access, ownership and access control lists.
//!
//! Policies and the block are kept to (see `access`). Access control lists are not: a bucket has its owner's, and a
//! request for another one is refused, as on AWS for buckets of today ("bucket owner enforced").

use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, s3_error};

use super::configurations::{bucket, change, clear, read, set};
use super::get::find;
use super::words::owner;
use crate::access;
use crate::engine::Engine;
use crate::records::Bucket;
use crate::refuse;

const POLICY: &str = access::POLICY;
pub(super) const BLOCK: &str = access::BLOCK;
pub(super) const OWNERSHIP: &str = "ownershipControls";
/// The longest policy (User Guide, "Bucket policies").
const POLICY_BYTES: usize = 20 * 1024;

pub(super) async fn get_policy(
    engine: &Engine,
    r: S3Request<GetBucketPolicyInput>,
) -> S3Result<GetBucketPolicyOutput> {
    let bucket = bucket(engine, &r.input.bucket, r.input.expected_bucket_owner.as_ref())?;
    let policy = bucket.configurations.get(POLICY).cloned().ok_or_else(no_policy)?;
    Ok(GetBucketPolicyOutput { policy: Some(policy) })
}

fn no_policy() -> S3Error {
    s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist")
}

pub(super) async fn put_policy(
    engine: &Engine,
    r: S3Request<PutBucketPolicyInput>,
) -> S3Result<PutBucketPolicyOutput> {
    let input = r.input;
    if input.policy.len() > POLICY_BYTES {
        return Err(s3_error!(
            MalformedPolicy,
            "Normalized policy document exceeds the maximum allowed size of 20480 bytes."
        ));
    }
    let document = access::parse(&input.policy, &input.bucket)
        .map_err(|why| S3Error::with_message(S3ErrorCode::MalformedPolicy, why))?;
    change(engine, &input.bucket, input.expected_bucket_owner.as_ref(), |bucket| {
        if access::is_public(&document) && bucket.block()?.block_public_policy == Some(true) {
            return Err(s3_error!(
                AccessDenied,
                "public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access"
            ));
        }
        bucket.configurations.insert(POLICY.to_owned(), input.policy);
        Ok(())
    })
    .await?;
    Ok(PutBucketPolicyOutput {})
}

pub(super) async fn delete_policy(
    engine: &Engine,
    r: S3Request<DeleteBucketPolicyInput>,
) -> S3Result<DeleteBucketPolicyOutput> {
    clear(engine, &r.input.bucket, r.input.expected_bucket_owner.as_ref(), POLICY).await?;
    Ok(DeleteBucketPolicyOutput {})
}

pub(super) async fn policy_status(
    engine: &Engine,
    r: S3Request<GetBucketPolicyStatusInput>,
) -> S3Result<GetBucketPolicyStatusOutput> {
    let bucket = bucket(engine, &r.input.bucket, r.input.expected_bucket_owner.as_ref())?;
    let document = bucket.policy()?.ok_or_else(no_policy)?;
    Ok(GetBucketPolicyStatusOutput {
        policy_status: Some(PolicyStatus { is_public: Some(access::is_public(document)) }),
    })
}

pub(super) async fn get_block(
    engine: &Engine,
    r: S3Request<GetPublicAccessBlockInput>,
) -> S3Result<GetPublicAccessBlockOutput> {
    let found = read(engine, &r.input.bucket, r.input.expected_bucket_owner.as_ref(), BLOCK)?;
    let missing = || {
        refuse::custom(
            "NoSuchPublicAccessBlockConfiguration",
            http::StatusCode::NOT_FOUND,
            "The public access block configuration was not found",
        )
    };
    Ok(GetPublicAccessBlockOutput { public_access_block_configuration: Some(found.ok_or_else(missing)?) })
}

pub(super) async fn put_block(
    engine: &Engine,
    r: S3Request<PutPublicAccessBlockInput>,
) -> S3Result<PutPublicAccessBlockOutput> {
    let input = r.input;
    let given = input.public_access_block_configuration;
    // What is not named is off.
    let whole = PublicAccessBlockConfiguration {
        block_public_acls: given.block_public_acls.or(Some(false)),
        block_public_policy: given.block_public_policy.or(Some(false)),
        ignore_public_acls: given.ignore_public_acls.or(Some(false)),
        restrict_public_buckets: given.restrict_public_buckets.or(Some(false)),
    };
    set(engine, &input.bucket, input.expected_bucket_owner.as_ref(), BLOCK, &whole).await?;
    Ok(PutPublicAccessBlockOutput {})
}

pub(super) async fn delete_block(
    engine: &Engine,
    r: S3Request<DeletePublicAccessBlockInput>,
) -> S3Result<DeletePublicAccessBlockOutput> {
    clear(engine, &r.input.bucket, r.input.expected_bucket_owner.as_ref(), BLOCK).await?;
    Ok(DeletePublicAccessBlockOutput {})
}

pub(super) async fn get_ownership(
    engine: &Engine,
    r: S3Request<GetBucketOwnershipControlsInput>,
) -> S3Result<GetBucketOwnershipControlsOutput> {
    let found = read(engine, &r.input.bucket, r.input.expected_bucket_owner.as_ref(), OWNERSHIP)?;
    let missing =
        || s3_error!(OwnershipControlsNotFoundError, "The bucket ownership controls were not found");
    Ok(GetBucketOwnershipControlsOutput { ownership_controls: Some(found.ok_or_else(missing)?) })
}

pub(super) async fn put_ownership(
    engine: &Engine,
    r: S3Request<PutBucketOwnershipControlsInput>,
) -> S3Result<PutBucketOwnershipControlsOutput> {
    let input = r.input;
    if input.ownership_controls.rules.len() != 1 {
        return Err(refuse::malformed_xml());
    }
    set(engine, &input.bucket, input.expected_bucket_owner.as_ref(), OWNERSHIP, &input.ownership_controls)
        .await?;
    Ok(PutBucketOwnershipControlsOutput {})
}

pub(super) async fn delete_ownership(
    engine: &Engine,
    r: S3Request<DeleteBucketOwnershipControlsInput>,
) -> S3Result<DeleteBucketOwnershipControlsOutput> {
    clear(engine, &r.input.bucket, r.input.expected_bucket_owner.as_ref(), OWNERSHIP).await?;
    Ok(DeleteBucketOwnershipControlsOutput {})
}

/// The owner's full control, which is all that there is.
fn grants(bucket: &Bucket) -> Vec<Grant> {
    let Owner { id, display_name } = owner(bucket);
    let grantee = Grantee {
        id,
        display_name,
        email_address: None,
        type_: Type::from_static(Type::CANONICAL_USER),
        uri: None,
    };
    vec![Grant {
        grantee: Some(grantee),
        permission: Some(Permission::from_static(Permission::FULL_CONTROL)),
    }]
}

pub(super) async fn get_bucket_acl(
    engine: &Engine,
    r: S3Request<GetBucketAclInput>,
) -> S3Result<GetBucketAclOutput> {
    let bucket = bucket(engine, &r.input.bucket, r.input.expected_bucket_owner.as_ref())?;
    Ok(GetBucketAclOutput { grants: Some(grants(&bucket)), owner: Some(owner(&bucket)) })
}

pub(super) async fn get_object_acl(
    engine: &Engine,
    r: S3Request<GetObjectAclInput>,
) -> S3Result<GetObjectAclOutput> {
    let bucket = bucket(engine, &r.input.bucket, r.input.expected_bucket_owner.as_ref())?;
    find(engine, &bucket, &r.input.key, r.input.version_id.as_deref()).await?;
    Ok(GetObjectAclOutput {
        grants: Some(grants(&bucket)),
        owner: Some(owner(&bucket)),
        request_charged: None,
    })
}

/// Refuses a list that would give anybody else anything.
fn check_acl(
    bucket: &Bucket,
    canned: Option<&str>,
    given: Option<&AccessControlPolicy>,
    headers: bool,
) -> S3Result<()> {
    let own = owner(bucket).id;
    let is_own = |grant: &Grant| {
        let full = grant
            .permission
            .as_ref()
            .is_some_and(|permission| permission.as_str() == Permission::FULL_CONTROL);
        full && grant.grantee.as_ref().is_some_and(|grantee| grantee.id == own)
    };
    let is_private = match (canned, given) {
        (Some(name), _) => ["private", "bucket-owner-full-control", "bucket-owner-read"].contains(&name),
        (None, Some(policy)) => policy.grants.as_deref().unwrap_or_default().iter().all(is_own),
        (None, None) => !headers,
    };
    if is_private {
        return Ok(());
    }
    Err(s3_error!(
        AccessControlListNotSupported,
        "The bucket does not allow ACLs: lambent keeps to bucket policies alone; use PutBucketPolicy"
    ))
}

pub(super) async fn put_bucket_acl(
    engine: &Engine,
    r: S3Request<PutBucketAclInput>,
) -> S3Result<PutBucketAclOutput> {
    let input = r.input;
    let bucket = bucket(engine, &input.bucket, input.expected_bucket_owner.as_ref())?;
    let headers = input.grant_full_control.is_some()
        || input.grant_read.is_some()
        || input.grant_read_acp.is_some()
        || input.grant_write.is_some()
        || input.grant_write_acp.is_some();
    let canned = input.acl.as_ref().map(BucketCannedACL::as_str);
    check_acl(&bucket, canned, input.access_control_policy.as_ref(), headers)?;
    Ok(PutBucketAclOutput {})
}

pub(super) async fn put_object_acl(
    engine: &Engine,
    r: S3Request<PutObjectAclInput>,
) -> S3Result<PutObjectAclOutput> {
    let input = r.input;
    let bucket = bucket(engine, &input.bucket, input.expected_bucket_owner.as_ref())?;
    find(engine, &bucket, &input.key, input.version_id.as_deref()).await?;
    let headers = input.grant_full_control.is_some()
        || input.grant_read.is_some()
        || input.grant_read_acp.is_some()
        || input.grant_write.is_some()
        || input.grant_write_acp.is_some();
    let canned = input.acl.as_ref().map(ObjectCannedACL::as_str);
    check_acl(&bucket, canned, input.access_control_policy.as_ref(), headers)?;
    Ok(PutObjectAclOutput::default())
}

/// The canned list that a bucket or an object is made with.
pub(super) fn check_canned(name: Option<&str>) -> S3Result<()> {
    match name {
        None | Some("private" | "bucket-owner-full-control" | "bucket-owner-read") => Ok(()),
        Some(_) => Err(s3_error!(
            AccessControlListNotSupported,
            "The bucket does not allow ACLs: lambent keeps to bucket policies alone; use PutBucketPolicy"
        )),
    }
}
