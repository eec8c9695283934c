//! Tags of objects and buckets (User Guide, "Categorizing your objects using tags").

use percent_encoding::percent_decode_str;
use s3s::dto::Tag;
use s3s::{S3Result, s3_error};

/// Tags in no order but that in which they were given.
pub(crate) type Tags = Vec<(String, String)>;

/// On an object, and on a bucket.
pub(crate) const OF_OBJECT: usize = 10;
pub(crate) const OF_BUCKET: usize = 50;
const KEY: usize = 128;
const VALUE: usize = 256;

/// `x-amz-tagging`: `a=1&b=2`, encoded as a query.
pub(crate) fn of_header(text: Option<&str>) -> S3Result<Tags> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let tags = pairs.map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(value))
    });
    check(tags.collect(), OF_OBJECT)
}

/// A tag set as XML has it.
pub(crate) fn of_set(set: Vec<Tag>, most: usize) -> S3Result<Tags> {
    check(
        set.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect(),
        most,
    )
}

pub(crate) fn to_set(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect()
}

fn too_many(text: &str) -> s3s::S3Error {
    crate::refuse::custom("BadRequest", http::StatusCode::BAD_REQUEST, text)
}

fn check(tags: Tags, most: usize) -> S3Result<Tags> {
    if tags.len() > most {
        return Err(match most {
            OF_OBJECT => too_many("Object tags cannot be greater than 10"),
            _ => too_many("Bucket tag count cannot be greater than 50"),
        });
    }
    for (index, (key, value)) in tags.iter().enumerate() {
        if key.is_empty() || key.chars().count() > KEY {
            return Err(s3_error!(InvalidTag, "The TagKey you have provided is invalid"));
        }
        if value.chars().count() > VALUE {
            return Err(s3_error!(InvalidTag, "The TagValue you have provided is invalid"));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(s3_error!(InvalidTag, "System tags cannot be added/updated by requester"));
        }
        if tags[..index].iter().any(|(other, _)| other == key) {
            return Err(s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key"));
        }
    }
    Ok(tags)
}
