//! Where a bucket's name is: in the path (`localhost:4566/bucket/key`) or in the host (`bucket.s3.localhost:4566/key`,
//! `bucket.s3.eu-west-1.localhost`, and `bucket.localhost`, which SDKs make of the endpoint `localhost`) (User Guide,
//! "Virtual hosting of general purpose buckets").

use percent_encoding::percent_decode_str;
use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

/// For s3s.
pub(crate) struct Hosts;

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        Ok(match in_host(host) {
            Some(bucket) => VirtualHost::new(host).with_bucket(bucket.to_ascii_lowercase()),
            None => VirtualHost::new(host),
        })
    }
}

/// The host without its port and its final dot.
fn name(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

/// `s3`, or `s3.REGION`, or `s3-REGION` and nothing else.
fn is_service(labels: &str) -> bool {
    match labels.split_once('.') {
        None => labels == "s3" || labels.starts_with("s3-"),
        Some(("s3", region)) => !region.contains('.') && is_region(region),
        Some(_) => false,
    }
}

fn is_region(text: &str) -> bool {
    text.parse::<lambent_model::Region>().is_ok()
}

/// What stands before `localhost`.
fn labels(host: &str) -> Option<&str> {
    let name = name(host);
    let cut = name.len().checked_sub(".localhost".len())?;
    let (labels, domain) = (name.get(..cut)?, name.get(cut..)?);
    domain.eq_ignore_ascii_case(".localhost").then_some(labels)
}

/// Whether the host is one of S3 alone, with a bucket or without.
pub(crate) fn is_of_s3(host: &str) -> bool {
    let Some(labels) = labels(host) else { return false };
    is_service(labels) || split(labels).is_some()
}

/// `bucket` and `s3…`, if it is that.
fn split(labels: &str) -> Option<&str> {
    labels.match_indices(".s3").find_map(|(at, _)| is_service(&labels[at + 1..]).then_some(&labels[..at]))
}

fn in_host(host: &str) -> Option<&str> {
    let labels = labels(host)?;
    if is_service(labels) {
        return None;
    }
    Some(split(labels).unwrap_or(labels))
}

/// The bucket that a request names.
pub(crate) fn bucket_of(host: &str, path: &str) -> Option<String> {
    if let Some(bucket) = in_host(host) {
        return Some(bucket.to_ascii_lowercase());
    }
    let first = path.trim_start_matches('/').split('/').next().filter(|first| !first.is_empty())?;
    Some(percent_decode_str(first).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_hosts_or_in_paths() {
        for (host, path, bucket) in [
            ("localhost:4566", "/b/key", Some("b")),
            ("127.0.0.1:4566", "/b", Some("b")),
            ("[::1]:4566", "/b/", Some("b")),
            ("localhost", "/", None),
            ("s3.localhost:4566", "/b/key", Some("b")),
            ("s3.eu-west-1.localhost:4566", "/b/key", Some("b")),
            ("b.s3.localhost:4566", "/key", Some("b")),
            ("a.b.s3.localhost", "/key", Some("a.b")),
            ("b.s3.eu-west-1.localhost:4566", "/key/x", Some("b")),
            ("b.localhost:4566", "/key", Some("b")),
            ("b.localhost.", "/key", Some("b")),
        ] {
            assert_eq!(bucket_of(host, path).as_deref(), bucket, "{host}{path}");
        }
        assert!(
            is_of_s3("s3.localhost:1") && is_of_s3("b.s3.localhost") && is_of_s3("b.s3.us-east-1.localhost")
        );
        assert!(
            !is_of_s3("localhost") && !is_of_s3("b.localhost") && !is_of_s3("10.0.0.1") && !is_of_s3("évil")
        );
    }
}
