//! The settings of consumer groups and `subscriptionGroup.json` (Java: `SubscriptionGroupManager`). Not who is
//! connected: that is `consumers`.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::topic_config::QUEUE_NUMS_MAX;
use crate::clock::Clock;
use crate::config::file::{self as config_file, FileError};
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
    file: PathBuf,
    clock: Clock,
    tables: RwLock<Tables>,
    auto_create: AtomicBool,
    unsaved: AtomicBool,
    saving: Mutex<()>,
    changed: Box<dyn Fn() + Send + Sync>,
}

struct Tables {
    groups: HashMap<String, Arc<SubscriptionGroupConfig>>,
    version: DataVersion,
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
        let mut groups: HashMap<String, Arc<SubscriptionGroupConfig>> = topic::BUILT_IN_GROUPS
            .iter()
            .map(|&name| (name.to_owned(), Arc::new(SubscriptionGroupConfig::new(name))))
            .collect();
        let mut version = DataVersion::new(clock.now_ms());
        if let Some(saved) = config_file::load::<SubscriptionGroupWrapper>(&file)? {
            version = saved.data_version;
            for (name, mut config) in saved.subscription_group_table {
                if let Err(reason) = check(&name, &config) {
                    tracing::error!(group = name, %reason, "subscription group of the file left out");
                    continue;
                }
                config.group_name.clone_from(&name);
                groups.insert(name, Arc::new(config));
            }
        }
        Ok(SubscriptionGroups {
            file,
            clock,
            tables: RwLock::new(Tables { groups, version }),
            auto_create: AtomicBool::new(auto_create),
            unsaved: AtomicBool::new(false),
            saving: Mutex::new(()),
            changed: Box::new(changed),
        })
    }

    /// A group's settings.
    pub fn get(&self, group: &str) -> Option<Arc<SubscriptionGroupConfig>> {
        self.read().groups.get(group).cloned()
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
            tracing::warn!(group, %reason, "subscription group not created");
            return None;
        }
        let mut tables = self.write();
        if let Some(config) = tables.groups.get(group) {
            return Some(Arc::clone(config));
        }
        tracing::info!(group, "auto create a subscription group");
        Some(self.put(&mut tables, config))
    }

    /// `autoCreateSubscriptionGroup` has been set.
    pub fn set_auto_create(&self, enabled: bool) {
        self.auto_create.store(enabled, Ordering::Relaxed);
    }

    /// Makes or changes a group.
    pub fn update(&self, config: SubscriptionGroupConfig) -> Result<(), GroupError> {
        check(&config.group_name, &config)?;
        tracing::info!(group = config.group_name, %config, "subscription group created or changed");
        self.put(&mut self.write(), config);
        Ok(())
    }

    /// Forgets a group; `false` where it was not known.
    pub fn delete(&self, group: &str) -> bool {
        let mut tables = self.write();
        let existed = tables.groups.remove(group).is_some();
        if existed {
            tracing::info!(group, "subscription group deleted");
            self.note_change(&mut tables);
        }
        existed
    }

    /// Stops a group's pulls until the next start: not saved, as in Java (`disableConsume`).
    pub fn disable_consume(&self, group: &str) {
        let mut tables = self.write();
        if let Some(config) = tables.groups.get_mut(group) {
            Arc::make_mut(config).consume_enable = false;
            tables.version.next_version(self.clock.now_ms());
        }
    }

    /// Replaces everything by a master's table.
    pub fn replace(&self, wrapper: SubscriptionGroupWrapper) {
        let mut tables = self.write();
        tables.version = wrapper.data_version;
        let sound =
            wrapper.subscription_group_table.into_iter().filter(|(name, config)| check(name, config).is_ok());
        tables.groups = sound.map(|(name, config)| (name, Arc::new(config))).collect();
        self.unsaved.store(true, Ordering::Release);
        (self.changed)();
    }

    /// The table's version.
    pub fn version(&self) -> DataVersion {
        self.read().version
    }

    /// The groups' names.
    pub fn names(&self) -> Vec<String> {
        self.read().groups.keys().cloned().collect()
    }

    /// The table as replies and the file have it.
    pub fn snapshot(&self) -> SubscriptionGroupWrapper {
        let tables = self.read();
        let groups: BTreeMap<String, SubscriptionGroupConfig> = tables
            .groups
            .iter()
            .map(|(name, config)| (name.clone(), SubscriptionGroupConfig::clone(config)))
            .collect();
        SubscriptionGroupWrapper { data_version: tables.version, subscription_group_table: groups }
    }

    /// Writes the file where something has changed since the last time. Blocks.
    pub fn persist(&self) -> Result<(), FileError> {
        let _one_at_a_time = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.unsaved.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let saved = config_file::store(&self.file, &self.snapshot());
        if saved.is_err() {
            self.unsaved.store(true, Ordering::Release);
        }
        saved
    }

    fn put(&self, tables: &mut Tables, config: SubscriptionGroupConfig) -> Arc<SubscriptionGroupConfig> {
        let config = Arc::new(config);
        tables.groups.insert(config.group_name.clone(), Arc::clone(&config));
        self.note_change(tables);
        config
    }

    fn note_change(&self, tables: &mut Tables) {
        tables.version.next_version(self.clock.now_ms());
        self.unsaved.store(true, Ordering::Release);
        (self.changed)();
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
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
