//! Quantities that carry their unit.

use serde::{Deserialize, Serialize};

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// `n` MiB. AWS writes MB and means MiB throughout ("Memory Size: 128 MB" is 134,217,728 bytes).
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }
}

/// A function's memory, in AWS's MB (MiB), which also decides its share of the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemorySize(pub u32);

impl MemorySize {
    /// Memory that comes with one whole vCPU (AWS Lambda Developer Guide: "Configure Lambda function memory").
    pub const MB_PER_VCPU: u32 = 1769;

    /// The memory in bytes.
    #[must_use]
    pub const fn bytes(self) -> Bytes {
        Bytes::mib(self.0 as u64)
    }

    /// The share of one CPU in thousandths: 128 MB is 72, 1,769 MB is 1,000, 10,240 MB is 5,788.
    #[must_use]
    pub const fn cpu_millis(self) -> u32 {
        self.0 * 1000 / Self::MB_PER_VCPU
    }
}
