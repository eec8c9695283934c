//! Names, kinds and conflicts, entry by entry. Whole archives are in the tests beside the package.

use super::*;

const LIMITS: Limits = Limits { bytes: 1000, entries: 10 };

fn plan(entries: &[(&str, u32)]) -> Result<Plan, Failure> {
    let mut plan = Plan { nodes: vec![implicit_directory()] };
    for (index, (name, mode)) in entries.iter().enumerate() {
        let mode = Some(*mode).filter(|mode| *mode != 0);
        plan.add(&Entry { index, name: name.as_bytes().to_owned(), mode, modified: 0 }, LIMITS)?;
    }
    Ok(plan)
}

/// The tree as lines of path, kind, and mode or entry.
fn lines(plan: &Plan, at: usize, path: &str, lines: &mut Vec<String>) {
    let Node::Directory { children, .. } = &plan.nodes[at] else { return };
    for (name, node) in children {
        let path = format!("{path}{}", String::from_utf8_lossy(name));
        lines.push(match &plan.nodes[*node] {
            Node::Directory { mode, .. } => format!("{path}/ {mode:o}"),
            Node::File { entry, mode, .. } => format!("{path} {mode:o} #{entry}"),
            Node::Link { entry } => format!("{path} -> #{entry}"),
        });
        self::lines(plan, *node, &format!("{path}/"), lines);
    }
}

#[test]
fn trees_are_planned() {
    for (entries, expected) in [
        (&[("a/b/c", 0o100_644)][..], &["a/ 755", "a/b/ 755", "a/b/c 644 #0"][..]),
        (&[("made-on-windows", 0), ("dir/", 0)], &["dir/ 755", "made-on-windows 644 #0"]),
        (&[("setuid", 0o104_777), ("private", 0o100_600)], &["private 600 #1", "setuid 755 #0"]),
        (&[("d/f", 0), ("d/", 0o040_500), ("d/f", 0o100_755)], &["d/ 500", "d/f 755 #2"]),
        (&[("l", 0o120_777), ("l", 0o120_777)], &["l -> #1"]),
        (&[("l", 0o120_777), ("./l", 0)], &["l 644 #1"]),
        (&[("./a//b", 0), ("./", 0o040_700)], &["a/ 755", "a/b 644 #0"]),
        (&[("lib\\x.js", 0)], &["lib\\x.js 644 #0"]),
        (
            &[("...", 0), ("a..b", 0), ("no-type-bits", 0o777)],
            &["... 644 #0", "a..b 644 #1", "no-type-bits 755 #2"],
        ),
    ] {
        let mut found = Vec::new();
        lines(&plan(entries).unwrap(), 0, "", &mut found);
        assert_eq!(found, expected, "{entries:?}");
    }
}

#[test]
fn unsafe_entries_are_refused() {
    let long = "x".repeat(256);
    let deep = "d/".repeat(101) + "f";
    let endless = "y/".repeat(2001);
    for entries in [
        &[("/etc/passwd", 0)][..],
        &[("../x", 0)],
        &[("a/../../x", 0)],
        &[("a/..", 0)],
        &[("a\0b", 0)],
        &[(".", 0)],
        &[("", 0)],
        &[(&long, 0)],
        &[(&deep, 0)],
        &[(&endless, 0)],
        &[("fifo", 0o010_644)],
        &[("null", 0o020_666)],
        &[("disk", 0o060_666)],
        &[("socket", 0o140_666)],
        &[("link/", 0o120_777)],
        &[("l", 0o120_777), ("l/x", 0)],
        &[("l/x", 0), ("l", 0o120_777)],
        &[("l", 0), ("l/", 0)],
        &[("l/", 0), ("l", 0)],
        &[("f", 0), ("f/x", 0)],
    ] {
        assert_eq!(plan(entries).unwrap_err().error, Kind::Unsafe, "{entries:?}");
    }
}

#[test]
fn directories_that_no_entry_names_count() {
    assert!(plan(&[("1/2/3/4/5/6/7/8/9/f", 0)]).is_ok());
    let failure = plan(&[("1/2/3/4/5/6/7/8/9/10/f", 0)]).unwrap_err();
    assert_eq!(failure.error, Kind::TooManyEntries);
}

#[test]
fn dates_are_counted_in_days() {
    for (date, days) in
        [((1970, 1, 1), 0), ((1980, 1, 1), 3652), ((2000, 2, 29), 11016), ((2107, 12, 31), 50_402)]
    {
        assert_eq!(days_from_civil(date.0, date.1, date.2), days, "{date:?}");
    }
}
