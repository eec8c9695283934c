//! A code store around the real program, and zip files of every shape, honest or not.

use std::io::{Cursor, Read as _, Write as _};
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use lambent_store::code::{Finished, Job, Unpack};
use lambent_store::{CodeError, CodeOptions, CodeStore, Package};
use rustix::fs::{MemfdFlags, Mode, OFlags};
use zip::write::SimpleFileOptions;

/// Whom the program runs as where the tests are root: it refuses to run as that.
pub(crate) const NOBODY: u32 = 65_534;

pub(crate) fn root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The program as the server holds it: a file in memory. The user it runs as need not reach the build directory.
pub(crate) fn program() -> PathBuf {
    static PROGRAM: OnceLock<std::os::fd::OwnedFd> = OnceLock::new();
    let held = PROGRAM.get_or_init(|| {
        let memory = rustix::fs::memfd_create("unpack", MemfdFlags::CLOEXEC).unwrap();
        let mut file = std::fs::File::from(memory);
        file.write_all(&std::fs::read(env!("CARGO_BIN_EXE_lambent-sandbox-unpack")).unwrap()).unwrap();
        // A file that is open for writing cannot be executed.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap()
    });
    format!("/proc/self/fd/{}", held.as_raw_fd()).into()
}

pub(crate) fn options() -> CodeOptions {
    CodeOptions::new(Arc::new(Direct(program())))
}

/// Runs a program itself, as the launcher does it in the product.
pub(crate) struct Direct(pub(crate) PathBuf);

impl Unpack for Direct {
    fn unpack(&self, job: Job) -> Pin<Box<dyn Future<Output = Result<Finished, String>> + Send + '_>> {
        Box::pin(async move {
            let (mut output, answers) = std::io::pipe().unwrap();
            let mut command = Command::new(&self.0);
            let directory = format!("/proc/self/fd/{}", job.directory.as_raw_fd());
            command
                .args([job.max_bytes.to_string(), job.max_entries.to_string()])
                .env_clear()
                .stdin(job.zip)
                .stderr(answers.try_clone().unwrap())
                .stdout(answers)
                .current_dir(&directory);
            if root() {
                std::os::unix::fs::chown(&directory, Some(NOBODY), Some(NOBODY)).unwrap();
                command.uid(NOBODY).gid(NOBODY);
            }
            let mut child = command.spawn().unwrap();
            drop(command);
            let mut answer = Vec::new();
            output.read_to_end(&mut answer).unwrap();
            let status = child.wait().unwrap();
            if root() {
                let status = Command::new("chown").args(["-hR", "0:0", "."]).current_dir(&directory).status();
                assert!(status.unwrap().success());
            }
            Ok(Finished { answer, end: status.code().ok_or_else(|| status.signal().unwrap()) })
        })
    }
}

pub(crate) fn store(dir: &Path) -> CodeStore {
    CodeStore::open(dir, options()).unwrap()
}

pub(crate) async fn put(store: &CodeStore, zip: Vec<u8>) -> Result<Package, CodeError> {
    store.put_zip(zip.into()).await
}

/// Everything beneath `dir`, as paths relative to it.
pub(crate) fn listing(dir: &Path) -> Vec<String> {
    fn walk(dir: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{name}/"), found);
            }
            found.push(name);
        }
    }
    let mut found = Vec::new();
    walk(dir, "", &mut found);
    found.sort();
    found
}

/// An honest deflated zip of files with mode 0644.
pub(crate) fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, body) in files {
        writer.start_file(*name, SimpleFileOptions::default().unix_permissions(0o644)).unwrap();
        writer.write_all(body).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// One entry of a zip written byte by byte, in which everything may be a lie.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) name: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) made_by: u8,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) data: Vec<u8>,
    pub(crate) crc: u32,
    pub(crate) size: u32,
    /// Where the central directory says that the entry begins; `None` is the truth.
    pub(crate) offset: Option<u32>,
    /// Whether the entry has bytes of its own.
    pub(crate) local: bool,
}

/// A stored file with true sizes and checksum, made on Unix.
pub(crate) fn raw(name: impl AsRef<[u8]>, mode: u32, data: &[u8]) -> Raw {
    Raw {
        name: name.as_ref().to_owned(),
        mode,
        made_by: 3,
        flags: 0,
        method: 0,
        data: data.to_owned(),
        crc: crc32(data),
        size: u32::try_from(data.len()).unwrap(),
        offset: None,
        local: true,
    }
}

/// APPNOTE.TXT 4.3.7, 4.3.12, 4.3.16: local headers and data, central directory, end.
pub(crate) fn raw_zip(entries: &[Raw]) -> Vec<u8> {
    let mut zip = Vec::new();
    let mut central = Vec::new();
    for entry in entries {
        let packed = u32::try_from(entry.data.len()).unwrap();
        let name_length = u16::try_from(entry.name.len()).unwrap();
        let offset = u32::try_from(zip.len()).unwrap();
        let mut common = Vec::new();
        for field in [20, entry.flags, entry.method, 0, 33] {
            common.extend(field.to_le_bytes());
        }
        for field in [entry.crc, packed, entry.size] {
            common.extend(field.to_le_bytes());
        }
        common.extend(name_length.to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        if entry.local {
            zip.extend(b"PK\x03\x04");
            zip.extend(&common);
            zip.extend(&entry.name);
            zip.extend(&entry.data);
        }
        central.extend(b"PK\x01\x02");
        central.extend([20, entry.made_by]);
        central.extend(&common);
        central.extend([0; 6]);
        central.extend((entry.mode << 16).to_le_bytes());
        central.extend(entry.offset.unwrap_or(offset).to_le_bytes());
        central.extend(&entry.name);
    }
    let count = u16::try_from(entries.len()).unwrap();
    let start = u32::try_from(zip.len()).unwrap();
    zip.extend(&central);
    zip.extend(b"PK\x05\x06\0\0\0\0");
    zip.extend(count.to_le_bytes());
    zip.extend(count.to_le_bytes());
    zip.extend(u32::try_from(central.len()).unwrap().to_le_bytes());
    zip.extend(start.to_le_bytes());
    zip.extend(0_u16.to_le_bytes());
    zip
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

/// The deflated data of `size` zeros with its checksum.
pub(crate) fn zeros(size: usize) -> (Vec<u8>, u32) {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("z", SimpleFileOptions::default().compression_level(Some(1))).unwrap();
    let chunk = vec![0; 1 << 20];
    let mut left = size;
    while left > 0 {
        let now = left.min(chunk.len());
        writer.write_all(&chunk[..now]).unwrap();
        left -= now;
    }
    let zip = writer.finish().unwrap().into_inner();
    let mut archive = zip::ZipArchive::new(Cursor::new(&zip)).unwrap();
    let file = archive.by_index(0).unwrap();
    let (start, packed, crc) = (file.data_start().unwrap(), file.compressed_size(), file.crc32());
    let range = usize::try_from(start).unwrap()..usize::try_from(start + packed).unwrap();
    (zip[range].to_vec(), crc)
}
