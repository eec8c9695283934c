//! The clients that run inside, embedded in the binary and written to the data directory.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

macro_rules! embedded {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../../runtimes/", $path)))),+]
    };
}

/// Path below the clients' directory and content of what is written as it is. A file that is missing here is missing in
/// the product, so a test compares the table with the folders.
const SOURCES: &[(&str, &[u8])] = embedded![
    "python/bootstrap.py",
    "python/snapshot_restore_py.py",
    "python/awslambdaric/__init__.py",
    "python/awslambdaric/__main__.py",
    "python/awslambdaric/bootstrap.py",
    "python/awslambdaric/launch.py",
    "python/awslambdaric/lambda_context.py",
    "python/awslambdaric/lambda_runtime_client.py",
    "python/awslambdaric/lambda_runtime_exception.py",
    "python/awslambdaric/lambda_runtime_hooks_runner.py",
    "python/awslambdaric/lambda_runtime_log_utils.py",
    "python/awslambdaric/lambda_runtime_marshaller.py",
    "python/awslambdaric/prepare.py",
    "python/awslambdaric/waiting.py",
    "nodejs/index.cjs",
    "nodejs/node-path.cjs",
    "nodejs/warm.cjs",
    "nodejs/warm-module.mjs",
    "ruby/bootstrap.rb",
    "ruby/lib/aws_lambda_ric.rb",
    "ruby/lib/aws_lambda_ric/aws_lambda_marshaller.rb",
    "ruby/lib/aws_lambda_ric/connection.rb",
    "ruby/lib/aws_lambda_ric/lambda_context.rb",
    "ruby/lib/aws_lambda_ric/lambda_errors.rb",
    "ruby/lib/aws_lambda_ric/lambda_handler.rb",
    "ruby/lib/aws_lambda_ric/lambda_log_formatter.rb",
    "ruby/lib/aws_lambda_ric/lambda_logger.rb",
    "ruby/lib/aws_lambda_ric/lambda_server.rb",
    "ruby/lib/aws_lambda_ric/logger_patch.rb",
    "ruby/lib/aws_lambda_ric/telemetry_log_sink.rb",
    "ruby/lib/aws_lambda_ric/telemetry_logger.rb",
    "ruby/lib/aws_lambda_ric/version.rb",
    "ruby/lib/aws_lambda_ric/xray_cause.rb",
];

/// The Node.js client's modules, joined by the build script.
const JOINED: [(&str, &[u8]); 2] = [
    ("nodejs/index.mjs", include_bytes!(concat!(env!("OUT_DIR"), "/index.mjs"))),
    ("nodejs/joined.js", include_bytes!(concat!(env!("OUT_DIR"), "/joined.js"))),
];

fn files() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    SOURCES.iter().copied().chain(JOINED)
}

/// Empty folders, in which what `lambent runtimes add` brings is shown.
const PLACES: &[&str] = &["python/site-packages", "nodejs/node_modules"];

/// Writes the clients to `<runtimes>/<hash of their content>` unless they are there, and returns that directory with
/// its `python`, `nodejs` and `ruby`.
///
/// # Errors
///
/// Whatever the file system says.
pub fn install(runtimes: &Path) -> io::Result<PathBuf> {
    let target = runtimes.join(content_hash());
    if is_complete(&target) {
        return Ok(target);
    }
    let scratch = runtimes.join(format!(".clients-{}", std::process::id()));
    remove_if_there(&scratch)?;
    for (name, content) in files() {
        let path = scratch.join(name);
        let folder = path.parent().expect("every client file is in a folder of its client");
        fs::create_dir_all(folder)?;
        write_durably(&path, content)?;
        make_readable(folder)?;
    }
    for place in PLACES {
        fs::create_dir(scratch.join(place))?;
        make_readable(&scratch.join(place))?;
    }
    make_readable(&scratch)?;
    // What is there under this name was cut short by a power loss, or it is whole and another server came first.
    if !is_complete(&target) {
        remove_if_there(&target)?;
        fs::rename(&scratch, &target)?;
    }
    remove_if_there(&scratch)?;
    Ok(target)
}

fn content_hash() -> String {
    let mut hash = Sha256::new();
    for (name, content) in files() {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(content.len().to_be_bytes());
        hash.update(content);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn is_complete(directory: &Path) -> bool {
    files().all(|(name, content)| fs::read(directory.join(name)).is_ok_and(|found| found == content))
        && PLACES.iter().all(|place| directory.join(place).is_dir())
}

fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let mut file = fs::File::create(path)?;
    file.write_all(content)?;
    // The function's user is not the server's, whatever the server's umask says.
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    file.sync_all()
}

pub(crate) fn make_readable(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

fn remove_if_there(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::scratch;

    fn names_below(folder: &Path, prefix: &str, names: &mut Vec<String>) {
        for entry in
            fs::read_dir(folder).expect("the clients' sources are there").map(|e| e.expect("readable"))
        {
            let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                if !name.ends_with("__pycache__") {
                    names_below(&entry.path(), &name, names);
                }
            } else {
                names.push(name);
            }
        }
    }

    #[test]
    fn every_source_file_of_the_clients_is_embedded() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtimes");
        let mut found = Vec::new();
        for client in ["python", "nodejs", "ruby"] {
            names_below(&sources.join(client), client, &mut found);
        }
        let mut embedded: Vec<_> = SOURCES.iter().map(|(name, _)| (*name).to_owned()).collect();
        // What is imported is joined to one file; what stands for a function's module is by itself.
        let (modules, mut found): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|name| name.ends_with(".mjs") && !embedded.contains(name));
        found.sort();
        embedded.sort();
        assert_eq!(found, embedded);
        let joined = String::from_utf8_lossy(JOINED[1].1);
        for module in modules {
            let text = fs::read_to_string(sources.join(&module)).expect("readable");
            let heading = text.lines().next().expect("each module begins with what it is for");
            assert!(joined.contains(heading), "nothing imports {module}");
        }
    }

    #[test]
    fn installing_repairs_what_a_power_loss_left() {
        let runtimes = scratch("clients");
        let installed = install(&runtimes).expect("a fresh directory takes the clients");
        fs::write(installed.join("nodejs/index.mjs"), "").expect("writable");
        assert_eq!(install(&runtimes).expect("a damaged one is replaced"), installed);
        assert!(is_complete(&installed));
        assert_eq!(
            fs::read_dir(&runtimes).expect("readable").count(),
            1,
            "no scratch directory stays behind"
        );
        fs::remove_dir_all(runtimes).expect("removable");
    }
}
