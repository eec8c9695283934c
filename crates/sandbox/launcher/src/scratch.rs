//! File systems for `/tmp`: a few ready ones, others made on demand, none when the disk is nearly full.
//!
//! Images are sparse: together they may promise more than the disk has. The reserve (`space.rs`) is what keeps a host
//! that runs low from taking in further environments.

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use lambent_sandbox_protocol::Failure;

use crate::disk::{self, Disks, Place, Tmp};
use crate::maker::Maker;
use crate::rights::Rights;
use crate::space::Space;
use crate::step::{Step, refused};

const MIB: u64 = 1024 * 1024;

/// The size of `/tmp` of a function that does not set one (AWS: "Configure ephemeral storage for Lambda functions").
pub(crate) const USUAL_SIZE: u64 = 512 * MIB;

/// One takes about as long to make as a launch takes, so a sequence of launches needs no more than one or two; the
/// others are for launches that come at once. Each costs a loop device and about 200 KiB of disk.
const READY: usize = 8;

/// The file systems of one launcher.
pub(crate) struct Scratch {
    path: PathBuf,
    folder: OwnedFd,
    /// Absent after its unexpected end, until there is something to be made again.
    maker: Option<Maker>,
    ready: Vec<Tmp>,
    /// The size of the one being made.
    under_way: Option<u64>,
    /// Whether the last attempt to fill up has failed: then only a launch makes another attempt.
    disheartened: bool,
}

/// A file system that was made, or why not, and its size.
pub(crate) struct Made {
    pub(crate) size: u64,
    pub(crate) result: Result<Tmp, Failure>,
}

/// Whether such file systems can be made with these rights. An ordinary user could have a program serve one (fuse2fs);
/// measured against a tmpfs that writes at a seventh of the speed and makes small files at a nineteenth, and costs
/// a process for each sandbox.
pub(crate) fn possible(rights: &Rights) -> Result<(), Failure> {
    if rights.is_root() { Ok(()) } else { Err(refused("mounting file systems of a disk needs root")) }
}

/// Finds out whether this host can make such file systems, without leaving a trace.
pub(crate) fn trial(rights: &Rights) -> Result<(), Failure> {
    possible(rights)?;
    Disks::new(Place::Memory).make(64 * MIB).map(drop)
}

impl Scratch {
    /// Takes a folder for images, makes a first one in it, and so finds out whether it works.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let what = format!("use {} for the content of /tmp", path.display());
        let folder = open_folder(path).step(&what)?;
        disk::sweep(&folder).step(&what)?;
        let maker = Maker::start(&folder).step("start the process that makes /tmp")?;
        maker.ask(USUAL_SIZE, true).map_err(|error| refused(error.to_string()))?;
        let ready = vec![maker.answer()?];
        Ok(Self {
            path: path.to_owned(),
            folder,
            maker: Some(maker),
            ready,
            under_way: None,
            disheartened: false,
        })
    }

    /// The space of the disk with the images.
    pub(crate) fn space(&self) -> Result<Space, Failure> {
        Space::of(&self.folder).step(&format!("look at the space in {}", self.path.display()))
    }

    /// Refuses when the disk has less free than the reserve.
    pub(crate) fn check_reserve(&self) -> Result<(), Failure> {
        let space = self.space()?;
        let (free, reserve) = (space.free, space.reserve());
        if free >= reserve {
            return Ok(());
        }
        Err(refused(format!(
            "the disk of {} has {} MB free, and {} MB are kept in reserve: free some space, or choose another folder \
             with --data-dir",
            self.path.display(),
            free / MIB,
            reserve / MIB
        )))
    }

    /// A ready one of this size.
    pub(crate) fn take(&mut self, size: u64) -> Option<Tmp> {
        self.disheartened = false;
        if size == USUAL_SIZE { self.ready.pop() } else { None }
    }

    /// Has the next one made: the one that a launch waits for, or one more to be ready.
    pub(crate) fn go_on(&mut self, waited_for: Option<u64>, idle: bool) -> Result<(), Failure> {
        let refill = (idle && !self.disheartened && self.ready.len() < READY).then_some(USUAL_SIZE);
        let (None, Some(size)) = (self.under_way, waited_for.or(refill)) else { return Ok(()) };
        let maker = match self.maker.take() {
            Some(maker) => maker,
            None => {
                // Until it has started: no further attempts without a launch that wants one.
                self.disheartened = true;
                Maker::start(&self.folder).step("start the process that makes /tmp")?
            }
        };
        // Should it have ended just now, its channel says so in place of an answer.
        let _ = maker.ask(size, waited_for.is_some());
        self.maker = Some(maker);
        self.under_way = Some(size);
        self.disheartened = false;
        Ok(())
    }

    /// Readable when [`Scratch::made`] has something to tell.
    pub(crate) fn channel(&self) -> Option<BorrowedFd<'_>> {
        self.maker.as_ref().map(Maker::channel)
    }

    /// What has been made.
    pub(crate) fn made(&mut self) -> Option<Made> {
        let maker = self.maker.take()?;
        let result = maker.answer();
        // After a failure a new process: this one may have ended, or be out of step.
        self.maker = result.is_ok().then_some(maker);
        self.under_way.take().map(|size| Made { size, result })
    }

    /// Keeps one that no launch waits for.
    pub(crate) fn keep(&mut self, made: Made) {
        match made.result {
            Ok(mount) if made.size == USUAL_SIZE && self.ready.len() < READY => self.ready.push(mount),
            // Its launch was given up meanwhile.
            Ok(_unwanted) => {}
            Err(failure) => {
                self.disheartened = true;
                eprintln!("lambent-sandbox-launcher: no /tmp can be made in advance: {failure}");
            }
        }
    }

    /// The process that makes them, a child of the launcher.
    pub(crate) fn maker_pid(&self) -> Option<i32> {
        self.maker.as_ref().map(Maker::pid)
    }
}

/// The folder belongs to root alone: what a function writes is nobody else's to read.
fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC;
    let folder = fs::File::from(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?);
    if folder.metadata()?.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user; remove it"));
    }
    folder.set_permissions(fs::Permissions::from_mode(0o700))?;
    Ok(folder.into())
}
