//! ARNs of any service, and function names and ARNs in all the forms that AWS accepts (Lambda API Reference:
//! `FunctionName`).

use std::fmt;

use crate::{AccountId, Qualifier, Region, Scope};

/// The parts of an ARN (IAM User Guide, "Amazon Resource Names").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `sqs`.
    pub service: &'a str,
    /// Empty for services without regions, and for buckets.
    pub region: &'a str,
    /// Empty for buckets.
    pub account: &'a str,
    /// What follows, never empty.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Takes an ARN apart; `None` for what is none.
    #[must_use]
    pub fn parse(arn: &'a str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, service, region, account, resource] = parts[..] else { return None };
        (!resource.is_empty()).then_some(Self { service, region, account, resource })
    }

    /// Where the resource is; `None` where the ARN does not say, or says what is neither an account nor a region.
    #[must_use]
    pub fn scope(&self) -> Option<Scope> {
        Some(Scope { account: self.account.parse().ok()?, region: self.region.parse().ok()? })
    }
}

/// The unqualified ARN of a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionArn {
    /// Account and region.
    pub scope: Scope,
    /// The function's name.
    pub name: String,
}

impl FunctionArn {
    /// This ARN followed by `:qualifier`.
    #[must_use]
    pub fn qualified(&self, qualifier: &Qualifier) -> String {
        format!("{self}:{qualifier}")
    }
}

impl fmt::Display for FunctionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scope { account, region } = &self.scope;
        write!(f, "arn:aws:lambda:{region}:{account}:function:{}", self.name)
    }
}

/// What a caller named: a function, perhaps of another region or account, perhaps with a qualifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionReference {
    /// The region, when the name was an ARN that holds one.
    pub region: Option<Region>,
    /// The account, when the name was a full or partial ARN.
    pub account: Option<AccountId>,
    /// The function's name.
    pub name: String,
    /// The qualifier after the name.
    pub qualifier: Option<Qualifier>,
}

/// A text that is neither a function's name nor its ARN.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a function name, partial ARN or ARN")]
pub struct ParseReferenceError(String);

impl std::str::FromStr for FunctionReference {
    type Err = ParseReferenceError;

    /// Reads `name`, `name:qualifier`, `account:function:name`, `account:name`, `function:name` and the full ARN.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseReferenceError(text.to_owned());
        let mut parts: Vec<&str> = text.split(':').collect();
        let (mut region, mut account) = (None, None);
        if parts[0] == "arn" {
            // arn : partition : lambda : region : account : function : name [: qualifier]
            if parts.len() < 6 || parts[2] != "lambda" {
                return Err(error());
            }
            region = Some(parts[3].parse().map_err(|_| error())?);
            account = Some(parts[4].parse().map_err(|_| error())?);
            parts.drain(..5);
        } else if let Ok(found) = parts[0].parse::<AccountId>()
            && parts.len() > 1
        {
            account = Some(found);
            parts.drain(..1);
        }
        // "arn:…:function" without a name is, to AWS, a function called `function`.
        if parts[0] == "function" && parts.len() > 1 {
            parts.drain(..1);
        }
        let (name, qualifier) = match parts[..] {
            [name] => (name, None),
            [name, qualifier] if !qualifier.is_empty() => (name, Some(Qualifier::parse(qualifier))),
            _ => return Err(error()),
        };
        if name.is_empty() {
            return Err(error());
        }
        Ok(Self { region, account, name: name.to_owned(), qualifier })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_form_is_read() {
        let with = |region: Option<&str>, account: Option<&str>, name: &str, qualifier: Option<&str>| {
            Ok(FunctionReference {
                region: region.map(|r| r.parse().unwrap()),
                account: account.map(|a| a.parse().unwrap()),
                name: name.to_owned(),
                qualifier: qualifier.map(Qualifier::parse),
            })
        };
        let (r, a) = (Some("us-west-2"), Some("123456789012"));
        for (text, expected) in [
            ("my-fn", with(None, None, "my-fn", None)),
            ("my-fn:7", with(None, None, "my-fn", Some("7"))),
            ("my-fn:$LATEST", with(None, None, "my-fn", Some("$LATEST"))),
            ("function:my-fn", with(None, None, "my-fn", None)),
            ("123456789012:my-fn", with(None, a, "my-fn", None)),
            ("123456789012:function:my-fn:live", with(None, a, "my-fn", Some("live"))),
            ("arn:aws:lambda:us-west-2:123456789012:function:my-fn", with(r, a, "my-fn", None)),
            ("arn:aws:lambda:us-west-2:123456789012:function:my-fn:9", with(r, a, "my-fn", Some("9"))),
            ("arn:aws:lambda:us-west-2:123456789012:function", with(r, a, "function", None)),
            ("function", with(None, None, "function", None)),
            ("123456789012", with(None, None, "123456789012", None)),
        ] {
            assert_eq!(text.parse::<FunctionReference>(), expected, "{text}");
        }
        for text in ["", "my-fn:", ":x", "a:b:c:d", "arn:aws:s3:::bucket", "arn:aws:lambda:x:y:function:f"] {
            assert!(text.parse::<FunctionReference>().is_err(), "{text}");
        }
    }
}
