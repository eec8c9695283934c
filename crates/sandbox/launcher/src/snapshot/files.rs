//! What a program has in `/tmp`, kept beside its snapshot. An archive, for owners and times inside are others than outside.
//!
//! It is written and read in the sandbox's namespaces, by a process without a right outside of them: whatever names and links the
//! program has chosen, they lead to nothing that the program could not reach itself.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use lambent_sandbox_protocol::Failure;
use rustix::fs::{Mode, OFlags, openat};

use super::inside::Inside;
use crate::step::{Step, refused};

const ARCHIVE: &str = "tmp.tar";
const FOLDER: &str = "/tmp";

/// The file system's own.
const NOT_THE_PROGRAMS: &str = "lost+found";

/// Bytes of all files: with SnapStart AWS supports no larger `/tmp` ("Improving startup performance with Lambda SnapStart").
/// It is what files seem to have, so that one with holes fills no disk.
const MOST: u64 = 512 * 1024 * 1024;

/// Files, folders and links.
const MOST_ENTRIES: usize = 100_000;

/// Keeps what is there; whether it is anything.
pub(super) fn keep(inside: Inside, folder: &OwnedFd) -> Result<bool, Failure> {
    let what = "keep the files in /tmp";
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let archive: File = openat(folder, ARCHIVE, flags, Mode::RUSR | Mode::WUSR).step(what)?.into();
    inside.act(|| write(&archive))?;
    Ok(archive.metadata().step(what)?.len() > 0)
}

/// Puts back what was kept.
pub(super) fn put_back(inside: Inside, folder: &OwnedFd) -> Result<(), Failure> {
    let what = "put back the files in /tmp";
    let archive: File =
        openat(folder, ARCHIVE, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).step(what)?.into();
    inside.act(|| {
        let mut archive = tar::Archive::new(BufReader::new(&archive));
        archive.set_preserve_permissions(true);
        archive.set_preserve_ownerships(true);
        archive.unpack(FOLDER).step(what)
    })
}

/// Writes an archive, and nothing where there is nothing.
fn write(archive: &File) -> Result<(), Failure> {
    let mut found = Vec::new();
    collect(Path::new(FOLDER), &mut found).step("look into /tmp")?;
    let bytes: u64 = found.iter().filter(|(_, kept)| kept.is_file()).map(|(_, kept)| kept.len()).sum();
    if bytes > MOST {
        return Err(refused(format!("the files in /tmp have {bytes} bytes, and a snapshot takes {MOST}")));
    }
    if found.is_empty() {
        return Ok(());
    }
    let mut builder = tar::Builder::new(BufWriter::new(archive));
    builder.follow_symlinks(false);
    for (path, _) in &found {
        let name = path.strip_prefix(FOLDER).expect("it was found there");
        builder.append_path_with_name(path, name).step("keep the files in /tmp")?;
    }
    let mut written = builder.into_inner().step("keep the files in /tmp")?;
    written.flush().step("keep the files in /tmp")
}

/// Everything below a folder, each folder before what is in it. Sockets and pipes are made anew by whoever has them open.
fn collect(folder: &Path, found: &mut Vec<(std::path::PathBuf, fs::Metadata)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kept) = (entry.path(), entry.metadata()?);
        if entry.file_name() == NOT_THE_PROGRAMS && folder == Path::new(FOLDER) {
            continue;
        }
        let is_folder = kept.is_dir();
        if is_folder || kept.is_file() || kept.is_symlink() {
            found.push((path.clone(), kept));
        }
        if found.len() > MOST_ENTRIES {
            return Err(io::Error::other(format!("there are more than {MOST_ENTRIES} files")));
        }
        if is_folder {
            collect(&path, found)?;
        }
    }
    Ok(())
}
