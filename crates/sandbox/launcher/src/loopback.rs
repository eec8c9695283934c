//! Loop devices: a file seen as a disk (loop(4)).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use lambent_sandbox_protocol::Failure;
use rustix::fs::{FileType, Mode, OFlags, makedev, mknodat, open, openat};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use crate::step::{Step, refused};

const CONTROL: &str = "/dev/loop-control";

// linux/loop.h.
const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;
const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LOOP_MAJOR: u32 = 7;

/// Between asking for the number of a free device and taking it another process may take it. Each time somebody
/// else has succeeded, so this many in a row mean that something is wrong.
const ATTEMPTS: u32 = 64;

/// `struct loop_info64`, of which only the flags are ours to set.
#[repr(C)]
struct LoopInfo {
    numbers: [u64; 5],
    number_and_encryption: [u32; 3],
    flags: u32,
    names_and_key: [u8; 160],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    file: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// A loop device that holds its file. It lets go by itself once it is neither open nor mounted any more, whatever
/// has become of the process that made it.
pub(crate) struct Device {
    file: File,
    path: PathBuf,
}

impl Device {
    /// Its content.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The path under which this process can mount it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Attaches a file to a free device.
pub(crate) fn attach(file: &OwnedFd) -> Result<Device, Failure> {
    let control = open(CONTROL, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).step(&format!(
        "open {CONTROL} (does the kernel have loop devices, and the container a right to them?)"
    ))?;
    for _ in 0..ATTEMPTS {
        // SAFETY: this request takes no argument.
        #[allow(unsafe_code)]
        let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
        let number = u32::try_from(number)
            .map_err(|_negative| io::Error::last_os_error())
            .step("find a free loop device")?;
        let device = open_device(number)?;
        match configure(&device.file, file) {
            Ok(()) => return Ok(device),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            Err(error) => return Err(error).step(&format!("attach /dev/loop{number}")),
        }
    }
    Err(refused("no free loop device could be had: others take each one first"))
}

fn configure(device: &File, file: &OwnedFd) -> io::Result<()> {
    // Not with direct I/O: what is deleted before the kernel writes it back then never reaches the disk.
    let config = LoopConfig {
        file: file.as_raw_fd().unsigned_abs(),
        block_size: 0,
        info: LoopInfo {
            numbers: [0; 5],
            number_and_encryption: [0; 3],
            flags: LO_FLAGS_AUTOCLEAR,
            names_and_key: [0; 160],
            init: [0; 2],
        },
        reserved: [0; 8],
    };
    // SAFETY: the structure is laid out as linux/loop.h has it and outlives the call.
    #[allow(unsafe_code)]
    let result = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn open_device(number: u32) -> Result<Device, Failure> {
    let path = format!("/dev/loop{number}");
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    match open(&path, flags, Mode::empty()) {
        // A container's /dev has the devices that there were at its start; this one has just come to be.
        Err(rustix::io::Errno::NOENT) => {
            let file = node_of_our_own(number).step(&format!("make a node for {path}"))?;
            let path = format!("/proc/self/fd/{}", file.as_raw_fd()).into();
            Ok(Device { file, path })
        }
        other => Ok(Device { file: other.step(&format!("open {path}"))?.into(), path: path.into() }),
    }
}

/// The device through a node on a file system that nobody else sees and that is gone with this function.
fn node_of_our_own(number: u32) -> io::Result<File> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let place = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    let name = Path::new("loop");
    let mode = Mode::from_raw_mode(0o600);
    mknodat(place.as_fd(), name, FileType::BlockDevice, mode, makedev(LOOP_MAJOR, number))?;
    Ok(openat(place.as_fd(), name, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?.into())
}
