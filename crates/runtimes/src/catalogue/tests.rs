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
            ruby_versions: vec![root.join("home/.rbenv/versions")],
            java_versions: vec![root.join("usr/lib/jvm")],
            installations: vec![root.join("opt")],
            system: vec![root.join("usr")],
            public_alone: false,
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
fn for_other_users_private_installations_do_not_count() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut host = Host::new();
    host.python("home/.pyenv/versions/3.12.1", "3.12.1");
    host.program("usr/bin/python3.12", "Python 3.12.3");
    let home = host.root.join("home");
    let version = |host: &Host| {
        let entries = host.discover().entries();
        let entry = entries.into_iter().find(|entry| entry.info.id == "python3.12").expect("it is known");
        match entry.status {
            Status::Ready { version, .. } => version,
            other => panic!("{other:?}"),
        }
    };
    host.search.public_alone = true;
    assert_eq!(version(&host), "3.12.1");
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).expect("ours");
    assert_eq!(version(&host), "3.12.3", "the system's");
    host.search.public_alone = false;
    assert_eq!(version(&host), "3.12.1");
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
    assert_eq!(status("dotnet8"), Some(Status::Missing(Missing::NotSupported("dotnet8"))));
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
    assert!(provided.argv_for(MemorySize(128), "h", |_| None).is_empty());
}

#[test]
fn node_is_told_its_memory_unless_the_function_says_otherwise() {
    let host = Host::new();
    host.program("usr/bin/node", "v20.20.2");
    let layout = host.discover().layout("nodejs20.x", true).expect("it is there");
    let start = ["/var/lang/bin/node", "--expose-gc", "--max-http-header-size", "81920"];
    let limits = ["--max-semi-space-size=6", "--max-old-space-size=116"];
    let script = ["--no-experimental-require-module", "/var/runtime/index.cjs"];
    assert_eq!(
        words(&layout.argv_for(MemorySize(128), "h", |_| None)),
        [&start[..], &limits, &script].concat()
    );
    for options in ["--max-old-space-size=64", "--require x --max_semi_space_size=2"] {
        let argv = layout.argv_for(MemorySize(128), "h", |name| (name == "NODE_OPTIONS").then_some(options));
        assert_eq!(words(&argv), [&start[..], &script].concat());
    }
}

#[test]
fn ruby_is_told_where_its_own_library_is_shown() {
    let host = Host::new();
    let prefix = "home/.rbenv/versions/3.3.8";
    host.program(&format!("{prefix}/bin/ruby"), "ruby 3.3.8 (2025-04-09 revision b200bad6cd) [x86_64-linux]");
    host.file(&format!("{prefix}/lib/ruby/3.3.0/json.rb"));
    host.file(&format!("{prefix}/lib/ruby/3.3.0/x86_64-linux/rbconfig.rb"));
    host.program("usr/bin/ruby3.4", "ruby 3.4.1 (2024-12-25) +PRISM [x86_64-linux]");
    let catalogue = host.discover();
    let own = catalogue.layout("ruby3.3", true).expect("it is complete");
    assert_eq!(words(&own.argv), ["/var/lang/bin/ruby", "/var/runtime/bootstrap.rb"]);
    let libraries = ["/var/lang/lib/ruby/3.3.0", "/var/lang/lib/ruby/3.3.0/x86_64-linux"].map(PathBuf::from);
    assert_eq!(own.libraries, libraries);
    let system = catalogue.layout("ruby3.4", true).expect("it is there");
    assert!(system.libraries.is_empty(), "the system's is where it was built for");
    let missing = catalogue.layout("ruby3.2", true).expect_err("there is none").to_string();
    assert!(missing.contains("the runtime ruby3.2 needs Ruby 3.2, which is not on this host"), "{missing}");
}

#[test]
fn java_needs_an_interpreter_and_aws_s_client() {
    let host = Host::new();
    for (name, version) in [("java-17-openjdk", "17.0.15"), ("temurin-25", "25")] {
        // It is never started to ask for its version.
        host.program(&format!("usr/lib/jvm/{name}/bin/java"), "no version");
        let release = host.root.join(format!("usr/lib/jvm/{name}/release"));
        fs::write(release, format!("IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"{version}\"\n")).expect("writable");
    }
    let catalogue = host.discover();
    let missing = catalogue.layout("java25", true).expect_err("there is no client yet").to_string();
    assert!(missing.contains("run `lambent runtimes add java25 --data-dir "), "{missing}");
    let client = java::client_folder(&host.root.join("data/runtimes"));
    for jar in java::JARS {
        host.file(&client.join("lib").join(jar.name).to_string_lossy());
    }
    host.file(&client.join("lib/jni").join(java::NATIVE_LIBRARY).to_string_lossy());
    let layout = catalogue.layout("java17.al2023", true).expect("the client is there now");
    assert_eq!(layout.mounts[1], (client, "/var/runtime"));
    let argv = layout.argv_for(MemorySize(512), "example.Handler::handle", |_| None);
    let argv = words(&argv);
    assert_eq!(argv[0], "/var/lang/bin/java");
    assert_eq!(argv.last(), Some(&"example.Handler::handle"));
    let class_path = argv[argv.iter().position(|word| *word == "-classpath").expect("it has one") + 1];
    assert!(class_path.starts_with("/var/runtime/lib/aws-lambda-java-core-"), "{class_path}");
}

#[test]
fn an_added_sdk_is_shown_in_the_client_s_folder() {
    let host = Host::new();
    host.program("usr/bin/node", "v20.20.2");
    let catalogue = host.discover();
    assert_eq!(catalogue.layout("nodejs20.x", true).expect("it is there").mounts.len(), 2);
    host.file("data/runtimes/sdk/nodejs20.x/.installed");
    let sdk = host.root.join("data/runtimes/sdk/nodejs20.x");
    let layout = catalogue.layout("nodejs20.x", true).expect("it is there");
    assert_eq!(layout.mounts[2], (sdk.clone(), "/var/runtime/node_modules"));
    assert!(layout.mounts[1].0.join("node_modules").is_dir(), "a mount needs its place");
    assert_eq!(catalogue.layout("nodejs20.x", false).expect("it is there").packages, Some(sdk));
}
