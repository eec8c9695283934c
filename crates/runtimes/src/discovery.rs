//! Finds the host's interpreters by exact version.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::java;
use crate::probe::{Cache, Version, run};
use crate::wanted::Wanted;

/// Where interpreters are looked for. Tests fill it by hand.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The folders of `PATH`, in order.
    pub path: Vec<PathBuf>,
    /// The home directory of the server's user; never shown to a function.
    pub home: Option<PathBuf>,
    /// Folders whose subfolders are installations named by version: `<folder>/3.13.1/bin/python3.13`.
    pub python_versions: Vec<PathBuf>,
    /// The same for Node.js, with or without a leading `v`.
    pub node_versions: Vec<PathBuf>,
    /// The same for Ruby, with or without a leading `ruby-`.
    pub ruby_versions: Vec<PathBuf>,
    /// Folders whose subfolders are Java installations, whatever their names.
    pub java_versions: Vec<PathBuf>,
    /// Folders like `/opt`, whose subfolders may be installations of anything.
    pub installations: Vec<PathBuf>,
    /// What every sandbox sees of the host anyway, so that interpreters inside need no mount of their own.
    pub system: Vec<PathBuf>,
    /// Whether only installations count that every user of the host can reach: for functions without isolation, which
    /// then run as another user than the one who searches.
    pub public_alone: bool,
}

impl Search {
    /// The usual places, from the variables `PATH`, `HOME`, `PYENV_ROOT`, `NVM_DIR`, `RBENV_ROOT`, `JAVA_HOME`,
    /// `SDKMAN_DIR`, `ASDF_DATA_DIR` and `XDG_DATA_HOME`.
    #[must_use]
    pub fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut path: Vec<PathBuf> =
            variable("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
        // Whoever sets it has chosen.
        path.splice(0..0, variable("JAVA_HOME").map(|java| PathBuf::from(java).join("bin")));
        let home = variable("HOME").map(PathBuf::from);
        let folder = |name: &str, below_home: &str| {
            variable(name).map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(below_home)))
        };
        let data = folder("XDG_DATA_HOME", ".local/share");
        let below = |folder: &Option<PathBuf>, path: &str| folder.as_ref().map(|folder| folder.join(path));
        let asdf = folder("ASDF_DATA_DIR", ".asdf");
        let python_versions = [
            below(&folder("PYENV_ROOT", ".pyenv"), "versions"),
            below(&asdf, "installs/python"),
            below(&data, "mise/installs/python"),
            below(&data, "uv/python"),
        ];
        let node_versions = [
            below(&folder("NVM_DIR", ".nvm"), "versions/node"),
            below(&asdf, "installs/nodejs"),
            below(&data, "mise/installs/node"),
            below(&data, "fnm/node-versions"),
        ];
        let ruby_versions = [
            below(&folder("RBENV_ROOT", ".rbenv"), "versions"),
            below(&folder("rvm_path", ".rvm"), "rubies"),
            below(&home, ".rubies"),
            Some("/opt/rubies".into()),
            below(&asdf, "installs/ruby"),
            below(&data, "mise/installs/ruby"),
        ];
        let java_versions = [
            Some("/usr/lib/jvm".into()),
            below(&folder("SDKMAN_DIR", ".sdkman"), "candidates/java"),
            below(&folder("JENV_ROOT", ".jenv"), "versions"),
            below(&home, ".jdks"),
            below(&asdf, "installs/java"),
            below(&data, "mise/installs/java"),
        ];
        Self {
            path,
            home,
            ruby_versions: ruby_versions.into_iter().flatten().collect(),
            java_versions: java_versions.into_iter().flatten().collect(),
            python_versions: python_versions.into_iter().flatten().collect(),
            node_versions: node_versions.into_iter().flatten().collect(),
            installations: vec!["/opt".into()],
            system: ["/usr", "/bin", "/lib", "/lib64"].map(PathBuf::from).to_vec(),
            public_alone: false,
        }
    }

    /// The executables that may be the one, the preferred first.
    fn candidates(&self, wanted: Wanted) -> Vec<PathBuf> {
        // Version managers put scripts on PATH that decide at each start which version they run.
        let on_path = self.path.iter().filter(|folder| folder.file_name().is_none_or(|name| name != "shims"));
        let mut folders: Vec<PathBuf> = on_path.cloned().collect();
        let installations: Vec<PathBuf> = match wanted {
            Wanted::Python(_) => self.python_versions.iter().flat_map(|dir| installed(dir, wanted)).collect(),
            Wanted::Node(_) => self.node_versions.iter().flat_map(|dir| installed(dir, wanted)).collect(),
            Wanted::Ruby(..) => self.ruby_versions.iter().flat_map(|dir| installed(dir, wanted)).collect(),
            Wanted::Java(_) => self.java_versions.iter().flat_map(|dir| children(dir)).collect(),
        };
        folders.extend(installations.iter().flat_map(|dir| [dir.join("bin"), dir.join("installation/bin")]));
        folders.extend(self.system.iter().flat_map(|root| [root.join("local/bin"), root.join("bin")]));
        folders.extend(self.installations.iter().flat_map(|dir| children(dir)).map(|dir| dir.join("bin")));
        let names = wanted.executables();
        folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name))).collect()
    }

    /// Finds the interpreter of a family. An installation of its own is preferred to the system's, because with it
    /// a function finds no packages of the host's distribution.
    ///
    /// # Errors
    ///
    /// The candidates that are of the right version and cannot be used, each with its reason.
    pub(crate) fn find(
        &self,
        wanted: Wanted,
        data_dir: &Path,
        cache: &mut Cache,
    ) -> Result<Interpreter, Vec<String>> {
        let mut of_the_system = None;
        let mut refused = Vec::new();
        let mut seen = Vec::new();
        for candidate in self.candidates(wanted) {
            let Ok(executable) = candidate.canonicalize() else { continue };
            if seen.contains(&executable) {
                continue;
            }
            seen.push(executable.clone());
            let version = version(wanted, &executable, cache).filter(|version| wanted.matches(*version));
            let Some(version) = version else { continue };
            if self.system.iter().any(|root| executable.starts_with(root)) {
                of_the_system.get_or_insert(Interpreter { executable, version, prefix: None });
                continue;
            }
            match self.prefix(wanted, &executable, version, data_dir, cache) {
                Ok(prefix) => return Ok(Interpreter { executable, version, prefix: Some(prefix) }),
                Err(reason) => refused.push(format!("{}: {reason}", executable.display())),
            }
        }
        of_the_system.ok_or(refused)
    }

    /// The directory of an installation that can be shown inside as a whole.
    fn prefix(
        &self,
        wanted: Wanted,
        executable: &Path,
        version: Version,
        data_dir: &Path,
        cache: &mut Cache,
    ) -> Result<PathBuf, String> {
        if self.public_alone && !is_public(executable) {
            return Err("other users cannot reach it, and functions without isolation run as one".to_owned());
        }
        let folder =
            executable.parent().filter(|folder| folder.file_name().is_some_and(|name| name == "bin"));
        let Some(prefix) = folder.and_then(Path::parent) else {
            return Err("it is in no folder bin of an installation".to_owned());
        };
        // Showing the installation must never show more than it: `~/bin/node` would open the whole home directory.
        let private = self.home.iter().map(PathBuf::as_path).chain([data_dir]);
        if private.into_iter().any(|path| path.starts_with(prefix)) {
            return Err(format!("its installation {} holds private files as well", prefix.display()));
        }
        if !wanted.landmarks().iter().any(|landmark| prefix.join(landmark).exists()) {
            return Err(format!("{} is no complete installation", prefix.display()));
        }
        let alias = prefix.join("bin").join(wanted.alias());
        let known = alias.canonicalize().ok().and_then(|alias| self::version(wanted, &alias, cache));
        if known == Some(version) {
            Ok(prefix.to_owned())
        } else {
            Err(format!("{} is not the same version", alias.display()))
        }
    }
}

/// Whether every user can come to a program and start it.
fn is_public(executable: &Path) -> bool {
    let open = |path: &Path| fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
    executable.ancestors().all(open)
}

/// An interpreter that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interpreter {
    /// The file itself, behind all links.
    pub(crate) executable: PathBuf,
    pub(crate) version: Version,
    /// The installation it belongs to; `None` for the system's.
    pub(crate) prefix: Option<PathBuf>,
}

/// Makes the Python client's bytecode and its image of a launch for one interpreter, which cannot write into its read-only
/// folder inside (`runtimes/python/awslambdaric/prepare.py`). `lang` is the installation's place inside, if it has one.
///
/// # Errors
///
/// Why the interpreter could not do it: then it cannot run functions either.
pub(crate) fn prepare_client(
    interpreter: &Interpreter,
    client: &Path,
    lang: Option<&str>,
) -> Result<(), String> {
    let package = client.join("awslambdaric");
    let image = package.join(format!("__pycache__/launch-{}.image", interpreter.version));
    if is_newer(&image, &interpreter.executable) {
        return Ok(());
    }
    // Nothing of what else the machine has installed for this interpreter is loaded.
    let mut command = Command::new(&interpreter.executable);
    command.args(["-I", "-S"]).arg(package.join("prepare.py")).args(lang);
    run(&mut command).map(drop).map_err(|error| {
        format!("{} could not prepare the client: {error}", interpreter.executable.display())
    })
}

/// Whether `made` was written after `executable` came to be what it is: an update of the system may have replaced it by
/// another build of the same version, with the date at which it was packed.
fn is_newer(made: &Path, executable: &Path) -> bool {
    let (Ok(made), Ok(executable)) = (fs::metadata(made), fs::metadata(executable)) else { return false };
    (made.mtime(), made.mtime_nsec()) > (executable.ctime(), executable.ctime_nsec())
}

/// The version of an executable. A Java installation has it in a file, and need not be started.
fn version(wanted: Wanted, executable: &Path, cache: &mut Cache) -> Option<Version> {
    let release = matches!(wanted, Wanted::Java(_)).then(|| java::release_version(executable)).flatten();
    release.or_else(|| cache.version(executable))
}

/// The installations of one version in a folder of versions, the newest first.
fn installed(folder: &Path, wanted: Wanted) -> Vec<PathBuf> {
    let mut found: Vec<(Version, PathBuf)> = children(folder)
        .into_iter()
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            // uv names its folders cpython-3.13.1-linux-x86_64-gnu, rvm ruby-3.3.8.
            let name = ["cpython-", "ruby-"].iter().find_map(|tool| name.strip_prefix(tool)).unwrap_or(name);
            Version::parse(name).filter(|version| wanted.matches(*version)).map(|version| (version, path))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

/// The entries of a folder; none where it cannot be read, which is the usual case for most places searched.
fn children(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    // The file system's order is nobody's choice.
    found.sort();
    found
}
