//! Snapshots of programs, taken and brought to life by CRIU, a program of the host's (criu.org).
//!
//! ```text
//! launcher ──▶ photographer (a copy of the launcher) ──▶ criu, in the sandbox's own namespaces
//!                looks at what is there, opens files,
//!                waits, and tells how it went
//! ```
//!
//! CRIU can dump and make namespaces, and is not asked to: it would have to know of each mount, id and network of a
//! sandbox what the launcher knows. It runs inside instead, where all it sees is one program and what that has
//! started. So a snapshot comes to life in a sandbox that was made like any other, with ids, limits, mounts and a network of
//! its own, in each of which the same things are at the same places.
//!
//! To take one CRIU needs root's rights, for the filters of system calls are shown to nobody else; it then reads what a
//! function has in its memory, and has the function's own process help. To bring one to life it has no right outside of the
//! sandbox's user namespace.

use std::fs;
use std::io::Read as _;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use lambent_sandbox_protocol::{
    self as protocol, Failure, Image, Restore, Snapshot, Snapshotting, init_fd, process,
};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::clone::{Process, clone_process};
use crate::sandbox::{Sandbox, wait};
use crate::step::{Step, refused};

mod connection;
mod criu;
mod files;
mod images;
mod inside;

use criu::Criu;
use inside::Inside;

/// The file in which the launcher keeps of a snapshot what it has to know itself.
const IMAGE: &str = "lambent.json";

/// What the launcher has for snapshots.
pub(crate) struct Album {
    /// Of all of them; root's alone.
    folder: OwnedFd,
    criu: Criu,
}

impl Album {
    /// Finds CRIU and makes an empty folder. What an earlier launcher has left there was taken of processes of another server.
    pub(crate) fn open(wanted: &protocol::Snapshots) -> Result<Self, Failure> {
        let criu = Criu::find(wanted.criu.as_path())?;
        let path = wanted.folder.as_path();
        let what = format!("make {} empty", path.display());
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).step(&what),
            _ => {}
        }
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path).step(&what)?;
        Ok(Self { folder: open_directory(None, path).step(&what)?, criu })
    }

    /// Removes a snapshot. What does not go is gone with the next start.
    pub(crate) fn forget(&self, snapshot: &str) {
        let removed = open_directory(Some(self.folder.as_fd()), Path::new(snapshot)).and_then(|folder| {
            for entry in Dir::read_from(&folder)? {
                let name = entry?.file_name().to_owned();
                if !matches!(name.to_bytes(), b"." | b"..") {
                    unlinkat(&folder, &name, AtFlags::empty())?;
                }
            }
            unlinkat(&self.folder, snapshot, AtFlags::REMOVEDIR)
        });
        match removed {
            Err(error) if error != rustix::io::Errno::NOENT => {
                eprintln!("lambent-sandbox-launcher: the snapshot {snapshot} stays: {error}");
            }
            _ => {}
        }
    }
}

fn open_directory(at: Option<BorrowedFd<'_>>, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at.unwrap_or(rustix::fs::CWD), path, flags, Mode::empty())
}

/// What a photographer is for.
pub(crate) enum Order {
    Take(Snapshot),
    Restore(Restore),
}

impl Order {
    /// The sandbox.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Take(Snapshot { id, .. }) | Self::Restore(Restore { id, .. }) => id,
        }
    }

    fn needs(&self) -> Snapshotting {
        match self {
            Self::Take(_) => Snapshotting::Take,
            Self::Restore(_) => Snapshotting::Restore,
        }
    }

    fn snapshot(&self) -> &str {
        match self {
            Self::Take(Snapshot { snapshot, .. }) | Self::Restore(Restore { snapshot, .. }) => snapshot,
        }
    }
}

/// A photographer at work. It ends with its sandbox, in whose process namespace CRIU is, and with the launcher.
pub(crate) struct Session {
    process: Process,
    channel: OwnedFd,
}

impl Session {
    pub(crate) fn start(album: &Album, sandbox: &Sandbox, order: &Order) -> Result<Self, Failure> {
        if sandbox.bare || !sandbox.ids.is_some_and(crate::rights::Ids::have_root) {
            return Err(refused(
                "a snapshot needs a sandbox in namespaces, and a launcher with root's rights",
            ));
        }
        if sandbox.snapshots != order.needs() {
            return Err(refused("the sandbox was not made for that"));
        }
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .step("make a channel to the photographer")?;
        let Some(process) = clone_process(0, None).step("start the photographer")? else {
            drop(ours);
            let answer = album.let_go(&theirs).and_then(|()| album.carry_out(sandbox, order));
            // A launcher that has ended wants to know nothing.
            let _ = protocol::send(&theirs, &answer, &[]);
            // SAFETY: ends the copy at once, without running what the launcher registered for its own end.
            #[allow(unsafe_code)]
            unsafe {
                libc::_exit(0)
            }
        };
        Ok(Self { process, channel: ours })
    }

    /// Readable when [`Session::end`] has something to tell.
    pub(crate) fn channel(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    pub(crate) fn pid(&self) -> i32 {
        self.process.pid
    }

    pub(crate) fn stop(&self) {
        self.process.kill();
    }

    /// What was taken or brought to life.
    pub(crate) fn end(&self) -> Result<Image, Failure> {
        let answer = match protocol::receive::<Result<Image, Failure>>(&self.channel) {
            Ok(Some((answer, _))) => answer,
            Ok(None) => Err(refused("the photographer has ended")),
            Err(error) => Err(refused(format!("the photographer was not understood: {error}"))),
        };
        wait(&self.process);
        answer
    }
}

/// In the photographer.
impl Album {
    /// Whoever waits for the end of one of the launcher's channels or pipes must not wait for this copy.
    fn let_go(&self, channel: &OwnedFd) -> Result<(), Failure> {
        let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .step("open /dev/null")?;
        rustix::stdio::dup2_stdin(&null).step("let go of the server")?;
        drop(null);
        let kept = [channel, &self.folder, self.criu.root()].map(AsRawFd::as_raw_fd);
        crate::child::close_others(3, &kept).step("close descriptors")
    }

    fn carry_out(&self, sandbox: &Sandbox, order: &Order) -> Result<Image, Failure> {
        rustix::thread::set_name(c"lambent-photo").step("take a name")?;
        let kill = Some(rustix::process::Signal::KILL);
        rustix::process::set_parent_process_death_signal(kill).step("bind to the launcher")?;
        match order {
            Order::Take(wanted) => {
                mkdirat(&self.folder, order.snapshot(), Mode::from_raw_mode(0o755))
                    .step("make a folder for the snapshot")?;
                let taken = self.take(sandbox, wanted);
                taken.inspect_err(|_| self.forget(order.snapshot()))
            }
            Order::Restore(wanted) => self.restore(sandbox, wanted),
        }
    }

    fn take(&self, sandbox: &Sandbox, wanted: &Snapshot) -> Result<Image, Failure> {
        let folder = open_directory(Some(self.folder.as_fd()), Path::new(&wanted.snapshot))
            .step("open the snapshot's folder")?;
        let init = sandbox.process.pid;
        let program = the_program(init)?;
        let pid = number_inside(program)?;
        let asking = wanted.asking.map(|connection| connection::find(program, connection)).transpose()?;
        let (stdio, telemetry) = (pipe(init, init_fd::STDIO)?, pipe(init, init_fd::TELEMETRY)?);
        self.criu.note_features(&folder)?;
        self.criu.run(Inside::open(init, false)?, &folder, &[], &criu::dump(pid))?;
        images::belong_to_the_same_user_namespace(&folder)?;
        // The program is stopped: nothing in there changes any more.
        let has_files = files::keep(Inside::open(init, true)?, &folder)?;
        let bytes = images::share(&folder).step("close the snapshot")?;
        let image = Image { pid, stdio, telemetry, bytes, has_files, asking };
        let text = protocol::encode(&image).map_err(|error| refused(error.to_string()))?;
        let file = openat(&folder, IMAGE, OFlags::WRONLY | OFlags::CREATE, Mode::RUSR | Mode::WUSR)
            .step("describe the snapshot")?;
        std::io::Write::write_all(&mut fs::File::from(file), &text).step("describe the snapshot")?;
        Ok(image)
    }

    fn restore(&self, sandbox: &Sandbox, wanted: &Restore) -> Result<Image, Failure> {
        let what = "open the snapshot";
        let folder = open_directory(Some(self.folder.as_fd()), Path::new(&wanted.snapshot)).step(what)?;
        let file = openat(&folder, IMAGE, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).step(what)?;
        let mut text = Vec::new();
        fs::File::from(file).read_to_end(&mut text).step(what)?;
        let image: Image = protocol::decode(&text)
            .map_err(|error| refused(format!("the snapshot's description: {error}")))?;
        let init = sandbox.process.pid;
        let open = |number: i32| {
            let pipe = rustix::fs::open(
                format!("/proc/{init}/fd/{number}"),
                OFlags::WRONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .step("open the sandbox's pipes")?;
            // CRIU opens them once more, without a right over whose they are. To write is all that this allows the function,
            // too, which has them open for that already.
            rustix::fs::fchmod(&pipe, Mode::from_raw_mode(0o622)).step("share the sandbox's pipes")?;
            Ok::<_, Failure>(pipe)
        };
        let pipes = [open(init_fd::STDIO)?, open(init_fd::TELEMETRY)?];
        // What it makes is to count as the sandbox's.
        sandbox.group.enter()?;
        if image.has_files {
            files::put_back(Inside::open(init, true)?, &folder)?;
        }
        self.criu.run(Inside::open(init, true)?, &folder, &pipes, &criu::restore(&image))?;
        if let Some(asking) = image.asking {
            connection::ask_again(Inside::open(init, true)?, asking, &wanted.request)?;
        }
        Ok(image)
    }
}

/// The one process that init has started.
fn the_program(init: i32) -> Result<i32, Failure> {
    let what = "look for the program";
    let children = process::children(init).step(what)?;
    let [program] = children[..] else {
        return Err(refused(format!(
            "{} processes are init's children, and a snapshot is of one",
            children.len()
        )));
    };
    Ok(program)
}

/// The number that a process has inside.
fn number_inside(pid: i32) -> Result<i32, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).step("look for the program")?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let inside = numbers.and_then(|numbers| numbers.split_whitespace().last()?.parse().ok());
    inside.ok_or_else(|| refused("the program has no number inside"))
}

/// The inode of a pipe that init has.
fn pipe(init: i32, number: i32) -> Result<u64, Failure> {
    let link = fs::read_link(format!("/proc/{init}/fd/{number}")).step("look at init's pipes")?;
    let inode = link.to_str().and_then(|text| text.strip_prefix("pipe:[")?.strip_suffix(']')?.parse().ok());
    inode.ok_or_else(|| refused(format!("init has {} instead of a pipe", link.display())))
}
