//! Counters of a sandbox, read without any right through descriptors that the launcher opened.

use std::os::fd::OwnedFd;
use std::sync::Mutex;

use lambent_model::Bytes;

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
