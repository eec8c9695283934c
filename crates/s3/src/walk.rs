//! Walks the keys of a bucket in their order: with a prefix, up to a delimiter, page by page.

use std::collections::VecDeque;

use lambent_store::{Partition, Record, Store};
use s3s::S3Result;

use crate::{records, refuse};

/// Records that are read at once.
const PAGE: usize = 500;
/// The last character: what comes after every key that begins so.
const LAST: char = '\u{10ffff}';

/// What a listing has in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Record(Record),
    /// All keys that begin so, to the delimiter and with it.
    Prefix(String),
}

impl Entry {
    /// What the listing can be continued after.
    pub(crate) fn mark(&self) -> &str {
        match self {
            Self::Record(record) => records::name_of(&record.key),
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// A reader of one partition that looks ahead.
pub(crate) struct Cursor<'a> {
    store: &'a Store,
    partition: Partition,
    after: Option<String>,
    page: VecDeque<Record>,
    is_over: bool,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(store: &'a Store, partition: Partition, after: Option<String>) -> Self {
        Self { store, partition, after, page: VecDeque::new(), is_over: false }
    }

    pub(crate) async fn peek(&mut self) -> S3Result<Option<&Record>> {
        if self.page.is_empty() && !self.is_over {
            let page =
                self.store.list(&self.partition, self.after.as_deref(), PAGE).await.map_err(refuse::store)?;
            self.is_over = page.len() < PAGE;
            self.after = page.last().map(|record| record.key.name.clone()).or(self.after.take());
            self.page = page.into();
        }
        Ok(self.page.front())
    }

    pub(crate) fn take(&mut self) -> Option<Record> {
        self.page.pop_front()
    }

    /// Passes over everything up to and with `name`.
    pub(crate) fn skip(&mut self, name: &str) {
        while self.page.front().is_some_and(|record| &*record.key.name <= name) {
            self.page.pop_front();
        }
        if self.page.is_empty() && self.after.as_deref().is_none_or(|after| after < name) {
            self.after = Some(name.to_owned());
        }
    }
}

/// How far keys are alike: the part of `key` up to the first delimiter behind the prefix.
pub(crate) fn common<'k>(key: &'k str, prefix: &str, delimiter: Option<&str>) -> Option<&'k str> {
    let delimiter = delimiter?;
    let end = key[prefix.len()..].find(delimiter)? + prefix.len() + delimiter.len();
    Some(&key[..end])
}

/// What comes after everything that begins with `prefix`.
pub(crate) fn beyond(prefix: &str) -> String {
    format!("{prefix}{LAST}")
}

/// Where a walk begins so that `prefix` itself, which may be a key, is not passed over: right before it.
pub(crate) fn before(prefix: &str) -> Option<String> {
    let mut shorter = prefix.to_owned();
    let last = shorter.pop()?;
    // The character before; surrogates are none. Then the last of all behind it.
    let previous = match last {
        '\0' => return Some(shorter).filter(|shorter| !shorter.is_empty()),
        '\u{e000}' => '\u{d7ff}',
        other => char::from_u32(u32::from(other) - 1).unwrap_or('\0'),
    };
    shorter.push(previous);
    shorter.push(LAST);
    Some(shorter)
}

/// A request for a page.
pub(crate) struct Walk<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) delimiter: Option<&'a str>,
    /// Everything up to and with it has been listed before; where it is a common prefix, all that begins with it.
    pub(crate) after: Option<&'a str>,
    pub(crate) most: usize,
}

impl Walk<'_> {
    /// The next entries, and whether there are more. Records that `wanted` refuses are passed over.
    pub(crate) async fn page(
        &self,
        store: &Store,
        partition: Partition,
        wanted: impl Fn(&Record) -> S3Result<bool>,
    ) -> S3Result<(Vec<Entry>, bool)> {
        let mut entries: Vec<Entry> = Vec::new();
        let begin = [before(self.prefix), self.after.map(|after| self.start(after))];
        let mut cursor = Cursor::new(store, partition, begin.into_iter().flatten().max());
        while let Some(record) = cursor.peek().await? {
            let key = records::name_of(&record.key);
            if !key.starts_with(self.prefix) {
                if key < self.prefix {
                    cursor.take();
                    continue;
                }
                break;
            }
            if !wanted(record)? {
                cursor.take();
                continue;
            }
            let prefix = common(key, self.prefix, self.delimiter).map(str::to_owned);
            if entries.len() >= self.most {
                return Ok((entries, true));
            }
            match prefix {
                Some(prefix) => {
                    cursor.skip(&beyond(&prefix));
                    entries.push(Entry::Prefix(prefix));
                }
                None => entries.extend(cursor.take().map(Entry::Record)),
            }
        }
        Ok((entries, false))
    }

    fn start(&self, after: &str) -> String {
        let is_prefix = after.starts_with(self.prefix)
            && common(after, self.prefix, self.delimiter).is_some_and(|common| common == after);
        if is_prefix { beyond(after) } else { after.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use lambent_store::Expect;

    use super::*;
    use crate::engine::put;

    async fn keys(store: &Store, walk: Walk<'_>) -> (Vec<String>, bool) {
        let (entries, more) = walk.page(store, records::objects("b"), |_| Ok(true)).await.unwrap();
        (entries.iter().map(|entry| entry.mark().to_owned()).collect(), more)
    }

    #[tokio::test]
    async fn keys_are_listed_by_prefix_and_delimiter_in_pages() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let names = ["a", "a/", "a/1", "a/2", "a/b/3", "a0", "b/c/4", "b/d/5", "ü/6", "z"];
        for name in names {
            store.commit(vec![put(records::object_key("b", name), &name).unwrap()]).await.unwrap();
        }
        fn walk<'a>(
            prefix: &'a str,
            delimiter: Option<&'a str>,
            after: Option<&'a str>,
            most: usize,
        ) -> Walk<'a> {
            Walk { prefix, delimiter, after, most }
        }
        let all = keys(&store, walk("", None, None, 100)).await;
        assert_eq!(
            all,
            (
                ["a", "a/", "a/1", "a/2", "a/b/3", "a0", "b/c/4", "b/d/5", "z", "ü/6"]
                    .map(String::from)
                    .to_vec(),
                false
            )
        );
        let top = keys(&store, walk("", Some("/"), None, 100)).await.0;
        assert_eq!(top, ["a", "a/", "a0", "b/", "z", "ü/"]);
        let below = keys(&store, walk("a/", Some("/"), None, 100)).await.0;
        assert_eq!(below, ["a/", "a/1", "a/2", "a/b/"]);
        // Page by page it is the same, whatever the size of pages.
        for size in 1..7 {
            let (mut found, mut after) = (Vec::new(), None::<String>);
            loop {
                let (page, more) = keys(&store, walk("", Some("/"), after.as_deref(), size)).await;
                assert!(page.len() <= size);
                after = page.last().cloned();
                found.extend(page);
                if !more {
                    break;
                }
            }
            assert_eq!(found, top, "{size}");
        }
        assert_eq!(keys(&store, walk("nothing", None, None, 9)).await, (Vec::new(), false));
        assert!(matches!(
            put(records::object_key("b", "x"), &1),
            Ok(lambent_store::Write::Put { expect: Expect::Any, .. })
        ));
    }

    #[test]
    fn what_is_before_a_prefix() {
        for prefix in ["a", "a/", "\u{e000}", "\u{10ffff}", "é"] {
            let before = before(prefix).unwrap();
            assert!(*before < *prefix, "{prefix:?}");
        }
        assert_eq!(before(""), None);
    }
}
