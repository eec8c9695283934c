//! Giving up every right before init runs. The order matters; each step says why it stands where it does.

use std::io;

use lambent_sandbox_protocol::{Failure, Layout, Snapshotting, User};
use rustix::process::{Gid, Resource, Rlimit, Signal, Uid, getrlimit, setrlimit};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};
use seccompiler::BpfProgram;

use crate::landlock;
use crate::rights::Ids;
use crate::step::{Step, refused};

/// The function's user and group inside, `sbx_user1051` as on AWS.
pub(crate) const FUNCTION_UID: u32 = 1051;

const KIB: u64 = 1024;

/// No program gets capabilities for being root or keeps some as ambient ones, and nobody can change that
/// (capabilities(7)). Nobody inside could, anyway: one more reason that does not depend on the others.
const SECURE_BITS: CapabilitiesSecureBits = CapabilitiesSecureBits::NO_ROOT
    .union(CapabilitiesSecureBits::NO_ROOT_LOCKED)
    .union(CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE)
    .union(CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED);

/// From all capabilities in the namespace to the function's user without any.
pub(crate) fn give_up(
    ids: Ids,
    limits: Limits,
    filters: &[BpfProgram],
    layout: &Layout,
) -> Result<(), Failure> {
    limit(limits)?;
    if limits.memory.is_some() {
        be_the_first_to_go()?;
    }
    // While there is still the capability to do so.
    drop_bounding_set().step("drop the bounding set")?;
    rustix::thread::set_capabilities_secure_bits(SECURE_BITS).step("lock the way back to capabilities")?;
    if ids.have_root() {
        become_user(FUNCTION_UID)?;
    }
    // Whoever was root has lost them by the change of user, but for the inheritable and ambient sets; a sandbox
    // without a root still has them all.
    rustix::thread::clear_ambient_capability_set().step("clear ambient capabilities")?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).step("drop capabilities")?;
    // After the change of user, which would reset it: with the launcher the sandbox dies, whatever happens.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).step("bind to the launcher")?;
    // Before the filters, which an unprivileged process may install only with this promise.
    rustix::thread::set_no_new_privs(true).step("give up new privileges")?;
    // While files can still be looked up by calls that the filters may come to refuse.
    if layout.snapshots == Snapshotting::No {
        landlock::restrict(layout.open)?;
    }
    // Last, because every step above needs calls that the filters refuse.
    for filter in filters {
        seccompiler::apply_filter(filter)
            .map_err(|error| refused(format!("install seccomp filter: {error}")))?;
    }
    Ok(())
}

/// Becomes a user and group of the namespace, in no further group.
pub(crate) fn become_user(id: u32) -> Result<(), Failure> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    rustix::thread::set_thread_groups(&[]).step("leave groups")?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).step("change group")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).step("change user")
}

/// What a sandbox may have beside what is the same for all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Processes and threads, init among them.
    pub(crate) processes: u32,
    /// Bytes, where no cgroup limits memory.
    pub(crate) memory: Option<u64>,
}

const STACK: u64 = 8 * KIB * KIB;

/// Becomes the server's user for good, without any other right.
pub(crate) fn become_server(user: User) -> Result<(), Failure> {
    drop_bounding_set().step("drop the bounding set")?;
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    rustix::thread::set_thread_groups(&[]).step("leave groups")?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).step("change group")?;
    // Clears what root had of capabilities.
    rustix::thread::set_thread_res_uid(uid, uid, uid).step("change user")?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).step("bind to the launcher")?;
    rustix::thread::set_no_new_privs(true).step("give up new privileges")
}

/// The limits seen on AWS. Never above what the launcher has, for raising needs CAP_SYS_RESOURCE.
fn limit(limits: Limits) -> Result<(), Failure> {
    let processes = u64::from(limits.processes);
    let data = limits.memory.map(|memory| (Resource::Data, data_limit(memory, limits.processes)));
    let wanted = [
        (Resource::Nofile, 1024),
        (Resource::Nproc, processes),
        // A core dump would be handed to the host's handler; AWS, where there is none, allows them.
        (Resource::Core, 0),
        (Resource::Memlock, 64 * KIB),
        // Timers, too, of which each is kept a signal for.
        (Resource::Sigpending, processes),
        // Bytes of POSIX message queues; the kernel's default.
        (Resource::Msgqueue, 800 * KIB),
        // No better place in the queue for a processor than others have.
        (Resource::Nice, 0),
        (Resource::Rtprio, 0),
        (Resource::Stack, STACK),
    ];
    for (resource, value) in wanted.into_iter().chain(data) {
        let value = getrlimit(resource).maximum.map_or(value, |maximum| value.min(maximum));
        setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })
            .step("set resource limits")?;
    }
    Ok(())
}

/// Bytes of data that each process may have, where a function may have that much memory and no cgroup says so: all of it,
/// and a stack for each possible thread. Not the address space, of which Node.js and Java reserve far more than they use.
/// The watch over memory is what keeps the limit.
pub(crate) fn data_limit(memory: u64, processes: u32) -> u64 {
    memory.saturating_add(u64::from(processes) * STACK)
}

/// Where memory is only watched the host may run out of it: then the kernel shall take a function, and not what its
/// user works with. Raising the score needs no right (proc_pid_oom_score_adj(5)).
fn be_the_first_to_go() -> Result<(), Failure> {
    const SCORE: &str = "500";
    std::fs::write("/proc/self/oom_score_adj", SCORE).step("raise the score for lack of memory")
}

fn drop_bounding_set() -> io::Result<()> {
    for capability in 0..64 {
        // SAFETY: takes numbers only.
        #[allow(unsafe_code)]
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } < 0 {
            let error = io::Error::last_os_error();
            // The first number above the kernel's last capability.
            return if error.raw_os_error() == Some(libc::EINVAL) { Ok(()) } else { Err(error) };
        }
    }
    Ok(())
}
