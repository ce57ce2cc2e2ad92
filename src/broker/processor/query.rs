//! Messages looked up, by key (12) and by place (33). Java: `QueryMessageProcessor`.

use std::sync::Arc;

use bytes::Bytes;

use crate::broker::Broker;
use crate::broker::acl::Use;
use crate::protocol::header::query::{
    QueryMessageRequestHeader, QueryMessageResponseHeader, ViewMessageRequestHeader,
};
use crate::protocol::response_code::ResponseCode;
use crate::remoting::{Fault, Request, Response};

/// A reply's length is a signed number of 32 bits, and clients refuse frames beyond 16 MiB.
const REPLY_MAX_BYTES: usize = 15 * 1024 * 1024;

/// Code 12.
pub fn query_message(
    broker: &Arc<Broker>,
    request: Request<QueryMessageRequestHeader>,
) -> Result<Response, Fault> {
    let header = request.header;
    let max = match header.unique_key_query {
        Some(true) => broker.store.settings().default_query_max_num(),
        _ => header.max_num,
    };
    let max = usize::try_from(max).unwrap_or(0);
    let (begin_ms, end_ms) = (header.begin_timestamp, header.end_timestamp);
    let found = broker.store.find_by_key(&header.topic, &header.key, max, begin_ms, end_ms);
    // Copied here, where a cold page holds up nobody else.
    let mut body = Vec::new();
    for (_, record) in &found.messages {
        if body.len() + record.len() > REPLY_MAX_BYTES {
            break;
        }
        body.extend_from_slice(record);
    }
    let reply = match body.is_empty() {
        false => Response::with_body(body),
        true => {
            Response::of(ResponseCode::QueryNotFound, "can not find message, maybe time range not correct")
        }
    };
    Ok(reply.header(&QueryMessageResponseHeader {
        index_last_update_timestamp: found.index_last_update_timestamp_ms,
        index_last_update_phyoffset: found.index_last_update_offset,
    }))
}

/// Code 33.
pub fn view_message_by_id(
    broker: &Arc<Broker>,
    request: Request<ViewMessageRequestHeader>,
) -> Result<Response, Fault> {
    let offset = request.header.offset;
    let record = broker.store.message_at(offset).ok_or_else(|| {
        let remark = format!("can not find message by the offset, {offset}");
        Fault::new(ResponseCode::SystemError, remark)
    })?;
    super::check_record(broker, &request, &record, Use::Subscribe)?;
    // Copied here, where a cold page holds up nobody else.
    Ok(Response::with_body(Bytes::copy_from_slice(&record)))
}
