//! What was found: lines for people, one JSON object for programs.

use std::fmt;
use std::io::{IsTerminal, Write as _};

use serde_json::{Value, json};

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    NameServer,
    Broker,
    Vip,
    Replication,
    Clock,
    Disk,
    Folder,
    Topic,
}

impl Area {
    fn name(self) -> &'static str {
        match self {
            Area::NameServer => "name server",
            Area::Broker => "broker",
            Area::Vip => "VIP port",
            Area::Replication => "replication",
            Area::Clock => "clock",
            Area::Disk => "disk",
            Area::Folder => "folder",
            Area::Topic => "topic",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Ok,
    Warning,
    Problem,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Problem => "problem",
        }
    }

    /// At a terminal: green, yellow, red.
    fn colour(self) -> &'static str {
        match self {
            Status::Ok => "\x1b[32m",
            Status::Warning => "\x1b[33m",
            Status::Problem => "\x1b[1;31m",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub area: Area,
    /// Which one.
    pub subject: String,
    pub status: Status,
    pub text: String,
    /// What to do; empty where all is well.
    pub advice: String,
}

impl Check {
    pub fn ok(area: Area, subject: &str, text: impl Into<String>) -> Check {
        Check {
            area,
            subject: subject.to_owned(),
            status: Status::Ok,
            text: text.into(),
            advice: String::new(),
        }
    }

    pub fn warning(area: Area, subject: &str, text: impl Into<String>, advice: impl Into<String>) -> Check {
        Check { status: Status::Warning, advice: advice.into(), ..Check::ok(area, subject, text) }
    }

    pub fn problem(area: Area, subject: &str, text: impl Into<String>, advice: impl Into<String>) -> Check {
        Check { status: Status::Problem, advice: advice.into(), ..Check::ok(area, subject, text) }
    }

    fn json(&self) -> Value {
        json!({
            "area": self.area.name(),
            "subject": self.subject,
            "status": self.status.name(),
            "text": self.text,
            "advice": self.advice,
        })
    }
}

/// All that was looked at, in order.
#[derive(Debug, Default)]
pub struct Report {
    checks: Vec<Check>,
}

impl Report {
    pub fn add(&mut self, check: Check) {
        self.checks.push(check);
    }

    pub fn extend(&mut self, checks: impl IntoIterator<Item = Check>) {
        self.checks.extend(checks);
    }

    fn count(&self, status: Status) -> usize {
        self.checks.iter().filter(|check| check.status == status).count()
    }

    pub fn problems(&self) -> usize {
        self.count(Status::Problem)
    }

    /// Where nobody reads it any more, as behind `| head`, that is nothing to fail for.
    pub fn print(&self, is_json: bool) {
        let mut out = std::io::stdout().lock();
        let written = if is_json {
            writeln!(out, "{}", self.json())
        } else {
            let is_painted = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
            write!(out, "{}", Lines { report: self, is_painted })
        };
        let _ = written.and_then(|()| out.flush());
    }

    fn json(&self) -> Value {
        json!({
            "problems": self.problems(),
            "warnings": self.count(Status::Warning),
            "checks": self.checks.iter().map(Check::json).collect::<Vec<_>>(),
        })
    }
}

struct Lines<'a> {
    report: &'a Report,
    is_painted: bool,
}

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks = &self.report.checks;
        let width = checks.iter().map(|check| check.subject.chars().count()).max().unwrap_or(0);
        for Check { area, subject, status, text, advice } in checks {
            let (area, status, colour) = (area.name(), status.name(), status.colour());
            // What peers say may have anything in it, and a check is a line.
            let [subject, text, advice] = [subject, text, advice].map(|text| one_line(text));
            write!(f, "{area:<12} {subject:<width$}  ")?;
            match self.is_painted {
                true => write!(f, "{colour}{status:<8}\x1b[0m ")?,
                false => write!(f, "{status:<8} ")?,
            }
            writeln!(f, "{text}")?;
            if !advice.is_empty() {
                writeln!(f, "{:<12} {:<width$}  {:<8} -> {advice}", "", "", "")?;
            }
        }
        let number = |count: usize, one: &str| match count {
            0 => format!("no {one}s"),
            1 => format!("1 {one}"),
            _ => format!("{count} {one}s"),
        };
        let warnings = self.report.count(Status::Warning);
        writeln!(f, "\n{}, {}", number(self.report.problems(), "problem"), number(warnings, "warning"))
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_stand_in_columns() {
        let mut report = Report::default();
        report.add(Check::ok(Area::NameServer, "a:1", "answers"));
        report.add(Check::problem(Area::Broker, "broker-a", "is\naway", "start it"));
        report.add(Check::warning(Area::Vip, "b", "closed", "open it"));
        let expected = "\
name server  a:1       ok       answers
broker       broker-a  problem  is away
                                -> start it
VIP port     b         warning  closed
                                -> open it

1 problem, 1 warning
";
        assert_eq!(Lines { report: &report, is_painted: false }.to_string(), expected);
        let json = report.json();
        assert_eq!((&json["problems"], &json["checks"][1]["advice"]), (&json!(1), &json!("start it")));
    }
}
