//! What this host can run, and how.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lambent_model::MemorySize;
use serde::{Deserialize, Serialize};

use crate::discovery::{Interpreter, Search, prepare_client};
use crate::id::{ALL, RuntimeInfo, info};
use crate::probe::{Cache, Version};
use crate::variables::Folders;
use crate::wanted::Wanted;
use crate::{Family, clients, java, node, sdk};

/// Where a `provided` runtime's `bootstrap` is, in the order of the search (AWS Lambda Developer Guide, "Building a
/// custom runtime"). Without isolation the folders of the function stand for `/var/task` and `/opt`.
pub const BOOTSTRAP_LOOKUP: [&str; 2] = ["/var/task/bootstrap", "/opt/bootstrap"];

/// The first Node.js for which AWS's newer client is meant.
const FIRST_THAT_IMPORTS: u8 = 24;
const LANG: &str = "/var/lang";
const RUNTIME: &str = "/var/runtime";

/// A runtime that cannot be used here, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// No such runtime, or one that AWS has removed.
    #[error("{0:?} is no runtime that functions can use; see `lambent runtimes` for those that they can")]
    Unknown(String),
    /// A runtime that this version of Lambent cannot run.
    #[error(
        "the runtime {0} is not supported: there is no .NET client yet; publish the function as a native executable and use provided.al2023 with it as bootstrap"
    )]
    NotSupported(&'static str),
    /// AWS's client for Java has not been fetched.
    #[error(
        "the runtime {runtime} needs AWS's client for Java, which is not in the data folder; run `lambent runtimes add {runtime} --data-dir {}`", data_dir.display()
    )]
    Client {
        /// The runtime.
        runtime: &'static str,
        /// The data folder.
        data_dir: PathBuf,
    },
    /// The host lacks the interpreter.
    #[error(
        "the runtime {runtime} needs {interpreter}, which is not on this host{refused}; {remedy} and restart lambent"
    )]
    Interpreter {
        /// The runtime.
        runtime: &'static str,
        /// What it needs, such as "Python 3.14".
        interpreter: String,
        /// Interpreters of that version that cannot be used, with reasons; empty or a text in brackets.
        refused: String,
        /// What to do.
        remedy: String,
    },
}

/// Whether a runtime can be used here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It can, with this interpreter.
    Ready {
        /// The interpreter's file.
        interpreter: PathBuf,
        /// Its exact version.
        version: String,
        /// What `lambent runtimes add` has brought or could bring for it.
        library: sdk::Library,
    },
    /// It needs nothing of the host.
    SelfContained,
    /// It cannot; the text says what is missing and what to do.
    Missing(Missing),
}

/// One runtime that functions may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The runtime.
    pub info: &'static RuntimeInfo,
    /// Whether it can be used here.
    pub status: Status,
}

/// How to start a function of one runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Directories of the host to show read-only inside, and where. Empty without isolation and for `provided`.
    pub mounts: Vec<(PathBuf, &'static str)>,
    /// The program and its arguments without those that depend on the function, the script last: published wrapper
    /// scripts insert options before the last word. Empty for `provided`, whose program is found by
    /// `bootstrap_lookup`.
    pub argv: Vec<OsString>,
    /// Where to look for the program if `argv` is empty.
    pub bootstrap_lookup: &'static [&'static str],
    /// `/var/lang` inside, or the installation on the host; empty for `provided`.
    pub lang: PathBuf,
    /// `/var/runtime` inside, or the client's directory on the host.
    pub runtime: PathBuf,
    /// The folder of packages that `lambent runtimes add` brought, where it is not below `runtime`.
    pub packages: Option<PathBuf>,
    /// Folders that Ruby has to be told of, since it has its installation's path built in.
    pub libraries: Vec<PathBuf>,
    machine: Machine,
}

/// What has to be told about the function's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    /// Nothing.
    None,
    Node(Version),
    Java(u8),
}

impl Layout {
    /// The program and its arguments for one function.
    ///
    /// A virtual machine does not see the memory limit of its cgroup in a sandbox without `/sys`, so it is told, as on
    /// AWS. What `variable`, the function's own environment, says about it is respected.
    #[must_use]
    pub fn argv_for<'a>(
        &self,
        memory: MemorySize,
        handler: &str,
        variable: impl Fn(&str) -> Option<&'a str>,
    ) -> Vec<OsString> {
        match self.machine {
            Machine::None => self.argv.clone(),
            Machine::Node(version) => {
                node::argv(&self.argv, version, memory, variable("NODE_OPTIONS").unwrap_or_default())
            }
            Machine::Java(major) => {
                let own = ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"];
                let own: Vec<&str> = own.iter().filter_map(|name| variable(name)).collect();
                java::argv(Path::new(&self.argv[0]), &self.runtime, major, memory, &own.join(" "), handler)
            }
        }
    }

    /// The function's folders, for [`crate::variables`]; `task` and `layers` as the function sees them.
    #[must_use]
    pub fn folders(&self, task: PathBuf, layers: PathBuf) -> Folders {
        Folders {
            task,
            layers,
            runtime: self.runtime.clone(),
            lang: self.lang.clone(),
            packages: self.packages.clone(),
            libraries: self.libraries.clone(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Installed {
    interpreter: Interpreter,
    /// Shown as `/var/lang`: the installation, or a directory of links to the system's interpreter.
    lang: PathBuf,
    /// Ruby's own library, below `lang`.
    libraries: Vec<PathBuf>,
}

/// Where Ruby's own library is in its installation. Unless it was built to be moved, Ruby looks for it at the path for
/// which it was built, which is not there inside; the system's own is.
fn libraries(interpreter: &Interpreter, wanted: Wanted) -> Vec<PathBuf> {
    let (Wanted::Ruby(major, minor), Some(prefix)) = (wanted, &interpreter.prefix) else {
        return Vec::new();
    };
    let version = format!("{major}.{minor}.0");
    let library = Path::new("lib/ruby").join(&version);
    let children = fs::read_dir(prefix.join(&library)).into_iter().flatten().flatten();
    // The folder of compiled extensions is named by the platform, such as x86_64-linux.
    let platform = children.map(|entry| entry.path()).find(|path| path.join("rbconfig.rb").is_file());
    let platform = platform.and_then(|path| Some(library.join(path.file_name()?)));
    let site = Path::new("lib/ruby/site_ruby").join(&version);
    let found = [Some(site), Some(library), platform].into_iter().flatten();
    found.filter(|folder| prefix.join(folder).is_dir()).collect()
}

/// What this host can run. It can be written and read: the process that looks may be another than the one that serves.
#[derive(Debug, Serialize, Deserialize)]
pub struct Catalogue {
    /// `<data folder>/runtimes`.
    runtimes: PathBuf,
    clients: PathBuf,
    #[serde(with = "pairs")]
    interpreters: BTreeMap<Wanted, Result<Installed, Vec<String>>>,
}

/// A map as a list of pairs: JSON's names are text.
mod pairs {
    use super::{BTreeMap, Deserialize, Installed, Serialize, Wanted};

    type Map = BTreeMap<Wanted, Result<Installed, Vec<String>>>;

    pub(super) fn serialize<S: serde::Serializer>(map: &Map, to: S) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Map, D::Error> {
        Ok(Vec::deserialize(from)?.into_iter().collect())
    }
}

impl Catalogue {
    /// Looks for the interpreters of all runtimes and writes the clients to `<data_dir>/runtimes`.
    ///
    /// Starts each interpreter that it finds once with `--version`; what they say is remembered in the data directory
    /// until the file changes.
    ///
    /// # Errors
    ///
    /// If the data directory cannot be written. An interpreter that is missing or broken is no error here.
    pub fn discover(data_dir: &Path, search: &Search) -> io::Result<Self> {
        let runtimes = data_dir.join("runtimes");
        fs::create_dir_all(&runtimes)?;
        // Mounts need absolute paths without links.
        let runtimes = runtimes.canonicalize()?;
        // A server and a command may look at the same time, and write the same files: one after the other.
        let lock = fs::File::create(runtimes.join(".lock"))?;
        lock.lock()?;
        let clients = clients::install(&runtimes)?;
        let mut cache = Cache::load(runtimes.join("probes.json"));
        let mut interpreters = BTreeMap::new();
        for wanted in ALL.iter().filter_map(|info| info.family).filter_map(Wanted::of) {
            let found = match search.find(wanted, &runtimes, &mut cache) {
                Ok(interpreter) => install(interpreter, wanted, &runtimes, &clients)?,
                Err(refused) => Err(refused),
            };
            interpreters.insert(wanted, found);
        }
        cache.save()?;
        Ok(Self { runtimes, clients, interpreters })
    }

    /// Every runtime that functions may be created with, the newest of each language first.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        ALL.iter()
            .filter(|info| info.is_accepted())
            .map(|info| Entry { info, status: self.status(info) })
            .collect()
    }

    fn status(&self, info: &'static RuntimeInfo) -> Status {
        match self.installed(info) {
            Ok(Some((_, installed))) => Status::Ready {
                interpreter: installed.interpreter.executable.clone(),
                version: installed.interpreter.version.to_string(),
                library: sdk::library(info, &self.runtimes),
            },
            Ok(None) => Status::SelfContained,
            Err(missing) => Status::Missing(missing),
        }
    }

    /// The interpreter of a runtime; `None` if it needs none.
    fn installed(&self, info: &'static RuntimeInfo) -> Result<Option<(Wanted, &Installed)>, Missing> {
        let family = info.family.ok_or_else(|| Missing::Unknown(info.id.to_owned()))?;
        if family == Family::Provided {
            return Ok(None);
        }
        let wanted = Wanted::of(family).ok_or(Missing::NotSupported(info.id))?;
        match &self.interpreters[&wanted] {
            Ok(installed) => Ok(Some((wanted, installed))),
            Err(refused) => Err(missing(info.id, wanted, refused)),
        }
    }

    /// Where clients and added libraries are.
    #[must_use]
    pub fn runtimes_folder(&self) -> &Path {
        &self.runtimes
    }

    /// The interpreter's file.
    pub(crate) fn interpreter(&self, info: &'static RuntimeInfo) -> Result<PathBuf, Missing> {
        let installed = self.installed(info)?.ok_or(Missing::Unknown(info.id.to_owned()))?;
        Ok(installed.1.interpreter.executable.clone())
    }

    /// Every directory of the host that a layout shows inside.
    #[must_use]
    pub fn folders(&self) -> Vec<PathBuf> {
        let layouts = ALL.iter().filter_map(|info| self.layout(info.id, true).ok());
        let mut folders: Vec<PathBuf> =
            layouts.flat_map(|layout| layout.mounts).map(|(folder, _)| folder).collect();
        folders.sort();
        folders.dedup();
        folders
    }

    /// How to start functions of a runtime, inside a sandbox or without isolation.
    ///
    /// # Errors
    ///
    /// If the runtime is unknown, not supported, or its interpreter is missing; the message is for the user.
    pub fn layout(&self, runtime: &str, isolated: bool) -> Result<Layout, Missing> {
        let info = info(runtime).ok_or_else(|| Missing::Unknown(runtime.to_owned()))?;
        let Some((wanted, installed)) = self.installed(info)? else {
            return Ok(Layout {
                mounts: Vec::new(),
                argv: Vec::new(),
                bootstrap_lookup: &BOOTSTRAP_LOOKUP,
                lang: PathBuf::new(),
                runtime: PathBuf::from(RUNTIME),
                packages: None,
                libraries: Vec::new(),
                machine: Machine::None,
            });
        };
        let client = self.client(info, wanted)?;
        let packages = sdk::folder(info, &self.runtimes).filter(|folder| folder.is_dir());
        let (lang, runtime, program) = if isolated {
            let program = Path::new(LANG).join("bin").join(&wanted.link_names()[0]);
            (PathBuf::from(LANG), PathBuf::from(RUNTIME), program)
        } else {
            (installed.lang.clone(), client.clone(), installed.interpreter.executable.clone())
        };
        let mut mounts = Vec::new();
        if isolated {
            mounts.extend([(installed.lang.clone(), LANG), (client, RUNTIME)]);
            // Below the client's folder, which therefore comes first.
            mounts.extend(packages.clone().and_then(|folder| Some((folder, sdk::mount_point(info)?))));
        }
        Ok(Layout {
            argv: argv(wanted, program, &runtime),
            mounts,
            bootstrap_lookup: &[],
            libraries: installed.libraries.iter().map(|folder| lang.join(folder)).collect(),
            lang,
            runtime,
            packages: packages.filter(|_| !isolated),
            machine: match wanted {
                Wanted::Node(_) => Machine::Node(installed.interpreter.version),
                Wanted::Java(major) => Machine::Java(major),
                Wanted::Python(_) | Wanted::Ruby(..) => Machine::None,
            },
        })
    }

    /// The folder of a runtime's client. Looked at anew each time: `lambent runtimes add` may have run meanwhile.
    fn client(&self, info: &'static RuntimeInfo, wanted: Wanted) -> Result<PathBuf, Missing> {
        if !matches!(wanted, Wanted::Java(_)) {
            return Ok(self.clients.join(wanted.client()));
        }
        let client = java::client_folder(&self.runtimes);
        if java::is_complete(&client) {
            return Ok(client);
        }
        let data_dir = self.runtimes.parent().unwrap_or(&self.runtimes).to_owned();
        Err(Missing::Client { runtime: info.id, data_dir })
    }
}

fn argv(wanted: Wanted, program: PathBuf, runtime: &Path) -> Vec<OsString> {
    let mut argv = vec![program.into_os_string()];
    match wanted {
        Wanted::Python(_) => argv.push(runtime.join("bootstrap.py").into_os_string()),
        Wanted::Ruby(..) => argv.push(runtime.join("bootstrap.rb").into_os_string()),
        Wanted::Node(major) => {
            // What AWS's own start script passes: functions call `global.gc`, and read responses with large headers.
            argv.extend(["--expose-gc", "--max-http-header-size", "81920"].map(OsString::from));
            // AWS's clients from nodejs24.x on import every handler, so Node.js needs its loader of ES modules anyway.
            let script = if major < FIRST_THAT_IMPORTS { "index.cjs" } else { "index.mjs" };
            argv.push(runtime.join(script).into_os_string());
        }
        // All else depends on the function.
        Wanted::Java(_) => {}
    }
    argv
}

/// Makes an interpreter ready for use; the inner error says why it cannot be.
fn install(
    interpreter: Interpreter,
    wanted: Wanted,
    runtimes: &Path,
    clients: &Path,
) -> io::Result<Result<Installed, Vec<String>>> {
    if wanted.is_python()
        && let Err(reason) =
            prepare_client(&interpreter, &clients.join("python"), interpreter.prefix.as_ref().map(|_| LANG))
    {
        return Ok(Err(vec![reason]));
    }
    let lang = match &interpreter.prefix {
        Some(prefix) => prefix.clone(),
        None => link_directory(&interpreter, wanted, runtimes)?,
    };
    // Looked up here, where the search has the rights for it, and not by whoever makes a layout.
    let libraries = libraries(&interpreter, wanted);
    Ok(Ok(Installed { interpreter, lang, libraries }))
}

/// A directory with links to an interpreter of the system, which is visible inside under its own path.
fn link_directory(interpreter: &Interpreter, wanted: Wanted, runtimes: &Path) -> io::Result<PathBuf> {
    let lang = runtimes.join("lang").join(format!("{}-{}", wanted.alias(), interpreter.version));
    let bin = lang.join("bin");
    fs::create_dir_all(&bin)?;
    for name in wanted.link_names() {
        let link = bin.join(&name);
        if fs::read_link(&link).is_ok_and(|target| target == interpreter.executable) {
            continue;
        }
        let scratch = bin.join(format!(".{name}-{}", std::process::id()));
        std::os::unix::fs::symlink(&interpreter.executable, &scratch)?;
        fs::rename(&scratch, &link)?;
    }
    clients::make_readable(&lang)?;
    clients::make_readable(&bin)?;
    Ok(lang)
}

fn missing(runtime: &'static str, wanted: Wanted, refused: &[String]) -> Missing {
    let refused = if refused.is_empty() { String::new() } else { format!(" ({})", refused.join("; ")) };
    Missing::Interpreter { runtime, interpreter: wanted.name(), refused, remedy: wanted.remedy() }
}

#[cfg(test)]
mod tests;
