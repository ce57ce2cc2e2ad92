//! The broker (Java: `BrokerController`): state tables, and the handlers of `processor` over them and the
//! store.

pub mod consumer_offset;
pub mod consumers;
mod json_file;
pub mod live;
pub mod producers;
pub mod queue_lock;
pub mod stats;
pub mod subscription_group;
pub mod topic_config;

pub use crate::clock;
use crate::protocol::header::client::NotifyConsumerIdsChangedRequestHeader;
use crate::protocol::request_code::RequestCode;
use crate::remoting::{Command, InvokeError, Peer};

/// Tells a client that the members of a group have changed: it rebalances at once.
fn notify_consumer_ids_changed(peer: &Peer, group: &str) -> Result<(), InvokeError> {
    let header = NotifyConsumerIdsChangedRequestHeader { consumer_group: group.to_owned() };
    peer.one_way(Command::request(RequestCode::NotifyConsumerIdsChanged, &header))
}
