//! Keys and values by namespace, kept in a file (Java: `KVConfigManager`). Used for order topics, by tools and
//! by whoever likes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::config::file::{self, FileError};

/// Where the order of a topic's queues is kept: topic to `broker:queues;broker:queues`.
pub const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";
/// Entries in all namespaces together, past which none is added: anyone may put one.
const ENTRIES_MAX: usize = 100_000;

type Table = BTreeMap<String, BTreeMap<String, String>>;

/// The file's shape (Java: `KVConfigSerializeWrapper`).
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wrapper {
    config_table: Table,
}

/// Why an entry is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    #[error("the name server keeps {ENTRIES_MAX} keys and takes no more: delete some")]
    Full,
    #[error(transparent)]
    File(#[from] FileError),
}

/// The table and its file.
pub struct KvConfig {
    path: PathBuf,
    table: Mutex<Table>,
}

impl KvConfig {
    /// Reads the file; none is an empty table.
    pub fn open(path: PathBuf) -> Result<KvConfig, FileError> {
        let wrapper: Wrapper = file::load(&path)?.unwrap_or_default();
        tracing::info!("configTable SIZE: {}", wrapper.config_table.len());
        for (namespace, keys) in &wrapper.config_table {
            for (key, value) in keys {
                tracing::info!("configTable NS: {namespace} Key: {key} Value: {value}");
            }
        }
        Ok(KvConfig { path, table: Mutex::new(wrapper.config_table) })
    }

    /// One value.
    pub fn get(&self, namespace: &str, key: &str) -> Option<String> {
        self.table().get(namespace)?.get(key).cloned()
    }

    /// All of a namespace; `None` where nothing was ever put there.
    pub fn namespace(&self, namespace: &str) -> Option<BTreeMap<String, String>> {
        self.table().get(namespace).cloned()
    }

    /// Sets a value. Blocks.
    pub fn put(&self, namespace: &str, key: &str, value: &str) -> Result<(), PutError> {
        let mut table = self.table();
        let is_new = table.get(namespace).is_none_or(|keys| !keys.contains_key(key));
        if is_new && table.values().map(BTreeMap::len).sum::<usize>() >= ENTRIES_MAX {
            return Err(PutError::Full);
        }
        let before = table.entry(namespace.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
        tracing::info!(namespace, key, value, before, "putKVConfig");
        self.save(&table).map_err(PutError::from)
    }

    /// Takes a key away; the namespace stays, as in Java. Blocks.
    pub fn delete(&self, namespace: &str, key: &str) -> Result<(), FileError> {
        let mut table = self.table();
        let before = table.get_mut(namespace).and_then(|keys| keys.remove(key));
        tracing::info!(namespace, key, before, "deleteKVConfig delete a config item");
        self.save(&table)
    }

    /// Under the table's lock, so that the file never goes back.
    fn save(&self, table: &Table) -> Result<(), FileError> {
        let wrapper = Wrapper { config_table: table.clone() };
        let text = compat::json::to_vec_java(&wrapper).expect("a map of texts");
        file::replace(&self.path, &text)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("namesrv/kvConfig.json");
        let kv = KvConfig::open(path.clone()).unwrap();
        kv.put("n", "k", "v").unwrap();
        kv.put("n", "k2", "v\"2").unwrap();
        kv.delete("n", "k").unwrap();
        kv.delete("other", "k").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), r#"{"configTable":{"n":{"k2":"v\"2"}}}"#);
        let kv = KvConfig::open(path).unwrap();
        assert_eq!((kv.get("n", "k"), kv.get("n", "k2")), (None, Some("v\"2".to_owned())));
        assert_eq!(kv.namespace("n").unwrap().len(), 1);
        assert_eq!(kv.namespace("other"), None);
    }
}
