//! `/tmp` as a file system of its own: ext4 in a sparse file behind a loop device.
//!
//! A tmpfs would be charged to the function's memory: a function of 128 MB that writes 200 MB would be killed, which
//! on AWS it is not. Here the kernel's writer fills the file, and what the function has in the page cache can be
//! dropped whenever its memory is wanted.
//!
//! Nothing here has a name that could outlive the process: the file has none from the beginning, the device lets go
//! of it with its last user, and the mount is a descriptor until a sandbox attaches it. Whoever is killed at whatever
//! moment, the kernel clears away the rest.
//!
//! ```text
//! template (in memory, made once per size by mke2fs) ─copy─▶ image (sparse, no name) behind a loop device ─▶ mount ─▶ sandbox
//! ```

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use lambent_sandbox_protocol::Failure;
use rustix::fs::{
    AtFlags, Gid, MemfdFlags, Mode, OFlags, SeekFrom, Uid, chmodat, fchown, ftruncate, memfd_create, openat,
    seek, unlinkat,
};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};

use crate::step::{Step, refused};
use crate::{loopback, uids};

/// Where distributions have it; the launcher has no PATH.
const MKE2FS: [&str; 6] = [
    "/usr/sbin/mke2fs",
    "/sbin/mke2fs",
    "/usr/bin/mke2fs",
    "/bin/mke2fs",
    "/usr/local/sbin/mke2fs",
    "/run/current-system/sw/bin/mke2fs",
];

/// Nothing here has to survive a crash, so there is no journal; no check sums either, for the disk below has its own.
const FEATURES: &str = "none,extent,flex_bg,dir_index,filetype,sparse_super,large_file,huge_file,dir_nlink,\
                        extra_isize,uninit_bg";

const BLOCK: u64 = 4096;
const BLOCKS_PER_GROUP: u64 = 32_768;
/// One inode for 16 KiB, as distributions have it: 512 blocks of inodes in each group, and two bitmaps.
const BYTES_PER_INODE: u64 = 16_384;
const TABLES_PER_GROUP: u64 = 514;
/// What ext4 sets aside for its own metadata when memory is written back: 2 %, at most this.
const MOST_SET_ASIDE: u64 = 4096;
/// Superblock, group descriptors and their copies, root directory, the tree of a single large file.
const SMALL_THINGS: u64 = 128;

/// Sizes are set per function; few are in use at a time. A template takes about 200 KiB of memory.
const TEMPLATES: usize = 16;

/// The name of an image for the moment in which it has one, on file systems without O_TMPFILE.
const PASSING_NAME: &str = "image";

/// Where images are kept.
#[derive(Debug)]
pub(crate) enum Place {
    /// In this folder.
    Folder(OwnedFd),
    /// In memory: for a trial that leaves no trace.
    Memory,
}

/// A file system for `/tmp`, and the file in which its content is.
pub(crate) struct Tmp {
    pub(crate) mount: OwnedFd,
    pub(crate) image: OwnedFd,
}

/// Makes file systems.
pub(crate) struct Disks {
    place: Place,
    templates: VecDeque<(u64, File)>,
}

impl Disks {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, templates: VecDeque::new() }
    }

    /// A mounted, empty file system on which `size` bytes can be written, attached nowhere. It is gone with the last
    /// descriptor or mount of it.
    pub(crate) fn make(&mut self, size: u64) -> Result<Tmp, Failure> {
        let image: OwnedFd = self.place.blank(image_size(size)).step("make a file for /tmp")?.into();
        let device = loopback::attach(&image)?;
        // Only now, and through the device: attaching would first bring what is in the file to the disk, where the
        // content of a short life never needs to come.
        copy_data(self.template(size)?, device.file()).step("write the file for /tmp")?;
        let mount = mount(device.path())?;
        // Root of the sandbox owns it, through the mapping of the mount.
        chmodat(&mount, ".", Mode::from_raw_mode(0o1777), AtFlags::empty()).step("open /tmp to everyone")?;
        unlinkat(&mount, "lost+found", AtFlags::REMOVEDIR).step("empty /tmp")?;
        Ok(Tmp { mount, image })
    }

    fn template(&mut self, size: u64) -> Result<&File, Failure> {
        let found = self.templates.iter().position(|(of, _)| *of == size);
        // The one used last is at the front, so that the one unused for longest goes.
        let template = match found.and_then(|index| self.templates.remove(index)) {
            Some(template) => template,
            None => (size, make_template(size)?),
        };
        self.templates.truncate(TEMPLATES - 1);
        self.templates.push_front(template);
        Ok(&self.templates[0].1)
    }
}

impl Place {
    /// An empty sparse file without a name.
    fn blank(&self, size: u64) -> io::Result<File> {
        let file = match self {
            Self::Memory => memfd_create("lambent-tmp", MemfdFlags::CLOEXEC)?,
            Self::Folder(folder) => unnamed(folder)?,
        };
        ftruncate(&file, size)?;
        Ok(file.into())
    }
}

fn unnamed(folder: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let (flags, mode) = (OFlags::RDWR | OFlags::CLOEXEC | OFlags::EXCL, Mode::from_raw_mode(0o600));
    match openat(folder, ".", flags | OFlags::TMPFILE, mode) {
        // NFS, for one, has no files without a name. What a kill leaves between the two calls goes at the next start.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {
            sweep(folder)?;
            let file = openat(folder, PASSING_NAME, flags | OFlags::CREATE, mode)?;
            sweep(folder)?;
            Ok(file)
        }
        other => other,
    }
}

/// Removes the one file that a killed predecessor can have left.
pub(crate) fn sweep(folder: &OwnedFd) -> rustix::io::Result<()> {
    match unlinkat(folder, PASSING_NAME, AtFlags::empty()) {
        Err(rustix::io::Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// An empty file system in memory, of which the few blocks that are not zero are later copied.
fn make_template(size: u64) -> Result<File, Failure> {
    let program = MKE2FS.iter().find(|path| Path::new(path).is_file()).ok_or_else(|| {
        refused("mke2fs is not installed (package e2fsprogs), which makes the file system of /tmp")
    })?;
    let file = Place::Memory.blank(image_size(size)).step("make a template for /tmp")?;
    // The program runs as a user whom nobody else is, with a right to this one file alone.
    let user = uids::TOOLS;
    fchown(&file, Some(Uid::from_raw(user)), Some(Gid::from_raw(user))).step("make a template for /tmp")?;
    let input = file.try_clone().step("make a template for /tmp")?;
    let output = Command::new(program)
        .args(["-q", "-F", "-b", "4096", "-I", "256", "-m", "0", "-U", "clear", "-O", FEATURES])
        .args(["-i", &BYTES_PER_INODE.to_string(), "-E", "lazy_itable_init=1,nodiscard", "/proc/self/fd/0"])
        .env_clear()
        // Whatever the host prefers, this file system is the same everywhere.
        .env("MKE2FS_CONFIG", "/dev/null")
        .stdin(Stdio::from(input))
        .uid(user)
        .gid(user)
        .current_dir("/")
        .output()
        .step(&format!("run {program}"))?;
    if output.status.success() {
        return Ok(file);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().lines().last().unwrap_or("it said nothing").to_owned();
    Err(refused(format!("{program} could not make the file system of /tmp ({}): {said}", output.status)))
}

/// Copies what is not a hole.
fn copy_data(from: &File, to: &File) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut position = 0;
    loop {
        position = match seek(from, SeekFrom::Data(position)) {
            Ok(data) => data,
            // No data any more.
            Err(rustix::io::Errno::NXIO) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let end = seek(from, SeekFrom::Hole(position))?;
        while position < end {
            let most = usize::try_from(end - position).unwrap_or(usize::MAX).min(buffer.len());
            let read = from.read_at(&mut buffer[..most], position)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            to.write_all_at(&buffer[..read], position)?;
            position += read as u64;
        }
    }
}

/// Mounts a device with nothing that would only serve to keep the content beyond the sandbox's life.
fn mount(device: &Path) -> Result<OwnedFd, Failure> {
    let options = || {
        let context = fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(context.as_fd(), "source", device)?;
        // A full disk of the host must not bring the host down.
        fsconfig_set_string(context.as_fd(), "errors", "remount-ro")?;
        // The tables are zero already: they are holes.
        for flag in ["nobarrier", "noauto_da_alloc", "noinit_itable"] {
            fsconfig_set_flag(context.as_fd(), flag)?;
        }
        fsconfig_create(context.as_fd())?;
        rustix::io::Result::Ok(context)
    };
    let context = options().step("mount ext4")?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOATIME;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes).step("mount ext4")
}

/// The bytes of an image on which `size` bytes can be written: AWS promises the size of `/tmp` to the function, not
/// to the tables of its file system.
fn image_size(size: u64) -> u64 {
    let wanted = size.div_ceil(BLOCK) + SMALL_THINGS;
    let usable = BLOCKS_PER_GROUP - TABLES_PER_GROUP;
    let large = (wanted + MOST_SET_ASIDE) * BLOCKS_PER_GROUP / usable + 1;
    let blocks = if large / 50 >= MOST_SET_ASIDE {
        large
    } else {
        // Two per cent of all blocks are set aside.
        wanted * BLOCKS_PER_GROUP / (usable - BLOCKS_PER_GROUP.div_ceil(50)) + 1
    };
    blocks * BLOCK
}
