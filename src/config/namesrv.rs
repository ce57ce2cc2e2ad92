//! The name server's own settings (Java: `NamesrvConfig`). Those of its connections stand in `remoting`.

use serde::{Deserialize, Serialize};

use super::allowed_addrs::AllowedAddrs;
use super::{Range, Section, in_home};

/// Java: `NamesrvConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NamesrvConfig {
    /// Installation folder. Set by ROCKETMQ_HOME; not needed here. Default empty. Read at start.
    pub rocketmq_home: String,
    /// File of the key-value configuration. Default `~/namesrv/kvConfig.json`. Read at start.
    pub kv_config_path: String,
    /// File that changes of settings are written to where no file is given with `-c`; it is read by nobody who does not give it with `-c`. Default `~/namesrv/namesrv.properties`. Read at start.
    pub config_store_path: String,
    /// Part of the key of no request. Default `center`. Read at start.
    pub product_env_name: String,
    /// Unknown topics are looked up in another environment. Default false. Read at start.
    pub cluster_test: bool,
    /// Routes carry the order configuration of their topic. Default false. Changes at run time.
    pub order_message_enable: bool,
    /// IP addresses and networks (`10.0.0.0/8`), separated by commas, whose administration that changes something is accepted;
    /// without any, everybody's. A key of ours. Default empty. Read at start.
    pub admin_allowed_addrs: String,
    /// The same for brokers that register and leave; without any, everybody may say that he is a broker. A key of ours. Default empty. Read at start.
    pub broker_allowed_addrs: String,
    /// Level of the log, or levels of its parts as in `info,rocketmq::remoting=debug`. A key of ours. Default empty: `ROCKETMQ_LOG`, or info. Changes at run time.
    pub log_level: String,
    /// Port for metrics, health checks and a page to watch the server by; 0 is none. A key of ours. Default 0. Read at start.
    pub http_port: i32,
    /// Address that it is listened on. A key of ours. Default `127.0.0.1`. Read at start.
    pub http_bind_addr: String,
}

impl Default for NamesrvConfig {
    fn default() -> NamesrvConfig {
        NamesrvConfig {
            rocketmq_home: String::new(),
            kv_config_path: in_home("namesrv/kvConfig.json"),
            config_store_path: in_home("namesrv/namesrv.properties"),
            product_env_name: "center".to_owned(),
            cluster_test: false,
            order_message_enable: false,
            admin_allowed_addrs: String::new(),
            broker_allowed_addrs: String::new(),
            log_level: String::new(),
            http_port: 0,
            http_bind_addr: "127.0.0.1".to_owned(),
        }
    }
}

impl Section for NamesrvConfig {
    const JAVA_CLASS: &str = "NamesrvConfig";
    const IMPORTANT: &[&str] = &[];
    const RUNTIME: &[&str] = &["orderMessageEnable", "logLevel"];
    const INERT: &[(&str, &str)] = &[
        ("rocketmqHome", "nothing is read from there"),
        ("productEnvName", "only Alibaba's own environments have one"),
        ("clusterTest", "only Alibaba's own environments have another to look into"),
    ];
    const RANGES: &[Range] = &[];

    fn validate(&self) -> Vec<(&'static str, String)> {
        let lists = [
            ("adminAllowedAddrs", &self.admin_allowed_addrs),
            ("brokerAllowedAddrs", &self.broker_allowed_addrs),
        ];
        lists
            .into_iter()
            .filter_map(|(key, list)| Some((key, AllowedAddrs::parse(list).err()?)))
            .chain(super::http_problems(self.http_port, &self.http_bind_addr))
            .chain(super::log_problem(&self.log_level))
            .chain(super::path_problems(&[
                ("kvConfigPath", &self.kv_config_path),
                ("configStorePath", &self.config_store_path),
            ]))
            .collect()
    }
}
