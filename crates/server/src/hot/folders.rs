//! The folders that the operator lets code be run from.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use lambent_control::{FindFolder, FindFolderFuture, FoundFolder};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use super::fingerprint::Tree;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Without links, each with the folder as it was at the start: the server's user may not be able to come to it by its
    /// path.
    roots: Vec<(PathBuf, OwnedFd)>,
    /// What is the server's own is nobody's code.
    data: PathBuf,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("the folder is to be named by its absolute path without .., and {0:?} is none")]
    Path(String),
    #[error("no folder of this machine may be used as code here; start lambent with --hot-reload {0}")]
    Never(String),
    #[error(
        "{folder} may not be used as code: only {roots} and what lies below; start lambent with --hot-reload {folder}"
    )]
    Elsewhere { folder: String, roots: String },
    #[error("{0} holds lambent's own data or lies in it, which is nobody's code")]
    Data(String),
    #[error("there is no folder {0}")]
    Absent(String),
    #[error("a part of the path {0} is a symbolic link or another file system; name the folder itself")]
    Link(String),
    #[error("the folder {0} cannot be opened by the server's user; let others read it (chmod o+rx)")]
    Closed(String),
    #[error("the folder {0} cannot be opened: {1}")]
    Disk(String, Errno),
}

impl Folders {
    /// Opens the folders, with root's rights where there are any. `data` is the data folder.
    pub(crate) fn open(roots: &[PathBuf], data: &Path) -> io::Result<Self> {
        let open = |root: &PathBuf| {
            let failed = |error: io::Error| {
                io::Error::new(
                    error.kind(),
                    format!("the folder {} of --hot-reload: {error}", root.display()),
                )
            };
            let path = root.canonicalize().map_err(failed)?;
            if path == Path::new("/") {
                return Err(io::Error::other(
                    "--hot-reload / would show the whole machine to functions; name a folder below",
                ));
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder = openat2(CWD, &path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS);
            Ok((path, folder.map_err(|error| failed(error.into()))?))
        };
        let roots = roots.iter().map(open).collect::<io::Result<_>>()?;
        Ok(Self { shared: Arc::new(Shared { roots, data: data.to_owned() }) })
    }

    /// Where they are, for the launcher.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &Path> {
        self.shared.roots.iter().map(|(path, _)| &**path)
    }

    /// Opens one of them, or one below.
    pub(super) fn enter(&self, path: &Path) -> Result<OwnedFd, Refused> {
        let shown = || path.display().to_string();
        let Shared { roots, data } = &*self.shared;
        if roots.is_empty() {
            return Err(Refused::Never(shown()));
        }
        let below = roots.iter().find_map(|(root, folder)| Some((folder, path.strip_prefix(root).ok()?)));
        let Some((root, below)) = below else {
            let roots: Vec<_> = roots.iter().map(|(root, _)| root.display().to_string()).collect();
            return Err(Refused::Elsewhere { folder: shown(), roots: roots.join(", ") });
        };
        if path.starts_with(data) || data.starts_with(path) {
            return Err(Refused::Data(shown()));
        }
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // As the launcher does, which would refuse it later and say less.
        let contained = ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::BENEATH
            | ResolveFlags::NO_XDEV;
        let refused = |error| match error {
            Errno::NOENT | Errno::NOTDIR => Refused::Absent(shown()),
            Errno::LOOP | Errno::XDEV => Refused::Link(shown()),
            Errno::ACCESS | Errno::PERM => Refused::Closed(shown()),
            other => Refused::Disk(shown(), other),
        };
        let folder = openat2(root, below, flags, Mode::empty(), contained).map_err(refused)?;
        // One of the operator's that was removed is open still.
        match rustix::fs::fstat(&folder).map_err(refused)?.st_nlink {
            0 => Err(Refused::Absent(shown())),
            _ => Ok(folder),
        }
    }
}

/// The path as it is kept: absolute, without `.`, `..` and a slash at its end.
fn plain(text: &str) -> Result<PathBuf, Refused> {
    let path = Path::new(text);
    let is_plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    if !path.is_absolute() || !path.components().all(is_plain) || text.contains('\0') {
        return Err(Refused::Path(text.to_owned()));
    }
    Ok(path.components().collect())
}

impl FindFolder for Folders {
    fn find(&self, path: &str) -> FindFolderFuture {
        let (folders, text) = (self.clone(), path.to_owned());
        let look = move || {
            let path = plain(&text).map_err(|why| why.to_string())?;
            let folder = folders.enter(&path).map_err(|why| why.to_string())?;
            let shown = path.display().to_string();
            let tree =
                Tree::look(&folder).map_err(|why| format!("the folder {shown} cannot be used: {why}"))?;
            Ok(FoundFolder { path: shown, bytes: tree.bytes })
        };
        Box::pin(async move {
            match tokio::task::spawn_blocking(look).await {
                Ok(found) => found,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_cancelled) => Err("the server is going down".to_owned()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_the_operator_named_and_never_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        for name in ["project/src", "project/.data/s3", "other"] {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        symlink(dir.join("other"), dir.join("project/link")).unwrap();
        fs::write(dir.join("project/file"), "").unwrap();
        let folders = Folders::open(&[dir.join("project")], &dir.join("project/.data")).unwrap();
        let enter = |name: &str| folders.enter(&plain(&format!("{}/{name}", dir.display()))?);
        assert!(enter("project/src").is_ok() && enter("project/src/").is_ok());
        // The root itself would show the data folder.
        for name in ["project", "project/.data", "project/.data/s3"] {
            assert!(matches!(enter(name), Err(Refused::Data(_))), "{name}");
        }
        assert!(matches!(enter("other"), Err(Refused::Elsewhere { .. })));
        assert!(matches!(enter("project/link"), Err(Refused::Link(_))));
        assert!(matches!(enter("project/absent"), Err(Refused::Absent(_))));
        assert!(matches!(enter("project/file"), Err(Refused::Absent(_))));
        assert!(matches!(enter("project/../other"), Err(Refused::Path(_))));
        for bad in ["project", "", "./x", "~/x"] {
            assert!(matches!(plain(bad), Err(Refused::Path(_))), "{bad}");
        }
        assert!(
            Folders::open(&["/".into()], &dir).is_err()
                && Folders::open(&[dir.join("absent")], &dir).is_err()
        );
        let none = Folders::open(&[], &dir).unwrap();
        assert!(matches!(none.enter(&dir), Err(Refused::Never(_))));
        let itself = Folders::open(&[dir.join("other")], &dir.join("project/.data")).unwrap();
        assert!(itself.enter(&dir.join("other")).is_ok());
    }
}
