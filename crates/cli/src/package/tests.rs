use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("lambent-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: &str, mode: u32) -> &Self {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        self
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Name, mode with file type, content of each entry, in the archive's order.
fn listing(zip: &[u8]) -> Vec<(String, u32, String)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut file = archive.by_index(index).unwrap();
            assert_eq!(file.last_modified(), Some(DateTime::DEFAULT));
            let mut content = String::new();
            file.read_to_string(&mut content).unwrap();
            (file.name().unwrap().into_owned(), file.unix_mode().unwrap(), content)
        })
        .collect()
}

#[test]
fn same_files_give_the_same_bytes_in_any_order_and_at_any_time() {
    let (a, b) = (Folder::new(), Folder::new());
    a.file("x.py", "x", 0o644).file("lib/y.py", "y", 0o644).file("bootstrap", "z", 0o755);
    b.file("bootstrap", "z", 0o755).file("lib/y.py", "y", 0o644).file("x.py", "x", 0o644);
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    File::options().write(true).open(b.0.join("x.py")).unwrap().set_modified(old).unwrap();
    assert_eq!(pack(&a.0).unwrap().zip, pack(&b.0).unwrap().zip);
}

#[test]
fn modes_links_and_folders_are_kept_and_caches_are_not() {
    let folder = Folder::new();
    folder
        .file("lambda_function.py", "code", 0o600)
        .file("bin/tool", "tool", 0o750)
        .file("__pycache__/a.pyc", "", 0o644)
        .file("lib/.git", "gitdir: elsewhere", 0o644)
        .file("node_modules/.cache/a", "", 0o644)
        .file(".cache/mine", "kept", 0o644);
    symlink("bin/tool", folder.0.join("link")).unwrap();
    let package = pack(&folder.0).unwrap();
    let expected = [
        (".cache/", 0o040_755, ""),
        (".cache/mine", 0o100_644, "kept"),
        ("bin/", 0o040_755, ""),
        ("bin/tool", 0o100_754, "tool"),
        ("lambda_function.py", 0o100_644, "code"),
        ("lib/", 0o040_755, ""),
        ("link", 0o120_777, "bin/tool"),
        ("node_modules/", 0o040_755, ""),
    ]
    .map(|(name, mode, content)| (name.to_owned(), mode, content.to_owned()));
    assert_eq!(listing(&package.zip), expected);
    assert_eq!(package.files, 4);
    assert_eq!(package.top_level, ["lambda_function.py", "link"]);
}

#[test]
fn bootstrap_without_the_right_to_execute_is_noticed() {
    let folder = Folder::new();
    folder.file("bootstrap", "", 0o644);
    assert!(pack(&folder.0).unwrap().bootstrap_not_executable);
    folder.file("bootstrap", "", 0o755);
    assert!(!pack(&folder.0).unwrap().bootstrap_not_executable);
}

#[test]
fn what_cannot_be_packed_is_named() {
    let folder = Folder::new();
    assert!(matches!(pack(&folder.0), Err(Error::Empty(_))));
    assert!(matches!(pack(&folder.0.join("absent")), Err(Error::Read { .. })));
    folder.file("f", "", 0o644);
    assert!(matches!(pack(&folder.0.join("f")), Err(Error::NotFolder(_))));
    let _socket = std::os::unix::net::UnixListener::bind(folder.0.join("s")).unwrap();
    let error = pack(&folder.0).unwrap_err();
    assert!(matches!(&error, Error::Special(path) if path.ends_with("s")), "{error}");
}

#[test]
fn growth_beyond_the_budget_is_refused() {
    let folder = Folder::new();
    folder.file("f", "12345", 0o644);
    let path = folder.0.join("f");
    let mut left = 5;
    assert_eq!(read(&path, &mut left).unwrap(), b"12345");
    assert_eq!(left, 0);
    assert!(matches!(read(&path, &mut 4), Err(Error::UnzippedSize)));
}

#[test]
fn files_in_memory_give_the_same_archive_as_a_folder() {
    let folder = Folder::new();
    folder.file("lambda_function.py", "code", 0o644).file("bootstrap", "run", 0o755);
    let files: [(&str, u32, &[u8]); 2] =
        [("lambda_function.py", 0o644, b"code"), ("bootstrap", 0o755, b"run")];
    assert_eq!(pack_files(&files).unwrap(), pack(&folder.0).unwrap().zip);
    assert!(matches!(pack_files(&[files[0], files[0]]), Err(Error::Zip(_))));
}

#[test]
fn a_jar_is_the_package() {
    let folder = Folder::new();
    let jar = pack_files(&[("a/B.class", 0o644, b"class")]).unwrap();
    fs::write(folder.0.join("a-1.0.jar"), &jar).unwrap();
    for path in [folder.0.clone(), folder.0.join("a-1.0.jar")] {
        let package = pack(&path).unwrap();
        assert_eq!(
            (&package.zip, &package.top_level[..], package.files),
            (&jar, &["a-1.0.jar".to_owned()][..], 1)
        );
    }
    folder.file("b.jar", "", 0o644);
    assert!(matches!(pack(&folder.0), Err(Error::Jars(_))));
    assert!(matches!(pack(&folder.0.join("b.jar")), Err(Error::Zip(_))));
}
