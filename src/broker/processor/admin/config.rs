//! Settings read and changed while the broker runs (25, 26). Java: `AdminBrokerProcessor`, `Configuration`.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::broker::Broker;
use crate::broker::live::UpdateError;
use crate::config::{Changes, Entry, Origin};
use crate::protocol::header::NoHeader;
use crate::protocol::header::admin::{GetBrokerConfigResponseHeader, RegisterFilterServerRequestHeader};
use crate::protocol::response_code::ResponseCode;
use crate::remoting::{Fault, Request, Response};

/// Code 25. Java sets whatever it is told; here only what may change at run time, and nothing of a request
/// with anything else in it.
pub fn update_broker_config(broker: &Arc<Broker>, request: Request<NoHeader>) -> Result<Response, Fault> {
    let illegal = || Fault::new(ResponseCode::SystemError, "string2Properties error");
    let text = std::str::from_utf8(&request.command.body).map_err(|_| illegal())?;
    let entries: Vec<Entry> = compat::properties::parse(text)
        .into_iter()
        .map(|entry| Entry::new(&entry.key, &entry.value, Origin::Request))
        .collect();
    let remote = request.peer.remote();
    let changes = broker.live.update(&entries, broker.now_ms()).map_err(|error| {
        tracing::warn!(%remote, %error, "change of settings refused");
        let code = match error {
            UpdateError::Fixed(_) => ResponseCode::NoPermission,
            _ => ResponseCode::SystemError,
        };
        Fault::new(code, error.to_string())
    })?;
    tracing::info!(%remote, changed = ?changes.keys, "settings changed");
    broker.settings_changed(&changes.keys);
    Ok(changed(changes, remote))
}

/// Says in the log what is odd about a change, and in the reply what becomes of it at the next start.
fn changed(changes: Changes, remote: SocketAddr) -> Response {
    for warning in changes.warnings {
        tracing::warn!(%remote, "{warning}");
    }
    let Some(remark) = changes.remark else { return Response::ok() };
    tracing::warn!(%remote, "{remark}");
    Response::of(ResponseCode::Success, remark)
}

/// Code 26.
pub fn get_broker_config(broker: &Arc<Broker>, _request: Request<NoHeader>) -> Result<Response, Fault> {
    let (text, version) = broker.live.dump();
    let version = compat::json::to_vec(&version).expect("two numbers");
    let version = String::from_utf8_lossy(&version).into_owned();
    Ok(Response::with_body(text).header(&GetBrokerConfigResponseHeader { version }))
}

/// Code 301. No filter server comes with 4.3.0, and consumers that need one are refused.
pub fn register_filter_server(
    _broker: &Arc<Broker>,
    request: Request<RegisterFilterServerRequestHeader>,
) -> Result<Response, Fault> {
    let filter_server = &request.header.filter_server_addr;
    tracing::warn!(remote = %request.peer.remote(), filter_server, "filter server refused");
    Err(Fault::new(
        ResponseCode::NoPermission,
        "there are no class filters here: consumers filter by tag or by SQL92 (enablePropertyFilter=true)",
    ))
}
