//! Giving up root's rights, for the rest of the server's life.
//!
//! Called once, after the launcher has been started and before there is a second thread: user, groups and capabilities
//! belong to a thread, and those that are made later inherit them. Reference: capabilities(7), and the order in which
//! Firecracker's jailer gives up its rights.

use std::fs;
use std::io;

use lambent_sandbox_protocol::User;
use rustix::process::{DumpableBehavior, Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

/// Why the rights were not given up. The process must not go on then.
#[derive(Debug, thiserror::Error)]
pub enum GiveUpError {
    /// A step failed.
    #[error("cannot {step}")]
    Step {
        /// What was tried.
        step: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// After all steps something is still there.
    #[error("this process still has {0}, which it has tried to give up")]
    Kept(String),
    /// Other threads would keep their rights.
    #[error("rights can only be given up by a process of one thread, and this one has {0}")]
    Threads(usize),
}

/// Becomes `user` for ever: no group, no capability, no way to get any back, and nothing for other processes of the same
/// user to look into.
///
/// # Errors
/// [`GiveUpError`]; what has been given up by then stays so.
pub fn give_up(user: User) -> Result<(), GiveUpError> {
    let threads = fs::read_dir("/proc/self/task").map_err(failed("count the threads"))?.count();
    if threads != 1 {
        return Err(GiveUpError::Threads(threads));
    }
    // While there is still the capability to do so.
    drop_bounding_set().map_err(failed("drop the bounding set"))?;
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    rustix::thread::set_thread_groups(&[]).map_err(failed("leave all groups"))?;
    // Before the user, who may not change the group any more.
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(failed("change the group"))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(failed("change the user"))?;
    // The change of user has cleared what root had; inheritable and ambient sets are cleared here.
    rustix::thread::clear_ambient_capability_set().map_err(failed("clear ambient capabilities"))?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).map_err(failed("drop capabilities"))?;
    // The server starts no program any more that could need any.
    rustix::thread::set_no_new_privs(true).map_err(failed("give up new privileges"))?;
    // After the change of user, which decides it anew.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(failed("be closed to other processes"))?;
    verify(user)
}

fn failed<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> GiveUpError {
    move |error| GiveUpError::Step { step, source: error.into() }
}

fn drop_bounding_set() -> rustix::io::Result<()> {
    for number in 0..u64::BITS {
        match rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(
            1 << number,
        )) {
            Ok(()) => {}
            // The first number above the kernel's last capability.
            Err(rustix::io::Errno::INVAL) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads back what the kernel says, rather than believing that every step did what it was meant to.
fn verify(user: User) -> Result<(), GiveUpError> {
    let status = fs::read_to_string("/proc/self/status").map_err(failed("read /proc/self/status"))?;
    if let Some(kept) = kept(&status, user) {
        return Err(GiveUpError::Kept(kept));
    }
    if rustix::process::dumpable_behavior().map_err(failed("read whether it is dumpable"))?
        != DumpableBehavior::NotDumpable
    {
        return Err(GiveUpError::Kept("memory that its own user may read".to_owned()));
    }
    // The proof of the pudding: nobody becomes root again.
    if rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_ok() {
        return Err(GiveUpError::Kept("a way back to root".to_owned()));
    }
    Ok(())
}

/// The first line of a status file (proc(5)) that shows a right.
fn kept(status: &str, user: User) -> Option<String> {
    let four = |id: u32| [id; 4].map(|id| id.to_string()).join(" ");
    let none = "0000000000000000".to_owned();
    let expected = [
        ("Uid", four(user.uid)),
        ("Gid", four(user.gid)),
        ("Groups", String::new()),
        ("CapInh", none.clone()),
        ("CapPrm", none.clone()),
        ("CapEff", none.clone()),
        ("CapBnd", none.clone()),
        ("CapAmb", none),
        ("NoNewPrivs", "1".to_owned()),
    ];
    expected.into_iter().find_map(|(name, expected)| {
        let found = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let found = found.map(|found| found.split_whitespace().collect::<Vec<_>>().join(" "));
        (found.as_ref() != Some(&expected)).then(|| {
            format!("{name} {} in place of {expected:?}", found.unwrap_or_else(|| "unknown".to_owned()))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: User = User { uid: 7, gid: 8 };

    fn status(change: (&str, &str)) -> String {
        let none = "0000000000000000";
        let mut lines = vec![
            ("Uid", "7\t7\t7\t7"),
            ("Gid", "8\t8\t8\t8"),
            ("Groups", " "),
            ("CapInh", none),
            ("CapPrm", none),
            ("CapEff", none),
            ("CapBnd", none),
            ("CapAmb", none),
            ("NoNewPrivs", "1"),
        ];
        lines.iter_mut().filter(|(name, _)| *name == change.0).for_each(|line| line.1 = change.1);
        lines.iter().map(|(name, value)| format!("{name}:\t{value}\n")).collect()
    }

    #[test]
    fn every_right_that_is_left_is_seen() {
        assert_eq!(kept(&status(("", "")), USER), None);
        for (name, value) in [
            ("Uid", "7\t7\t0\t7"),
            ("Gid", "8\t0\t8\t8"),
            ("Groups", "0"),
            ("CapInh", "0000000000000001"),
            ("CapPrm", "0000000000000400"),
            ("CapEff", "000001ffffffffff"),
            ("CapBnd", "000001ffffffffff"),
            ("CapAmb", "0000000000000001"),
            ("NoNewPrivs", "0"),
        ] {
            let kept = kept(&status((name, value)), USER);
            assert!(kept.as_ref().is_some_and(|kept| kept.starts_with(name)), "{name}: {kept:?}");
        }
        assert!(kept("", USER).is_some(), "what is unknown is no proof");
    }

    #[test]
    fn with_other_threads_nothing_is_given_up() {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || ended.recv().is_err());
        assert!(matches!(give_up(USER), Err(GiveUpError::Threads(2..))));
        drop(end);
        assert!(other.join().expect("it only waits"));
    }
}
