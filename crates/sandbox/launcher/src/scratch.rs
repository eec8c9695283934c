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

use crate::disk::{self, Disks, Tmp};
use crate::maker::Maker;
use crate::rights::Rights;
use crate::space::Space;
use crate::step::{Step, refused};

const MIB: u64 = 1024 * 1024;

/// The size of `/tmp` of a function that does not set one (AWS: "Configure ephemeral storage for Lambda functions").
pub(crate) const USUAL_SIZE: u64 = 512 * MIB;

/// One takes about as long to make as a launch takes, so a sequence of launches needs no more than one or two; the
/// others are for launches that come at once. Each costs a loop device and about 200 KiB of disk.
const READY: usize = 16;
/// Processes that make them. The kernel's part of it is mostly waiting, so that launches that come at once are served
/// sooner by two.
const MAKERS: usize = 2;

/// The file systems of one launcher.
pub(crate) struct Scratch {
    path: PathBuf,
    folder: OwnedFd,
    makers: [Place; MAKERS],
    ready: Vec<Tmp>,
    /// Whether the last attempt to fill up has failed: then only a launch makes another attempt.
    disheartened: bool,
}

/// Where a maker is, or may be.
#[derive(Default)]
struct Place {
    /// Absent after its unexpected end, until there is something to be made again.
    maker: Option<Maker>,
    /// The size of what it is making.
    under_way: Option<u64>,
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
    Disks::new(disk::Place::Memory).make(64 * MIB).map(drop)
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
        let mut makers = <[Place; MAKERS]>::default();
        makers[0].maker = Some(maker);
        for place in &mut makers[1..] {
            place.maker = Some(Maker::start(&folder).step("start a process that makes /tmp")?);
        }
        Ok(Self { path: path.to_owned(), folder, makers, ready, disheartened: false })
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

    /// Has what launches wait for made, as far as it is not being made already: `waited_for` are the sizes, the longest
    /// waiting first. If none waits and none is made, one more to be ready.
    pub(crate) fn go_on(
        &mut self,
        waited_for: impl IntoIterator<Item = u64>,
        idle: bool,
    ) -> Result<(), Failure> {
        let mut under_way: Vec<u64> = self.makers.iter().filter_map(|place| place.under_way).collect();
        let nothing_under_way = under_way.is_empty();
        let mut waits = false;
        for size in waited_for {
            waits = true;
            match under_way.iter().position(|made| *made == size) {
                Some(index) => drop(under_way.swap_remove(index)),
                None if !self.make(size, true)? => return Ok(()),
                None => {}
            }
        }
        let refill = !waits && nothing_under_way && idle && !self.disheartened && self.ready.len() < READY;
        if refill {
            self.make(USUAL_SIZE, false)?;
        }
        Ok(())
    }

    /// Gives it to a maker that has nothing to do; false if there is none.
    fn make(&mut self, size: u64, urgent: bool) -> Result<bool, Failure> {
        // One that runs before one that would have to be started.
        let position =
            self.makers.iter().position(|place| place.under_way.is_none() && place.maker.is_some());
        let place = match position {
            Some(index) => Some(&mut self.makers[index]),
            None => self.makers.iter_mut().find(|place| place.under_way.is_none()),
        };
        let Some(place) = place else { return Ok(false) };
        let maker = match place.maker.take() {
            Some(maker) => maker,
            None => {
                // Until it has started: no further attempts without a launch that wants one.
                self.disheartened = true;
                Maker::start(&self.folder).step("start the process that makes /tmp")?
            }
        };
        // Should it have ended just now, its channel says so in place of an answer.
        let _ = maker.ask(size, urgent);
        place.maker = Some(maker);
        place.under_way = Some(size);
        self.disheartened = false;
        Ok(true)
    }

    /// The makers that are at work, by their numbers: each is readable when [`Scratch::made`] has something to tell of it.
    pub(crate) fn channels(&self) -> impl Iterator<Item = (usize, BorrowedFd<'_>)> {
        let makers = self.makers.iter().enumerate();
        makers.filter_map(|(number, place)| Some((number, place.maker.as_ref()?.channel())))
    }

    /// What this maker has made.
    pub(crate) fn made(&mut self, maker: usize) -> Option<Made> {
        let place = self.makers.get_mut(maker)?;
        let maker = place.maker.take()?;
        let result = maker.answer();
        // After a failure a new process: this one may have ended, or be out of step.
        place.maker = result.is_ok().then_some(maker);
        place.under_way.take().map(|size| Made { size, result })
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

    /// The processes that make them, children of the launcher.
    pub(crate) fn maker_pids(&self) -> impl Iterator<Item = i32> {
        self.makers.iter().filter_map(|place| Some(place.maker.as_ref()?.pid()))
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
