//! DeleteObject and DeleteObjects.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Request, S3Result};

use super::words::{asker, expect_owner};
use crate::access;
use crate::asker::Asker;
use crate::engine::Engine;
use crate::event::{Event, Kind};
use crate::records::Versioning;
use crate::refuse;
use crate::versions::Deleted;

/// Keys of one request (API Reference, `DeleteObjects`).
const MOST: usize = 1000;

async fn one(
    engine: &Engine,
    asker: &Asker,
    bucket: &str,
    key: &str,
    version: Option<&str>,
    if_match: Option<&ETagCondition>,
) -> S3Result<Deleted> {
    let mut change = engine.change(bucket, key).await?;
    change.require(if_match, None)?;
    let deleted = change.delete(version).await?;
    let kind = if deleted.made { Kind::DeleteMarkerCreated } else { Kind::Delete };
    let mut notices = Vec::new();
    if let Some(sequence) = deleted.sequence {
        let event = Event {
            kind,
            bucket: Arc::clone(&change.bucket),
            key: key.to_owned(),
            at: engine.clock.now(),
            sequence,
            object: None,
            version: deleted.version.clone().filter(|id| id != "null"),
        };
        notices = engine.notices(&event, asker)?;
    }
    change.commit(Vec::new(), notices).await?;
    Ok(deleted)
}

pub(super) async fn object(
    engine: &Engine,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<DeleteObjectOutput> {
    let asker = asker(&request);
    let input = request.input;
    let bucket = engine.bucket(&input.bucket)?;
    expect_owner(&bucket, input.expected_bucket_owner.as_ref())?;
    if input.if_match_last_modified_time.is_some() || input.if_match_size.is_some() {
        return Err(refuse::not_offered("conditions on time and size, which are of directory buckets"));
    }
    let deleted =
        one(engine, &asker, &input.bucket, &input.key, input.version_id.as_deref(), input.if_match.as_ref())
            .await?;
    Ok(DeleteObjectOutput {
        delete_marker: deleted.marker.then_some(true),
        version_id: deleted.version.filter(|_| bucket.versioning != Versioning::Off),
        ..Default::default()
    })
}

pub(super) async fn objects(
    engine: &Engine,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<DeleteObjectsOutput> {
    let asker = asker(&request);
    let input = request.input;
    let bucket = engine.bucket(&input.bucket)?;
    expect_owner(&bucket, input.expected_bucket_owner.as_ref())?;
    if input.delete.objects.is_empty() || input.delete.objects.len() > MOST {
        return Err(refuse::malformed_xml());
    }
    let (mut gone, mut errors) = (Vec::new(), Vec::new());
    for ObjectIdentifier { key, version_id, e_tag, .. } in input.delete.objects {
        let condition = e_tag.map(ETagCondition::ETag);
        let action = if version_id.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
        if let Err(error) = access::may(&asker, &bucket, action, Some(&key)) {
            errors.push(shown(&error, key, version_id));
            continue;
        }
        match one(engine, &asker, &input.bucket, &key, version_id.as_deref(), condition.as_ref()).await {
            Ok(deleted) => gone.push(DeletedObject {
                delete_marker: deleted.marker.then_some(true),
                delete_marker_version_id: deleted.version.clone().filter(|_| deleted.marker),
                key: Some(key),
                version_id,
            }),
            Err(error) => errors.push(shown(&error, key, version_id)),
        }
    }
    let quiet = input.delete.quiet == Some(true);
    Ok(DeleteObjectsOutput {
        deleted: (!quiet).then_some(gone),
        errors: (!errors.is_empty()).then_some(errors),
        ..Default::default()
    })
}

fn shown(error: &s3s::S3Error, key: String, version_id: Option<String>) -> Error {
    Error {
        code: Some(error.code().as_str().to_owned()),
        message: error.message().map(str::to_owned),
        key: Some(key),
        version_id,
    }
}
