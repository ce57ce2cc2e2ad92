//! What can be said of a path that a setting names, by looking and without writing: whether it is what its author means,
//! and whether a server could write there.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, FsWord, accessat, statfs};

/// Why a path is probably not the one that is meant. Absolute ones without `~` and `$` are.
pub fn doubt(path: &str) -> Option<String> {
    let absolute = absolute(Path::new(path));
    let absolute = absolute.display();
    if path.starts_with('~') || path.contains('$') {
        let meant = ["~/", "$HOME/", "${HOME}/"].iter().find_map(|home| path.strip_prefix(home));
        let meant = meant.map_or_else(|| "the whole path".to_owned(), super::in_home);
        return Some(format!("~ and $ stand for themselves in a setting: this is {absolute}; write {meant}"));
    }
    let is_relative = !path.is_empty() && Path::new(path).is_relative();
    is_relative.then(|| {
        format!(
            "begins in the folder that the server is started in: this is {absolute} now, and another one where it is \
             started elsewhere; write the whole path"
        )
    })
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Why no files could be made in a folder, which is made itself where it is missing.
pub fn folder_problem(folder: &Path) -> Option<String> {
    match fs::metadata(folder) {
        Ok(found) if !found.is_dir() => Some(format!("{} is no folder", folder.display())),
        Ok(_) => closed(folder),
        Err(error) if error.kind() == ErrorKind::NotFound => match folder.symlink_metadata() {
            Ok(_) => Some(format!("{} is a link to nothing", folder.display())),
            Err(_) => folder_problem(parent(folder)?),
        },
        Err(error) if error.kind() == ErrorKind::NotADirectory => folder_problem(parent(folder)?),
        Err(error) => Some(format!("{}: {error}", folder.display())),
    }
}

/// Why a file could not be written, with the folders that it lies in.
pub fn file_problem(file: &Path) -> Option<String> {
    match fs::metadata(file) {
        Ok(found) if found.is_dir() => Some(format!("{} is a folder, and not a file", file.display())),
        _ => folder_problem(parent(file)?),
    }
}

/// The folder that a path lies in.
pub(super) fn parent(path: &Path) -> Option<&Path> {
    match path.parent()? {
        parent if parent == Path::new("") => Some(Path::new(".")),
        parent => Some(parent),
    }
}

/// Why nothing can be made in a folder that is there.
fn closed(folder: &Path) -> Option<String> {
    /// File systems of the kernel's own, which let root pass and then have no files made: procfs, sysfs.
    const OF_THE_KERNEL: [FsWord; 2] = [0x9fa0, 0x6265_6572];
    let user = rustix::process::geteuid();
    if let Err(error) = accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        let error = std::io::Error::from(error);
        return Some(format!("the user with id {user} cannot write in {}: {error}", folder.display()));
    }
    let is_the_kernels = statfs(folder).is_ok_and(|found| OF_THE_KERNEL.contains(&found.f_type));
    is_the_kernels.then(|| format!("{} is the kernel's own: no files can be made there", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_read_otherwise_is_doubted() {
        let check = |path: &str, expected: &[&str]| {
            let found = doubt(path);
            assert_eq!(found.is_some(), !expected.is_empty(), "{path}: {found:?}");
            let found = found.unwrap_or_default();
            assert!(expected.iter().all(|part| found.contains(part)), "{path}: {found}");
        };
        let here = std::env::current_dir().unwrap().display().to_string();
        let meant = crate::config::in_home("store/x");
        check("~/store/x", &[&format!("{here}/~/store/x"), &format!("write {meant}")]);
        check("$HOME/store/x", &[&format!("{here}/$HOME/store/x"), &format!("write {meant}")]);
        check("/data/${NAME}", &["/data/${NAME}", "write the whole path"]);
        check("store", &[&format!("{here}/store")]);
        check("/data/store", &[]);
        check("/data/a~b", &[]);
        // Told by whoever needs one.
        check("", &[]);
    }

    #[test]
    fn what_stands_in_the_way_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "").unwrap();
        std::os::unix::fs::symlink(path("nowhere"), path("link")).unwrap();
        let check = |found: Option<String>, expected: &str| {
            assert_eq!(found.is_some(), !expected.is_empty(), "{found:?}");
            assert!(found.unwrap_or_default().contains(expected));
        };
        check(folder_problem(folder.path()), "");
        check(folder_problem(&path("a/b/c")), "");
        check(folder_problem(&path("file")), "file is no folder");
        check(folder_problem(&path("file/b/c")), "file is no folder");
        check(folder_problem(&path("link")), "link is a link to nothing");
        check(folder_problem(Path::new("/proc/x")), "/proc");
        check(file_problem(&path("file")), "");
        check(file_problem(&path("a/file")), "");
        check(file_problem(folder.path()), "is a folder, and not a file");
        check(file_problem(&path("file/x")), "file is no folder");
    }
}
