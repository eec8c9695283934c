//! The tree that a package becomes, planned in memory before anything is written.
//!
//! Nodes are kept by component and not by path, so that the plan is as large as the names in the zip and no larger.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use zip::ZipArchive;
use zip::extra_fields::ExtraField;
use zip::result::ZipError;

use crate::{Failure, Kind, Limits};

/// Directories within each other at most. The deepest trees of npm stay under forty.
pub(crate) const DEPTH: usize = 100;
/// A component's bytes at most, as on every Linux file system.
const COMPONENT: usize = 255;
/// A path's bytes at most: the kernel's 4,096 with room for where the tree is mounted.
const PATH: usize = 4000;

const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFLNK: u32 = 0o120_000;

/// The tree; the first node is its root.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) nodes: Vec<Node>,
}

/// One name in the tree.
#[derive(Debug)]
pub(crate) enum Node {
    /// A directory with its mode, its time if an entry names it, and what is in it.
    Directory { mode: u32, modified: Option<i64>, children: BTreeMap<Vec<u8>, usize> },
    /// A file: the entry that holds its bytes.
    File { entry: usize, mode: u32, modified: i64 },
    /// A symbolic link: the entry that holds its target.
    Link { entry: usize },
}

/// What an entry says about itself.
#[derive(Debug, Clone)]
struct Entry {
    index: usize,
    name: Vec<u8>,
    /// Type and permission bits; `None` when the archive was made where there are none.
    mode: Option<u32>,
    /// Seconds since the epoch.
    modified: i64,
}

/// Sorts the zip reader's errors: what the package is to blame for, and what not.
pub(crate) fn malformed(error: ZipError) -> Failure {
    match error {
        ZipError::Io(io) => read_error(&io),
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => {
            Failure::new(Kind::Unsupported, error.to_string())
        }
        other => Failure::new(Kind::NotAZip, other.to_string()),
    }
}

/// An error while reading: the operating system's is not the package's fault, the decoder's is.
pub(crate) fn read_error(error: &std::io::Error) -> Failure {
    let kind = if error.raw_os_error().is_some() { Kind::Internal } else { Kind::NotAZip };
    Failure::new(kind, format!("cannot read the zip: {error}"))
}

impl Plan {
    /// Checks every entry's headers and plans the whole tree.
    pub(crate) fn of_archive<R: Read + Seek>(
        archive: &mut ZipArchive<R>,
        limits: Limits,
    ) -> Result<Self, Failure> {
        if archive.is_empty() {
            return Err(Failure::new(Kind::Empty, "the zip has no entries"));
        }
        if archive.len() > limits.entries {
            return Err(too_many(limits));
        }
        // Entries that share bytes make small zips of huge trees (David Fifield, "A better zip bomb", 2019), and
        // mean different things to different readers.
        if archive.has_overlapping_entries().map_err(malformed)? {
            return Err(Failure::new(Kind::Unsafe, "entries overlap"));
        }
        let mut entries = Vec::with_capacity(archive.len());
        for index in 0..archive.len() {
            let file = archive.by_index_raw(index).map_err(malformed)?;
            entries.push((file.central_header_start(), entry(index, &file)?));
        }
        // The order of the central directory, so that the last of two entries with one path wins.
        entries.sort_unstable_by_key(|(position, _)| *position);
        let mut plan = Self { nodes: vec![implicit_directory()] };
        for (_, entry) in entries {
            plan.add(&entry, limits)?;
        }
        Ok(plan)
    }

    fn add(&mut self, entry: &Entry, limits: Limits) -> Result<(), Failure> {
        let refuse = |why: &str| {
            Err(Failure::new(Kind::Unsafe, format!("entry {:?} {why}", String::from_utf8_lossy(&entry.name))))
        };
        let kind = entry.mode.unwrap_or(0) & S_IFMT;
        let directory = entry.name.ends_with(b"/") || kind == S_IFDIR;
        if !matches!(kind, 0 | S_IFREG | S_IFLNK | S_IFDIR) {
            return refuse("is neither a file, a directory nor a symbolic link");
        }
        if entry.name.ends_with(b"/") && !matches!(kind, 0 | S_IFDIR) {
            return refuse("has the name of a directory but is none");
        }
        let components = match components(&entry.name) {
            Ok(components) => components,
            Err(why) => return refuse(why),
        };
        let Some((last, parents)) = components.split_last() else {
            // `./` and the like name the root itself, which keeps its own mode.
            return if directory { Ok(()) } else { refuse("has no name") };
        };
        let mut at = 0;
        for component in parents {
            at = self.child(at, component, limits)?;
            if !matches!(self.nodes[at], Node::Directory { .. }) {
                return refuse("lies beneath a file or a symbolic link");
            }
        }
        let permissions =
            entry.mode.map(|mode| mode & 0o7777).filter(|mode| *mode != 0).map(|mode| mode & 0o755);
        let modified = entry.modified;
        let new = match kind {
            S_IFLNK => Node::Link { entry: entry.index },
            _ if directory => Node::Directory {
                mode: permissions.unwrap_or(0o755),
                modified: Some(modified),
                children: BTreeMap::new(),
            },
            _ => Node::File { entry: entry.index, mode: permissions.unwrap_or(0o644), modified },
        };
        let at = self.child(at, last, limits)?;
        match self.replace(at, new) {
            Ok(()) => Ok(()),
            Err(()) => refuse("is a directory where an earlier entry is none, or the other way round"),
        }
    }

    /// Puts `new` in the place of an earlier node, or of one that has just been made. A link may give way to a file:
    /// nothing has been written yet that the file could be written through.
    fn replace(&mut self, at: usize, new: Node) -> Result<(), ()> {
        let newest = at + 1 == self.nodes.len();
        match (&mut self.nodes[at], new) {
            (
                Node::Directory { mode, modified, .. },
                Node::Directory { mode: new_mode, modified: new_modified, .. },
            ) => (*mode, *modified) = (new_mode, new_modified),
            (
                old @ (Node::File { .. } | Node::Link { .. }),
                new @ (Node::File { .. } | Node::Link { .. }),
            ) => {
                *old = new;
            }
            // A directory that nothing has been said about: it was made for this entry a moment ago.
            (old @ Node::Directory { modified: None, .. }, new) if newest => *old = new,
            _ => return Err(()),
        }
        Ok(())
    }

    /// The node called `name` in the directory `parent`; where there is none, a directory is made.
    fn child(&mut self, parent: usize, name: &[u8], limits: Limits) -> Result<usize, Failure> {
        let next = self.nodes.len();
        let Node::Directory { children, .. } = &mut self.nodes[parent] else {
            unreachable!("callers check that the parent is a directory");
        };
        if let Some(found) = children.get(name) {
            return Ok(*found);
        }
        // Directories that no entry names count, too: a hundred of them may hide in one name.
        if next > limits.entries {
            return Err(too_many(limits));
        }
        children.insert(name.to_owned(), next);
        self.nodes.push(implicit_directory());
        Ok(next)
    }
}

fn implicit_directory() -> Node {
    Node::Directory { mode: 0o755, modified: None, children: BTreeMap::new() }
}

fn too_many(limits: Limits) -> Failure {
    let detail = format!("the zip has more than {} files and directories", limits.entries);
    Failure::new(Kind::TooManyEntries, detail)
}

/// Splits a name at its slashes; empty components and `.` mean nothing, as everywhere.
fn components(name: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    if name.starts_with(b"/") {
        return Err("has an absolute name");
    }
    if name.contains(&0) {
        return Err("has a NUL in its name");
    }
    if name.len() > PATH {
        return Err("has a name that is too long");
    }
    let components: Vec<&[u8]> = name.split(|b| *b == b'/').filter(|c| !matches!(*c, b"" | b".")).collect();
    if components.contains(&&b".."[..]) {
        return Err("has a name with `..`");
    }
    if components.iter().any(|c| c.len() > COMPONENT) {
        return Err("has a name with a component that is too long");
    }
    if components.len() > DEPTH {
        return Err("lies too deep");
    }
    Ok(components)
}

fn entry<R: Read>(index: usize, file: &zip::read::ZipFile<'_, R>) -> Result<Entry, Failure> {
    if file.encrypted() {
        return Err(Failure::new(Kind::Unsupported, "the zip is encrypted"));
    }
    let raw = file.name_raw();
    let name = match std::str::from_utf8(raw) {
        Ok(_) => raw.to_owned(),
        Err(_) => file.name().map_err(malformed)?.into_owned().into_bytes(),
    };
    // The upper half holds a Unix mode unless the archive was made on DOS or Windows, whose tools leave other
    // things there.
    let mode = match file.external_attributes() {
        _ if file.system() == zip::System::Dos => None,
        attributes => Some(attributes >> 16).filter(|mode| *mode != 0),
    };
    Ok(Entry { index, name, mode, modified: modified(file) })
}

/// The exact time where the archive has one; else DOS's local time, for which UTC is taken, as on AWS's machines.
fn modified<R: Read>(file: &zip::read::ZipFile<'_, R>) -> i64 {
    let exact = file.extra_data_fields().find_map(|field| match field {
        ExtraField::ExtendedTimestamp(times) => times.mod_time(),
        _ => None,
    });
    if let Some(seconds) = exact {
        return i64::from(seconds);
    }
    // The zip epoch stands for a time that is absent or impossible.
    file.last_modified().map_or(315_532_800, |time| {
        let days = days_from_civil(i64::from(time.year()), i64::from(time.month()), i64::from(time.day()));
        let seconds =
            i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
        days * 86_400 + seconds
    })
}

/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", for years after 0.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let year_of_era = year % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year / 400 * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests;
