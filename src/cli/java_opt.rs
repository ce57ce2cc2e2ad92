//! `JAVA_OPT` and `JAVA_OPT_EXT`, whose words 4.3.0's scripts hand to java. The system properties among them count here as
//! they do on the command line; all else shapes a JVM, and there is none.

use rocketmq::config::{Entry, Origin, Problem, ProblemKind};

use super::settings;

/// In the order in which java gets them.
const VARIABLES: [&str; 2] = ["JAVA_OPT", "JAVA_OPT_EXT"];
/// The one that a program cannot obey: the scripts turn it into `HOME`.
const USER_HOME: &str = "user.home";
/// Properties of 4.3.0, its clients' included, begin so.
const OURS: [&str; 3] = ["rocketmq.", "com.rocketmq.", "org.apache.rocketmq."];
/// Properties of 4.3.0's servers that have no effect here, and why.
const INERT: [(&str, &str); 4] = [
    (
        "rocketmq.broker.rebalance.lockMaxLiveTime",
        "a queue's lock that its owner does not renew is free after 60 s",
    ),
    ("com.rocketmq.remoting.socket.sndbuf.size", "set serverSocketSndBufSize"),
    ("com.rocketmq.remoting.socket.rcvbuf.size", "set serverSocketRcvBufSize"),
    ("com.rocketmq.remoting.nettyPooledByteBufAllocatorEnable", "there is no Netty"),
];

/// What the two variables say.
#[derive(Debug)]
pub struct JavaOptions {
    words: Vec<(&'static str, String)>,
}

/// What they say to this process.
pub fn given() -> JavaOptions {
    JavaOptions::of(|name| std::env::var(name).ok())
}

impl JavaOptions {
    fn of(variable: impl Fn(&str) -> Option<String>) -> JavaOptions {
        let words = |name| {
            let text = variable(name).unwrap_or_default();
            text.split_whitespace().map(|word| (name, word.to_owned())).collect::<Vec<_>>()
        };
        JavaOptions { words: VARIABLES.into_iter().flat_map(words).collect() }
    }

    /// Each system property: the variable that has it, name and value.
    pub fn properties(&self) -> impl Iterator<Item = (&'static str, &str, &str)> {
        self.words.iter().filter_map(|(variable, word)| {
            let property = word.strip_prefix("-D")?;
            let (key, value) = property.split_once('=').unwrap_or((property, ""));
            Some((*variable, key, value))
        })
    }

    /// What counts of them and what does not, if they are set at all.
    pub fn summary(&self) -> Option<String> {
        let set = VARIABLES.iter().filter(|name| self.words.iter().any(|(variable, _)| variable == *name));
        let set = set.copied().collect::<Vec<_>>().join(", ");
        if set.is_empty() {
            return None;
        }
        let counts: Vec<&str> = self
            .properties()
            .map(|(_, key, _)| key)
            .filter(|key| *key == USER_HOME || settings::is_property(key))
            .collect();
        let rest = self.words.len() - counts.len();
        let counts = counts.iter().map(|key| format!("-D{key}")).collect::<Vec<_>>().join(", ");
        Some(match (counts.as_str(), rest) {
            ("", _) => format!("{set} set: there is no JVM, and nothing in it has an effect here"),
            (counts, 0) => format!("{set} set: {counts} count"),
            (counts, _) => {
                format!("{set} set: {counts} count; there is no JVM, and the rest has no effect here")
            }
        })
    }

    /// Properties of 4.3.0, or meant to be that, which have no effect. Those of TLS are no matter of a warning.
    pub fn problems(&self, home: &str) -> Vec<Problem> {
        let odd = |key: &str, value: &str| {
            if let Some((_, reason)) = INERT.iter().find(|(name, _)| *name == key) {
                return Some(ProblemKind::Inert(reason));
            }
            if key == USER_HOME && value != home {
                return Some(ProblemKind::Inert("set HOME: a running program does not change its own"));
            }
            let is_unknown = OURS.iter().any(|ours| key.starts_with(ours)) && !settings::is_property(key);
            is_unknown.then_some(ProblemKind::Unknown(None))
        };
        let problem = |(variable, key, value): (&'static str, &str, &str)| {
            let entry = Entry::new(&format!("-D{key}"), value, Origin::Environment(variable));
            Some(Problem::new(entry, odd(key, value)?, &[]))
        };
        self.properties().filter_map(problem).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(java_opt: &str, java_opt_ext: &str) -> JavaOptions {
        JavaOptions::of(|name| Some(if name == "JAVA_OPT" { java_opt } else { java_opt_ext }.to_owned()))
    }

    #[test]
    fn it_is_said_what_counts() {
        let summary = |java_opt: &str, ext: &str| of(java_opt, ext).summary();
        assert_eq!(summary("", " "), None);
        let none = "JAVA_OPT set: there is no JVM, and nothing in it has an effect here";
        assert_eq!(summary("-server -Xmx8g", "").as_deref(), Some(none));
        let some = "JAVA_OPT, JAVA_OPT_EXT set: -Duser.home, -Dtls.server.mode count; there is no JVM, and the rest has no \
                    effect here";
        assert_eq!(summary("-Xmx8g -Duser.home=/h", "-Dtls.server.mode=enforcing").as_deref(), Some(some));
        let all = "JAVA_OPT_EXT set: -Drocketmq.namesrv.addr count";
        assert_eq!(summary("", "-Drocketmq.namesrv.addr=h:1").as_deref(), Some(all));
    }

    #[test]
    fn what_looks_like_a_property_of_ours_and_is_none_is_named() {
        let named = |java_opt: &str| {
            let problems = of(java_opt, "").problems("/h");
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("|")
        };
        assert_eq!(
            named("-Drocketmq.namesrv.addr=x -Dfile.encoding=UTF-8 -Duser.home=/h -Xrocketmq.x=1"),
            ""
        );
        let expected = "environment variable JAVA_OPT: unknown key -Drocketmq.namesrv.adr, ignored";
        assert_eq!(named("-Drocketmq.namesrv.adr=x"), expected);
        let expected = "environment variable JAVA_OPT: -Duser.home has no effect: set HOME: a running program does not change \
                        its own";
        assert_eq!(named("-Duser.home=/g"), expected);
        for (name, _) in INERT {
            assert!(named(&format!("-D{name}=1")).contains(&format!("-D{name} has no effect: ")));
        }
    }
}
