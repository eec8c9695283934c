//! A Ruby that AWS's runtimes know, for the tests of the Ruby client: the host's, the distribution's, or, where that is
//! too old (Debian 12 has 3.1), one that is built once from Debian's own source and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{host, process};

/// The distribution whose source package is built: its Ruby is 3.3.
const SOURCE: &str = "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main";
const SOURCE_PACKAGE: &str = "ruby3.3";

/// The interpreter, or why there is none.
pub(crate) fn prepare() -> Result<PathBuf, String> {
    if let Some(ruby) = find() {
        return Ok(ruby);
    }
    let built = crate::target_directory().join("test-ruby");
    let ruby = built.join("bin/ruby");
    if suits(&ruby) {
        return Ok(ruby);
    }
    let apt = host::find("apt-get").filter(|_| host::is_root());
    let apt = apt.ok_or("no Ruby from 3.2 on, and no right to install one")?;
    if let Some(ruby) = installed(&apt) {
        return Ok(ruby);
    }
    println!("building {SOURCE_PACKAGE} of Debian into {}, once", built.display());
    build(&apt, &built)?;
    if suits(&ruby) { Ok(ruby) } else { Err(format!("{} does not work", ruby.display())) }
}

fn find() -> Option<PathBuf> {
    host::find_where("ruby", suits)
}

/// AWS's oldest Ruby runtime is 3.2.
fn suits(file: &Path) -> bool {
    let Ok(output) = Command::new(file).arg("--version").output() else { return false };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.strip_prefix("ruby ").unwrap_or_default().split('.');
    let mut number = || numbers.next().and_then(|part| part.parse::<u32>().ok()).unwrap_or(0);
    (number(), number()) >= (3, 2)
}

fn installed(apt: &Path) -> Option<PathBuf> {
    let candidate = Command::new(apt).args(["install", "--simulate", "ruby"]).output().ok()?;
    // "Inst ruby (1:3.3 Debian:13/stable [amd64])"
    let text = String::from_utf8_lossy(&candidate.stdout).into_owned();
    let version = text.lines().find_map(|line| line.strip_prefix("Inst ruby (1:"))?.to_owned();
    let mut numbers = version.split(['.', ' ', '+', '~']).map_while(|part| part.parse::<u32>().ok());
    if (numbers.next()?, numbers.next()?) < (3, 2) {
        return None;
    }
    let mut install = Command::new(apt);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    process::succeed(install.args(["install", "-q", "-y", "--no-install-recommends", "ruby"])).ok()?;
    find()
}

/// Fetches the source by apt, which checks its signature, with lists of our own: the host's stay as they are.
fn build(apt: &Path, into: &Path) -> Result<(), String> {
    let work = into.with_extension("build");
    let at = |name: &str| work.join(name);
    let cannot = |error: std::io::Error| format!("cannot prepare {}: {error}", work.display());
    for folder in ["lists/partial", "archives/partial", "source"] {
        fs::create_dir_all(at(folder)).map_err(cannot)?;
    }
    fs::write(at("sources.list"), SOURCE).map_err(cannot)?;
    let options = [
        format!("Dir::Etc::sourcelist={}", at("sources.list").display()),
        "Dir::Etc::sourceparts=-".to_owned(),
        format!("Dir::State::lists={}", at("lists").display()),
        format!("Dir::Cache={}", work.display()),
    ];
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new(apt);
        for option in &options {
            command.args(["-o", option]);
        }
        command.args(arguments).current_dir(at("source"));
        process::succeed(&mut command)
    };
    apt_get(&["-q", "update"])?;
    apt_get(&["-q", "source", "--download-only", SOURCE_PACKAGE])?;
    let sources = fs::read_dir(at("source")).map_err(cannot)?.flatten().map(|entry| entry.path());
    let archive = sources.into_iter().find(|path| path.to_string_lossy().contains(".orig.tar."));
    let archive = archive.ok_or("the source package has no archive")?;
    process::succeed(
        Command::new("tar").arg("xf").arg(archive).args(["--strip-components=1", "-C"]).arg(at("source")),
    )?;
    // What the tests do not need takes most of the time.
    let configure = [
        "--disable-install-doc",
        "--disable-yjit",
        "--disable-rjit",
        "--without-gmp",
        "optflags=-O1",
        "debugflags=",
        "--with-out-ext=openssl,readline,win32,win32ole",
    ];
    process::succeed(
        Command::new("./configure")
            .arg(format!("--prefix={}", into.display()))
            .args(configure)
            .current_dir(at("source")),
    )?;
    let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    process::succeed(Command::new("make").arg(format!("-j{jobs}")).current_dir(at("source")))?;
    process::succeed(Command::new("make").arg("install").current_dir(at("source")))?;
    fs::remove_dir_all(&work).map_err(cannot)
}
