//! The process that makes the file systems for `/tmp`, so that the launcher never waits for one.
//!
//! It is a copy of the launcher with one channel to it and makes one file system after the other. It ends with the
//! launcher.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use lambent_sandbox_protocol::{self as protocol, Failure};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::Signal;

use crate::clone::{Process, clone_process};
use crate::disk::{Disks, Place, Tmp};
use crate::sandbox::wait;
use crate::step::{Step, refused};

/// What is made in advance may wait for everything else.
const NICE: i32 = 10;

/// The process, from the launcher's side. Dropping it ends it.
pub(crate) struct Maker {
    process: Process,
    channel: OwnedFd,
}

impl Maker {
    pub(crate) fn start(folder: &OwnedFd) -> io::Result<Self> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let folder = folder.try_clone()?;
        match clone_process(0, None)? {
            Some(process) => Ok(Self { process, channel: ours }),
            None => run(theirs, folder),
        }
    }

    /// Asks for a file system. One at a time: the answer comes before the next question.
    pub(crate) fn ask(&self, size: u64, urgent: bool) -> Result<(), protocol::Error> {
        protocol::send(&self.channel, &(size, urgent), &[])
    }

    /// The answer, or an error when the process has ended.
    pub(crate) fn answer(&self) -> Result<Tmp, Failure> {
        match protocol::receive::<Result<(), Failure>>(&self.channel) {
            Ok(Some((Ok(()), fds))) => match <[OwnedFd; 2]>::try_from(fds) {
                Ok([mount, image]) => Ok(Tmp { mount, image }),
                Err(_) => Err(refused("the file system of /tmp did not come along")),
            },
            Ok(Some((Err(failure), _))) => Err(failure),
            Ok(None) => Err(refused("the process that makes the file systems of /tmp has ended")),
            Err(error) => Err(refused(format!("the file system of /tmp did not come: {error}"))),
        }
    }

    /// Readable when there is an answer.
    pub(crate) fn channel(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    pub(crate) fn pid(&self) -> i32 {
        self.process.pid
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        // Whatever it is about to make goes with its descriptors.
        self.process.kill();
        wait(&self.process);
    }
}

fn run(channel: OwnedFd, folder: OwnedFd) -> ! {
    let code = i32::from(serve(channel, folder).is_err());
    // SAFETY: ends the copy at once, without running what the launcher registered for its own end.
    #[allow(unsafe_code)]
    unsafe {
        libc::_exit(code)
    }
}

fn serve(channel: OwnedFd, folder: OwnedFd) -> Result<Infallible, Failure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).step("bind to the launcher")?;
    rustix::thread::set_name(c"lambent-tmp").step("take a name")?;
    // The launcher's channels end when all copies are closed: this process must not hold any.
    let null = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty()).step("open /dev/null")?;
    rustix::stdio::dup2_stdin(&null).step("let go of the server")?;
    crate::child::close_others(3, &[channel.as_raw_fd(), folder.as_raw_fd()]).step("close descriptors")?;
    // Closed a line above; a descriptor that comes to have its number must stay.
    std::mem::forget(null);
    let mut disks = Disks::new(Place::Folder(folder));
    loop {
        let message =
            protocol::receive::<(u64, bool)>(&channel).map_err(|error| refused(error.to_string()))?;
        let Some(((size, urgent), _)) = message else { return Err(refused("the launcher has ended")) };
        // Where the right to become urgent again is missing it stays as it is, only slower.
        let _ = rustix::process::setpriority_process(None, if urgent { 0 } else { NICE });
        let made = disks.make(size);
        let fds: Vec<_> = made.iter().flat_map(|tmp| [tmp.mount.as_fd(), tmp.image.as_fd()]).collect();
        let answer = made.as_ref().map(|_| ()).map_err(Clone::clone);
        protocol::send(&channel, &answer, &fds).map_err(|error| refused(error.to_string()))?;
    }
}
