use super::*;
use crate::probe::tests::{fake_interpreter, scratch};

/// A host with nothing but what the test puts into its folders.
struct Host {
    root: PathBuf,
    search: Search,
}

impl Host {
    fn new() -> Self {
        let root = scratch("host");
        let search = Search {
            path: vec![root.join("usr/bin"), root.join("home/.pyenv/shims")],
            home: Some(root.join("home")),
            python_versions: vec![root.join("home/.pyenv/versions")],
            node_versions: vec![root.join("home/.nvm/versions/node")],
            installations: vec![root.join("opt")],
            system: vec![root.join("usr")],
        };
        Self { root, search }
    }

    fn program(&self, path: &str, answer: &str) {
        fake_interpreter(&self.root.join(path), answer);
    }

    /// A complete installation below `folder`.
    fn python(&self, folder: &str, version: &str) {
        let minor = version.split('.').nth(1).expect("three numbers");
        self.program(&format!("{folder}/bin/python3.{minor}"), &format!("Python {version}"));
        std::os::unix::fs::symlink(format!("python3.{minor}"), self.root.join(folder).join("bin/python"))
            .expect("a fresh folder");
        self.file(&format!("{folder}/lib/python3.{minor}/os.py"));
    }

    fn file(&self, path: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("creatable");
        fs::write(path, "").expect("writable");
    }

    fn discover(&self) -> Catalogue {
        Catalogue::discover(&self.root.join("data"), &self.search).expect("the data directory is writable")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.root).expect("the test's own folder");
    }
}

fn words(argv: &[OsString]) -> Vec<&str> {
    argv.iter().map(|word| word.to_str().expect("ASCII in tests")).collect()
}

#[test]
fn the_newest_installation_comes_before_the_system() {
    let host = Host::new();
    host.python("home/.pyenv/versions/3.12.1", "3.12.1");
    host.python("home/.pyenv/versions/3.12.10", "3.12.10");
    host.program("usr/bin/python3.12", "Python 3.12.3");
    host.program("home/.pyenv/shims/python3.12", "Python 3.12.99");
    let layout = host.discover().layout("python3.12", true).expect("there are three");
    let prefix = host.root.join("home/.pyenv/versions/3.12.10");
    assert_eq!(layout.mounts[0], (prefix, "/var/lang"));
    assert_eq!(layout.mounts[1].1, "/var/runtime");
    assert!(layout.mounts[1].0.join("bootstrap.py").is_file());
    assert_eq!(words(&layout.argv), ["/var/lang/bin/python3.12", "/var/runtime/bootstrap.py"]);
}

#[test]
fn the_system_s_interpreter_is_reached_through_links() {
    let host = Host::new();
    host.program("usr/bin/python3.11", "Python 3.11.2");
    host.program("usr/bin/node", "v20.20.2");
    let catalogue = host.discover();
    for (runtime, names) in
        [("python3.11", ["python3.11", "python3", "python"].as_slice()), ("nodejs20.x", &["node"])]
    {
        let (lang, target) = catalogue.layout(runtime, true).expect("it is there").mounts[0].clone();
        assert_eq!(target, "/var/lang");
        for name in names {
            let link = fs::read_link(lang.join("bin").join(name)).expect("a link");
            assert_eq!(link.parent(), Some(host.root.join("usr/bin").as_path()));
        }
    }
    let open = catalogue.layout("python3.11", false).expect("it is there");
    assert!(open.mounts.is_empty());
    assert_eq!(Path::new(&open.argv[0]), host.root.join("usr/bin/python3.11"));
    assert_eq!(Path::new(&open.argv[1]), open.runtime.join("bootstrap.py"));
}

#[test]
fn no_installation_opens_the_home_directory() {
    let host = Host::new();
    host.program("home/bin/node", "v22.1.0");
    host.file("home/include/node/node.h");
    let mut search = host.search.clone();
    search.path.push(host.root.join("home/bin"));
    let catalogue = Catalogue::discover(&host.root.join("data"), &search).expect("writable");
    let missing = catalogue.layout("nodejs22.x", true).expect_err("it must not be used");
    assert!(missing.to_string().contains("holds private files as well"), "{missing}");
}

#[test]
fn incomplete_or_lying_installations_are_refused_by_name() {
    let host = Host::new();
    host.python("opt/good", "3.13.1");
    host.program("opt/bare/bin/python3.10", "Python 3.10.1");
    host.python("opt/mixed", "3.9.1");
    fs::remove_file(host.root.join("opt/mixed/bin/python")).expect("it was just made");
    host.program("opt/mixed/bin/python", "Python 3.8.1");
    host.program("opt/other/bin/python3.14", "Python 3.13.9");
    let catalogue = host.discover();
    assert!(catalogue.layout("python3.13", true).is_ok());
    for (runtime, reason) in [
        ("python3.10", "is no complete installation"),
        ("python3.9", "is not the same version"),
        ("python3.14", "the runtime python3.14 needs Python 3.14, which is not on this host; install it"),
    ] {
        let missing = catalogue.layout(runtime, true).expect_err(runtime).to_string();
        assert!(missing.contains(reason), "{missing}");
    }
}

#[test]
fn entries_say_what_is_ready_and_what_is_missing() {
    let host = Host::new();
    host.program("usr/bin/node", "v20.20.2");
    let entries = host.discover().entries();
    let status =
        |id: &str| entries.iter().find(|entry| entry.info.id == id).map(|entry| entry.status.clone());
    assert!(matches!(status("nodejs20.x"), Some(Status::Ready { version, .. }) if version == "20.20.2"));
    assert!(matches!(status("nodejs22.x"), Some(Status::Missing(Missing::Interpreter { .. }))));
    assert_eq!(status("provided.al2023"), Some(Status::SelfContained));
    assert_eq!(status("java21"), Some(Status::Missing(Missing::NotSupported("java21"))));
    assert_eq!(status("go1.x"), None);
}

#[test]
fn unusable_runtimes_answer_with_a_reason() {
    let host = Host::new();
    let catalogue = host.discover();
    for runtime in ["python2.7", "rust1.x"] {
        assert_eq!(catalogue.layout(runtime, true), Err(Missing::Unknown(runtime.to_owned())));
    }
    let provided = catalogue.layout("provided.al2023", true).expect("it needs nothing");
    assert_eq!(provided.bootstrap_lookup, BOOTSTRAP_LOOKUP);
    assert!(provided.argv_for(MemorySize(128), None).is_empty());
}

#[test]
fn node_is_told_its_memory_unless_the_function_says_otherwise() {
    let host = Host::new();
    host.program("usr/bin/node", "v20.20.2");
    let layout = host.discover().layout("nodejs20.x", true).expect("it is there");
    let start = ["/var/lang/bin/node", "--expose-gc", "--max-http-header-size", "81920"];
    let limits = ["--max-semi-space-size=6", "--max-old-space-size=116"];
    let script = ["/var/runtime/index.mjs"];
    assert_eq!(words(&layout.argv_for(MemorySize(128), None)), [&start[..], &limits, &script].concat());
    for options in ["--max-old-space-size=64", "--require x --max_semi_space_size=2"] {
        assert_eq!(words(&layout.argv_for(MemorySize(128), Some(options))), [&start[..], &script].concat());
    }
}
