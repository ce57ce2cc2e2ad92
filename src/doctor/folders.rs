//! Folders of a broker that runs on this machine: whether they are there, whose they are, and whether the files in them
//! are their owner's, too. It reads names and modes only.

use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::broker::Looked;
use super::{Area, Check};

/// So many files and folders of a folder are looked at.
const NAMES_MAX: usize = 10_000;

pub fn look(broker: &Looked) -> Vec<Check> {
    let folder = |key: &str| broker.config.get(key).filter(|path| !path.is_empty()).map(PathBuf::from);
    let mut checks = Vec::new();
    let root = folder("storePathRootDir");
    let log = folder("storePathCommitLog");
    // An empty store has no log yet.
    let log = log.filter(|path| !broker.is_empty() || path.exists());
    for path in root.iter().chain(&log) {
        checks.push(check(path, &format!("store of {}", broker.found.name)));
    }
    // Where the broker's are it does not tell.
    let logs = crate::logging::LogOptions::from_env().dir;
    if logs.is_dir() {
        checks.push(check(&logs, "log files of servers that this user starts"));
    }
    checks
}

fn check(path: &Path, what: &str) -> Check {
    let subject = path.display().to_string();
    let folder = match fs::metadata(path) {
        Ok(found) if found.is_dir() => found,
        Ok(_) => {
            return Check::problem(
                Area::Folder,
                &subject,
                format!("{what}: is no folder"),
                "name another folder",
            );
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return missing(path, &subject, what),
        Err(error) => {
            let text = format!("{what}: cannot be looked at: {error}");
            return Check::warning(Area::Folder, &subject, text, "run this as the broker's user");
        }
    };
    let (owner, mode) = (folder.uid(), folder.permissions().mode() & 0o777);
    if mode & 0o700 != 0o700 {
        let text = format!("{what}: its owner, user {owner}, may not use it (mode {mode:o})");
        return Check::problem(Area::Folder, &subject, text, format!("chmod u+rwx {subject}"));
    }
    if let Some((name, other)) = of_another(path, owner) {
        let text = format!("{what}: belongs to user {owner}, and {name} in it to user {other}");
        let advice = format!(
            "a start as another user has left files that the broker may not write: chown -R {owner} {subject}"
        );
        return Check::problem(Area::Folder, &subject, text, advice);
    }
    if mode & 0o002 != 0 {
        let text = format!("{what}: everybody on this machine may write there (mode {mode:o})");
        return Check::warning(Area::Folder, &subject, text, format!("chmod o-w {subject}"));
    }
    Check::ok(Area::Folder, &subject, format!("{what}: belongs to user {owner}, mode {mode:o}"))
}

/// A broker in a container has its folder there. One on this machine still holds files of a folder that is gone.
fn missing(path: &Path, subject: &str, what: &str) -> Check {
    if !is_held(path) {
        let text = format!("{what}: is not there");
        let advice = "nothing, where the broker is in a container: its folder is there. Else it has been deleted or moved: \
                      stop the broker and put it back";
        return Check::warning(Area::Folder, subject, text, advice);
    }
    let text = format!("{what}: has been deleted, and a program still writes to files that were in it");
    let advice = "what is stored from now on is lost with the next stop: let consumers take what is there, then stop the \
                  broker, put the folder back from a copy or a slave, and start it again";
    Check::problem(Area::Folder, subject, text, advice)
}

/// Whether a program, of those that this user may look at, has files open that were in a folder.
fn is_held(path: &Path) -> bool {
    let list = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten().map(|it| it.path());
    let mut files = list(PathBuf::from("/proc")).flat_map(|program| list(program.join("fd")));
    files.any(|file| {
        fs::read_link(file)
            .is_ok_and(|to| to.starts_with(path) && to.to_string_lossy().ends_with(" (deleted)"))
    })
}

/// A file or folder in it, at any depth, that is somebody else's. What may write everywhere minds nobody.
fn of_another(path: &Path, owner: u32) -> Option<(String, u32)> {
    if owner == 0 {
        return None;
    }
    // The upper levels first: not all of a large store is looked at.
    let mut folders = VecDeque::from([path.to_owned()]);
    let mut left = NAMES_MAX;
    while let Some(folder) = folders.pop_front() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten().take(left) {
            left -= 1;
            let Ok(found) = entry.metadata() else { continue };
            if found.uid() != owner {
                let name = entry.path().strip_prefix(path).map(Path::to_owned).unwrap_or_default();
                return Some((name.to_string_lossy().into_owned(), found.uid()));
            }
            if found.is_dir() {
                folders.push_back(entry.path());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    #[test]
    fn modes_are_judged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let status = |path: &Path| check(path, "store").status;
        assert_eq!(status(&path), Status::Warning);
        fs::create_dir(&path).unwrap();
        let check = |mode: u32, expected: Status| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(status(&path), expected, "{mode:o}");
        };
        check(0o755, Status::Ok);
        check(0o777, Status::Warning);
        check(0o555, Status::Problem);
        check(0o700, Status::Ok);
        let file = path.join("lock");
        fs::write(&file, "").unwrap();
        assert_eq!(status(&file), Status::Problem);
        let owner = fs::metadata(&path).unwrap().uid();
        assert_eq!(of_another(&path, owner), None);
        assert_eq!(of_another(&path, owner + 1), Some(("lock".to_owned(), owner)));
    }

    #[test]
    fn files_of_another_are_found_at_any_depth() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("config")).unwrap();
        fs::write(folder.path().join("config/topics.json"), "").unwrap();
        let owner = fs::metadata(folder.path()).unwrap().uid();
        for name in ["", "config"] {
            if std::os::unix::fs::chown(folder.path().join(name), Some(owner + 1), None).is_err() {
                eprintln!("SKIPPED: only root can give files away");
                return;
            }
        }
        let expected = Some(("config/topics.json".to_owned(), owner));
        assert_eq!(of_another(folder.path(), owner + 1), expected);
    }
}
