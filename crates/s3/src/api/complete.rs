//! CompleteMultipartUpload. It copies nothing: the object is the list of its parts' files.

use std::collections::HashMap;
use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Result, s3_error};

use super::multipart::{find, forget, parts_of};
use super::words::{asker, etag, expect_owner, expiration, set_sum, size, sum_type, version};
use crate::engine::{self, Engine, put};
use crate::event::{Event, Kind};
use crate::records::{self, Algorithm, Content, Object, Piece, Sum, Upload};
use crate::refuse;
use crate::sums::{self, Claims};

/// The smallest part but the last (User Guide, "Amazon S3 multipart upload limits").
const SMALLEST: u64 = 5 * 1024 * 1024;

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

pub(super) async fn upload(
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
    let expiration = expiration(&bucket, &input.key, &object)?;
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
        expiration,
        ..Default::default()
    };
    set_sum!(output, &object.sum);
    Ok(output)
}
