//! Counters of a sandbox and what freezes it, used without any right through descriptors that the launcher opened.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use lambent_model::Bytes;
use lambent_sandbox_protocol::Freezer;

use crate::Usage;
use crate::launcher::{Gone, Launched};

/// The open counters, and the last values they had: with the cgroup they vanish, the values stay.
#[derive(Debug)]
pub(crate) struct Meter {
    files: Launched,
    last: Mutex<Usage>,
}

impl Meter {
    pub(crate) fn new(files: Launched) -> Self {
        Self { files, last: Mutex::default() }
    }

    /// The peak of memory alone, for whoever asks at every invocation.
    pub(crate) fn memory_peak(&self) -> Option<Bytes> {
        self.note(self.peak(), 0).memory_peak
    }

    fn peak(&self) -> Option<u64> {
        self.files.peak.as_ref().and_then(read).and_then(|text| text.trim().parse().ok())
    }

    pub(crate) fn read(&self) -> Usage {
        let peak = self.peak();
        let oom = self.files.oom.as_ref().and_then(read);
        let kills = oom.and_then(|text| {
            text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
        });
        self.note(peak, kills.unwrap_or(0))
    }

    pub(crate) fn freezer(&self) -> Option<Freezer> {
        self.files.freezer.as_ref().map(|(kind, _)| *kind)
    }

    /// Asks the kernel to stop the sandbox's processes or to let them go on. Without a freezer there is nothing to do.
    pub(crate) fn freeze(&self, frozen: bool) -> io::Result<()> {
        let Some((kind, file)) = &self.files.freezer else { return Ok(()) };
        let value = match (kind, frozen) {
            (Freezer::V1, true) => "FROZEN",
            (Freezer::V1, false) => "THAWED",
            (Freezer::V2, true) => "1",
            (Freezer::V2, false) => "0",
        };
        // Both interfaces take a write whole or not at all.
        Ok(rustix::io::pwrite(file, value.as_bytes(), 0).map(drop)?)
    }

    pub(crate) fn finish(&self, gone: &Gone) {
        self.note(gone.memory_peak, gone.oom_kills);
    }

    fn note(&self, peak: Option<u64>, oom_kills: u64) -> Usage {
        let mut last = self.last.lock().expect("nothing panics while it is held");
        // Both only grow.
        last.memory_peak = last.memory_peak.max(peak.map(Bytes));
        last.oom_kills = last.oom_kills.max(oom_kills);
        *last
    }
}

fn read(file: &OwnedFd) -> Option<String> {
    // Far more than either file holds.
    let mut buffer = [0; 1024];
    // ENODEV once the cgroup is gone.
    let length = rustix::io::pread(file, &mut buffer[..], 0).ok()?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}
