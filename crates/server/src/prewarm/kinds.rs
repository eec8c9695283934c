//! What of a function's sandbox can wait before the function is known.

use std::path::PathBuf;

use lambent_model::{Bytes, MemorySize};
use lambent_runtimes::{Catalogue, Family, Status, Tier};
use lambent_sandbox_client::{Kind, Mount, Program};

/// The least memory of a function (Lambda quotas), and what functions have that do not set any.
const LEAST_MEMORY: MemorySize = MemorySize(128);
/// The `/tmp` of a function that does not set its size (AWS: "Configure ephemeral storage for Lambda functions").
const USUAL_TMP: Bytes = Bytes::mib(512);

/// The kind of sandbox that functions of this runtime, memory, `/tmp` and tier can be given; `None` if their runtime cannot
/// be used here, which the start says better.
pub(crate) fn kind(
    catalogue: &Catalogue,
    runtime: &str,
    memory: MemorySize,
    tmp: Bytes,
    tier: Tier,
) -> Option<Kind> {
    let family = lambent_runtimes::family(runtime)?;
    let layout = catalogue.layout(runtime, true).ok()?;
    if tier == Tier::Sandbox {
        // The same for all runtimes: what they need is shown when the function is known.
        return Some(Kind { mounts: Vec::new(), program: None, memory: LEAST_MEMORY.bytes(), tmp });
    }
    // What of it depends on the function is the size of its memory, and that for Node.js alone: its heap has a limit from
    // the start.
    let memory = if matches!(family, Family::NodeJs { .. }) { memory } else { LEAST_MEMORY };
    let folders = layout.folders("/var/task".into(), "/opt".into());
    let env = lambent_runtimes::starting_variables(runtime, family, &folders);
    let program = Program {
        argv: layout.argv_for(memory, "", |_| None),
        env: env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        // The function's folder is still empty, and another one once it is not.
        cwd: PathBuf::from("/"),
    };
    let mounts = layout.mounts.into_iter().map(|(source, target)| Mount { source, target }).collect();
    Some(Kind { mounts, program: Some(program), memory: memory.bytes(), tmp })
}

/// What is made before anybody has asked for anything: for the newest Python and the newest Node.js of this host, so that
/// the first function that anybody tries starts at once.
pub(crate) fn usual_kinds(catalogue: &Catalogue) -> Vec<Kind> {
    let entries = catalogue.entries();
    let newest = |wanted: fn(Family) -> bool| {
        let mut ready = entries.iter().filter(|entry| matches!(entry.status, Status::Ready { .. }));
        ready.find(|entry| entry.info.family.is_some_and(wanted))
    };
    let python = newest(|family| matches!(family, Family::Python { .. }));
    let node = newest(|family| matches!(family, Family::NodeJs { .. }));
    let found = [python, node].into_iter().flatten();
    found
        .filter_map(|entry| kind(catalogue, entry.info.id, LEAST_MEMORY, USUAL_TMP, Tier::Interpreter))
        .collect()
}
