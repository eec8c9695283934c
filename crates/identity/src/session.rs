//! Temporary credentials, of role sessions and of accounts, made and recognised without keeping any of them.
//!
//! The session token holds whose session it is and until when, under a message authentication code of the server's
//! secret; the secret access key is derived from the token. So a token cannot be changed, and whoever sees one (it
//! travels with every request) learns nothing of the secret that goes with it.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use lambent_model::{AccountId, Entropy, Sha256, Timestamp};

use crate::terms::no_terms;
use crate::{AuthError, Credentials, Principal, RoleSession};

/// What tokens of this form begin with; another form would have another.
const FORM: &str = "lambent2";
/// The form of sessions with terms, which stand behind the name. A release that does not know terms does not know the
/// form either, and so cannot overlook them.
const FORM_WITH_TERMS: &str = "lambent3";
/// Base 32 (RFC 4648), of which access key ids are made.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Makes and recognises temporary credentials.
#[derive(Clone)]
pub struct Sessions {
    secret: [u8; 32],
}

/// What temporary credentials stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedSession {
    /// Whom they make their holder.
    pub principal: Principal,
    /// The secret access key that its requests are signed with.
    pub secret: String,
}

impl Sessions {
    /// Sessions under the server's secret.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// Credentials of a principal that end at `expires`.
    #[must_use]
    pub fn issue(&self, principal: &Principal, expires: Timestamp, entropy: &dyn Entropy) -> Credentials {
        let mut random = [0; 16];
        entropy.fill(&mut random);
        let id: String =
            random.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect();
        // "ASIA" marks temporary credentials (IAM User Guide, "IAM identifiers": unique id prefixes).
        let access_key = format!("ASIA{id}");
        let mut form = FORM;
        let whose = match principal {
            Principal::Root(account) => format!("{account}/account//"),
            Principal::AssumedRole(RoleSession { account, role, name, of_function, terms }) => {
                let kind = if *of_function { "function" } else { "role" };
                let mut whose = format!("{account}/{kind}/{role}/{name}");
                if !terms.is_empty() {
                    form = FORM_WITH_TERMS;
                    whose.push('/');
                    BASE64_URL_SAFE_NO_PAD.encode_string(terms.json(), &mut whose);
                }
                whose
            }
        };
        let claims = format!("{form}/{access_key}/{}/{whose}", expires.millis());
        let tag = Sha256(self.mac("token", &claims).finalize().into_bytes().into());
        let token = format!("{claims}/{tag}");
        let secret = self.secret_of(&token);
        Credentials { access_key, secret, session_token: Some(token) }
    }

    /// What a token stands for that came with `access_key`; `None` for one that is not of this server.
    ///
    /// # Errors
    /// [`AuthError::ExpiredToken`] for a session that has ended, [`AuthError::UnrecognizedClient`] for a token that came
    /// with another access key than its own.
    pub fn open(
        &self,
        access_key: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<OpenedSession>, AuthError> {
        let Some((claims, tag)) = token.rsplit_once('/') else { return Ok(None) };
        let genuine =
            tag.parse::<Sha256>().is_ok_and(|tag| self.mac("token", claims).verify_slice(&tag.0).is_ok());
        // Role and session names cannot hold a slash (IAM API Reference: RoleName; STS: RoleSessionName).
        let parts: Vec<&str> = claims.split('/').collect();
        let (key, expires, account, kind, role, name, terms) = match (genuine, &parts[..]) {
            (true, [FORM, key, expires, account, kind, role, name]) => {
                (key, expires, account, kind, role, name, no_terms())
            }
            (true, [FORM_WITH_TERMS, key, expires, account, kind, role, name, terms]) => {
                let json = BASE64_URL_SAFE_NO_PAD.decode(terms).ok();
                let terms = json.and_then(|json| serde_json::from_slice(&json).ok());
                // What this server has made it can read; terms that are not understood are nobody's session.
                let Some(terms) = terms else { return Ok(None) };
                (key, expires, account, kind, role, name, Arc::new(terms))
            }
            _ => return Ok(None),
        };
        let (Ok(expires), Ok(account)) = (expires.parse::<i64>(), account.parse::<AccountId>()) else {
            return Ok(None);
        };
        if *key != access_key {
            return Err(AuthError::UnrecognizedClient);
        }
        if now.millis() >= expires {
            return Err(AuthError::ExpiredToken);
        }
        let principal = match *kind {
            "account" => Principal::Root(account),
            kind => Principal::AssumedRole(RoleSession {
                account,
                role: (*role).to_owned(),
                name: (*name).to_owned(),
                of_function: kind != "role",
                terms,
            }),
        };
        Ok(Some(OpenedSession { principal, secret: self.secret_of(token) }))
    }

    fn secret_of(&self, token: &str) -> String {
        let digest = Sha256(self.mac("secret", token).finalize().into_bytes().into()).to_string();
        // As long as AWS's secret access keys: 160 bits.
        digest[..40].to_owned()
    }

    /// Each purpose has codes of its own, so that none passes for another's.
    fn mac(&self, purpose: &str, text: &str) -> Hmac<sha2::Sha256> {
        let mut mac = Hmac::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(format!("session {purpose}\n{text}").as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SessionTag, SessionTerms};

    struct Counting(std::sync::atomic::AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    }

    fn session(of_function: bool) -> Principal {
        Principal::AssumedRole(RoleSession {
            account: AccountId::default_account(),
            role: "role_+=,.@-".into(),
            name: "fn_name-1".into(),
            of_function,
            terms: no_terms(),
        })
    }

    fn with_terms() -> Principal {
        let tag = SessionTag { key: "Project/a".into(), value: "é/=".into(), transitive: true };
        let terms = SessionTerms {
            policy: Some(r#"{"Version":"2012-10-17"}"#.into()),
            policy_arns: vec!["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess".into()],
            tags: vec![tag],
            source_identity: Some("ann".into()),
        };
        let Principal::AssumedRole(plain) = session(false) else { unreachable!("it is a session") };
        Principal::AssumedRole(RoleSession { terms: Arc::new(terms), ..plain })
    }

    fn issued(sessions: &Sessions, principal: &Principal, expires: i64) -> Credentials {
        sessions.issue(principal, Timestamp::from_millis(expires), &Counting(9.into()))
    }

    #[test]
    fn what_was_issued_is_recognised_until_it_expires() {
        let sessions = Sessions::new([7; 32]);
        let account = Principal::Root("123456789012".parse().unwrap());
        for principal in [session(true), session(false), with_terms(), account] {
            let credentials = issued(&sessions, &principal, 2_000);
            let (key, token) = (&credentials.access_key, credentials.session_token.as_deref().unwrap());
            assert!(key.starts_with("ASIA") && key.len() == 20, "{key}");
            let opened = sessions.open(key, token, Timestamp::from_millis(1_999)).unwrap().unwrap();
            assert_eq!(opened, OpenedSession { principal, secret: credentials.secret.clone() });
            assert_eq!(
                sessions.open(key, token, Timestamp::from_millis(2_000)),
                Err(AuthError::ExpiredToken)
            );
        }
    }

    #[test]
    fn nothing_else_is() {
        let sessions = Sessions::new([7; 32]);
        let credentials = issued(&sessions, &session(true), 2_000);
        let (key, token) = (&credentials.access_key, credentials.session_token.as_deref().unwrap());
        let now = Timestamp::from_millis(0);
        assert_eq!(Sessions::new([8; 32]).open(key, token, now), Ok(None));
        for changed in [
            token.replace("/2000/", "/9999/"),
            token.replace("/000000000000/", "/000000000001/"),
            token.replace("/role_", "/admin_"),
            token.replace("/function/", "/role/"),
            token[1..].to_owned(),
            String::new(),
        ] {
            assert_eq!(sessions.open(key, &changed, now), Ok(None), "{changed}");
        }
        assert_eq!(sessions.open("ASIAOTHER", token, now), Err(AuthError::UnrecognizedClient));
        assert!(!token.contains(&credentials.secret));
        let narrow = issued(&sessions, &with_terms(), 2_000);
        let (key, token) = (&narrow.access_key, narrow.session_token.as_deref().unwrap());
        let (wider, tag) = token.rsplit_once('/').unwrap();
        let wider = wider.rsplit_once('/').unwrap().0.replace("lambent3", "lambent2");
        assert_eq!(sessions.open(key, &format!("{wider}/{tag}"), now), Ok(None), "terms cannot be left out");
    }
}
