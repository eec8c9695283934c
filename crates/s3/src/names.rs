//! Names of buckets and keys (User Guide, "General purpose bucket naming rules", "Naming Amazon S3 objects").

use std::net::Ipv4Addr;

use s3s::validation::NameValidation;
use s3s::{S3Result, s3_error};

/// Beginnings that AWS keeps for itself.
const PREFIXES: [&str; 2] = ["xn--", "sthree-"];
/// And ends.
const SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// Whether a bucket may be called so.
pub(crate) fn is_bucket(name: &str) -> bool {
    let is_edge =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'))
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && !name.contains("..")
        && name.parse::<Ipv4Addr>().is_err()
        && !PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

pub(crate) fn check(name: &str) -> S3Result<()> {
    if is_bucket(name) {
        Ok(())
    } else {
        Err(s3_error!(InvalidBucketName, "The specified bucket is not valid."))
    }
}

/// Any name may be asked for: whether there is such a bucket is another question, and the answer to it is the better one.
pub(crate) struct AnyName;

impl NameValidation for AnyName {
    fn validate_bucket_name(&self, name: &str) -> bool {
        !name.is_empty() && name.len() <= 255
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_buckets() {
        for name in ["abc", "my-bucket.example", "0-0", &"a".repeat(63), "a.b-c"] {
            assert!(is_bucket(name), "{name}");
        }
        for name in [
            "",
            "ab",
            &"a".repeat(64),
            "Abc",
            "a_b",
            "-abc",
            "abc-",
            ".abc",
            "a..b",
            "192.168.5.4",
            "xn--abc",
            "abc-s3alias",
            "abc--x-s3",
            "a b",
        ] {
            assert!(!is_bucket(name), "{name}");
        }
    }
}
