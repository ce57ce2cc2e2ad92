//! What tools ask and tell name servers about themselves: their settings, the key-value configuration, the write
//! permission of a broker. Java: the same methods of `MQClientAPIImpl`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use super::brokers::{change_of, settings_of};
use super::tools::{ToolError, Tools};
use crate::client::{CallError, Calls, header_of};
use crate::protocol::header::route::{
    DeleteKVConfigRequestHeader, GetKVConfigRequestHeader, GetKVConfigResponseHeader,
    PutKVConfigRequestHeader, WipeWritePermOfBrokerRequestHeader, WipeWritePermOfBrokerResponseHeader,
};
use crate::protocol::request_code::RequestCode;

impl Calls {
    /// A name server's settings (319).
    pub async fn namesrv_config(&self, namesrv: &str) -> Result<BTreeMap<String, String>, CallError> {
        let reply = self.succeed(namesrv, RequestCode::GetNamesrvConfig, &(), Bytes::new()).await?;
        Ok(settings_of(&reply.body))
    }

    /// Changes one setting of a name server (318).
    pub async fn update_namesrv_config(
        &self,
        namesrv: &str,
        key: &str,
        value: &str,
    ) -> Result<(), CallError> {
        let body = change_of(key, value);
        self.succeed(namesrv, RequestCode::UpdateNamesrvConfig, &(), body).await.map(drop)
    }

    /// Nobody is told any more to send to a broker (205). The result is how many topics that is.
    pub async fn wipe_write_perm(&self, namesrv: &str, broker_name: &str) -> Result<i32, CallError> {
        let header = WipeWritePermOfBrokerRequestHeader { broker_name: broker_name.to_owned() };
        let code = RequestCode::WipeWritePermOfBroker;
        let reply = self.succeed(namesrv, code, &header, Bytes::new()).await?;
        Ok(header_of::<WipeWritePermOfBrokerResponseHeader>(namesrv, &reply)?.wipe_topic_count)
    }
}

impl Tools {
    /// Sets a value in every name server (100).
    pub async fn put_kv_config(&self, namespace: &str, key: &str, value: &str) -> Result<(), ToolError> {
        let header = PutKVConfigRequestHeader {
            namespace: namespace.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
        };
        self.tell_all(RequestCode::PutKvConfig, &header).await
    }

    /// A value (101), which a name server without it refuses with 22.
    pub async fn kv_config(&self, namespace: &str, key: &str) -> Result<Option<String>, ToolError> {
        let header = GetKVConfigRequestHeader { namespace: namespace.to_owned(), key: key.to_owned() };
        let ask = async |addr: &str| {
            let reply = self.calls.succeed(addr, RequestCode::GetKvConfig, &header, Bytes::new()).await?;
            Ok(header_of::<GetKVConfigResponseHeader>(addr, &reply)?.value)
        };
        Ok(self.namesrvs()?.first_answer(ask).await?)
    }

    /// Takes a value away from every name server (102).
    pub async fn delete_kv_config(&self, namespace: &str, key: &str) -> Result<(), ToolError> {
        let header = DeleteKVConfigRequestHeader { namespace: namespace.to_owned(), key: key.to_owned() };
        self.tell_all(RequestCode::DeleteKvConfig, &header).await
    }

    /// Every name server; the first failure counts.
    async fn tell_all(&self, code: RequestCode, header: &impl Serialize) -> Result<(), ToolError> {
        let mut told = Ok(());
        for addr in self.namesrvs()?.addrs() {
            told = told.and(self.calls.succeed(addr, code, header, Bytes::new()).await.map(drop));
        }
        Ok(told?)
    }
}
