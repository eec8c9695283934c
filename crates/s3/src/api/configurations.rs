//! Configurations of buckets that are kept as they are put and shown again. What of them is effective, and what is not,
//! is in docs/compatibility.md; what would promise protection that is not there is refused.

use std::sync::Arc;

use s3s::dto::*;
use s3s::xml::{DeserializeContent, SerializeContent};
use s3s::{S3Request, S3Result, s3_error};

use super::words::{expect_owner, xml};
use crate::engine::{Engine, put};
use crate::records::{self, Bucket, Versioning};
use crate::{cors, lifecycle, refuse, tags};

/// Names of configurations, which are those of their subresources.
pub(crate) const CORS: &str = "cors";
pub(crate) const LIFECYCLE: &str = "lifecycle";
const ENCRYPTION: &str = "encryption";
const LOGGING: &str = "logging";
const REQUEST_PAYMENT: &str = "requestPayment";
const OBJECT_LOCK: &str = "object-lock";
const TAGGING: &str = "tagging";

/// The bucket, of which the caller may have said whose it is to be.
pub(super) fn bucket(engine: &Engine, name: &str, owner: Option<&String>) -> S3Result<Arc<Bucket>> {
    let bucket = engine.bucket(name)?;
    expect_owner(&bucket, owner)?;
    Ok(bucket)
}

/// Changes a bucket's record.
pub(super) async fn change(
    engine: &Engine,
    name: &str,
    owner: Option<&String>,
    change: impl FnOnce(&mut Bucket) -> S3Result<()>,
) -> S3Result<()> {
    let lock = engine.restructure().await;
    let mut new = Bucket::clone(&*bucket(engine, name, owner)?);
    change(&mut new)?;
    engine.commit(vec![put(records::bucket_key(name), &new)?]).await?;
    engine.keep(new);
    drop(lock);
    Ok(())
}

pub(super) async fn set<T: SerializeContent>(
    engine: &Engine,
    name: &str,
    owner: Option<&String>,
    kind: &str,
    value: &T,
) -> S3Result<()> {
    let text = xml::write(value)?;
    change(engine, name, owner, |bucket| {
        bucket.configurations.insert(kind.to_owned(), text);
        Ok(())
    })
    .await
}

pub(super) async fn clear(engine: &Engine, name: &str, owner: Option<&String>, kind: &str) -> S3Result<()> {
    change(engine, name, owner, |bucket| {
        bucket.configurations.remove(kind);
        Ok(())
    })
    .await
}

pub(super) fn read<T: for<'x> DeserializeContent<'x>>(
    engine: &Engine,
    name: &str,
    owner: Option<&String>,
    kind: &str,
) -> S3Result<Option<T>> {
    bucket(engine, name, owner)?.configurations.get(kind).map(|text| xml::read(text)).transpose()
}

/// The arguments that every request of these has.
macro_rules! at {
    ($request:expr) => {
        ($request.input.bucket.as_str(), $request.input.expected_bucket_owner.as_ref())
    };
}

pub(super) async fn get_cors(
    engine: &Engine,
    r: S3Request<GetBucketCorsInput>,
) -> S3Result<GetBucketCorsOutput> {
    let (name, owner) = at!(r);
    let found: Option<CORSConfiguration> = read(engine, name, owner, CORS)?;
    let missing = || s3_error!(NoSuchCORSConfiguration, "The CORS configuration does not exist");
    Ok(GetBucketCorsOutput { cors_rules: Some(found.ok_or_else(missing)?.cors_rules) })
}

pub(super) async fn put_cors(
    engine: &Engine,
    r: S3Request<PutBucketCorsInput>,
) -> S3Result<PutBucketCorsOutput> {
    let (name, owner) = at!(r);
    cors::check(&r.input.cors_configuration)?;
    set(engine, name, owner, CORS, &r.input.cors_configuration).await?;
    Ok(PutBucketCorsOutput {})
}

pub(super) async fn delete_cors(
    engine: &Engine,
    r: S3Request<DeleteBucketCorsInput>,
) -> S3Result<DeleteBucketCorsOutput> {
    let (name, owner) = at!(r);
    clear(engine, name, owner, CORS).await?;
    Ok(DeleteBucketCorsOutput {})
}

pub(super) async fn get_lifecycle(
    engine: &Engine,
    r: S3Request<GetBucketLifecycleConfigurationInput>,
) -> S3Result<GetBucketLifecycleConfigurationOutput> {
    let (name, owner) = at!(r);
    let found: Option<BucketLifecycleConfiguration> = read(engine, name, owner, LIFECYCLE)?;
    let missing = || s3_error!(NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist");
    let rules = Some(found.ok_or_else(missing)?.rules);
    Ok(GetBucketLifecycleConfigurationOutput {
        rules,
        transition_default_minimum_object_size: Some(smallest_transition()),
    })
}

fn smallest_transition() -> TransitionDefaultMinimumObjectSize {
    TransitionDefaultMinimumObjectSize::from_static(
        TransitionDefaultMinimumObjectSize::ALL_STORAGE_CLASSES_128K,
    )
}

pub(super) async fn put_lifecycle(
    engine: &Engine,
    r: S3Request<PutBucketLifecycleConfigurationInput>,
) -> S3Result<PutBucketLifecycleConfigurationOutput> {
    let (name, owner) = at!(r);
    let mut given = r.input.lifecycle_configuration.clone().ok_or_else(refuse::malformed_xml)?;
    lifecycle::check(&given)?;
    for rule in given.rules.iter_mut().filter(|rule| rule.id.as_deref().is_none_or(str::is_empty)) {
        rule.id = Some(engine.files.id());
    }
    set(engine, name, owner, LIFECYCLE, &given).await?;
    engine.lifecycles_changed.notify_one();
    Ok(PutBucketLifecycleConfigurationOutput {
        transition_default_minimum_object_size: Some(smallest_transition()),
    })
}

pub(super) async fn delete_lifecycle(
    engine: &Engine,
    r: S3Request<DeleteBucketLifecycleInput>,
) -> S3Result<DeleteBucketLifecycleOutput> {
    let (name, owner) = at!(r);
    clear(engine, name, owner, LIFECYCLE).await?;
    Ok(DeleteBucketLifecycleOutput {})
}

/// What every bucket has on AWS (User Guide, "Setting default server-side encryption behavior").
fn default_encryption() -> ServerSideEncryptionConfiguration {
    let algorithm = ServerSideEncryption::from_static(ServerSideEncryption::AES256);
    let by_default = ServerSideEncryptionByDefault { kms_master_key_id: None, sse_algorithm: algorithm };
    ServerSideEncryptionConfiguration {
        rules: vec![ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(by_default),
            bucket_key_enabled: Some(false),
        }],
    }
}

pub(super) async fn get_encryption(
    engine: &Engine,
    r: S3Request<GetBucketEncryptionInput>,
) -> S3Result<GetBucketEncryptionOutput> {
    let (name, owner) = at!(r);
    let found = read(engine, name, owner, ENCRYPTION)?.unwrap_or_else(default_encryption);
    Ok(GetBucketEncryptionOutput { server_side_encryption_configuration: Some(found) })
}

pub(super) async fn put_encryption(
    engine: &Engine,
    r: S3Request<PutBucketEncryptionInput>,
) -> S3Result<PutBucketEncryptionOutput> {
    let (name, owner) = at!(r);
    let given = &r.input.server_side_encryption_configuration;
    let algorithms =
        given.rules.iter().filter_map(|rule| rule.apply_server_side_encryption_by_default.as_ref());
    for rule in algorithms {
        if rule.sse_algorithm.as_str() != ServerSideEncryption::AES256 {
            return Err(refuse::not_offered("encryption with keys of KMS; SSE-S3 (AES256) is accepted"));
        }
    }
    set(engine, name, owner, ENCRYPTION, given).await?;
    Ok(PutBucketEncryptionOutput {})
}

pub(super) async fn delete_encryption(
    engine: &Engine,
    r: S3Request<DeleteBucketEncryptionInput>,
) -> S3Result<DeleteBucketEncryptionOutput> {
    let (name, owner) = at!(r);
    clear(engine, name, owner, ENCRYPTION).await?;
    Ok(DeleteBucketEncryptionOutput {})
}

pub(super) async fn get_website(
    engine: &Engine,
    r: S3Request<GetBucketWebsiteInput>,
) -> S3Result<GetBucketWebsiteOutput> {
    let (name, owner) = at!(r);
    bucket(engine, name, owner)?;
    Err(s3_error!(NoSuchWebsiteConfiguration, "The specified bucket does not have a website configuration"))
}

pub(super) async fn get_logging(
    engine: &Engine,
    r: S3Request<GetBucketLoggingInput>,
) -> S3Result<GetBucketLoggingOutput> {
    let (name, owner) = at!(r);
    let found: Option<BucketLoggingStatus> = read(engine, name, owner, LOGGING)?;
    Ok(GetBucketLoggingOutput { logging_enabled: found.and_then(|status| status.logging_enabled) })
}

pub(super) async fn put_logging(
    engine: &Engine,
    r: S3Request<PutBucketLoggingInput>,
) -> S3Result<PutBucketLoggingOutput> {
    let (name, owner) = at!(r);
    if r.input.bucket_logging_status.logging_enabled.is_some() {
        return Err(refuse::not_offered("server access logs"));
    }
    clear(engine, name, owner, LOGGING).await?;
    Ok(PutBucketLoggingOutput {})
}

pub(super) async fn get_request_payment(
    engine: &Engine,
    r: S3Request<GetBucketRequestPaymentInput>,
) -> S3Result<GetBucketRequestPaymentOutput> {
    let (name, owner) = at!(r);
    let found: Option<RequestPaymentConfiguration> = read(engine, name, owner, REQUEST_PAYMENT)?;
    let payer = found.map_or_else(|| Payer::from_static(Payer::BUCKET_OWNER), |found| found.payer);
    Ok(GetBucketRequestPaymentOutput { payer: Some(payer) })
}

/// Nobody pays here, whoever is named.
pub(super) async fn put_request_payment(
    engine: &Engine,
    r: S3Request<PutBucketRequestPaymentInput>,
) -> S3Result<PutBucketRequestPaymentOutput> {
    let (name, owner) = at!(r);
    set(engine, name, owner, REQUEST_PAYMENT, &r.input.request_payment_configuration).await?;
    Ok(PutBucketRequestPaymentOutput {})
}

pub(super) async fn get_accelerate(
    engine: &Engine,
    r: S3Request<GetBucketAccelerateConfigurationInput>,
) -> S3Result<GetBucketAccelerateConfigurationOutput> {
    let (name, owner) = at!(r);
    bucket(engine, name, owner)?;
    Ok(GetBucketAccelerateConfigurationOutput::default())
}

pub(super) async fn get_replication(
    engine: &Engine,
    r: S3Request<GetBucketReplicationInput>,
) -> S3Result<GetBucketReplicationOutput> {
    let (name, owner) = at!(r);
    bucket(engine, name, owner)?;
    Err(s3_error!(ReplicationConfigurationNotFoundError, "The replication configuration was not found"))
}

pub(super) async fn get_object_lock(
    engine: &Engine,
    r: S3Request<GetObjectLockConfigurationInput>,
) -> S3Result<GetObjectLockConfigurationOutput> {
    let (name, owner) = at!(r);
    let found: Option<ObjectLockConfiguration> = read(engine, name, owner, OBJECT_LOCK)?;
    let missing = || {
        s3_error!(
            ObjectLockConfigurationNotFoundError,
            "Object Lock configuration does not exist for this bucket"
        )
    };
    Ok(GetObjectLockConfigurationOutput { object_lock_configuration: Some(found.ok_or_else(missing)?) })
}

pub(super) async fn get_tagging(
    engine: &Engine,
    r: S3Request<GetBucketTaggingInput>,
) -> S3Result<GetBucketTaggingOutput> {
    let (name, owner) = at!(r);
    let found: Option<Tagging> = read(engine, name, owner, TAGGING)?;
    let missing = || s3_error!(NoSuchTagSet, "The TagSet does not exist");
    Ok(GetBucketTaggingOutput { tag_set: found.ok_or_else(missing)?.tag_set })
}

pub(super) async fn put_tagging(
    engine: &Engine,
    r: S3Request<PutBucketTaggingInput>,
) -> S3Result<PutBucketTaggingOutput> {
    let (name, owner) = at!(r);
    let tags = tags::of_set(r.input.tagging.tag_set.clone(), tags::OF_BUCKET)?;
    set(engine, name, owner, TAGGING, &Tagging { tag_set: tags::to_set(&tags) }).await?;
    Ok(PutBucketTaggingOutput {})
}

pub(super) async fn delete_tagging(
    engine: &Engine,
    r: S3Request<DeleteBucketTaggingInput>,
) -> S3Result<DeleteBucketTaggingOutput> {
    let (name, owner) = at!(r);
    clear(engine, name, owner, TAGGING).await?;
    Ok(DeleteBucketTaggingOutput {})
}

pub(super) async fn get_versioning(
    engine: &Engine,
    r: S3Request<GetBucketVersioningInput>,
) -> S3Result<GetBucketVersioningOutput> {
    let (name, owner) = at!(r);
    let status = match bucket(engine, name, owner)?.versioning {
        Versioning::Off => None,
        Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
        Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
    };
    Ok(GetBucketVersioningOutput {
        mfa_delete: None,
        status: status.map(BucketVersioningStatus::from_static),
    })
}

pub(super) async fn put_versioning(
    engine: &Engine,
    r: S3Request<PutBucketVersioningInput>,
) -> S3Result<PutBucketVersioningOutput> {
    let (name, owner) = at!(r);
    let given = &r.input.versioning_configuration;
    if given.mfa_delete.as_ref().is_some_and(|mfa| mfa.as_str() == MFADelete::ENABLED) {
        return Err(refuse::not_offered("MFA delete"));
    }
    let versioning = match given.status.as_ref().map(BucketVersioningStatus::as_str) {
        Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
        Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
        _ => {
            return Err(s3_error!(
                IllegalVersioningConfigurationException,
                "The Versioning element must be specified"
            ));
        }
    };
    change(engine, name, owner, |bucket| {
        bucket.versioning = versioning;
        Ok(())
    })
    .await?;
    Ok(PutBucketVersioningOutput {})
}
