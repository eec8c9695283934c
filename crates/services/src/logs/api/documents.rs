//! What the operations on filters, policies and saved queries have in common: a body under a name, listed in pages.

use lambent_model::Scope;
use rusqlite::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::catalog::document::{self, Document, Kind};
use super::token::{Token, refused};
use super::{DESCRIBE_PAGE, Refusal, View, page_size, unavailable};

/// Stores a body under a name of its owner.
pub(super) fn put<T: Serialize>(
    conn: &Connection,
    scope: &Scope,
    kind: Kind,
    (owner, name): (&str, &str),
    changed_ms: i64,
    body: &T,
) -> Result<(), Refusal> {
    let body = serde_json::to_string(body).expect("shapes are made of texts and numbers");
    let document = Document { owner: owner.to_owned(), name: name.to_owned(), changed_ms, body };
    Ok(document::put(conn, scope, kind, &document)?)
}

/// Reads a body back.
pub(super) fn body<T: DeserializeOwned>(document: &Document) -> Result<T, Refusal> {
    let unreadable =
        |error| unavailable(format!("what is stored as '{}' cannot be read: {error}", document.name));
    Ok(serde_json::from_str(&document.body).map_err(unreadable)?)
}

/// A page of a listing, and the token of the next.
pub(super) struct Listed<T> {
    pub(super) items: Vec<T>,
    pub(super) next_token: Option<String>,
}

/// Lists the bodies that are wanted, by owner and name.
pub(super) fn list<T: DeserializeOwned>(
    view: &View<'_>,
    scope: &Scope,
    kind: Kind,
    owner: Option<&str>,
    (token, limit): (Option<&str>, Option<i32>),
    wanted: impl Fn(&Document, &T) -> bool,
) -> Result<Listed<T>, Refusal> {
    let after = match token.map(Token::decode).transpose()? {
        None => None,
        Some(Token::Document(owner, name)) => Some((owner, name)),
        Some(_) => return Err(refused().into()),
    };
    let size = page_size(limit, DESCRIBE_PAGE);
    let mut listed = Listed { items: Vec::new(), next_token: None };
    let mut last = None;
    for document in document::list(view.conn, scope, kind, owner)? {
        let key = (document.owner.clone(), document.name.clone());
        let item = body(&document)?;
        if after.as_ref().is_some_and(|after| key <= *after) || !wanted(&document, &item) {
            continue;
        }
        if listed.items.len() == size {
            listed.next_token = last.map(|(owner, name)| Token::Document(owner, name).encode());
            break;
        }
        listed.items.push(item);
        last = Some(key);
    }
    Ok(listed)
}
