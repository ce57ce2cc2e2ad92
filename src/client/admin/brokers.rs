//! What tools ask and tell a broker about itself: settings, cleaning, connections, replication. Java: the same methods of
//! `MQClientAPIImpl`.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::tools::{ToolError, Tools};
use crate::client::{CallError, Calls, body_of};
use crate::protocol::body::client::{Connection, ProducerConnection};
use crate::protocol::body::ha::HaRuntimeInfo;
use crate::protocol::header::client::GetProducerConnectionListRequestHeader;
use crate::protocol::request_code::RequestCode;

/// `key=value` lines, in which nothing is escaped, to a table.
pub(super) fn settings_of(body: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect()
}

/// The one line that asks for a change; the other side reads a properties file.
pub(super) fn change_of(key: &str, value: &str) -> Bytes {
    format!("{key}={}\n", compat::properties::escape_value(value)).into()
}

impl Calls {
    /// A broker's settings (26).
    pub async fn broker_config(&self, broker: &str) -> Result<BTreeMap<String, String>, CallError> {
        let reply = self.succeed(broker, RequestCode::GetBrokerConfig, &(), Bytes::new()).await?;
        Ok(settings_of(&reply.body))
    }

    /// Changes one setting of a broker (25).
    pub async fn update_broker_config(&self, broker: &str, key: &str, value: &str) -> Result<(), CallError> {
        let body = change_of(key, value);
        self.succeed(broker, RequestCode::UpdateBrokerConfig, &(), body).await.map(drop)
    }

    /// Takes consume queues away that have no messages left (306).
    pub async fn clean_expired_consume_queue(&self, broker: &str) -> Result<(), CallError> {
        self.succeed(broker, RequestCode::CleanExpiredConsumequeue, &(), Bytes::new()).await.map(drop)
    }

    /// Takes consume queues away whose topics are not there any more (316).
    pub async fn clean_unused_topic(&self, broker: &str) -> Result<(), CallError> {
        self.succeed(broker, RequestCode::CleanUnusedTopic, &(), Bytes::new()).await.map(drop)
    }

    /// Who is in a producer group, as one broker knows (204).
    pub async fn producer_connection(
        &self,
        broker: &str,
        producer_group: &str,
    ) -> Result<ProducerConnection, CallError> {
        let header = GetProducerConnectionListRequestHeader { producer_group: producer_group.to_owned() };
        let code = RequestCode::GetProducerConnectionList;
        let reply = self.succeed(broker, code, &header, Bytes::new()).await?;
        body_of(broker, &reply)
    }

    /// How replication is (907, of 5.x).
    pub async fn ha_status(&self, broker: &str) -> Result<HaRuntimeInfo, CallError> {
        let reply = self.succeed(broker, RequestCode::GetBrokerHaStatus, &(), Bytes::new()).await?;
        body_of(broker, &reply)
    }
}

impl Tools {
    /// Who is in a producer group, as all brokers of a topic know; none where nobody is. Java asks one of them.
    pub async fn producer_connections(
        &self,
        producer_group: &str,
        topic: &str,
    ) -> Result<Vec<Connection>, ToolError> {
        let mut found: Vec<Connection> = Vec::new();
        let mut last = None;
        for broker in self.brokers(topic).await? {
            match self.calls.producer_connection(&broker, producer_group).await {
                Ok(connections) => found.extend(connections.connection_set),
                Err(error) => last = Some(error),
            }
        }
        // To each broker a client has another port.
        found.sort_by(|a, b| (&a.client_id, &a.client_addr).cmp(&(&b.client_id, &b.client_addr)));
        found.dedup_by(|a, b| a.client_id == b.client_id);
        match last {
            Some(error) if found.is_empty() => Err(error.into()),
            _ => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_they_are_written() {
        let settings = settings_of(b"a=1\nb=x=y\nc=\nd=C:\\tmp\nno setting\n");
        let expected = [("a", "1"), ("b", "x=y"), ("c", ""), ("d", "C:\\tmp")];
        assert!(settings.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(expected));
    }

    #[test]
    fn a_change_arrives_as_it_was_given() {
        let check = |value: &str| {
            let body = change_of("key", value);
            let read = compat::properties::parse(std::str::from_utf8(&body).unwrap());
            assert_eq!((read[0].key.as_str(), read[0].value.as_str()), ("key", value));
        };
        check("1");
        check("C:\\tmp");
        check("a=b:c");
    }
}
