//! Folders of a broker that runs on this machine: whether they are there, whose they are, and whether the files in them
//! are their owner's, too. It reads names and modes only.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::broker::Looked;
use super::{Area, Check};

/// So many names of a folder are looked at.
const NAMES_MAX: usize = 1000;

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
    let logs = crate::logging::LogOptions::from_env().dir;
    if logs.is_dir() {
        checks.push(check(&logs, "log files"));
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
        Err(error) => {
            let text = format!("{what}: cannot be looked at: {error}");
            let advice = "run this as the broker's user; in a container the folder is another machine's";
            return Check::warning(Area::Folder, &subject, text, advice);
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

/// A file or folder in it that is somebody else's. What may write everywhere minds nobody.
fn of_another(path: &Path, owner: u32) -> Option<(String, u32)> {
    if owner == 0 {
        return None;
    }
    let names = fs::read_dir(path).ok()?.take(NAMES_MAX).flatten();
    let mut owners = names.filter_map(|name| Some((name.file_name(), name.metadata().ok()?.uid())));
    let (name, other) = owners.find(|(_, other)| *other != owner)?;
    Some((name.to_string_lossy().into_owned(), other))
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
}
