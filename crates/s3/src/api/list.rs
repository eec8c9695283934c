//! Lists of keys and versions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambent_store::Record;
use s3s::dto::*;
use s3s::{S3Request, S3Result};

use super::words::{Encoding, algorithm, etag, expect_owner, owner, size, storage_class, sum_type, time};
use crate::engine::{Engine, decode};
use crate::records::{self, Bucket};
use crate::refuse;
use crate::walk::{Cursor, Entry, Walk, before, beyond, common};

/// Entries of a page (API Reference, `ListObjectsV2`: `MaxKeys`).
const MOST: i32 = 1000;

pub(super) fn most(asked: Option<i32>) -> S3Result<usize> {
    usize::try_from(asked.unwrap_or(MOST).min(MOST))
        .map_err(|_| refuse::invalid_argument("Argument maxKeys must be an integer between 0 and 2147483647"))
}

pub(super) fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// A page of current versions.
struct Page {
    contents: Vec<Object>,
    prefixes: Vec<CommonPrefix>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

async fn page(
    engine: &Engine,
    bucket: &Bucket,
    walk: &Walk<'_>,
    encoding: &Encoding,
    owners: bool,
) -> S3Result<Page> {
    let is_there = |record: &Record| Ok(!decode::<records::Object>(record)?.is_marker);
    let (entries, more) = match walk.most {
        0 => (Vec::new(), false),
        _ => walk.page(&engine.store, records::objects(&bucket.name), is_there).await?,
    };
    let next = entries.last().filter(|_| more).map(|entry| entry.mark().to_owned());
    let mut page = Page { contents: Vec::new(), prefixes: Vec::new(), next };
    for entry in entries {
        match entry {
            Entry::Prefix(prefix) => {
                page.prefixes.push(CommonPrefix { prefix: Some(encoding.text(&prefix)) })
            }
            Entry::Record(record) => {
                let object: records::Object = decode(&record)?;
                page.contents.push(Object {
                    checksum_algorithm: object.sum.as_ref().map(|sum| vec![algorithm(sum.algorithm)]),
                    checksum_type: object.sum.as_ref().map(sum_type),
                    e_tag: Some(etag(&object.etag)),
                    key: Some(encoding.text(&record.key.name)),
                    last_modified: Some(time(object.modified)),
                    owner: owners.then(|| owner(bucket)),
                    restore_status: None,
                    size: Some(size(object.size)),
                    storage_class: Some(ObjectStorageClass::from(storage_class(&object.headers))),
                });
            }
        }
    }
    Ok(page)
}

pub(super) async fn objects(
    engine: &Engine,
    request: S3Request<ListObjectsInput>,
) -> S3Result<ListObjectsOutput> {
    let input = request.input;
    let bucket = engine.bucket(&input.bucket)?;
    expect_owner(&bucket, input.expected_bucket_owner.as_ref())?;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let (delimiter, marker) = (non_empty(input.delimiter), non_empty(input.marker.clone()));
    let prefix = input.prefix.unwrap_or_default();
    let most = most(input.max_keys)?;
    let walk = Walk { prefix: &prefix, delimiter: delimiter.as_deref(), after: marker.as_deref(), most };
    let page = page(engine, &bucket, &walk, &encoding, true).await?;
    Ok(ListObjectsOutput {
        name: Some(bucket.name.clone()),
        prefix: Some(encoding.text(&prefix)),
        marker: Some(encoding.text(&input.marker.unwrap_or_default())),
        max_keys: i32::try_from(most).ok(),
        is_truncated: Some(page.next.is_some()),
        // Without a delimiter clients take the last key (API Reference, `ListObjects`: `NextMarker`).
        next_marker: page.next.filter(|_| delimiter.is_some()).map(|next| encoding.text(&next)),
        contents: Some(page.contents),
        common_prefixes: Some(page.prefixes),
        delimiter: delimiter.map(|text| encoding.text(&text)),
        encoding_type: encoding.name(),
        request_charged: None,
    })
}

pub(super) async fn objects_v2(
    engine: &Engine,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<ListObjectsV2Output> {
    let input = request.input;
    let bucket = engine.bucket(&input.bucket)?;
    expect_owner(&bucket, input.expected_bucket_owner.as_ref())?;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let delimiter = non_empty(input.delimiter);
    let prefix = input.prefix.unwrap_or_default();
    let after = match &input.continuation_token {
        None => non_empty(input.start_after.clone()),
        Some(token) => {
            let decoded = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            Some(
                decoded.ok_or_else(|| {
                    refuse::invalid_argument("The continuation token provided is incorrect")
                })?,
            )
        }
    };
    let most = most(input.max_keys)?;
    let walk = Walk { prefix: &prefix, delimiter: delimiter.as_deref(), after: after.as_deref(), most };
    let page = page(engine, &bucket, &walk, &encoding, input.fetch_owner == Some(true)).await?;
    Ok(ListObjectsV2Output {
        name: Some(bucket.name.clone()),
        prefix: Some(encoding.text(&prefix)),
        max_keys: i32::try_from(most).ok(),
        key_count: i32::try_from(page.contents.len() + page.prefixes.len()).ok(),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.map(|next| URL_SAFE_NO_PAD.encode(next)),
        contents: Some(page.contents),
        common_prefixes: Some(page.prefixes),
        delimiter: delimiter.map(|text| encoding.text(&text)),
        encoding_type: encoding.name(),
        start_after: input.start_after.map(|text| encoding.text(&text)),
        request_charged: None,
    })
}

/// Current and older versions as one list: of each key the youngest first.
struct Versions<'a> {
    current: Cursor<'a>,
    older: Cursor<'a>,
}

impl Versions<'_> {
    /// The next one, and whether it is the current one.
    async fn next(&mut self) -> S3Result<Option<(Record, bool)>> {
        let current = self.current.peek().await?.map(|record| record.key.name.clone());
        let older = self.older.peek().await?.map(|record| records::name_of(&record.key).to_owned());
        Ok(match (current, older) {
            (None, None) => None,
            (Some(_), None) => self.current.take().map(|record| (record, true)),
            (None, Some(_)) => self.older.take().map(|record| (record, false)),
            (Some(key), Some(other)) if key <= other => self.current.take().map(|record| (record, true)),
            (Some(_), Some(_)) => self.older.take().map(|record| (record, false)),
        })
    }

    fn skip(&mut self, name: &str) {
        self.current.skip(name);
        self.older.skip(name);
    }
}

pub(super) async fn versions(
    engine: &Engine,
    request: S3Request<ListObjectVersionsInput>,
) -> S3Result<ListObjectVersionsOutput> {
    let input = request.input;
    let bucket = engine.bucket(&input.bucket)?;
    expect_owner(&bucket, input.expected_bucket_owner.as_ref())?;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let delimiter = non_empty(input.delimiter);
    let prefix = input.prefix.unwrap_or_default();
    let (key_marker, version_marker) =
        (non_empty(input.key_marker.clone()), non_empty(input.version_id_marker.clone()));
    if version_marker.is_some() && key_marker.is_none() {
        return Err(refuse::invalid_argument(
            "A version-id marker cannot be specified without a key marker.",
        ));
    }
    let most = most(input.max_keys)?;
    let (name, store) = (&bucket.name, &engine.store);
    let begin = |extra: Option<String>| [before(&prefix), extra].into_iter().flatten().max();
    let mut list = match (&key_marker, &version_marker) {
        (None, _) => Versions {
            current: Cursor::new(store, records::objects(name), begin(None)),
            older: Cursor::new(store, records::versions(name), begin(None)),
        },
        (Some(key), None) => {
            let is_prefix =
                common(key, &prefix, delimiter.as_deref().filter(|_| key.starts_with(&prefix))) == Some(key);
            let after = if is_prefix { beyond(key) } else { key.clone() };
            // Behind all versions of the key: a version's name goes on with NUL.
            let after_versions = if is_prefix { beyond(key) } else { format!("{key}\0\u{10ffff}") };
            Versions {
                current: Cursor::new(store, records::objects(name), begin(Some(after))),
                older: Cursor::new(store, records::versions(name), begin(Some(after_versions))),
            }
        }
        (Some(key), Some(version)) => {
            let found = engine.object(name, key, Some(version)).await?;
            let sequence = found.map_or(0, |object| object.sequence);
            Versions {
                current: Cursor::new(store, records::objects(name), begin(Some(key.clone()))),
                older: Cursor::new(
                    store,
                    records::versions(name),
                    begin(Some(records::version_key(name, key, sequence).name)),
                ),
            }
        }
    };
    let mut output = ListObjectVersionsOutput {
        name: Some(name.clone()),
        prefix: Some(encoding.text(&prefix)),
        delimiter: delimiter.as_deref().map(|text| encoding.text(text)),
        key_marker: Some(encoding.text(&input.key_marker.unwrap_or_default())),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        max_keys: i32::try_from(most).ok(),
        is_truncated: Some(false),
        encoding_type: encoding.name(),
        ..Default::default()
    };
    let (mut versions, mut markers, mut prefixes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut count, mut last) = (0, None::<(String, Option<String>)>);
    while most > 0
        && let Some((record, is_latest)) = list.next().await?
    {
        let key = records::name_of(&record.key).to_owned();
        if !key.starts_with(&prefix) {
            if key < prefix {
                continue;
            }
            break;
        }
        if count >= most {
            output.is_truncated = Some(true);
            if let Some((key, version)) = last {
                output.next_key_marker = Some(encoding.text(&key));
                output.next_version_id_marker = version;
            }
            break;
        }
        count += 1;
        if let Some(common) = common(&key, &prefix, delimiter.as_deref()) {
            list.skip(&beyond(common));
            prefixes.push(CommonPrefix { prefix: Some(encoding.text(common)) });
            last = Some((common.to_owned(), None));
            continue;
        }
        let object: records::Object = decode(&record)?;
        last = Some((key.clone(), Some(object.version_id())));
        if object.is_marker {
            markers.push(DeleteMarkerEntry {
                is_latest: Some(is_latest),
                key: Some(encoding.text(&key)),
                last_modified: Some(time(object.modified)),
                owner: Some(owner(&bucket)),
                version_id: Some(object.version_id()),
            });
        } else {
            versions.push(ObjectVersion {
                checksum_algorithm: object.sum.as_ref().map(|sum| vec![algorithm(sum.algorithm)]),
                checksum_type: object.sum.as_ref().map(sum_type),
                e_tag: Some(etag(&object.etag)),
                is_latest: Some(is_latest),
                key: Some(encoding.text(&key)),
                last_modified: Some(time(object.modified)),
                owner: Some(owner(&bucket)),
                restore_status: None,
                size: Some(size(object.size)),
                storage_class: Some(ObjectVersionStorageClass::from(storage_class(&object.headers))),
                version_id: Some(object.version_id()),
            });
        }
    }
    output.versions = Some(versions);
    output.delete_markers = Some(markers);
    output.common_prefixes = Some(prefixes);
    Ok(output)
}
