//! The broker's registration with its name servers (Java: `BrokerOuterAPI`): every topic to every name server,
//! in parallel, and what their answers say.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use super::live::Live;
use super::topic_config::TopicTable;
use crate::config::remoting::NettyClientConfig;
use crate::protocol::body::register::RegisterBrokerBody;
use crate::protocol::body::route::{ClusterInfo, KVTable, TopicRouteData};
use crate::protocol::body::topic::DataVersion;
use crate::protocol::header::route::{
    GetRouteInfoRequestHeader, QueryDataVersionRequestHeader, QueryDataVersionResponseHeader,
    RegisterBrokerRequestHeader, RegisterBrokerResponseHeader, UnRegisterBrokerRequestHeader,
};
use crate::protocol::perm::{is_readable, is_writeable};
use crate::protocol::request_code::RequestCode;
use crate::remoting::client::{Client, ClientOptions};
use crate::remoting::connection::Limits;
use crate::remoting::router::NoService;
use crate::remoting::tls::ClientTls;
use crate::remoting::{Command, InvokeError, SUCCESS, SerializeType};

const UNREGISTER_TIMEOUT: Duration = Duration::from_secs(3);
const QUERY_VERSION_TIMEOUT: Duration = Duration::from_secs(3);

/// Who registers.
#[derive(Debug, Clone)]
pub struct Identity {
    pub cluster_name: String,
    pub broker_name: String,
    pub broker_id: i64,
    /// `host:port` for clients.
    pub broker_addr: String,
    /// `host:port` for slaves.
    pub ha_server_addr: String,
}

/// How a registration is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Answers are waited for and evaluated.
    Full,
    /// As `Full`, but only where a name server does not have this version of the topics.
    IfChanged,
}

/// What a name server told a slave of its master.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Master {
    pub addr: Option<String>,
    pub ha_server_addr: Option<String>,
}

/// The connections to the name servers, and what is said there.
pub struct Registrar {
    identity: Identity,
    name_servers: Vec<String>,
    client: Client,
    /// One at a time: an older table must not arrive after a newer one.
    turn: tokio::sync::Mutex<()>,
    /// Whether a name server has agreed when they were last asked.
    is_registered: AtomicBool,
    /// Why a name server has not agreed, by address.
    failures: Mutex<BTreeMap<String, String>>,
}

/// Why a name server has not registered us.
#[derive(Debug, thiserror::Error)]
enum RegisterError {
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    #[error("refused with code {code}: {remark}")]
    Refused { code: i32, remark: String },
    #[error("the answer makes no sense: {0}")]
    Answer(String),
}

impl Registrar {
    /// Not yet registered. `namesrv_addr` is a list separated by semicolons.
    pub fn new(
        identity: Identity,
        namesrv_addr: &str,
        config: &NettyClientConfig,
        serialize_type: SerializeType,
        tls: Option<Arc<ClientTls>>,
    ) -> Registrar {
        let name_servers: Vec<String> = namesrv_addr
            .split(';')
            .map(str::trim)
            .filter(|addr| !addr.is_empty())
            .map(str::to_owned)
            .collect();
        let seconds = u64::try_from(config.client_channel_max_idle_time_seconds).unwrap_or(120);
        let connect_ms = u64::try_from(config.connect_timeout_millis).unwrap_or(3000);
        let options = ClientOptions {
            connect_timeout: Duration::from_millis(connect_ms),
            limits: Limits { idle: Duration::from_secs(seconds.max(1)), serialize_type, ..Limits::default() },
            tls,
            ..ClientOptions::default()
        };
        let client = Client::new(options, Arc::new(NoService));
        Registrar {
            identity,
            name_servers,
            client,
            turn: tokio::sync::Mutex::new(()),
            is_registered: AtomicBool::new(false),
            failures: Mutex::default(),
        }
    }

    /// The name servers.
    pub fn name_servers(&self) -> &[String] {
        &self.name_servers
    }

    /// Registers with every name server; the topics' order is taken from the first answer. A name server that
    /// is down costs a log line.
    pub async fn register(&self, topics: &TopicTable, live: &Live, mode: Mode) -> Option<Master> {
        if self.name_servers.is_empty() {
            return None;
        }
        let _turn = self.turn.lock().await;
        let timeout =
            Duration::from_millis(u64::try_from(live.register_broker_timeout_mills()).unwrap_or(6000));
        if mode == Mode::IfChanged && !self.is_changed_anywhere(topics.version()).await {
            tracing::debug!("name servers have this version of the topics");
            self.is_registered.store(true, Ordering::Relaxed);
            return None;
        }
        let request = self.request(topics, live);
        let answers = self.name_servers.iter().map(|addr| self.register_with(addr, request.clone(), timeout));
        // As in Java only the first name server that answers is listened to.
        let answer = join_all(answers).await.into_iter().flatten().next();
        self.is_registered.store(answer.is_some(), Ordering::Relaxed);
        let (master, ordered) = answer?;
        if let Some(ordered) = ordered {
            topics.set_ordered(ordered.table.keys().map(String::as_str));
        }
        Some(master)
    }

    fn request(&self, topics: &TopicTable, live: &Live) -> Command {
        let mut wrapper = topics.snapshot();
        let permission = live.broker_permission();
        if !is_readable(permission) || !is_writeable(permission) {
            wrapper.topic_config_table.values_mut().for_each(|config| config.perm = permission);
        }
        let body =
            RegisterBrokerBody { filter_server_list: Vec::new(), topic_config_serialize_wrapper: wrapper };
        let compressed = live.compressed_register();
        let body = match compressed {
            true => body.encode_compressed(),
            false => compat::json::to_vec(&body).expect("bodies are of text, numbers and maps"),
        };
        let Identity { cluster_name, broker_name, broker_id, broker_addr, ha_server_addr } =
            self.identity.clone();
        let header = RegisterBrokerRequestHeader {
            broker_name,
            broker_addr,
            cluster_name,
            ha_server_addr,
            broker_id,
            compressed,
            body_crc32: (crc32fast::hash(&body) & 0x7fff_ffff).cast_signed(),
        };
        Command::request(RequestCode::RegisterBroker, &header).with_body(Bytes::from(body))
    }

    async fn register_with(
        &self,
        addr: &str,
        request: Command,
        timeout: Duration,
    ) -> Option<(Master, Option<KVTable>)> {
        match self.ask(addr, request, timeout).await {
            Ok(answer) => {
                // Java's line, every 30 seconds: it is what operators look for.
                tracing::info!("register broker to name server {addr} OK");
                self.failed().remove(addr);
                Some(answer)
            }
            Err(error) => {
                tracing::warn!(%error, "registerBroker Exception, {addr}");
                self.failed().insert(addr.to_owned(), error.to_string());
                None
            }
        }
    }

    async fn ask(
        &self,
        addr: &str,
        request: Command,
        timeout: Duration,
    ) -> Result<(Master, Option<KVTable>), RegisterError> {
        let answer = self.client.invoke(addr, request, timeout).await?;
        if answer.code != SUCCESS {
            let remark = answer.remark.unwrap_or_default();
            return Err(RegisterError::Refused { code: answer.code, remark });
        }
        let header: RegisterBrokerResponseHeader =
            answer.header().map_err(|error| RegisterError::Answer(error.to_string()))?;
        // Without a body no topic is ordered, or none has ever been: Java changes nothing then.
        let ordered = match answer.body.is_empty() {
            true => None,
            false => Some(
                compat::json::from_slice(&answer.body)
                    .map_err(|error| RegisterError::Answer(error.to_string()))?,
            ),
        };
        Ok((Master { addr: header.master_addr, ha_server_addr: header.ha_server_addr }, ordered))
    }

    /// Whether any name server lacks this version; one that does not answer counts as such.
    async fn is_changed_anywhere(&self, version: DataVersion) -> bool {
        let Identity { cluster_name, broker_name, broker_id, broker_addr, .. } = self.identity.clone();
        let header = QueryDataVersionRequestHeader { broker_name, broker_addr, cluster_name, broker_id };
        let body = compat::json::to_vec(&version).expect("two numbers");
        let request = Command::request(RequestCode::QueryDataVersion, &header).with_body(Bytes::from(body));
        let ask = |addr| {
            let request = request.clone();
            async move {
                match self.client.invoke(addr, request, QUERY_VERSION_TIMEOUT).await {
                    Ok(answer) if answer.code == SUCCESS => answer
                        .header::<QueryDataVersionResponseHeader>()
                        .map_or(true, |header| header.changed),
                    Ok(_) => true,
                    Err(error) => {
                        tracing::debug!(name_server = addr, %error, "name server not asked for its version");
                        true
                    }
                }
            }
        };
        join_all(self.name_servers.iter().map(|addr| ask(addr.as_str()))).await.contains(&true)
    }

    /// Addresses under which slaves of a broker are registered, as the first name server that answers says.
    pub async fn slaves_of(&self, broker_name: &str) -> Vec<String> {
        for addr in &self.name_servers {
            let Some(info) = self.cluster_info(addr).await else { continue };
            let Some(data) = info.broker_addr_table.get(broker_name) else { continue };
            return data
                .broker_addrs
                .iter()
                .filter(|(id, _)| **id != 0)
                .map(|(_, addr)| addr.clone())
                .collect();
        }
        Vec::new()
    }

    /// All brokers, as a name server says.
    pub async fn cluster_info(&self, name_server: &str) -> Option<ClusterInfo> {
        let request = Command::request(RequestCode::GetBrokerClusterInfo, &());
        let answer = self.client.invoke(name_server, request, QUERY_VERSION_TIMEOUT).await.ok()?;
        compat::json::from_slice(&answer.body).ok()
    }

    /// Masters of a cluster that have a topic not, by name, as the first name server that answers says.
    pub async fn masters_without(&self, cluster: &str, topic: &str) -> Vec<(String, String)> {
        for addr in &self.name_servers {
            let Some(info) = self.cluster_info(addr).await else { continue };
            let header = GetRouteInfoRequestHeader { topic: topic.to_owned() };
            let request = Command::request(RequestCode::GetRouteintoByTopic, &header);
            let Ok(answer) = self.client.invoke(addr, request, QUERY_VERSION_TIMEOUT).await else { continue };
            // One that nobody has yet has no route.
            let route: TopicRouteData = compat::json::from_slice(&answer.body).unwrap_or_default();
            let has = |name: &str| route.queue_datas.iter().any(|queues| queues.broker_name == name);
            let Some(names) = info.cluster_addr_table.get(cluster) else { continue };
            let master = |name: &String| {
                let addr = info.broker_addr_table.get(name)?.broker_addrs.get(&0)?;
                Some((name.clone(), addr.clone()))
            };
            return names.iter().filter(|name| !has(name)).filter_map(master).collect();
        }
        Vec::new()
    }

    /// Whether any name server has registered us when they were last asked.
    pub fn is_registered(&self) -> bool {
        self.is_registered.load(Ordering::Relaxed)
    }

    /// The name servers that have not registered us when they were last told to, and why.
    pub fn failures(&self) -> BTreeMap<String, String> {
        self.failed().clone()
    }

    fn failed(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the broker out of every route (104).
    pub async fn unregister(&self) {
        let _turn = self.turn.lock().await;
        self.is_registered.store(false, Ordering::Relaxed);
        let Identity { cluster_name, broker_name, broker_id, broker_addr, .. } = self.identity.clone();
        let header = UnRegisterBrokerRequestHeader { broker_name, broker_addr, cluster_name, broker_id };
        let request = Command::request(RequestCode::UnregisterBroker, &header);
        let ask = |addr: String| {
            let request = request.clone();
            async move {
                match self.client.invoke(&addr, request, UNREGISTER_TIMEOUT).await {
                    Ok(_) => tracing::info!("unregisterBroker OK, NamesrvAddr: {addr}"),
                    Err(error) => tracing::warn!(%error, "unregisterBroker Exception, {addr}"),
                }
            }
        };
        join_all(self.name_servers.iter().cloned().map(ask)).await;
    }
}
