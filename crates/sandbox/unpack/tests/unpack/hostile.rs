//! Packages that must not be unpacked: each gets AWS's answer, nothing is stored, nothing is left behind.

use crate::support::{Raw, listing, options, put, raw, raw_zip, store, zeros, zip_of};
use lambent_model::Bytes;
use lambent_store::{CodeError, CodeStore};

const FILE: u32 = 0o100_644;
const LINK: u32 = 0o120_777;
const NOT_A_ZIP: &str = "Could not unzip uploaded file. Please check your file, then try to upload again.";

/// Puts the zip and expects the refusal whose detail contains `why`.
async fn refused(what: &str, zip: Vec<u8>, why: &str) {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let error = put(&store, zip).await.expect_err(what);
    assert_eq!(error.to_string(), NOT_A_ZIP, "{what}: {error:?}");
    let CodeError::NotAZip { detail } = &error else { panic!("{what}: {error:?}") };
    assert!(detail.contains(why), "{what}: {detail}");
    assert_eq!(listing(dir.path()), ["packages", "staging"], "{what} left something behind");
}

#[tokio::test]
async fn damaged_archives_are_refused() {
    let honest = zip_of(&[("app.py", &[b'x'; 5000]), ("lib/b.py", b"y")]);
    for length in [0, 1, 10, 40, honest.len() / 2, honest.len() - 1] {
        refused(&format!("cut to {length}"), honest[..length].to_vec(), "").await;
    }
    refused("text", b"def handler(event, context): pass".repeat(100), "").await;
    refused("empty zip", raw_zip(&[]), "no entries").await;
    refused("wrong checksum", raw_zip(&[Raw { crc: 1, ..raw("a", FILE, b"data") }]), "checksum").await;
    let garbage = Raw { method: 8, ..raw("a", FILE, &[0xff; 100]) };
    refused("no deflate stream", raw_zip(&[garbage]), "").await;
    // Any single byte of the structure may be anything: no answer but ours, and never a crash of the program.
    let small = raw_zip(&[raw("a", FILE, b"data"), raw("l", LINK, b"a")]);
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    for at in 0..small.len() {
        let mut damaged = small.clone();
        damaged[at] ^= 0xff;
        match put(&store, damaged).await {
            Ok(_) | Err(CodeError::NotAZip { .. } | CodeError::TooLarge { .. }) => {}
            Err(other) => panic!("byte {at}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn archives_that_need_more_than_deflate_are_refused() {
    refused("encrypted", raw_zip(&[Raw { flags: 1, ..raw("a", FILE, b"data") }]), "encrypted").await;
    for method in [9, 12, 14, 93, 99] {
        refused("method", raw_zip(&[Raw { method, ..raw("a", FILE, b"data") }]), "ompression").await;
    }
}

#[tokio::test]
async fn names_that_leave_the_package_are_refused() {
    for (name, why) in [
        (&b"/etc/cron.d/x"[..], "absolute"),
        (b"../x", ".."),
        (b"a/../../x", ".."),
        (b"a\0/../x", "NUL"),
        (b"", "no name"),
    ] {
        refused(&String::from_utf8_lossy(name), raw_zip(&[raw(name, FILE, b"data")]), why).await;
    }
    // Escapes make the name in the refusal several times as long.
    refused("endless name", raw_zip(&[raw([1; 60_000], FILE, b"data")]), "entry").await;
}

#[tokio::test]
async fn nothing_is_written_through_a_link() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().as_os_str().as_encoded_bytes();
    // World-writable, so that only our own checks are in the way.
    std::fs::set_permissions(outside.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    for (what, entries, why) in [
        ("beneath", vec![raw("l", LINK, target), raw("l/f", FILE, b"evil")], "beneath"),
        ("later", vec![raw("l/f", FILE, b"evil"), raw("l", LINK, target)], "is a directory"),
        ("as directory", vec![raw("l", LINK, target), raw("l/", 0o040_755, b"")], "is a directory"),
        ("no target", vec![raw("l", LINK, b"")], "target"),
        ("endless target", vec![raw("l", LINK, &[b'x'; 5000])], "target"),
    ] {
        refused(what, raw_zip(&entries), why).await;
        assert_eq!(listing(outside.path()), [""; 0], "{what}");
    }
    // With one path, the last entry takes the place of the link before anything is written.
    let dir = tempfile::tempdir().unwrap();
    let link = raw("l", LINK, outside.path().join("f").as_os_str().as_encoded_bytes());
    let package = put(&store(dir.path()), raw_zip(&[link, raw("./l", FILE, b"mine")])).await.unwrap();
    assert_eq!(std::fs::read(package.root().join("l")).unwrap(), b"mine");
    assert!(package.root().join("l").symlink_metadata().unwrap().is_file());
    assert_eq!(listing(outside.path()), [""; 0]);
}

#[tokio::test]
async fn special_files_are_refused() {
    for mode in [0o010_666, 0o020_666, 0o060_666, 0o140_666] {
        refused("special", raw_zip(&[raw("dev", mode, b"")]), "neither a file").await;
    }
}

#[tokio::test]
async fn overlapping_entries_are_refused() {
    // Every name of the central directory points at the same data.
    let same = [raw("a", FILE, b"data"), Raw { local: false, offset: Some(0), ..raw("b", FILE, b"data") }];
    refused("same data", raw_zip(&same), "overlap").await;
    // Fifield's quoting: the data of the first is the header and data of the second.
    let inner = raw("b", FILE, b"kernel");
    let quoted = &raw_zip(std::slice::from_ref(&inner))[..30 + 1 + 6];
    let outer = raw("a", FILE, quoted);
    let quoting = [outer, Raw { local: false, offset: Some(31), ..inner }];
    refused("quoted", raw_zip(&quoting), "overlap").await;
}

#[tokio::test]
async fn bombs_are_stopped_by_what_they_really_unpack_to() {
    let dir = tempfile::tempdir().unwrap();
    let store = CodeStore::open(
        dir.path(),
        lambent_store::CodeOptions { max_unpacked: Bytes(1_000_000), ..options() },
    );
    let store = store.unwrap();
    let (data, crc) = zeros(4 << 20);
    let honest = Raw { method: 8, data, crc, size: 4 << 20, ..raw("z", FILE, b"") };
    // A size that is a lie is found either when it is passed or, at the latest, at the limit.
    for (what, size) in [("honest", 4 << 20), ("zero", 0), ("small", 1000), ("huge", u32::MAX - 1)] {
        let error = put(&store, raw_zip(&[Raw { size, ..honest.clone() }])).await.expect_err(what);
        match error {
            CodeError::TooLarge { limit: Bytes(1_000_000) } => {}
            CodeError::NotAZip { .. } if what == "zero" || what == "small" => {}
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(listing(dir.path()), ["packages", "staging"], "{what}");
    }
    // The limit is on the sum.
    let half = |name| raw(name, FILE, &[b'x'; 600_000]);
    let error = put(&store, raw_zip(&[half("a"), half("b")])).await.unwrap_err();
    assert_eq!(error.to_string(), "Unzipped size must be smaller than 1000000 bytes");
    put(&store, raw_zip(&[half("a"), raw("b", FILE, &[b'x'; 400_000])])).await.expect("exactly the limit");
}

#[tokio::test]
async fn the_limit_of_aws_is_250_mb() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    // 25 files of 10 MiB.
    let (data, crc) = zeros(10 << 20);
    let file =
        |n| Raw { method: 8, data: data.clone(), crc, size: 10 << 20, ..raw(format!("{n}"), FILE, b"") };
    let mut files: Vec<Raw> = (0..25).map(file).collect();
    let package = put(&store, raw_zip(&files)).await.unwrap();
    assert_eq!(package.unpacked_size(), Bytes(262_144_000));
    files.push(raw("one byte more", FILE, b"x"));
    let error = put(&store, raw_zip(&files)).await.unwrap_err();
    assert_eq!(error.to_string(), "Unzipped size must be smaller than 262144000 bytes");
}

#[tokio::test]
async fn entries_are_bounded_with_the_directories_that_their_names_imply() {
    let dir = tempfile::tempdir().unwrap();
    let store =
        CodeStore::open(dir.path(), lambent_store::CodeOptions { max_entries: 100, ..options() }).unwrap();
    let files = |count| raw_zip(&(0..count).map(|n| raw(format!("f{n}"), FILE, b"")).collect::<Vec<_>>());
    assert_eq!(put(&store, files(100)).await.unwrap().files(), 100);
    let nested = raw_zip(&[raw("d/".repeat(60) + "f", FILE, b""), raw("e/".repeat(60) + "f", FILE, b"")]);
    for zip in [files(101), nested] {
        let error = put(&store, zip).await.unwrap_err();
        let CodeError::NotAZip { detail } = &error else { panic!("{error:?}") };
        assert!(detail.contains("more than 100 files"), "{detail}");
    }
}
