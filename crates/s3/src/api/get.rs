//! GetObject, HeadObject and GetObjectAttributes.

use std::ops::Range;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Result, s3_error};

use super::words::{
    epoch_seconds, etag, expect_owner, expiration, seconds, set_sum, size, storage_class, sum_type, time,
    version,
};
use crate::engine::Engine;
use crate::records::{self, Bucket, Content, Object, Piece, Versioning};
use crate::refuse;

/// What makes a read depend on what is there (RFC 9110, section 13).
pub(super) struct Conditions<'a> {
    pub(super) if_match: Option<&'a ETagCondition>,
    pub(super) if_none_match: Option<&'a ETagCondition>,
    pub(super) if_modified_since: Option<&'a Timestamp>,
    pub(super) if_unmodified_since: Option<&'a Timestamp>,
}

impl Conditions<'_> {
    /// API Reference, `GetObject`: "If both of the If-Match and If-Unmodified-Since headers are present …", and so on.
    pub(super) fn check(&self, object: &Object) -> S3Result<()> {
        let is = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => etag.value() == object.etag,
        };
        let modified = object.modified.seconds();
        match (self.if_match, self.if_unmodified_since) {
            (Some(condition), _) if !is(condition) => return Err(refuse::precondition_failed()),
            (None, Some(since)) if modified > epoch_seconds(since) => {
                return Err(refuse::precondition_failed());
            }
            _ => {}
        }
        match (self.if_none_match, self.if_modified_since) {
            (Some(condition), _) if is(condition) => Err(not_modified(object)),
            (None, Some(since)) if modified <= epoch_seconds(since) => Err(not_modified(object)),
            _ => Ok(()),
        }
    }
}

fn not_modified(object: &Object) -> S3Error {
    let mut error = s3_error!(NotModified, "Not Modified");
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&format!("\"{}\"", object.etag)) {
        headers.insert(http::header::ETAG, value);
    }
    error.set_headers(headers);
    error
}

/// The version that is asked for; a delete marker is none.
pub(crate) async fn find(
    engine: &Engine,
    bucket: &Bucket,
    key: &str,
    wanted: Option<&str>,
) -> S3Result<Object> {
    let found = engine.object(&bucket.name, key, wanted).await?;
    match (found, wanted) {
        (None, None) => Err(refuse::no_such_key()),
        (None, Some(_)) => Err(refuse::no_such_version()),
        (Some(object), wanted) if object.is_marker => {
            let mut error = match wanted {
                None => refuse::no_such_key(),
                Some(_) => {
                    s3_error!(MethodNotAllowed, "The specified method is not allowed against this resource.")
                }
            };
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
            if let Some(id) = version(bucket, &object).and_then(|id| HeaderValue::from_str(&id).ok()) {
                headers.insert("x-amz-version-id", id);
            }
            error.set_headers(headers);
            Err(error)
        }
        (Some(object), _) => Ok(object),
    }
}

/// Which bytes are asked for.
struct Part {
    range: Range<u64>,
    /// Whether it is a part, by `Range` or by number: then the answer is 206.
    is_part: bool,
    parts: Option<usize>,
}

async fn part(
    engine: &Engine,
    object: &Object,
    range: Option<s3s::dto::Range>,
    number: Option<i32>,
) -> S3Result<Part> {
    let whole = 0..object.size;
    match (range, number) {
        (Some(_), Some(_)) => {
            Err(s3_error!(InvalidRequest, "Cannot specify both Range header and partNumber query parameter"))
        }
        (None, None) => Ok(Part { range: whole, is_part: false, parts: None }),
        (Some(range), None) => {
            let range = range.check(object.size).map_err(|_| unsatisfiable(object))?;
            Ok(Part { range, is_part: true, parts: None })
        }
        (None, Some(number)) => {
            let Content::Pieces(id) = &object.content else {
                return if number == 1 {
                    Ok(Part { range: whole, is_part: true, parts: None })
                } else {
                    Err(no_such_part())
                };
            };
            let pieces = engine.pieces(id).await?;
            let mut begin = 0;
            for piece in &pieces {
                if i64::from(piece.number) == i64::from(number) {
                    return Ok(Part {
                        range: begin..begin + piece.size,
                        is_part: true,
                        parts: Some(pieces.len()),
                    });
                }
                begin += piece.size;
            }
            Err(no_such_part())
        }
    }
}

fn unsatisfiable(object: &Object) -> S3Error {
    let mut error = s3_error!(InvalidRange, "The requested range is not satisfiable");
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{}", object.size)) {
        headers.insert(http::header::CONTENT_RANGE, value);
    }
    error.set_headers(headers);
    error
}

fn no_such_part() -> S3Error {
    refuse::custom(
        "InvalidPartNumber",
        http::StatusCode::RANGE_NOT_SATISFIABLE,
        "The requested partnumber is not satisfiable",
    )
}

/// Attempts at an object that is replaced each time between reading its record and opening its file.
const ATTEMPTS: usize = 5;

pub(super) async fn object(engine: &Engine, request: S3Request<GetObjectInput>) -> S3Result<GetObjectOutput> {
    let input = request.input;
    let bucket = engine.bucket(&input.bucket)?;
    expect_owner(&bucket, input.expected_bucket_owner.as_ref())?;
    for _ in 0..ATTEMPTS {
        let object = find(engine, &bucket, &input.key, input.version_id.as_deref()).await?;
        let conditions = Conditions {
            if_match: input.if_match.as_ref(),
            if_none_match: input.if_none_match.as_ref(),
            if_modified_since: input.if_modified_since.as_ref(),
            if_unmodified_since: input.if_unmodified_since.as_ref(),
        };
        conditions.check(&object)?;
        let part = part(engine, &object, input.range, input.part_number).await?;
        let Some(body) = engine.read(&object.content, part.range.clone()).await? else { continue };
        let shown = shown(&bucket, &object, &part, input.checksum_mode.is_some());
        let expiration = expires(engine, &bucket, &input.key, &object, input.version_id.as_deref()).await?;
        return Ok(GetObjectOutput {
            expiration,
            body: Some(body),
            tag_count: (!object.tags.is_empty())
                .then(|| i32::try_from(object.tags.len()).unwrap_or(i32::MAX)),
            ..from_head(shown)
        });
    }
    Err(s3_error!(SlowDown, "the object is replaced faster than it can be read"))
}

pub(super) async fn head(engine: &Engine, request: S3Request<HeadObjectInput>) -> S3Result<HeadObjectOutput> {
    let input = request.input;
    let bucket = engine.bucket(&input.bucket)?;
    expect_owner(&bucket, input.expected_bucket_owner.as_ref())?;
    let object = find(engine, &bucket, &input.key, input.version_id.as_deref()).await?;
    let conditions = Conditions {
        if_match: input.if_match.as_ref(),
        if_none_match: input.if_none_match.as_ref(),
        if_modified_since: input.if_modified_since.as_ref(),
        if_unmodified_since: input.if_unmodified_since.as_ref(),
    };
    conditions.check(&object)?;
    let part = part(engine, &object, input.range, input.part_number).await?;
    let expiration = expires(engine, &bucket, &input.key, &object, input.version_id.as_deref()).await?;
    Ok(HeadObjectOutput { expiration, ..shown(&bucket, &object, &part, input.checksum_mode.is_some()) })
}

/// Of current versions alone: older ones do not expire, they end.
async fn expires(
    engine: &Engine,
    bucket: &Bucket,
    key: &str,
    object: &Object,
    wanted: Option<&str>,
) -> S3Result<Option<String>> {
    let expiration = expiration(bucket, key, object)?;
    if expiration.is_none() || wanted.is_none() {
        return Ok(expiration);
    }
    let current = engine.current(&bucket.name, key).await?;
    Ok(expiration.filter(|_| current.is_some_and(|current| current.sequence == object.sequence)))
}

fn shown(bucket: &Arc<Bucket>, object: &Object, part: &Part, with_sum: bool) -> HeadObjectOutput {
    let headers = &object.headers;
    let Range { start, end } = part.range;
    let mut output = HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: headers.cache_control.clone(),
        content_disposition: headers.content_disposition.clone(),
        content_encoding: headers.content_encoding.clone(),
        content_language: headers.content_language.clone(),
        content_length: Some(size(end - start)),
        content_range: (part.is_part && object.size > 0)
            .then(|| format!("bytes {start}-{}/{}", end.saturating_sub(1), object.size)),
        content_type: Some(headers.content_type.clone().unwrap_or_else(|| "binary/octet-stream".to_owned())),
        e_tag: Some(etag(&object.etag)),
        expires: headers.expires.map(seconds),
        last_modified: Some(time(object.modified)),
        metadata: Some(headers.metadata.clone().into_iter().collect()),
        parts_count: part.parts.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
        server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
        // The usual class is not named (API Reference, `HeadObject`).
        storage_class: headers
            .storage_class
            .clone()
            .filter(|class| class != "STANDARD")
            .map(StorageClass::from),
        version_id: (bucket.versioning != Versioning::Off).then(|| object.version_id()),
        website_redirect_location: headers.redirect.clone(),
        ..Default::default()
    };
    // A checksum is of the whole, and a range is not.
    if let Some(sum) = object.sum.as_ref().filter(|_| with_sum && !part.is_part) {
        set_sum!(output, Some(sum));
        output.checksum_type = Some(sum_type(sum));
    }
    output
}

fn from_head(head: HeadObjectOutput) -> GetObjectOutput {
    GetObjectOutput {
        accept_ranges: head.accept_ranges,
        cache_control: head.cache_control,
        checksum_crc32: head.checksum_crc32,
        checksum_crc32c: head.checksum_crc32c,
        checksum_crc64nvme: head.checksum_crc64nvme,
        checksum_sha1: head.checksum_sha1,
        checksum_sha256: head.checksum_sha256,
        checksum_type: head.checksum_type,
        content_disposition: head.content_disposition,
        content_encoding: head.content_encoding,
        content_language: head.content_language,
        content_length: head.content_length,
        content_range: head.content_range,
        content_type: head.content_type,
        e_tag: head.e_tag,
        expires: head.expires,
        last_modified: head.last_modified,
        metadata: head.metadata,
        parts_count: head.parts_count,
        server_side_encryption: head.server_side_encryption,
        storage_class: head.storage_class,
        version_id: head.version_id,
        website_redirect_location: head.website_redirect_location,
        ..Default::default()
    }
}

pub(super) async fn attributes(
    engine: &Engine,
    request: S3Request<GetObjectAttributesInput>,
) -> S3Result<GetObjectAttributesOutput> {
    let input = request.input;
    let bucket = engine.bucket(&input.bucket)?;
    expect_owner(&bucket, input.expected_bucket_owner.as_ref())?;
    let object = find(engine, &bucket, &input.key, input.version_id.as_deref()).await?;
    let wanted = |name: &str| input.object_attributes.iter().any(|attribute| attribute.as_str() == name);
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(time(object.modified)),
        version_id: version(&bucket, &object),
        e_tag: wanted("ETag").then(|| etag(&object.etag)),
        object_size: wanted("ObjectSize").then(|| size(object.size)),
        storage_class: wanted("StorageClass").then(|| StorageClass::from(storage_class(&object.headers))),
        ..Default::default()
    };
    if let Some(sum) = object.sum.as_ref().filter(|_| wanted("Checksum")) {
        let mut checksum = Checksum { checksum_type: Some(sum_type(sum)), ..Default::default() };
        set_sum!(checksum, Some(sum));
        output.checksum = Some(checksum);
    }
    if let Content::Pieces(id) = &object.content
        && wanted("ObjectParts")
    {
        output.object_parts = Some(object_parts(&object, &engine.pieces(id).await?, &input)?);
    }
    Ok(output)
}

fn object_parts(
    object: &Object,
    pieces: &[Piece],
    input: &GetObjectAttributesInput,
) -> S3Result<GetObjectAttributesParts> {
    const MOST: i32 = 1000;
    let most = input.max_parts.unwrap_or(MOST).clamp(0, MOST);
    let marker = input.part_number_marker.unwrap_or(0);
    let after = |piece: &&Piece| i64::from(piece.number) > i64::from(marker);
    let rest: Vec<&Piece> = pieces.iter().filter(after).collect();
    let page = &rest[..rest.len().min(usize::try_from(most).expect("it is not negative"))];
    // Parts are listed where they have checksums of their own (API Reference, `GetObjectAttributes`).
    let listed = object.sum.as_ref().is_some_and(records::Sum::is_composite).then(|| {
        let part = |piece: &&Piece| {
            let mut part = ObjectPart {
                part_number: i32::try_from(piece.number).ok(),
                size: Some(size(piece.size)),
                ..Default::default()
            };
            set_sum!(part, &piece.sum);
            part
        };
        page.iter().map(part).collect()
    });
    Ok(GetObjectAttributesParts {
        is_truncated: Some(page.len() < rest.len()),
        max_parts: Some(most),
        next_part_number_marker: page.last().and_then(|piece| i32::try_from(piece.number).ok()),
        part_number_marker: Some(marker),
        parts: listed,
        total_parts_count: i32::try_from(pieces.len()).ok(),
    })
}
