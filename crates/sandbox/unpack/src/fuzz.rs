//! Zips as targets for fuzzers: bytes in, no panic, and a plan that leads nowhere else.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};

use zip::ZipArchive;
use zip::write::SimpleFileOptions;

use crate::plan::{DEPTH, Node, Plan, malformed};
use crate::{Failure, Limits};

/// Small, so that inputs of a few kilobytes come to the limits.
const LIMITS: Limits = Limits { bytes: 1 << 20, entries: 200 };

/// A whole zip: read, planned, and every entry decompressed as far as the limit.
pub fn zip(bytes: &[u8]) {
    let planned = ZipArchive::new(Cursor::new(bytes)).map_err(malformed).and_then(|mut archive| {
        let plan = Plan::of_archive(&mut archive, LIMITS)?;
        Ok((archive, plan))
    });
    match planned {
        Ok((archive, plan)) => inspect(archive, &plan),
        Err(Failure { detail, .. }) => assert!(detail.chars().count() <= 300, "too long to be answered"),
    }
}

fn inspect(mut archive: ZipArchive<Cursor<&[u8]>>, plan: &Plan) {
    // The root is no entry.
    assert!(plan.nodes.len() <= LIMITS.entries + 1, "{} nodes", plan.nodes.len());
    let Node::Directory { children, .. } = &plan.nodes[0] else { panic!("the root is a directory") };
    let mut seen = vec![false; plan.nodes.len()];
    walk(plan, children, 1, &mut seen);
    for node in &plan.nodes {
        let (Node::File { entry, .. } | Node::Link { entry }) = node else { continue };
        let Ok(file) = archive.by_index(*entry) else { continue };
        // What it is, the writer finds out; here it must only end.
        let _ = std::io::copy(&mut file.take(LIMITS.bytes), &mut std::io::sink());
    }
}

fn walk(plan: &Plan, children: &BTreeMap<Vec<u8>, usize>, depth: usize, seen: &mut [bool]) {
    assert!(depth <= DEPTH, "deeper than {DEPTH}");
    for (name, node) in children {
        let plain = !name.is_empty() && name != b"." && name != b".." && name.len() <= 255;
        assert!(plain && !name.contains(&b'/') && !name.contains(&0), "{}", name.escape_ascii());
        assert!(!std::mem::replace(&mut seen[*node], true), "one node in two places");
        match &plan.nodes[*node] {
            Node::Directory { mode, children, .. } => {
                assert_eq!(mode & !0o755, 0, "mode {mode:o}");
                walk(plan, children, depth + 1, seen);
            }
            Node::File { mode, .. } => assert_eq!(mode & !0o755, 0, "mode {mode:o}"),
            Node::Link { .. } => {}
        }
    }
}

/// Inputs to begin with.
///
/// # Panics
/// When a zip cannot be made in memory.
#[must_use]
pub fn zips() -> Vec<Vec<u8>> {
    let plain: &[(&str, u32)] = &[("a.py", 0o100_644), ("lib/", 0o040_755), ("lib/b.so", 0o100_755)];
    let links: &[(&str, u32)] = &[("to", 0o120_777), ("to/x", 0o100_644), ("../up", 0o100_644)];
    let odd: &[(&str, u32)] =
        &[("dev", 0o020_666), ("/abs", 0o104_755), ("./a//b/", 0), ("\u{e9}\\x", 0o100_600)];
    let same: &[(&str, u32)] = &[("a", 0o100_644), ("a/", 0o040_755), ("a/b", 0o100_644), ("a", 0o120_777)];
    [plain, links, odd, same].map(pack).to_vec()
}

fn pack(entries: &[(&str, u32)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode) in entries {
        let options = SimpleFileOptions::default().unix_permissions(mode & 0o7777);
        if writer.start_file(*name, options).is_ok() {
            writer.write_all(name.repeat(3).as_bytes()).expect("memory takes it");
        }
    }
    let mut bytes = writer.finish().expect("memory takes it").into_inner();
    // The writer sets the kind of file by itself: here it is said to be what the table says.
    for (mode, at) in entries.iter().map(|(_, mode)| *mode).zip(central_headers(&bytes)) {
        bytes[at + 38..at + 42].copy_from_slice(&(mode << 16).to_le_bytes());
    }
    bytes
}

/// Where the entries of the central directory begin (APPNOTE 4.3.12).
fn central_headers(bytes: &[u8]) -> Vec<usize> {
    bytes.windows(4).enumerate().filter(|(_, head)| *head == b"PK\x01\x02").map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_zip_breaks_the_reader_or_leads_out() {
        lambent_testkit::campaign(&super::zips(), super::zip);
    }
}
