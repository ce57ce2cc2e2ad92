//! `plain_acl.yml` (Java: `PlainPermissionLoader.load`). What it does not say is denied; what makes no sense is an error, where
//! Java denies silently.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::yaml::Node;
use super::{Account, Accounts, Addresses, Permission};

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
            "accessKey" => account.access_key = same_in_java(value, key)?,
            "secretKey" => account.secret_key = same_in_java(value, key)?,
            "whiteRemoteAddress" => account.white_addresses.add(&text(value, key)?)?,
            "admin" => account.is_admin = boolean(value, key)?,
            "defaultTopicPerm" => account.default_topic = permission(&text(value, key)?)?,
            "defaultGroupPerm" => account.default_group = permission(&text(value, key)?)?,
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

/// As it is written; no value is an empty one.
fn text(node: &Node, key: &str) -> Result<String, String> {
    match node {
        node if node.is_null() => Ok(String::new()),
        Node::Text { text, .. } => Ok(text.clone()),
        _ => Err(format!("{key} is no text")),
    }
}

/// A text that Java reads as it is written, too. Of one without quotes that YAML 1.1 takes for something else than a decimal
/// number it makes another: `01234567` is 342391, `1e7` a fraction, `2026-11-30` a time.
fn same_in_java(node: &Node, key: &str) -> Result<String, String> {
    let text = text(node, key)?;
    let Node::Text { is_plain: true, .. } = node else { return Ok(text) };
    let unsigned = text.trim_start_matches(['-', '+']);
    let looks_like_a_number = unsigned.starts_with(|char: char| char.is_ascii_digit() || char == '.')
        && unsigned.chars().all(|char| char.is_ascii_hexdigit() || "xXoO._:eE+- TZtz".contains(char));
    let is_decimal = unsigned.len() == text.len() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_octal = text.len() > 1 && text.starts_with('0') && !text.contains(['8', '9']);
    match looks_like_a_number && (!is_decimal || is_octal) {
        // Not the text: it may be a secret, and this is logged.
        true => Err(format!("{key} looks like a number that YAML would change: put it into quotes")),
        false => Ok(text),
    }
}

/// As YAML 1.1 has them.
fn boolean(node: &Node, key: &str) -> Result<bool, String> {
    let text = text(node, key)?.trim().to_ascii_lowercase();
    match text.as_str() {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" | "" => Ok(false),
        _ => Err(format!("{key} is neither true nor false, but {text}")),
    }
}

fn list(node: &Node, key: &str) -> Result<Vec<String>, String> {
    match node {
        node if node.is_null() => Ok(Vec::new()),
        Node::List(items) => items.iter().map(|item| text(item, key)).collect(),
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
