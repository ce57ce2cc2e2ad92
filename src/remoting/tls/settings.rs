//! The properties of TLS (Java: `TlsSystemConfig`, `TlsMode`): given to the process, and over them those of the
//! properties file. Not what the files that they name hold.

use std::collections::BTreeMap;
use std::fmt;

use super::TlsError;

const SERVER_MODE: &str = "tls.server.mode";
const ENABLE: &str = "tls.enable";
const CONFIG_FILE: &str = "tls.config.file";
const DEFAULT_CONFIG_FILE: &str = "/etc/rocketmq/tls.properties";
const TEST_MODE: &str = "tls.test.mode.enable";
const NEED_CLIENT_AUTH: &str = "tls.server.need.client.auth";

/// The names of one side's files, and its switch to verify the other.
pub(super) struct Names {
    pub cert: &'static str,
    pub key: &'static str,
    pub password: &'static str,
    pub verify: &'static str,
    pub trust: &'static str,
}

pub(super) const SERVER: Names = Names {
    cert: "tls.server.certPath",
    key: "tls.server.keyPath",
    password: "tls.server.keyPassword",
    verify: "tls.server.authClient",
    trust: "tls.server.trustCertPath",
};
pub(super) const CLIENT: Names = Names {
    cert: "tls.client.certPath",
    key: "tls.client.keyPath",
    password: "tls.client.keyPassword",
    verify: "tls.client.authServer",
    trust: "tls.client.trustCertPath",
};

/// All that may be given to the process.
const ALL: [&str; 15] = [
    SERVER_MODE,
    ENABLE,
    CONFIG_FILE,
    TEST_MODE,
    NEED_CLIENT_AUTH,
    SERVER.cert,
    SERVER.key,
    SERVER.password,
    SERVER.verify,
    SERVER.trust,
    CLIENT.cert,
    CLIENT.key,
    CLIENT.password,
    CLIENT.verify,
    CLIENT.trust,
];

/// Which connections a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Plain ones.
    Disabled,
    /// Both kinds.
    Permissive,
    /// TLS only.
    Enforcing,
}

impl TlsMode {
    const ALL: [TlsMode; 3] = [TlsMode::Disabled, TlsMode::Permissive, TlsMode::Enforcing];

    /// As the property says it.
    pub fn name(self) -> &'static str {
        match self {
            TlsMode::Disabled => "disabled",
            TlsMode::Permissive => "permissive",
            TlsMode::Enforcing => "enforcing",
        }
    }
}

/// Whether a server asks its clients for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    None,
    Optional,
    Require,
}

/// Properties as they were given to the process.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsSettings(BTreeMap<String, String>);

impl TlsSettings {
    /// Those of the environment, read through `variable`: `tls.server.keyPath` is `ROCKETMQ_TLS_SERVER_KEYPATH`.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> TlsSettings {
        let value = |key: &str| {
            let name = format!("ROCKETMQ_{}", key.replace('.', "_").to_ascii_uppercase());
            Some((key.to_owned(), variable(&name)?))
        };
        TlsSettings(ALL.into_iter().filter_map(value).collect())
    }

    /// Sets a property, as `-Dkey=value` does for Java; `false` where there is none of this name.
    pub fn set(&mut self, key: &str, value: &str) -> bool {
        let is_known = ALL.contains(&key);
        if is_known {
            self.0.insert(key.to_owned(), value.to_owned());
        }
        is_known
    }

    /// The names of all properties.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ALL.into_iter()
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// Whether every switch is true or false: Java takes all else for false.
    pub(super) fn check_switches(&self) -> Result<(), TlsError> {
        let is_switch = |value: &str| ["true", "false"].iter().any(|it| value.eq_ignore_ascii_case(it));
        for key in [ENABLE, TEST_MODE, SERVER.verify, CLIENT.verify] {
            if let Some(value) = self.get(key).filter(|value| !is_switch(value)) {
                return Err(TlsError::Value { key, value: value.to_owned(), expected: "true and false" });
            }
        }
        Ok(())
    }

    fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// `tls.server.mode`.
    pub fn mode(&self) -> Result<TlsMode, TlsError> {
        let Some(value) = self.get(SERVER_MODE) else { return Ok(TlsMode::Permissive) };
        let mode = TlsMode::ALL.into_iter().find(|mode| value.eq_ignore_ascii_case(mode.name()));
        mode.ok_or_else(|| TlsError::Value {
            key: SERVER_MODE,
            value: value.to_owned(),
            expected: "disabled, permissive and enforcing",
        })
    }

    /// Whether a server's own connections use TLS, where `useTLS` does not say: `tls.enable`, or else where it
    /// takes nothing else itself.
    pub fn is_asked_of_brokers(&self) -> bool {
        match self.get(ENABLE) {
            Some(_) => self.is_true(ENABLE),
            None => matches!(self.mode(), Ok(TlsMode::Enforcing)),
        }
    }

    /// `tls.enable`, for tools.
    pub fn is_asked_of_clients(&self) -> bool {
        self.is_true(ENABLE)
    }

    /// `tls.config.file`.
    pub fn config_file(&self) -> &str {
        self.get(CONFIG_FILE).unwrap_or(DEFAULT_CONFIG_FILE)
    }

    /// With those of the properties file's text over them. Mode, `tls.enable` and the file's own name cannot be
    /// changed there, as in 4.3.0.
    pub(super) fn with_file(&self, text: &str) -> TlsSettings {
        let mut all = self.clone();
        for entry in compat::properties::parse(text) {
            if ![SERVER_MODE, ENABLE, CONFIG_FILE].contains(&entry.key.as_str()) {
                all.set(&entry.key, &entry.value);
            }
        }
        all
    }

    /// `tls.test.mode.enable`, where it is set.
    pub(super) fn test_mode(&self) -> Option<bool> {
        self.get(TEST_MODE).map(|_| self.is_true(TEST_MODE))
    }

    pub(super) fn client_auth(&self) -> Result<ClientAuth, TlsError> {
        match self.get(NEED_CLIENT_AUTH).map(str::to_ascii_lowercase).as_deref() {
            None | Some("none") => Ok(ClientAuth::None),
            Some("optional") => Ok(ClientAuth::Optional),
            Some("require") => Ok(ClientAuth::Require),
            Some(value) => Err(TlsError::Value {
                key: NEED_CLIENT_AUTH,
                value: value.to_owned(),
                expected: "none, optional and require",
            }),
        }
    }

    /// A file's path.
    pub(super) fn path(&self, key: &str) -> Option<&str> {
        self.get(key)
    }

    pub(super) fn verifies(&self, names: &Names) -> bool {
        self.is_true(names.verify)
    }

    pub(super) fn has_password(&self, names: &Names) -> bool {
        self.get(names.password).is_some()
    }

    /// Every property that is set, passwords hidden.
    pub(super) fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| {
            let is_secret = [SERVER.password, CLIENT.password].contains(&key.as_str());
            (key.as_str(), if is_secret { "******" } else { value.as_str() })
        })
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}
