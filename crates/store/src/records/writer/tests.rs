//! What only the writer's own connection can show.

use super::*;

fn put(name: &str, expect: Expect, body: Vec<u8>) -> Vec<Write> {
    let key = Key { kind: "thing", partition: "p".into(), name: name.into() };
    vec![Write::Put { key, expect, body }]
}

fn writer(dir: &std::path::Path) -> Writer {
    let path = dir.join("lambent.db");
    let conn = super::super::schema::open_for_writing(&path).unwrap();
    let lock = super::super::schema::lock(dir).unwrap();
    let told = Told {
        feed: broadcast::channel(64).0,
        arrivals: broadcast::channel(64).0,
        last_version: Arc::default(),
        announced: watch::channel(0).0,
    };
    Writer::new(conn, path, told, Arc::default(), lock).unwrap()
}

#[test]
fn a_failing_command_rolls_back_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path());
    let mut feed = writer.told.feed.subscribe();
    let mut half = put("b", Expect::Any, vec![2]);
    half.extend(put("a", Expect::Absent, vec![9]));
    let results =
        writer.commit_group(vec![put("a", Expect::Absent, vec![1]), half, put("c", Expect::Absent, vec![3])]);
    assert!(matches!(&results[..], [Ok(_), Err(Error::Conflict { key }), Ok(_)] if key.name == "a"));
    let names: Vec<String> = std::iter::from_fn(|| feed.try_recv().ok()).map(|c| c.key.name).collect();
    assert_eq!(names, ["a", "c"]);
    let stored: String = writer
        .conn
        .query_row("SELECT group_concat(name || hex(body), ' ') FROM record", [], |row| row.get(0))
        .unwrap();
    assert_eq!(stored, "a01 c03");
}

#[test]
fn a_full_disk_fails_the_group_and_the_store_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path());
    writer.conn.execute_batch("PRAGMA max_page_count = 16").unwrap();
    let results = writer
        .commit_group(vec![put("small", Expect::Any, vec![1]), put("big", Expect::Any, vec![0; 200_000])]);
    assert!(
        matches!(&results[..], [Err(Error::DiskFull { .. }), Err(Error::DiskFull { .. })]),
        "{results:?}"
    );
    let rows: u64 = writer.conn.query_row("SELECT count(*) FROM record", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0, "a command that was answered with an error is not stored");
    writer.conn.execute_batch("PRAGMA max_page_count = 100000").unwrap();
    assert!(writer.commit_group(vec![put("big", Expect::Absent, vec![0; 200_000])])[0].is_ok());
}
