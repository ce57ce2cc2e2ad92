//! An account that requests are signed with, as brokers of 4.4 and later ask for it (Java: `AclClientRPCHook`, `AclSigner`,
//! `AclUtils.getAclRPCHook`). Whether it may do anything is the broker's to say.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use yaml_rust2::{Yaml, YamlLoader};

use crate::remoting::Command;

/// The field that names an account.
pub const ACCESS_KEY: &str = "AccessKey";
/// The field that its signature is in.
pub const SIGNATURE: &str = "Signature";
/// More than two keys need.
const FILE_MAX_BYTES: usize = 64 * 1024;

/// Two keys; neither is printed.
pub struct Account {
    access_key: String,
    secret_key: String,
}

impl Account {
    /// That of mqadmin since 4.4: `conf/tools.yml` under ROCKETMQ_HOME. None where there is no such file, or no keys in it.
    pub fn of_tools() -> Result<Option<Account>, String> {
        let Some(home) = std::env::var_os("ROCKETMQ_HOME").filter(|home| !home.is_empty()) else {
            return Ok(None);
        };
        let file = PathBuf::from(home).join("conf/tools.yml");
        Account::read(&file)
            .map_err(|reason| format!("{}: {reason}: requests are not signed", file.display()))
    }

    fn read(file: &Path) -> Result<Option<Account>, String> {
        match fs::read_to_string(file) {
            Ok(text) if text.len() > FILE_MAX_BYTES => Err(format!("is longer than {FILE_MAX_BYTES} bytes")),
            Ok(text) => Account::parse(&text),
            Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => Ok(None),
            Err(error) => Err(format!("cannot be read: {error}")),
        }
    }

    fn parse(text: &str) -> Result<Option<Account>, String> {
        let documents = YamlLoader::load_from_str(text).map_err(|error| error.to_string())?;
        let Some(document) = documents.first() else { return Ok(None) };
        // `12345678` is a text here, too.
        let text = |key: &str| match &document[key] {
            Yaml::String(text) | Yaml::Real(text) => text.trim().to_owned(),
            Yaml::Integer(number) => number.to_string(),
            _ => String::new(),
        };
        let account = Account { access_key: text("accessKey"), secret_key: text("secretKey") };
        Ok(Some(account).filter(|it| !it.access_key.is_empty() && !it.secret_key.is_empty()))
    }

    /// Adds the account and its signature to a request.
    pub fn sign(&self, command: &mut Command) {
        command.ext.get_or_insert_default().push(ACCESS_KEY, &self.access_key);
        let signature = STANDARD.encode(mac(&self.secret_key, command).finalize().into_bytes());
        command.ext.get_or_insert_default().push(SIGNATURE, &signature);
    }
}

/// What a signature is of: the fields' values in the order of their names, and the body.
pub fn mac(secret_key: &str, command: &Command) -> Hmac<Sha1> {
    let mac = Hmac::<Sha1>::new_from_slice(secret_key.as_bytes());
    let mut mac = mac.expect("a key may have any length");
    let fields: BTreeMap<&str, &str> = command.ext.iter().flat_map(|ext| ext.iter()).collect();
    for (_, value) in fields.iter().filter(|(name, _)| **name != SIGNATURE) {
        mac.update(value.as_bytes());
    }
    mac.update(&command.body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_keys_make_an_account() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let found = Account::parse(text).unwrap();
            let found = found.as_ref().map(|it| (it.access_key.as_str(), it.secret_key.as_str()));
            assert_eq!(found, expected, "{text}");
        };
        // That of 4.4.
        check("\naccessKey: rocketmq2\nsecretKey: 12345678\n", Some(("rocketmq2", "12345678")));
        check("accessKey: rocketmq2", None);
        check("accessKey: rocketmq2\nsecretKey:", None);
        check("# nothing", None);
        check("[a]", None);
        assert!(Account::parse("accessKey: [").is_err());
        assert!(Account::read(Path::new("/nowhere/conf/tools.yml")).unwrap().is_none());
    }
}
