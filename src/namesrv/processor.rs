//! The name server's requests (Java: `DefaultRequestProcessor`): which code leads to which handler, and the
//! handlers. What they do to the tables is `route_info`'s and `kv_config`'s.

use std::sync::Arc;

use serde::Serialize;

use super::Namesrv;
use super::kv_config::ORDER_TOPIC_CONFIG;
use super::route_info::BrokerIdentity;
use crate::config::allowed_addrs::AllowedAddrs;
use crate::config::{Entry, Origin};
use crate::logging;
use crate::protocol::body::register::RegisterBrokerBody;
use crate::protocol::body::route::KVTable;
use crate::protocol::body::topic::{DataVersion, TopicConfigSerializeWrapper, TopicList};
use crate::protocol::header::NoHeader;
use crate::protocol::header::route::{
    DeleteKVConfigRequestHeader, DeleteTopicInNamesrvRequestHeader, GetKVConfigRequestHeader,
    GetKVConfigResponseHeader, GetKVListByNamespaceRequestHeader, GetRouteInfoRequestHeader,
    GetTopicsByClusterRequestHeader, PutKVConfigRequestHeader, QueryDataVersionRequestHeader,
    QueryDataVersionResponseHeader, RegisterBrokerRequestHeader, RegisterBrokerResponseHeader,
    UnRegisterBrokerRequestHeader, WipeWritePermOfBrokerRequestHeader, WipeWritePermOfBrokerResponseHeader,
};
use crate::protocol::request_code::{self, RequestCode};
use crate::protocol::response_code::ResponseCode;
use crate::protocol::{faq, version};
use crate::remoting::router::Pool;
use crate::remoting::waiting::WaitBudget;
use crate::remoting::{Command, Fault, Peer, Request, Response, Router};

type State = Arc<Namesrv>;

/// Threads of what writes files or reads long lists (Java: `serverWorkerThreads`).
const BLOCKING_THREADS: usize = 8;
const BLOCKING_QUEUE_CAPACITY: usize = 10_000;

/// The table.
#[rustfmt::skip]
pub(super) fn router(namesrv: State, allowed: AllowedAddrs, budget: &Arc<WaitBudget>) -> Router<Namesrv> {
    let pool = &Pool::new("namesrv", BLOCKING_THREADS, BLOCKING_QUEUE_CAPACITY, budget);
    Router::new(namesrv)
        .changes_from("adminAllowedAddrs", move |ip| allowed.is_empty() || allowed.contains(ip), request_code::name_of)
        .on_blocking(RequestCode::PutKvConfig, pool, put_kv_config).changing()
        .on(RequestCode::GetKvConfig, get_kv_config)
        .on_blocking(RequestCode::DeleteKvConfig, pool, delete_kv_config).changing()
        .on_alone(RequestCode::RegisterBroker, pool, register_broker)
        .on(RequestCode::UnregisterBroker, unregister_broker)
        .on(RequestCode::GetRouteintoByTopic, get_route_info)
        .on(RequestCode::GetBrokerClusterInfo, |namesrv: &State, _: Request<NoHeader>| json(&namesrv.routes.cluster_info()))
        .on(RequestCode::WipeWritePermOfBroker, wipe_write_perm).changing()
        .on(RequestCode::GetAllTopicListFromNameserver, |namesrv: &State, _: Request<NoHeader>| list(namesrv.routes.all_topics()))
        .on(RequestCode::DeleteTopicInNamesrv, delete_topic).changing()
        .on(RequestCode::GetKvlistByNamespace, get_kv_list)
        .on(RequestCode::GetTopicsByCluster, get_topics_by_cluster)
        .on(RequestCode::GetSystemTopicListFromNs, |namesrv: &State, _: Request<NoHeader>| list(namesrv.routes.system_topics()))
        .on(RequestCode::GetUnitTopicList, |namesrv: &State, _: Request<NoHeader>| list(namesrv.routes.unit_topics()))
        .on(RequestCode::GetHasUnitSubTopicList, |namesrv: &State, _: Request<NoHeader>| list(namesrv.routes.has_unit_sub_topics()))
        .on(RequestCode::GetHasUnitSubUnunitTopicList, |namesrv: &State, _: Request<NoHeader>| list(namesrv.routes.has_unit_sub_ununit_topics()))
        .on_blocking(RequestCode::UpdateNamesrvConfig, pool, update_config).changing()
        .on(RequestCode::GetNamesrvConfig, |namesrv: &State, _: Request<NoHeader>| Response::with_body(namesrv.dump()))
        .on(RequestCode::QueryDataVersion, query_data_version)
        .on_disconnect(|namesrv, peer| namesrv.routes.disconnected(peer))
        .hinting(|code| match RequestCode::try_from(code) {
            Ok(_) => "; this is a name server, usually on port 9876, and that a request for brokers, usually on port 10911",
            Err(_) => "",
        })
}

fn json<T: Serialize>(body: &T) -> Response {
    Response::with_body(compat::json::to_vec(body).expect("bodies are plain data"))
}

fn list(topics: TopicList) -> Response {
    json(&topics)
}

fn failed(what: impl std::fmt::Display) -> Fault {
    Fault::new(ResponseCode::SystemError, what.to_string())
}

impl Namesrv {
    /// Whether a broker may register, leave, or ask what is known of it from there.
    fn check_broker(&self, peer: &Peer, command: &Command) -> Result<(), Fault> {
        let (remote, request) = (peer.remote(), request_code::name_of(command.code));
        if self.broker_allowed.is_empty() || self.broker_allowed.contains(remote.ip()) {
            return Ok(());
        }
        tracing::warn!(%remote, request, "broker refused: brokerAllowedAddrs does not have this address");
        let remark =
            format!("{request} is not allowed from {}: brokerAllowedAddrs does not have it", remote.ip());
        Err(Fault::new(ResponseCode::NoPermission, remark))
    }
}

fn put_kv_config(namesrv: &State, request: Request<PutKVConfigRequestHeader>) -> Result<Response, Fault> {
    let PutKVConfigRequestHeader { namespace, key, value } = &request.header;
    namesrv.kv.put(namespace, key, value).map_err(failed)?;
    Ok(Response::ok())
}

fn get_kv_config(namesrv: &State, request: Request<GetKVConfigRequestHeader>) -> Result<Response, Fault> {
    let GetKVConfigRequestHeader { namespace, key } = &request.header;
    match namesrv.kv.get(namespace, key) {
        Some(value) => Ok(Response::ok().header(&GetKVConfigResponseHeader { value: Some(value) })),
        None => {
            let remark = format!("No config item, Namespace: {namespace} Key: {key}");
            Err(Fault::new(ResponseCode::QueryNotFound, remark))
        }
    }
}

fn delete_kv_config(
    namesrv: &State,
    request: Request<DeleteKVConfigRequestHeader>,
) -> Result<Response, Fault> {
    namesrv.kv.delete(&request.header.namespace, &request.header.key).map_err(failed)?;
    Ok(Response::ok())
}

fn get_kv_list(
    namesrv: &State,
    request: Request<GetKVListByNamespaceRequestHeader>,
) -> Result<Response, Fault> {
    let namespace = &request.header.namespace;
    match namesrv.kv.namespace(namespace) {
        Some(table) => Ok(json(&KVTable { table })),
        None => {
            Err(Fault::new(ResponseCode::QueryNotFound, format!("No config item, Namespace: {namespace}")))
        }
    }
}

/// Code 103.
fn register_broker(
    namesrv: &State,
    request: Request<RegisterBrokerRequestHeader>,
) -> Result<Response, Fault> {
    namesrv.check_broker(&request.peer, &request.command)?;
    let header = &request.header;
    let body = &request.command.body;
    if header.body_crc32 != 0 && crc32fast::hash(body) & 0x7FFF_FFFF != header.body_crc32.cast_unsigned() {
        return Err(failed("crc32 not match"));
    }
    let body = registration(&request)?;
    let broker = BrokerIdentity {
        cluster_name: header.cluster_name.clone(),
        broker_name: header.broker_name.clone(),
        broker_addr: header.broker_addr.clone(),
        broker_id: header.broker_id,
    };
    let now_ms = namesrv.clock.now_ms();
    let master = namesrv.routes.register(&broker, &header.ha_server_addr, body, &request.peer, now_ms);
    let master = master.map_err(|error| {
        tracing::warn!(remote = %request.peer.remote(), ?broker, %error, "broker not registered");
        failed(error)
    })?;
    // The connection may have ended while its registration was on the way: nobody would take it off again.
    if !request.peer.is_open() {
        namesrv.routes.disconnected(&request.peer);
    }
    let response = match namesrv.kv.namespace(ORDER_TOPIC_CONFIG) {
        Some(table) => json(&KVTable { table }),
        None => Response::ok(),
    };
    Ok(response.header(&RegisterBrokerResponseHeader {
        ha_server_addr: master.ha_server_addr,
        master_addr: master.master_addr,
    }))
}

/// What a broker registers, in whichever of the three forms it came.
fn registration(request: &Request<RegisterBrokerRequestHeader>) -> Result<RegisterBrokerBody, Fault> {
    let body = &request.command.body;
    let decoded = match body.is_empty() {
        true => Ok(RegisterBrokerBody {
            filter_server_list: Vec::new(),
            topic_config_serialize_wrapper: TopicConfigSerializeWrapper {
                data_version: DataVersion { counter: 0, timestamp: 0 },
                ..Default::default()
            },
        }),
        false if request.header.compressed => RegisterBrokerBody::decode_compressed(body),
        false if request.command.version >= version::V3_0_11 => RegisterBrokerBody::decode_json(body),
        false => RegisterBrokerBody::decode_topics(body),
    };
    decoded.map_err(|error| failed(format!("registration body: {error}")))
}

fn unregister_broker(
    namesrv: &State,
    request: Request<UnRegisterBrokerRequestHeader>,
) -> Result<Response, Fault> {
    namesrv.check_broker(&request.peer, &request.command)?;
    let UnRegisterBrokerRequestHeader { cluster_name, broker_name, broker_addr, broker_id } = request.header;
    let broker = BrokerIdentity { cluster_name, broker_name, broker_addr, broker_id };
    namesrv.routes.unregister(&broker, &request.peer).map_err(|error| {
        tracing::warn!(remote = %request.peer.remote(), ?broker, %error, "broker not taken off");
        Fault::new(ResponseCode::NoPermission, error.to_string())
    })?;
    Ok(Response::ok())
}

/// Code 105.
fn get_route_info(namesrv: &State, request: Request<GetRouteInfoRequestHeader>) -> Result<Response, Fault> {
    let topic = &request.header.topic;
    let Some(mut route) = namesrv.routes.route(topic) else {
        // Java's text, and behind it what the operator would ask next.
        let why = namesrv.routes.why_missing(topic);
        if let Some(requests) = namesrv.missing.note(topic, why, namesrv.clock.now_ms()) {
            let remote = request.peer.remote();
            tracing::warn!(topic, requests, %remote, "no route info of this topic: {why}");
        }
        let remark =
            format!("No topic route info in name server for the topic: {topic}{}\n({why})", faq::SUFFIX);
        return Err(Fault::new(ResponseCode::TopicNotExist, remark));
    };
    if namesrv.gives_order_conf() {
        route.order_topic_conf = namesrv.kv.get(ORDER_TOPIC_CONFIG, topic);
    }
    Ok(json(&route))
}

fn wipe_write_perm(namesrv: &State, request: Request<WipeWritePermOfBrokerRequestHeader>) -> Response {
    let broker_name = &request.header.broker_name;
    let wipe_topic_count = namesrv.routes.wipe_write_perm(broker_name);
    let remote = request.peer.remote();
    tracing::info!("wipe write perm of broker[{broker_name}], client: {remote}, {wipe_topic_count}");
    Response::ok().header(&WipeWritePermOfBrokerResponseHeader { wipe_topic_count })
}

fn delete_topic(namesrv: &State, request: Request<DeleteTopicInNamesrvRequestHeader>) -> Response {
    let topic = &request.header.topic;
    namesrv.routes.delete_topic(topic);
    Response::ok()
}

fn get_topics_by_cluster(namesrv: &State, request: Request<GetTopicsByClusterRequestHeader>) -> Response {
    list(namesrv.routes.topics_of_cluster(&request.header.cluster))
}

/// Code 318. Java sets whatever it is told, paths included; here only what may change at run time.
fn update_config(namesrv: &State, request: Request<NoHeader>) -> Result<Response, Fault> {
    let text = std::str::from_utf8(&request.command.body).map_err(|_| failed("string2Properties error"))?;
    let entries: Vec<Entry> = compat::properties::parse(text)
        .into_iter()
        .map(|entry| Entry::new(&entry.key, &entry.value, Origin::Request))
        .collect();
    let remote = request.peer.remote();
    let changes = namesrv.update(&entries).map_err(|error| {
        tracing::warn!(%remote, %error, "change of settings refused");
        let code = if error.is_forbidden() { ResponseCode::NoPermission } else { ResponseCode::SystemError };
        Fault::new(code, error.to_string())
    })?;
    tracing::info!(changed = ?changes.keys, "updateConfig called by {remote}");
    for warning in &changes.warnings {
        tracing::warn!(%remote, "{warning}");
    }
    if changes.keys.iter().any(|key| key == "logLevel") {
        logging::filter_changed(&namesrv.configs().namesrv.log_level);
    }
    let Some(remark) = changes.remark else { return Ok(Response::ok()) };
    tracing::warn!(%remote, "{remark}");
    Ok(Response::of(ResponseCode::Success, remark))
}

/// Code 322.
fn query_data_version(
    namesrv: &State,
    request: Request<QueryDataVersionRequestHeader>,
) -> Result<Response, Fault> {
    namesrv.check_broker(&request.peer, &request.command)?;
    let asked: DataVersion = match &request.command.body[..] {
        [] => DataVersion { counter: 0, timestamp: 0 },
        body => compat::json::from_slice(body).map_err(|error| failed(format!("data version: {error}")))?,
    };
    let now_ms = namesrv.clock.now_ms();
    let (changed, known) = namesrv.routes.query_data_version(&request.header.broker_addr, asked, now_ms);
    let response = known.map_or_else(Response::ok, |known| json(&known));
    Ok(response.header(&QueryDataVersionResponseHeader { changed }))
}
