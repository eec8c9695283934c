//! CopyObject. A copy is a second name for the same bytes on the disk: it costs no space, whatever the size.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, s3_error};

use super::get::{Conditions, find};
use super::permissions::check_canned;
use super::put::{check_key, unencrypted, unlocked};
use super::words::{asker, etag, expect_owner, expiration, headers_of, set_sum, sum_type, time, version};
use crate::engine::{self, Engine};
use crate::event::{Event, Kind};
use crate::files::Draft;
use crate::records::{self, Algorithm, Bucket, Content, Object, Piece};
use crate::sums::Claims;
use crate::write::{LARGEST, Written, blocking};
use crate::{refuse, tags};

/// What is copied from.
pub(super) struct Source {
    pub(super) bucket: Arc<Bucket>,
    pub(super) key: String,
    pub(super) object: Object,
}

/// Finds the source and holds the conditions of the request against it.
pub(super) async fn source(
    engine: &Engine,
    asker: &crate::Asker,
    wanted: &CopySource,
    expected_owner: Option<&String>,
    conditions: Conditions<'_>,
) -> S3Result<Source> {
    let CopySource::Bucket { bucket, key, version_id } = wanted else {
        return Err(refuse::not_offered("access points"));
    };
    let bucket = engine.bucket(bucket)?;
    expect_owner(&bucket, expected_owner)?;
    // API Reference, `CopyObject`, "Permissions".
    let action = if version_id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    crate::access::may(asker, &bucket, action, Some(key))?;
    let object = find(engine, &bucket, key, version_id.as_deref()).await?;
    // What is not modified is no reason not to answer: here it is a condition like the others.
    conditions.check(&object).map_err(|_| refuse::precondition_failed())?;
    Ok(Source { bucket, key: key.to_string(), object })
}

/// The same bytes once more, for another record.
async fn again(engine: &Engine, source: &Object, algorithm: Algorithm) -> S3Result<Option<Written>> {
    let sum = source.sum.clone().unwrap_or_else(|| Algorithm::Crc64Nvme.of(b""));
    let etag = source.etag.clone();
    let link = |id: &str| {
        let (files, id) = (engine.files.clone(), id.to_owned());
        blocking(move || match files.link(&id) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            linked => linked.map(Some),
        })
    };
    Ok(match &source.content {
        // Other checksums are computed, and parts become one: both ask for the bytes.
        _ if sum.algorithm != algorithm || sum.is_composite() => {
            let Some(body) = engine.read(&source.content, 0..source.size).await? else { return Ok(None) };
            let claims = Claims { algorithm: Some(algorithm), ..Claims::default() };
            Some(engine.write(Some(body), claims, None, None, true).await?)
        }
        Content::Empty | Content::Inline(_) => {
            let Some(body) = engine.read(&source.content, 0..source.size).await? else { return Ok(None) };
            let claims = Claims { algorithm: Some(algorithm), ..Claims::default() };
            Some(engine.write(Some(body), claims, None, None, true).await?)
        }
        Content::File(id) => {
            let Some(draft): Option<Draft> = link(id).await? else { return Ok(None) };
            Some(Written::of_drafts(
                Content::File(draft.id().to_owned()),
                source.size,
                etag,
                sum,
                vec![draft],
            ))
        }
        Content::Pieces(id) => {
            let Some(pieces) = engine.get::<Vec<Piece>>(&records::body_key(id)).await? else {
                return Ok(None);
            };
            let (mut drafts, mut copies) = (Vec::new(), Vec::new());
            for piece in pieces {
                let Some(draft): Option<Draft> = link(&piece.file).await? else { return Ok(None) };
                copies.push(Piece { file: draft.id().to_owned(), ..piece });
                drafts.push(draft);
            }
            let id = engine.files.id();
            let list = engine::put(records::body_key(&id), &copies)?;
            // One object, of however many files: S3 has no parts in a copy.
            let mut written = Written::of_drafts(Content::Pieces(id), source.size, etag, sum, drafts);
            written.writes.push(list);
            Some(written)
        }
    })
}

pub(super) async fn object(
    engine: &Engine,
    request: S3Request<CopyObjectInput>,
) -> S3Result<CopyObjectOutput> {
    let asker = asker(&request);
    let mut input = request.input;
    let target = engine.bucket(&input.bucket)?;
    expect_owner(&target, input.expected_bucket_owner.as_ref())?;
    check_key(&input.key)?;
    unencrypted(
        input.sse_customer_algorithm.is_some() || input.copy_source_sse_customer_algorithm.is_some(),
    )?;
    let conditions = Conditions {
        if_match: input.copy_source_if_match.as_ref(),
        if_none_match: input.copy_source_if_none_match.as_ref(),
        if_modified_since: input.copy_source_if_modified_since.as_ref(),
        if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
    };
    let owner = input.expected_source_bucket_owner.as_ref();
    let source = source(engine, &asker, &input.copy_source, owner, conditions).await?;
    if source.object.size > LARGEST {
        return Err(s3_error!(
            InvalidRequest,
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"
        ));
    }
    check_canned(input.acl.as_ref().map(ObjectCannedACL::as_str))?;
    unlocked(input.object_lock_mode.is_some() || input.object_lock_legal_hold_status.is_some())?;
    let replace = |directive: Option<&str>| directive == Some("REPLACE");
    let new_headers = replace(input.metadata_directive.as_ref().map(MetadataDirective::as_str));
    let class = input.storage_class.as_ref().map(|class| class.as_str().to_owned());
    let redirect = input.website_redirect_location.clone();
    let is_itself =
        source.bucket.name == target.name && source.key == input.key && source.object.version.is_none();
    let is_current = matches!(&input.copy_source, CopySource::Bucket { version_id: None, .. });
    if is_itself
        && is_current
        && !new_headers
        && class.is_none()
        && redirect.is_none()
        && input.server_side_encryption.is_none()
    {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."
        ));
    }
    let headers = match new_headers {
        true => headers_of!(input),
        false => super::words::checked(records::Headers {
            storage_class: class,
            redirect,
            ..source.object.headers.clone()
        })?,
    };
    let tags = match replace(input.tagging_directive.as_ref().map(TaggingDirective::as_str)) {
        true => tags::of_header(input.tagging.as_deref())?,
        false => source.object.tags.clone(),
    };
    let asked = input.checksum_algorithm.as_ref().map(|name| Algorithm::parse(name.as_str())).transpose()?;
    let had = source.object.sum.as_ref().map(|sum| sum.algorithm);
    let algorithm = asked.or(had).unwrap_or(Algorithm::Crc64Nvme);
    let Some(written) = again(engine, &source.object, algorithm).await? else {
        return Err(S3Error::with_message(
            S3ErrorCode::OperationAborted,
            "the source was replaced while it was copied; try again",
        ));
    };

    let mut change = engine.change(&input.bucket, &input.key).await?;
    let (sequence, id) = change.next();
    let object = Object {
        sequence,
        version: id,
        modified: engine.clock.now(),
        is_marker: false,
        size: written.size,
        etag: written.etag.clone(),
        sum: Some(written.sum.clone()),
        headers,
        tags,
        content: written.content.clone(),
    };
    change.install(&object).await?;
    let expiration = expiration(&change.bucket, &input.key, &object)?;
    let event = Event::of(Kind::Copy, &change.bucket, &input.key, &object);
    let version_id = version(&change.bucket, &object);
    change.commit(vec![written], engine.notices(&event, &asker)?).await?;

    let mut result = CopyObjectResult {
        e_tag: Some(etag(&object.etag)),
        last_modified: Some(time(object.modified)),
        checksum_type: object.sum.as_ref().map(sum_type),
        ..Default::default()
    };
    set_sum!(result, &object.sum);
    Ok(CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: version(&source.bucket, &source.object),
        server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
        version_id,
        expiration,
        ..Default::default()
    })
}
