//! What tools ask and tell name servers, and brokers about topics. Java: the same methods of `MQClientAPIImpl`.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::tools::{ToolError, Tools};
use crate::client::{CallError, Calls, body_of};
use crate::protocol::body::route::ClusterInfo;
use crate::protocol::body::topic::TopicList;
use crate::protocol::header::topic::DeleteTopicRequestHeader;
use crate::protocol::request_code::RequestCode;

impl Calls {
    /// Every topic that a name server knows (206).
    pub async fn topic_list(&self, namesrv: &str) -> Result<TopicList, CallError> {
        let code = RequestCode::GetAllTopicListFromNameserver;
        let reply = self.succeed(namesrv, code, &(), Bytes::new()).await?;
        body_of(namesrv, &reply)
    }

    /// Takes a topic away from one broker (215).
    pub async fn delete_topic_in_broker(&self, broker: &str, topic: &str) -> Result<(), CallError> {
        let header = DeleteTopicRequestHeader { topic: topic.to_owned() };
        self.succeed(broker, RequestCode::DeleteTopicInBroker, &header, Bytes::new()).await.map(drop)
    }

    /// Takes a topic away from one name server (216).
    pub async fn delete_topic_in_namesrv(&self, namesrv: &str, topic: &str) -> Result<(), CallError> {
        let header = DeleteTopicRequestHeader { topic: topic.to_owned() };
        self.succeed(namesrv, RequestCode::DeleteTopicInNamesrv, &header, Bytes::new()).await.map(drop)
    }
}

impl Tools {
    /// Every topic, in order.
    pub async fn topic_list(&self) -> Result<BTreeSet<String>, ToolError> {
        let list = self.namesrvs()?.first_answer(async |addr| self.calls.topic_list(addr).await).await?;
        Ok(list.topic_list.into_iter().collect())
    }

    /// Every broker.
    pub async fn cluster_info(&self) -> Result<ClusterInfo, ToolError> {
        Ok(self.namesrvs()?.first_answer(async |addr| self.calls.cluster_info(addr).await).await?)
    }

    /// Takes a topic away from all brokers of a cluster.
    pub async fn delete_topic(&self, cluster: &str, topic: &str) -> Result<(), ToolError> {
        let info = self.cluster_info().await?;
        for name in info.cluster_addr_table.get(cluster).into_iter().flatten() {
            let addrs = info.broker_addr_table.get(name).into_iter().flat_map(|it| it.broker_addrs.values());
            for addr in addrs {
                self.calls.delete_topic_in_broker(addr, topic).await?;
            }
        }
        Ok(())
    }

    /// Takes a topic away from every name server.
    pub async fn delete_topic_in_namesrvs(&self, topic: &str) -> Result<(), ToolError> {
        for addr in self.namesrvs()?.addrs() {
            self.calls.delete_topic_in_namesrv(addr, topic).await?;
        }
        Ok(())
    }
}
