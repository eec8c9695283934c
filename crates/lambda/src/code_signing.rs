//! Code signing configurations: whose signatures packages have to carry (AWS Lambda Developer Guide, "Using code signing to
//! verify code integrity with Lambda").
//!
//! Signatures are AWS Signer's and cannot be verified here. So where a configuration enforces them, no package is
//! trusted, and where it warns, all are taken.

use std::collections::BTreeMap;

use lambent_model::{Entropy, Timestamp};
use serde::{Deserialize, Serialize};

/// What becomes of a package without a valid signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Untrusted {
    /// It is taken.
    #[default]
    Warn,
    /// It is refused.
    Enforce,
}

/// A code signing configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeSigning {
    /// `csc-` and 17 letters and digits.
    pub id: String,
    /// Free text.
    pub description: String,
    /// ARNs of signing profiles' versions.
    pub publishers: Vec<String>,
    /// What becomes of packages that none of them has signed.
    pub untrusted: Untrusted,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// When it was changed last.
    pub modified: Timestamp,
}

/// Letters and digits of AWS's random names, the first 32 of 36, so that five bits make one.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";

/// A random name of `length` lower-case letters and digits.
#[must_use]
pub fn random_name(length: usize, entropy: &dyn Entropy) -> String {
    let mut random = vec![0; length];
    entropy.fill(&mut random);
    random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;

    impl Entropy for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.iter_mut().zip(0..).for_each(|(byte, number)| *byte = number);
        }
    }

    #[test]
    fn names_are_letters_and_digits() {
        assert_eq!(random_name(33, &Counting), "abcdefghijklmnopqrstuvwxyz012345a");
    }
}
