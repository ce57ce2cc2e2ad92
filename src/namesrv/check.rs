//! What would go wrong with a name server's settings, told before anything is started. What can be said of each key by
//! itself is `config`'s.

use std::path::{Path, PathBuf};

use super::Configs;
use super::kv_config::KvConfig;
use crate::config::ProblemKind::{self, BadValue, Doubtful};
use crate::config::namesrv::NamesrvConfig;
use crate::config::paths;

/// What there is to say, by key, without a look at the disk.
pub fn problems(configs: &Configs) -> Vec<(&'static str, ProblemKind)> {
    let Configs { namesrv, server, file, .. } = configs;
    let mut problems = Vec::new();
    if namesrv.http_port == server.listen_port && namesrv.http_port > 0 {
        problems.push(("httpPort", BadValue("is listenPort, too".to_owned())));
    }
    for (key, path) in
        [("kvConfigPath", &namesrv.kv_config_path), ("configStorePath", &namesrv.config_store_path)]
    {
        problems.extend(paths::doubt(path).map(|reason| (key, Doubtful(reason))));
    }
    let is_set = namesrv.config_store_path != NamesrvConfig::default().config_store_path;
    if let Some(file) = file.as_ref().filter(|file| is_set && **file != Path::new(&namesrv.config_store_path))
    {
        let reason = format!("changes are written to the file of -c, {}, as in 4.3.0", file.display());
        problems.push(("configStorePath", Doubtful(reason)));
    }
    problems
}

/// What there is to say of the files that a start reads and a running server writes. Changes nothing.
pub fn file_problems(configs: &Configs) -> Vec<(&'static str, ProblemKind)> {
    let NamesrvConfig { kv_config_path, config_store_path, .. } = &configs.namesrv;
    let mut problems = Vec::new();
    if let Err(error) = KvConfig::open(PathBuf::from(kv_config_path)) {
        problems.push(("kvConfigPath", BadValue(error.to_string())));
    } else if let Some(reason) = paths::file_problem(Path::new(kv_config_path)) {
        let reason = format!("key-value configuration cannot be kept: {reason}");
        problems.push(("kvConfigPath", Doubtful(reason)));
    }
    if configs.file.is_none()
        && let Some(reason) = paths::file_problem(Path::new(config_store_path))
    {
        let reason = format!("changes of settings cannot be kept: {reason}");
        problems.push(("configStorePath", Doubtful(reason)));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_cannot_be_used_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("damaged.json"), "{").unwrap();
        std::fs::write(path("good.json"), "{\"configTable\":{}}").unwrap();
        let check = |kv: &str, store: &str, expected: &[(&str, bool)]| {
            let mut configs = Configs::default();
            configs.namesrv.kv_config_path = path(kv);
            configs.namesrv.config_store_path = path(store);
            let found = file_problems(&configs);
            let found: Vec<_> = found.iter().map(|(key, kind)| (*key, kind.is_error())).collect();
            assert_eq!(found, expected);
        };
        check("good.json", "new/x", &[]);
        check("new/x.json", "new/x", &[]);
        check("damaged.json", "new/x", &[("kvConfigPath", true)]);
        check("", "", &[("kvConfigPath", true), ("configStorePath", false)]);
        check("good.json/x", "good.json/x", &[("kvConfigPath", true), ("configStorePath", false)]);
    }

    #[test]
    fn settings_that_do_not_go_together_are_told() {
        let mut configs = Configs::default();
        assert!(problems(&configs).is_empty());
        configs.namesrv.config_store_path = "/x/namesrv.properties".to_owned();
        assert!(problems(&configs).is_empty());
        configs.file = Some(PathBuf::from("/y/namesrv.conf"));
        configs.namesrv.kv_config_path = "~/kv.json".to_owned();
        configs.namesrv.http_port = configs.server.listen_port;
        let found = problems(&configs);
        let found: Vec<_> = found.iter().map(|(key, kind)| (*key, kind.is_error())).collect();
        assert_eq!(found, [("httpPort", true), ("kvConfigPath", false), ("configStorePath", false)]);
    }
}
