//! A folder as a deployment package: the same files give the same bytes, so that AWS's `CodeSha256` tells whether
//! anything changed.

mod detect;
mod walk;

use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};

pub use detect::{Detected, Family, detect, fits, is_jar};
use walk::{Entry, Kind, walk};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Largest package that CreateFunction takes directly (AWS Lambda Developer Guide: "Lambda quotas").
const ZIPPED_LIMIT: u64 = 52_428_800;
/// Largest package once unpacked, layers included (same page).
const UNZIPPED_LIMIT: u64 = 262_144_000;

/// A deployment package in memory.
#[derive(Debug)]
pub struct Package {
    /// The zip archive.
    pub zip: Vec<u8>,
    /// Names of what is in the folder itself, sorted: what the runtime is detected from.
    pub top_level: Vec<String>,
    /// How many files and links there are.
    pub files: usize,
    /// Whether `bootstrap` is there without a right to execute it, which AWS refuses only at the first invoke.
    pub bootstrap_not_executable: bool,
}

/// Why a folder cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a file, and no jar.
    #[error("{} is neither folder nor jar; name the folder that holds the function", _0.display())]
    NotFolder(PathBuf),
    /// Nothing to deploy.
    #[error("{} holds no file to deploy", _0.display())]
    Empty(PathBuf),
    /// Java finds classes in one jar, which is the package, or in the jars of `lib`, but in no jar beside each other.
    #[error("{} holds several jars; name the one to deploy, or put them into its folder lib", _0.display())]
    Jars(PathBuf),
    /// Zip archives hold files, folders and links.
    #[error("{} is neither file, folder nor link; remove it from the folder", _0.display())]
    Special(PathBuf),
    /// Zip archives hold UTF-8 names.
    #[error("the name of {} is not UTF-8; rename it", _0.display())]
    Name(PathBuf),
    /// Above AWS's limit once unpacked.
    #[error(
        "the folder holds more than {UNZIPPED_LIMIT} bytes, the limit of a function once unpacked; remove what it does not need"
    )]
    UnzippedSize,
    /// Above AWS's limit for a direct upload.
    #[error(
        "the package has {0} bytes, above the {ZIPPED_LIMIT} that can be sent; remove what the function does not need"
    )]
    ZippedSize(usize),
    /// A jar above AWS's limit for a direct upload.
    #[error(
        "{} has more than {ZIPPED_LIMIT} bytes, the limit of what can be sent; remove what the function does not need", _0.display()
    )]
    JarSize(PathBuf),
    /// The archive could not be written, or a jar is none.
    #[error("cannot build or read the zip archive")]
    Zip(#[from] zip::result::ZipError),
}

impl Error {
    fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }
}

/// Packs `folder`. Blocking: reads and compresses everything in it.
///
/// A jar is a package already (AWS Lambda Developer Guide, "Deploy Java Lambda functions with .zip or JAR file
/// archives"), whether it is named itself or the folder holds it: a jar within a package would not be found by Java.
///
/// Left out are version control, caches and virtual environments. Times are those of an empty zip field, names are
/// sorted, and modes are kept but for the right to read, which everyone gets: the function's user is not ours.
///
/// # Errors
/// When something cannot be read, cannot stand in a zip archive, or is above AWS's limits.
pub fn pack(folder: &Path) -> Result<Package, Error> {
    if is_jar(&folder.to_string_lossy()) && folder.is_file() {
        return jar(folder);
    }
    let entries = walk(folder)?;
    let jars: Vec<_> =
        entries.iter().filter(|entry| is_jar(&entry.name) && !entry.name.contains('/')).collect();
    match jars.as_slice() {
        [] => {}
        [only] => return jar(&folder.join(&only.name)),
        _ => return Err(Error::Jars(folder.to_owned())),
    }
    let files = entries.iter().filter(|entry| entry.kind != Kind::Folder).count();
    if files == 0 {
        return Err(Error::Empty(folder.to_owned()));
    }
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut unzipped_left = UNZIPPED_LIMIT;
    for entry in &entries {
        add(&mut zip, folder, entry, &mut unzipped_left)?;
    }
    let zip = zip.finish()?.into_inner();
    if zip.len() as u64 > ZIPPED_LIMIT {
        return Err(Error::ZippedSize(zip.len()));
    }
    let top_level = entries.iter().filter(|e| e.kind != Kind::Folder && !e.name.contains('/'));
    Ok(Package {
        zip,
        top_level: top_level.map(|entry| entry.name.clone()).collect(),
        files,
        bootstrap_not_executable: entries
            .iter()
            .any(|e| e.name == "bootstrap" && e.kind == Kind::File && e.mode & 0o111 == 0),
    })
}

fn jar(path: &Path) -> Result<Package, Error> {
    let mut left = ZIPPED_LIMIT;
    let zip = read(path, &mut left).map_err(|error| match error {
        Error::UnzippedSize => Error::JarSize(path.to_owned()),
        other => other,
    })?;
    let files = zip::ZipArchive::new(Cursor::new(&zip))?.len();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Package { zip, top_level: vec![name], files, bootstrap_not_executable: false })
}

/// Packs files that are in memory: name with slashes, permission bits, content. Sorted and dated as [`pack`] does.
///
/// # Errors
/// When a name stands twice.
pub fn pack_files(files: &[(&str, u32, &[u8])]) -> Result<Vec<u8>, Error> {
    let mut sorted = files.to_vec();
    sorted.sort_by_key(|(name, _, _)| *name);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, content) in sorted {
        zip.start_file(name, options(mode))?;
        zip.write_all(content).map_err(zip::result::ZipError::from)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// How each entry is written: what depends on the clock is left at its zero, 1980-01-01.
fn options(mode: u32) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::DEFAULT)
        .unix_permissions(mode)
}

fn add(
    zip: &mut ZipWriter<Cursor<Vec<u8>>>,
    folder: &Path,
    entry: &Entry,
    unzipped_left: &mut u64,
) -> Result<(), Error> {
    let options = options(entry.mode);
    let path = folder.join(&entry.name);
    match entry.kind {
        Kind::Folder => zip.add_directory(entry.name.as_str(), options)?,
        Kind::Link => {
            let target = std::fs::read_link(&path).map_err(|source| Error::read(&path, source))?;
            let target = target.into_os_string().into_string().map_err(|_| Error::Name(path))?;
            zip.add_symlink(entry.name.as_str(), target, options)?;
        }
        Kind::File => {
            let bytes = read(&path, unzipped_left)?;
            zip.start_file(entry.name.as_str(), options)?;
            zip.write_all(&bytes).map_err(zip::result::ZipError::from)?;
        }
    }
    Ok(())
}

/// Reads a file as long as the budget lasts; the file may be growing, so its length is not asked beforehand.
fn read(path: &Path, unzipped_left: &mut u64) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(|source| Error::read(path, source))?;
    let mut bytes = Vec::new();
    let read = file.take(*unzipped_left + 1).read_to_end(&mut bytes);
    let count = read.map_err(|source| Error::read(path, source))? as u64;
    *unzipped_left = unzipped_left.checked_sub(count).ok_or(Error::UnzippedSize)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
