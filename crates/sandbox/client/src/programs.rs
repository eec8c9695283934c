//! The static programs that travel inside the server, and how they get to where they can be executed: into sealed
//! memory, which nobody can change any more and which needs no place on a disk.
//!
//! They are read from the server's own file, where it says they are. Read from where the file is mapped, all of their four
//! megabytes would count as the server's memory from then on.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// What is read at once.
const CHUNK: usize = 32 * 1024;

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
        let memory = File::from(memory);
        if !copy_from_own_file(program, &memory) {
            memory.write_all_at(program, 0)?;
        }
        let memory = OwnedFd::from(memory);
        fcntl_add_seals(&memory, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        Ok(Self { memory })
    }
}

impl AsFd for EmbeddedProgram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }
}

/// Whether `to` has the program now. Not where this process cannot look at itself, or is not what its file says.
fn copy_from_own_file(program: &[u8], to: &File) -> bool {
    let copied = || -> io::Result<bool> {
        let maps = fs::read_to_string("/proc/self/maps")?;
        let Some(begin) = offset_in_file(&maps, program.as_ptr().addr(), program.len()) else {
            return Ok(false);
        };
        let file = File::open("/proc/self/exe")?;
        let mut buffer = vec![0; CHUNK.min(program.len())];
        let mut at = 0;
        while at < program.len() {
            let part = CHUNK.min(program.len() - at);
            file.read_exact_at(&mut buffer[..part], begin + at as u64)?;
            // Of what it should be, as little is touched as says that it is.
            let is_end = at == 0 || at + part == program.len();
            if is_end && buffer[..part] != program[at..at + part] {
                return Ok(false);
            }
            to.write_all_at(&buffer[..part], at as u64)?;
            at += part;
        }
        Ok(true)
    };
    copied().unwrap_or(false)
}

/// Where in the file that is mapped there these bytes of memory are, by proc_pid_maps(5).
fn offset_in_file(maps: &str, address: usize, length: usize) -> Option<u64> {
    maps.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (begin, end) = fields.next()?.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        let (begin, end) = (number(begin)?, number(end)?);
        let offset = number(fields.nth(1)?)?;
        let is_file = fields.nth(1)? != "0";
        let is_there = begin <= address && address.checked_add(length)? <= end;
        (is_file && is_there).then(|| (offset + (address - begin)) as u64)
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_read_from_the_file_in_which_they_are() {
        let program: &[u8] = include_bytes!(env!("LAMBENT_INIT"));
        let memory = File::from(memfd_create("copy", MemfdFlags::CLOEXEC).unwrap());
        assert!(copy_from_own_file(program, &memory));
        let mut copy = vec![0; program.len() + 1];
        let length = memory.read_at(&mut copy, 0).unwrap();
        assert!(copy[..length] == *program, "not a byte is different");
        // What is not in a file is written from where it is.
        let made = program.to_vec();
        assert!(!copy_from_own_file(&made, &memory));
    }

    #[test]
    fn place_in_a_file_is_told_by_the_mapping() {
        let maps = "1000-3000 r--p 00000000 fe:00 42 /bin/x\n3000-5000 r-xp 00004000 fe:00 42 /bin/x\n\
                    5000-6000 rw-p 00000000 00:00 0\n";
        assert_eq!(offset_in_file(maps, 0x3010, 0x10), Some(0x4010));
        assert_eq!(offset_in_file(maps, 0x2ff0, 0x20), None, "in two mappings");
        assert_eq!(offset_in_file(maps, 0x5000, 1), None, "in no file");
    }
}
