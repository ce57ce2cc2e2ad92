//! Settings of consumer groups: updateSubGroup, deleteSubGroup. Java: `UpdateSubGroupSubCommand`,
//! `DeleteSubscriptionGroupCommand`.

use serde_json::json;

use super::query_msg::is_true;
use super::{Failure, Session};
use crate::client::admin::tools::Tools;
use crate::protocol::body::group::SubscriptionGroupConfig;
use crate::protocol::topic::{dlq_topic, retry_topic};

/// What the options name; the rest stays as it is.
#[derive(Debug, Default, Clone)]
struct Changes {
    consume_enable: Option<bool>,
    consume_from_min_enable: Option<bool>,
    consume_broadcast_enable: Option<bool>,
    retry_queue_nums: Option<i32>,
    retry_max_times: Option<i32>,
    broker_id: Option<i64>,
    which_broker_when_consume_slowly: Option<i64>,
    notify_consumer_ids_changed_enable: Option<bool>,
}

impl Changes {
    fn of(session: &Session) -> Result<Changes, Failure> {
        let switch = |option| session.value(option).map(is_true);
        Ok(Changes {
            consume_enable: switch("s"),
            consume_from_min_enable: switch("m"),
            consume_broadcast_enable: switch("d"),
            retry_queue_nums: number(session, "q")?,
            retry_max_times: number(session, "r")?,
            broker_id: number(session, "i")?,
            which_broker_when_consume_slowly: number(session, "w")?,
            notify_consumer_ids_changed_enable: switch("a"),
        })
    }

    fn apply(&self, config: &mut SubscriptionGroupConfig) {
        fn set<T: Copy>(to: &mut T, value: Option<T>) {
            *to = value.unwrap_or(*to);
        }
        set(&mut config.consume_enable, self.consume_enable);
        set(&mut config.consume_from_min_enable, self.consume_from_min_enable);
        set(&mut config.consume_broadcast_enable, self.consume_broadcast_enable);
        set(&mut config.retry_queue_nums, self.retry_queue_nums);
        set(&mut config.retry_max_times, self.retry_max_times);
        set(&mut config.broker_id, self.broker_id);
        set(&mut config.which_broker_when_consume_slowly, self.which_broker_when_consume_slowly);
        set(&mut config.notify_consumer_ids_changed_enable, self.notify_consumer_ids_changed_enable);
    }
}

fn number<T: std::str::FromStr>(session: &Session, option: &str) -> Result<Option<T>, Failure> {
    if session.has(option) { session.number(option).map(Some) } else { Ok(None) }
}

/// A group that mqadmin makes has these two off.
fn new_group(group_name: &str) -> SubscriptionGroupConfig {
    SubscriptionGroupConfig {
        consume_from_min_enable: false,
        consume_broadcast_enable: false,
        ..SubscriptionGroupConfig::new(group_name)
    }
}

/// updateSubGroup
pub async fn update(session: &mut Session) -> Result<(), Failure> {
    let group_name = session.required("g")?;
    let changes = Changes::of(session)?;
    let (brokers, is_cluster) = match (session.value("b"), session.value("c")) {
        (Some(broker), _) => (vec![broker], false),
        (None, Some(cluster)) => (session.masters(&cluster).await?, true),
        (None, None) => return Err(Failure::nowhere()),
    };
    let tools = session.tools();
    let mut failures = session.failures();
    let mut printed: Vec<SubscriptionGroupConfig> = Vec::new();
    for broker in brokers {
        match update_at(&tools, &broker, &group_name, &changes).await {
            Ok(config) => {
                session.out.put(
                    &format!("create subscription group to {broker} success.\n"),
                    || json!({"brokerAddr": broker, "subscriptionGroupConfig": config}),
                );
                if !printed.contains(&config) {
                    printed.push(config);
                }
            }
            Err(failure) if !is_cluster => return Err(failure),
            Err(failure) => failures.note(Err(failure)),
        }
    }
    for config in printed {
        session.out.text(&config.to_string());
    }
    failures.result()
}

async fn update_at(
    tools: &Tools,
    broker: &str,
    group_name: &str,
    changes: &Changes,
) -> Result<SubscriptionGroupConfig, Failure> {
    let mut known = tools.calls.subscription_groups(broker).await?.subscription_group_table;
    let mut config = known.remove(group_name).unwrap_or_else(|| new_group(group_name));
    changes.apply(&mut config);
    tools.calls.update_subscription_group(broker, &config).await?;
    Ok(config)
}

/// deleteSubGroup
pub async fn delete(session: &mut Session) -> Result<(), Failure> {
    let group_name = session.required("g")?;
    let tools = session.tools();
    match (session.value("b"), session.value("c")) {
        (Some(broker), _) => {
            session.confirm(&format!("Delete the subscription group {group_name} from {broker}?"))?;
            tools.calls.delete_subscription_group(&broker, &group_name).await?;
            let text = format!("delete subscription group [{group_name}] from broker [{broker}] success.\n");
            session.out.put(&text, || json!({"group": group_name, "brokerAddr": broker}));
            Ok(())
        }
        (None, Some(cluster)) => {
            let masters = session.masters(&cluster).await?;
            session.confirm(&format!(
                "Delete the subscription group {group_name} from the cluster {cluster}, with its retry topic and its \
                 dead letters?"
            ))?;
            for master in masters {
                tools.calls.delete_subscription_group(&master, &group_name).await?;
                let text = format!(
                    "delete subscription group [{group_name}] from broker [{master}] in cluster [{cluster}] success.\n"
                );
                session
                    .out
                    .put(&text, || json!({"group": group_name, "brokerAddr": master, "cluster": cluster}));
            }
            for topic in [retry_topic(&group_name), dlq_topic(&group_name)] {
                session.delete_topic(&cluster, &topic).await?;
            }
            Ok(())
        }
        (None, None) => Err(Failure::nowhere()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_option_names_stays() {
        let mut config = SubscriptionGroupConfig::new("g");
        Changes { retry_max_times: Some(3), consume_enable: Some(false), ..Changes::default() }
            .apply(&mut config);
        let expected = SubscriptionGroupConfig {
            retry_max_times: 3,
            consume_enable: false,
            ..SubscriptionGroupConfig::new("g")
        };
        assert_eq!(config, expected);
        assert!(!new_group("g").consume_broadcast_enable);
    }
}
