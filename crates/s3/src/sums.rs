//! What is computed over an object's bytes while they are written: the MD5 of its ETag, and checksums.
//!
//! User Guide, "Checking object integrity for data uploads".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use s3s::{S3Result, s3_error};

use crate::records::{Algorithm, Sum};

impl Algorithm {
    pub(crate) const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// As AWS writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header that carries it.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    pub(crate) fn parse(name: &str) -> S3Result<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| s3_error!(InvalidRequest, "Checksum algorithm provided is unsupported."))
    }

    fn hasher(self, into: &mut ChecksumHasher) {
        match self {
            Self::Crc32 => into.crc32 = Some(Default::default()),
            Self::Crc32c => into.crc32c = Some(Default::default()),
            Self::Crc64Nvme => into.crc64nvme = Some(Default::default()),
            Self::Sha1 => into.sha1 = Some(s3s::crypto::Checksum::new()),
            Self::Sha256 => into.sha256 = Some(s3s::crypto::Checksum::new()),
        }
    }

    /// Of bytes that are at hand.
    pub(crate) fn of(self, bytes: &[u8]) -> Sum {
        let mut hasher = ChecksumHasher::default();
        self.hasher(&mut hasher);
        hasher.update(bytes);
        Sum { algorithm: self, value: pick(self, &hasher.finalize()).expect("it was asked for") }
    }

    /// The parameters of the cyclic ones, whose values of parts can be put together.
    pub(crate) fn crc(self) -> Option<crc_fast::CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(crc_fast::CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(crc_fast::CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(crc_fast::CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }
}

fn pick(algorithm: Algorithm, sums: &s3s::dto::Checksum) -> Option<String> {
    match algorithm {
        Algorithm::Crc32 => sums.checksum_crc32.clone(),
        Algorithm::Crc32c => sums.checksum_crc32c.clone(),
        Algorithm::Crc64Nvme => sums.checksum_crc64nvme.clone(),
        Algorithm::Sha1 => sums.checksum_sha1.clone(),
        Algorithm::Sha256 => sums.checksum_sha256.clone(),
    }
}

/// What a request says of its body.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// In a header, or in a trailer that comes after the body.
    pub(crate) sum: Option<Sum>,
    /// Named, with the value in a trailer or nowhere.
    pub(crate) algorithm: Option<Algorithm>,
    /// `Content-MD5`, decoded.
    pub(crate) md5: Option<Vec<u8>>,
}

impl Claims {
    /// Reads the headers of a request. More than one checksum is refused, as S3 does.
    pub(crate) fn of(headers: &HeaderMap) -> S3Result<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut claims = Self::default();
        for algorithm in Algorithm::ALL {
            let Some(value) = text(algorithm.header()) else { continue };
            if claims.sum.is_some() {
                return Err(s3_error!(
                    InvalidRequest,
                    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
                ));
            }
            claims.sum = Some(Sum { algorithm, value: value.to_owned() });
        }
        let trailer = text("x-amz-trailer").map(str::trim);
        claims.algorithm = match (&claims.sum, trailer) {
            (Some(sum), _) => Some(sum.algorithm),
            (None, Some(trailer)) => Some(
                Algorithm::ALL
                    .into_iter()
                    .find(|algorithm| algorithm.header().eq_ignore_ascii_case(trailer))
                    .ok_or_else(|| {
                        s3_error!(
                            InvalidRequest,
                            "The value specified in the x-amz-trailer header is not supported"
                        )
                    })?,
            ),
            (None, None) => text("x-amz-sdk-checksum-algorithm")
                .or_else(|| text("x-amz-checksum-algorithm"))
                .map(Algorithm::parse)
                .transpose()?,
        };
        if let Some(md5) = text("content-md5") {
            let decoded = BASE64.decode(md5).ok().filter(|bytes| bytes.len() == 16);
            claims.md5 = Some(
                decoded
                    .ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified was invalid."))?,
            );
        }
        Ok(claims)
    }
}

/// Computes while bytes go by.
pub(crate) struct Hasher {
    md5: Md5,
    sums: ChecksumHasher,
    algorithm: Algorithm,
}

/// What came out.
pub(crate) struct Hashed {
    pub(crate) md5: [u8; 16],
    /// By the wanted algorithm.
    pub(crate) sum: Sum,
    pub(crate) crc64: String,
}

impl Hasher {
    /// For one algorithm, and CRC64NVME, which S3 has of every object.
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let mut sums = ChecksumHasher::default();
        algorithm.hasher(&mut sums);
        Algorithm::Crc64Nvme.hasher(&mut sums);
        Self { md5: Md5::new(), sums, algorithm }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sums.update(bytes);
    }

    pub(crate) fn finish(self) -> Hashed {
        let sums = self.sums.finalize();
        let value = pick(self.algorithm, &sums).expect("it was asked for");
        let crc64 = sums.checksum_crc64nvme.expect("it always is");
        let md5: [u8; 16] = self.md5.finalize().as_ref().try_into().expect("MD5 has 16 bytes");
        Hashed { md5, sum: Sum { algorithm: self.algorithm, value }, crc64 }
    }
}

/// The checksum of parts that lie one behind the other.
pub(crate) fn joined(algorithm: Algorithm, parts: &[(&str, u64)]) -> Option<Sum> {
    let crc = algorithm.crc()?;
    let width = if algorithm == Algorithm::Crc64Nvme { 8 } else { 4 };
    let mut whole: Option<u64> = None;
    for (value, size) in parts {
        let bytes = BASE64.decode(value).ok().filter(|bytes| bytes.len() == width)?;
        let part = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        whole = Some(match whole {
            None => part,
            Some(before) => crc_fast::checksum_combine(crc, before, part, *size),
        });
    }
    let bytes = whole?.to_be_bytes();
    Some(Sum { algorithm, value: BASE64.encode(&bytes[8 - width..]) })
}

/// The checksum of parts' checksums (User Guide, "Composite checksums").
pub(crate) fn composite(algorithm: Algorithm, parts: &[&str]) -> Option<Sum> {
    let mut all = Vec::new();
    for part in parts {
        all.extend(BASE64.decode(part).ok()?);
    }
    let Sum { value, .. } = algorithm.of(&all);
    Some(Sum { algorithm, value: format!("{value}-{}", parts.len()) })
}

/// The ETag of parts (User Guide, "Checking object integrity": the MD5 of the MD5s, and how many there are).
pub(crate) fn etag_of_parts(etags: &[&str]) -> Option<String> {
    let mut md5 = Md5::new();
    for etag in etags {
        md5.update(&hex::decode(etag).ok()?);
    }
    Some(format!("{}-{}", hex::encode(md5.finalize().as_ref()), etags.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_known_bytes() {
        // The check values of "123456789" in the catalogue of parametrised CRC algorithms; SHA of FIPS 180-2.
        for (algorithm, value) in [
            (Algorithm::Crc32, "y/Q5Jg=="),
            (Algorithm::Crc32c, "4waSgw=="),
            (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
            (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
        ] {
            assert_eq!(algorithm.of(b"123456789").value, value, "{algorithm:?}");
        }
    }

    #[test]
    fn parts_join_to_the_whole() {
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let (one, two) = (algorithm.of(b"1234"), algorithm.of(b"56789"));
            let whole = joined(algorithm, &[(&one.value, 4), (&two.value, 5)]).unwrap();
            assert_eq!(whole, algorithm.of(b"123456789"), "{algorithm:?}");
        }
        assert_eq!(joined(Algorithm::Sha1, &[("AA==", 1)]), None);
        assert!(composite(Algorithm::Sha256, &["AAAA", "AAAA"]).unwrap().value.ends_with("-2"));
        let etag = etag_of_parts(&["d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427e"]);
        assert_eq!(etag.as_deref(), Some("5873dd45edd01f09c1ef2e7819369e8e-2"));
    }
}
