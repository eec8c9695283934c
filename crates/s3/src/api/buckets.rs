//! Buckets themselves.

use std::collections::BTreeMap;

use lambent_model::Region;
use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use super::permissions::{BLOCK, OWNERSHIP, check_canned};
use super::words::{asker, expect_owner, owner, time};
use crate::engine::{Engine, delete as removal, put};
use crate::records::{self, Versioning};
use crate::{names, refuse};

/// Buckets of an account (User Guide, "Bucket quotas").
const BUCKETS: usize = 10_000;
/// Where AWS began; there is no constraint to say for it, and making one's own bucket again is no error.
const FIRST_REGION: &str = "us-east-1";

pub(super) async fn create(
    engine: &Engine,
    request: S3Request<CreateBucketInput>,
) -> S3Result<CreateBucketOutput> {
    let asker = asker(&request);
    let input = request.input;
    names::check(&input.bucket)?;
    check_canned(input.acl.as_ref().map(BucketCannedACL::as_str))?;
    if input.object_lock_enabled_for_bucket == Some(true) {
        return Err(refuse::not_offered("object lock: it would promise that nobody can delete an object"));
    }
    let account = asker.account().ok_or_else(refuse::access_denied)?.clone();
    let constraint = input.create_bucket_configuration.and_then(|given| given.location_constraint);
    let region = match constraint
        .as_ref()
        .map(BucketLocationConstraint::as_str)
        .filter(|text| !text.is_empty())
    {
        None if asker.region.as_str() == FIRST_REGION => asker.region.clone(),
        // An endpoint of a region wants its name (API Reference, `CreateBucket`).
        None => {
            return Err(s3_error!(
                IllegalLocationConstraintException,
                "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to."
            ));
        }
        Some("EU") => "eu-west-1".parse().expect("it is a region"),
        Some(text) => {
            text.parse::<Region>().ok().filter(|region| region.as_str() != FIRST_REGION).ok_or_else(|| {
                s3_error!(InvalidLocationConstraint, "The specified location-constraint is not valid")
            })?
        }
    };
    let lock = engine.restructure().await;
    if let Some(bucket) = engine.find(&input.bucket) {
        return if bucket.account != account {
            Err(s3_error!(
                BucketAlreadyExists,
                "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."
            ))
        } else if bucket.region.as_str() == FIRST_REGION && region == bucket.region {
            Ok(CreateBucketOutput { location: Some(format!("/{}", bucket.name)) })
        } else {
            Err(s3_error!(
                BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it."
            ))
        };
    }
    if engine.all_buckets().iter().filter(|bucket| bucket.account == account).count() >= BUCKETS {
        return Err(s3_error!(TooManyBuckets, "You have attempted to create more buckets than allowed"));
    }
    let configurations = defaults(input.object_ownership)?;
    let versioning = Versioning::Off;
    let location = match region.as_str() {
        FIRST_REGION => format!("/{}", input.bucket),
        _ => format!("http://{}.s3.{region}.localhost/", input.bucket),
    };
    let created = engine.clock.now();
    let bucket = records::Bucket {
        versioning,
        configurations,
        ..records::Bucket::new(input.bucket, account, region, created)
    };
    engine.commit(vec![put(records::bucket_key(&bucket.name), &bucket)?]).await?;
    engine.keep(bucket);
    drop(lock);
    Ok(CreateBucketOutput { location: Some(location) })
}

/// What buckets have from the beginning (User Guide, "Default settings for new S3 buckets FAQ").
fn defaults(ownership: Option<ObjectOwnership>) -> S3Result<BTreeMap<String, String>> {
    let enforced = || ObjectOwnership::from_static(ObjectOwnership::BUCKET_OWNER_ENFORCED);
    let rules = vec![OwnershipControlsRule { object_ownership: ownership.unwrap_or_else(enforced) }];
    let block = PublicAccessBlockConfiguration {
        block_public_acls: Some(true),
        block_public_policy: Some(true),
        ignore_public_acls: Some(true),
        restrict_public_buckets: Some(true),
    };
    Ok(BTreeMap::from([
        (OWNERSHIP.to_owned(), super::xml::write(&OwnershipControls { rules })?),
        (BLOCK.to_owned(), super::xml::write(&block)?),
    ]))
}

pub(super) async fn head(engine: &Engine, request: S3Request<HeadBucketInput>) -> S3Result<HeadBucketOutput> {
    let bucket = engine.bucket(&request.input.bucket)?;
    expect_owner(&bucket, request.input.expected_bucket_owner.as_ref())?;
    Ok(HeadBucketOutput { bucket_region: Some(bucket.region.to_string()), ..Default::default() })
}

pub(super) async fn location(
    engine: &Engine,
    request: S3Request<GetBucketLocationInput>,
) -> S3Result<GetBucketLocationOutput> {
    let bucket = engine.bucket(&request.input.bucket)?;
    expect_owner(&bucket, request.input.expected_bucket_owner.as_ref())?;
    let region = bucket.region.as_str();
    let constraint = (region != FIRST_REGION).then(|| BucketLocationConstraint::from(region.to_owned()));
    Ok(GetBucketLocationOutput { location_constraint: constraint })
}

pub(super) async fn delete(
    engine: &Engine,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<DeleteBucketOutput> {
    let lock = engine.restructure().await;
    let bucket = engine.bucket(&request.input.bucket)?;
    expect_owner(&bucket, request.input.expected_bucket_owner.as_ref())?;
    let name = &bucket.name;
    for partition in [records::objects(name), records::versions(name)] {
        if !engine.store.list(&partition, None, 1).await.map_err(refuse::store)?.is_empty() {
            let text = match bucket.versioning {
                Versioning::Off => "The bucket you tried to delete is not empty",
                _ => {
                    "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
                }
            };
            return Err(s3s::S3Error::with_message(s3s::S3ErrorCode::BucketNotEmpty, text));
        }
    }
    // Uploads that nobody completes go with their bucket.
    let mut writes = vec![removal(records::bucket_key(name))];
    let mut files = Vec::new();
    for record in engine.store.list(&records::uploads(name), None, usize::MAX).await.map_err(refuse::store)? {
        let upload: records::Upload = crate::engine::decode(&record)?;
        super::multipart::forget(engine, name, &upload, &mut writes, &mut files).await?;
    }
    engine.commit(writes).await?;
    engine.forget(name);
    drop(lock);
    engine.remove(files).await;
    Ok(DeleteBucketOutput {})
}

pub(super) async fn list(
    engine: &Engine,
    request: S3Request<ListBucketsInput>,
) -> S3Result<ListBucketsOutput> {
    let asker = asker(&request);
    let account = asker.account().ok_or_else(refuse::access_denied)?;
    let input = request.input;
    let prefix = input.prefix.clone().unwrap_or_default();
    let most = match input.max_buckets {
        None => BUCKETS,
        Some(count) => usize::try_from(count)
            .ok()
            .filter(|count| (1..=BUCKETS).contains(count))
            .ok_or_else(|| refuse::invalid_argument("MaxBuckets must be between 1 and 10000"))?,
    };
    let after = input.continuation_token.unwrap_or_default();
    let wanted = |bucket: &records::Bucket| {
        bucket.account == *account
            && bucket.name.starts_with(&prefix)
            && bucket.name > after
            && input.bucket_region.as_ref().is_none_or(|region| region == bucket.region.as_str())
    };
    let mut found: Vec<_> = engine.all_buckets().into_iter().filter(|bucket| wanted(bucket)).collect();
    let more = found.len() > most;
    found.truncate(most);
    let token = found.last().filter(|_| more).map(|bucket| bucket.name.clone());
    let holder =
        records::Bucket::new(String::new(), account.clone(), asker.region.clone(), engine.clock.now());
    let shown = |bucket: &records::Bucket| Bucket {
        bucket_region: Some(bucket.region.to_string()),
        creation_date: Some(time(bucket.created)),
        name: Some(bucket.name.clone()),
    };
    Ok(ListBucketsOutput {
        buckets: Some(found.iter().map(|bucket| shown(bucket)).collect()),
        continuation_token: token,
        owner: Some(owner(&holder)),
        prefix: input.prefix,
    })
}
