//! The disk as it may look after the power was cut: out of a journal of what a process did to its files.
//!
//! What a file was told before it was last synced is there. Of what came after, each write, and of a write each sector of
//! 512 bytes, is there or not, as chance has it. A name is sure with its file's sync (as journaling file systems do it) or its
//! folder's; before, it is there or not.

use std::collections::BTreeMap;
use std::path::Path;

/// What disks write whole.
const SECTOR: usize = 512;

#[derive(Debug)]
pub(crate) enum Step {
    Write { path: String, offset: usize, data: Vec<u8> },
    Truncate { path: String, len: usize },
    Sync { path: String },
    SyncDir,
    Unlink { path: String },
    Rename { from: String, to: String },
    Create { path: String },
    Ack(String),
}

/// Reads a journal (`tests/powercut/powercut.c` writes it).
pub(crate) fn read(journal: &[u8]) -> Vec<Step> {
    let (mut at, mut steps) = (0, Vec::new());
    let number = |from: usize, len: usize| {
        let bytes = journal[from..from + len].iter().rev();
        usize::try_from(bytes.fold(0_u64, |value, byte| value << 8 | u64::from(*byte))).unwrap()
    };
    // A record that is not whole is the one at which the process was ended.
    while at + 24 <= journal.len() {
        let (kind, name, offset, len) =
            (number(at, 4), number(at + 4, 4), number(at + 8, 8), number(at + 16, 8));
        let has_data = matches!(kind, 1 | 5 | 6);
        let end = at + 24 + name + if has_data { len } else { 0 };
        if end > journal.len() {
            break;
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let path = text(&journal[at + 24..at + 24 + name]);
        let data = &journal[at + 24 + name..end];
        steps.push(match kind {
            1 => Step::Write { path, offset, data: data.to_vec() },
            2 => Step::Truncate { path, len: offset },
            3 => Step::Sync { path },
            4 => Step::Unlink { path },
            5 => Step::Rename { from: path, to: text(data) },
            6 => Step::Ack(text(data)),
            7 => Step::Create { path },
            8 => Step::SyncDir,
            other => panic!("{other} is no kind of record"),
        });
        at = end;
    }
    steps
}

#[derive(Default, Clone)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>, mut sector_is_there: impl FnMut() -> bool) {
        match self {
            Self::Truncate(len) => content.resize(*len, 0),
            Self::Write(offset, data) => {
                let mut from = 0;
                while from < data.len() {
                    let to = data.len().min((offset + from) / SECTOR * SECTOR + SECTOR - offset);
                    if sector_is_there() {
                        content.resize(content.len().max(offset + to), 0);
                        content[offset + from..offset + to].copy_from_slice(&data[from..to]);
                    }
                    from = to;
                }
            }
        }
    }
}

/// The files of the folder, as they are and as they are sure to be.
#[derive(Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    sure: BTreeMap<String, usize>,
}

impl Disk {
    /// A folder as it lies on the disk, all of it sure.
    pub(crate) fn of(dir: &Path) -> Self {
        let mut disk = Self::default();
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let name = entry.file_name().into_string().unwrap();
                disk.names.insert(name, disk.files.len());
                disk.files.push(File { durable: std::fs::read(entry.path()).unwrap(), pending: Vec::new() });
            }
        }
        disk.sure = disk.names.clone();
        disk
    }

    pub(crate) fn apply(&mut self, step: &Step) {
        match step {
            Step::Create { path } => {
                self.names.insert(path.clone(), self.files.len());
                self.files.push(File::default());
            }
            Step::Write { path, offset, data } => {
                self.file(path).pending.push(Change::Write(*offset, data.clone()));
            }
            Step::Truncate { path, len } => self.file(path).pending.push(Change::Truncate(*len)),
            Step::Sync { path } => {
                let file = self.file(path);
                let mut durable = std::mem::take(&mut file.durable);
                file.pending.drain(..).for_each(|change| change.apply(&mut durable, || true));
                file.durable = durable;
                self.sure.insert(path.clone(), self.names[path]);
            }
            Step::SyncDir => self.sure = self.names.clone(),
            Step::Unlink { path } => drop(self.names.remove(path)),
            Step::Rename { from, to } => {
                let file = self.names.remove(from).expect("what is renamed is there");
                self.names.insert(to.clone(), file);
            }
            Step::Ack(_) => {}
        }
    }

    fn file(&mut self, path: &str) -> &mut File {
        let index = *self.names.get(path).unwrap_or_else(|| panic!("{path} was never created"));
        &mut self.files[index]
    }

    /// Writes into `dir` what may be left. `chance(n)` is a number below n.
    pub(crate) fn cut(&self, dir: &Path, chance: &mut impl FnMut(u64) -> u64) {
        // Nothing of what is not sure, all of it, or some.
        let odds = [0, 8, 1 + chance(7)][usize::try_from(chance(3)).unwrap()];
        let paths = self.names.keys().chain(self.sure.keys());
        for path in paths.collect::<std::collections::BTreeSet<_>>() {
            let (now, sure) = (self.names.get(path), self.sure.get(path));
            let Some(index) = (if now != sure && chance(8) < odds { now } else { sure }) else { continue };
            let file = &self.files[*index];
            let mut content = file.durable.clone();
            for change in &file.pending {
                change.apply(&mut content, || chance(8) < odds);
            }
            std::fs::write(dir.join(path), content).unwrap();
        }
    }
}
