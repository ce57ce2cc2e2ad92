//! The name servers: whether they answer, and whether they know the same brokers.

use std::collections::BTreeSet;
use std::time::Instant;

use futures_util::future::join_all;

use super::{Area, Check, Known, Report, Unreached, connect};
use crate::client::Calls;
use crate::client::namesrvs::Namesrvs;
use crate::protocol::response_code::ResponseCode;

/// Those that answer.
pub async fn look(calls: &Calls, namesrvs: &Namesrvs, report: &mut Report) -> Vec<Known> {
    let mut known = Vec::new();
    for (check, answer) in join_all(namesrvs.addrs().iter().map(|addr| ask(calls, addr))).await {
        report.add(check);
        known.extend(answer);
    }
    report.extend(differences(&known));
    known
}

async fn ask(calls: &Calls, addr: &str) -> (Check, Option<Known>) {
    let problem = |text: String, advice: &str| (Check::problem(Area::NameServer, addr, text, advice), None);
    if let Err(Unreached { reason, advice }) = connect(addr).await {
        return problem(format!("cannot be connected to from here: {reason}"), advice);
    }
    let began = Instant::now();
    match calls.cluster_info(addr).await {
        Ok(info) => {
            let took_ms = began.elapsed().as_millis();
            let known = Known { namesrv: addr.to_owned(), info };
            let count = addrs(&known).len();
            let check = match count {
                0 => Check::problem(
                    Area::NameServer,
                    addr,
                    "answers, and no broker is registered with it: clients get `No route info`",
                    format!(
                        "start brokers with -n {addr}, or namesrvAddr={addr} in their file; their broker.log says why a \
                         registration fails"
                    ),
                ),
                1 => Check::ok(
                    Area::NameServer,
                    addr,
                    format!("answers in {took_ms} ms; 1 broker is registered"),
                ),
                _ => Check::ok(
                    Area::NameServer,
                    addr,
                    format!("answers in {took_ms} ms; {count} brokers are registered"),
                ),
            };
            (check, Some(known))
        }
        Err(_) if is_broker(calls, addr).await => problem(
            "this is a broker, and no name server".to_owned(),
            "name the name server's address: its port is 9876 where listenPort says nothing else",
        ),
        Err(error) => problem(
            format!("something listens there, and does not answer as a name server does: {error}"),
            "look which program has this port, and whether both sides use TLS or neither",
        ),
    }
}

/// Whether a broker answers there: it tells its figures, or says who may ask for them.
async fn is_broker(calls: &Calls, addr: &str) -> bool {
    match calls.broker_runtime_info(addr).await {
        Ok(_) => true,
        Err(error) => error.code() == Some(ResponseCode::NoPermission.into()),
    }
}

/// Every address that is registered.
fn addrs(known: &Known) -> BTreeSet<(String, String)> {
    let brokers = known.info.broker_addr_table.iter();
    brokers
        .flat_map(|(name, data)| data.broker_addrs.values().map(|addr| (name.clone(), addr.clone())))
        .collect()
}

/// Brokers that one name server knows and another does not.
fn differences(known: &[Known]) -> Vec<Check> {
    let all: BTreeSet<(String, String)> = known.iter().flat_map(addrs).collect();
    let missing = |known: &Known| -> Vec<Check> {
        let mine = addrs(known);
        // Of one that knows nobody it has been said.
        let others = all.iter().filter(|it| !mine.is_empty() && !mine.contains(*it));
        let check = |(name, addr): &(String, String)| {
            Check::problem(
                Area::NameServer,
                &known.namesrv,
                format!(
                    "does not know broker {name} {addr}, which another name server knows: its clients do not find it"
                ),
                format!(
                    "add {} to that broker's namesrvAddr, and see that it can connect to it",
                    known.namesrv
                ),
            )
        };
        others.map(check).collect()
    };
    known.iter().flat_map(missing).collect()
}
