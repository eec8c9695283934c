//! Signatures of messages (SNS Developer Guide, "Verifying the signatures of Amazon SNS messages"): the key, its
//! certificate, what is signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambent_model::{Entropy, Sha256};
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use sha2::Digest as _;

use super::certificate;

/// As AWS's; receivers' libraries are made for it.
const KEY_BITS: usize = 2048;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The key could not be made, or has no form to be kept in.
    #[error("the key that messages are signed with cannot be made: {0}")]
    Make(String),
    /// What was kept is no key.
    #[error("the key that messages are signed with cannot be read: {0}")]
    Read(String),
    /// The file that it is kept in cannot be read or written.
    #[error("the file of the key that messages are signed with cannot be used: {0}")]
    File(#[from] std::io::Error),
}

/// `SignatureVersion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// SHA-1 with RSA, the default.
    One,
    /// SHA-256 with RSA.
    Two,
}

impl Version {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "1" => Some(Self::One),
            "2" => Some(Self::Two),
            _ => None,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
        }
    }
}

/// Signs messages with a key of this server's own.
pub struct Signer {
    key: RsaPrivateKey,
    certificate: String,
    path: String,
}

impl Signer {
    /// Makes a key; the second part is what [`Signer::read`] takes, PKCS #8 in DER. Takes a tenth of a second or two.
    ///
    /// # Errors
    /// [`SignerError::Make`].
    pub fn generate(entropy: &dyn Entropy) -> Result<(Self, Vec<u8>), SignerError> {
        let key = RsaPrivateKey::new(&mut Random(entropy), KEY_BITS);
        let key = key.map_err(|error| SignerError::Make(error.to_string()))?;
        let kept = key.to_pkcs8_der().map_err(|error| SignerError::Make(error.to_string()))?;
        Ok((Self::new(key, entropy)?, kept.as_bytes().to_vec()))
    }

    /// The signer with a key that was kept.
    ///
    /// # Errors
    /// [`SignerError::Read`].
    pub fn read(kept: &[u8], entropy: &dyn Entropy) -> Result<Self, SignerError> {
        let key =
            RsaPrivateKey::from_pkcs8_der(kept).map_err(|error| SignerError::Read(error.to_string()))?;
        Self::new(key, entropy)
    }

    fn new(key: RsaPrivateKey, entropy: &dyn Entropy) -> Result<Self, SignerError> {
        let make = |error: String| SignerError::Make(error);
        let public = key.to_public_key().to_public_key_der().map_err(|error| make(error.to_string()))?;
        let digest = sha2::Sha256::digest(public.as_bytes());
        let to_sign = certificate::to_sign(public.as_bytes(), &digest[..16]);
        let signature = signature(&key, Version::Two, &to_sign, entropy).map_err(make)?;
        let name = Sha256(digest.into()).to_string();
        Ok(Self {
            key,
            certificate: certificate::pem(&to_sign, &signature),
            path: format!("/SimpleNotificationService-{}.pem", &name[..32]),
        })
    }

    /// Where the certificate is served: named after its key, as on AWS.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The certificate in PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The signature of a text, in base 64.
    pub(super) fn sign(&self, version: Version, text: &str, entropy: &dyn Entropy) -> String {
        let signed = signature(&self.key, version, text.as_bytes(), entropy);
        STANDARD.encode(signed.expect("a key of 2,048 bits signs every digest"))
    }
}

fn signature(
    key: &RsaPrivateKey,
    version: Version,
    text: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, String> {
    // With randomness the key's numbers are blinded, so that the time which signing takes says nothing about them.
    let mut random = Random(entropy);
    let signed = match version {
        Version::One => {
            key.sign_with_rng(&mut random, Pkcs1v15Sign::new::<sha1::Sha1>(), &sha1::Sha1::digest(text))
        }
        Version::Two => {
            key.sign_with_rng(&mut random, Pkcs1v15Sign::new::<sha2::Sha256>(), &sha2::Sha256::digest(text))
        }
    };
    signed.map_err(|error| error.to_string())
}

/// The server's source of randomness as the crate wants it.
struct Random<'e>(&'e dyn Entropy);

impl TryRng for Random<'_> {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Random<'_> {}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// Not random at all, and different with each call.
    #[derive(Default)]
    pub(in super::super) struct Counting(std::sync::atomic::AtomicU64);

    impl Entropy for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            for chunk in buffer.chunks_mut(32) {
                let count = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                chunk.copy_from_slice(&sha2::Sha256::digest(count.to_le_bytes())[..chunk.len()]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_verify_with_the_key_of_the_certificate_also_after_a_restart() {
        let entropy = testing::Counting::default();
        let (signer, kept) = Signer::generate(&entropy).unwrap();
        let again = Signer::read(&kept, &entropy).unwrap();
        assert_eq!((signer.path(), signer.certificate()), (again.path(), again.certificate()));
        let decode = |text: &str| STANDARD.decode(text).unwrap();
        let public = signer.key.to_public_key();
        let one = decode(&again.sign(Version::One, "hello", &entropy));
        public.verify(Pkcs1v15Sign::new::<sha1::Sha1>(), &sha1::Sha1::digest("hello"), &one).unwrap();
        let two = decode(&again.sign(Version::Two, "hello", &entropy));
        public.verify(Pkcs1v15Sign::new::<sha2::Sha256>(), &sha2::Sha256::digest("hello"), &two).unwrap();
        assert!(Signer::read(&kept[..kept.len() / 2], &entropy).is_err());
    }
}
