//! Running the unpack program, which reads what strangers have packed.
//!
//! ```text
//! launcher ──▶ caretaker (a copy of the launcher) ──▶ unpack, as a user that nothing else runs as
//!                gives the directory to that user,      (confines itself before the first byte)
//!                waits, and gives what it finds to the server's user
//! ```
//!
//! While the program runs, the directory is its own and closed to everybody else, the server included; afterwards it is
//! the server's and the program is gone. Two programs at a time have two users. Without root there is one user for all:
//! the program is held by its own fences, and where the launcher isolates by namespaces, by a user and a network
//! namespace.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command};

use lambent_sandbox_protocol::{self as protocol, Failure, Unpack, UnpackEnd, User};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, fchmod, fchown, fstat, openat};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::clone::{Process, clone_process};
use crate::rights::Ids;
use crate::sandbox::{wait, write_maps};
use crate::step::{Step, refused};
use crate::uids::Range;

/// Deeper than the program goes. A tree beyond it is not one that it should have made.
const DEPTH: usize = 128;

/// Whom the program runs as.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    /// Somebody else than everybody, by the first of a range of ids; what it leaves is given to the server's user.
    Apart { program: Range, server: User },
    /// The launcher's user outside; inside a user namespace of its own, somebody who is not root.
    Within,
    /// The launcher's user.
    Own,
}

impl Who {
    /// With the ids that the launcher's rights give.
    pub(crate) fn with(ids: Ids, server: Option<User>) -> Self {
        match ids {
            // Without a second user the server is the launcher's own.
            Ids::Range(program) => Self::Apart { program, server: server.unwrap_or(User { uid: 0, gid: 0 }) },
            // Root of a user namespace, into which the launcher has gone.
            Ids::Single if rustix::process::geteuid().is_root() => Self::Within,
            Ids::Single => Self::Own,
        }
    }

    /// The ids, to be given back.
    pub(crate) fn ids(self) -> Ids {
        match self {
            Self::Apart { program, .. } => Ids::Range(program),
            Self::Within | Self::Own => Ids::Single,
        }
    }

    fn namespaces(self) -> i32 {
        match self {
            Self::Within => libc::CLONE_NEWUSER | libc::CLONE_NEWNET | libc::CLONE_NEWIPC,
            Self::Apart { .. } | Self::Own => 0,
        }
    }
}

/// The zip, the directory, the pipe for the answer.
pub(crate) struct Materials {
    zip: OwnedFd,
    directory: OwnedFd,
    answer: OwnedFd,
}

impl Materials {
    /// Refuses what the server could not have made by itself: this program has rights that it has not.
    pub(crate) fn check(fds: Vec<OwnedFd>, server: Option<User>) -> Result<Self, Failure> {
        let fds: Result<[OwnedFd; 3], _> = fds.try_into();
        let [zip, directory, answer] = fds.map_err(|_| refused("unpacking needs three descriptors"))?;
        let kind = |fd: &OwnedFd| fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode));
        let access =
            |fd: &OwnedFd| rustix::fs::fcntl_getfl(fd).map(|flags| flags & (OFlags::RWMODE | OFlags::PATH));
        if kind(&zip).step("look at the zip")? != FileType::RegularFile
            || access(&zip).step("look at the zip")? != OFlags::RDONLY
        {
            return Err(refused("the zip has to be a file that is open for reading alone"));
        }
        if kind(&answer).step("look at the pipe")? != FileType::Fifo
            || access(&answer).step("look at the pipe")? != OFlags::WRONLY
        {
            return Err(refused("the answer needs the write end of a pipe"));
        }
        let found = fstat(&directory).step("look at the directory")?;
        let owner = server.map_or(rustix::process::geteuid().as_raw(), |user| user.uid);
        if FileType::from_raw_mode(found.st_mode) != FileType::Directory || found.st_uid != owner {
            return Err(refused("a zip is unpacked into a directory of the server's user alone"));
        }
        // A descriptor that only names it is not enough to give it away.
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let directory = openat(&directory, ".", flags, Mode::empty()).step("open the directory")?;
        Ok(Self { zip, directory, answer })
    }
}

/// A caretaker at work. Dropping it does not end it: see [`Job::stop`].
pub(crate) struct Job {
    process: Process,
    channel: OwnedFd,
    who: Who,
}

impl Job {
    pub(crate) fn start(
        program: &OwnedFd,
        order: Unpack,
        materials: Materials,
        who: Who,
    ) -> Result<Self, Failure> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .step("make a channel to the unpack program's caretaker")?;
        let what = "start the unpack program's caretaker";
        let Some(process) = clone_process(who.namespaces(), None).step(what)? else {
            drop(ours);
            Caretaker { program, order, who, channel: theirs }.run(materials)
        };
        let mapped = match who {
            Who::Within => write_maps(process.pid, Ids::Single),
            Who::Apart { .. } | Who::Own => Ok(()),
        };
        let begun =
            mapped.and_then(|()| protocol::send(&ours, &(), &[]).map_err(|error| refused(error.to_string())));
        if let Err(failure) = begun {
            process.kill();
            wait(&process);
            return Err(failure);
        }
        Ok(Self { process, channel: ours, who })
    }

    /// Readable when [`Job::end`] has something to tell.
    pub(crate) fn channel(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    pub(crate) fn pid(&self) -> i32 {
        self.process.pid
    }

    /// Ends the program at once; its end is told as usual.
    pub(crate) fn stop(&self) -> Result<(), protocol::Error> {
        // A caretaker that has just finished takes no more orders, and needs none.
        protocol::send(&self.channel, &(), &[]).or(Ok(()))
    }

    /// How it went, and the ids that are free again.
    pub(crate) fn end(self) -> (UnpackEnd, Ids) {
        let end = match protocol::receive::<UnpackEnd>(&self.channel) {
            Ok(Some((end, _))) => end,
            Ok(None) => UnpackEnd::Failed(refused("the unpack program's caretaker has ended")),
            Err(error) => UnpackEnd::Failed(refused(format!("its caretaker was not understood: {error}"))),
        };
        wait(&self.process);
        (end, self.who.ids())
    }
}

/// The launcher's copy beside one program.
struct Caretaker<'a> {
    program: &'a OwnedFd,
    order: Unpack,
    who: Who,
    channel: OwnedFd,
}

impl Caretaker<'_> {
    fn run(&self, materials: Materials) -> ! {
        let end = self.unpack(materials).unwrap_or_else(UnpackEnd::Failed);
        // A launcher that has ended wants to know nothing.
        let _ = protocol::send(&self.channel, &end, &[]);
        // SAFETY: ends the copy at once, without running what the launcher registered for its own end.
        #[allow(unsafe_code)]
        unsafe {
            libc::_exit(0)
        }
    }

    fn unpack(&self, materials: Materials) -> Result<UnpackEnd, Failure> {
        rustix::thread::set_name(c"lambent-unpacks").step("take a name")?;
        match protocol::receive::<()>(&self.channel) {
            Ok(Some(_go)) => {}
            _ => return Err(refused("the launcher gave up")),
        }
        let Materials { zip, directory, answer } = materials;
        // Whoever waits for the end of one of the launcher's channels or pipes must not wait for this copy.
        let kept = [&zip, &directory, &answer, &self.channel, self.program].map(AsRawFd::as_raw_fd);
        let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .step("open /dev/null")?;
        rustix::stdio::dup2_stdin(&null).step("let go of the server")?;
        drop(null);
        crate::child::close_others(3, &kept).step("close descriptors")?;
        if let Who::Apart { program: Range(id), .. } = self.who {
            fchown(&directory, Some(Uid::from_raw(id)), Some(Gid::from_raw(id)))
                .step("give the directory away")?;
            // The server may have opened it to everybody before, itself included.
            fchmod(&directory, Mode::RWXU).step("close the directory")?;
        }
        let ended = self.start(&directory, zip, answer).and_then(|child| self.watch(child));
        // In any case, so that the server can remove what is there.
        let handed_over = match self.who {
            Who::Apart { program, server } => hand_over(&directory, program, server),
            Who::Within | Who::Own => Ok(()),
        };
        let end = ended?;
        handed_over.step("hand over what was unpacked")?;
        Ok(end)
    }

    fn start(&self, directory: &OwnedFd, zip: OwnedFd, answer: OwnedFd) -> Result<Child, Failure> {
        let errors = answer.try_clone().step("share the pipe")?;
        let mut command = Command::new(format!("/proc/self/fd/{}", self.program.as_raw_fd()));
        command
            .arg0("lambent-unpack")
            .args([self.order.bytes.to_string(), self.order.entries.to_string()])
            .env_clear()
            .stdin(File::from(zip))
            .stdout(File::from(answer))
            // A panic's text ends up where the answer is expected, and so in the error.
            .stderr(File::from(errors))
            // By descriptor, because the program's user may not walk the path to it.
            .current_dir(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        if let Who::Apart { program: Range(id), .. } = self.who {
            // With the user id, the standard library also drops all supplementary groups.
            command.uid(id).gid(id);
        }
        command.spawn().step("start the unpack program")
    }

    /// Waits for the program's end, which an order or the launcher's end brings about.
    fn watch(&self, mut child: Child) -> Result<UnpackEnd, Failure> {
        let pidfd =
            pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).step("watch the unpack program")?;
        let mut listening = true;
        loop {
            let mut fds = [PollFd::new(&pidfd, PollFlags::IN), PollFd::new(&self.channel, PollFlags::IN)];
            let watched = if listening { 2 } else { 1 };
            match poll(&mut fds[..watched], None) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other.step("wait for the unpack program")?,
            };
            if !fds[0].revents().is_empty() {
                break;
            }
            child.kill().step("end the unpack program")?;
            listening = false;
        }
        let status = child.wait().step("wait for the unpack program")?;
        Ok(match (status.code(), status.signal()) {
            (Some(code), _) => UnpackEnd::Code(code),
            (None, Some(signal)) => UnpackEnd::Signal(signal),
            (None, None) => return Err(refused(format!("the unpack program ended with {status}"))),
        })
    }
}

/// Gives all that belongs to the program's user to the server's, the directory itself last: until then only root can
/// enter it.
fn hand_over(directory: &OwnedFd, program: Range, server: User) -> io::Result<()> {
    give(directory.as_fd(), program, server, 0)?;
    Ok(fchown(directory, Some(Uid::from_raw(server.uid)), Some(Gid::from_raw(server.gid)))?)
}

/// Everything is reached by descriptor, one component at a time, and links are given as links. What belongs to
/// somebody else was not made by the program and is left alone.
fn give(directory: BorrowedFd<'_>, program: Range, server: User, depth: usize) -> io::Result<()> {
    if depth > DEPTH {
        return Err(io::Error::other("directories lie too deep within each other"));
    }
    let (uid, gid) = (Uid::from_raw(server.uid), Gid::from_raw(server.gid));
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let named =
            openat(directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let found = fstat(&named)?;
        if found.st_uid != program.0 {
            continue;
        }
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            give(openat(directory, name, flags, Mode::empty())?.as_fd(), program, server, depth + 1)?;
        }
        rustix::fs::chownat(&named, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
    }
    Ok(())
}
