//! Giving an open sandbox, which was made in advance, the function that it is for.
//!
//! ```text
//! copy and seal the trees ─▶ into the sandbox's mounts ─▶ attach ─▶ back ─▶ limit of memory
//! ```
//!
//! The launcher attaches, because nobody inside has a right to: what is attached this way is not locked, and whoever had
//! a capability in the sandbox could make it writable. So nothing inside may have one, and init has none.
//!
//! A sandbox takes this once. That what was in it is a client of ours and no function is the server's business: one that
//! was taken over gains nothing by another order, for a function may not change its mounts, before or after.

use std::os::fd::{AsFd, OwnedFd};

use lambent_sandbox_protocol::{Assign, Failure, MountPoint, process};
use rustix::fs::CWD;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::privileges;
use crate::sandbox::{Rooted, Sandbox, Workshop, host_tree, user_namespace};
use crate::step::{Step, refused};
use crate::tree;

impl Workshop {
    /// Shows the trees in the sandbox and limits its memory. A sandbox for which this fails is of no more use.
    pub(crate) fn assign(&self, sandbox: &mut Sandbox, assign: &Assign) -> Result<(), Failure> {
        // Taken, whatever comes: half-way is not open either.
        let open = sandbox.open.take();
        let open =
            open.ok_or_else(|| refused("the sandbox was not made in advance, or is somebody's already"))?;
        let (Ok(rooted), Some(ids)) = (&self.rooted, sandbox.ids) else {
            return Err(refused("a sandbox without isolation shows the host's files"));
        };
        if let Some(tree) = assign.trees.iter().find(|tree| open.taken.contains(&tree.target)) {
            return Err(refused(format!("there is something at {} already", tree.target.path())));
        }
        let namespace = user_namespace(ids, sandbox.process.pid)?;
        let namespace = namespace.as_ref().map(AsFd::as_fd);
        // Here, where paths still mean the host's, and nobody inside can see them yet.
        let trees =
            assign.trees.iter().map(|tree| Ok((host_tree(tree, &self.shelf, namespace)?, tree.target)));
        let trees = trees.collect::<Result<Vec<_>, Failure>>()?;
        if !trees.is_empty() {
            attach(rooted, sandbox.process.pid, &trees)?;
        }
        sandbox.group.set_yielding(false)?;
        sandbox.memory = assign.memory;
        match &mut sandbox.watch {
            Some(watch) => {
                watch.set_limit(assign.memory);
                limit_data(sandbox.process.pid, privileges::data_limit(assign.memory, open.processes))
            }
            None => sandbox.group.set_memory(assign.memory.saturating_add(open.in_memory)),
        }
    }
}

/// Attaches the trees in the mount namespace of a process.
fn attach(rooted: &Rooted, pid: i32, trees: &[(OwnedFd, MountPoint)]) -> Result<(), Failure> {
    let inside = std::fs::File::open(format!("/proc/{pid}/ns/mnt")).step("open the sandbox's mounts")?;
    let kind = Some(LinkNameSpaceType::Mount);
    move_into_link_name_space(inside.as_fd(), kind).step("enter the sandbox's mounts")?;
    // No link is followed: the directories on the way are of the composed root, which nobody inside can write to.
    let attached = trees.iter().try_for_each(|(tree, target)| {
        tree::attach(tree, CWD, target.path()).step(&format!("mount {}", target.path()))
    });
    // A launcher that stayed would take the sandbox's paths for the host's.
    move_into_link_name_space(rooted.own_mounts.as_fd(), kind)
        .expect("it comes from there, holds it open, and has the right");
    attached
}

/// Where memory is only watched: the limit that init and what it has started were made with is the highest of all.
fn limit_data(init: i32, bytes: u64) -> Result<(), Failure> {
    let what = "limit the sandbox's data";
    let children = process::children(init).step(what)?;
    for pid in children.into_iter().chain([init]).filter_map(Pid::from_raw) {
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        match prlimit(Some(pid), Resource::Data, limit) {
            // It has just ended.
            Err(rustix::io::Errno::SRCH) => {}
            done => drop(done.step(what)?),
        }
    }
    Ok(())
}
