//! The settings of consumer groups and `subscriptionGroup.json` (Java: `SubscriptionGroupManager`). Not who is
//! connected: that is `consumers`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::log_lines;
use super::table::{Table, Wrapper};
use super::topic_config::QUEUE_NUMS_MAX;
use crate::clock::Clock;
use crate::config::file::FileError;
use crate::protocol::body::group::{SubscriptionGroupConfig, SubscriptionGroupWrapper};
use crate::protocol::body::topic::DataVersion;
use crate::protocol::topic::{self, NameError};

/// Why a group is not made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    #[error("subscription group[{group}]: {reason}")]
    Name { group: String, reason: NameError },
    #[error("subscription group[{group}]: {queue_nums} retry queues are more than {QUEUE_NUMS_MAX}")]
    QueueNums { group: String, queue_nums: i32 },
}

/// The groups of this broker.
pub struct SubscriptionGroups {
    table: Table<SubscriptionGroupWrapper>,
    auto_create: AtomicBool,
}

impl Wrapper for SubscriptionGroupWrapper {
    type Row = SubscriptionGroupConfig;

    fn new(
        data_version: DataVersion,
        subscription_group_table: BTreeMap<String, SubscriptionGroupConfig>,
    ) -> Self {
        SubscriptionGroupWrapper { data_version, subscription_group_table }
    }

    fn into_parts(self) -> (DataVersion, BTreeMap<String, SubscriptionGroupConfig>) {
        (self.data_version, self.subscription_group_table)
    }
}

impl SubscriptionGroups {
    /// The built-in groups, and over them what the file has. `changed` is told of every change that must be
    /// saved; it is called under the table's lock and must only leave a note.
    pub fn open(
        file: PathBuf,
        auto_create: bool,
        clock: Clock,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<SubscriptionGroups, FileError> {
        let built_in = topic::BUILT_IN_GROUPS
            .iter()
            .map(|name| ((*name).to_owned(), SubscriptionGroupConfig::new(name)));
        let accept = |name: &str, config: &mut SubscriptionGroupConfig| {
            if let Err(reason) = check(name, config) {
                tracing::error!(group = name, %reason, "subscription group of the file left out");
                return false;
            }
            name.clone_into(&mut config.group_name);
            true
        };
        let table = Table::open(file, clock, built_in, accept, changed)?;
        Ok(SubscriptionGroups { table, auto_create: AtomicBool::new(auto_create) })
    }

    /// A group's settings.
    pub fn get(&self, group: &str) -> Option<Arc<SubscriptionGroupConfig>> {
        self.table.get(group)
    }

    /// A group's settings, the usual ones made where there are none and that is allowed (Java:
    /// `findSubscriptionGroupConfig`).
    pub fn find_or_create(&self, group: &str) -> Option<Arc<SubscriptionGroupConfig>> {
        if let Some(config) = self.get(group) {
            return Some(config);
        }
        if !self.auto_create.load(Ordering::Relaxed) && !topic::is_system_group(group) {
            return None;
        }
        let config = SubscriptionGroupConfig::new(group);
        if let Err(reason) = check(group, &config) {
            tracing::warn!(group = log_lines::beginning(group), %reason, "subscription group not created");
            return None;
        }
        let (config, is_new) = self.table.put_new(group, config);
        if is_new {
            tracing::info!("auto create a subscription group, {config}");
        }
        Some(config)
    }

    /// `autoCreateSubscriptionGroup` has been set.
    pub fn set_auto_create(&self, enabled: bool) {
        self.auto_create.store(enabled, Ordering::Relaxed);
    }

    /// Makes or changes a group.
    pub fn update(&self, config: SubscriptionGroupConfig) -> Result<(), GroupError> {
        check(&config.group_name, &config)?;
        match self.get(&config.group_name) {
            Some(old) => tracing::info!("update subscription group config, old: {old} new: {config}"),
            None => tracing::info!("create new subscription group, {config}"),
        }
        self.table.put(&config.group_name.clone(), config);
        Ok(())
    }

    /// Forgets a group; `false` where it was not known.
    pub fn delete(&self, group: &str) -> bool {
        let existed = self.table.delete(group);
        if existed {
            tracing::info!("delete subscription group OK, subscription group:{group}");
        }
        existed
    }

    /// Stops a group's pulls until the next start: not saved, as in Java (`disableConsume`).
    pub fn disable_consume(&self, group: &str) {
        self.table.change_for_now(group, |config| config.consume_enable = false);
    }

    /// Replaces everything by a master's table.
    pub fn replace(&self, wrapper: SubscriptionGroupWrapper) {
        self.table.replace(wrapper, |name, config| check(name, config).is_ok());
    }

    /// The table's version.
    pub fn version(&self) -> DataVersion {
        self.table.version()
    }

    /// The groups' names.
    pub fn names(&self) -> Vec<String> {
        self.table.names()
    }

    /// The table as replies and the file have it.
    pub fn snapshot(&self) -> SubscriptionGroupWrapper {
        self.table.snapshot()
    }

    /// Writes the file where something has changed since the last time. Blocks.
    pub fn persist(&self) -> Result<(), FileError> {
        self.table.persist()
    }
}

fn check(group: &str, config: &SubscriptionGroupConfig) -> Result<(), GroupError> {
    topic::check_group(group).map_err(|reason| GroupError::Name { group: group.to_owned(), reason })?;
    // Below zero is Java's way to say "no retries" and harmless.
    if config.retry_queue_nums > QUEUE_NUMS_MAX {
        let queue_nums = config.retry_queue_nums;
        return Err(GroupError::QueueNums { group: group.to_owned(), queue_nums });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn groups(folder: &tempfile::TempDir, auto_create: bool) -> SubscriptionGroups {
        let file = folder.path().join("subscriptionGroup.json");
        SubscriptionGroups::open(file, auto_create, clock::manual(1000).0, || {}).unwrap()
    }

    #[test]
    fn groups_are_made_where_that_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let check = |auto_create: bool, group: &str, expected: bool| {
            assert_eq!(groups(&folder, auto_create).find_or_create(group).is_some(), expected, "{group}");
        };
        check(true, "g", true);
        check(false, "g", false);
        check(false, "TOOLS_CONSUMER", true);
        check(false, "CID_RMQ_SYS_x", true);
        check(true, "a/b", false);
        check(true, "", false);
    }

    #[test]
    fn groups_survive_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let first = groups(&folder, true);
        first.find_or_create("g").unwrap();
        first
            .update(SubscriptionGroupConfig { retry_max_times: 3, ..SubscriptionGroupConfig::new("h") })
            .unwrap();
        assert!(first.delete("g") && !first.delete("g"));
        first.persist().unwrap();
        let second = groups(&folder, false);
        assert_eq!(second.snapshot(), first.snapshot());
        assert_eq!((second.version().counter, second.get("h").unwrap().retry_max_times), (3, 3));
    }

    #[test]
    fn consuming_is_disabled_in_memory_only() {
        let folder = tempfile::tempdir().unwrap();
        let groups = groups(&folder, true);
        groups.disable_consume("TOOLS_CONSUMER");
        assert!(!groups.get("TOOLS_CONSUMER").unwrap().consume_enable);
        groups.persist().unwrap();
        assert!(!folder.path().join("subscriptionGroup.json").exists());
    }
}
