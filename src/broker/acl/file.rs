//! `plain_acl.yml` (Java: `PlainPermissionLoader.load`). What it does not say is denied; what makes no sense is an error, where
//! Java denies silently.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Account, Accounts, Addresses, Permission};
use crate::config::yaml::Node;

/// More accounts than anybody has fit into this.
const FILE_MAX_BYTES: u64 = 1024 * 1024;
/// Java: keys of at most six characters are none.
const KEY_MIN_CHARS: usize = 7;
/// `dataVersion` is what tools of 4.9 on write into the file.
const KEYS: [&str; 3] = ["globalWhiteRemoteAddresses", "accounts", "dataVersion"];
const ACCOUNT_KEYS: [&str; 8] = [
    "accessKey",
    "secretKey",
    "whiteRemoteAddress",
    "admin",
    "defaultTopicPerm",
    "defaultGroupPerm",
    "topicPerms",
    "groupPerms",
];

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
    let mut accounts = Accounts::default();
    for (key, value) in table(&Node::parse(text)?)? {
        match key.as_str() {
            "globalWhiteRemoteAddresses" => {
                for address in list(value, key)? {
                    accounts.white_addresses.add(&address)?;
                }
            }
            "accounts" => {
                let Node::List(items) = value else { return Err("accounts is no list".to_owned()) };
                for (index, one) in items.iter().enumerate() {
                    let account = account(one).map_err(|why| format!("account {}: {why}", index + 1))?;
                    let key = account.access_key.clone();
                    if accounts.by_key.insert(key.clone(), account).is_some() {
                        return Err(format!("accessKey {key} is there twice"));
                    }
                }
            }
            "dataVersion" => {}
            _ => return Err(unknown(key, &KEYS)),
        }
    }
    Ok(accounts)
}

fn unknown(key: &str, known: &[&str]) -> String {
    format!("{key} is no key: {} are", known.join(", "))
}

fn account(node: &Node) -> Result<Account, String> {
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
    for (key, value) in table(node)? {
        match key.as_str() {
            "accessKey" => account.access_key = value.same_in_java(key)?,
            "secretKey" => account.secret_key = value.same_in_java(key)?,
            "whiteRemoteAddress" => account.white_addresses.add(&value.text(key)?)?,
            "admin" => account.is_admin = boolean(value, key)?,
            "defaultTopicPerm" => account.default_topic = permission(&value.text(key)?)?,
            "defaultGroupPerm" => account.default_group = permission(&value.text(key)?)?,
            "topicPerms" => account.topics = permissions(value, key)?,
            "groupPerms" => account.groups = permissions(value, key)?,
            _ => return Err(unknown(key, &ACCOUNT_KEYS)),
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

fn table(node: &Node) -> Result<&[(String, Node)], String> {
    match node {
        Node::Table(entries) => Ok(entries),
        _ => Err("has no keys".to_owned()),
    }
}

/// As YAML 1.1 has them.
fn boolean(node: &Node, key: &str) -> Result<bool, String> {
    let text = node.text(key)?.trim().to_ascii_lowercase();
    match text.as_str() {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" | "" => Ok(false),
        _ => Err(format!("{key} is neither true nor false, but {text}")),
    }
}

fn list(node: &Node, key: &str) -> Result<Vec<String>, String> {
    match node {
        node if node.is_null() => Ok(Vec::new()),
        Node::List(items) => items.iter().map(|item| item.text(key)).collect(),
        _ => Err(format!("{key} is no list")),
    }
}

fn permissions(node: &Node, key: &str) -> Result<HashMap<String, Permission>, String> {
    let pair = |item: String| {
        let (name, value) =
            item.split_once('=').ok_or_else(|| format!("{key}: {item} is not NAME=PERMISSION"))?;
        Ok((name.trim().to_owned(), permission(value)?))
    };
    list(node, key)?.into_iter().map(pair).collect()
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
