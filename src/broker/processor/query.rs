//! Messages looked up (33). Java: `QueryMessageProcessor`.

use std::sync::Arc;

use bytes::Bytes;

use crate::broker::Broker;
use crate::protocol::header::query::ViewMessageRequestHeader;
use crate::protocol::response_code::ResponseCode;
use crate::remoting::{Fault, Request, Response};

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
    // Copied here, where a cold page holds up nobody else.
    Ok(Response::with_body(Bytes::copy_from_slice(&record)))
}
