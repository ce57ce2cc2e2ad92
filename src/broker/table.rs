//! Settings by name with a version, kept in a JSON file: what topics and subscription groups have in common (Java:
//! `ConfigManager`, `DataVersion`). Not which names and settings are allowed: that is theirs to say. Reads are one map lookup
//! under a read lock; changes are written out by the broker's persist task, not by whoever makes them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Clock;
use crate::config::file::{self as config_file, FileError};
use crate::protocol::body::topic::DataVersion;

/// A table as the file, replies and registrations have it.
pub trait Wrapper: Serialize + DeserializeOwned {
    /// The settings of one name.
    type Row: Clone + Send + Sync;

    fn new(version: DataVersion, rows: BTreeMap<String, Self::Row>) -> Self;
    fn into_parts(self) -> (DataVersion, BTreeMap<String, Self::Row>);
}

/// The table of a [`Wrapper`].
pub struct Table<W: Wrapper> {
    file: PathBuf,
    clock: Clock,
    rows: RwLock<Rows<W::Row>>,
    unsaved: AtomicBool,
    saving: Mutex<()>,
    changed: Box<dyn Fn() + Send + Sync>,
}

struct Rows<R> {
    by_name: HashMap<String, Arc<R>>,
    version: DataVersion,
}

impl<W: Wrapper> Table<W> {
    /// What is built in, and over it what the file has, as far as `accept` takes it. `changed` is told of every change that
    /// must be saved; it is called under the table's lock and must only leave a note.
    pub fn open(
        file: PathBuf,
        clock: Clock,
        built_in: impl IntoIterator<Item = (String, W::Row)>,
        mut accept: impl FnMut(&str, &mut W::Row) -> bool,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<Table<W>, FileError> {
        let mut by_name: HashMap<_, _> =
            built_in.into_iter().map(|(name, row)| (name, Arc::new(row))).collect();
        let mut version = DataVersion::new(clock.now_ms());
        let mut unsaved = false;
        if let Some(saved) = config_file::load::<W>(&file)? {
            let (saved_version, rows) = saved.into_parts();
            version = saved_version;
            // A table that is more than its file has another version: to slaves and name servers that know the file's,
            // Java's broker before us among them, an equal one says that there is nothing to look at.
            unsaved = by_name.keys().any(|name| !rows.contains_key(name));
            if unsaved {
                version.next_version(clock.now_ms());
            }
            for (name, mut row) in rows {
                if accept(&name, &mut row) {
                    by_name.insert(name, Arc::new(row));
                }
            }
        }
        Ok(Table {
            file,
            clock,
            rows: RwLock::new(Rows { by_name, version }),
            unsaved: AtomicBool::new(unsaved),
            saving: Mutex::new(()),
            changed: Box::new(changed),
        })
    }

    /// The settings of a name.
    pub fn get(&self, name: &str) -> Option<Arc<W::Row>> {
        self.read().by_name.get(name).cloned()
    }

    /// What `look` says of the settings of a name, where it is known.
    pub fn look<T>(&self, name: &str, look: impl FnOnce(&W::Row) -> T) -> Option<T> {
        self.read().by_name.get(name).map(|row| look(row))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.read().by_name.len()
    }

    /// Every name.
    pub fn names(&self) -> Vec<String> {
        self.read().by_name.keys().cloned().collect()
    }

    /// All settings.
    pub fn all(&self) -> Vec<Arc<W::Row>> {
        self.read().by_name.values().cloned().collect()
    }

    /// Makes or changes what a name has.
    pub fn put(&self, name: &str, row: W::Row) -> Arc<W::Row> {
        self.insert(&mut self.write(), name, row)
    }

    /// Makes what a name has, unless it has something; `true` where it had nothing.
    pub fn put_new(&self, name: &str, row: W::Row) -> (Arc<W::Row>, bool) {
        let mut rows = self.write();
        match rows.by_name.get(name) {
            Some(row) => (Arc::clone(row), false),
            None => (self.insert(&mut rows, name, row), true),
        }
    }

    /// Forgets a name; `false` where it was not known.
    pub fn delete(&self, name: &str) -> bool {
        let mut rows = self.write();
        let existed = rows.by_name.remove(name).is_some();
        if existed {
            self.note_change(&mut rows);
        }
        existed
    }

    /// Changes all settings that `is_wrong` names, as one change.
    pub fn correct(&self, is_wrong: impl Fn(&W::Row) -> bool, mut change: impl FnMut(&mut W::Row)) {
        let mut rows = self.write();
        let mut is_any = false;
        for row in rows.by_name.values_mut().filter(|row| is_wrong(row)) {
            change(Arc::make_mut(row));
            is_any = true;
        }
        if is_any {
            self.note_change(&mut rows);
        }
    }

    /// Changes the settings of a name until the next start: they get another version, and are not saved for it.
    pub fn change_for_now(&self, name: &str, change: impl FnOnce(&mut W::Row)) {
        let mut rows = self.write();
        if let Some(row) = rows.by_name.get_mut(name) {
            change(Arc::make_mut(row));
            rows.version.next_version(self.clock.now_ms());
        }
    }

    /// Counts a change that is none of a name's.
    pub fn bump_version(&self) {
        self.note_change(&mut self.write());
    }

    /// Replaces everything by a master's table, as far as `accept` takes it.
    pub fn replace(&self, wrapper: W, mut accept: impl FnMut(&str, &W::Row) -> bool) {
        let (version, table) = wrapper.into_parts();
        let sound = table.into_iter().filter(|(name, row)| accept(name, row));
        let by_name = sound.map(|(name, row)| (name, Arc::new(row))).collect();
        let mut rows = self.write();
        *rows = Rows { by_name, version };
        self.note_unsaved();
    }

    /// The table's version.
    pub fn version(&self) -> DataVersion {
        self.read().version
    }

    /// The table as replies, registrations and the file have it.
    pub fn snapshot(&self) -> W {
        let rows = self.read();
        let table = rows.by_name.iter().map(|(name, row)| (name.clone(), W::Row::clone(row))).collect();
        W::new(rows.version, table)
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

    fn insert(&self, rows: &mut Rows<W::Row>, name: &str, row: W::Row) -> Arc<W::Row> {
        let row = Arc::new(row);
        rows.by_name.insert(name.to_owned(), Arc::clone(&row));
        self.note_change(rows);
        row
    }

    fn note_change(&self, rows: &mut Rows<W::Row>) {
        rows.version.next_version(self.clock.now_ms());
        self.note_unsaved();
    }

    fn note_unsaved(&self) {
        self.unsaved.store(true, Ordering::Release);
        (self.changed)();
    }

    fn read(&self) -> RwLockReadGuard<'_, Rows<W::Row>> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rows<W::Row>> {
        self.rows.write().unwrap_or_else(PoisonError::into_inner)
    }
}
