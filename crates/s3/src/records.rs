//! What the store keeps of buckets and objects.
//!
//! | Kind | Partition | Name | Is |
//! |---|---|---|---|
//! | `s3-bucket` | – | bucket | a bucket with its configurations |
//! | `s3-object` | bucket | key | the current version of a key, which may be a delete marker |
//! | `s3-version` | bucket | key, NUL, age | an older version; of one key the younger come first |
//! | `s3-body` | – | id | a small body, or the list of the files that make a large one |
//! | `s3-upload` | bucket | key, NUL, upload id | a multipart upload that is under way |
//! | `s3-part` | bucket/upload id | part number | a part of it |
//!
//! Names of one partition are ordered by their bytes, which is the order in which S3 lists keys (API Reference,
//! `ListObjectsV2`: "in UTF-8 binary order").

use std::collections::BTreeMap;

use lambent_model::{AccountId, Region, Timestamp};
use lambent_store::{Key, Partition};
use serde::{Deserialize, Serialize};

use crate::parsed::Parsed;

const BUCKET: &str = "s3-bucket";
const OBJECT: &str = "s3-object";
const VERSION: &str = "s3-version";
const BODY: &str = "s3-body";
const UPLOAD: &str = "s3-upload";
const PART: &str = "s3-part";

/// The kinds whose records refer to files.
pub(crate) const REFERRING: [&str; 4] = [OBJECT, VERSION, BODY, PART];

/// Whether a bucket keeps older versions (User Guide, "Using versioning in S3 buckets").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Versioning {
    /// Never enabled.
    #[default]
    Off,
    Enabled,
    Suspended,
}

/// A bucket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) created: Timestamp,
    #[serde(default)]
    pub(crate) versioning: Versioning,
    /// Configurations by the name of their subresource (`cors`), each in the form in which it was put: XML, or JSON for
    /// the policy.
    #[serde(default)]
    pub(crate) configurations: BTreeMap<String, String>,
    /// What has been read of them.
    #[serde(skip)]
    pub(crate) parsed: Parsed,
}

impl Bucket {
    /// One that keeps no versions and has no configurations.
    pub(crate) fn new(name: String, account: AccountId, region: Region, created: Timestamp) -> Self {
        let (versioning, configurations, parsed) = Default::default();
        Self { name, account, region, created, versioning, configurations, parsed }
    }
}

/// The headers that an object is stored with and served with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Headers {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    /// Seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redirect: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) storage_class: Option<String>,
    /// `x-amz-meta-*`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The algorithms of checksums (User Guide, "Checking object integrity for data uploads").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    #[serde(rename = "CRC32")]
    Crc32,
    #[serde(rename = "CRC32C")]
    Crc32c,
    #[serde(rename = "CRC64NVME")]
    Crc64Nvme,
    #[serde(rename = "SHA1")]
    Sha1,
    #[serde(rename = "SHA256")]
    Sha256,
}

/// A checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(crate) algorithm: Algorithm,
    /// Base64, with `-N` behind it where it is one of `N` parts' checksums.
    pub(crate) value: String,
}

impl Sum {
    /// Whether it is made of the checksums of parts.
    pub(crate) fn is_composite(&self) -> bool {
        self.value.contains('-')
    }
}

/// Where an object's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Content {
    /// There are none.
    Empty,
    /// In the record of this id.
    Inline(String),
    /// In the file of this id.
    File(String),
    /// In files that the record of this id lists.
    Pieces(String),
}

/// One file of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// The part's number.
    pub(crate) number: u32,
    pub(crate) file: String,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sum: Option<Sum>,
}

/// One version of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Object {
    /// Grows with every version of every key; `sequencer` in events.
    pub(crate) sequence: u64,
    /// `None` is the null version, of buckets without versioning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    pub(crate) modified: Timestamp,
    /// Whether it says that the key is deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_marker: bool,
    pub(crate) size: u64,
    /// Without quotes.
    pub(crate) etag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sum: Option<Sum>,
    #[serde(default, flatten)]
    pub(crate) headers: Headers,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) content: Content,
}

impl Object {
    /// One without bytes and without anything else, as a delete marker is.
    pub(crate) fn empty(sequence: u64, version: Option<String>, modified: Timestamp) -> Self {
        Self {
            sequence,
            version,
            modified,
            is_marker: false,
            size: 0,
            etag: String::new(),
            sum: None,
            headers: Headers::default(),
            tags: Vec::new(),
            content: Content::Empty,
        }
    }

    /// The version's id as clients see it.
    pub(crate) fn version_id(&self) -> String {
        self.version.clone().unwrap_or_else(|| "null".to_owned())
    }
}

/// A multipart upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) initiated: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) algorithm: Option<Algorithm>,
    /// Whether the checksum is to be one of the parts' checksums.
    #[serde(default)]
    pub(crate) composite: bool,
    #[serde(default, flatten)]
    pub(crate) headers: Headers,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<(String, String)>,
}

/// A part of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) number: u32,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) modified: Timestamp,
    pub(crate) file: String,
    /// By the upload's algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sum: Option<Sum>,
    /// CRC64NVME, which S3 gives every object that is sent without a checksum.
    pub(crate) crc64: String,
}

fn key(kind: &'static str, partition: &str, name: &str) -> Key {
    Key { kind, partition: partition.to_owned(), name: name.to_owned() }
}

pub(crate) fn bucket_key(bucket: &str) -> Key {
    key(BUCKET, "", bucket)
}

pub(crate) const BUCKETS: &str = BUCKET;

pub(crate) fn object_key(bucket: &str, name: &str) -> Key {
    key(OBJECT, bucket, name)
}

pub(crate) fn objects(bucket: &str) -> Partition {
    Partition { kind: OBJECT, partition: bucket.to_owned() }
}

/// The older the later: of one key the youngest is listed first.
pub(crate) fn version_key(bucket: &str, name: &str, sequence: u64) -> Key {
    key(VERSION, bucket, &format!("{name}\0{:016x}", !sequence))
}

pub(crate) fn versions(bucket: &str) -> Partition {
    Partition { kind: VERSION, partition: bucket.to_owned() }
}

/// What comes right before the versions of a key.
pub(crate) fn before_versions(name: &str) -> String {
    format!("{name}\0")
}

/// The object's key in the name of a version's or an upload's record.
pub(crate) fn name_of(record: &Key) -> &str {
    record.name.split_once('\0').map_or(&*record.name, |(name, _)| name)
}

pub(crate) fn body_key(id: &str) -> Key {
    key(BODY, "", id)
}

pub(crate) fn upload_key(bucket: &str, name: &str, id: &str) -> Key {
    key(UPLOAD, bucket, &format!("{name}\0{id}"))
}

pub(crate) fn uploads(bucket: &str) -> Partition {
    Partition { kind: UPLOAD, partition: bucket.to_owned() }
}

pub(crate) fn part_key(bucket: &str, upload: &str, number: u32) -> Key {
    key(PART, &format!("{bucket}/{upload}"), &format!("{number:05}"))
}

pub(crate) fn parts(bucket: &str, upload: &str) -> Partition {
    Partition { kind: PART, partition: format!("{bucket}/{upload}") }
}

pub(crate) fn is_body(key: &Key) -> bool {
    key.kind == BODY
}

pub(crate) fn is_part(key: &Key) -> bool {
    key.kind == PART
}
