//! What to do about a compiled module of a package that an interpreter has not loaded: built for another processor, system or
//! Python, as those are that somebody installed on a laptop. The caller gets the interpreter's words ("No module named
//! 'pydantic_core._pydantic_core'"); this is the line in the log that helps.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Component, Path, PathBuf};

use lambent_runtimes::Family;

use crate::entrypoint;

/// A folder of the function's: its package, or its layers.
pub(crate) struct Place<'a> {
    /// Where the function sees it.
    pub(crate) shown: PathBuf,
    /// Where it is on this host.
    pub(crate) root: &'a Path,
    /// The folders in it from which Python imports, beginning with the first.
    pub(crate) imports: Vec<String>,
}

/// The remedy for an initialisation that has failed with these words; `None` if nothing better is known than those.
pub(crate) fn remedy(error: &str, family: Family, places: &[Place<'_>]) -> Option<String> {
    places.iter().find_map(|place| named(error, family, place).or_else(|| missing(error, family, place)))
}

/// The loader names the file and says something of it that is true of every file it cannot use.
fn named(error: &str, family: Family, place: &Place<'_>) -> Option<String> {
    let ends = |letter: char| letter.is_whitespace() || matches!(letter, '\'' | '"' | '(' | ')' | ':' | ',');
    error.split(ends).filter(|word| is_library(word)).find_map(|word| {
        let file = place.find(Path::new(word).strip_prefix(&place.shown).ok()?)?;
        let built = entrypoint::platform(&entrypoint::head(&file)?.head)?;
        (built != ARCH).then(|| {
            format!("{word} is compiled for {built}, and this machine is {ARCH}: {}", install(family))
        })
    })
}

/// Python looks for modules by the endings that it can load, and knows nothing of one with another.
fn missing(error: &str, family: Family, place: &Place<'_>) -> Option<String> {
    let Family::Python { minor } = family else { return None };
    let module = module(error)?;
    let (package, name) = module.rsplit_once('.').unwrap_or(("", &module));
    let loadable = [
        format!("{name}.cpython-3{minor}-{ARCH}-linux-gnu.so"),
        format!("{name}.abi3.so"),
        format!("{name}.so"),
    ];
    place.imports.iter().find_map(|folder| {
        let folder = Path::new(folder).join(package.replace('.', "/"));
        let entries = fs::read_dir(place.find(&folder)?).ok()?;
        let names = entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
        let mut candidates: Vec<String> =
            names.filter(|file| is_library(file) && file.split('.').next() == Some(name)).collect();
        candidates.sort_unstable();
        if candidates.iter().any(|file| loadable.contains(file)) {
            return None;
        }
        let file = place.shown.join(folder).join(candidates.first()?);
        Some(format!(
            "{} is for another Python, system or processor than Python 3.{minor} on {ARCH}: {}",
            file.display(),
            install(family)
        ))
    })
}

/// The module that Python did not find, as it says: `No module named 'a.b'`, `cannot import name 'b' from 'a'`.
fn module(error: &str) -> Option<String> {
    let quoted = |text: &str| text.split('\'').next().map(str::to_owned);
    if let Some((_, rest)) = error.split_once("No module named '") {
        return quoted(rest);
    }
    let (_, rest) = error.split_once("cannot import name '")?;
    // `from 'a'`, or `from partially initialized module 'a'`.
    let (name, rest) = rest.split_once("' from ")?;
    let (_, package) = rest.split_once('\'')?;
    Some(format!("{}.{name}", quoted(package)?))
}

fn is_library(name: &str) -> bool {
    [".so", ".node", ".pyd"].iter().any(|ending| name.ends_with(ending))
}

fn install(family: Family) -> String {
    match family {
        Family::Python { minor } => format!(
            "install what it belongs to for this one, for example with `pip install --target FOLDER --only-binary=:all: \
             --platform manylinux2014_{ARCH} --python-version 3.{minor} PACKAGE`"
        ),
        Family::NodeJs { .. } => {
            let cpu = if ARCH == "x86_64" { "x64" } else { "arm64" };
            format!(
                "install what it belongs to for this one, for example with `npm install --os=linux --cpu={cpu}`"
            )
        }
        _ => "take the build for this one".to_owned(),
    }
}

impl Place<'_> {
    /// The file on this host, if no link leads there: those of a package are the sandbox's to follow, not the server's.
    fn find(&self, name: &Path) -> Option<PathBuf> {
        let mut path = self.root.to_path_buf();
        for component in name.components() {
            let Component::Normal(part) = component else { return None };
            path.push(part);
            path.symlink_metadata().ok().filter(|found| !found.is_symlink())?;
        }
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PYTHON: Family = Family::Python { minor: 13 };

    /// A package with a module of each kind, and what is said about an error in it.
    fn said(error: &str, family: Family) -> Option<String> {
        let root = tempfile::tempdir().unwrap();
        let foreign = if ARCH == "x86_64" { 183_u16 } else { 62 };
        let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
        elf.resize(18, 0);
        elf.extend(foreign.to_le_bytes());
        fs::create_dir(root.path().join("core")).unwrap();
        for (name, content) in [
            ("core/_core.cpython-312-aarch64-linux-gnu.so", b"".as_slice()),
            ("core/_good.abi3.so", b""),
            ("core/_good.cpython-312-darwin.so", b""),
            ("foreign.so", &elf),
            ("mac.node", b"\xcf\xfa\xed\xfe\x07\x00\x00\x01"),
        ] {
            fs::write(root.path().join(name), content).unwrap();
        }
        std::os::unix::fs::symlink("/etc", root.path().join("out")).unwrap();
        let place = Place { shown: "/var/task".into(), root: root.path(), imports: vec![String::new()] };
        remedy(error, family, &[place])
    }

    #[test]
    fn a_module_that_python_does_not_look_for_is_named() {
        for error in [
            "No module named 'core._core'",
            "cannot import name '_core' from 'core' (/var/task/core/__init__.py)",
            "cannot import name '_core' from partially initialized module 'core' (most likely due to a circular import)",
        ] {
            let said = said(&format!("Unable to import module 'app': {error}"), PYTHON).expect(error);
            assert!(
                said.starts_with("/var/task/core/_core.cpython-312-aarch64-linux-gnu.so is for another"),
                "{said}"
            );
            assert!(said.contains("--python-version 3.13"), "{said}");
        }
        for error in [
            "No module named 'absent'",
            "No module named 'core._good'",
            "No module named 'out.shadow'",
            "boom",
        ] {
            assert_eq!(said(error, PYTHON), None, "{error}");
        }
    }

    #[test]
    fn a_library_for_another_machine_is_named() {
        let foreign =
            said("/var/task/foreign.so: cannot open shared object file: No such file or directory", PYTHON);
        assert!(foreign.unwrap().starts_with("/var/task/foreign.so is compiled for "));
        let mac =
            said("Error: /var/task/mac.node: invalid ELF header", Family::NodeJs { major: 22 }).unwrap();
        assert!(mac.contains("is compiled for macOS") && mac.contains("npm install --os=linux"), "{mac}");
        for error in ["/var/task/../foreign.so: x", "/var/task/absent.so: x", "/var/task/out/passwd.so: x"] {
            assert_eq!(said(error, PYTHON), None, "{error}");
        }
    }
}
