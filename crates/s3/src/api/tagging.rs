//! Tags of objects.

use s3s::dto::*;
use s3s::{S3Request, S3Result};

use super::get::find;
use super::words::{asker, expect_owner, version};
use crate::asker::Asker;
use crate::engine::Engine;
use crate::event::{Event, Kind};
use crate::tags::{self, Tags};

pub(super) async fn get(
    engine: &Engine,
    request: S3Request<GetObjectTaggingInput>,
) -> S3Result<GetObjectTaggingOutput> {
    let input = request.input;
    let bucket = engine.bucket(&input.bucket)?;
    expect_owner(&bucket, input.expected_bucket_owner.as_ref())?;
    let object = find(engine, &bucket, &input.key, input.version_id.as_deref()).await?;
    Ok(GetObjectTaggingOutput { tag_set: tags::to_set(&object.tags), version_id: version(&bucket, &object) })
}

pub(super) async fn put(
    engine: &Engine,
    request: S3Request<PutObjectTaggingInput>,
) -> S3Result<PutObjectTaggingOutput> {
    let asker = asker(&request);
    let input = request.input;
    expect_owner(&*engine.bucket(&input.bucket)?, input.expected_bucket_owner.as_ref())?;
    let tags = tags::of_set(input.tagging.tag_set, tags::OF_OBJECT)?;
    let version_id =
        set(engine, &asker, &input.bucket, &input.key, input.version_id.as_deref(), tags).await?;
    Ok(PutObjectTaggingOutput { version_id })
}

pub(super) async fn delete(
    engine: &Engine,
    request: S3Request<DeleteObjectTaggingInput>,
) -> S3Result<DeleteObjectTaggingOutput> {
    let asker = asker(&request);
    let input = request.input;
    expect_owner(&*engine.bucket(&input.bucket)?, input.expected_bucket_owner.as_ref())?;
    let version_id =
        set(engine, &asker, &input.bucket, &input.key, input.version_id.as_deref(), Vec::new()).await?;
    Ok(DeleteObjectTaggingOutput { version_id })
}

async fn set(
    engine: &Engine,
    asker: &Asker,
    bucket: &str,
    key: &str,
    wanted: Option<&str>,
    tags: Tags,
) -> S3Result<Option<String>> {
    let mut change = engine.change(bucket, key).await?;
    let mut object = find(engine, &change.bucket, key, wanted).await?;
    let kind = if tags.is_empty() { Kind::TaggingDelete } else { Kind::TaggingPut };
    object.tags = tags;
    change.replace(&object)?;
    let version = version(&change.bucket, &object);
    let event = Event { at: engine.clock.now(), ..Event::of(kind, &change.bucket, key, &object) };
    change.commit(Vec::new(), engine.notices(&event, asker)?).await?;
    Ok(version)
}
