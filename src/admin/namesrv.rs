//! Name servers: getNamesrvConfig, updateNamesrvConfig, updateKvConfig, deleteKvConfig, wipeWritePerm. Java: the classes
//! of `tools.command.namesrv`. Each of the name servers is asked; one that fails does not keep the others from it.

use serde_json::json;

use super::broker::{config_text, config_title};
use super::{Failure, Session};

/// getNamesrvConfig
pub async fn get_config(session: &mut Session) -> Result<(), Failure> {
    let tools = session.tools();
    let mut failures = session.failures();
    for addr in tools.namesrvs()?.addrs() {
        match tools.calls.namesrv_config(addr).await {
            Ok(settings) => session.out.put(
                &(config_title(addr) + &config_text(&settings)),
                || json!({"namesrvAddr": addr, "config": settings}),
            ),
            Err(error) => failures.note(Err(error.into())),
        }
    }
    failures.result()
}

/// updateNamesrvConfig
pub async fn update_config(session: &mut Session) -> Result<(), Failure> {
    let (key, value) = (session.required("k")?, session.required("v")?);
    let tools = session.tools();
    let mut failures = session.failures();
    for addr in tools.namesrvs()?.addrs() {
        match tools.calls.update_namesrv_config(addr, &key, &value).await {
            Ok(()) => session.out.json(|| json!({"namesrvAddr": addr, "key": key, "value": value})),
            Err(error) => failures.note(Err(error.into())),
        }
    }
    failures.result()?;
    // Java names them only where -n did.
    let addrs = if session.has("n") { tools.namesrvs()?.addrs() } else { &[] };
    session.out.text(&updated(addrs, &key, &value));
    Ok(())
}

fn updated(addrs: &[String], key: &str, value: &str) -> String {
    let list = if addrs.is_empty() { String::new() } else { format!("[{}]", addrs.join(", ")) };
    format!("update name server config success!{list}\n{key} : {value}\n")
}

/// updateKvConfig
pub async fn update_kv(session: &mut Session) -> Result<(), Failure> {
    let (namespace, key) = (session.required("s")?, session.required("k")?);
    let value = session.required("v")?;
    session.tools().put_kv_config(&namespace, &key, &value).await?;
    session.out.put(
        "create or update kv config to namespace success.\n",
        || json!({"namespace": namespace, "key": key, "value": value}),
    );
    Ok(())
}

/// deleteKvConfig
pub async fn delete_kv(session: &mut Session) -> Result<(), Failure> {
    let (namespace, key) = (session.required("s")?, session.required("k")?);
    session.tools().delete_kv_config(&namespace, &key).await?;
    session
        .out
        .put("delete kv config from namespace success.\n", || json!({"namespace": namespace, "key": key}));
    Ok(())
}

/// wipeWritePerm
pub async fn wipe_write_perm(session: &mut Session) -> Result<(), Failure> {
    let broker = session.required("b")?;
    let tools = session.tools();
    let mut failures = session.failures();
    for addr in tools.namesrvs()?.addrs() {
        let wiped = tools.calls.wipe_write_perm(addr, &broker).await;
        let count = wiped.as_ref().ok().copied();
        session.out.put(
            &wiped_text(&broker, addr, count),
            || json!({"brokerName": broker, "namesrvAddr": addr, "wipeTopicCount": count}),
        );
        failures.note(wiped.map(drop).map_err(Failure::from));
    }
    failures.result()
}

fn wiped_text(broker: &str, addr: &str, count: Option<i32>) -> String {
    let outcome = count.map_or_else(|| "Failed".to_owned(), |count| format!("OK, {count}"));
    format!("wipe write perm of broker[{broker}] in name server[{addr}] {outcome}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_as_java_prints_them() {
        let addrs = ["a:1".to_owned(), "b:2".to_owned()];
        assert_eq!(updated(&addrs, "k", "v"), "update name server config success![a:1, b:2]\nk : v\n");
        assert_eq!(updated(&[], "k", "v"), "update name server config success!\nk : v\n");
        let check = |count: Option<i32>, expected: &str| assert_eq!(wiped_text("b", "a:1", count), expected);
        check(Some(11), "wipe write perm of broker[b] in name server[a:1] OK, 11\n");
        check(None, "wipe write perm of broker[b] in name server[a:1] Failed\n");
    }
}
