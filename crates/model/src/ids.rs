//! Typed identifiers. Each is validated once, where it enters, and trusted afterwards.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Entropy;

/// A string that is not the identifier it was meant to be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{value:?} is not {expected}")]
pub struct ParseIdError {
    value: String,
    expected: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }
        impl TryFrom<String> for $name {
            type Error = ParseIdError;
            fn try_from(value: String) -> Result<Self, Self::Error> {
                value.parse()
            }
        }
    };
}

text_id! {
    /// A 12-digit AWS account number.
    AccountId
}
text_id! {
    /// An AWS region such as `us-east-1`.
    Region
}

impl std::str::FromStr for AccountId {
    type Err = ParseIdError;
    fn from_str(value: &str) -> Result<Self, Self::Err> {
        if value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(value.into()))
        } else {
            Err(ParseIdError { value: value.to_owned(), expected: "a 12-digit account" })
        }
    }
}

impl AccountId {
    /// The account of access keys that name none: `000000000000`.
    #[must_use]
    pub fn default_account() -> Self {
        Self("000000000000".into())
    }
}

impl std::str::FromStr for Region {
    type Err = ParseIdError;
    fn from_str(value: &str) -> Result<Self, Self::Err> {
        // The region is a path component and a host label later on: letters, digits, single hyphens, no surprise.
        let labels_ok = value
            .split('-')
            .all(|l| !l.is_empty() && l.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        if labels_ok && value.len() <= 32 && value.contains('-') {
            Ok(Self(value.into()))
        } else {
            Err(ParseIdError { value: value.to_owned(), expected: "a region such as us-east-1" })
        }
    }
}

impl Region {
    /// `us-east-1`, the region of callers that name none.
    #[must_use]
    pub fn default_region() -> Self {
        Self("us-east-1".into())
    }
}

/// The account and region a call acts in. Every resource lives in exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    /// The account that owns the resource.
    pub account: AccountId,
    /// The region the resource lives in.
    pub region: Region,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// A fresh random (version 4) identifier.
            #[must_use]
            pub fn random(entropy: &dyn Entropy) -> Self {
                let mut bytes = [0; 16];
                entropy.fill(&mut bytes);
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl std::str::FromStr for $name {
            type Err = ParseIdError;
            fn from_str(value: &str) -> Result<Self, Self::Err> {
                // Only the hyphenated form: the ids travel through paths, where one resource has one spelling.
                if value.len() == 36 && let Ok(id) = uuid::Uuid::try_parse(value) {
                    return Ok(Self(id));
                }
                Err(ParseIdError { value: value.to_owned(), expected: "a UUID" })
            }
        }
        impl TryFrom<String> for $name {
            type Error = ParseIdError;
            fn try_from(value: String) -> Result<Self, Self::Error> {
                value.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

uuid_id! {
    /// Names one request: what `x-amzn-RequestId` carries and, for an invocation, what the function sees.
    RequestId
}
uuid_id! {
    /// Changes with every change of a function, version, alias or policy (AWS API Reference: `RevisionId`).
    RevisionId
}
uuid_id! {
    /// Names a registered extension to the Extensions API (`Lambda-Extension-Identifier`).
    ExtensionId
}
uuid_id! {
    /// Names one execution environment for as long as it lives.
    EnvironmentId
}

impl EnvironmentId {
    /// The id without hyphens: 32 hexadecimal digits, as in the names of log streams.
    #[must_use]
    pub fn simple(&self) -> String {
        self.0.simple().to_string()
    }
}

/// A SHA-256 digest: the name of everything that is stored by its content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256(pub [u8; 32]);

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Sha256 {
    type Err = ParseIdError;
    fn from_str(value: &str) -> Result<Self, Self::Err> {
        let error = || ParseIdError { value: value.to_owned(), expected: "64 hexadecimal digits" };
        if value.len() != 64 || !value.is_ascii() {
            return Err(error());
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(value.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| error())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| error())?;
        }
        Ok(Self(digest))
    }
}

impl Serialize for Sha256 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Which version of a function is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Qualifier {
    /// The unpublished version, `$LATEST`.
    Latest,
    /// A published version.
    Version(u64),
    /// An alias. Matching is case-sensitive.
    Alias(String),
}

impl Qualifier {
    /// Reads the text after the function's name. Its characters have been checked by the caller's pattern.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == "$LATEST" {
            Self::Latest
        } else if let Ok(version) = text.parse() {
            Self::Version(version)
        } else {
            Self::Alias(text.to_owned())
        }
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("$LATEST"),
            Self::Version(version) => version.fmt(f),
            Self::Alias(alias) => f.write_str(alias),
        }
    }
}
