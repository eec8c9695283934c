//! AWS's client for Java: its jars, and the native library that one of them holds.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;

use sha2::{Digest, Sha256};

use super::{AddError, failed, on_path, run};
use crate::java::{JARS, Jar, NATIVE_LIBRARY};

/// Maven Central, the repository to which AWS publishes.
const REPOSITORY: &str = "https://repo1.maven.org/maven2";
/// The library has less than one megabyte.
const LIBRARY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Fills `folder` with `lib/*.jar` and `lib/jni/*.so`.
pub(super) fn fetch(folder: &Path, from: Option<&Path>) -> Result<(), AddError> {
    let library = folder.join("lib");
    let native = library.join("jni");
    fs::create_dir_all(&native).map_err(failed("create", &native))?;
    for jar in JARS {
        let file = library.join(jar.name);
        match from {
            Some(from) => copy(&jar, from, &file)?,
            None => download(&jar, &file)?,
        }
        check(&jar, &file)?;
    }
    // The one that was checked last is the client itself.
    let client = JARS[JARS.len() - 1];
    extract(client.name, &library.join(client.name), &native.join(NATIVE_LIBRARY))
}

/// From a folder with the jars side by side, or from a Maven repository's folder such as `~/.m2/repository`.
fn copy(jar: &Jar, from: &Path, to: &Path) -> Result<(), AddError> {
    let places = [from.join(jar.name), from.join(jar.folder).join(jar.name)];
    let found = places.iter().find(|file| file.is_file()).ok_or_else(|| AddError::NotInFolder {
        file: jar.name.into(),
        remedy: format!("it is at {REPOSITORY}/{}/{}", jar.folder, jar.name),
    })?;
    fs::copy(found, to).map(drop).map_err(failed("copy", found))
}

fn download(jar: &Jar, to: &Path) -> Result<(), AddError> {
    let url = format!("{REPOSITORY}/{}/{}", jar.folder, jar.name);
    if let Some(curl) = on_path("curl") {
        let options = ["--fail", "--location", "--silent", "--show-error", "--proto", "=https"];
        let limits = ["--connect-timeout", "20", "--max-time", "300", "--output"];
        return run("curl", Command::new(curl).args(options).args(limits).arg(to).arg(url));
    }
    if let Some(wget) = on_path("wget") {
        let options = ["--no-verbose", "--https-only", "--timeout=60", "--tries=2", "--output-document"];
        return run("wget", Command::new(wget).args(options).arg(to).arg(url));
    }
    Err(AddError::NoTool { needed: "curl or wget", what: url })
}

fn check(jar: &Jar, file: &Path) -> Result<(), AddError> {
    let content = fs::read(file).map_err(failed("read", file))?;
    let found = Sha256::digest(&content).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    if found == jar.sha256 {
        return Ok(());
    }
    Err(AddError::Checksum { name: jar.name, expected: jar.sha256, found })
}

/// The client would unpack its library into each function's /tmp; on AWS it lies beside the jars.
fn extract(jar: &'static str, file: &Path, to: &Path) -> Result<(), AddError> {
    let unreadable = |reason: String| AddError::Jar { jar, reason };
    let opened = fs::File::open(file).map_err(failed("open", file))?;
    let mut archive = zip::ZipArchive::new(opened).map_err(|error| unreadable(error.to_string()))?;
    let name = format!("jni/{NATIVE_LIBRARY}");
    let mut entry =
        archive.by_name(&name).map_err(|error| unreadable(format!("it has no {name}: {error}")))?;
    let mut content = Vec::new();
    let read = entry.by_ref().take(LIBRARY_BYTES_MAX).read_to_end(&mut content);
    read.map_err(|error| unreadable(error.to_string()))?;
    let mut written = fs::File::create(to).map_err(failed("create", to))?;
    written.write_all(&content).and_then(|()| written.sync_all()).map_err(failed("write", to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::scratch;

    #[test]
    fn a_jar_with_another_sum_is_refused() {
        let (from, to) = (scratch("jars"), scratch("client"));
        for jar in JARS {
            fs::write(from.join(jar.name), "not a jar").expect("writable");
        }
        let refused = fetch(&to, Some(&from)).expect_err("nobody can make this sum").to_string();
        assert!(refused.contains("it was not installed"), "{refused}");
        fs::remove_file(from.join(JARS[0].name)).expect("it was just made");
        let missing = fetch(&to, Some(&from)).expect_err("it is not there").to_string();
        assert!(missing.contains("https://repo1.maven.org/maven2/com/amazonaws/"), "{missing}");
        for folder in [from, to] {
            fs::remove_dir_all(folder).expect("the test's own folder");
        }
    }
}
