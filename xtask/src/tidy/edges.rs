//! Which package may use which: the floor plan as a table, and cargo's own view of the workspace against it.

/// One package's line in the table. Names are without `lambent-`.
pub(crate) struct Rule {
    name: &'static str,
    /// What the architecture gives it.
    uses: &'static [&'static str],
    /// What it uses beyond the architecture, each with the reason.
    exceptions: &'static [(&'static str, &'static str)],
    /// What only its tests use.
    tests: &'static [&'static str],
}

const fn rule(name: &'static str, uses: &'static [&'static str]) -> Rule {
    Rule { name, uses, exceptions: &[], tests: &[] }
}

/// Every package of the workspace and what it uses of it, the outermost first. An edge that is not here fails, and so
/// does one that is here and that nobody needs: the table is what is, not what might be.
pub(crate) const TABLE: &[Rule] = &[
    // The binary is the only one that knows both sides (docs/adr/0001).
    rule("lambent", &["cli", "runtimes", "server"]),
    Rule {
        name: "cli",
        uses: &["model", "wire"],
        exceptions: &[("identity", "it signs its calls as any client does (docs/adr/0001)")],
        tests: &[],
    },
    // Composition: it names every part and holds none of their rules.
    Rule {
        name: "server",
        uses: &[
            "control",
            "environment",
            "fabric",
            "identity",
            "invoker",
            "lambda",
            "metrics",
            "model",
            "runtimes",
            "s3",
            "sandbox-client",
            "services",
            "sources",
            "sqs",
            "store",
            "wire",
        ],
        exceptions: &[],
        tests: &["testkit"],
    },
    rule("control", &["lambda", "model", "store", "wire"]),
    Rule {
        name: "services",
        uses: &["fabric", "identity", "model", "patterns", "store", "wire"],
        exceptions: &[],
        tests: &["testkit"],
    },
    rule("sources", &["fabric", "lambda", "model", "patterns", "store"]),
    // An engine of its own: queues that clients poll (docs/adr/0018).
    rule("sqs", &["identity", "model", "store", "wire"]),
    // An engine of its own, and what it tells others goes by the outbox (docs/adr/0017).
    rule("s3", &["fabric", "identity", "model", "store"]),
    rule("fabric", &["model", "store"]),
    rule("invoker", &["environment", "lambda", "model"]),
    Rule { name: "environment", uses: &["model", "sandbox-client"], exceptions: &[], tests: &["testkit"] },
    rule("sandbox-client", &["model", "sandbox-protocol"]),
    rule("sandbox-launcher", &["sandbox-protocol"]),
    rule("sandbox-init", &["sandbox-protocol"]),
    // Reads what strangers pack, and knows nothing else.
    Rule {
        name: "sandbox-unpack",
        uses: &[],
        exceptions: &[],
        // Its tests run it as the store does, which owns both ends of their agreement.
        tests: &["model", "store", "testkit"],
    },
    Rule { name: "sandbox-protocol", uses: &[], exceptions: &[], tests: &["testkit"] },
    // The attacker of the escape suite: a stranger's program, which knows nothing of ours.
    rule("sandbox-escape", &[]),
    rule("metrics", &["model"]),
    rule("runtimes", &["model"]),
    rule("store", &["model"]),
    // Pure: no I/O, no clock.
    Rule { name: "identity", uses: &["model"], exceptions: &[], tests: &["testkit"] },
    // Policies of functions are in the language that identity reads (docs/adr/0013).
    rule("lambda", &["identity", "model", "patterns"]),
    rule("patterns", &[]),
    Rule { name: "wire", uses: &["model"], exceptions: &[], tests: &["testkit"] },
    rule("model", &[]),
    // For tests alone.
    rule("testkit", &[]),
    // Beside the house: users' code and the project's own commands.
    rule("example-native", &[]),
    rule("xtask", &[]),
    // The yardstick shares no code with what it is held against; the load signs its requests as a client does.
    rule("bench-floor", &[]),
    rule("bench-load", &["identity", "model"]),
];

/// A package as cargo sees it.
pub(crate) struct Package {
    name: String,
    /// Its `Cargo.toml`.
    pub(crate) manifest: String,
    uses: Vec<Edge>,
}

struct Edge {
    to: String,
    /// Whether only tests and benchmarks have it.
    dev: bool,
}

/// The workspace's packages.
pub(crate) fn packages() -> Result<Vec<Package>, String> {
    let output = crate::cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .map_err(|error| format!("cannot run cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    parse(&output.stdout).map_err(|error| format!("cannot read the answer of cargo metadata: {error}"))
}

fn parse(json: &[u8]) -> Result<Vec<Package>, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Metadata {
        packages: Vec<Listed>,
    }
    #[derive(serde::Deserialize)]
    struct Listed {
        name: String,
        manifest_path: String,
        dependencies: Vec<Dependency>,
    }
    #[derive(serde::Deserialize)]
    struct Dependency {
        name: String,
        kind: Option<String>,
        path: Option<String>,
    }
    let metadata: Metadata = serde_json::from_slice(json)?;
    let short = |name: &str| name.strip_prefix("lambent-").unwrap_or(name).to_owned();
    let package = |listed: Listed| {
        let ours = listed.dependencies.into_iter().filter(|dependency| dependency.path.is_some());
        let edge = |dependency: Dependency| Edge {
            to: short(&dependency.name),
            dev: dependency.kind.as_deref() == Some("dev"),
        };
        Package { name: short(&listed.name), manifest: listed.manifest_path, uses: ours.map(edge).collect() }
    };
    Ok(metadata.packages.into_iter().map(package).collect())
}

/// Every edge that the table does not have, and every line of it that is not true.
pub(crate) fn check(packages: &[Package], table: &[Rule]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        let Some(rule) = table.iter().find(|rule| rule.name == package.name) else {
            faults.push(format!("{} is not in the table of xtask/src/tidy/edges.rs", package.name));
            continue;
        };
        faults.extend(package.uses.iter().filter(|edge| !rule.allows(edge)).map(|edge| {
            let kind = if edge.dev { "in its tests " } else { "" };
            format!(
                "{} must not use {} {kind}(ARCHITECTURE.md; a new edge needs a page in docs/adr and its line in \
                 xtask/src/tidy/edges.rs)",
                package.name, edge.to
            )
        }));
        faults.extend(rule.unused(package));
    }
    let gone = table.iter().filter(|rule| !packages.iter().any(|package| package.name == rule.name));
    faults.extend(
        gone.map(|rule| format!("there is no package {}; take it off the table of edges", rule.name)),
    );
    faults
}

impl Rule {
    fn normal(&self) -> impl Iterator<Item = &'static str> {
        self.uses.iter().copied().chain(self.exceptions.iter().map(|(name, _reason)| *name))
    }

    fn allows(&self, edge: &Edge) -> bool {
        self.normal().any(|name| name == edge.to) || (edge.dev && self.tests.contains(&edge.to.as_str()))
    }

    fn unused(&self, package: &Package) -> Vec<String> {
        let has = |name: &str, dev: bool| package.uses.iter().any(|edge| edge.to == name && edge.dev == dev);
        let normal = self.normal().filter(|name| !has(name, false));
        let tests = self.tests.iter().copied().filter(|name| !has(name, true));
        normal
            .chain(tests)
            .map(|name| format!("{} no longer uses {name}; take the edge off the table", self.name))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, uses: &[(&str, bool)]) -> Package {
        let edge = |(to, dev): &(&str, bool)| Edge { to: (*to).to_owned(), dev: *dev };
        Package { name: name.to_owned(), manifest: String::new(), uses: uses.iter().map(edge).collect() }
    }

    #[test]
    fn new_and_stale_edges_are_faults() {
        let table = &[
            Rule { name: "a", uses: &["b"], exceptions: &[("c", "because")], tests: &["t"] },
            rule("b", &[]),
        ];
        let b = || package("b", &[]);
        let a = |uses: &[(&str, bool)]| check(&[package("a", uses), b()], table).len();
        let all = [("b", false), ("c", false), ("t", true)];
        assert_eq!(a(&all), 0);
        assert_eq!(a(&[all[0], all[1], all[2], ("x", false)]), 1);
        assert_eq!(a(&[all[0], all[1], ("t", false)]), 2, "a test's edge is none of the package's");
        assert_eq!(a(&[all[0], all[2]]), 1);
        assert_eq!(check(&[b()], table).len(), 1, "a package that is gone");
        assert_eq!(check(&[b(), package("new", &[])], table).len(), 2, "a package that is new");
    }

    #[test]
    fn metadata_is_read() {
        let json = br#"{"packages":[{"name":"lambent-a","manifest_path":"/x/Cargo.toml","dependencies":[
            {"name":"lambent-b","kind":null,"path":"/x/b"},{"name":"serde","kind":null},
            {"name":"lambent-t","kind":"dev","path":"/x/t"}]}]}"#;
        let packages = parse(json).expect("this is what cargo prints");
        let uses: Vec<(&str, bool)> =
            packages[0].uses.iter().map(|edge| (edge.to.as_str(), edge.dev)).collect();
        assert_eq!((packages[0].name.as_str(), uses), ("a", vec![("b", false), ("t", true)]));
    }
}
