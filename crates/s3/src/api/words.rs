//! Between our records and the shapes of S3.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{self, ETag, Owner, Timestamp};
use s3s::xml::{Deserialize, DeserializeContent, Deserializer, SerializeContent, Serializer};
use s3s::{S3Error, S3Request, S3Result, s3_error};

use crate::asker::Asker;
use crate::intake::Trailers;
use crate::records::{Algorithm, Bucket, Headers, Object, Sum};
use crate::refuse;

/// Who asks; the service puts it into every request.
pub(super) fn asker<T>(request: &S3Request<T>) -> Arc<Asker> {
    Arc::clone(request.extensions.get::<Arc<Asker>>().expect("the service has put it there"))
}

/// What came after the body, once that is read.
pub(super) fn trailers<T>(request: &S3Request<T>) -> Option<Trailers> {
    let own = request.extensions.get::<Trailers>().cloned();
    own.filter(|_| request.trailing_headers.is_none())
}

/// Trailers that s3s has read and verified.
pub(super) fn verified_trailers<T>(request: &S3Request<T>) -> Option<s3s::TrailingHeaders> {
    request.trailing_headers.clone()
}

/// S3 counts whole seconds (API Reference, `GetObject`: `Last-Modified`).
pub(super) fn time(at: lambent_model::Timestamp) -> Timestamp {
    seconds(at.seconds())
}

pub(super) fn seconds(seconds: i64) -> Timestamp {
    (UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))).into()
}

/// Seconds since the epoch.
pub(crate) fn epoch_seconds(at: &Timestamp) -> i64 {
    let mut text = Vec::new();
    let written = at.format(dto::TimestampFormat::EpochSeconds, &mut text);
    let text = String::from_utf8(text).unwrap_or_default();
    let whole = text.split('.').next().and_then(|whole| whole.parse().ok());
    written.ok().and(whole).unwrap_or(0)
}

pub(super) fn etag(etag: &str) -> ETag {
    ETag::Strong(etag.to_owned())
}

pub(super) fn size(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

pub(super) fn owner(bucket: &Bucket) -> Owner {
    Owner { display_name: None, id: Some(canonical_id(&bucket.account)) }
}

/// Accounts have a second name in S3, 64 hexadecimal digits (User Guide, "Canonical user ID"): here the number itself,
/// padded, so that it can be read back.
pub(crate) fn canonical_id(account: &lambent_model::AccountId) -> String {
    format!("{:0>64}", account.as_str())
}

/// `x-amz-expected-bucket-owner`.
pub(super) fn expect_owner(bucket: &Bucket, expected: Option<&String>) -> S3Result<()> {
    match expected {
        Some(expected) if *expected != bucket.account.as_str() => Err(refuse::access_denied()),
        _ => Ok(()),
    }
}

/// Keys that XML cannot carry are asked for in this encoding; SDKs always ask for it.
const URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b'/');

pub(super) struct Encoding(bool);

impl Encoding {
    pub(super) fn of(asked: Option<&dto::EncodingType>) -> S3Result<Self> {
        match asked.map(dto::EncodingType::as_str) {
            None => Ok(Self(false)),
            Some("url") => Ok(Self(true)),
            Some(_) => Err(refuse::invalid_argument("Invalid Encoding Method specified in Request")),
        }
    }

    pub(super) fn text(&self, text: &str) -> String {
        if self.0 { utf8_percent_encode(text, URL).to_string() } else { text.to_owned() }
    }

    pub(super) fn name(&self) -> Option<dto::EncodingType> {
        self.0.then(|| dto::EncodingType::from_static(dto::EncodingType::URL))
    }
}

/// Fills the members of an output that carry checksums.
macro_rules! set_sum {
    ($output:expr, $sum:expr) => {
        if let Some(sum) = $sum {
            let value = Some(sum.value.clone());
            match sum.algorithm {
                crate::records::Algorithm::Crc32 => $output.checksum_crc32 = value,
                crate::records::Algorithm::Crc32c => $output.checksum_crc32c = value,
                crate::records::Algorithm::Crc64Nvme => $output.checksum_crc64nvme = value,
                crate::records::Algorithm::Sha1 => $output.checksum_sha1 = value,
                crate::records::Algorithm::Sha256 => $output.checksum_sha256 = value,
            }
        }
    };
}
pub(super) use set_sum;

pub(super) fn sum_type(sum: &Sum) -> dto::ChecksumType {
    dto::ChecksumType::from_static(match sum.is_composite() {
        true => dto::ChecksumType::COMPOSITE,
        false => dto::ChecksumType::FULL_OBJECT,
    })
}

pub(super) fn algorithm(algorithm: Algorithm) -> dto::ChecksumAlgorithm {
    dto::ChecksumAlgorithm::from_static(algorithm.name())
}

/// `x-amz-expiration` (API Reference, `GetObject`): when a lifecycle rule removes the object, and which.
pub(super) fn expiration(bucket: &Bucket, key: &str, object: &Object) -> S3Result<Option<String>> {
    let Some((end, rule)) = bucket.lifecycle()?.expiry(key, object) else { return Ok(None) };
    let mut date = Vec::new();
    seconds(end)
        .format(dto::TimestampFormat::HttpDate, &mut date)
        .map_err(|error| S3Error::internal_error(std::io::Error::other(error.to_string())))?;
    let (date, rule) = (String::from_utf8_lossy(&date), utf8_percent_encode(rule, URL));
    Ok(Some(format!("expiry-date=\"{date}\", rule-id=\"{rule}\"")))
}

pub(super) fn version(bucket: &Bucket, object: &Object) -> Option<String> {
    // Buckets that never had versions do not speak of them.
    (bucket.versioning != crate::records::Versioning::Off).then(|| object.version_id())
}

pub(super) fn storage_class(headers: &Headers) -> String {
    headers.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned())
}

/// The longest user metadata (User Guide, "Working with object metadata": 2 KB).
const METADATA_BYTES: usize = 2 * 1024;

/// Reads the headers that an object is stored with, out of the inputs that have them.
macro_rules! headers_of {
    ($input:expr) => {{
        let input = &mut $input;
        let metadata = input.metadata.take().unwrap_or_default();
        crate::api::words::checked(crate::records::Headers {
            cache_control: input.cache_control.take(),
            content_disposition: input.content_disposition.take(),
            content_encoding: input
                .content_encoding
                .take()
                .and_then(|coding| crate::api::words::without_chunks(&coding)),
            content_language: input.content_language.take(),
            content_type: input.content_type.take().map(|text| text.to_string()),
            expires: input.expires.as_ref().map(crate::api::epoch_seconds),
            redirect: input.website_redirect_location.take(),
            storage_class: input.storage_class.take().map(|class| class.as_str().to_owned()),
            metadata: metadata.into_iter().collect(),
        })?
    }};
}
pub(super) use headers_of;

/// `aws-chunked` is of the way, not of the object (API Reference, `PutObject`).
pub(crate) fn without_chunks(coding: &str) -> Option<String> {
    let rest: Vec<&str> =
        coding.split(',').map(str::trim).filter(|one| *one != "aws-chunked" && !one.is_empty()).collect();
    (!rest.is_empty()).then(|| rest.join(","))
}

/// Classes of S3; all are kept on the same disk.
const CLASSES: [&str; 11] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
    "OUTPOSTS",
    "SNOW",
    "EXPRESS_ONEZONE",
];

pub(super) fn checked(headers: Headers) -> S3Result<Headers> {
    let size: usize = headers.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > METADATA_BYTES {
        return Err(s3_error!(
            MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size"
        ));
    }
    if headers.storage_class.as_deref().is_some_and(|class| !CLASSES.contains(&class)) {
        return Err(s3_error!(InvalidStorageClass, "The storage class you specified is not valid"));
    }
    Ok(headers)
}

/// Shapes as text and back, for configurations, which are kept as they are put.
pub(crate) mod xml {
    use super::*;

    pub(crate) fn write<T: SerializeContent>(value: &T) -> S3Result<String> {
        let mut text = Vec::new();
        Serializer::new(&mut text).content("Configuration", value).map_err(S3Error::internal_error)?;
        String::from_utf8(text).map_err(S3Error::internal_error)
    }

    pub(crate) fn read<T: for<'x> DeserializeContent<'x>>(text: &str) -> S3Result<T> {
        struct Named<T>(T);
        impl<'x, T: DeserializeContent<'x>> Deserialize<'x> for Named<T> {
            fn deserialize(d: &mut Deserializer<'x>) -> s3s::xml::DeResult<Self> {
                d.named_element("Configuration", |d| d.content()).map(Self)
            }
        }
        let mut deserializer = Deserializer::new(text.as_bytes());
        let Named(value) = Named::deserialize(&mut deserializer).map_err(S3Error::internal_error)?;
        Ok(value)
    }
}
