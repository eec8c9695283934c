//! Honest packages, and the life of a stored one.

use std::collections::HashSet;
use std::fs;
use std::io::{Cursor, Write as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use crate::support::{Raw, listing, put, raw, raw_zip, root, store, zip_of};
use lambent_model::{Bytes, Sha256};
use sha2::Digest as _;
use zip::write::SimpleFileOptions;

const FILE: u32 = 0o100_644;
const LINK: u32 = 0o120_777;

#[tokio::test]
async fn a_package_is_unpacked_as_its_zip_says() {
    let dir = tempfile::tempdir().unwrap();
    let zip = raw_zip(&[
        raw("bootstrap", 0o100_777, b"#!/bin/sh"),
        raw("setuid", 0o106_755, b"s"),
        raw("private", 0o100_600, b"p"),
        Raw { made_by: 0, mode: 0, ..raw("from-windows\\name", 0, b"w") },
        raw("sealed/", 0o040_500, b""),
        raw("sealed/inside", FILE, b"i"),
        raw("implied/deep/file", FILE, b"f"),
        raw("link", LINK, b"../../etc/passwd"),
        raw("twice", FILE, b"first"),
        raw("./twice", FILE, b"last"),
    ]);
    let package = put(&store(dir.path()), zip.clone()).await.unwrap();
    let found: Vec<String> = listing(package.root())
        .into_iter()
        .map(|path| {
            let metadata = fs::symlink_metadata(package.root().join(&path)).unwrap();
            let expected = if root() { 0 } else { rustix::process::geteuid().as_raw() };
            assert_eq!(metadata.uid(), expected, "owner of {path}");
            format!("{:o} {path}", metadata.mode())
        })
        .collect();
    assert_eq!(
        found,
        [
            "100755 bootstrap",
            "100644 from-windows\\name",
            "40755 implied",
            "40755 implied/deep",
            "100644 implied/deep/file",
            "120777 link",
            "100600 private",
            "40500 sealed",
            "100644 sealed/inside",
            "100755 setuid",
            "100644 twice",
        ]
    );
    assert_eq!(fs::metadata(package.root()).unwrap().mode(), 0o040_755);
    assert_eq!(fs::read(package.root().join("twice")).unwrap(), b"last");
    assert_eq!(fs::read_link(package.root().join("link")).unwrap(), Path::new("../../etc/passwd"));
    // 1980-01-01, the date of every entry above.
    assert_eq!(fs::metadata(package.root().join("bootstrap")).unwrap().mtime(), 315_532_800);
    assert_eq!(package.digest(), Sha256(sha2::Sha256::digest(&zip).into()));
    assert_eq!(package.zip_size(), Bytes(zip.len() as u64));
    assert_eq!((package.files(), package.unreadable()), (8, 2), "`private` and `sealed` are unreadable");
    assert_eq!(package.unpacked_size(), Bytes(9 + 1 + 1 + 1 + 1 + 1 + 16 + 4));
    // So that the temporary directory can be removed by others than root, too.
    fs::set_permissions(package.root().join("sealed"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[tokio::test]
async fn unusual_archives_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let body = |package: lambent_store::Package| fs::read(package.root().join("app.py")).unwrap();

    let mut stub = b"#!/usr/bin/env python3\n".to_vec();
    stub.extend(zip_of(&[("app.py", b"zipapp")]));
    assert_eq!(body(put(&store, stub).await.unwrap()), b"zipapp");

    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("app.py", SimpleFileOptions::default().large_file(true)).unwrap();
    writer.write_all(b"zip64").unwrap();
    writer.set_comment("with a comment").unwrap();
    let zip64 = writer.finish().unwrap().into_inner();
    assert_eq!(body(put(&store, zip64).await.unwrap()), b"zip64");

    // What cannot seek back writes sizes after the data (general purpose bit 3).
    let mut writer = zip::ZipWriter::new_stream(Vec::new());
    writer.start_file("app.py", SimpleFileOptions::default()).unwrap();
    writer.write_all(b"streamed").unwrap();
    let streamed = writer.finish().unwrap().into_inner();
    assert_eq!(body(put(&store, streamed).await.unwrap()), b"streamed");

    let legacy = put(&store, raw_zip(&[raw(b"caf\x82", FILE, b"x")])).await.unwrap();
    assert_eq!(listing(legacy.root()), ["café"], "code page 437");
}

#[tokio::test]
async fn packages_outlive_the_store_and_leftovers_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let zip = zip_of(&[("app.py", b"x")]);
    let digest = {
        let package = put(&store(dir.path()), zip.clone()).await.unwrap();
        package.digest()
    };
    // As a crash in the middle of unpacking leaves it, with a directory that its owner cannot write to.
    let leftover = dir.path().join("staging/7/root/sealed");
    fs::create_dir_all(&leftover).unwrap();
    fs::write(leftover.join("f"), "x").unwrap();
    symlink(dir.path().join("packages"), leftover.join("link")).unwrap();
    fs::set_permissions(&leftover, fs::Permissions::from_mode(0o500)).unwrap();

    let store = store(dir.path());
    assert_eq!(listing(&dir.path().join("staging")), [""; 0]);
    let package = store.open_package(&digest).unwrap().expect("stored before");
    assert_eq!((package.zip_size(), package.unpacked_size()), (Bytes(zip.len() as u64), Bytes(1)));
    assert_eq!(fs::read(package.root().join("app.py")).unwrap(), b"x");
    assert_eq!(store.zip_bytes(&digest).await.unwrap().unwrap(), zip);
    let unknown = Sha256([7; 32]);
    assert!(store.open_package(&unknown).unwrap().is_none());
    assert!(store.zip_bytes(&unknown).await.unwrap().is_none());
}

#[tokio::test]
async fn garbage_is_what_nobody_holds_or_refers_to() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("precious"), "x").unwrap();
    let store = store(dir.path());
    let target = outside.path().as_os_str().as_encoded_bytes();
    let sealed = [raw("sealed/", 0o040_000, b""), raw("sealed/f", FILE, b"x"), raw("sealed/l", LINK, target)];
    let garbage = put(&store, raw_zip(&sealed)).await.unwrap().digest();
    let referenced = put(&store, zip_of(&[("a", b"referenced")])).await.unwrap().digest();
    let held = put(&store, zip_of(&[("a", b"held")])).await.unwrap();
    let recent = zip_of(&[("a", b"recent")]);

    let collection = store.begin_collection().await;
    // Stored and referred to after the records were read for this collection: it must stay.
    let recent = put(&store, recent).await.unwrap().digest();
    let removed = collection.finish(HashSet::from([referenced])).await.unwrap();
    assert_eq!(removed, [garbage]);
    assert!(store.open_package(&garbage).unwrap().is_none());
    for digest in [referenced, recent, held.digest()] {
        assert!(store.open_package(&digest).unwrap().is_some());
    }
    assert_eq!(listing(outside.path()), ["precious"]);
    assert_eq!(listing(&dir.path().join("staging")), [""; 0]);

    // What was removed can come again, and what is let go can go.
    put(&store, raw_zip(&sealed)).await.unwrap();
    drop(held);
    let removed = store.begin_collection().await.finish(HashSet::new()).await.unwrap();
    assert_eq!(removed.len(), 4);
    assert_eq!(listing(dir.path()), ["packages", "staging"]);
}
