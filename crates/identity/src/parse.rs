//! Finds the signature in a request and checks that it is well formed.

use std::time::Duration;

use http::header::{AUTHORIZATION, DATE, HeaderName};
use http::request::Parts;
use lambent_model::Timestamp;

use crate::canonical::{SIGNATURE_PARAMETER, parameters, single};
use crate::date::{parse_basic, parse_http};
use crate::signature::ALGORITHM;
use crate::{AuthError, Credential, HeaderNames};

const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// How a request is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// In the `Authorization` header.
    Header(SignedHeader),
    /// In the query: a presigned URL.
    Query(SignedQuery),
}

impl Signed {
    /// Who signed, and for what.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        match self {
            Self::Header(header) => &header.credential,
            Self::Query(query) => &query.credential,
        }
    }

    /// The token of a temporary session, if one was sent.
    #[must_use]
    pub fn session_token(&self) -> Option<&str> {
        match self {
            Self::Header(header) => header.session_token.as_deref(),
            Self::Query(query) => query.session_token.as_deref(),
        }
    }
}

/// A signature in the `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeader {
    /// Who signed, and for what.
    pub credential: Credential,
    /// The headers that the signature covers.
    pub signed_headers: HeaderNames,
    /// The signature, 64 hexadecimal digits when it is a good one.
    pub signature: String,
    /// When it was signed (`X-Amz-Date`, else `Date`).
    pub at: Timestamp,
    /// The token of a temporary session (`X-Amz-Security-Token`).
    pub session_token: Option<String>,
}

/// A signature in the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedQuery {
    /// Who signed, and for what.
    pub credential: Credential,
    /// The headers that the signature covers.
    pub signed_headers: HeaderNames,
    /// The signature, 64 hexadecimal digits when it is a good one.
    pub signature: String,
    /// When it was signed (`X-Amz-Date`).
    pub at: Timestamp,
    /// For how long it is valid (`X-Amz-Expires`).
    pub expires: Duration,
    /// The token of a temporary session (`X-Amz-Security-Token`).
    pub session_token: Option<String>,
}

/// Reads the signature of a request; `None` when it carries none.
///
/// # Errors
///
/// [`AuthError::IncompleteSignature`] for missing, repeated or malformed parts, and for a signature in both places;
/// [`AuthError::InvalidSignature`] for a credential scope that contradicts itself or the request's date.
pub fn parse(parts: &Parts) -> Result<Option<Signed>, AuthError> {
    let authorization = single(&parts.headers, &AUTHORIZATION).map_err(AuthError::IncompleteSignature)?;
    let query = QueryAuth::collect(parts.uri.query().unwrap_or(""))?;
    match (authorization, query.is_signature()) {
        (None, false) => Ok(None),
        (Some(value), false) => header(parts, value).map(|header| Some(Signed::Header(header))),
        (None, true) => query.finish().map(|query| Some(Signed::Query(query))),
        (Some(_), true) => Err(AuthError::IncompleteSignature(
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the Authorization header \
             should be specified"
                .to_owned(),
        )),
    }
}

fn header(parts: &Parts, authorization: &str) -> Result<SignedHeader, AuthError> {
    let incomplete = AuthError::IncompleteSignature;
    let (scheme, rest) = authorization.split_once(' ').unwrap_or((authorization, ""));
    if scheme.starts_with("AWS4-") && scheme != ALGORITHM {
        return Err(incomplete(format!("Unsupported AWS 'algorithm': '{scheme}'.")));
    }
    let [credential, signed_headers, signature] = components(rest)?;
    let amz_date = single(&parts.headers, &AMZ_DATE).map_err(incomplete)?;
    let date = single(&parts.headers, &DATE).map_err(incomplete)?;
    let required = [
        (credential.is_none(), "'Credential' parameter"),
        (signature.is_none(), "'Signature' parameter"),
        (signed_headers.is_none(), "'SignedHeaders' parameter"),
        (amz_date.or(date).is_none(), "existence of either a 'X-Amz-Date' or a 'Date' header"),
    ];
    let missing: Vec<String> = required
        .iter()
        .filter(|(absent, _)| *absent)
        .map(|(_, what)| format!("Authorization header requires {what}."))
        .collect();
    // The scheme alone is repeated to the caller: what follows it may be somebody's password.
    let refusal = || incomplete(format!("{} Authorization={scheme}", missing.join(" ")));
    let (Some(credential), Some(signature), Some(signed_headers), Some(text)) =
        (credential, signature, signed_headers, amz_date.or(date))
    else {
        return Err(refusal());
    };
    if scheme != ALGORITHM {
        return Err(incomplete(format!("Unsupported AWS 'algorithm': '{scheme}'.")));
    }
    let at = parse_basic(text).or_else(|| amz_date.is_none().then(|| parse_http(text)).flatten());
    let at = at.ok_or_else(|| bad_date(text))?;
    let credential = Credential::parse(credential)?;
    check_day(&credential, at)?;
    Ok(SignedHeader {
        credential,
        signed_headers: HeaderNames::parse(signed_headers)?,
        signature: signature.to_owned(),
        at,
        session_token: single(&parts.headers, &SECURITY_TOKEN).map_err(incomplete)?.map(str::to_owned),
    })
}

/// Splits `Credential=…, SignedHeaders=…, Signature=…`, in any order.
fn components(rest: &str) -> Result<[Option<&str>; 3], AuthError> {
    let mut found = [None; 3];
    for pair in rest.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(AuthError::IncompleteSignature(
                "a part of the Authorization header is not a valid key=value pair (missing equal-sign)"
                    .to_owned(),
            ));
        };
        let slot = match name {
            "Credential" => &mut found[0],
            "SignedHeaders" => &mut found[1],
            "Signature" => &mut found[2],
            // AWS ignores what it does not know.
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(AuthError::IncompleteSignature(format!("Authorization header repeats '{name}'.")));
        }
    }
    Ok(found.map(|value| value.filter(|value| !value.is_empty())))
}

/// The query parameters of a presigned URL.
#[derive(Default)]
struct QueryAuth {
    algorithm: Option<String>,
    credential: Option<String>,
    signature: Option<String>,
    signed_headers: Option<String>,
    date: Option<String>,
    expires: Option<String>,
    session_token: Option<String>,
}

impl QueryAuth {
    fn collect(query: &str) -> Result<Self, AuthError> {
        let mut auth = Self::default();
        let mut repeated = None;
        for (name, value) in parameters(query) {
            let slot = match name.as_slice() {
                b"X-Amz-Algorithm" => &mut auth.algorithm,
                b"X-Amz-Credential" => &mut auth.credential,
                b"X-Amz-Signature" => &mut auth.signature,
                b"X-Amz-SignedHeaders" => &mut auth.signed_headers,
                b"X-Amz-Date" => &mut auth.date,
                b"X-Amz-Expires" => &mut auth.expires,
                b"X-Amz-Security-Token" => &mut auth.session_token,
                _ => continue,
            };
            if slot.replace(String::from_utf8_lossy(&value).into_owned()).is_some() {
                repeated = Some(String::from_utf8_lossy(&name).into_owned());
            }
        }
        match repeated {
            Some(name) => Err(AuthError::IncompleteSignature(format!(
                "Query-string parameter '{name}' must not be repeated."
            ))),
            None => Ok(auth),
        }
    }

    fn is_signature(&self) -> bool {
        self.algorithm.is_some() || self.credential.is_some() || self.signature.is_some()
    }

    fn finish(self) -> Result<SignedQuery, AuthError> {
        let incomplete = AuthError::IncompleteSignature;
        let required = [
            (&self.algorithm, "X-Amz-Algorithm"),
            (&self.credential, "X-Amz-Credential"),
            (&self.signature, SIGNATURE_PARAMETER),
            (&self.signed_headers, "X-Amz-SignedHeaders"),
            (&self.date, "X-Amz-Date"),
            (&self.expires, "X-Amz-Expires"),
        ];
        let mut missing = String::new();
        for (_, name) in required.iter().filter(|(value, _)| value.as_ref().is_none_or(String::is_empty)) {
            missing.push_str(&format!("AWS query-string parameters must include '{name}'. "));
        }
        let (
            Some(algorithm),
            Some(credential),
            Some(signature),
            Some(signed_headers),
            Some(date),
            Some(expires),
            "",
        ) = (
            self.algorithm,
            self.credential,
            self.signature,
            self.signed_headers,
            self.date,
            self.expires,
            missing.as_str(),
        )
        else {
            return Err(incomplete(format!("{missing}Re-examine the query-string parameters.")));
        };
        if algorithm != ALGORITHM {
            return Err(incomplete(format!("Unsupported AWS 'algorithm': '{algorithm}'.")));
        }
        let at = parse_basic(&date).ok_or_else(|| bad_date(&date))?;
        let credential = Credential::parse(&credential)?;
        check_day(&credential, at)?;
        Ok(SignedQuery {
            credential,
            signed_headers: HeaderNames::parse(&signed_headers)?,
            signature,
            at,
            expires: expiry(&expires)?,
            session_token: self.session_token,
        })
    }
}

/// Reads `X-Amz-Expires`: from a second to a week.
fn expiry(text: &str) -> Result<Duration, AuthError> {
    const WEEK_SECONDS: u64 = 604_800;
    let problem = match text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>()) {
        Some(Ok(seconds @ 1..=WEEK_SECONDS)) => return Ok(Duration::from_secs(seconds)),
        Some(Ok(0)) => "X-Amz-Expires must be at least 1 second",
        Some(_) => {
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"
        }
        None => "X-Amz-Expires should be a number",
    };
    Err(AuthError::IncompleteSignature(problem.to_owned()))
}

fn bad_date(text: &str) -> AuthError {
    AuthError::IncompleteSignature(format!(
        "Date must be in ISO-8601 'basic format'. Got '{text}'. See http://en.wikipedia.org/wiki/ISO_8601"
    ))
}

fn check_day(credential: &Credential, at: Timestamp) -> Result<(), AuthError> {
    let (year, month, day, ..) = at.civil();
    let scope = credential.date.parse();
    // Eight characters leave no room for a sign or a zero ahead.
    if credential.date.len() == 8 && scope == Ok(year * 10_000 + i64::from(month * 100 + day)) {
        return Ok(());
    }
    let date = crate::date::basic(at);
    Err(AuthError::InvalidSignature(format!(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}', \
         from '{date}'.",
        credential.date,
        &date[..8],
    )))
}
