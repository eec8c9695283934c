//! Lists of multipart uploads and of their parts.

use s3s::dto::*;
use s3s::{S3Request, S3Result};

use super::list::{most, non_empty};
use super::multipart::{abortion, find, parts_of};
use super::words::{
    Encoding, algorithm as named, etag, expect_owner, owner, set_sum, size, storage_class, time,
};
use crate::engine::{Engine, decode};
use crate::records::{self, Upload};
use crate::walk::{Entry, Walk};

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
    let (abort_date, abort_rule_id) = abortion(&bucket, &upload)?;
    Ok(ListPartsOutput {
        abort_date,
        abort_rule_id,
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
