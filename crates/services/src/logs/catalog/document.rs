//! Documents: what a client hands in and gets back, under a name.

use lambent_model::Scope;
use rusqlite::{Connection, OptionalExtension, params};

/// A kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    MetricFilter,
    SubscriptionFilter,
    ResourcePolicy,
    QueryDefinition,
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Self::MetricFilter => "metric-filter",
            Self::SubscriptionFilter => "subscription-filter",
            Self::ResourcePolicy => "resource-policy",
            Self::QueryDefinition => "query-definition",
        }
    }
}

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    /// The log group's name, or empty.
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) changed_ms: i64,
    pub(crate) body: String,
}

/// Stores a document, in the place of an earlier one of that name.
pub(crate) fn put(conn: &Connection, scope: &Scope, kind: Kind, document: &Document) -> rusqlite::Result<()> {
    let Document { owner, name, changed_ms, body } = document;
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    conn.prepare_cached("INSERT OR REPLACE INTO document VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![kind.text(), account, region, owner, name, changed_ms, body])?;
    Ok(())
}

/// One document.
pub(crate) fn get(
    conn: &Connection,
    scope: &Scope,
    kind: Kind,
    owner: &str,
    name: &str,
) -> rusqlite::Result<Option<Document>> {
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    conn.prepare_cached(
        "SELECT owner, name, changed_ms, body FROM document
         WHERE kind = ?1 AND account = ?2 AND region = ?3 AND owner = ?4 AND name = ?5",
    )?
    .query_row(params![kind.text(), account, region, owner, name], row)
    .optional()
}

/// The documents of one owner, or of all, in the order of owner and name.
pub(crate) fn list(
    conn: &Connection,
    scope: &Scope,
    kind: Kind,
    owner: Option<&str>,
) -> rusqlite::Result<Vec<Document>> {
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    conn.prepare_cached(
        "SELECT owner, name, changed_ms, body FROM document
         WHERE kind = ?1 AND account = ?2 AND region = ?3 AND (?4 IS NULL OR owner = ?4) ORDER BY owner, name",
    )?
    .query_map(params![kind.text(), account, region, owner], row)?
    .collect()
}

/// Removes a document; false when there is none.
pub(crate) fn delete(
    conn: &Connection,
    scope: &Scope,
    kind: Kind,
    owner: &str,
    name: &str,
) -> rusqlite::Result<bool> {
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    let removed = conn
        .prepare_cached(
            "DELETE FROM document WHERE kind = ?1 AND account = ?2 AND region = ?3 AND owner = ?4 AND name = ?5",
        )?
        .execute(params![kind.text(), account, region, owner, name])?;
    Ok(removed > 0)
}

/// Removes all that hangs on a log group.
pub(crate) fn delete_of_group(conn: &Connection, scope: &Scope, group: &str) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM document WHERE account = ?1 AND region = ?2 AND owner = ?3")?
        .execute(params![scope.account.as_str(), scope.region.as_str(), group])?;
    Ok(())
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document { owner: row.get(0)?, name: row.get(1)?, changed_ms: row.get(2)?, body: row.get(3)? })
}
