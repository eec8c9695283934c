//! The store's port for unpacking zips, carried out by the launcher.

use std::pin::Pin;

use lambent_sandbox_client::Launcher;
use lambent_store::code::{Finished, Job, Unpack};

/// Has zips unpacked by a program that the launcher starts.
pub(crate) struct Unpacker(pub(crate) Launcher);

impl Unpack for Unpacker {
    fn unpack(&self, job: Job) -> Pin<Box<dyn Future<Output = Result<Finished, String>> + Send + '_>> {
        Box::pin(async move {
            let Job { zip, directory, max_bytes, max_entries } = job;
            let done = self.0.unpack(zip.into(), directory, max_bytes, max_entries).await;
            done.map(|done| Finished { answer: done.answer, end: done.end })
                .map_err(|error| error.to_string())
        })
    }
}
