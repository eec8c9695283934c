//! What this host can run, and how.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lambent_model::MemorySize;

use crate::discovery::{Interpreter, Search, Wanted, compile_client};
use crate::id::{ALL, RuntimeInfo, info};
use crate::probe::Cache;
use crate::variables::Folders;
use crate::{Family, clients};

/// Where a `provided` runtime's `bootstrap` is, in the order of the search (AWS Lambda Developer Guide, "Building a
/// custom runtime"). Without isolation the folders of the function stand for `/var/task` and `/opt`.
pub const BOOTSTRAP_LOOKUP: [&str; 2] = ["/var/task/bootstrap", "/opt/bootstrap"];

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
        "the runtime {0} is not supported yet; use provided.al2023 with a bootstrap of your own, or a Python or Node.js runtime"
    )]
    NotSupported(&'static str),
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
    /// The program and its arguments, the script last: published wrapper scripts insert options before the last word.
    /// Empty for `provided`, whose program is found by `bootstrap_lookup`.
    pub argv: Vec<OsString>,
    /// Where to look for the program if `argv` is empty.
    pub bootstrap_lookup: &'static [&'static str],
    /// `/var/lang` inside, or the installation on the host; empty for `provided`.
    pub lang: PathBuf,
    /// `/var/runtime` inside, or the client's directory on the host.
    pub runtime: PathBuf,
    takes_heap_options: bool,
}

impl Layout {
    /// The program and its arguments for a function of this size. Node.js does not see the memory limit of its cgroup
    /// in a sandbox without `/sys`, so it is told, as on AWS: a tenth of the memory for new objects, unless the
    /// function's `NODE_OPTIONS` set either limit.
    #[must_use]
    pub fn argv_for(&self, memory: MemorySize, node_options: Option<&str>) -> Vec<OsString> {
        let mut argv = self.argv.clone();
        let options = node_options.unwrap_or_default().replace('_', "-");
        let own = ["--max-semi-space-size", "--max-old-space-size"].iter().any(|name| options.contains(name));
        if self.takes_heap_options && !own {
            let new_space = memory.0 / 10;
            let before_script = argv.len() - 1;
            let limits = [
                format!("--max-semi-space-size={}", new_space / 2),
                format!("--max-old-space-size={}", memory.0 - new_space),
            ];
            argv.splice(before_script..before_script, limits.map(OsString::from));
        }
        argv
    }

    /// The function's folders, for [`crate::variables`]; `task` and `layers` as the function sees them.
    #[must_use]
    pub fn folders(&self, task: PathBuf, layers: PathBuf) -> Folders {
        Folders { task, layers, runtime: self.runtime.clone(), lang: self.lang.clone() }
    }
}

#[derive(Debug)]
struct Installed {
    interpreter: Interpreter,
    /// Shown as `/var/lang`: the installation, or a directory of links to the system's interpreter.
    lang: PathBuf,
}

/// What this host can run.
#[derive(Debug)]
pub struct Catalogue {
    clients: PathBuf,
    interpreters: BTreeMap<Wanted, Result<Installed, Vec<String>>>,
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
        Ok(Self { clients, interpreters })
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
                takes_heap_options: false,
            });
        };
        let client = self.clients.join(if wanted.is_python() { "python" } else { "nodejs" });
        let (mounts, lang, runtime, program) = if isolated {
            let mounts = vec![(installed.lang.clone(), LANG), (client, RUNTIME)];
            let program = Path::new(LANG).join("bin").join(wanted.executable());
            (mounts, PathBuf::from(LANG), PathBuf::from(RUNTIME), program)
        } else {
            (Vec::new(), installed.lang.clone(), client, installed.interpreter.executable.clone())
        };
        Ok(Layout {
            argv: argv(wanted, program, &runtime),
            mounts,
            bootstrap_lookup: &[],
            lang,
            runtime,
            takes_heap_options: !wanted.is_python(),
        })
    }
}

fn argv(wanted: Wanted, program: PathBuf, runtime: &Path) -> Vec<OsString> {
    let mut argv = vec![program.into_os_string()];
    if wanted.is_python() {
        argv.push(runtime.join("bootstrap.py").into_os_string());
    } else {
        // What AWS's own start script passes: functions call `global.gc`, and read responses with large headers.
        argv.extend(["--expose-gc", "--max-http-header-size", "81920"].map(OsString::from));
        argv.push(runtime.join("index.mjs").into_os_string());
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
        && let Err(reason) = compile_client(&interpreter, &clients.join("python"))
    {
        return Ok(Err(vec![reason]));
    }
    let lang = match &interpreter.prefix {
        Some(prefix) => prefix.clone(),
        None => link_directory(&interpreter, wanted, runtimes)?,
    };
    Ok(Ok(Installed { interpreter, lang }))
}

/// A directory with links to an interpreter of the system, which is visible inside under its own path.
fn link_directory(interpreter: &Interpreter, wanted: Wanted, runtimes: &Path) -> io::Result<PathBuf> {
    let lang = runtimes.join("lang").join(format!("{}-{}", wanted.alias(), interpreter.version));
    let bin = lang.join("bin");
    fs::create_dir_all(&bin)?;
    let mut names = vec![wanted.executable(), wanted.alias().to_owned()];
    if wanted.is_python() {
        names.push("python3".to_owned());
    }
    for name in names {
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
    let (interpreter, remedy) = match wanted {
        Wanted::Python(minor) => {
            (format!("Python 3.{minor}"), format!("install it, for example with `pyenv install 3.{minor}`,"))
        }
        Wanted::Node(major) => {
            (format!("Node.js {major}"), format!("install it, for example with `nvm install {major}`,"))
        }
    };
    let refused = if refused.is_empty() { String::new() } else { format!(" ({})", refused.join("; ")) };
    Missing::Interpreter { runtime, interpreter, refused, remedy }
}

#[cfg(test)]
mod tests;
