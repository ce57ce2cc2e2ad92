//! `plain_acl.yml` (Java: `PlainPermissionLoader.load`). What it does not say is denied; what makes no sense is an error, where
//! Java denies silently.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use yaml_rust2::{Yaml, YamlLoader};

use super::{Account, Accounts, Addresses, Permission};
use crate::remoting::account::text_of;

/// More accounts than anybody has fit into this.
const FILE_MAX_BYTES: u64 = 1024 * 1024;
/// Java: keys of at most six characters are none.
const KEY_MIN_CHARS: usize = 7;

/// Why there are no accounts.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct LoadError {
    file: PathBuf,
    reason: String,
}

/// Reads the file.
pub fn load(file: &Path) -> Result<Accounts, LoadError> {
    read(file).map_err(|reason| LoadError { file: file.to_owned(), reason })
}

fn read(file: &Path) -> Result<Accounts, String> {
    let length = fs::metadata(file).map_err(|error| format!("cannot be read: {error}"))?.len();
    if length > FILE_MAX_BYTES {
        return Err(format!("has {length} bytes, more than {FILE_MAX_BYTES}"));
    }
    parse(&fs::read_to_string(file).map_err(|error| format!("cannot be read: {error}"))?)
}

/// What a text says.
pub fn parse(text: &str) -> Result<Accounts, String> {
    let documents = YamlLoader::load_from_str(text).map_err(|error| error.to_string())?;
    let [document] = &documents[..] else { return Err("is empty".to_owned()) };
    let mut accounts = Accounts::default();
    for (key, value) in document.as_hash().ok_or("has no keys")? {
        match key.as_str() {
            Some("globalWhiteRemoteAddresses") => {
                for address in list(value, "globalWhiteRemoteAddresses")? {
                    accounts.white_addresses.add(&address)?;
                }
            }
            Some("accounts") => {
                for (index, one) in value.as_vec().ok_or("accounts is no list")?.iter().enumerate() {
                    let account = account(one).map_err(|why| format!("account {}: {why}", index + 1))?;
                    let key = account.access_key.clone();
                    if accounts.by_key.insert(key.clone(), account).is_some() {
                        return Err(format!("accessKey {key} is there twice"));
                    }
                }
            }
            _ => tracing::warn!(?key, "unknown key of plain_acl.yml"),
        }
    }
    Ok(accounts)
}

fn account(yaml: &Yaml) -> Result<Account, String> {
    let mut account = Account {
        access_key: String::new(),
        secret_key: String::new(),
        white_addresses: Addresses::default(),
        is_admin: false,
        default_topic: Permission::default(),
        default_group: Permission::default(),
        topics: HashMap::new(),
        groups: HashMap::new(),
    };
    for (key, value) in yaml.as_hash().ok_or("has no keys")? {
        let key = key.as_str().unwrap_or_default();
        match key {
            "accessKey" => account.access_key = text(value, key)?,
            "secretKey" => account.secret_key = text(value, key)?,
            "whiteRemoteAddress" => account.white_addresses.add(&text(value, key)?)?,
            "admin" => account.is_admin = text(value, key)?.trim().eq_ignore_ascii_case("true"),
            "defaultTopicPerm" => account.default_topic = permission(&text(value, key)?)?,
            "defaultGroupPerm" => account.default_group = permission(&text(value, key)?)?,
            "topicPerms" => account.topics = permissions(value, key)?,
            "groupPerms" => account.groups = permissions(value, key)?,
            _ => tracing::warn!(key, "unknown key of an account in plain_acl.yml"),
        }
    }
    let is_short = |key: &str| key.chars().count() < KEY_MIN_CHARS;
    if is_short(&account.access_key) || is_short(&account.secret_key) {
        // Not the secret: this is logged.
        let key = &account.access_key;
        return Err(format!("accessKey ({key}) and secretKey must have {KEY_MIN_CHARS} characters or more"));
    }
    Ok(account)
}

fn text(yaml: &Yaml, key: &str) -> Result<String, String> {
    text_of(yaml).ok_or_else(|| format!("{key} is no text"))
}

fn list(yaml: &Yaml, key: &str) -> Result<Vec<String>, String> {
    match yaml {
        Yaml::Array(items) => items.iter().map(|item| text(item, key)).collect(),
        Yaml::Null => Ok(Vec::new()),
        _ => Err(format!("{key} is no list")),
    }
}

fn permissions(yaml: &Yaml, key: &str) -> Result<HashMap<String, Permission>, String> {
    let pair = |item: String| {
        let (name, value) =
            item.split_once('=').ok_or_else(|| format!("{key}: {item} is not NAME=PERMISSION"))?;
        Ok((name.trim().to_owned(), permission(value)?))
    };
    list(yaml, key)?.into_iter().map(pair).collect()
}

fn permission(text: &str) -> Result<Permission, String> {
    let (publish, subscribe) = match text.trim() {
        "" | "DENY" => (false, false),
        "PUB" => (true, false),
        "SUB" => (false, true),
        "PUB|SUB" | "SUB|PUB" => (true, true),
        other => return Err(format!("{other} is none of DENY, PUB, SUB, PUB|SUB")),
    };
    Ok(Permission { publish, subscribe })
}
