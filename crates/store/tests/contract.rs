//! What every engine of the record store has to do. Each check takes a way to open one, so that a second engine
//! runs the same checks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::Path;

use lambent_store::{Change, ChangesError, Error, Expect, Key, Partition, Store, Write};

const THING: &str = "thing";

fn key(partition: &str, name: &str) -> Key {
    Key { kind: THING, partition: partition.into(), name: name.into() }
}

fn put(key: Key, expect: Expect, body: &str) -> Write {
    Write::Put { key, expect, body: body.into() }
}

async fn check(open: impl Fn(&Path) -> Result<Store, Error>) {
    versions_guard_writes(&open).await;
    a_commit_is_all_or_nothing(&open).await;
    lists_are_ordered_and_paged(&open).await;
    all_of_a_kind_comes_in_order_however_many(&open).await;
    the_feed_follows_the_commits(&open).await;
    a_lagging_subscriber_is_told(&open).await;
    records_and_versions_outlive_the_store(&open).await;
    concurrent_writers_lose_no_update(&open).await;
}

async fn versions_guard_writes(open: &impl Fn(&Path) -> Result<Store, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let a = key("p", "a");
    let conflict =
        |result: Result<Vec<u64>, Error>| matches!(result, Err(Error::Conflict { key }) if key.name == "a");

    assert!(conflict(store.commit(vec![put(a.clone(), Expect::Present, "0")]).await));
    let first = store.commit(vec![put(a.clone(), Expect::Absent, "1")]).await.unwrap()[0];
    assert!(conflict(store.commit(vec![put(a.clone(), Expect::Absent, "2")]).await));
    let second = store.commit(vec![put(a.clone(), Expect::Version(first), "2")]).await.unwrap()[0];
    assert!(second > first);
    assert!(conflict(store.commit(vec![put(a.clone(), Expect::Version(first), "3")]).await));
    let found = store.get(&a).await.unwrap().unwrap();
    assert_eq!((found.version, &found.body[..]), (second, &b"2"[..]));

    let delete = |expect| vec![Write::Delete { key: a.clone(), expect }];
    assert!(conflict(store.commit(delete(Expect::Version(first))).await));
    store.commit(delete(Expect::Version(second))).await.unwrap();
    assert_eq!(store.get(&a).await.unwrap(), None);
    assert!(conflict(store.commit(delete(Expect::Present)).await));
    store.commit(delete(Expect::Any)).await.unwrap();
    let third = store.commit(vec![put(a.clone(), Expect::Absent, "4")]).await.unwrap()[0];
    assert!(third > second, "a version must not come back after a delete");
    store.close().await.unwrap();
}

async fn a_commit_is_all_or_nothing(open: &impl Fn(&Path) -> Result<Store, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let writes = vec![put(key("p", "a"), Expect::Any, "1"), put(key("p", "b"), Expect::Present, "1")];
    assert!(matches!(store.commit(writes).await, Err(Error::Conflict { key }) if key.name == "b"));
    assert_eq!(store.all(THING).await.unwrap(), []);
    // Later writes see the earlier ones of their own commit.
    let writes = vec![put(key("p", "a"), Expect::Absent, "1"), put(key("p", "a"), Expect::Present, "2")];
    store.commit(writes).await.unwrap();
    assert_eq!(store.get(&key("p", "a")).await.unwrap().unwrap().body, b"2");
    store.close().await.unwrap();
}

async fn all_of_a_kind_comes_in_order_however_many(open: &impl Fn(&Path) -> Result<Store, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    // More than are read at a time, in partitions of which some names come before others'.
    let names: Vec<(String, String)> =
        (0..600).map(|n| (format!("p{}", n % 3), format!("{:03}", 599 - n))).collect();
    let writes = names.iter().map(|(partition, name)| put(key(partition, name), Expect::Any, "{}"));
    store.commit(writes.collect()).await.unwrap();
    let read = store.all(THING).await.unwrap();
    let read: Vec<_> = read.into_iter().map(|record| (record.key.partition, record.key.name)).collect();
    let mut expected = names;
    expected.sort();
    assert_eq!(read, expected);
    let stopped = store.each(THING, |_| Err(Error::Closed)).await;
    assert!(matches!(stopped, Err(Error::Closed)), "who reads can end it");
    store.close().await.unwrap();
}

async fn lists_are_ordered_and_paged(open: &impl Fn(&Path) -> Result<Store, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let named = |names: &[(&str, &str)]| {
        names.iter().map(|(partition, name)| put(key(partition, name), Expect::Any, "{}")).collect::<Vec<_>>()
    };
    let mut writes = named(&[("q", "a"), ("p", "b"), ("p", "é"), ("p", "B"), ("p", "a:1"), ("p", "a")]);
    writes.push(Write::Put {
        key: Key { kind: "other", ..key("p", "x") },
        expect: Expect::Any,
        body: b"{}".to_vec(),
    });
    store.commit(writes).await.unwrap();
    let list = async |after: Option<&str>, limit| {
        let partition = Partition { kind: THING, partition: "p".into() };
        let records = store.list(&partition, after, limit).await.unwrap();
        records.into_iter().map(|r| r.key.name).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 10).await, ["B", "a", "a:1", "b", "é"]);
    assert_eq!(list(None, 2).await, ["B", "a"]);
    assert_eq!(list(Some("a"), 2).await, ["a:1", "b"]);
    assert_eq!(list(Some("b"), 2).await, ["é"]);
    assert_eq!(list(Some("é"), 2).await, [""; 0]);
    let all: Vec<_> = store.all(THING).await.unwrap().into_iter().map(|r| r.key).collect();
    assert_eq!((all.len(), &all[5]), (6, &key("q", "a")));
    store.close().await.unwrap();
}

async fn the_feed_follows_the_commits(open: &impl Fn(&Path) -> Result<Store, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.commit(vec![put(key("p", "before"), Expect::Any, "0")]).await.unwrap();
    let mut changes = store.changes();
    let versions = store
        .commit(vec![
            put(key("p", "a"), Expect::Any, "1"),
            Write::Delete { key: key("p", "before"), expect: Expect::Any },
        ])
        .await
        .unwrap();
    store.commit(vec![put(key("p", "no"), Expect::Present, "1")]).await.unwrap_err();
    let expected = |seq, name: &str, body: Option<&str>| Change {
        seq,
        key: key("p", name),
        version: seq,
        body: body.map(|body| body.as_bytes().into()),
    };
    assert_eq!(changes.next().await, Ok(expected(versions[0], "a", Some("1"))));
    assert_eq!(changes.next().await, Ok(expected(versions[1], "before", None)));
    store.clone().close().await.unwrap();
    assert_eq!(changes.next().await, Err(ChangesError::Closed));
    assert!(matches!(store.commit(Vec::new()).await, Err(Error::Closed)));
    assert!(matches!(store.get(&key("p", "a")).await, Err(Error::Closed)));
    assert_eq!(store.changes().next().await, Err(ChangesError::Closed));
}

async fn a_lagging_subscriber_is_told(open: &impl Fn(&Path) -> Result<Store, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let mut changes = store.changes();
    for _ in 0..20 {
        let writes = (0..1000).map(|n| put(key("p", &n.to_string()), Expect::Any, "{}")).collect();
        store.commit(writes).await.unwrap();
    }
    let Err(ChangesError::Lagged { missed }) = changes.next().await else {
        panic!("20,000 behind unnoticed")
    };
    let next = changes.next().await.unwrap();
    assert_eq!(next.seq, missed + 1, "what follows the gap must be complete");
    store.close().await.unwrap();
}

async fn records_and_versions_outlive_the_store(open: &impl Fn(&Path) -> Result<Store, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(Error::InUse { .. })), "a second store in one directory");
    let writes = vec![
        Write::put(key("p", "a"), Expect::Any, &vec![1, 2]).unwrap(),
        Write::Delete { key: key("p", "never"), expect: Expect::Any },
    ];
    let versions = store.commit(writes).await.unwrap();
    store.close().await.unwrap();

    let store = open(dir.path()).unwrap();
    let record = store.get(&key("p", "a")).await.unwrap().unwrap();
    assert_eq!((record.version, record.decode::<Vec<u8>>().unwrap()), (versions[0], vec![1, 2]));
    assert!(matches!(record.decode::<String>(), Err(Error::Decode { .. })));
    let later = store.commit(vec![put(key("p", "b"), Expect::Any, "1")]).await.unwrap();
    assert!(later[0] > versions[1], "a version must not come back after a restart");
    store.close().await.unwrap();
}

async fn concurrent_writers_lose_no_update(open: &impl Fn(&Path) -> Result<Store, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let counter = key("p", "counter");
    store.commit(vec![put(counter.clone(), Expect::Absent, "0")]).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, counter) = (store.clone(), counter.clone());
        tasks.spawn(async move {
            for _ in 0..10 {
                loop {
                    let found = store.get(&counter).await.unwrap().unwrap();
                    let next: u32 = found.decode::<u32>().unwrap() + 1;
                    let write = put(counter.clone(), Expect::Version(found.version), &next.to_string());
                    match store.commit(vec![write]).await {
                        Ok(_) => break,
                        Err(Error::Conflict { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap();
    }
    assert_eq!(store.get(&counter).await.unwrap().unwrap().body, b"80");
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    check(Store::open).await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lambent.db"), [0x5a; 8192]).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("lambent.db is damaged"), "{error}");
}

#[tokio::test]
async fn a_damaged_page_is_an_error_and_not_an_answer() {
    use std::os::unix::fs::FileExt;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let writes = (0..2000).map(|n| put(key("p", &format!("{n:05}")), Expect::Any, "some body")).collect();
    store.commit(writes).await.unwrap();
    store.close().await.unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(dir.path().join("lambent.db")).unwrap();
    let length = file.metadata().unwrap().len();
    // Everything after the schema's own pages, so that opening still works.
    for page in 4..length / 4096 {
        file.write_all_at(&[0xff; 4096], page * 4096).unwrap();
    }
    let store = Store::open(dir.path()).unwrap();
    let error = store.all(THING).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    Store::open(dir.path()).unwrap().close().await.unwrap();
    let conn = rusqlite::Connection::open(dir.path().join("lambent.db")).unwrap();
    conn.pragma_update(None, "user_version", 7).unwrap();
    drop(conn);
    assert!(matches!(Store::open(dir.path()), Err(Error::NewerSchema { found: 7, .. })));
}
