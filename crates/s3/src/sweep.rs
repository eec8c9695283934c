//! Removes files that no record refers to: what requests left that failed, and servers that died.

use std::collections::HashSet;
use std::io;

use lambent_store::Record;

use crate::engine::Engine;
use crate::records::{self, Content, Object, Part, Piece};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Store(#[from] lambent_store::Error),
    #[error(transparent)]
    Folder(#[from] io::Error),
}

impl Engine {
    /// Before the first request: later there would be files that are not referred to yet.
    pub(crate) async fn sweep(&self) -> Result<(), Error> {
        let mut there = HashSet::new();
        self.files.each(|id| {
            there.insert(id.to_owned());
        })?;
        if there.is_empty() {
            return Ok(());
        }
        for kind in records::REFERRING {
            let mut keep = |file: &str| {
                there.remove(file);
            };
            self.store.each(kind, |record| referred(&record, &mut keep)).await?;
        }
        if !there.is_empty() {
            tracing::info!(files = there.len(), "files of objects that nothing refers to are removed");
        }
        there.iter().for_each(|id| self.files.remove(id));
        Ok(())
    }
}

/// Small bodies are no JSON, or at least no list of files.
fn referred(record: &Record, mut take: impl FnMut(&str)) -> Result<(), lambent_store::Error> {
    if records::is_body(&record.key) {
        let pieces: Vec<Piece> = record.decode().unwrap_or_default();
        pieces.iter().for_each(|piece| take(&piece.file));
    } else if records::is_part(&record.key) {
        take(&record.decode::<Part>()?.file);
    } else if let Content::File(file) = record.decode::<Object>()?.content {
        take(&file);
    }
    Ok(())
}
