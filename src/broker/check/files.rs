//! What a look at a broker's folders and files says of a start, without changing any of them. What the log and its queues
//! are like inside only recovery says.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::broker::consumer_filter::FilterTable;
use crate::broker::live::Configs;
use crate::config::ProblemKind::{self, BadValue, Doubtful};
use crate::config::file::{self, FileError};
use crate::config::paths;
use crate::protocol::body::group::SubscriptionGroupWrapper;
use crate::protocol::body::offset::{ConsumerOffsetSerializeWrapper, DelayOffsetSerializeWrapper};
use crate::protocol::body::topic::TopicConfigSerializeWrapper;
use crate::store::lock_file;

/// What there is to say, by key. Not for a process that has the store open: a look at the lock file gives its own lock up.
pub fn file_problems(configs: &Configs) -> Vec<(&'static str, ProblemKind)> {
    let root = Path::new(&configs.store.store_path_root_dir);
    let log = Path::new(&configs.store.store_path_commit_log);
    let mut problems = Vec::new();
    let mut error = |key, reason: String| problems.push((key, BadValue(reason)));
    let own = ["", "config", "consumequeue", "index"].map(|name| root.join(name));
    if let Some(reason) = own.iter().find_map(|folder| paths::folder_problem(folder)) {
        error("storePathRootDir", reason);
    }
    if let Some(reason) = paths::folder_problem(log) {
        error("storePathCommitLog", reason);
    }
    for reason in damaged(&root.join("config")) {
        error("storePathRootDir", reason.to_string());
    }
    match lock_file::is_held(root) {
        Ok(false) => {}
        Ok(true) => {
            let reason = "a broker runs on it, ours or Java: another one does not start beside it";
            problems.push(("storePathRootDir", Doubtful(reason.to_owned())));
        }
        // Told as a folder that cannot be used.
        Err(_) => {}
    }
    problems
}

/// The tables that a start cannot load.
fn damaged(folder: &Path) -> Vec<FileError> {
    fn look<T: DeserializeOwned>(path: &Path) -> Result<(), FileError> {
        file::load::<T>(path).map(drop)
    }
    let looks = [
        look::<TopicConfigSerializeWrapper>(&folder.join("topics.json")),
        look::<ConsumerOffsetSerializeWrapper>(&folder.join("consumerOffset.json")),
        look::<SubscriptionGroupWrapper>(&folder.join("subscriptionGroup.json")),
        look::<FilterTable>(&folder.join("consumerFilter.json")),
        look::<DelayOffsetSerializeWrapper>(&folder.join("delayOffset.json")),
    ];
    looks.into_iter().filter_map(Result::err).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_start_would_meet_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut configs = Configs::default();
        configs.store.store_path_root_dir = path("store").to_str().unwrap().to_owned();
        configs.store.store_path_commit_log = path("log/commitlog").to_str().unwrap().to_owned();
        let check = |expected: &[&str]| {
            let found = file_problems(&configs);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for ((_, kind), expected) in found.iter().zip(expected) {
                let BadValue(reason) = kind else { panic!("{kind:?}") };
                assert!(reason.contains(expected), "{reason}");
            }
        };
        check(&[]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        std::fs::create_dir_all(path("store/config")).unwrap();
        std::fs::write(path("store/config/topics.json"), "{").unwrap();
        std::fs::write(path("store/config/consumerFilter.json"), "[").unwrap();
        check(&["topics.json and its .bak are damaged", "consumerFilter.json and its .bak"]);
        for name in ["topics.json.bak", "consumerFilter.json.bak"] {
            std::fs::write(path("store/config").join(name), "{}").unwrap();
        }
        check(&[]);
        std::fs::write(path("store/index"), "").unwrap();
        std::fs::write(path("log"), "").unwrap();
        check(&["store/index is no folder", "log is no folder"]);
    }
}
