//! Who may do what, by accounts (`aclEnable`, `plain_acl.yml`): the file, the signatures and the permissions of 4.4 and later
//! (Java: `PlainAccessValidator`, `PlainPermissionLoader`, `AclClientRPCHook`). A client of 4.3.0 signs with the hook of
//! `rocketmq-acl`. Not TLS: what is signed is not hidden.

mod address;
mod file;
mod needs;

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac as _;

use self::address::Addresses;
pub use self::file::LoadError;
use self::needs::{Needs, needs};
use crate::protocol::message::{MessageRef, PROPERTY_REAL_TOPIC};
use crate::protocol::response_code::ResponseCode;
use crate::protocol::topic::{RMQ_SYS_TRANS_HALF_TOPIC, SCHEDULE_TOPIC};
use crate::remoting::account::{ACCESS_KEY, SIGNATURE, mac};
use crate::remoting::{Command, Fault};

/// What an account may do with a topic, or a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Permission {
    publish: bool,
    subscribe: bool,
}

/// What a request does with a topic or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Publish,
    Subscribe,
}

impl Permission {
    fn allows(self, of: Use) -> bool {
        match of {
            Use::Publish => self.publish,
            Use::Subscribe => self.subscribe,
        }
    }
}

/// Who signs with a key.
#[derive(Debug)]
struct Account {
    access_key: String,
    secret_key: String,
    /// From there nothing needs a signature.
    white_addresses: Addresses,
    is_admin: bool,
    default_topic: Permission,
    default_group: Permission,
    topics: HashMap<String, Permission>,
    groups: HashMap<String, Permission>,
}

impl Account {
    fn is_signed_by(&self, command: &Command, signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        mac(&self.secret_key, command).verify_slice(&signature).is_ok()
    }

    fn may(&self, command: &Command, is_changing: bool) -> Result<(), String> {
        if self.is_admin {
            return Ok(());
        }
        if is_changing {
            let (code, key) = (command.code, &self.access_key);
            return Err(format!("Need admin permission for request code={code}, but accessKey={key} is not"));
        }
        self.has(&needs(command)?)
    }

    fn has(&self, needs: &Needs<'_>) -> Result<(), String> {
        for (topic, of) in &needs.topics {
            if !self.topics.get(&**topic).unwrap_or(&self.default_topic).allows(*of) {
                return Err(format!("No default permission for topic:{topic}"));
            }
        }
        for group in &needs.groups {
            if !self.groups.get(&**group).unwrap_or(&self.default_group).subscribe {
                return Err(format!("No default permission for group:{group}"));
            }
        }
        Ok(())
    }
}

/// What the file says.
#[derive(Debug, Default)]
struct Accounts {
    white_addresses: Addresses,
    by_key: HashMap<String, Account>,
}

impl Accounts {
    /// The account that a request has to be in; none where it comes from an address that needs none.
    fn account(&self, ip: IpAddr, command: &Command) -> Result<Option<&Account>, String> {
        if self.white_addresses.contain(ip) {
            return Ok(None);
        }
        let key = command.ext_field(ACCESS_KEY).ok_or("No accessKey is configured")?;
        let account = self.by_key.get(key).ok_or_else(|| format!("No acl config for {key}"))?;
        Ok(Some(account).filter(|account| !account.white_addresses.contain(ip)))
    }

    fn check(&self, ip: IpAddr, command: &Command, is_changing: bool) -> Result<(), String> {
        let Some(account) = self.account(ip, command)? else { return Ok(()) };
        if !account.is_signed_by(command, command.ext_field(SIGNATURE).unwrap_or_default()) {
            return Err(format!("Check signature failed for accessKey={}", account.access_key));
        }
        account.may(command, is_changing)
    }

    /// The signature was looked at before.
    fn check_stored(&self, ip: IpAddr, command: &Command, topic: &str, of: Use) -> Result<(), String> {
        match self.account(ip, command)? {
            Some(account) if !account.is_admin => account.has(&Needs::of_topic(topic, of)),
            _ => Ok(()),
        }
    }
}

/// The accounts, kept like their file.
pub struct Acl {
    file: PathBuf,
    accounts: RwLock<Arc<Accounts>>,
    /// Of the file when it was last read.
    seen: Mutex<Option<Seen>>,
}

type Seen = (SystemTime, u64);

impl Acl {
    /// Reads the file.
    pub fn open(file: PathBuf) -> Result<Acl, LoadError> {
        let seen = seen(&file);
        let accounts = file::load(&file)?;
        tracing::info!(file = %file.display(), accounts = accounts.by_key.len(), "accounts are checked");
        Ok(Acl { file, accounts: RwLock::new(Arc::new(accounts)), seen: Mutex::new(seen) })
    }

    /// Reads the file again where it has changed. One that makes no sense changes nothing. Blocks.
    pub fn reload(&self) {
        let now = seen(&self.file);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now.is_none() || *seen == now {
            return;
        }
        *seen = now;
        match file::load(&self.file) {
            Ok(accounts) => {
                let number = accounts.by_key.len();
                tracing::info!(file = %self.file.display(), accounts = number, "accounts have changed");
                *self.accounts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(accounts);
            }
            Err(error) => tracing::error!(%error, "accounts stay as they were"),
        }
    }

    /// Whether a request may be served. `is_changing`: it changes what is an operator's.
    pub fn check(&self, ip: IpAddr, command: &Command, is_changing: bool) -> Result<(), Fault> {
        self.accounts().check(ip.to_canonical(), command, is_changing).map_err(refused(ip, command))
    }

    /// Whether a request that was let in may do this with a stored message that it names by its place in the log. What is no
    /// message is for others to complain of.
    pub fn check_record(
        &self,
        ip: IpAddr,
        command: &Command,
        mut record: &[u8],
        of: Use,
    ) -> Result<(), Fault> {
        let Ok(message) = MessageRef::take(&mut record) else { return Ok(()) };
        let waits = matches!(&*message.topic, SCHEDULE_TOPIC | RMQ_SYS_TRANS_HALF_TOPIC);
        let topic = message.property(PROPERTY_REAL_TOPIC).filter(|_| waits).unwrap_or(&message.topic);
        let checked = self.accounts().check_stored(ip.to_canonical(), command, topic, of);
        checked.map_err(refused(ip, command))
    }

    fn accounts(&self) -> Arc<Accounts> {
        Arc::clone(&self.accounts.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn refused(ip: IpAddr, command: &Command) -> impl FnOnce(String) -> Fault {
    let code = command.code;
    move |reason| {
        tracing::warn!(%ip, code, reason, "request refused");
        Fault::new(ResponseCode::NoPermission, reason)
    }
}

fn seen(file: &Path) -> Option<Seen> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests;
