//! Bodies as files: `s3/ab/abcdef…`, each written once under a random name and never changed.
//!
//! A file is on the disk, with its entry in its folder, before a record refers to it; a file that no record refers to is
//! rubbish of a request that failed or of a server that died, and is removed at the next start. So a key always names
//! the bytes of one request, whatever else happens at the same time.
//!
//! Whoever reads an object pins its files: those of an object that is deleted meanwhile go when the last reader has.

use std::collections::{HashMap, HashSet};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lambent_model::Entropy;

/// The folder. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Files {
    root: Arc<Path>,
    entropy: Arc<dyn Entropy>,
    readers: Arc<Mutex<Readers>>,
}

/// Who reads which files.
#[derive(Default)]
struct Readers {
    /// How many.
    pins: HashMap<String, usize>,
    /// Files to be removed when nobody reads them any more.
    doomed: HashSet<String>,
}

impl Files {
    /// Opens the folder and makes what is missing of it.
    pub(crate) fn open(root: &Path, entropy: Arc<dyn Entropy>) -> io::Result<Self> {
        // Objects may be secrets, and nobody but the server needs to come to them.
        let make = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
        make(root)?;
        for first in 0..=u8::MAX {
            make(&root.join(format!("{first:02x}")))?;
        }
        File::open(root)?.sync_all()?;
        Ok(Self { root: root.into(), entropy, readers: Arc::default() })
    }

    fn path(&self, id: &str) -> PathBuf {
        self.root.join(&id[..2]).join(id)
    }

    /// A name that nobody has.
    pub(crate) fn id(&self) -> String {
        let mut random = [0; 16];
        self.entropy.fill(&mut random);
        hex::encode(random)
    }

    /// A new file. Blocks.
    pub(crate) fn create(&self) -> io::Result<(File, Draft)> {
        let id = self.id();
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path(&id))?;
        Ok((file, self.draft(id)))
    }

    fn draft(&self, id: String) -> Draft {
        Draft { files: self.clone(), id: Some(id) }
    }

    /// A second name for a file's bytes: copies of objects cost no space. Blocks.
    pub(crate) fn link(&self, id: &str) -> io::Result<Draft> {
        let copy = self.id();
        std::fs::hard_link(self.path(id), self.path(&copy))?;
        let draft = self.draft(copy.clone());
        self.sync_folder(&copy)?;
        Ok(draft)
    }

    /// Sees that the file's entry is on the disk. Blocks.
    pub(crate) fn sync_folder(&self, id: &str) -> io::Result<()> {
        let path = self.path(id);
        File::open(path.parent().expect("a file lies in a folder"))?.sync_all()
    }

    /// Blocks.
    pub(crate) fn read(&self, id: &str) -> io::Result<File> {
        File::open(self.path(id))
    }

    /// Removes a file that no record refers to any more. One that stays, because the disk failed, is found at the next
    /// start. Blocks.
    pub(crate) fn remove(&self, id: &str) {
        let mut readers = self.readers();
        if readers.pins.contains_key(id) {
            readers.doomed.insert(id.to_owned());
            return;
        }
        // Under the lock: who pins it from now on finds it gone.
        if let Err(error) = std::fs::remove_file(self.path(id))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(id, %error, "the file of a deleted object could not be removed");
        }
    }

    fn readers(&self) -> MutexGuard<'_, Readers> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps files for a reader. They may be gone already; then the first of them is, for they go in their order.
    pub(crate) fn pin(&self, ids: Vec<String>) -> Pins {
        let mut readers = self.readers();
        for id in &ids {
            *readers.pins.entry(id.clone()).or_default() += 1;
        }
        Pins { files: self.clone(), ids }
    }

    /// Every file that is there. Blocks.
    pub(crate) fn each(&self, mut take: impl FnMut(&str)) -> io::Result<()> {
        for first in 0..=u8::MAX {
            for entry in std::fs::read_dir(self.root.join(format!("{first:02x}")))? {
                if let Some(id) = entry?.file_name().to_str() {
                    take(id);
                }
            }
        }
        Ok(())
    }
}

/// The files of one reader.
pub(crate) struct Pins {
    files: Files,
    ids: Vec<String>,
}

impl Drop for Pins {
    fn drop(&mut self) {
        let mut over = Vec::new();
        let mut readers = self.files.readers();
        for id in &self.ids {
            let count = readers.pins.get_mut(id).expect("it was pinned");
            *count -= 1;
            if *count == 0 {
                readers.pins.remove(id);
                if readers.doomed.remove(id) {
                    over.push(id.clone());
                }
            }
        }
        drop(readers);
        over.iter().for_each(|id| self.files.remove(id));
    }
}

/// A file that no record refers to yet: it goes when this does, unless it is kept.
pub(crate) struct Draft {
    files: Files,
    id: Option<String>,
}

impl Draft {
    pub(crate) fn id(&self) -> &str {
        self.id.as_deref().expect("only keeping it takes the id")
    }

    /// A record refers to it now, or is about to.
    pub(crate) fn keep(mut self) -> String {
        self.id.take().expect("only this takes it")
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(id) = &self.id {
            self.files.remove(id);
        }
    }
}

/// A file that is being written.
pub(crate) struct Growing {
    file: File,
    draft: Draft,
}

impl Growing {
    /// Blocks.
    pub(crate) fn create(files: &Files) -> io::Result<Self> {
        let (file, draft) = files.create()?;
        Ok(Self { file, draft })
    }

    /// Blocks.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(&mut self.file, bytes)
    }

    /// All of it is on the disk when this returns. Blocks.
    pub(crate) fn finish(self) -> io::Result<Draft> {
        self.file.sync_data()?;
        self.draft.files.sync_folder(self.draft.id())?;
        Ok(self.draft)
    }
}
