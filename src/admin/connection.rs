//! Who is connected: producerConnection, consumerConnection. Java: the classes of `tools.command.connection`.

use std::fmt::Display;

use serde_json::json;

use super::{Failure, Session};
use crate::protocol::body::client::{Connection, ConsumerConnection};
use crate::protocol::version::version_desc;

fn line(number: &str, connection: &Connection) -> String {
    let Connection { client_id, client_addr, .. } = connection;
    let language = connection.language.name();
    let version = version_desc(connection.version);
    format!("{number}  {client_id:<32} {client_addr:<22} {language:<8} {version}\n")
}

/// producerConnection
pub async fn producer(session: &mut Session) -> Result<(), Failure> {
    let (group, topic) = (session.required("g")?, session.required("t")?);
    let connections = session.tools().producer_connections(&group, &topic).await?;
    if connections.is_empty() {
        return Err(Failure::from(format!("Not found the producer group connection: nobody is in {group}")));
    }
    for (at, connection) in connections.iter().enumerate() {
        session.out.put(&line(&format!("{:04}", at + 1), connection), || json!(connection));
    }
    Ok(())
}

/// consumerConnection
pub async fn consumer(session: &mut Session) -> Result<(), Failure> {
    let group = session.required("g")?;
    let mut connection = session.tools().consumer_connection(&group).await?;
    connection.connection_set.sort_by(|a, b| a.client_id.cmp(&b.client_id));
    session.out.put(&consumer_text(&connection), || json!(connection));
    Ok(())
}

fn consumer_text(connection: &ConsumerConnection) -> String {
    fn or_null(value: Option<&impl Display>) -> String {
        value.map_or_else(|| "null".to_owned(), ToString::to_string)
    }
    let mut text = String::new();
    for (at, member) in connection.connection_set.iter().enumerate() {
        text += &line(&format!("{:03}", at + 1), member);
    }
    // The first of them stands on the same line, as in Java.
    text += "\nBelow is subscription:";
    for (at, data) in connection.subscription_table.values().enumerate() {
        text += &format!("{:03}  Topic: {:<40} SubExpression: {}\n", at + 1, data.topic, data.sub_string);
    }
    text += &format!("ConsumeType: {}\n", or_null(connection.consume_type.as_ref()));
    text += &format!("MessageModel: {}\n", or_null(connection.message_model.as_ref()));
    text + &format!("ConsumeFromWhere: {}\n", or_null(connection.consume_from_where.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::body::heartbeat::{ConsumeFromWhere, ConsumeType, SubscriptionData};
    use crate::protocol::version::V4_3_0;

    #[test]
    fn lines_stand_as_java_prints_them() {
        let member = Connection {
            client_addr: "127.0.0.1:5".to_owned(),
            client_id: "127.0.0.1@7".to_owned(),
            version: V4_3_0,
            ..Connection::default()
        };
        let row = format!("  127.0.0.1@7{}127.0.0.1:5{}JAVA     V4_3_0\n", " ".repeat(22), " ".repeat(12));
        assert_eq!(line("0001", &member), format!("0001{row}"));
        let data = SubscriptionData {
            topic: "T".to_owned(),
            sub_string: "*".to_owned(),
            ..SubscriptionData::default()
        };
        let connection = ConsumerConnection {
            connection_set: vec![member],
            consume_from_where: Some(ConsumeFromWhere::ConsumeFromLastOffset),
            consume_type: Some(ConsumeType::ConsumePassively),
            message_model: None,
            subscription_table: [("T".to_owned(), data)].into(),
        };
        let expected = format!(
            "001{row}\nBelow is subscription:001  Topic: T{}SubExpression: *\nConsumeType: CONSUME_PASSIVELY\n\
             MessageModel: null\nConsumeFromWhere: CONSUME_FROM_LAST_OFFSET\n",
            " ".repeat(40)
        );
        assert_eq!(consumer_text(&connection), expected);
    }
}
