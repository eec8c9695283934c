//! Multipart uploads (User Guide, "Uploading and copying objects using multipart upload"): their beginning, their parts, and
//! their end without an object.

use lambent_store::Write;
use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, s3_error};

use super::copy::source;
use super::get::Conditions;
use super::permissions::check_canned;
use super::put::{check_key, unencrypted, unlocked};
use super::words::{
    algorithm as named, asker, etag, expect_owner, headers_of, seconds, set_sum, time, trailers,
    verified_trailers, version,
};
use crate::engine::{self, Engine, decode, delete, put};
use crate::records::{self, Algorithm, Content, Upload};
use crate::sums::Claims;
use crate::{refuse, tags};

/// Numbers of parts (User Guide, "Amazon S3 multipart upload limits").
pub(super) const PARTS: u32 = 10_000;
fn full_object(name: Option<&ChecksumType>) -> Option<bool> {
    name.map(|name| name.as_str() == ChecksumType::FULL_OBJECT)
}

pub(super) async fn create(
    engine: &Engine,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<CreateMultipartUploadOutput> {
    let mut input = request.input;
    let bucket = engine.bucket(&input.bucket)?;
    expect_owner(&bucket, input.expected_bucket_owner.as_ref())?;
    check_key(&input.key)?;
    unencrypted(input.sse_customer_algorithm.is_some())?;
    let algorithm =
        input.checksum_algorithm.as_ref().map(|name| Algorithm::parse(name.as_str())).transpose()?;
    // User Guide, "Checking object integrity": which types an algorithm has, and which is its default.
    let composite = match (algorithm, full_object(input.checksum_type.as_ref())) {
        (None, Some(_)) => {
            return Err(s3_error!(
                InvalidRequest,
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            ));
        }
        (Some(Algorithm::Sha1 | Algorithm::Sha256), Some(true)) => {
            return Err(no_such_type("FULL_OBJECT", algorithm));
        }
        (Some(Algorithm::Crc64Nvme), Some(false)) => return Err(no_such_type("COMPOSITE", algorithm)),
        (None | Some(Algorithm::Crc64Nvme), _) | (Some(_), Some(true)) => false,
        (Some(_), _) => true,
    };
    let id = format!("{:016x}{}", engine.next_sequence(), engine.files.id());
    check_canned(input.acl.as_ref().map(ObjectCannedACL::as_str))?;
    unlocked(input.object_lock_mode.is_some() || input.object_lock_legal_hold_status.is_some())?;
    let tags = tags::of_header(input.tagging.as_deref())?;
    let headers = headers_of!(input);
    let upload =
        Upload { key: input.key, id, initiated: engine.clock.now(), algorithm, composite, headers, tags };
    let turn = engine.turn(&bucket.name, &upload.key).await;
    engine.bucket(&bucket.name)?;
    engine.commit(vec![put(records::upload_key(&bucket.name, &upload.key, &upload.id), &upload)?]).await?;
    drop(turn);
    let (abort_date, abort_rule_id) = abortion(&bucket, &upload)?;
    Ok(CreateMultipartUploadOutput {
        abort_date,
        abort_rule_id,
        bucket: Some(bucket.name.clone()),
        key: Some(upload.key),
        upload_id: Some(upload.id),
        checksum_algorithm: algorithm.map(named),
        checksum_type: algorithm.map(|_| {
            ChecksumType::from_static(if composite {
                ChecksumType::COMPOSITE
            } else {
                ChecksumType::FULL_OBJECT
            })
        }),
        server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
        ..Default::default()
    })
}

/// When a lifecycle rule gives the upload up, and which: `x-amz-abort-date`, `x-amz-abort-rule-id`.
pub(super) fn abortion(
    bucket: &records::Bucket,
    upload: &Upload,
) -> S3Result<(Option<Timestamp>, Option<String>)> {
    let end = bucket.lifecycle()?.abortion(&upload.key, upload.initiated);
    Ok(end.map(|(end, rule)| (seconds(end), rule.to_owned())).unzip())
}

fn no_such_type(kind: &str, algorithm: Option<Algorithm>) -> S3Error {
    let name = algorithm.map_or("", Algorithm::name).to_ascii_lowercase();
    let text = format!("The {kind} checksum type cannot be used with the {name} checksum algorithm.");
    S3Error::with_message(S3ErrorCode::InvalidRequest, text)
}

pub(super) async fn find(engine: &Engine, bucket: &str, key: &str, id: &str) -> S3Result<Upload> {
    let is_id = id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let upload = if is_id { engine.get(&records::upload_key(bucket, key, id)).await? } else { None };
    upload.ok_or_else(refuse::no_such_upload)
}

fn number(number: i32) -> S3Result<u32> {
    u32::try_from(number).ok().filter(|number| (1..=PARTS).contains(number)).ok_or_else(|| {
        refuse::invalid_argument("Part number must be an integer between 1 and 10000, inclusive")
    })
}

/// Puts a part that has been written into its place, and removes what was there.
async fn install(
    engine: &Engine,
    bucket: &str,
    upload: &Upload,
    number: u32,
    written: crate::write::Written,
) -> S3Result<records::Part> {
    let Content::File(file) = &written.content else { return Err(engine::lost()) };
    let part = records::Part {
        number,
        size: written.size,
        etag: written.etag.clone(),
        modified: engine.clock.now(),
        file: file.clone(),
        sum: upload.algorithm.map(|_| written.sum.clone()),
        crc64: written.crc64.clone(),
    };
    let change = engine.change(bucket, &upload.key).await?;
    // It may have been completed or aborted while the part came.
    find(engine, bucket, &upload.key, &upload.id).await?;
    let key = records::part_key(bucket, &upload.id, number);
    let before: Option<records::Part> = engine.get(&key).await?;
    let mut change = change;
    change.writes.push(put(key, &part)?);
    change.commit(vec![written], Vec::new()).await?;
    engine.remove(before.into_iter().map(|part| part.file).collect()).await;
    Ok(part)
}

pub(super) async fn part(engine: &Engine, request: S3Request<UploadPartInput>) -> S3Result<UploadPartOutput> {
    let mut claims = Claims::of(&request.headers)?;
    let (own, theirs) = (trailers(&request), verified_trailers(&request));
    let mut input = request.input;
    let bucket = engine.bucket(&input.bucket)?;
    expect_owner(&bucket, input.expected_bucket_owner.as_ref())?;
    unencrypted(input.sse_customer_algorithm.is_some())?;
    let number = number(input.part_number)?;
    let upload = find(engine, &bucket.name, &input.key, &input.upload_id).await?;
    match (upload.algorithm, claims.algorithm) {
        (Some(wanted), Some(given)) if wanted != given => {
            let text = format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                wanted.name().to_ascii_lowercase(),
                given.name().to_ascii_lowercase()
            );
            return Err(S3Error::with_message(S3ErrorCode::InvalidRequest, text));
        }
        (Some(wanted), None) => claims.algorithm = Some(wanted),
        _ => {}
    }
    let written = engine.write(input.body.take(), claims, own.as_ref(), theirs.as_ref(), false).await?;
    let sum = written.sum.clone();
    let part = install(engine, &bucket.name, &upload, number, written).await?;
    let mut output = UploadPartOutput {
        e_tag: Some(etag(&part.etag)),
        server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
        ..Default::default()
    };
    set_sum!(output, Some(&sum));
    Ok(output)
}

pub(super) async fn part_copy(
    engine: &Engine,
    request: S3Request<UploadPartCopyInput>,
) -> S3Result<UploadPartCopyOutput> {
    let asker = asker(&request);
    let input = request.input;
    let bucket = engine.bucket(&input.bucket)?;
    expect_owner(&bucket, input.expected_bucket_owner.as_ref())?;
    let number = number(input.part_number)?;
    let upload = find(engine, &bucket.name, &input.key, &input.upload_id).await?;
    let conditions = Conditions {
        if_match: input.copy_source_if_match.as_ref(),
        if_none_match: input.copy_source_if_none_match.as_ref(),
        if_modified_since: input.copy_source_if_modified_since.as_ref(),
        if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
    };
    let expected = input.expected_source_bucket_owner.as_ref();
    let source = source(engine, &asker, &input.copy_source, expected, conditions).await?;
    let range = match &input.copy_source_range {
        None => 0..source.object.size,
        Some(text) => copy_range(text, source.object.size)?,
    };
    let claims = Claims { algorithm: upload.algorithm, ..Claims::default() };
    let Some(body) = engine.read(&source.object.content, range).await? else {
        return Err(s3_error!(OperationAborted, "the source was replaced while it was copied; try again"));
    };
    let written = engine.write(Some(body), claims, None, None, false).await?;
    let part = install(engine, &bucket.name, &upload, number, written).await?;
    let mut result = CopyPartResult {
        e_tag: Some(etag(&part.etag)),
        last_modified: Some(time(part.modified)),
        ..Default::default()
    };
    set_sum!(result, &part.sum);
    Ok(UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: version(&source.bucket, &source.object),
        ..Default::default()
    })
}

/// `bytes=0-9`, of which both ends are there (API Reference, `UploadPartCopy`).
fn copy_range(text: &str, size: u64) -> S3Result<std::ops::Range<u64>> {
    let ends = text.strip_prefix("bytes=").and_then(|ends| ends.split_once('-'));
    let ends = ends.and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)));
    match ends {
        Some((first, last)) if first <= last && last < size => Ok(first..last + 1),
        Some((first, last)) if first <= last => {
            let text = format!("Range specified is not valid for source object of size: {size}");
            Err(S3Error::with_message(S3ErrorCode::InvalidArgument, text))
        }
        _ => Err(refuse::invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
        )),
    }
}

/// The parts of an upload, in their order.
pub(super) async fn parts_of(engine: &Engine, bucket: &str, upload: &str) -> S3Result<Vec<records::Part>> {
    let records = engine
        .store
        .list(&records::parts(bucket, upload), None, PARTS as usize)
        .await
        .map_err(refuse::store)?;
    records.iter().map(decode).collect()
}

/// The writes that forget an upload, and the files that go after them.
pub(super) async fn forget(
    engine: &Engine,
    bucket: &str,
    upload: &Upload,
    writes: &mut Vec<Write>,
    files: &mut Vec<String>,
) -> S3Result<()> {
    writes.push(delete(records::upload_key(bucket, &upload.key, &upload.id)));
    for part in parts_of(engine, bucket, &upload.id).await? {
        writes.push(delete(records::part_key(bucket, &upload.id, part.number)));
        files.push(part.file);
    }
    Ok(())
}

pub(super) async fn abort(
    engine: &Engine,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<AbortMultipartUploadOutput> {
    let input = request.input;
    expect_owner(&*engine.bucket(&input.bucket)?, input.expected_bucket_owner.as_ref())?;
    abandon(engine, &input.bucket, &input.key, &input.upload_id).await?;
    Ok(AbortMultipartUploadOutput::default())
}

/// Ends an upload without an object.
pub(crate) async fn abandon(engine: &Engine, bucket: &str, key: &str, id: &str) -> S3Result<()> {
    let change = engine.change(bucket, key).await?;
    let upload = find(engine, bucket, key, id).await?;
    let (mut writes, mut files) = (Vec::new(), Vec::new());
    forget(engine, bucket, &upload, &mut writes, &mut files).await?;
    engine.commit(writes).await?;
    drop(change);
    engine.remove(files).await;
    Ok(())
}
