//! What the launcher lets the server ask: decoding and checking, without any I/O.
//!
//! A server of ours sends nothing that is refused here. One that was taken over may send anything.

use crate::{
    Assign, Confinement, Error, Failure, FromLauncher, Launch, Layout, MountPoint, Restore, Snapshot,
    ToLauncher, Tree, UnpackEnd,
};

/// Descriptors beside [`ToLauncher::Launch`].
pub const LAUNCH_FDS: usize = 3;

/// Descriptors beside [`ToLauncher::Unpack`].
pub const UNPACK_FDS: usize = 3;

/// The largest `/tmp` (AWS: "Configure ephemeral storage for Lambda functions").
const MOST_TMP: u64 = 10_240 * 1024 * 1024;

/// The longest name of a sandbox.
const LONGEST_ID: usize = 64;

/// Why a datagram is not carried out.
#[derive(Debug)]
pub enum Rejection {
    /// The request is understood and refused: this is the answer.
    Refused(Box<FromLauncher>),
    /// It is no request. Whoever sent it cannot be spoken with any further.
    Foreign(Error),
}

/// The request in a datagram that came with this many descriptors, if the launcher may carry it out.
///
/// # Errors
/// [`Rejection`]. No datagram makes it panic.
pub fn decode_request(datagram: &[u8], descriptors: usize) -> Result<ToLauncher, Rejection> {
    let request = serde_json::from_slice(datagram).map_err(|e| Rejection::Foreign(Error::Unknown(e)))?;
    match &request {
        ToLauncher::Hello { .. } => return Err(foreign("a second hello", "a request")),
        ToLauncher::Launch(launch) => {
            check_id(&launch.id)?;
            check_launch(launch, descriptors).map_err(|reason| {
                let failure = Failure::Refused { reason };
                Rejection::Refused(Box::new(FromLauncher::LaunchFailed { id: launch.id.clone(), failure }))
            })?;
        }
        ToLauncher::Assign(assign) => {
            check_id(&assign.id)?;
            check_assign(assign, descriptors).map_err(|reason| {
                let (id, failure) = (assign.id.clone(), Some(Failure::Refused { reason }));
                Rejection::Refused(Box::new(FromLauncher::Assigned { id, failure }))
            })?;
        }
        ToLauncher::SetCpu { id, .. } | ToLauncher::Kill { id } => check_id(id)?,
        ToLauncher::Snapshot(Snapshot { id, snapshot, .. })
        | ToLauncher::Restore(Restore { id, snapshot, .. }) => {
            check_id(id)?;
            // It becomes the name of a folder.
            check_id(snapshot)?;
        }
        ToLauncher::Forget { snapshot } => check_id(snapshot)?,
        ToLauncher::Unpack(unpack) if descriptors != UNPACK_FDS => {
            let reason = count("unpacking", descriptors, UNPACK_FDS);
            let end = UnpackEnd::Failed(Failure::Refused { reason });
            return Err(Rejection::Refused(Box::new(FromLauncher::Unpacked { id: unpack.id, end })));
        }
        ToLauncher::Unpack(_) | ToLauncher::StopUnpack { .. } => {}
    }
    Ok(request)
}

fn foreign(got: &str, expected: &'static str) -> Rejection {
    Rejection::Foreign(Error::Unexpected { got: got.to_owned(), expected })
}

/// Not answered, for the answer would carry the name: it becomes part of paths, and of messages with a bound.
fn check_id(id: &str) -> Result<(), Rejection> {
    let valid = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if (1..=LONGEST_ID).contains(&id.len()) && valid {
        return Ok(());
    }
    Err(foreign("a sandbox with a name of its own kind", "1 to 64 letters, digits and hyphens"))
}

fn check_launch(launch: &Launch, descriptors: usize) -> Result<(), String> {
    if descriptors != LAUNCH_FDS {
        return Err(count("a launch", descriptors, LAUNCH_FDS));
    }
    match &launch.confinement {
        Confinement::Process => Ok(()),
        Confinement::Namespaces(layout) => check_layout(layout),
    }
}

fn check_layout(layout: &Layout) -> Result<(), String> {
    if layout.tmp == 0 {
        // A tmpfs takes 0 for "no limit".
        return Err("/tmp needs a size above 0".to_owned());
    }
    if layout.tmp > MOST_TMP {
        return Err(format!("/tmp of {} bytes is larger than the {MOST_TMP} of 10,240 MB", layout.tmp));
    }
    check_trees(&layout.trees)
}

fn check_assign(assign: &Assign, descriptors: usize) -> Result<(), String> {
    if descriptors != 0 {
        return Err(count("an assignment", descriptors, 0));
    }
    check_trees(&assign.trees)
}

fn check_trees(trees: &[Tree]) -> Result<(), String> {
    for place in MountPoint::ALL {
        if trees.iter().filter(|tree| tree.target == place).count() > 1 {
            return Err(format!("two directories were to be mounted at {}", place.path()));
        }
    }
    match trees.iter().find(|tree| !tree.source.as_path().is_absolute()) {
        Some(tree) => Err(format!("{} is not an absolute path", tree.source.as_path().display())),
        None => Ok(()),
    }
}

fn count(what: &str, descriptors: usize, expected: usize) -> String {
    format!("{what} came with {descriptors} descriptors instead of {expected}")
}

#[cfg(test)]
mod tests;
