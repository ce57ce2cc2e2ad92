//! An account of a broker that asks for them (`aclEnable`), and its signature under requests (Java: `SessionCredentials`,
//! `AclClientRPCHook` and `AclSigner` of 4.4's `rocketmq-acl`; `tools.yml` as `MQAdminStartup` of 4.4 reads it). Who may
//! do what is not said here: that is the broker's.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::Command;
use crate::config::yaml::Node;

/// The field that says whose a request is.
pub const ACCESS_KEY: &str = "AccessKey";
/// The field with the signature, in Base64.
pub const SIGNATURE: &str = "Signature";
/// Under ROCKETMQ_HOME.
const TOOLS_FILE: &str = "conf/tools.yml";

/// Who signs.
pub struct Account {
    access_key: String,
    secret_key: String,
}

impl Account {
    /// For tools: of `conf/tools.yml` under ROCKETMQ_HOME; none where that is not set or there is no such file. An error
    /// says what is wrong with the file. Blocks.
    pub fn of_environment() -> Result<Option<Arc<Account>>, String> {
        let Some(home) = std::env::var_os("ROCKETMQ_HOME") else { return Ok(None) };
        Account::of_file(&Path::new(&home).join(TOOLS_FILE))
    }

    fn of_file(file: &Path) -> Result<Option<Arc<Account>>, String> {
        let told = |what: &dyn fmt::Display| format!("{}: {what}", file.display());
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(told(&format_args!("cannot be read: {error}"))),
        };
        Account::parse(&text).map(|account| account.map(Arc::new)).map_err(|reason| told(&reason))
    }

    /// None where nothing is named, as in the sample.
    fn parse(text: &str) -> Result<Option<Account>, String> {
        let has_text =
            text.lines().any(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty());
        let file = if has_text { Node::parse(text)? } else { return Ok(None) };
        let Node::Table(entries) = file else {
            return Err("is no table of accessKey and secretKey".to_owned());
        };
        let value = |name: &str| {
            let found = entries.iter().find(|(key, _)| key == name);
            let text = found.map(|(key, value)| value.same_in_java(key)).transpose()?;
            Ok::<_, String>(text.filter(|text| !text.trim().is_empty()))
        };
        match (value("accessKey")?, value("secretKey")?) {
            (Some(access_key), Some(secret_key)) => Ok(Some(Account { access_key, secret_key })),
            (None, None) => Ok(None),
            _ => Err("accessKey and secretKey are needed, both".to_owned()),
        }
    }

    /// Adds the account and its signature. What is changed afterwards is refused.
    pub fn sign(&self, command: &mut Command) {
        command.ext.get_or_insert_default().push(ACCESS_KEY, &self.access_key);
        let signature = STANDARD.encode(mac(&self.secret_key, command).finalize().into_bytes());
        command.ext.get_or_insert_default().push(SIGNATURE, &signature);
    }
}

/// Without the secret.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// Of the fields' values in the order of their names, the signature left out, and the body.
pub fn mac(secret_key: &str, command: &Command) -> Hmac<Sha1> {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret_key.as_bytes()).expect("a key may have any length");
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
    fn tools_yml_names_an_account_or_none() {
        let check = |text: &str, expected: Result<Option<(&str, &str)>, &str>| {
            let found = Account::parse(text);
            let found = found.map(|account| account.map(|it| (it.access_key, it.secret_key)));
            let owned = |(key, secret): (&str, &str)| (key.to_owned(), secret.to_owned());
            assert_eq!(found, expected.map(|it| it.map(owned)).map_err(str::to_owned), "{text}");
        };
        check("accessKey: rocketmq2\nsecretKey: 12345678\n", Ok(Some(("rocketmq2", "12345678"))));
        check("accessKey: tools-key\nsecretKey: 0123456789\n", Ok(Some(("tools-key", "0123456789"))));
        check("", Ok(None));
        check("# accessKey: a\n", Ok(None));
        check("accessKey:\nsecretKey:\n", Ok(None));
        check("accessKey: a\n", Err("accessKey and secretKey are needed, both"));
        assert!(Account::parse("a: [").is_err());
        assert!(Account::of_file(Path::new("/nowhere/tools.yml")).unwrap().is_none());
        assert!(Account::of_file(Path::new("/")).unwrap_err().starts_with("/: cannot be read: "));
    }

    #[test]
    fn the_secret_is_not_shown() {
        let account = Account { access_key: "operator".to_owned(), secret_key: "hidden".to_owned() };
        assert_eq!(format!("{account:?}"), "Account { access_key: \"operator\", .. }");
    }
}
