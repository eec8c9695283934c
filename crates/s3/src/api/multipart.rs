//! Multipart uploads (User Guide, "Uploading and copying objects using multipart upload"). Completing one copies nothing:
//! the object is the list of its parts' files.

use std::collections::HashMap;
use std::sync::Arc;

use lambent_store::Write;
use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, s3_error};

use super::copy::source;
use super::get::Conditions;
use super::list::{most, non_empty};
use super::permissions::check_canned;
use super::put::{check_key, unencrypted, unlocked};
use super::words::{
    Encoding, algorithm as named, asker, etag, expect_owner, headers_of, owner, set_sum, size, storage_class,
    sum_type, time, trailers, verified_trailers, version,
};
use crate::engine::{self, Engine, decode, delete, put};
use crate::event::{Event, Kind};
use crate::records::{self, Algorithm, Content, Object, Piece, Sum, Upload};
use crate::sums::{self, Claims};
use crate::walk::{Entry, Walk};
use crate::{refuse, tags};

/// Numbers of parts (User Guide, "Amazon S3 multipart upload limits").
const PARTS: u32 = 10_000;
/// The smallest part but the last.
const SMALLEST: u64 = 5 * 1024 * 1024;

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
    Ok(CreateMultipartUploadOutput {
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

fn no_such_type(kind: &str, algorithm: Option<Algorithm>) -> S3Error {
    let name = algorithm.map_or("", Algorithm::name).to_ascii_lowercase();
    let text = format!("The {kind} checksum type cannot be used with the {name} checksum algorithm.");
    S3Error::with_message(S3ErrorCode::InvalidRequest, text)
}

async fn find(engine: &Engine, bucket: &str, key: &str, id: &str) -> S3Result<Upload> {
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
async fn parts_of(engine: &Engine, bucket: &str, upload: &str) -> S3Result<Vec<records::Part>> {
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

fn invalid_part() -> S3Error {
    s3_error!(
        InvalidPart,
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
    )
}

/// The wanted parts out of those that are there.
fn choose(wanted: &[CompletedPart], mut there: HashMap<u32, records::Part>) -> S3Result<Vec<records::Part>> {
    let mut chosen = Vec::new();
    let numbers = wanted.iter().map(|one| one.part_number.and_then(|number| u32::try_from(number).ok()));
    let numbers: Vec<u32> = numbers.collect::<Option<_>>().ok_or_else(refuse::malformed_xml)?;
    if numbers.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(s3_error!(
            InvalidPartOrder,
            "The list of parts was not in ascending order. Parts must be ordered by part number."
        ));
    }
    for (index, (one, number)) in wanted.iter().zip(numbers).enumerate() {
        let part = there.remove(&number).ok_or_else(invalid_part)?;
        if one.e_tag.as_ref().is_none_or(|etag| etag.value() != part.etag) {
            return Err(invalid_part());
        }
        let claimed = [
            (Algorithm::Crc32, &one.checksum_crc32),
            (Algorithm::Crc32c, &one.checksum_crc32c),
            (Algorithm::Crc64Nvme, &one.checksum_crc64nvme),
            (Algorithm::Sha1, &one.checksum_sha1),
            (Algorithm::Sha256, &one.checksum_sha256),
        ];
        let mut claims =
            claimed.iter().filter_map(|(algorithm, value)| value.as_ref().map(|value| (*algorithm, value)));
        if let Some(sum) = &part.sum
            && claims.any(|(algorithm, value)| algorithm == sum.algorithm && *value != sum.value)
        {
            return Err(invalid_part());
        }
        if index + 1 < wanted.len() && part.size < SMALLEST {
            return Err(s3_error!(
                EntityTooSmall,
                "Your proposed upload is smaller than the minimum allowed size"
            ));
        }
        chosen.push(part);
    }
    Ok(chosen)
}

/// The checksum of the whole.
fn whole_sum(upload: &Upload, parts: &[records::Part]) -> Option<Sum> {
    match upload.algorithm {
        Some(algorithm) if upload.composite => {
            let values: Option<Vec<&str>> =
                parts.iter().map(|part| Some(&*part.sum.as_ref()?.value)).collect();
            sums::composite(algorithm, &values?)
        }
        Some(algorithm) if algorithm != Algorithm::Crc64Nvme => {
            let values: Option<Vec<(&str, u64)>> =
                parts.iter().map(|part| Some((&*part.sum.as_ref()?.value, part.size))).collect();
            sums::joined(algorithm, &values?)
        }
        _ => {
            let values: Vec<(&str, u64)> = parts.iter().map(|part| (&*part.crc64, part.size)).collect();
            sums::joined(Algorithm::Crc64Nvme, &values)
        }
    }
}

pub(super) async fn complete(
    engine: &Engine,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<CompleteMultipartUploadOutput> {
    let (asker, claims) = (asker(&request), Claims::of(&request.headers)?);
    let host = request
        .headers
        .get(http::header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("localhost")
        .to_owned();
    let input = request.input;
    expect_owner(&*engine.bucket(&input.bucket)?, input.expected_bucket_owner.as_ref())?;
    let mut change = engine.change(&input.bucket, &input.key).await?;
    let bucket = Arc::clone(&change.bucket);
    let upload = find(engine, &bucket.name, &input.key, &input.upload_id).await?;
    let wanted = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    if wanted.is_empty() {
        return Err(refuse::malformed_xml());
    }
    let there = parts_of(engine, &bucket.name, &upload.id).await?;
    let chosen = choose(&wanted, there.iter().map(|part| (part.number, part.clone())).collect())?;
    let total: u64 = chosen.iter().map(|part| part.size).sum();
    if input.mpu_object_size.is_some_and(|expected| expected != size(total)) {
        return Err(s3_error!(
            InvalidRequest,
            "The provided 'x-amz-mp-object-size' header does not match what was computed."
        ));
    }
    let sum = whole_sum(&upload, &chosen);
    // A part's checksum says nothing of the whole; only one that is given for the whole is held against it.
    if let (Some(claimed), Some(sum)) = (&claims.sum, &sum)
        && (claimed.algorithm != sum.algorithm || claimed.value != sum.value)
    {
        return Err(s3_error!(
            BadDigest,
            "The checksum you specified for the whole object did not match what was computed."
        ));
    }
    change.require(input.if_match.as_ref(), input.if_none_match.as_ref())?;

    let etags: Vec<&str> = chosen.iter().map(|part| &*part.etag).collect();
    let body = engine.files.id();
    let pieces: Vec<Piece> = chosen
        .iter()
        .map(|part| Piece {
            number: part.number,
            file: part.file.clone(),
            size: part.size,
            sum: part.sum.clone(),
        })
        .collect();
    let (sequence, id) = change.next();
    let object = Object {
        sequence,
        version: id,
        modified: engine.clock.now(),
        is_marker: false,
        size: total,
        etag: sums::etag_of_parts(&etags).ok_or_else(engine::lost)?,
        sum,
        headers: upload.headers.clone(),
        tags: upload.tags.clone(),
        content: Content::Pieces(body.clone()),
    };
    change.writes.push(put(records::body_key(&body), &pieces)?);
    change.install(&object).await?;
    let mut rubbish = Vec::new();
    forget(engine, &bucket.name, &upload, &mut change.writes, &mut rubbish).await?;
    rubbish.retain(|file| pieces.iter().all(|piece| piece.file != *file));
    let event = Event::of(Kind::CompleteMultipartUpload, &bucket, &input.key, &object);
    change.commit(Vec::new(), engine.notices(&event, &asker)?).await?;
    engine.remove(rubbish).await;

    let mut output = CompleteMultipartUploadOutput {
        bucket: Some(bucket.name.clone()),
        key: Some(input.key.clone()),
        location: Some(format!("http://{host}/{}/{}", bucket.name, input.key)),
        e_tag: Some(etag(&object.etag)),
        checksum_type: object.sum.as_ref().map(sum_type),
        server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
        version_id: version(&bucket, &object),
        ..Default::default()
    };
    set_sum!(output, &object.sum);
    Ok(output)
}

pub(super) async fn abort(
    engine: &Engine,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<AbortMultipartUploadOutput> {
    let input = request.input;
    let change = engine.change(&input.bucket, &input.key).await?;
    expect_owner(&change.bucket, input.expected_bucket_owner.as_ref())?;
    let upload = find(engine, &input.bucket, &input.key, &input.upload_id).await?;
    let (mut writes, mut files) = (Vec::new(), Vec::new());
    forget(engine, &input.bucket, &upload, &mut writes, &mut files).await?;
    engine.commit(writes).await?;
    drop(change);
    engine.remove(files).await;
    Ok(AbortMultipartUploadOutput::default())
}

pub(super) async fn list_parts(
    engine: &Engine,
    request: S3Request<ListPartsInput>,
) -> S3Result<ListPartsOutput> {
    let input = request.input;
    let bucket = engine.bucket(&input.bucket)?;
    expect_owner(&bucket, input.expected_bucket_owner.as_ref())?;
    let upload = find(engine, &bucket.name, &input.key, &input.upload_id).await?;
    let most = most(input.max_parts)?;
    let marker = input.part_number_marker.unwrap_or(0);
    let mut parts = parts_of(engine, &bucket.name, &upload.id).await?;
    parts.retain(|part| i64::from(part.number) > i64::from(marker));
    let more = parts.len() > most;
    parts.truncate(most);
    let shown = |part: &records::Part| {
        let mut shown = Part {
            e_tag: Some(etag(&part.etag)),
            last_modified: Some(time(part.modified)),
            part_number: i32::try_from(part.number).ok(),
            size: Some(size(part.size)),
            ..Default::default()
        };
        set_sum!(shown, &part.sum);
        shown
    };
    let id = owner(&bucket).id;
    Ok(ListPartsOutput {
        bucket: Some(bucket.name.clone()),
        key: Some(upload.key.clone()),
        upload_id: Some(upload.id.clone()),
        checksum_algorithm: upload.algorithm.map(named),
        initiator: Some(Initiator { display_name: None, id }),
        owner: Some(owner(&bucket)),
        is_truncated: Some(more),
        max_parts: i32::try_from(most).ok(),
        part_number_marker: Some(marker),
        next_part_number_marker: parts.last().and_then(|part| i32::try_from(part.number).ok()),
        parts: Some(parts.iter().map(shown).collect()),
        storage_class: Some(StorageClass::from(storage_class(&upload.headers))),
        ..Default::default()
    })
}

pub(super) async fn list_uploads(
    engine: &Engine,
    request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<ListMultipartUploadsOutput> {
    let input = request.input;
    let bucket = engine.bucket(&input.bucket)?;
    expect_owner(&bucket, input.expected_bucket_owner.as_ref())?;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let (delimiter, prefix) = (non_empty(input.delimiter), input.prefix.unwrap_or_default());
    let most = most(input.max_uploads)?;
    let after = match (non_empty(input.key_marker.clone()), non_empty(input.upload_id_marker.clone())) {
        (Some(key), Some(id)) => Some(format!("{key}\0{id}")),
        // Behind all uploads of the key.
        (Some(key), None) => Some(format!("{key}\0\u{10ffff}")),
        (None, _) => None,
    };
    let walk = Walk { prefix: &prefix, delimiter: delimiter.as_deref(), after: after.as_deref(), most };
    let (entries, more) = match most {
        0 => (Vec::new(), false),
        _ => walk.page(&engine.store, records::uploads(&bucket.name), |_| Ok(true)).await?,
    };
    let (mut uploads, mut prefixes, mut last) = (Vec::new(), Vec::new(), None);
    for entry in entries {
        match entry {
            Entry::Prefix(prefix) => {
                prefixes.push(CommonPrefix { prefix: Some(encoding.text(&prefix)) });
                last = Some((prefix, String::new()));
            }
            Entry::Record(record) => {
                let upload: Upload = decode(&record)?;
                last = Some((upload.key.clone(), upload.id.clone()));
                uploads.push(MultipartUpload {
                    checksum_algorithm: upload.algorithm.map(named),
                    checksum_type: None,
                    initiated: Some(time(upload.initiated)),
                    initiator: Some(Initiator { display_name: None, id: owner(&bucket).id }),
                    key: Some(encoding.text(&upload.key)),
                    owner: Some(owner(&bucket)),
                    storage_class: Some(StorageClass::from(storage_class(&upload.headers))),
                    upload_id: Some(upload.id),
                });
            }
        }
    }
    let (next_key, next_id) = last.filter(|_| more).unzip();
    Ok(ListMultipartUploadsOutput {
        bucket: Some(bucket.name.clone()),
        prefix: Some(encoding.text(&prefix)),
        delimiter: delimiter.map(|text| encoding.text(&text)),
        encoding_type: encoding.name(),
        is_truncated: Some(more),
        key_marker: Some(encoding.text(&input.key_marker.unwrap_or_default())),
        upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
        next_key_marker: next_key.map(|key: String| encoding.text(&key)),
        next_upload_id_marker: next_id,
        max_uploads: i32::try_from(most).ok(),
        uploads: Some(uploads),
        common_prefixes: Some(prefixes),
        request_charged: None,
    })
}
