//! The static programs that travel inside the server, and how they get to where they can be executed: into sealed
//! memory, which nobody can change any more and which needs no place on a disk.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// A program in sealed memory, for the life of this process.
#[derive(Debug)]
pub struct EmbeddedProgram {
    memory: OwnedFd,
}

impl EmbeddedProgram {
    /// A path under which this process, and a child until its `execve`, can execute the program.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.memory.as_raw_fd()).into()
    }

    fn new(name: &str, program: &[u8]) -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = match memfd_create(name, flags | MemfdFlags::EXEC) {
            // Before Linux 6.3 every memory file could be executed, and this flag was unknown.
            Err(rustix::io::Errno::INVAL) => memfd_create(name, flags),
            other => other,
        }?;
        let mut rest = program;
        while !rest.is_empty() {
            let written = rustix::io::write(&memory, rest)?;
            rest = &rest[written..];
        }
        fcntl_add_seals(&memory, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        Ok(Self { memory })
    }
}

impl AsFd for EmbeddedProgram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }
}

fn once(
    place: &'static OnceLock<EmbeddedProgram>,
    name: &str,
    program: &[u8],
) -> io::Result<&'static EmbeddedProgram> {
    if let Some(program) = place.get() {
        return Ok(program);
    }
    let made = EmbeddedProgram::new(name, program)?;
    // Of two that were made at the same time one stays.
    Ok(place.get_or_init(|| made))
}

pub(crate) fn unpack_program() -> io::Result<&'static EmbeddedProgram> {
    static PLACE: OnceLock<EmbeddedProgram> = OnceLock::new();
    once(&PLACE, "lambent-unpack", include_bytes!(env!("LAMBENT_UNPACK")))
}

pub(crate) fn launcher_program() -> io::Result<&'static EmbeddedProgram> {
    static PLACE: OnceLock<EmbeddedProgram> = OnceLock::new();
    once(&PLACE, "lambent-launcher", include_bytes!(env!("LAMBENT_LAUNCHER")))
}

pub(crate) fn init_program() -> io::Result<&'static EmbeddedProgram> {
    static PLACE: OnceLock<EmbeddedProgram> = OnceLock::new();
    once(&PLACE, "lambent-init", include_bytes!(env!("LAMBENT_INIT")))
}
