//! Brokers: brokerStatus, updateBrokerConfig, getBrokerConfig, cleanExpiredCQ, cleanUnusedTopic. Java: the classes of
//! `tools.command.broker`.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Failure, Session};
use crate::client::CallError;
use crate::client::admin::tools::Tools;
use crate::protocol::body::route::MASTER_ID;

/// brokerStatus
pub async fn status(session: &mut Session) -> Result<(), Failure> {
    let tools = session.tools();
    let (addrs, is_cluster) = match (session.value("b"), session.value("c")) {
        (Some(broker), _) => (vec![broker], false),
        (None, Some(cluster)) => (addrs_of(session, &cluster).await?, true),
        (None, None) => return Err(Failure::nowhere()),
    };
    let mut failures = session.failures();
    for addr in addrs {
        match tools.calls.broker_runtime_info(&addr).await {
            Ok(table) => {
                let prefix = is_cluster.then_some(addr.as_str());
                session.out.put(
                    &status_text(prefix, &table.table),
                    || json!({"brokerAddr": addr, "runtime": table.table}),
                );
            }
            Err(error) => failures.note(Err(error.into())),
        }
    }
    failures.result()
}

fn status_text(addr: Option<&str>, figures: &BTreeMap<String, String>) -> String {
    let line = |(key, value): (&String, &String)| match addr {
        Some(addr) => format!("{addr:<24} {key:<32}: {value}\n"),
        None => format!("{key:<32}: {value}\n"),
    };
    figures.iter().map(line).collect()
}

/// Masters and slaves.
async fn addrs_of(session: &Session, cluster: &str) -> Result<Vec<String>, Failure> {
    let brokers = session.brokers(cluster).await?;
    Ok(brokers.into_iter().flat_map(|broker| broker.broker_addrs.into_values()).collect())
}

/// updateBrokerConfig
pub async fn update_config(session: &mut Session) -> Result<(), Failure> {
    let (key, value) = (session.required("k")?, session.required("v")?);
    let brokers = match (session.value("b"), session.value("c")) {
        (Some(broker), _) => vec![broker],
        (None, Some(cluster)) => session.masters(&cluster).await?,
        (None, None) => return Err(Failure::nowhere()),
    };
    let tools = session.tools();
    let mut failures = session.failures();
    for broker in brokers {
        match tools.calls.update_broker_config(&broker, &key, &value).await {
            Ok(()) => session.out.put(
                &format!("update broker config success, {broker}\n"),
                || json!({"brokerAddr": broker, "key": key, "value": value}),
            ),
            Err(error) => failures.note(Err(error.into())),
        }
    }
    failures.result()
}

/// getBrokerConfig
pub async fn get_config(session: &mut Session) -> Result<(), Failure> {
    let tools = session.tools();
    let mut failures = session.failures();
    match (session.value("b"), session.value("c")) {
        (Some(broker), _) => {
            let shown = show_config(session, &tools, &broker, &broker).await;
            failures.note(shown);
        }
        (None, Some(cluster)) => {
            for broker in session.brokers(&cluster).await? {
                let master = broker.master_addr().unwrap_or("null").to_owned();
                for (id, addr) in &broker.broker_addrs {
                    let title = match *id {
                        MASTER_ID => format!("Master: {addr}"),
                        _ => format!("My Master: {master}=====Slave: {addr}"),
                    };
                    let shown = show_config(session, &tools, addr, &title).await;
                    failures.note(shown);
                }
            }
        }
        (None, None) => return Err(Failure::nowhere()),
    }
    failures.result()
}

async fn show_config(session: &mut Session, tools: &Tools, addr: &str, title: &str) -> Result<(), Failure> {
    session.out.text(&config_title(title));
    let settings = tools.calls.broker_config(addr).await?;
    let text = format!("{}\n", config_text(&settings));
    session.out.put(&text, || json!({"brokerAddr": addr, "config": settings}));
    Ok(())
}

/// Above the settings of a server.
pub fn config_title(title: &str) -> String {
    format!("============{title}============\n")
}

/// Settings in order; Java prints a hash table's.
pub fn config_text(settings: &BTreeMap<String, String>) -> String {
    settings.iter().map(|(key, value)| format!("{key:<50}=  {value}\n")).collect()
}

/// cleanExpiredCQ
pub async fn clean_expired_cq(session: &mut Session) -> Result<(), Failure> {
    clean(session, async |tools, addr| tools.calls.clean_expired_consume_queue(addr).await).await
}

/// cleanUnusedTopic. Java takes the cluster's name for an address.
pub async fn clean_unused_topic(session: &mut Session) -> Result<(), Failure> {
    clean(session, async |tools, addr| tools.calls.clean_unused_topic(addr).await).await
}

/// One broker, those of a cluster, or all.
async fn clean(
    session: &mut Session,
    ask: impl AsyncFn(&Tools, &str) -> Result<(), CallError>,
) -> Result<(), Failure> {
    let tools = session.tools();
    let addrs = match (session.value("b"), session.value("c").filter(|name| !name.is_empty())) {
        (Some(broker), _) => vec![broker],
        (None, Some(cluster)) => addrs_of(session, &cluster).await?,
        (None, None) => {
            let brokers = tools.cluster_info().await?.broker_addr_table;
            brokers.into_values().flat_map(|broker| broker.broker_addrs.into_values()).collect()
        }
    };
    let mut failures = session.failures();
    for addr in addrs {
        match ask(&tools, &addr).await {
            Ok(()) => session.out.json(|| json!({"brokerAddr": addr})),
            Err(error) => failures.note(Err(error.into())),
        }
    }
    let result = failures.result();
    session.out.text(if result.is_ok() { "success" } else { "false" });
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_as_java_prints_them() {
        let figures = BTreeMap::from([("putTps".to_owned(), "0.0 0.0 0.0".to_owned())]);
        let expected = format!("putTps{}: 0.0 0.0 0.0\n", " ".repeat(26));
        assert_eq!(status_text(None, &figures), expected);
        assert_eq!(
            status_text(Some("127.0.0.1:10911"), &figures),
            format!("127.0.0.1:10911{}{expected}", " ".repeat(10))
        );
        assert_eq!(config_title("Master: a:1"), "============Master: a:1============\n");
        assert_eq!(config_text(&figures), format!("putTps{}=  0.0 0.0 0.0\n", " ".repeat(44)));
    }
}
