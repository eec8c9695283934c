//! What of a folder goes into the package, in the order in which it goes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Error;

/// Folders that hold nothing a function runs: version control, caches, virtual environments, tools' own state.
const LEFT_OUT_FOLDERS: [&str; 9] = [
    ".git",
    ".hg",
    ".svn",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".venv",
    ".aws-sam",
];
/// Files that desktops leave behind.
const LEFT_OUT_FILES: [&str; 1] = [".DS_Store"];
/// Caches of JavaScript build tools; a `.cache` elsewhere may be the function's own.
const LEFT_OUT_PATH: &str = "node_modules/.cache";

/// One name in the archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The path below the folder, with slashes.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Permission bits.
    pub(super) mode: u32,
}

/// What stands at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
}

/// Everything below `folder`, sorted by name.
pub(super) fn walk(folder: &Path) -> Result<Vec<Entry>, Error> {
    let metadata = fs::metadata(folder).map_err(|source| Error::read(folder, source))?;
    if !metadata.is_dir() {
        return Err(Error::NotFolder(folder.to_owned()));
    }
    let mut entries = Vec::new();
    // Names of folders still to be read; a list instead of recursion, since the depth comes from outside.
    let mut pending = vec![String::new()];
    while let Some(parent) = pending.pop() {
        let path = folder.join(&parent);
        for found in fs::read_dir(&path).map_err(|source| Error::read(&path, source))? {
            let found = found.map_err(|source| Error::read(&path, source))?;
            let Some(entry) = entry(&parent, &found)? else { continue };
            if entry.kind == Kind::Folder {
                pending.push(entry.name.clone());
            }
            entries.push(entry);
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn entry(parent: &str, found: &fs::DirEntry) -> Result<Option<Entry>, Error> {
    let path = found.path();
    let own_name = found.file_name().into_string().map_err(|_| Error::Name(path.clone()))?;
    let name = if parent.is_empty() { own_name.clone() } else { format!("{parent}/{own_name}") };
    // Of the link itself, not of what it points to.
    let metadata = found.metadata().map_err(|source| Error::read(&path, source))?;
    let mode = metadata.permissions().mode() & 0o777;
    let (kind, mode) = match metadata.file_type() {
        t if t.is_dir() => (Kind::Folder, mode | 0o555),
        t if t.is_symlink() => (Kind::Link, 0o777),
        t if t.is_file() => (Kind::File, mode | 0o444),
        _ => return Err(Error::Special(path)),
    };
    let left_out = match kind {
        Kind::Folder => {
            LEFT_OUT_FOLDERS.contains(&own_name.as_str())
                || name == LEFT_OUT_PATH
                || name.ends_with(&format!("/{LEFT_OUT_PATH}"))
        }
        // A worktree's or a submodule's `.git` is a file.
        Kind::File | Kind::Link => LEFT_OUT_FILES.contains(&own_name.as_str()) || own_name == ".git",
    };
    Ok((!left_out).then_some(Entry { name, kind, mode }))
}
