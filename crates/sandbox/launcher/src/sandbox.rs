//! One sandbox from the launcher's side: made, watched, ended.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use lambent_sandbox_protocol::{
    self as protocol, Confinement, Counters, Failure, Launch, Layout, MAX_FDS, MountPoint, Reach,
    Snapshotting, Tree, User,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use seccompiler::BpfProgram;

use crate::cgroup::Group;
use crate::child::{self, Child};
use crate::clone::{NAMESPACES, Process, clone_process};
use crate::disk::Tmp;
use crate::hierarchy::Hierarchies;
use crate::network::{Network, Outlet, Slot};
use crate::privileges::Limits;
use crate::rights::{Ids, Rights};
use crate::scratch::Scratch;
use crate::shelf::Shelf;
use crate::snapshot::Album;
use crate::step::{Step, refused};
use crate::template::Template;
use crate::tree;
use crate::watch::Watch;

/// The most memory that a function may have (AWS: "Lambda quotas", 10,240 MB). A limit on data can be lowered for a sandbox
/// that turns out to be for less, but not raised.
const MOST_MEMORY: u64 = 10_240 * 1024 * 1024;

/// What all sandboxes are made with.
pub(crate) struct Workshop {
    /// The program init.
    pub(crate) init: OwnedFd,
    /// The program unpack.
    pub(crate) unpack: OwnedFd,
    /// Whom the server has become, unless it is the launcher's own user.
    pub(crate) server: Option<User>,
    pub(crate) shelf: Shelf,
    pub(crate) hierarchies: Hierarchies,
    pub(crate) filters: Vec<BpfProgram>,
    pub(crate) rights: Rights,
    /// The composed root and the host's mount namespace, or why there are none.
    pub(crate) rooted: Result<Rooted, String>,
    /// File systems for /tmp. Without them each sandbox gets a tmpfs, which counts against its memory.
    pub(crate) scratch: Option<Scratch>,
    /// Networks for those that reach the outside, where the server wants them.
    pub(crate) network: Option<Network>,
    /// Snapshots, or why there are none.
    pub(crate) album: Result<Album, String>,
}

/// What sandboxes in namespaces are made of.
pub(crate) struct Rooted {
    pub(crate) template: Template,
    pub(crate) host_mounts: OwnedFd,
    /// The launcher's own mount namespace, in which the template is.
    pub(crate) own_mounts: OwnedFd,
}

/// One sandbox. Its directories and its ids are given back by [`Sandbox::bury`].
pub(crate) struct Sandbox {
    pub(crate) process: Process,
    /// From the child until it has become init: a failure, or the end.
    pub(crate) setup: Option<OwnedFd>,
    pub(crate) group: Group,
    /// Counts memory where the group does not, once init runs.
    pub(crate) watch: Option<Watch>,
    pub(crate) memory: u64,
    pub(crate) ids: Option<Ids>,
    /// What it may still be given, until it has been.
    pub(crate) open: Option<Open>,
    /// Its place in the router.
    slot: Option<Slot>,
    pub(crate) bare: bool,
    pub(crate) snapshots: Snapshotting,
    /// What its `/tmp` is kept in, if that is a file.
    image: Option<OwnedFd>,
}

/// A sandbox that was made in advance.
pub(crate) struct Open {
    /// Where something is shown already.
    pub(crate) taken: Vec<MountPoint>,
    /// Bytes by which the limit of its memory is above what was asked for.
    pub(crate) in_memory: u64,
    /// Processes and threads that it may have, init among them.
    pub(crate) processes: u32,
}

impl Sandbox {
    /// Bytes of the disk that its `/tmp` holds; deleted files may be among them.
    pub(crate) fn tmp_bytes(&self) -> Option<u64> {
        let stat = rustix::fs::fstat(self.image.as_ref()?).ok()?;
        // In units of 512 bytes, whatever the file system's blocks are (stat(2)).
        Some(u64::try_from(stat.st_blocks).ok()?.saturating_mul(512))
    }
}

impl Workshop {
    /// Refuses what cannot or may not be made. Answers the size of the file system that /tmp needs, if it needs one.
    pub(crate) fn admit(&self, launch: &Launch) -> Result<Option<u64>, Failure> {
        match (reach(launch), &self.network) {
            (Some(Reach::Nat), None) => {
                return Err(refused(
                    "the launcher was not started with networks that reach the outside (--network nat)",
                ));
            }
            (Some(Reach::Host), Some(network)) if !network.has_host() => {
                return Err(refused(
                    "a launcher with networks that reach the outside has left the host's: start another one for that",
                ));
            }
            _ => {}
        }
        match (&launch.confinement, &self.rooted, &self.scratch) {
            // It would run in the user namespace, as root of it.
            (Confinement::Process, Ok(_), _) if !self.rights.is_root() => Err(refused(
                "a launcher that isolates without root makes no sandbox without isolation: start another one for those",
            )),
            (Confinement::Process, ..) => Ok(None),
            (Confinement::Namespaces(_), Err(reason), _) => Err(refused(reason.clone())),
            (Confinement::Namespaces(_), Ok(_), None) => Ok(None),
            (Confinement::Namespaces(layout), Ok(_), Some(scratch)) => {
                scratch.check_reserve()?;
                Ok(Some(layout.tmp))
            }
        }
    }

    /// Makes an admitted sandbox up to the point where its process composes the root by itself.
    pub(crate) fn make(
        &mut self,
        launch: &Launch,
        passed: &[OwnedFd],
        tmp: Option<Tmp>,
        outlet: Option<Outlet>,
    ) -> Result<Sandbox, Failure> {
        let slot = outlet.as_ref().map(|outlet| outlet.slot);
        let made = self.make_with(launch, passed, tmp, outlet.as_ref());
        if made.is_err() {
            self.release(slot);
        }
        made
    }

    fn make_with(
        &mut self,
        launch: &Launch,
        passed: &[OwnedFd],
        tmp: Option<Tmp>,
        outlet: Option<&Outlet>,
    ) -> Result<Sandbox, Failure> {
        let (tmp, image) = tmp.map(|tmp| (tmp.mount, tmp.image)).unzip();
        let layout = layout(launch);
        // A tmpfs counts as memory of whoever writes to it, and the function may fill it.
        let in_memory = layout.filter(|_| tmp.is_none()).map_or(0, |layout| layout.tmp);
        let memory = launch.memory.saturating_add(in_memory);
        let group = Group::create(&self.hierarchies, &launch.id, memory, launch.pids)?;
        let yields = layout.is_some_and(|layout| layout.open);
        let ids = if yields { group.set_yielding(true) } else { Ok(()) }
            .and_then(|()| layout.map(|_| self.rights.take_ids()).transpose());
        let made = ids.and_then(|ids| match self.start(launch, passed, &group, ids, tmp, outlet) {
            Ok((process, setup)) => Ok((process, setup, ids)),
            Err(failure) => {
                ids.into_iter().for_each(|ids| self.rights.release(ids));
                Err(failure)
            }
        });
        match made {
            Ok((process, setup, ids)) => {
                let slot = outlet.map(|outlet| outlet.slot);
                let (setup, bare, memory) = (Some(setup), layout.is_none(), launch.memory);
                let taken = |layout: &Layout| layout.trees.iter().map(|tree| tree.target).collect();
                let open = layout.filter(|layout| layout.open);
                let open = open.map(|layout| Open {
                    taken: taken(layout),
                    in_memory,
                    processes: launch.pids.saturating_add(1),
                });
                let snapshots = layout.map_or(Snapshotting::No, |layout| layout.snapshots);
                Ok(Sandbox {
                    process,
                    setup,
                    group,
                    watch: None,
                    memory,
                    ids,
                    open,
                    slot,
                    bare,
                    snapshots,
                    image,
                })
            }
            Err(failure) => {
                // What the failure left in it was killed and reaped; the failure itself is what counts.
                let _ = group.remove();
                Err(failure)
            }
        }
    }

    fn start(
        &self,
        launch: &Launch,
        passed: &[OwnedFd],
        group: &Group,
        ids: Option<Ids>,
        tmp: Option<OwnedFd>,
        outlet: Option<&Outlet>,
    ) -> Result<(Process, OwnedFd), Failure> {
        let layout = layout(launch);
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .step("make a channel to the sandbox")?;
        let namespaces = layout.map_or(0, |layout| match layout.reach {
            Reach::Loopback => NAMESPACES | libc::CLONE_NEWNET,
            Reach::Nat | Reach::Host => NAMESPACES,
        });
        let cgroup = group.open_v2()?;
        let Some(process) = self.clone_into(outlet, namespaces, cgroup.as_ref())? else {
            // Otherwise the end of the launcher would not be seen while this copy holds its side open.
            drop(ours);
            let child = Child { setup: &theirs, init: &self.init, tmp: tmp.is_some(), passed };
            let counted = group.counts_memory();
            let open = layout.is_some_and(|layout| layout.open);
            self.run_child(
                layout.zip(ids),
                Limits {
                    processes: launch.pids.saturating_add(1),
                    memory: (!counted).then_some(if open { MOST_MEMORY } else { launch.memory }),
                },
                &child,
            );
        };
        drop(theirs);
        let go = || {
            group.enter_v1(process.pid)?;
            let trees = match (layout, ids, &self.rooted) {
                (Some(layout), Some(ids), Ok(rooted)) => {
                    write_maps(process.pid, ids)?;
                    host_trees(layout, ids, process.pid, &rooted.template, &self.shelf, tmp)?
                }
                _ => Vec::new(),
            };
            protocol::send(&ours, &(), &child::borrow(&trees)).map_err(|error| refused(error.to_string()))
        };
        match go() {
            Ok(()) => Ok((process, ours)),
            Err(failure) => {
                process.kill();
                wait(&process);
                Err(failure)
            }
        }
    }

    /// Clones this process into the sandbox's network, where it has one, and stays at home itself.
    fn clone_into(
        &self,
        outlet: Option<&Outlet>,
        namespaces: i32,
        cgroup: Option<&OwnedFd>,
    ) -> Result<Option<Process>, Failure> {
        let Some((outlet, network)) = outlet.zip(self.network.as_ref()) else {
            return clone_process(namespaces, cgroup).step("make namespaces");
        };
        Network::enter(outlet)?;
        let cloned = clone_process(namespaces, cgroup);
        if !matches!(cloned, Ok(None)) {
            network.leave().expect("it comes from there, and holds it open");
        }
        cloned.step("make namespaces")
    }

    /// The child's side of the clone: ends in init or in nothing.
    fn run_child(&self, confined: Option<(&Layout, Ids)>, limits: Limits, child: &Child<'_>) -> ! {
        let _failure_was_reported = match confined {
            Some((layout, ids)) => child.confine(layout, ids, limits, &self.filters),
            None => child.run_bare(self.rooted.as_ref().ok().map(|rooted| &rooted.host_mounts), self.server),
        };
        // SAFETY: ends the copy at once, without running what the launcher registered for its own end.
        #[allow(unsafe_code)]
        unsafe {
            libc::_exit(1)
        }
    }

    /// Gives back what the sandbox had. No process of it may be left.
    pub(crate) fn bury(&mut self, sandbox: &Sandbox) {
        sandbox.ids.into_iter().for_each(|ids| self.rights.release(ids));
        self.release(sandbox.slot);
    }

    fn release(&self, slot: Option<Slot>) {
        if let Some((network, slot)) = self.network.as_ref().zip(slot) {
            network.release(slot);
        }
    }
}

fn layout(launch: &Launch) -> Option<&Layout> {
    match &launch.confinement {
        Confinement::Process => None,
        Confinement::Namespaces(layout) => Some(layout),
    }
}

/// What its network is to reach; without namespaces it has none of its own.
pub(crate) fn reach(launch: &Launch) -> Option<Reach> {
    layout(launch).map(|layout| layout.reach)
}

impl Sandbox {
    /// Begins to count memory when init runs, and gives the counters and what freezes. Without a namespace of its
    /// processes a sandbox is only counted by a cgroup.
    pub(crate) fn count(&mut self) -> Result<(Counters, Vec<OwnedFd>), Failure> {
        let (mut counters, mut fds) = if self.group.counts_memory() || self.bare {
            self.group.counters()
        } else {
            self.watch.insert(Watch::begin(&self.process, self.memory)?).counters()
        };
        if let Some((kind, file)) = self.group.freezer()? {
            counters.freezer = Some(kind);
            fds.push(file);
        }
        Ok((counters, fds))
    }

    /// Peak of memory and processes killed for lack of it.
    pub(crate) fn usage(&self) -> (Option<u64>, u64) {
        self.watch.as_ref().map_or_else(|| self.group.usage(), Watch::usage)
    }
}

/// Waits for a process that has died or is about to, and says how.
pub(crate) fn wait(process: &Process) -> String {
    match reap(process) {
        Err(error) => format!("init could not be waited for: {error}"),
        Ok((Some(0), _)) => "init has ended, as the server left it".to_owned(),
        Ok((Some(code), _)) => format!("init ended with exit code {code}"),
        Ok((None, Some(signal))) => format!("init was ended by signal {signal}"),
        Ok((None, None)) => "init ended".to_owned(),
    }
}

/// Waits for a process, and says whether it had nothing to complain of.
pub(crate) fn has_succeeded(process: &Process) -> bool {
    matches!(reap(process), Ok((Some(0), _)))
}

/// Waits for a process: its exit code, or the signal that has ended it.
fn reap(process: &Process) -> rustix::io::Result<(Option<i32>, Option<i32>)> {
    loop {
        match waitid(WaitId::PidFd(process.pidfd.as_fd()), WaitIdOptions::EXITED) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error),
            Ok(status) => {
                let code = status.as_ref().and_then(rustix::process::WaitIdStatus::exit_status);
                let signal = status.as_ref().and_then(rustix::process::WaitIdStatus::terminating_signal);
                return Ok((code, signal));
            }
        }
    }
}

/// Tells the kernel which ids of the launcher's namespace are which inside.
pub(crate) fn write_maps(pid: i32, ids: Ids) -> Result<(), Failure> {
    let map = ids.map();
    fs::write(format!("/proc/{pid}/uid_map"), &map).step("map user ids")?;
    fs::write(format!("/proc/{pid}/gid_map"), &map).step("map group ids")
}

/// Detached trees: the composed root, the content of /tmp if it is one, then what [`child::targets`] lists. They are sealed before the
/// sandbox gets them, and opened here, where paths still mean the host's.
fn host_trees(
    layout: &Layout,
    ids: Ids,
    pid: i32,
    template: &Template,
    shelf: &Shelf,
    tmp: Option<OwnedFd>,
) -> Result<Vec<OwnedFd>, Failure> {
    // Root, /tmp, mounts and the resolver's file travel in one message.
    assert!(layout.trees.len() + 3 <= MAX_FDS, "each place is asked for once at most");
    let namespace = user_namespace(ids, pid)?;
    let namespace = namespace.as_ref().map(AsFd::as_fd);
    let root = tree::clone_tree(template.root()).step("copy the root")?;
    // Devices lie on the root itself; the directories on it have NODEV from the template.
    let seal = tree::SEALED & !libc::MOUNT_ATTR_NODEV;
    tree::set_attributes_for(&root, seal, namespace).step("seal the root")?;
    let mut trees = vec![root];
    if let Some(tmp) = tmp {
        // Without the mapping no user inside could own a file, so there is no way around it here.
        let bare = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
        tree::set_attributes(&tmp, bare, namespace).step("map the users of /tmp")?;
        trees.push(tmp);
    }
    // Where the host has none, the sandbox keeps its empty one: it is the last of the targets.
    let resolver = Some(Path::new("/etc/resolv.conf"));
    let resolver = resolver.filter(|path| layout.reach == Reach::Host && path.exists());
    for tree in &layout.trees {
        trees.push(host_tree(tree, shelf, namespace)?);
    }
    if let Some(source) = resolver {
        let tree = tree::clone_tree(source).step(&format!("open {}", source.display()))?;
        trees.push(sealed(tree, namespace, source)?);
    }
    Ok(trees)
}

/// The user namespace for which trees are mapped. With a single id there is nothing to be mapped: what is that user's
/// outside is the function's inside.
pub(crate) fn user_namespace(ids: Ids, pid: i32) -> Result<Option<OwnedFd>, Failure> {
    let namespace = fs::File::open(format!("/proc/{pid}/ns/user")).step("open the user namespace")?;
    Ok(ids.have_root().then(|| namespace.into()))
}

/// A directory that the server has asked for, if it may be shown: copied and sealed.
pub(crate) fn host_tree(
    tree: &Tree,
    shelf: &Shelf,
    namespace: Option<BorrowedFd<'_>>,
) -> Result<OwnedFd, Failure> {
    let source = tree.source.as_path();
    let opened = shelf.open_source(source)?;
    let tree = tree::clone_opened(&opened).step(&format!("open {}", source.display()))?;
    sealed(tree, namespace, source)
}

fn sealed(tree: OwnedFd, namespace: Option<BorrowedFd<'_>>, source: &Path) -> Result<OwnedFd, Failure> {
    let what = format!("seal {}", source.display());
    tree::set_attributes_for(&tree, tree::SEALED, namespace).step(&what)?;
    Ok(tree)
}
